test_that("the objective never falls, over 200 random problems", {
  for (seed in 1:200) {
    family <- numeric_families[seed %% 5 + 1]
    K <- seed %% 4 + 1
    size <- 80 + seed %% 7 * 60
    p <- ref_random_problem(seed, family, size, seed %% 3 + 2, seed %% 2 + 2, K)
    if (length(unique(p$y)) < 2) next
    control <- moe_control(starts = 2, max_iterations = 60, gate_ridge = 10^-(seed %% 5),
      newton = seed %% 3 > 0)
    set.seed(seed)
    fit <- suppressWarnings(moe(p$x[, -1, drop = FALSE], p$y, K, family,
      gating = p$z[, -1, drop = FALSE], weights = if (seed %% 2) p$w, control = control))
    expect_rising(fit$record$objective, fit$record$steps)
    expect_true(all(is.finite(coef(fit))))
    log_density <- predict(fit, list(x = p$x[, -1, drop = FALSE], z = p$z[, -1, drop = FALSE],
      y = p$y), "density", log = TRUE)
    w <- if (seed %% 2) p$w else 1
    expect_equal(fit$log_lik, sum(w * log_density), tolerance = 1e-8)
  }
})

test_that("a converged fit is a stationary point of the penalised log-likelihood", {
  for (family in numeric_families) {
    p <- ref_random_problem(21, family, 3000, 2, 2, 2)
    set.seed(1)
    fit <- moe(p$x[, -1, drop = FALSE], p$y, 2, family, control = moe_control(gate_ridge = 0))
    expect_true(fit$record$converged)
    info <- cpp_information(core_data(p, x = p$x, z = p$x), core_model(fit))
    scale <- sqrt(diag(-info$hessian))
    expect_lt(max(abs(info$score / scale)), 1e-3)
    expect_true(all(eigen(-info$hessian)$values > 0))
  }
})

test_that("two crossing lines are recovered", {
  d <- crossing_lines(4000)
  set.seed(2)
  fit <- moe(y ~ x, d, K = 2)
  first <- which.min(fit$parameters$beta["x", ])
  expect_equal(unname(fit$parameters$beta[, first]), c(2, -3), tolerance = 0.05)
  expect_equal(unname(fit$parameters$beta[, 3 - first]), c(0, 3), tolerance = 0.05)
  expect_equal(unname(sqrt(fit$parameters$dispersion)), c(0.3, 0.3), tolerance = 0.05)
  expect_gt(mean(predict(fit, d, "class") == ifelse(d$label == 1, first, 3 - first)), 0.95)
})

test_that("the paper's design: at least the truth's log-likelihood, in few iterations", {
  for (seed in 2:4) {
    sim <- moe_simulate(2e4, K = 4, d = 20, seed = seed)
    set.seed(seed)
    fit <- moe(y ~ ., sim$data, K = 4, keep = FALSE)
    expect_gte(fit$log_lik, as.numeric(logLik(sim$model, sim$data)))
    expect_lt(fit$record$em_iterations, 60)
    expect_true(fit$record$converged)
  }
})

test_that("a weight of 2 counts a row twice, and weight 0 not at all", {
  d <- crossing_lines(600)
  weight <- rep(c(1, 2, 0), 200)
  twice <- d[rep(seq_len(600), weight), ]
  a <- moe(y ~ x, d, K = 2, weights = weight, start = d$label)
  b <- moe(y ~ x, twice, K = 2, start = twice$label)
  expect_equal(coef(a), coef(b), tolerance = 1e-6)
  expect_equal(as.numeric(logLik(a)), as.numeric(logLik(b)), tolerance = 1e-9)
})

test_that("order of rows and labels of the start change nothing but labels", {
  d <- crossing_lines(800)
  a <- moe(y ~ x, d, K = 2, start = d$label)
  i <- withr::with_seed(5, sample(800))
  b <- moe(y ~ x, d[i, ], K = 2, start = d$label[i])
  expect_equal(coef(a), coef(b), tolerance = 1e-7)
  c <- moe(y ~ x, d, K = 2, start = 3L - d$label)
  expect_equal(coef(relabel(c, 2:1)), coef(a), tolerance = 1e-6)
})

test_that("an affine change of x or y changes only the coefficients", {
  d <- crossing_lines(800)
  moved <- transform(d, x = 1e4 + 250 * x, y = -40 + 1e3 * y)
  set.seed(3)
  a <- moe(y ~ x, d, K = 2)
  set.seed(3)
  b <- moe(y ~ x, moved, K = 2)
  expect_equal(predict(b, moved), -40 + 1e3 * predict(a, d), tolerance = 1e-7)
  expect_equal(predict(b, moved, "gate"), predict(a, d, "gate"), tolerance = 1e-6)
  expect_equal(b$log_lik, a$log_lik - 800 * log(1e3), tolerance = 1e-9)
  # Any invertible mixing of columns, from a common start; the prior is the only thing that knows.
  p <- ref_random_problem(4, "gaussian", 900, 3, 3, 2)
  x <- p$x[, -1]
  A <- rbind(c(2, 1), c(-1, 3))
  labels <- max.col(ref_estep(p$x, p$x, p$y, within(p$model, alpha <- alpha * 0))$responsibilities)
  control <- moe_control(gate_ridge = 0)
  a <- moe(x, p$y, 2, start = labels, control = control)
  b <- moe(x %*% A + 7, p$y, 2, start = labels, control = control)
  expect_equal(b$log_lik, a$log_lik, tolerance = 1e-10)
  expect_equal(predict(b, x %*% A + 7), predict(a, x), tolerance = 1e-6)
})

test_that("set.seed() reproduces a fit, and another seed finds the same maximum", {
  sim <- moe_simulate(3000, K = 3, d = 4, seed = 1)
  fit <- function(seed) {
    set.seed(seed)
    moe(y ~ ., sim$data, K = 3)
  }
  a <- fit(1)
  expect_identical(coef(fit(1)), coef(a))
  expect_equal(fit(2)$log_lik, a$log_lik, tolerance = 1e-8)
})

test_that("a start may be a model, labels, a factor or responsibilities", {
  d <- crossing_lines(600)
  a <- moe(y ~ x, d, K = 2, start = d$label)
  hard <- cbind(d$label == 1, d$label == 2) * 1
  for (start in list(a, factor(d$label), hard)) {
    b <- moe(y ~ x, d, K = 2, start = start)
    expect_equal(coef(b), coef(a), tolerance = 1e-6)
  }
  expect_equal(moe(y ~ x, d, start = a)$K, 2L)
})

test_that("a start's basis and levels are kept where the formulas agree", {
  d <- crossing_lines(600)
  a <- moe(y ~ scale(x), d, K = 2, start = d$label)
  half <- d[d$x > -0.5, ]
  b <- moe(y ~ scale(x), half, K = 2, start = a)
  expect_identical(attr(b$schema$expert$terms, "predvars"), attr(a$schema$expert$terms, "predvars"))
  c <- moe(y ~ scale(x), half, K = 2, start = half$label)
  expect_equal(predict(b, half), predict(c, half), tolerance = 1e-5)
})

test_that("normal life: separable gates, surplus experts, tiny parts do not give NaN", {
  d <- data.frame(x = seq(-1, 1, length.out = 200))
  d$y <- withr::with_seed(1, ifelse(d$x < 0, 5 + d$x, -5 - d$x) + stats::rnorm(200, sd = 0.1))
  set.seed(1)
  separable <- moe(y ~ x, d, K = 2)
  expect_true(all(is.finite(coef(separable))))
  expect_true(separable$record$converged)
  set.seed(2)
  surplus <- suppressWarnings(moe(y ~ x, crossing_lines(150), K = 6))
  expect_true(all(is.finite(coef(surplus))))
  expect_true(all(surplus$parameters$dispersion > 0))
  expect_rising(surplus$record$objective, surplus$record$steps)
})

test_that("an empty expert is re-seeded, a lasting one reported", {
  d <- crossing_lines(600)
  good <- moe(y ~ x, d, K = 2, start = d$label)
  lost <- good
  lost$parameters$beta[, 2] <- c(1e5, 0)
  lost$parameters$alpha[] <- c(50, 0)
  set.seed(1)
  fit <- moe(y ~ x, d, K = 2, start = lost, control = moe_control(max_reseeds = 5))
  expect_gt(fit$record$reseeds, 0)
  expect_equal(fit$log_lik, good$log_lik, tolerance = 1e-6)
  # A model given as start keeps its experts in their places.
  expect_warning(kept <- moe(y ~ x, d, K = 2, start = lost), "lost its rows.*max_reseeds")
  expect_equal(kept$record$reseeds, 0)
  expect_true(kept$record$empty[2])
  expect_true(kept$record$converged)
  expect_equal(coef(kept, "expert")[, 2], coef(lost, "expert")[, 2])
})

test_that("columns that the data do not determine stay at the start's value when allowed", {
  d <- crossing_lines(600)
  d$g <- stats::rnorm(600)
  start <- moe(y ~ x + g, d, K = 2, start = d$label)
  same <- transform(d, g = 3)
  fit <- moe(y ~ x + g, same, start = start, control = moe_control(singular_ok = TRUE))
  expect_equal(fit$record$aliased$expert, "g")
  expect_equal(coef(fit, "expert")["g", ], coef(start, "expert")["g", ], tolerance = 1e-10)
  expect_equal(coef(fit, "gate")["g", ], coef(start, "gate")["g", ], tolerance = 1e-10)
  without <- moe(y ~ x, same, K = 2, start = d$label)
  expect_equal(predict(fit, same), predict(without, same), tolerance = 1e-5)
})

test_that("collinear columns, when allowed, get 0 or the start's value and are not counted", {
  d <- crossing_lines(600)
  d$twice <- 2 * d$x + 1
  plain <- moe(y ~ x, d, K = 2, start = d$label)
  allow <- moe_control(singular_ok = TRUE)
  expect_error(moe(y ~ x + twice, d, K = 2), "twice", class = "moe_input_error")
  fit <- moe(y ~ x + twice, d, K = 2, start = d$label, control = allow)
  expect_identical(unname(coef(fit, "expert")["twice", ]), c(0, 0))
  expect_identical(unname(coef(fit, "gate")["twice", ]), 0)
  expect_equal(coef(fit, "expert")[1:2, ], coef(plain, "expert"), tolerance = 1e-6)
  expect_equal(attr(logLik(fit), "df"), attr(logLik(plain), "df"))
  start <- fit
  start$parameters$beta["twice", ] <- c(1, -2)
  kept <- moe(y ~ x + twice, d, start = start, control = allow)
  expect_identical(unname(coef(kept, "expert")["twice", ]), c(1, -2))
  expect_equal(predict(kept, d), predict(plain, d), tolerance = 1e-6)
})

test_that("non-convergence is returned and warned about", {
  d <- crossing_lines(600)
  expect_warning(fit <- moe(y ~ x, d, K = 2, start = rep(1:2, 300),
    control = moe_control(max_iterations = 1)), "did not converge")
  expect_false(fit$record$converged)
})

test_that("moe(x, y) does not copy or change x", {
  x <- matrix(stats::rnorm(2000), 1000)
  y <- x[, 1] + stats::rnorm(1000)
  before <- x + 0
  moe(x, y, K = 1)
  expect_identical(x, before)
})

test_that("a common factor of the weights changes nothing but the priors' share", {
  sim <- moe_simulate(600, K = 2, d = 2, seed = 1)
  fit <- function(w) {
    set.seed(1)
    suppressWarnings(moe(y ~ x1 + x2, transform(sim$data, w = w), K = 2, weights = w,
      control = moe_control(gate_ridge = 0, variance_prior = 0)))
  }
  one <- fit(1)
  for (w in c(1e-9, 1e-3, 1e6)) {
    expect_equal(fit(w)$log_lik / w, one$log_lik, tolerance = 1e-8)
  }
  expect_warning(moe(y ~ x1, transform(sim$data, w = 1e-6), K = 2, weights = w), "rescale")
})

test_that("arguments by name may come in any order, and data is evaluated once", {
  d <- crossing_lines(300)
  calls <- 0
  source <- function() {
    calls <<- calls + 1
    d
  }
  a <- moe(y ~ x, source(), K = 2, start = d$label)
  expect_equal(calls, 1)
  expect_equal(coef(moe(data = d, K = 2, formula = y ~ x, start = d$label)), coef(a))
})

test_that("random numbers are drawn only where there is a choice", {
  d <- crossing_lines(300)
  set.seed(1)
  before <- .Random.seed
  moe(y ~ x, d, K = 1)
  moe(y ~ x, d, K = 2, start = d$label)
  expect_identical(.Random.seed, before)
})

test_that("columns that the sample of the starts hardly sees do not lead the fit astray", {
  n <- 30000
  d <- crossing_lines(n)
  d$rare <- 0
  d$rare[c(5, 9000, 25000)] <- 1
  few <- moe_control(start_rows = 500)
  for (seed in 1:3) {
    set.seed(seed)
    fit <- moe(y ~ x + rare, d, K = 2, gating = ~ x, control = few)
    set.seed(seed)
    without <- moe(y ~ x, d, K = 2, control = few)
    # The larger model holds the smaller one.
    expect_gt(fit$log_lik, without$log_lik)
    expect_lt(fit$log_lik, without$log_lik + 50)
    expect_lt(max(abs(coef(fit, "expert")["rare", ])), 10)
  }
  levels <- withr::with_seed(3, sample(40, n, TRUE, (1:40)^-2))
  d$f <- factor(levels)
  d$b <- as.numeric(withr::with_seed(4, stats::runif(n)) < stats::plogis(2 * d$y))
  for (response in c("y", "b")) {
    family <- if (response == "y") gaussian() else binomial()
    formula <- stats::reformulate(c("x", "f"), response)
    value <- function(control) {
      set.seed(2)
      suppressWarnings(moe(formula, d, K = 2, gating = ~ x, family = family, control = control))$log_lik
    }
    expect_lt(value(moe_control(start_rows = 0)) - value(few), 1)
  }
})

test_that("rows of weight 0 change nothing, neither in the fit nor in the search for starts", {
  d <- crossing_lines(20000)
  d$w <- 0
  counted <- withr::with_seed(1, sample(20000, 60))
  d$w[counted] <- 1
  # What does not count may be anything.
  d$y[-counted] <- withr::with_seed(2, stats::rnorm(19940, 100, 50))
  set.seed(1)
  a <- moe(y ~ x, d, K = 2, weights = w)
  set.seed(1)
  b <- moe(y ~ x, d[d$w > 0, ], K = 2)
  expect_equal(coef(a), coef(b), tolerance = 1e-8)
  expect_equal(a$log_lik, b$log_lik, tolerance = 1e-10)
  expect_equal(nobs(a), 60)
  expect_length(fitted(a), 20000)
  labels <- moe(y ~ x, d, K = 2, weights = w, start = d$label)
  expect_equal(labels$log_lik, moe(y ~ x, d[d$w > 0, ], K = 2, start = d$label[d$w > 0])$log_lik)
})
