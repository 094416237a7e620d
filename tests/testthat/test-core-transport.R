test_that("the transportation problem is solved exactly", {
  withr::local_seed(1)
  for (i in 1:60) {
    L <- sample(3, 1)
    K <- sample(3, 1)
    supply <- stats::rexp(L)
    demand <- stats::rexp(K)
    if (i %% 5 == 0 && L > 1) supply[1] <- 0
    supply <- supply / sum(supply)
    demand <- demand / sum(demand)
    cost <- matrix(if (i %% 7 == 0) sample(0:2, L * K, TRUE) else stats::rexp(L * K), L)
    fit <- cpp_transport(supply, demand, cost)
    expect_equal(fit$value, ref_transport_enumerate(supply, demand, cost), tolerance = 1e-10)
    expect_equal(rowSums(fit$plan), supply, tolerance = 1e-12)
    expect_equal(colSums(fit$plan), demand, tolerance = 1e-12)
    expect_true(all(fit$plan >= 0))
  }
})

test_that("larger transportation problems equal a linear program", {
  skip_if_not_installed("lpSolve")
  withr::local_seed(2)
  for (i in 1:25) {
    L <- sample(4:8, 1)
    K <- sample(4:8, 1)
    supply <- stats::rexp(L)
    demand <- stats::rexp(K)
    supply <- supply / sum(supply)
    demand <- demand / sum(demand)
    cost <- matrix(stats::rexp(L * K)^3, L)
    expect_equal(cpp_transport(supply, demand, cost)$value,
      ref_transport_lp(supply, demand, cost), tolerance = 1e-9)
  }
})

test_that("with unit masses the plan is the best permutation", {
  withr::local_seed(3)
  permutations <- function(v) {
    if (length(v) < 2) return(list(v))
    unlist(lapply(seq_along(v), function(i) {
      lapply(permutations(v[-i]), function(rest) c(v[i], rest))
    }), recursive = FALSE)
  }
  for (K in c(1, 2, 4, 5)) {
    cost <- matrix(stats::rnorm(K * K), K)
    best <- min(vapply(permutations(seq_len(K)), function(o) sum(cost[cbind(seq_len(K), o)]), 0))
    fit <- cpp_transport(rep(1, K), rep(1, K), cost)
    expect_equal(fit$value, best)
    expect_true(all(fit$plan %in% c(0, 1)))
  }
})

test_that("divergences and plans of two models equal the reference", {
  for (family in c("gaussian", "binomial")) {
    p <- ref_random_problem(4, family, 40, 3, 2, 2)
    other <- ref_random_problem(5, family, 40, 3, 2, 3)$model
    v <- withr::with_seed(6, stats::rexp(40))
    data <- core_data(p, v)
    from <- ref_components(list(p$model), 1, p$x, p$z)
    cost <- ref_cost_array(family, from, ref_eta(p$x, other$beta), other$dispersion)
    for (plan in c("pointwise", "component")) {
      expected <- if (plan == "pointwise") ref_plan_pointwise(from, cost)
                  else ref_plan_component(from, cost, v)
      d <- cpp_divergence(p$model, other, data, plan)
      expect_equal(d$value, ref_objective(expected, cost, v), tolerance = 1e-9)
      expect_equal(d$plan, apply(expected, c(2, 3), function(m) sum(v * m) / sum(v)),
        tolerance = 1e-10)
    }
    exact <- cpp_divergence(p$model, other, data, "exact")$value
    expect_equal(exact, ref_divergence(family, p$model, other, p$x, p$z, v), tolerance = 1e-9)
    relaxed <- cpp_divergence(p$model, other, data, "pointwise")$value
    expect_gte(exact, relaxed - 1e-12)
    expect_equal(cpp_divergence(p$model, p$model, data, "exact")$value, 0, tolerance = 1e-12)
  }
})
