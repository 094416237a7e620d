# Convergence where experts overlap: Newton steps within a trust region.

test_that("a step within the trust region is the best there, positive definite or not", {
  set.seed(1)
  for (kind in c("positive", "indefinite", "hard")) {
    for (radius in c(0.1, 1, 20)) {
      n <- 8
      q <- qr.Q(qr(matrix(rnorm(n^2), n)))
      values <- if (kind == "positive") 1:n else c(-2, -1, 1:(n - 2))
      scale <- runif(n, 0.1, 20)
      root <- chol(0.5^abs(outer(1:n, 1:n, "-")) * outer(scale, scale))
      along <- rnorm(n)
      if (kind == "hard") along[1] <- 0
      # In the coordinates root %*% s the metric is the unit matrix.
      a <- t(root) %*% q %*% (values * t(q)) %*% root
      g <- drop(t(root) %*% q %*% along)
      step <- cpp_trust_step(a, g, crossprod(root), radius)
      s <- drop(t(q) %*% root %*% step$x)
      expect_identical(step$positive, kind == "positive")
      expect_equal(step$promise, sum(g * step$x) - 0.5 * drop(step$x %*% a %*% step$x), tolerance = 1e-6)
      # (A + shift) s = g with a shift that leaves no negative eigenvalue, and 0 inside the region.
      shift <- sum(s * (along - values * s)) / sum(s^2)
      expect_equal((values + shift) * s, along, tolerance = 1e-4)
      expect_gte(shift, max(0, -min(values)) - 1e-4)
      if (step$inside) expect_lt(abs(shift), 1e-4) else expect_equal(sqrt(sum(s^2)), radius, tolerance = 1e-5)
    }
  }
})

# Experts that overlap: standard deviations as large as what is between the regressions.
overlapping <- function(family, n = 3000, seed = 1) {
  set.seed(seed)
  x1 <- rnorm(n)
  x2 <- rnorm(n)
  second <- runif(n) < plogis(0.5 * x1)
  eta <- ifelse(second, 0.4 + 0.8 * x1, -0.4 + 0.6 * x2)
  y <- switch(family, gaussian = eta + rnorm(n), poisson = rpois(n, exp(eta)), binomial = rbinom(n, 1, plogis(2 * eta)))
  data.frame(y, x1, x2)
}

run <- function(data, family, ...) {
  set.seed(2)
  begin <- matrix(runif(2 * nrow(data)), ncol = 2)
  moe(y ~ x1 + x2, data, K = 2, family = family, start = begin / rowSums(begin), control = moe_control(...))
}

test_that("overlapping experts: monotone, few passes, the maximum of a long run of EM", {
  for (family in c("gaussian", "poisson", "binomial")) {
    data <- overlapping(family)
    fit <- run(data, family)
    r <- fit$record
    expect_true(r$converged)
    expect_gte(min(diff(r$objective)), -1e-9 * abs(r$objective[1]))
    em <- suppressWarnings(run(data, family, newton = FALSE, max_iterations = 1500))
    expect_gte(min(diff(em$record$objective)), -1e-9 * abs(em$record$objective[1]))
    expect_gte(tail(r$objective, 1), tail(em$record$objective, 1) - 1e-3)
    expect_lt(r$passes, 60)
    expect_gt(em$record$em_iterations, 3 * r$passes)
  }
})

test_that("several maxima climb the samples to the same model on any number of threads", {
  data <- overlapping("gaussian", n = 40000)
  fits <- lapply(c(1, 2, 3), function(threads) {
    set.seed(5)
    moe(y ~ x1 + x2, data, K = 3, control = moe_control(start_rows = 2000, threads = threads))
  })
  expect_gte(min(diff(fits[[1]]$record$objective)), -1e-9 * nrow(data))
  expect_identical(coef(fits[[1]]), coef(fits[[2]]))
  expect_identical(coef(fits[[1]]), coef(fits[[3]]))
})
