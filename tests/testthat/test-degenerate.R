# Degenerate experts and separation: none is returned unnamed. What is degenerate is computed here, from
# coefficients, variances and responsibilities, not taken from the record.

# A fit with its warnings, each on one line.
told_fit <- function(..., seed = 1) {
  withr::local_seed(seed)
  said <- character()
  fit <- withCallingHandlers(moe(...), warning = function(w) {
    said <<- c(said, one_line(cli::ansi_strip(conditionMessage(w))))
    invokeRestart("muffleWarning")
  })
  list(fit = fit, said = said)
}

# Rows behind every expert, from coefficients on the user's scale (no offsets here).
plain_posterior <- function(fit, data) {
  x <- stats::model.matrix(fit$schema$expert$terms, data, xlev = fit$schema$levels)
  z <- stats::model.matrix(fit$schema$gate$terms, data, xlev = fit$schema$levels)
  y <- as.numeric(stats::model.response(stats::model.frame(stats::formula(fit), data)))
  m <- list(family = fit$family$family, beta = unname(coef(fit, "expert")), alpha = unname(coef(fit, "gate")),
    dispersion = if (fit$family$family == "gaussian") sigma(fit)^2 else rep(1, fit$K))
  log_joint <- ref_log_gates(z, m$alpha) + ref_log_density(m$family, y, ref_eta(x, m$beta), m$dispersion)
  list(posterior = exp(log_joint - ref_log_sum_exp(log_joint)), eta = ref_eta(x, m$beta), parameters = ncol(x))
}

# By the rule of the issue: a spread below a twentieth of the largest, or no more rows than parameters and one.
degenerate_by_hand <- function(fit, data) {
  p <- plain_posterior(fit, data)
  rows <- colSums(p$posterior)
  gaussian <- fit$family$family == "gaussian"
  sd <- if (gaussian) unname(sigma(fit)) else rep(1, fit$K)
  which(fit$K > 1 & (rows <= p$parameters + gaussian + 1 | sd < max(sd) / 20))
}

# Experts whose rows have fitted probabilities (rates) of 0 or 1 alone.
saturated_by_hand <- function(fit, data) {
  if (fit$family$family == "gaussian") return(integer())
  p <- plain_posterior(fit, data)
  mean <- ref_mean(fit$family$family, p$eta)
  near <- if (fit$family$family == "binomial") pmin(mean, 1 - mean) else mean
  which(vapply(seq_len(fit$K), function(k) all(near[p$posterior[, k] > 0.5, k] < 1e-6), NA))
}

named_in <- function(k, said) any(grepl(paste0("[Ee]xperts?( [0-9, and]+)? ", k, "\\b"), said))

expect_all_named <- function(told, data) {
  for (k in degenerate_by_hand(told$fit, data)) {
    words <- grep("rests on|held at its floor|lost", told$said, value = TRUE)
    expect_true(named_in(k, words), label = paste("expert", k))
  }
  for (k in saturated_by_hand(told$fit, data)) {
    words <- grep("separation|rests on|lost", told$said, value = TRUE)
    expect_true(named_in(k, words), label = paste("separated expert", k))
  }
}

line <- function(n, seed) {
  withr::with_seed(seed, {
    d <- data.frame(x = stats::runif(n, -1, 1))
    d$y <- 1 + 2 * d$x + stats::rnorm(n, sd = 0.5)
    d
  })
}

gaussian_cases <- list(
  "one row far out" = list(rbind(line(80, 1), data.frame(x = 0.3, y = 60)), y ~ x, 3),
  "three rows far out" = list(rbind(line(80, 2), data.frame(x = c(0, 0.1, 0.2), y = c(50, 51, 49))), y ~ x, 3),
  "duplicated rows" = list(line(30, 3)[c(1:30, rep(7, 12)), ], y ~ x, 3),
  "an atom of y" = list(transform(line(150, 4), y = pmin(y, 1.8)), y ~ x, 3),
  "zeros" = list(transform(line(200, 5), y = ifelse(x < 0, 0, y)), y ~ x, 2),
  "rounded y" = list(transform(line(200, 6), y = round(y)), y ~ x, 3),
  "a group of one value" = list(transform(rbind(line(60, 7), line(20, 8)), g = rep(c("a", "b"), c(60, 20)),
    y = ifelse(rep(c(FALSE, TRUE), c(60, 20)), 3, y)), y ~ x + g, 2),
  "K too large" = list(line(60, 9), y ~ x, 6),
  "tiny n" = list(line(14, 10), y ~ x, 2),
  "two values" = list(transform(line(100, 11), y = as.numeric(y > 1)), y ~ x, 2),
  "an exact line beside noise" = list(transform(line(120, 12), y = ifelse(x > 0.4, 2 * x, y)), y ~ x, 2))

test_that("no degenerate Gaussian expert is returned unnamed", {
  for (case in names(gaussian_cases)) {
    found <- gaussian_cases[[case]]
    for (seed in 1:2) {
      told <- told_fit(found[[2]], found[[1]], K = found[[3]], seed = seed)
      expect_all_named(told, found[[1]])
    }
  }
})

test_that("starts that lead to degenerate experts: each is named", {
  # The search may avoid them; a start that has them from the beginning does not.
  x_of <- function(case) gaussian_cases[[case]][[1]]$x
  starts <- list("one row far out" = c(rep(1:2, 40), 3), "three rows far out" = c(rep(1:2, 40), 3, 3, 3),
    "duplicated rows" = c(rep(1:2, 15), rep(3, 12)), "zeros" = 1 + (x_of("zeros") < 0),
    "a group of one value" = rep(1:2, c(60, 20)),
    "an exact line beside noise" = 1 + (x_of("an exact line beside noise") > 0.4))
  for (case in names(starts)) {
    found <- gaussian_cases[[case]]
    told <- told_fit(found[[2]], found[[1]], K = found[[3]], start = starts[[case]])
    # The case does what it is for: without the warning the test would have failed.
    expect_gte(length(degenerate_by_hand(told$fit, found[[1]])), 1, label = case)
    expect_all_named(told, found[[1]])
  }
})

test_that("textbook cases: Boston with four experts, Australian athletes with three", {
  skip_if_not_installed("MASS")
  told <- told_fit(medv ~ lstat, MASS::Boston, K = 4)
  expect_all_named(told, MASS::Boston)
  # From random partitions most end with the 16 homes at the cap of 50 as an expert of no spread.
  bad <- 0
  for (seed in 1:6) {
    start <- withr::with_seed(seed, sample(4, 506, TRUE))
    told <- told_fit(medv ~ lstat, MASS::Boston, K = 4, start = start)
    expect_all_named(told, MASS::Boston)
    by_hand <- degenerate_by_hand(told$fit, MASS::Boston)
    bad <- bad + (length(by_hand) > 0)
    expect_setequal(which(told$fit$record$degenerate), by_hand)
  }
  expect_gt(bad, 3)
  skip_if_not_installed("MoEClust")
  ais <- getExportedValue("MoEClust", "ais")
  for (seed in 1:3) expect_all_named(told_fit(BMI ~ sex + Ht + Hc, ais, K = 3, seed = seed), ais)
})

test_that("the spread of many honest rows may be small: named, not degenerate", {
  skip_if_not_installed("MASS")
  # A motorcycle's driver before the impact: 24 rows of next to no acceleration.
  start <- 1 + (MASS::mcycle$times > 14)
  told <- told_fit(accel ~ times, MASS::mcycle, K = 2, start = start)
  k <- which.min(sigma(told$fit))
  expect_lt(sigma(told$fit)[k], max(sigma(told$fit)) / 20)
  expect_true(any(grepl(paste0("Expert ", k, " rests on 24 rows, standard deviation 1.5 .largest: 43"), told$said)))
  expect_false(any(told$fit$record$degenerate))
  expect_output(print(told$fit), "rests on 24 rows")
})

test_that("degenerate experts are in print and summary, and moe_select() does not choose them", {
  d <- gaussian_cases[["zeros"]][[1]]
  told <- told_fit(y ~ x, d, K = 2, start = 1 + (d$x < 0))
  expect_identical(told$fit$record$degenerate, c(FALSE, TRUE))
  rows <- round(sum(predict(told$fit, d, type = "posterior")[, 2]))
  expect_output(print(told$fit), paste0("Expert 2 rests on ", rows, " rows, standard deviation .*: degenerate"))
  expect_output(print(summary(told$fit)), paste("Expert 2 rests on", rows, "rows"))
  # Eight rows, seven parameters: one of two experts has four rows at most, whatever the search does.
  few <- line(8, 1)
  withr::local_seed(1)
  chosen <- suppressWarnings(moe_select(y ~ x, few, K = 1:2, gating = ~1))
  expect_identical(chosen$K, 1L)
  expect_match(chosen$path$message[2], "degenerate")
  # A site's warning is in the table.
  sites <- moe_sites(y ~ x, list(A = few, B = line(200, 13)), K = 2, gating = ~1)
  expect_match(sites$table$message[1], "rests on")
  expect_identical(sites$table$status, c("fitted", "fitted"))
})

# ---- separation --------------------------------------------------------------------------------

separated_cases <- function() {
  withr::local_seed(1)
  n <- 200
  d <- data.frame(x = stats::rnorm(n), v = stats::rnorm(n), g = factor(sample(c("a", "b", "c"), n, TRUE)))
  at_level <- stats::rbinom(n, 1, stats::plogis(d$v))
  list(
    "complete, one expert" = list(transform(d, y = as.numeric(x > 0.1)), y ~ x + v, 1, "binomial", "x"),
    "complete, two experts" = list(transform(d, y = as.numeric(x > 0.1)), y ~ x + v, 2, "binomial", NULL),
    "a level of ones" = list(transform(d, y = ifelse(g == "c", 1, at_level)), y ~ v + g, 1, "binomial", "gc"),
    "a level without counts" = list(transform(d, y = ifelse(g == "b", 0, 1 + at_level)), y ~ v + g, 1, "poisson", "gb"),
    "tiny n" = list(data.frame(x = 1:10, y = rep(0:1, each = 5)), y ~ x, 1, "binomial", "x"))
}

test_that("separated experts are named with the columns, also where there is only one", {
  for (case in separated_cases()) {
    told <- told_fit(case[[2]], case[[1]], K = case[[3]], family = case[[4]])
    expect_all_named(told, case[[1]])
    if (is.null(case[[5]])) next
    expect_true(any(grepl(paste0("expert 1 \\(", case[[5]], "\\) run to infinity"), told$said)))
    expect_identical(told$fit$record$separated, list(case[[5]]))
    expect_output(print(told$fit), paste0("run to infinity: expert 1 \\(", case[[5]]))
    # A prior on the slopes ends it.
    held <- told_fit(case[[2]], case[[1]], K = 1, family = case[[4]], control = moe_control(expert_ridge = 1))
    expect_false(any(grepl("separation", held$said)))
  }
  told <- told_fit(Species ~ Petal.Length + Sepal.Width, iris, K = 1, family = multinomial())
  expect_true(any(grepl("expert 1 (Petal.Length) run to infinity", told$said, fixed = TRUE)))
})

test_that("the messages of a model carry the judgement", {
  d <- gaussian_cases[["zeros"]][[1]]
  told <- told_fit(y ~ x, d, K = 2, start = 1 + (d$x < 0))
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(told$fit, file, policy = FALSE)
  expect_identical(read_moe(file)$record$degenerate, told$fit$record$degenerate)
  d <- separated_cases()[["a level of ones"]]
  told <- told_fit(d[[2]], d[[1]], K = 1, family = "binomial")
  write_moe(told$fit, file, policy = FALSE, overwrite = TRUE)
  expect_identical(read_moe(file)$record$separated, list("gc"))
})

# Gates -----------------------------------------------------------------------------------------

gate_cases <- function(overlap) {
  withr::local_seed(3)
  d <- data.frame(x = seq(-1, 1, length.out = 300), v = stats::rnorm(300))
  first <- stats::runif(300) < stats::plogis(if (overlap) 3 * d$x else 300 * d$x)
  list(gaussian = transform(d, y = ifelse(first, 10 + v, -10 - v) + stats::rnorm(300)),
    poisson = transform(d, y = stats::rpois(300, ifelse(first, 60, 1))))
}

test_that("gates that are steps are named with the columns, others are not", {
  for (family in c("gaussian", "poisson")) {
    step <- told_fit(y ~ v, gate_cases(FALSE)[[family]], K = 2, family = family, gating = ~ v + x)
    expect_identical(unique(unlist(step$fit$record$separated_gates)), "x")
    expect_output(print(step$fit), "weak prior on gates holds: gate [12] \\(x\\)")
    # The information that its rows have about the steep direction, by the definition.
    soft <- told_fit(y ~ v, gate_cases(TRUE)[[family]], K = 2, family = family, gating = ~ v + x)
    expect_null(soft$fit$record$separated_gates)
    told <- function(fit) {
      z <- scale(stats::model.matrix(fit, which = "gate")[, -1])
      g <- stats::predict(fit, type = "gate")[, 1]
      z <- qr.Q(qr(cbind(1, z))) * sqrt(nrow(z))
      min(eigen(crossprod(z, g * (1 - g) * z), TRUE)$values)
    }
    expect_lt(told(step$fit), 1e-3)
    expect_gt(told(soft$fit), 0.1)
    # A prior that is felt ends it.
    held <- told_fit(y ~ v, gate_cases(FALSE)[[family]], K = 2, family = family, gating = ~ v + x,
      control = moe_control(gate_ridge = 1))
    expect_null(held$fit$record$separated_gates)
  }
})

test_that("sandwiches of steps are warned of, and messages carry the judgement", {
  d <- gate_cases(FALSE)$gaussian
  d$id <- rep(1:30, 10)
  step <- told_fit(y ~ v, d, K = 2, gating = ~x)$fit
  expect_warning(vcov(step, "sandwich"), "gate [12] \\(x\\) run to infinity")
  expect_warning(vcov(step, cluster = d$id), "gate [12] \\(x\\) run to infinity")
  expect_no_warning(vcov(step))
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(step, file)
  expect_identical(read_moe(file)$record$separated_gates, step$record$separated_gates)
})

test_that("gates of many rows are judged by all of them where some do not tell", {
  withr::local_seed(4)
  n <- 50000
  # The first 25,000 rows are of one side: what they leave open, the others tell.
  d <- data.frame(x = sort(stats::rnorm(n)))
  d$y <- ifelse(stats::runif(n) < stats::plogis(4 * d$x), 10, -10) + stats::rnorm(n)
  fit <- moe(y ~ 1, d, K = 2, gating = ~x, keep = FALSE)
  expect_null(fit$record$separated_gates)
  d$y <- ifelse(d$x > 2, 10, -10) + stats::rnorm(n)
  fit <- moe(y ~ 1, d, K = 2, gating = ~x, keep = FALSE)
  expect_identical(unique(unlist(fit$record$separated_gates)), "x")
})

test_that("an expert of one class is said to be one", {
  d <- separated_cases()[["complete, two experts"]][[1]]
  told <- told_fit(y ~ 1, d, K = 2, family = "binomial", gating = ~x, start = 1 + d$y)
  expect_true(any(grepl("expert 1 ((Intercept)), expert 2 ((Intercept)) run to infinity", told$said, fixed = TRUE)))
  expect_true(any(grepl("one and the same response", told$said)))
})

test_that("glm() warns of the fits that are separated completely", {
  # (Of a single level it stops before its own limit, ten roundings from 0 or 1.)
  for (case in separated_cases()[c("complete, one expert", "tiny n")]) {
    suppressWarnings(expect_warning(stats::glm(case[[2]], case[[4]], case[[1]]), "fitted probabilities"))
  }
})

test_that("honest data give no warning", {
  skip_if_not_installed("MASS")
  birth <- transform(MASS::birthwt, race = factor(race))
  quiet <- list(
    list(case ~ age + parity + spontaneous + induced, infert, 1, "binomial"),
    list(low ~ age + lwt + race + smoke + ptl + ht + ui, birth, 1, "binomial"),
    list(ncases ~ agegp + offset(log(ncases + ncontrols)), esoph, 1, "poisson"),
    list(Days ~ Eth + Sex + Age + Lrn, MASS::quine, 2, "poisson", ~1),
    list(breaks ~ wool + tension, warpbreaks, 2, "poisson", ~1),
    list(eruptions ~ waiting, faithful, 2, "gaussian"),
    list(stations ~ mag + depth, quakes, 2, "gaussian"),
    list(medv ~ lstat, MASS::Boston, 2, "gaussian"))
  for (case in quiet) {
    gating <- if (length(case) > 4) case[[5]]
    told <- told_fit(case[[1]], case[[2]], K = case[[3]], family = case[[4]], gating = gating)
    expect_identical(told$said, character())
  }
})

test_that("the penalised maximum of honest data lies next to the maximum of the likelihood", {
  skip_if_not_installed("MASS")
  honest <- list(list(accel ~ times, MASS::mcycle, 3), list(eruptions ~ waiting, faithful, 3),
    list(medv ~ lstat, MASS::Boston, 2), list(stations ~ mag + depth, quakes, 3))
  for (case in honest) {
    fit <- told_fit(case[[1]], case[[2]], K = case[[3]])$fit
    plain <- told_fit(case[[1]], case[[2]], start = fit, control = moe_control(variance_prior = 0))$fit
    # From above too: the likelihood's own maximum in the same basin is never lower.
    expect_gte(plain$log_lik, fit$log_lik - 1e-6)
    expect_lt(plain$log_lik - fit$log_lik, 0.1)
    expect_false(any(plain$record$degenerate, fit$record$degenerate))
  }
})
