# What sites send: products of scores, moments that add, and sums on a common scale.

# Row by row on the user's scale, through the door that tests of derivatives check.
row_scores <- function(design, model) {
  t(vapply(seq_len(nrow(design$x)), function(i) {
    row <- design
    for (v in c("x", "z")) row[[v]] <- design[[v]][i, , drop = FALSE]
    row$y <- design$y[i]
    row$weight <- NULL
    cpp_information(row, core_model(model))$score
  }, numeric(length(coef(model)))))
}

fitted_design <- function(family, n = 150) {
  d <- two_experts(n, family)
  model <- suppressWarnings(moe(y ~ x + v, d, K = 2, family = family, gating = ~x, weights = w,
    control = moe_control(max_iterations = 3, newton = FALSE)))
  # Away from the maximum, where scores do not cancel.
  model$parameters$beta <- model$parameters$beta + 0.2
  design <- design_new(model$schema, d, need_response = TRUE)
  design$weight <- as.numeric(d$w)
  list(model = model, design = design)
}

no_prior <- unclass(moe_control(gate_ridge = 0, variance_prior = 0, threads = 1))

test_that("information and products of scores equal plain sums over rows, on any scale", {
  for (family in all_families) {
    p <- fitted_design(family)
    info <- model_information(p$model, p$design, no_prior, meat = TRUE)
    map <- parameter_map(user_scaling(info$scaling), info$scaling, p$model)
    plain <- cpp_information(p$design, core_model(p$model))
    expect_lt(max(abs(t(map) %*% info$curvature %*% map + plain$hessian)), 1e-9 * max(abs(plain$hessian)))
    expect_equal(drop(t(map) %*% info$gradient), drop(plain$score), tolerance = 1e-9)
    scores <- row_scores(p$design, p$model)
    meat <- crossprod(scores * sqrt(p$design$weight))
    expect_lt(max(abs(t(map) %*% info$meat %*% map - meat)), 1e-9 * max(abs(meat)))
    expect_equal(colSums(scores * p$design$weight), drop(plain$score), tolerance = 1e-9)
  }
})

test_that("relabelling and rescaling are linear maps of the parameters", {
  vector <- function(p, family) c(p$beta, p$alpha, if (family %in% dispersed) log(p$dispersion))
  for (family in c("gaussian", "multinomial")) {
    model <- moe_simulate(50, K = 3, d = 2, seed = 1, family = family)$model
    for (order in list(c(2, 3, 1), c(3, 2, 1), 1:3)) {
      expect_equal(drop(relabel_map(order, model) %*% vector(model$parameters, family)),
        unname(vector(relabel_parameters(model$parameters, order), family)))
    }
  }
})

test_that("the gates' prior adds its precision to the slopes of standardised columns", {
  p <- fitted_design("gaussian")
  bare <- model_information(p$model, p$design, no_prior, FALSE)
  with <- model_information(p$model, p$design, replace(no_prior, "gate_ridge", 5), FALSE)
  gap <- diag(with$curvature - bare$curvature)
  # Symmetric in two experts: half of it for the one gate that is free.
  expect_equal(gap, replace(numeric(10), 8, 2.5), tolerance = 1e-9)
})

test_that("moments of parts add up to those of all rows, without loss of digits", {
  withr::local_seed(1)
  n <- 400
  x <- cbind(1, 1e6 + stats::rnorm(n), rep(c(0, 1), each = n / 2), stats::rexp(n))
  design <- function(rows, intercept = 1L) {
    list(x = x[rows, , drop = FALSE], z = x[rows, 1:3], y = x[rows, 4] * 3 + 50,
      weight = rep_len(c(1, 2, 0), n)[rows], x_intercept = intercept, z_intercept = intercept)
  }
  parts <- list(1:10, 11:200, 201:n)
  for (intercept in c(1L, 0L)) {
    moments <- function(rows) cpp_site_moments(design(rows, intercept), "gaussian", 1L)
    all <- cpp_pooled_scaling(list(moments(seq_len(n))), "gaussian", intercept, intercept)
    sum <- cpp_pooled_scaling(lapply(parts, moments), "gaussian", intercept, intercept)
    expect_equal(sum, all, tolerance = 1e-8)
  }
  w <- rep_len(c(1, 2, 0), n)
  expect_equal(cpp_pooled_scaling(lapply(parts, function(rows) {
    cpp_site_moments(design(rows), "gaussian", 1L)
  }), "gaussian", 1L, 1L)$x$scale[c(2, 4)], vapply(c(2, 4), function(j) {
    sqrt(stats::weighted.mean((x[, j] - stats::weighted.mean(x[, j], w))^2, w))
  }, 0), tolerance = 1e-9)
})

test_that("sums of sites at a common scale are those of all rows", {
  for (family in c("gaussian", "multinomial")) {
    p <- fitted_design(family)
    scaling <- cpp_pooled_scaling(list(cpp_site_moments(p$design, family, 1L)), family, 1L, 1L)
    internal <- cpp_to_internal(core_model(p$model), scaling)
    part <- function(rows) {
      d <- p$design
      for (v in c("x", "z")) d[[v]] <- d[[v]][rows, , drop = FALSE]
      for (v in c("y", "weight")) d[[v]] <- d[[v]][rows]
      cpp_site_sums(d, internal, scaling, 1L)
    }
    expect_equal(Map(`+`, part(1:20), part(21:150)), part(1:150), tolerance = 1e-10)
    expect_equal(cpp_to_user(internal, scaling, core_model(p$model))$beta,
      unname(p$model$parameters$beta), tolerance = 1e-12)
  }
})
