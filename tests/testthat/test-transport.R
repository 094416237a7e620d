test_that("divergences: zero on equal models, T_c at least R_c, invariant to labels", {
  sim <- moe_simulate(300, K = 3, d = 2, seed = 1)
  set.seed(1)
  fit <- moe(y ~ ., sim$data, K = 3)
  truth <- sim$model
  expect_equal(transport_divergence(truth, truth, sim$data), 0, tolerance = 1e-12)
  exact <- transport_divergence(truth, fit, sim$data)
  expect_gte(exact, transport_divergence(truth, fit, sim$data, exact = FALSE) - 1e-12)
  expect_equal(transport_divergence(relabel(truth, c(2, 3, 1)), relabel(fit, c(3, 1, 2)), sim$data),
    exact, tolerance = 1e-9)
})

test_that("a plan's mass has the gates as margins", {
  sim <- moe_simulate(300, K = 3, d = 2, seed = 2)
  other <- moe_simulate(300, K = 2, d = 2, seed = 3)$model
  plan <- transport_plan(sim$model, other, sim$data)
  expect_equal(unname(rowSums(plan$mass)),
    unname(colMeans(predict(sim$model, sim$data, "gate"))), tolerance = 1e-10)
  expect_equal(unname(colSums(plan$mass)),
    unname(colMeans(predict(other, sim$data, "gate"))), tolerance = 1e-10)
  for (kind in c("component", "pointwise")) {
    free <- transport_plan(sim$model, other, sim$data, kind)
    expect_equal(rowSums(free$mass), rowSums(plan$mass), tolerance = 1e-10)
  }
  expect_output(print(plan), "divergence")
})

test_that("matching undoes a relabelling", {
  truth <- moe_simulate(500, K = 4, d = 3, seed = 4)
  design <- support_design(moe_support(truth$data), truth$model$schema)
  order <- c(3, 1, 4, 2)
  mixed <- relabel(truth$model, order)
  expect_equal(order[match_experts(truth$model, mixed, design)], 1:4)
  back <- relabel(mixed, match_experts(truth$model, mixed, design))
  expect_equal(coef(back), coef(truth$model), tolerance = 1e-10)
})

test_that("models of matrices have the divergences of the same models of formulas", {
  sim <- moe_simulate(400, K = 2, d = 2, seed = 1)
  x <- as.matrix(sim$data[-1])
  set.seed(1)
  by_formula <- moe(y ~ ., sim$data, K = 2)
  by_matrix <- moe(x, sim$data$y, K = 2, start = max.col(predict(by_formula, sim$data, "posterior")))
  by_matrix$parameters <- by_formula$parameters
  moved <- function(m) {
    m$parameters$beta[1, ] <- m$parameters$beta[1, ] + 1
    m
  }
  expect_equal(transport_divergence(moved(by_matrix), by_matrix, x),
    transport_divergence(moved(by_formula), by_formula, sim$data), tolerance = 1e-10)
  data <- list(x = x, y = sim$data$y)
  expect_equal(moe_metrics(by_matrix, data, truth = moved(by_matrix)),
    moe_metrics(by_formula, sim$data, truth = moved(by_formula)), tolerance = 1e-8)
})

test_that("divergences under every cost: zero on equal models, at least the relaxed one, named in print", {
  sim <- moe_simulate(200, K = 2, d = 2, seed = 1)
  other <- moe_simulate(200, K = 3, d = 2, seed = 2)$model
  for (cost in c("kl", "reverse-kl", "wasserstein", "hellinger")) {
    value <- function(a, b, ...) transport_divergence(a, b, sim$data, cost = cost, ...)
    expect_equal(value(sim$model, sim$model), 0, tolerance = 1e-12)
    expect_gte(value(sim$model, other), value(sim$model, other, exact = FALSE) - 1e-12)
    plan <- transport_plan(sim$model, other, sim$data, cost = cost)
    expect_identical(plan$cost_kind, cost)
    expect_equal(plan$value, value(sim$model, other))
    expect_output(print(plan), cost_words[[cost]], fixed = TRUE)
  }
  # Symmetric costs and marginals: T_c is symmetric.
  for (cost in c("wasserstein", "hellinger")) {
    expect_equal(transport_divergence(sim$model, other, sim$data, cost = cost),
      transport_divergence(other, sim$model, sim$data, cost = cost), tolerance = 1e-10)
  }
  forward <- transport_divergence(sim$model, other, sim$data)
  expect_equal(transport_divergence(other, sim$model, sim$data, cost = "reverse-kl"), forward,
    tolerance = 1e-10)
  expect_error(transport_divergence(sim$model, other, sim$data, cost = 2), class = "moe_input_error")
})
