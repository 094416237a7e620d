# Gamma experts: glm() and MASS at K = 1, special functions and quantiles against R's, degenerate data.

gamma_data <- function(n, seed = 1) {
  withr::with_seed(seed, {
    d <- data.frame(x = stats::rnorm(n), e = stats::runif(n, 0.5, 2), w = sample(1:3, n, TRUE))
    d$label <- 1 + (stats::runif(n) < stats::plogis(d$x))
    shape <- c(2, 20)[d$label]
    d$mean <- exp(c(0, 2)[d$label] + c(0.5, -0.5)[d$label] * d$x)
    d$y <- stats::rgamma(n, shape, shape / d$mean)
    d
  })
}

test_that("one expert is glm() with the shape of MASS::gamma.shape()", {
  d <- gamma_data(400)
  for (scale in c(1e-6, 1, 1e6)) {
    d$scaled <- d$y * scale
    fit <- moe(scaled ~ x + offset(log(e)), d, K = 1, family = Gamma(link = "log"), weights = w)
    line <- stats::glm(scaled ~ x + offset(log(e)), Gamma("log"), d, weights = w, control = list(epsilon = 1e-14))
    expect_equal(unname(coef(fit, "expert")[, 1]), unname(coef(line)), tolerance = 1e-7)
    expect_equal(fitted(fit) / scale, unname(fitted(line)) / scale, tolerance = 1e-7)
    shape <- 1 / fit$parameters$dispersion
    expect_equal(fit$log_lik, sum(d$w * stats::dgamma(d$scaled, shape, shape / fitted(line), log = TRUE)),
      tolerance = 1e-10)
    # The observed information, orthogonal to the shape at the maximum.
    x <- cbind(1, d$x)
    covariance <- solve(crossprod(x, d$w * d$scaled / fitted(line) * shape * x))
    expect_equal(unname(vcov(fit))[1:2, 1:2], covariance, tolerance = 1e-6)
    expect_equal(vcov(fit)[3, 3] * shape^2, 1 / (sum(d$w) * (shape^2 * trigamma(shape) - shape)), tolerance = 1e-6,
      ignore_attr = TRUE)
  }
  skip_if_not_installed("MASS")
  line <- stats::glm(y ~ x, Gamma("log"), d, control = list(epsilon = 1e-14))
  fit <- moe(y ~ x, d, K = 1, family = "Gamma")
  found <- MASS::gamma.shape(line, it.lim = 100, eps.max = 1e-12)
  expect_equal(unname(1 / fit$parameters$dispersion), found$alpha, tolerance = 1e-6)
  expect_equal(sqrt(vcov(fit)[3, 3]) / unname(fit$parameters$dispersion)^2, found$SE, tolerance = 1e-5)
  expect_equal(unname(residuals(fit, "deviance")), unname(residuals(line, "deviance")), tolerance = 1e-6)
  expect_equal(unname(hatvalues(fit)), unname(stats::hatvalues(line)), tolerance = 1e-5)
  expect_equal(unname(sigma(fit)), 1 / sqrt(found$alpha), tolerance = 1e-6)
})

test_that("densities, and quantiles as inverses of the distribution function, are R's for shapes of any size", {
  probs <- c(1e-12, 1e-3, 0.2, 0.5, 0.9, 1 - 1e-9)
  for (shape in list(c(0.02, 0.3), c(1, 7), c(11.9, 12.1), c(300, 4e4), c(1e6, 3e7), c(0.05, 1e5))) {
    model <- list(family = "Gamma", beta = matrix(c(0.3, 0.5, 1, -0.4), 2), alpha = matrix(c(0.2, 1)),
      dispersion = 1 / shape)
    x <- cbind(1, c(-2, 0, 1.5))
    data <- list(x = x, z = x, y = NULL, x_intercept = 1L, z_intercept = 1L)
    gate <- ref_gates(x, model$alpha)
    mean <- exp(x %*% model$beta)
    q <- cpp_quantiles(data, model, probs)
    tail <- function(q, lower) rowSums(gate * vapply(1:2, function(k) {
      stats::pgamma(q, shape[k], shape[k] / mean[, k], lower.tail = lower)
    }, q))
    for (j in seq_along(probs)) {
      if (any(q[, j] < 1e-300)) next  # of shape 0.02, beyond all numbers
      below <- probs[j] <= 0.5
      p <- if (below) probs[j] else 1 - probs[j]
      # R's own function has 1e-10 or so at shapes of millions.
      expect_lt(max(abs(tail(q[, j], below) / p - 1)), if (max(shape) > 1e5) 1e-7 else 1e-9)
    }
    data$y <- q[, 4]
    density <- rowSums(gate * vapply(1:2, function(k) stats::dgamma(data$y, shape[k], shape[k] / mean[, k]), data$y))
    expect_equal(drop(cpp_predict(data, model, "log_density")), log(density), tolerance = 1e-9)
  }
})

test_that("residuals and simulated responses have the model's distribution", {
  sim <- moe_simulate(4000, K = 3, d = 3, seed = 5, family = Gamma("log"))
  r <- residuals(sim$model, "quantile", newdata = sim$data)
  expect_gt(stats::ks.test(r, "pnorm")$p.value, 0.001)
  y <- simulate(sim$model, 1, seed = 2, newdata = sim$data)[[1]]
  covered <- y <= predict(sim$model, sim$data, "quantile", probs = 0.3)[, 1]
  expect_lt(abs(mean(covered) - 0.3), 4 * sqrt(0.21 / 4000))
  p <- predict(sim$model, sim$data, interval = "prediction", level = 0.8)
  expect_lt(abs(mean(y >= p[, "lwr"] & y <= p[, "upr"]) - 0.8), 4 * sqrt(0.16 / 4000))
})

test_that("intervals cover, from simulated data fitted again", {
  truth <- c(0, 0.5, 2, -0.5, 0.5, 0.05)
  inside <- vapply(1:60, function(seed) {
    d <- gamma_data(800, 100 + seed)
    fit <- moe(y ~ x, d, K = 2, family = "Gamma", start = d$label)
    v <- c(coef(fit, "expert"), fit$parameters$dispersion)
    se <- sqrt(diag(vcov(fit)))[c(1:4, 7:8)]
    abs(v - truth) < 1.96 * se
  }, logical(6))
  expect_gt(mean(inside), 0.92)
  expect_lt(mean(inside), 0.98)
})

test_that("responses and links that do not fit are refused with a way out", {
  d <- gamma_data(50)
  expect_error(moe(y ~ x, d, K = 1, family = Gamma), "link.*log.*inverse", class = "moe_input_error")
  expect_error(moe(y ~ x, d, K = 1, family = Gamma()), "Gamma\\(link", class = "moe_input_error")
  expect_error(moe(replace(y, 3:4, 0) ~ x, d, K = 1, family = "Gamma"), "positive.*0 in row 3.*2 such",
    class = "moe_input_error")
  expect_error(moe(replace(y, 3:4, 0) ~ x, d, K = 1, family = "Gamma"), "binomial", class = "moe_input_error")
  expect_error(moe(replace(y, 7, -1) ~ x, d, K = 1, family = "Gamma"), "gaussian", class = "moe_input_error")
  expect_error(moe(replace(y, 7, 1e-250) ~ x, d, K = 1, family = "Gamma"), "units", class = "moe_input_error")
  fit <- moe(y ~ x, d, K = 1, family = "Gamma")
  expect_error(predict(fit, data.frame(x = 1, y = -1), "density"), "positive", class = "moe_input_error")
})

test_that("equal values, values on a line and huge ones are named, and end no fit", {
  d <- gamma_data(200)
  d$flat <- ifelse(d$label == 1, 3, d$y)
  expect_warning(fit <- moe(flat ~ x, d, K = 2, family = "Gamma", start = d$label),
    "degenerate|coefficient of variation")
  expect_true(all(is.finite(coef(fit))))
  expect_output(print(fit), "coefficient of variation|degenerate")
  expect_warning(line <- moe(exp(1 + x) ~ x, d, K = 1, family = "Gamma"), "dispersion.*floor")
  expect_equal(unname(coef(line, "expert")[, 1]), c(1, 1), tolerance = 1e-6)
  d$y[7] <- 1e12
  set.seed(1)
  huge <- suppressWarnings(moe(y ~ x, d, K = 2, family = "Gamma"))
  expect_true(all(is.finite(c(coef(huge), huge$log_lik))))
  expect_rising(huge$record$objective, huge$record$steps)
})
