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
  for (family in c("gaussian", "binomial", "poisson")) {
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

test_that("degenerate transportation problems equal a linear program", {
  skip_if_not_installed("lpSolve")
  withr::local_seed(4)
  # A number cut into whole parts, some of them 0: many partial sums agree, so bases are degenerate.
  parts <- function(total, count) as.numeric(stats::rmultinom(1, total, stats::rexp(count)^3))
  for (i in 1:80) {
    L <- sample(6, 1)
    K <- sample(6, 1)
    supply <- parts(12, L)
    demand <- parts(12, K)
    if (i %% 4 == 0) {
      supply <- replace(numeric(L), sample(L, 1), 12)
    }
    cost <- matrix(if (i %% 2) sample(0:3, L * K, TRUE) else stats::rexp(L * K), L)
    expected <- lpSolve::lp.transport(cost, "min", rep("=", L), supply, rep("=", K), demand,
      integers = NULL)
    fit <- cpp_transport(supply, demand, cost)
    expect_equal(fit$value, expected$objval, tolerance = 1e-10)
    expect_equal(sum(fit$plan * cost), fit$value, tolerance = 1e-12)
    expect_equal(rowSums(fit$plan), supply)
    expect_equal(colSums(fit$plan), demand)
    expect_true(all(fit$plan >= 0))
  }
})

test_that("a plan is optimal for its dual: prices of larger problems close the gap", {
  withr::local_seed(5)
  for (i in 1:20) {
    # A cost with known prices: equality where the plan that made the marginals is positive.
    L <- sample(2:12, 1)
    K <- sample(2:12, 1)
    u <- stats::rnorm(L)
    v <- stats::rnorm(K)
    plan <- matrix(stats::rexp(L * K) * (stats::runif(L * K) < 0.4), L)
    slack <- matrix(stats::rexp(L * K), L) * (plan == 0)
    fit <- cpp_transport(rowSums(plan), colSums(plan), outer(u, v, "+") + slack)
    expect_equal(fit$value, sum(rowSums(plan) * u) + sum(colSums(plan) * v), tolerance = 1e-10)
  }
})

test_that("divergences do not depend on where blocks of points end", {
  for (family in c("gaussian", "binomial", "poisson")) for (S in c(1, 999, 1000, 1001, 2500)) {
    p <- ref_random_problem(S, family, S, 3, 2, 3)
    other <- ref_random_problem(7, family, 40, 3, 2, 2)$model
    v <- withr::with_seed(8, stats::rexp(S))
    data <- core_data(p, v, offset = withr::with_seed(9, stats::rnorm(S)))
    from <- ref_components(list(p$model), 1, p$x, p$z, data$offset)
    cost <- ref_cost_array(family, from, ref_eta(p$x, other$beta, data$offset), other$dispersion)
    gates <- ref_gates(p$z, other$alpha)
    exact <- vapply(seq_len(S), function(s) {
      cpp_transport(from$pi[s, ], gates[s, ], matrix(cost[s, , ], 3))$value
    }, 0)
    d <- cpp_divergence(p$model, other, data, "exact")
    expect_equal(d$value, sum(v * exact) / sum(v), tolerance = 1e-10)
    expect_equal(colSums(d$plan), colSums(v * gates) / sum(v), tolerance = 1e-10)
    mean_cost <- apply(v * as.numeric(from$pi) * cost, 2:3, sum) / sum(v)
    expect_equal(d$cost, mean_cost, tolerance = 1e-10)
    expect_equal(cpp_divergence(p$model, other, data, "pointwise")$value,
      ref_objective(ref_plan_pointwise(from, cost), cost, v), tolerance = 1e-10)
    expect_equal(cpp_divergence(p$model, other, data, "component")$value,
      sum(apply(mean_cost, 1, min)), tolerance = 1e-10)
  }
})

test_that("all pairs at once are the divergences of the pairs", {
  for (family in c("gaussian", "binomial", "poisson")) {
    p <- ref_random_problem(10, family, 1001, 3, 2, 2)
    models <- c(nearby_models(p$model, 3, 0.5, 11),
      list(ref_random_problem(12, family, 40, 3, 2, 3)$model))
    data <- core_data(p, p$w)
    one_by_one <- outer(1:4, 1:4, Vectorize(function(a, b) {
      if (a == b) 0 else cpp_divergence(models[[a]], models[[b]], data, "exact")$value
    }))
    expect_equal(cpp_pairwise_divergence(models, data), one_by_one, tolerance = 1e-12)
  }
})

test_that("experts of many models are matched as one by one, by the assignment of least cost", {
  # 3 models: sums over the points. 40 Gaussian models of 3 columns: through triangular factors.
  for (family in c("gaussian", "binomial", "poisson")) for (M in c(3, 40)) {
    p <- ref_random_problem(13, family, 1203, 3, 2, 4)
    p$x[, 2] <- 1e4 + p$x[, 2] # a large mean must not cost digits
    p$model$beta[1, ] <- p$model$beta[1, ] - 1e4 * p$model$beta[2, ]
    models <- withr::with_seed(15, lapply(nearby_models(p$model, M, 0, 14), function(m) {
      slope <- m$beta[2, ]
      m$beta[2:3, ] <- m$beta[2:3, ] + stats::rnorm(8)
      m$beta[1, ] <- m$beta[1, ] - 1e4 * (m$beta[2, ] - slope)
      order <- sample(4)
      m$beta <- m$beta[, order]
      m$dispersion <- m$dispersion[order]
      m
    }))
    data <- core_data(p, p$w, offset = p$x[, 3])
    expected <- vapply(models, function(m) {
      cost <- cpp_divergence(p$model, m, data, "component")$cost
      max.col(cpp_transport(rep(1, 4), rep(1, 4), cost)$plan, ties.method = "first")
    }, integer(4))
    order <- cpp_match_experts(p$model, models, data)
    expect_identical(order, expected)
    expect_gt(nrow(unique(t(order))), 2)
    expect_identical(order[, 2], cpp_match_experts(p$model, models[2], data)[, 1])
  }
  expect_error(cpp_match_experts(p$model, list(ref_random_problem(1, family, 9, 3, 2, 3)$model),
    core_data(p)), "numbers of experts")
})
