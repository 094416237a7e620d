# What a stranger works out of messages about one patient, and the rule that stops it. Each attack is first shown to
# work on what moe_message() would send.

# `row`: what the attacker must not learn.
patients_with <- function(seed = 1, n = 500) {
  withr::with_seed(seed, {
    d <- data.frame(age = round(stats::runif(n, 28, 80)), dose = stats::rnorm(n, 3),
      ward = sample(c("a", "b"), n, TRUE))
    d$stay <- 2 + 0.03 * d$age + 0.5 * d$dose + stats::rnorm(n)
    d
  })
}

# A field as the one who reads the file has it.
leaf <- function(message, ...) {
  found <- Reduce(function(tree, name) tree[[name]], list(...), jsonlite::parse_json(message$text))
  if (is.list(found)) unlist(found) else found
}

refused_for <- function(message, reason, ...) {
  file <- withr::local_tempfile(fileext = ".json")
  e <- expect_error(write_moe(message, file, ...), class = "moe_disclosure_error")
  expect_match(e$reasons, reason, all = FALSE)
  expect_false(file.exists(file))
  expect_output(print(message), "REFUSED")
}

# A model of the same columns on rows that may be known, which sites are asked about.
asked <- function(formula, d, ...) moe(formula, d, K = 1, ...)

test_that("a 0/1 column of one row: the first exchange holds the row's columns and its y", {
  d <- patients_with()
  d$rare <- as.numeric(seq_len(500) == 17)
  model <- asked(stay ~ age + dose + rare, d)
  message <- moe_message(moe_statistics(model, d))
  columns <- leaf(message, "columns", "expert")
  at <- match("rare", columns)
  gram <- matrix(leaf(message, "moments", "gram_x"), length(columns))
  row <- leaf(message, "moments", "mean_x") + gram[, at]
  expect_equal(row[match(c("age", "dose"), columns)], as.numeric(d[17, c("age", "dose")]), tolerance = 1e-8)
  y <- leaf(message, "moments", "mean_y") + leaf(message, "moments", "cross_y")[at]
  expect_equal(y, d$stay[17], tolerance = 1e-8)
  refused_for(message, "Column \"rare\".*1 row")
  refused_for(moe_message(model, "A"), "Column \"rare\".*1 row")
})

test_that("a 0/1 column of one row: a round's sums hold its y", {
  d <- patients_with()
  d$rare <- as.numeric(seq_len(500) == 17)
  d$stay <- stats::rpois(500, exp(1 + 0.01 * d$age))
  model <- asked(stay ~ age + rare, d[1:100, ], family = poisson())
  model <- moe_update(model, list(moe_statistics(model, d)))
  message <- moe_message(moe_statistics(model, d))
  scaling <- model$rounds$scaling$x
  score <- leaf(message, "sums", "score")
  residual <- scaling$scale[3] * score[3] + scaling$centre[3] * score[1]
  tried <- cpp_to_user(model$rounds$tried, model$rounds$scaling, core_model(model))$beta
  expect_equal(residual + exp(drop(c(1, d$age[17], 1) %*% tried)), d$stay[17], tolerance = 1e-6)
  refused_for(message, "Column \"rare\".*1 row")
})

test_that("boundary knots are the smallest and the largest value", {
  d <- patients_with()
  d$age[1] <- 97.5
  fit <- asked(stay ~ splines::ns(age, 3) + dose, d)
  expect_match(moe_message(fit)$text, "97.5", fixed = TRUE)
  refused_for(moe_message(fit), "Boundary.knots = c\\(20, 100\\)")
  refused_for(moe_message(moe_sites(stay ~ splines::bs(age), list(A = d), K = 1)$models$A), "Boundary.knots")
  # Said in the formula, or taken from a start, they tell nothing of these rows.
  file <- withr::local_tempfile(fileext = ".json")
  said <- asked(stay ~ splines::ns(age, 3, Boundary.knots = c(20, 100)) + dose, d)
  write_moe(said, file)
  start <- asked(stay ~ splines::ns(age, 3) + dose, patients_with(2))
  d$age[1] <- 60
  from_start <- moe_sites(formula(start), list(A = d), start = start)
  write_moe(from_start$models$A, file, overwrite = TRUE)
  expect_identical(attr(from_start$models$A$schema$frame, "predvars"), attr(start$schema$frame, "predvars"))
})

test_that("a level of one row is named, and its coefficient is that patient's y", {
  d <- patients_with()
  d$ward[33] <- "c"
  fit <- asked(stay ~ ward + age, d)
  b <- coef(fit, "expert")[, 1]
  expect_equal(b[["(Intercept)"]] + b[["wardc"]] + b[["age"]] * d$age[33], d$stay[33], tolerance = 1e-8)
  expect_match(moe_message(fit)$text, "\"c\"", fixed = TRUE)
  refused_for(moe_message(fit), "Level \"c\" of \"ward\" has 1 row")
  # The reference level has no column, and as few rows.
  d$ward <- factor(d$ward, c("c", "a", "b"))
  refused_for(moe_message(asked(stay ~ ward + age, d)), "Level \"c\" of \"ward\" has 1 row")
  # A level of nobody, as from a common start, tells of nobody.
  some <- d[d$ward != "c", ]
  told <- moe_sites(stay ~ ward + age, list(A = some, B = d), K = 1)$models$A
  expect_length(disclosure_faults(model_counts(told), moe_policy(rows = 50)), 0)
})

test_that("case weights can make few rows of many", {
  d <- patients_with()
  d$w <- replace(rep(1e-7, 500), 3, 1)
  fit <- moe_sites(stay ~ age + dose, list(A = d), K = 1, weights = "w", share = "x")$models$A
  message <- moe_message(fit)
  expect_equal(leaf(message, "shared", "x", "mean", "dose"), d$dose[3], tolerance = 1e-3)
  refused_for(message, "500 rows count as 1; `effective_rows` asks for 30")
  d$w <- rep(c(1, 1e-9), c(3, 497))
  refused_for(moe_message(moe(stay ~ age, d, K = 1, weights = w)), "count as 3")
})

test_that("an expert at the floor of its variance tells its rows' y", {
  d <- patients_with()
  d$stay[1:40] <- 30 - 0.2 * d$age[1:40]
  fit <- suppressWarnings(moe(stay ~ age, d, K = 2, start = rep(1:2, c(40, 460)),
    control = moe_control(variance_prior = 0, starts = 1)))
  expect_true(any(fit$record$at_floor))
  line <- coef(fit, "expert")[, which(fit$record$at_floor)]
  expect_equal(line[[1]] + line[[2]] * d$age[1:40], d$stay[1:40], tolerance = 1e-4)
  refused_for(moe_message(fit), "at the floor")
})

test_that("two columns of many rows each can differ in one row", {
  d <- patients_with()
  d$age[1] <- 27
  d$age[2:30] <- 25
  fit <- asked(stay ~ I(age > 26) + I(age > 27), d)
  message <- moe_message(moe_statistics(fit, d))
  expect_gt(min(sum(d$age <= 26), sum(d$age > 27)), 20)
  cross <- leaf(message, "moments", "cross_y")
  means <- leaf(message, "moments", "mean_x")
  y <- cross[2] - cross[3] + (means[2] - means[3]) * 500 * leaf(message, "moments", "mean_y")
  expect_equal(y, d$stay[1], tolerance = 1e-6)
  refused_for(message, "combination of columns.*leverage 1\\)")
})

test_that("a column can all but vanish for all rows but one, or hold one value that drowns the others", {
  d <- patients_with()
  d$age[1] <- 97
  near <- asked(stay ~ I(exp(-abs(age - 97))) + dose, d)
  refused_for(moe_message(near), "another than its usual value in 1 row")
  power <- asked(stay ~ I((age / 10)^30), d)
  refused_for(moe_message(power), "usual value")
  d$income <- exp(stats::rnorm(500))
  d$income[5] <- 1e5
  refused_for(moe_message(asked(stay ~ income, d)), "Column \"income\" .* 1 row")
})

test_that("a rare class of the response is a rare level", {
  d <- patients_with()
  d$died <- as.numeric(seq_len(500) <= 4)
  fit <- suppressWarnings(moe(died ~ dose, d, K = 1, family = binomial()))
  refused_for(moe_message(fit), "Class \"1\" of the response has 4 rows")
})

test_that("rows behind columns do not depend on where the rows are", {
  d <- patients_with(n = 3000)
  d$rare <- as.numeric(seq_len(3000) <= 12)
  d$w <- rep(c(1, 0, 2), 1000)
  kept <- moe(stay ~ ward + rare + dose, d, K = 2, weights = w, control = moe_control(starts = 1), seed = 1)
  bare <- moe(stay ~ ward + rare + dose, d, K = 2, weights = w, control = moe_control(starts = 1), keep = FALSE,
    seed = 1)
  a <- model_counts(kept)$behind
  expect_equal(a, model_counts(bare)$behind)
  counted <- d[d$w > 0, ]
  expect_equal(a$rows, 2000)
  expect_equal(a$effective, sum(counted$w)^2 / sum(counted$w^2))
  expect_equal(a$columns$rows[a$columns$column == "rare" & a$columns$part == "expert"], sum(counted$rare))
  expect_equal(a$levels$rows, as.numeric(table(counted$ward)))
  r <- predict(kept, d, "posterior") * d$w
  expect_equal(a$experts, unname(colSums(r)^2 / colSums(predict(kept, d, "posterior") * d$w^2)), tolerance = 1e-8)
  x <- stats::model.matrix(~ ward + rare + dose, counted)
  h <- stats::hat(sqrt(counted$w) * x, intercept = FALSE)
  expect_equal(a$leverage, max(h), tolerance = 1e-8)
  u <- counted$w * (counted$dose - stats::weighted.mean(counted$dose, counted$w))^2
  expect_equal(a$columns$carry[a$columns$column == "dose"][1], sum(u)^2 / sum(u^2), tolerance = 1e-8)
  streamed <- moe(stay ~ ward + rare + dose, moe_source(d, memory_rows = 100), K = 2, weights = w,
    control = moe_control(starts = 1), seed = 1)
  b <- model_counts(streamed)$behind
  same <- c("rows", "effective", "leverage", "levels")
  expect_equal(b[same], a[same])
  expect_equal(b$columns, a$columns)
})
