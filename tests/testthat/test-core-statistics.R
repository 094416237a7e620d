# E-step, sums, EM step and observed information against the plain-R reference.

problems <- list(
  list(family = "gaussian", K = 3, p = 4, q = 3),
  list(family = "gaussian", K = 1, p = 2, q = 1),
  list(family = "binomial", K = 2, p = 3, q = 4),
  list(family = "binomial", K = 4, p = 2, q = 2),
  list(family = "poisson", K = 3, p = 3, q = 2)
)

each_problem <- function(code) {
  for (i in seq_along(problems)) {
    o <- problems[[i]]
    p <- ref_random_problem(i, o$family, 150, o$p, o$q, o$K)
    extra <- withr::with_seed(i, list(offset = stats::rnorm(150) / 2,
      gate_offset = stats::rnorm(150) / 2))
    code(p, extra$offset, if (o$K > 1) extra$gate_offset else rep(0, 150))
  }
}

test_that("the E-step and its sums equal the reference", {
  each_problem(function(p, offset, gate_offset) {
    s <- cpp_statistics(core_data(p, p$w, offset, gate_offset), p$model)
    e <- ref_estep(p$x, p$z, p$y, p$model, p$w, offset, gate_offset)
    K <- ncol(p$model$beta)
    wr <- p$w * e$responsibilities
    mean <- ref_mean(p$model$family, ref_eta(p$x, p$model$beta, offset))
    variance <- ref_variance(p$model$family, ref_eta(p$x, p$model$beta, offset))
    expect_equal(s$log_lik, e$loglik, tolerance = 1e-10)
    expect_equal(s$mass, colSums(wr), tolerance = 1e-10)
    expect_equal(s$expert_score, unname(t(p$x) %*% (wr * (p$y - mean))), tolerance = 1e-8)
    deviation <- if (p$model$family == "gaussian") colSums(wr * (p$y - mean)^2) else numeric(K)
    expect_equal(s$deviation, deviation, tolerance = 1e-10)
    for (k in seq_len(K)) {
      expect_equal(unpack(s$expert_gram[k, ], ncol(p$x)),
        unname(t(p$x) %*% (wr[, k] * variance[, k] * p$x)), tolerance = 1e-10)
    }
    expect_equal(s$gate_score, unname(t(p$z) %*% (wr - p$w * e$gates))[, -K, drop = FALSE],
      tolerance = 1e-8)
  })
})

test_that("one EM step equals the reference's M-step and joint gate step", {
  each_problem(function(p, offset, gate_offset) {
    ridge <- c(0, rep(0.3, ncol(p$z) - 1))
    e <- ref_estep(p$x, p$z, p$y, p$model, p$w, offset, gate_offset)
    r <- e$responsibilities
    next_model <- cpp_em_step(core_data(p, p$w, offset, gate_offset), p$model, ridge, 1000L)
    if (p$model$family == "gaussian") {
      m <- ref_mstep_gaussian(p$x, p$y, r, p$w, offset)
      expect_equal(next_model$beta, unname(m$beta), tolerance = 1e-8)
      expect_equal(next_model$dispersion, unname(m$dispersion), tolerance = 1e-8)
    } else {
      expect_equal(next_model$beta,
        unname(ref_newton_glm(p$model$family, p$x, p$y, r, p$w, offset, p$model$beta)), tolerance = 1e-8)
    }
    if (ncol(p$model$beta) > 1) {
      expect_equal(next_model$alpha,
        unname(ref_newton_gates(p$z, r, p$model$alpha, p$w, gate_offset, ridge)), tolerance = 1e-8)
    }
  })
})

test_that("an EM step does not depend on the size of blocks or the order of rows", {
  p <- ref_random_problem(7, "gaussian", 500, 3, 3, 3)
  ridge <- c(0, 1, 1)
  whole <- cpp_em_step(core_data(p), p$model, ridge, 1000L)
  for (rows in c(1L, 7L, 256L, 499L)) {
    expect_equal(cpp_em_step(core_data(p), p$model, ridge, rows), whole, tolerance = 1e-11)
  }
  i <- withr::with_seed(1, sample(500))
  shuffled <- list(x = p$x[i, ], z = p$z[i, ], y = p$y[i])
  expect_equal(cpp_em_step(core_data(shuffled), p$model, ridge, 100L), whole, tolerance = 1e-11)
})

test_that("shared and separate gate designs give the same sums", {
  p <- ref_random_problem(3, "gaussian", 300, 3, 3, 2)
  shared <- core_data(p, x = p$x, z = p$x)
  copy <- p$x + 0
  expect_equal(cpp_em_step(core_data(p, x = p$x, z = copy), p$model, rep(0, 3), 64L),
    cpp_em_step(shared, p$model, rep(0, 3), 64L))
})

test_that("score and observed information equal numerical derivatives", {
  for (family in numeric_families) {
    p <- ref_random_problem(11, family, 80, 2, 3, 3)
    offset <- withr::with_seed(1, stats::rnorm(80)) / 3
    gate_offset <- withr::with_seed(2, stats::rnorm(80)) / 3
    info <- cpp_information(core_data(p, p$w, offset, gate_offset), p$model)
    score <- ref_score(p$x, p$z, p$y, p$model, p$w, offset, gate_offset)
    hessian <- ref_hessian(p$x, p$z, p$y, p$model, p$w, offset, gate_offset)
    expect_lt(max(abs(info$score - score)), 1e-8 * max(abs(score)))
    expect_lt(max(abs(info$hessian - hessian)), 1e-6 * max(abs(hessian)))
    expect_equal(info$hessian, t(info$hessian))
    expect_equal(info$log_lik, ref_loglik(p$x, p$z, p$y, p$model, p$w, offset, gate_offset))
  }
})

test_that("information is finite where a rate is infinite on rows of other experts", {
  # Expert 1 has rates exp(900 x): nothing where x is negative, and beyond all numbers elsewhere.
  x <- cbind(1, rep(c(-1, 1, 0.5), 20))
  y <- rep(c(0, 3, 2), 20)
  model <- list(family = "poisson", beta = matrix(c(0, 900, 1, 0), 2), alpha = matrix(c(0, -2)), dispersion = c(1, 1))
  info <- cpp_information(list(x = x, z = x, y = y, x_intercept = 1L, z_intercept = 1L), model)
  expect_true(all(is.finite(c(info$score, info$hessian))))
  # Of expert 2: Louis' identity by hand.
  r <- cpp_predict(list(x = x, z = x, y = y, x_intercept = 1L, z_intercept = 1L), model, "posterior")[, 2]
  a <- y - exp(1)
  expect_equal(info$score[3:4], drop(crossprod(x, r * a)))
  expect_equal(info$hessian[3:4, 3:4], crossprod(x, (r * (a^2 - exp(1)) - (r * a)^2) * x), ignore_attr = TRUE)
})

test_that("log densities far in the tails stay finite", {
  model <- list(family = "gaussian", beta = matrix(c(0, 0, 1000, 0), 2), alpha = matrix(c(900, 0)),
    dispersion = c(1e-4, 1e4))
  data <- list(x = cbind(1, c(-1, 1)), z = cbind(1, c(-1, 1)), y = c(50, -1e5), x_intercept = 1L,
    z_intercept = 1L)
  log_density <- cpp_predict(data, model, "log_density")
  expect_true(all(is.finite(log_density)))
  posterior <- cpp_predict(data, model, "posterior")
  expect_equal(rowSums(posterior), c(1, 1))
  logit <- list(family = "binomial", beta = matrix(c(800, 0, -800, 0), 2), alpha = matrix(c(0, 0)),
    dispersion = c(1, 1))
  data$y <- c(0, 1)
  expect_equal(cpp_predict(data, logit, "log_density")[, 1], rep(log(0.5), 2))
})
