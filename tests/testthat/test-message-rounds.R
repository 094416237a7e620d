# Rounds over files are those of moe_refine().

over_files <- function(model, sources, exchanges, control = moe_control()) {
  folder <- withr::local_tempdir()
  sent <- file.path(folder, "model.txt")
  for (e in seq_len(exchanges)) {
    write_moe(model, sent, "centre", overwrite = TRUE, state = e %% 2 == 0)
    for (s in names(sources)) {
      answer <- moe_statistics(read_moe(sent), sources[[s]], site = s)
      write_moe(answer, file.path(folder, paste0(s, ".json")), overwrite = TRUE, min_expert_rows = 0)
    }
    # The centre's own state survives being written and read.
    write_moe(model, sent, "centre", overwrite = TRUE)
    model <- moe_update(read_moe(sent), folder, control = control)
  }
  model
}

test_that("r rounds over files are moe_refine(rounds = r)", {
  for (family in all_families) {
    d <- two_experts(900, family, 2)
    fit <- suppressWarnings(moe(y ~ x + v, d[1:400, ], K = 2, family = family))  # binomial: separated
    sources <- split(d, rep(c("A", "B", "C"), c(200, 300, 400)))
    by_file <- over_files(fit, sources, 4)
    refined <- moe_refine(fit, sources, 2)
    expect_equal(coef(by_file), coef(refined), tolerance = 1e-8)
    expect_equal(by_file$log_lik, refined$log_lik, tolerance = 1e-10)
    expect_equal(by_file$information$curvature, refined$information$curvature, tolerance = 1e-8)
    expect_equal(by_file$n, 900)
  }
})

test_that("penalised rounds over files are those of moe_refine()", {
  penalties <- list(ridge = list(expert_ridge = 20, gate_ridge = 3), lasso = list(lambda = 0.05),
    net = list(lambda = c(expert = 0.01, gate = 0.1), l1_share = 0.5, expert_ridge = 2),
    quadratic = list(lambda = c(expert = 0.1, gate = 0.02), l1_share = 0))
  for (family in all_families) {
    d <- two_experts(900, family, 2)
    fit <- suppressWarnings(moe(y ~ x + v + w + g, d[1:400, ], K = 2, family = family))
    sources <- split(d, rep(c("A", "B", "C"), c(200, 300, 400)))
    for (penalty in if (family == "gaussian") names(penalties) else c("ridge", "net")) {
      control <- do.call(moe_control, penalties[[penalty]])
      by_file <- over_files(fit, sources, 5, control)
      refined <- moe_refine(fit, sources, 3, control = control)
      expect_equal(coef(by_file), coef(refined), tolerance = 1e-8, info = paste(family, penalty))
      expect_gt(max(abs(coef(refined) - coef(fit))), 1e-3)
      expect_identical(coef(by_file) == 0, coef(refined) == 0)
      expect_equal(by_file$log_lik, refined$log_lik, tolerance = 1e-10)
      expect_equal(by_file$refinement$rounds[1:7], refined$refinement$rounds[1:7], tolerance = 1e-6)
      expect_equal(by_file$information, refined$information, tolerance = 1e-8)
      settings <- c("lambda", "l1_share", "expert_ridge", "gate_ridge")
      expect_equal(by_file$record[settings], refined$record[settings])
      expect_equal(attr(logLik(by_file), "df"), attr(logLik(refined), "df"))
    }
    # There is something to be exact about.
    expect_true(any(coef(moe_refine(fit, sources, 3, control = do.call(moe_control, penalties$net))) == 0))
  }
})

test_that("the penalty of the first exchange is kept, and converges to the pooled penalised fit", {
  d <- two_experts(900, "gaussian", 2)
  control <- moe_control(lambda = 0.03, tolerance = 1e-10)
  pooled <- moe(y ~ x + v + w, d, K = 2, control = control)
  sources <- split(d, rep(c("A", "B", "C"), c(200, 300, 400)))
  first <- moe_update(pooled, lapply(names(sources), function(s) moe_statistics(pooled, sources[[s]], site = s)),
    control = control)
  # No control later on: the settings are those of the first exchange.
  by_file <- over_files(first, sources, 3)
  expect_equal(by_file$record$lambda, c(expert = 0.03, gate = 0.03))
  expect_equal(coef(by_file), coef(pooled), tolerance = 1e-5)
  expect_true(by_file$record$converged)
})

test_that("a step that lowers the objective is taken back, over files too", {
  withr::local_seed(1)
  d <- data.frame(x = stats::rnorm(400))
  d$y <- stats::rpois(400, exp(1 + d$x))
  away <- moe(y ~ x, d, K = 1, family = poisson())
  away$parameters$beta[] <- c(-6, -1)
  sources <- list(A = d[1:100, ], B = d[101:400, ])
  by_file <- over_files(away, sources, 6)
  refined <- moe_refine(away, sources, 4)
  expect_identical(by_file$rounds$table$accepted, refined$refinement$rounds$accepted)
  expect_false(all(by_file$rounds$table$accepted))
  expect_equal(coef(by_file), coef(refined), tolerance = 1e-8)
})

test_that("who is missing, new, twice or out of date is named", {
  d <- two_experts(600, "gaussian")
  sources <- split(d, rep(c("A", "B"), 300))
  fit <- moe(y ~ x, sources$A, K = 2)
  answers <- function(model) lapply(names(sources), function(s) moe_statistics(model, sources[[s]], site = s))
  first <- moe_update(fit, answers(fit))
  expect_error(moe_update(first, answers(fit)), "exchange 1.*exchange 2", class = "moe_input_error")
  second <- answers(first)
  expect_error(moe_update(first, second[1]), "\"B\"")
  expect_error(moe_update(first, second[c(1, 1)]), "twice")
  expect_error(moe_update(first, c(second, list(moe_statistics(first, d, site = "new")))), "new")
  expect_error(moe_update(first, list()), "messages")
  expect_output(print(second[[1]]), "no row is in it")
  judged <- moe_update(first, second)
  judged$rounds["state"] <- list(NULL)
  expect_error(moe_update(judged, answers(judged)), "state")
  expect_error(moe_update(first, answers(moe_update(first, second))), "exchange 3.*exchange 2")
  # A site whose rows have changed since the first exchange.
  fewer <- list(moe_statistics(first, sources$A[-1, ], site = "A"), second[[2]])
  expect_error(moe_update(first, fewer), "\"A\".*299 rows, and had 300", class = "moe_input_error")
  folder <- withr::local_tempfile()
  dir.create(folder)
  write_moe(second[[1]], file.path(folder, "A.json"))
  expect_match(read_moe(folder)$table$message, "moe_update")
})

test_that("answers to other models are refused, and their files named", {
  d <- two_experts(600, "gaussian")
  counts <- two_experts(600, "poisson")
  counts$y <- pmin(counts$y, 50)
  fit <- moe(y ~ x, d, K = 2)
  folder <- withr::local_tempdir()
  put <- function(name, model, data, site = name) {
    file <- file.path(folder, paste0(name, ".json"))
    write_moe(moe_statistics(model, data, site = site), file, overwrite = TRUE, min_expert_rows = 0)
    file
  }
  good <- put("good", fit, d)
  expect_s3_class(moe_update(fit, good), "moe")
  others <- list(K = moe(y ~ x, d, K = 1), columns = moe(y ~ x + v, d, K = 2), model = moe(y ~ x, d[1:300, ], K = 2))
  words <- c(K = "K = 1", columns = "other columns", model = "another model")
  for (name in names(others)) {
    bad <- put(name, others[[name]], d)
    expect_error(moe_update(fit, c(good, bad)), paste0(name, "\\.json.*", words[[name]]), class = "moe_input_error")
  }
  bad <- put("family", moe(y ~ x, counts, K = 2, family = poisson()), counts)
  expect_error(moe_update(fit, c(good, bad)), "family\\.json.*poisson", class = "moe_input_error")
  again <- put("again", fit, d, site = "good")
  expect_error(moe_update(fit, c(good, again)), "twice.*good\\.json.*again\\.json", class = "moe_input_error")
  model <- file.path(folder, "fit.json")
  write_moe(fit, model)
  expect_error(moe_update(fit, c(good, model)), "fit\\.json.*no answer", class = "moe_input_error")
})

test_that("rounds that a version without a prior on variances began go on without it", {
  d <- two_experts(600, "gaussian", 2)
  model <- moe(y ~ x + v, d[1:300, ], K = 2)
  sources <- split(d, rep(c("A", "B"), each = 300))
  answers <- function(model) lapply(names(sources), function(s) moe_statistics(model, sources[[s]], site = s))
  first <- moe_update(model, answers(model), control = moe_control(variance_prior = 0))
  tree <- message_of(first)
  expect_equal(tree$rounds$settings$variance_prior, 0)
  tree$rounds$settings$variance_prior <- tree$rounds$scaling$y_residual <- tree$record$variance_prior <- NULL
  tree$schema <- "distmoe/1"
  old <- read_moe(forge(tree, withr::local_tempfile(fileext = ".json")))
  expect_equal(old$rounds$settings$variance_prior, 0)
  expect_equal(coef(moe_update(old, answers(old))), coef(moe_update(first, answers(first))), tolerance = 1e-12)
})
