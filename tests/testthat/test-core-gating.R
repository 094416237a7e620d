test_that("weighted softmax regression equals the reference", {
  for (K in 2:4) {
    p <- ref_random_problem(K, "gaussian", 200, 2, 3, K)
    targets <- withr::with_seed(K, matrix(stats::rexp(200 * K), 200))  # rows do not sum to 1
    ridge <- c(0, 0.5, 0.5)
    gate_offset <- withr::with_seed(K, stats::rnorm(200))
    expected <- unname(ref_softmax_regression(p$z, targets, gate_offset = gate_offset, ridge = ridge))
    for (keep_products in c(FALSE, TRUE)) {
      fit <- cpp_softmax_regression(core_data(p, gate_offset = gate_offset), targets,
        0 * p$model$alpha, ridge, keep_products)
      expect_true(fit$converged)
      expect_equal(fit$alpha, expected, tolerance = 1e-7)
    }
  }
})

test_that("the prior keeps separable gates finite and treats all labels alike", {
  z <- cbind(1, seq(-1, 1, length.out = 50))
  targets <- cbind(z[, 2] < 0, z[, 2] >= 0) * 1
  data <- list(x = z, z = z, y = numeric(50), x_intercept = 1L, z_intercept = 1L)
  a <- cpp_softmax_regression(data, targets, matrix(0, 2, 1), c(0, 1e-4))
  b <- cpp_softmax_regression(data, targets[, 2:1], matrix(0, 2, 1), c(0, 1e-4))
  expect_true(a$converged)
  expect_true(all(is.finite(a$alpha)))
  expect_equal(a$alpha, -b$alpha, tolerance = 1e-6)
  three <- cbind(targets, 1)
  order <- c(3, 1, 2)
  full <- cbind(cpp_softmax_regression(data, three, matrix(0, 2, 2), c(0, 0.1))$alpha, 0)
  moved <- cbind(cpp_softmax_regression(data, three[, order], matrix(0, 2, 2), c(0, 0.1))$alpha, 0)
  expect_equal(moved, full[, order] - full[, order[3]], tolerance = 1e-6)
})

test_that("a reduction's own gates are recovered from their fractional targets", {
  p <- ref_random_problem(5, "gaussian", 300, 2, 3, 3)
  targets <- ref_gates(p$z, p$model$alpha)
  fit <- cpp_softmax_regression(core_data(p), targets, 0 * p$model$alpha, rep(0, 3))
  expect_equal(fit$alpha, unname(p$model$alpha), tolerance = 1e-6)
})

test_that("a start that is sure of wrong gates does no harm", {
  p <- ref_random_problem(6, "gaussian", 300, 2, 3, 3)
  targets <- ref_gates(p$z, p$model$alpha)
  for (wrong in list(matrix(c(500, -300, 80), 3, 2), -1e6 * p$model$alpha)) {
    fit <- cpp_softmax_regression(core_data(p), targets, wrong, rep(0, 3))
    expect_true(fit$converged)
    expect_equal(fit$alpha, unname(p$model$alpha), tolerance = 1e-6)
  }
})

test_that("a wrong start does no harm with offsets either", {
  p <- ref_random_problem(7, "gaussian", 300, 2, 3, 3)
  gate_offset <- withr::with_seed(7, stats::rnorm(300))
  targets <- ref_gates(p$z, p$model$alpha, gate_offset)
  fit <- cpp_softmax_regression(core_data(p, gate_offset = gate_offset), targets, -1e6 * p$model$alpha, rep(0, 3))
  expect_true(fit$converged)
  expect_equal(fit$alpha, unname(p$model$alpha), tolerance = 1e-6)
})

test_that("where products of columns change to the end the regression gets there too", {
  # Separated but for the prior, the weaker it is: curvature falls with every step.
  z <- cbind(1, seq(-1, 1, length.out = 400), withr::with_seed(8, stats::rnorm(400)))
  label <- 1 + (z[, 2] > -0.3) + (z[, 2] > 0.4)
  targets <- diag(3)[label, ]
  data <- list(x = z, z = z, y = numeric(400), x_intercept = 1L, z_intercept = 1L)
  for (ridge in c(1e-2, 1e-5, 1e-8)) {
    fit <- cpp_softmax_regression(data, targets, matrix(0, 3, 2), c(0, ridge, ridge), keep_products = TRUE)
    expect_true(fit$converged)
    residual <- targets - ref_gates(z, fit$alpha)
    pull <- c(0, ridge, ridge) * (fit$alpha - rowMeans(cbind(fit$alpha, 0)))
    expect_lt(max(abs(crossprod(z, residual)[, 1:2] - pull)), 1e-4)
  }
})
