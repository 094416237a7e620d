# Negative binomial experts: MASS::glm.nb() at K = 1, expectations and quantiles against sums, the Poisson limit.

nb_data <- function(n, seed = 1) {
  withr::with_seed(seed, {
    d <- data.frame(x = stats::rnorm(n), e = stats::runif(n, 0.5, 2), w = sample(1:3, n, TRUE))
    d$label <- 1 + (stats::runif(n) < stats::plogis(d$x))
    d$y <- stats::rnbinom(n, c(1, 5)[d$label], mu = exp(c(0, 2)[d$label] + c(0.5, -0.5)[d$label] * d$x))
    d
  })
}

test_that("one expert is MASS::glm.nb()", {
  skip_if_not_installed("MASS")
  control <- stats::glm.control(epsilon = 1e-14, maxit = 200)
  for (formula in list(Days ~ Sex + Age + Eth + Lrn, Days ~ Sex / (Age + Eth) + offset(log(10 + as.numeric(Age))))) {
    fit <- moe(formula, MASS::quine, K = 1, family = negative_binomial())
    line <- MASS::glm.nb(formula, MASS::quine, control = control)
    expect_equal(unname(coef(fit, "expert")[, 1]), unname(coef(line)), tolerance = 1e-6)
    expect_equal(unname(1 / fit$parameters$dispersion), line$theta, tolerance = 1e-6)
    expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(line)), tolerance = 1e-10)
    expect_equal(unname(fitted(fit)), unname(fitted(line)), tolerance = 1e-6)
    expect_equal(unname(residuals(fit, "deviance")), unname(residuals(line, "deviance")), tolerance = 1e-5)
    expect_equal(unname(hatvalues(fit)), unname(stats::hatvalues(line)), tolerance = 1e-5)
    # Standard errors by the observed information of all parameters, by differences.
    y <- MASS::quine$Days
    x <- model.matrix(fit)
    offset <- if (is.null(line$offset)) 0 else line$offset
    value <- function(theta) {
      n <- length(theta)
      sum(stats::dnbinom(y, exp(-theta[n]), mu = exp(drop(x %*% theta[-n]) + offset), log = TRUE))
    }
    theta <- c(coef(fit, "expert")[, 1], log(fit$parameters$dispersion))
    hessian <- by_differences(function(t) by_differences(value, t), theta)
    se <- sqrt(diag(solve(-(hessian + t(hessian)) / 2)))
    by <- c(rep(1, ncol(x)), fit$parameters$dispersion)
    expect_equal(unname(sqrt(diag(vcov(fit)))), unname(se * by), tolerance = 1e-4)
  }
  weighted <- moe(y ~ x, nb_data(300), K = 1, family = negative_binomial(), weights = w)
  line <- MASS::glm.nb(y ~ x, nb_data(300), weights = w, control = control)
  expect_equal(unname(coef(weighted, "expert")[, 1]), unname(coef(line)), tolerance = 1e-6)
})

test_that("EM alone ends where Newton does, and rises on the way", {
  d <- nb_data(500)
  fit <- moe(y ~ x, d, K = 2, family = negative_binomial(), start = d$label)
  em <- suppressWarnings(moe(y ~ x, d, K = 2, family = negative_binomial(), start = d$label,
    control = moe_control(newton = FALSE, max_iterations = 3000, tolerance = 1e-11)))
  expect_rising(em$record$objective, em$record$steps)
  expect_equal(em$log_lik, fit$log_lik, tolerance = 1e-8)
  expect_gt(em$record$em_iterations, 10)
})

# By sums: nothing is left beyond the 1e-20 quantiles.
kl_by_sums <- function(mean1, d1, mean2, d2) {
  y <- 0:max(100, stats::qnbinom(1e-20, 1 / d1, mu = mean1, lower.tail = FALSE))
  p <- stats::dnbinom(y, 1 / d1, mu = mean1, log = TRUE)
  sum(exp(p) * (p - stats::dnbinom(y, 1 / d2, mu = mean2, log = TRUE)))
}

test_that("KL is that of sums, for dispersions and means of all sizes, one row or many", {
  withr::local_seed(3)
  for (i in 1:25) {
    d <- 10^stats::runif(2, -4, 1.3)
    n <- 300
    x <- cbind(1, sort(stats::runif(n, -6, 5)))
    from <- list(family = "negative_binomial", beta = matrix(0:1, 2) + 0, alpha = matrix(0, 2, 0), dispersion = d[1])
    to <- replace(from, c("beta", "dispersion"), list(matrix(c(stats::rnorm(1), stats::runif(1, 0.3, 1)), 2), d[2]))
    cost <- function(rows) {
      own <- x[rows, , drop = FALSE]
      cpp_divergence(from, to, list(x = own, z = own, y = NULL, x_intercept = 1L, z_intercept = 1L), "component",
        "kl")$cost[1, 1]
    }
    one <- vapply(seq_len(n), cost, 0)
    for (s in c(1, 150, n)) {
      mean <- exp(drop(x[s, ] %*% cbind(from$beta, to$beta)))
      expect_equal(one[s], kl_by_sums(mean[1], d[1], mean[2], d[2]), tolerance = 1e-9)
    }
    expect_equal(cost(seq_len(n)), mean(one), tolerance = 1e-11)
  }
})

test_that("densities and quantiles are R's, to the Poisson limit and for means of millions", {
  probs <- c(1e-12, 1e-3, 0.2, 0.5, 0.9, 1 - 1e-9)
  for (size in list(c(0.02, 0.3), c(1, 7), c(300, 1e6), c(0.05, 1e9))) for (level in c(-4, 1, 12)) {
    model <- list(family = "negative_binomial", beta = matrix(c(level, 0.5, level + 1, -0.4), 2),
      alpha = matrix(c(0.2, 1)), dispersion = 1 / size)
    x <- cbind(1, c(-2, 0, 1.5))
    data <- list(x = x, z = x, y = NULL, x_intercept = 1L, z_intercept = 1L)
    gate <- ref_gates(x, model$alpha)
    mean <- exp(x %*% model$beta)
    q <- cpp_quantiles(data, model, probs)
    tail <- function(q, lower) rowSums(gate * vapply(1:2, function(k) {
      stats::pnbinom(q, size[k], mu = mean[, k], lower.tail = lower)
    }, q))
    for (j in seq_along(probs)) {
      below <- probs[j] <= 0.5
      p <- if (below) probs[j] else 1 - probs[j]
      slack <- 1e-9  # of R's own function
      here <- tail(q[, j], below)
      before <- tail(q[, j] - 1, below)
      expect_true(all(if (below) here >= p * (1 - slack) & before < p * (1 + slack)
        else here <= p * (1 + slack) & before > p * (1 - slack)))
    }
    data$y <- q[, 4]
    density <- rowSums(gate * vapply(1:2, function(k) stats::dnbinom(data$y, size[k], mu = mean[, k]), data$y))
    expect_equal(drop(cpp_predict(data, model, "log_density")), log(density), tolerance = 1e-7)
  }
})

test_that("derivatives hold where counts are large and the dispersion is small", {
  withr::local_seed(4)
  for (d in c(1e-5, 1e-2, 3)) {
    x <- cbind(1, stats::rnorm(40))
    y <- stats::rnbinom(40, 1 / d, mu = exp(4 + x[, 2]))
    model <- list(family = "negative_binomial", beta = matrix(c(4, 1)), alpha = matrix(0, 2, 0), dispersion = d)
    info <- cpp_information(list(x = x, z = x, y = y + 0, x_intercept = 1L, z_intercept = 1L), model)
    # In closed form: R's digamma() and trigamma().
    a <- 1 / d
    m <- exp(drop(x %*% c(4, 1)))
    slope <- -a * (digamma(y + a) - digamma(a) - log1p(d * m) + 1 - (y + a) / (m + a))
    second <- a^2 * (trigamma(y + a) - trigamma(a)) + a - 2 * a^2 / (m + a) + a^2 * (y + a) / (m + a)^2 - slope
    expect_equal(info$score[3], sum(slope), tolerance = if (d < 1e-4) 1e-3 else 1e-7)
    if (d > 1e-4) expect_equal(info$hessian[3, 3], sum(second), tolerance = 1e-6)
    cross <- -(y - m) * m * d / (1 + m * d)^2
    expect_equal(info$hessian[3, 1:2], colSums(cross * x), tolerance = 1e-8)
  }
})

test_that("intervals cover, from simulated data fitted again", {
  truth <- c(0, 0.5, 2, -0.5, 1, 0.2)
  inside <- vapply(1:60, function(seed) {
    d <- nb_data(1500, 100 + seed)
    fit <- moe(y ~ x, d, K = 2, family = negative_binomial(), start = d$label)
    v <- c(coef(fit, "expert"), log(fit$parameters$dispersion))
    se <- sqrt(diag(vcov(fit)))[c(1:4, 7:8)] / c(1, 1, 1, 1, fit$parameters$dispersion)
    abs(v - c(truth[1:4], log(truth[5:6]))) < 1.96 * se
  }, logical(6))
  expect_gt(mean(inside), 0.92)
  expect_lt(mean(inside), 0.98)
})

test_that("counts that vary no more than Poisson ones end at the floor, one expert, or at a large size", {
  d <- nb_data(600)
  d$low <- withr::with_seed(1, stats::rbinom(600, 12, stats::plogis(d$x)))
  expect_warning(fit <- moe(low ~ x, d, K = 1, family = negative_binomial()), "no more than Poisson")
  expect_output(print(fit), "Dispersion held at its floor")
  line <- stats::glm(low ~ x, poisson(), d, control = list(epsilon = 1e-14))
  expect_equal(unname(coef(fit, "expert")[, 1]), unname(coef(line)), tolerance = 1e-4)
  expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(line)), tolerance = 1e-4)
  expect_true(is.na(vcov(fit)[3, 3]))
  set.seed(1)
  two <- suppressWarnings(moe(low ~ x, d, K = 2, family = negative_binomial()))
  expect_false(any(two$record$at_floor))
  expect_gt(min(1 / two$parameters$dispersion), 20)
  expect_error(sigma(two), "size", class = "moe_input_error")
})

test_that("zeros only and one huge count are named, and end no fit", {
  d <- nb_data(400)
  d$zero <- ifelse(d$label == 1, 0, d$y + 1)
  set.seed(1)
  expect_warning(fit <- moe(zero ~ x, d, K = 2, family = negative_binomial()), "numerically 0")
  expect_true(all(is.finite(c(coef(fit), fit$log_lik))))
  d$y[5] <- 1e9
  set.seed(1)
  huge <- suppressWarnings(moe(y ~ x, d, K = 2, family = negative_binomial()))
  expect_true(all(is.finite(c(coef(huge), huge$log_lik))))
  expect_rising(huge$record$objective, huge$record$steps)
  expect_error(moe(y / 2 ~ x, d, K = 1, family = negative_binomial()), "counts.*negative_binomial",
    class = "moe_input_error")
})

test_that("an aggregate of sites is near the pooled fit, refined it is that fit", {
  d <- nb_data(6000)
  sources <- split(d, rep_len(1:6, nrow(d)))
  pooled <- moe(y ~ x, d, K = 2, family = negative_binomial(), control = moe_control(tolerance = 1e-12))
  sites <- moe_sites(y ~ x, sources, K = 2, family = negative_binomial(), seed = 1)
  for (plan in c("component", "pointwise")) {
    all <- moe_aggregate(sites, moe_support(d[1:500, ]), plan = plan)
    expect_lt(moe_metrics(pooled, d)$loglik - moe_metrics(all, d)$loglik, 0.01)
  }
  refined <- moe_refine(all, sources, rounds = Inf, control = moe_control(tolerance = 1e-12))
  expect_equal(refined$log_lik, pooled$log_lik, tolerance = 1e-9)
  expect_error(moe_aggregate(sites, moe_support(d[1:50, ]), cost = "hellinger"), "kl", class = "moe_input_error")
})
