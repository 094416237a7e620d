test_that("variances are those of EM in plain R, and means and effects too", {
  for (seed in 1:3) {
    s <- drawn_sites(12, 3, c(0.8, 0.4, 0.6), seed)
    fit <- core_fit(s$quadratics, 0:2)
    ref <- ref_em(s$estimate, s$info)
    expect_true(fit$converged)
    expect_equal(fit$mean, ref$mean, tolerance = 1e-6)
    expect_equal(diag(fit$covariance), ref$spread, tolerance = 1e-5)
    expect_equal(fit$effects, ref$effects, tolerance = 1e-5)
  }
})

test_that("no covariance nearby is more likely, by ML and REML, with and without covariances", {
  for (seed in 1:2) for (reml in c(FALSE, TRUE)) for (block in list(0:2, c(0, 0, 0), c(0, 1, 0), c(-1, 0, 0))) {
    s <- drawn_sites(10, 3, c(0.7, 0.5, 0.3), seed)
    fit <- core_fit(s$quadratics, block, reml)
    expect_true(fit$converged)
    expect_true(all(diff(fit$objective) >= 0))
    best <- ref_deviance(s$estimate, s$info, fit$covariance, reml)
    same <- outer(block, block, `==`) & outer(block >= 0, block >= 0)
    expect_true(all(fit$covariance[!same] == 0))
    for (i in 1:20) {
      root <- chol(fit$covariance + 1e-9 * diag(3))
      step <- matrix(rnorm(9, sd = 0.03), 3)
      near <- crossprod(root %*% (diag(3) + step + t(step))) * same
      expect_gt(ref_deviance(s$estimate, s$info, near, reml), best - 1e-7)
    }
    # Up to the same constant everywhere.
    other <- core_fit(s$quadratics, block, reml, start = fit$covariance)
    start <- diag(c(0.2, 0.3, 0.4)) * diag(as.numeric(block >= 0))
    there <- core_fit(s$quadratics, block, reml, start = start)$objective[1]
    expect_equal(there - other$objective[1], (best - ref_deviance(s$estimate, s$info, start, reml)) / 2,
      tolerance = 1e-6)
  }
})

test_that("without spread the spread is 0, and the mean that of all information", {
  s <- drawn_sites(10, 3, 0, 4)
  same <- lapply(s$info, function(l) list(curvature = l, slope = drop(l %*% (1:3))))
  fit <- core_fit(same, 0:2)
  expect_equal(max(fit$covariance), 0)
  expect_equal(fit$mean, 1:3, tolerance = 1e-9)
  expect_equal(fit$mean_covariance, solve(Reduce(`+`, s$info)), tolerance = 1e-8)
})

test_that("what a site does not determine is the population's, given the rest", {
  s <- drawn_sites(12, 3, c(0.8, 0.4, 0.6), 5)
  s$quadratics[[1]]$curvature[3, ] <- s$quadratics[[1]]$curvature[, 3] <- 0
  s$quadratics[[1]]$slope[3] <- 0
  s$quadratics[[2]] <- list(curvature = matrix(0, 3, 3), slope = numeric(3))
  fit <- core_fit(s$quadratics, 0:2)
  expect_equal(fit$effects[3, 1], fit$mean[3], tolerance = 1e-9)
  expect_equal(fit$effects[, 2], fit$mean, tolerance = 1e-9)
  # A site that says nothing changes nothing.
  without <- core_fit(s$quadratics[-2], 0:2)
  expect_equal(without$covariance, fit$covariance, tolerance = 1e-6)
})

test_that("neither the order of sites nor the number of threads matters, and units only as units", {
  s <- drawn_sites(30, 3, c(0.8, 0.4, 0.1), 6)
  fit <- core_fit(s$quadratics, 0:2)
  back <- core_fit(rev(s$quadratics), 0:2)
  expect_equal(back$covariance, fit$covariance, tolerance = 1e-6)
  expect_equal(back$effects[, 30:1], fit$effects, tolerance = 1e-6)
  two <- cpp_hierarchy(s$quadratics, 0:2, NULL,
    list(reml = FALSE, fixed = FALSE, max_iterations = 1000, tolerance = 1e-13, threads = 2))
  expect_identical(two, fit)
  unit <- c(1e3, 1, 1e-3)
  scaled <- lapply(s$quadratics, function(q) {
    list(curvature = q$curvature / outer(unit, unit), slope = q$slope / unit)
  })
  other <- core_fit(scaled, 0:2)
  expect_equal(diag(other$covariance), diag(fit$covariance) * unit^2, tolerance = 1e-6)
})

test_that("one shot is metafor's", {
  skip_if_not_installed("metafor")
  s <- drawn_sites(15, 2, c(0.8, 0.5), 7)
  y <- unlist(s$estimate)
  data <- data.frame(y = y, study = rep(1:15, each = 2), o = factor(rep(1:2, 15)))
  v <- metafor::bldiag(lapply(s$info, solve))
  for (method in c("ML", "REML")) {
    for (struct in c("DIAG", "UN")) {
      r <- metafor::rma.mv(y, v, random = ~ o | study, struct = struct, mods = ~ o - 1, data = data, method = method,
        control = list(rel.tol = 1e-10, iter.max = 1000, eval.max = 1000))
      fit <- core_fit(s$quadratics, if (struct == "DIAG") 0:1 else c(0, 0), method == "REML")
      expect_equal(fit$mean, unname(r$beta[, 1]), tolerance = 1e-6)
      expect_equal(diag(fit$covariance), unname(if (struct == "DIAG") r$tau2 else diag(r$G)), tolerance = 1e-5)
      expect_equal(fit$mean_covariance, unname(vcov(r)), tolerance = 1e-5)
    }
  }
})

test_that("a site's mode is the maximum of likelihood and prior", {
  d <- two_experts(60, "gaussian", seed = 2)
  fit <- moe(y ~ x + v, two_experts(2000, "gaussian", seed = 3), K = 2)
  design <- design_new(fit$schema, d, need_response = TRUE)
  scaling <- user_scaling(fit$information$scaling)
  scaling <- c(scaling, list(y_centre = 0, y_residual = 1))
  for (part in c("x", "z")) scaling[[part]]$combination <- diag(0, length(scaling[[part]]$scale))
  mean <- parameter_vector(core_model(fit))
  # All vary; some are held; none varies.
  for (root in list(diag(0.5, 11), diag(0.5, 11)[, c(1, 4, 7, 10)], matrix(0, 11, 0))) {
    mode <- cpp_site_mode(design, core_model(fit), scaling, list(mean = mean, root = root), cbind(mean, mean + 0.2),
      list(tolerance = 1e-12, max_iterations = 100, threads = 1, mean_score_weight = 0))
    expect_true(mode$converged)
    # With the weak prior on variances that a fit has.
    log_lik <- function(v) {
      variance <- exp(v[10:11])
      sum(core_predict(design, shaped_parameters(v, fit), "log_density")) -
        0.1 / 60 * sum(1 / variance + log(variance) - 1)
    }
    expect_equal(log_lik(mode$parameters), mode$log_lik)
    value <- function(v) {
      gap <- if (ncol(root)) qr.solve(root, v - mean) else 0
      log_lik(v) - sum(gap^2) / 2
    }
    expect_equal(value(mode$parameters), mode$objective)
    set.seed(1)
    for (i in 1:20) {
      near <- mode$parameters + drop(root %*% rnorm(ncol(root), sd = 0.02))
      expect_lte(value(near), mode$objective + 1e-9)
    }
    inner <- diag(ncol(root)) + crossprod(root, mode$curvature %*% root)
    half <- if (ncol(root)) c(determinant(inner)$modulus) / 2 else 0
    expect_equal(mode$marginal, mode$objective - half, tolerance = 1e-10)
  }
})

test_that("assignments cost least", {
  set.seed(3)
  cost <- matrix(runif(25), 5)
  all <- as.matrix(expand.grid(rep(list(1:5), 5)))
  all <- all[apply(all, 1, anyDuplicated) == 0, ]
  costs <- apply(all, 1, function(p) sum(cost[cbind(1:5, p)]))
  expect_equal(cpp_assign(cost), unname(all[which.min(costs), ]))
})
