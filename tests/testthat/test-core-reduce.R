# One MM step and the objective against the reference; descent; identity.

reduce_case <- function(family, plan, by_site, seed) {
  p <- ref_random_problem(seed, family, 120, 3, 3, 2)
  models <- nearby_models(p$model, 3, 0.6, seed)
  v <- withr::with_seed(seed, stats::rexp(120))
  site <- rep(1:3, c(30, 50, 40))
  lambda <- c(0.2, 0.5, 0.3)
  full <- if (by_site) 1 * outer(site, 1:3, "==") else lambda
  start <- nearby_models(p$model, 1, 0.3, seed + 100)[[1]]
  comp <- ref_components(models, full, p$x, p$z)
  plan_at <- function(model) {
    cost <- ref_cost_array(family, comp, ref_eta(p$x, model$beta), model$dispersion)
    P <- if (plan == "pointwise") ref_plan_pointwise(comp, cost)
         else ref_plan_component(comp, cost, v)
    list(plan = P, objective = ref_objective(P, cost, v))
  }
  fit <- cpp_reduce(models, lambda, core_data(p, v), if (by_site) site else integer(), 2L, start,
    reduce_options(plan, 1L))
  list(p = p, comp = comp, v = v, start = start, plan_at = plan_at, fit = fit)
}

test_that("one MM step, its objective and its gates equal the reference", {
  for (family in c("gaussian", "binomial", "poisson")) for (plan in c("pointwise", "component")) {
    for (by_site in c(FALSE, TRUE)) {
      case <- reduce_case(family, plan, by_site, 20)
      expect_equal(case$fit$reseeds, 0)
      before <- case$plan_at(case$start)
      step <- ref_mm_step(family, case$comp, before$plan, case$p$x, case$v, case$start$beta)
      after <- case$start
      after$beta <- step$beta
      if (family == "gaussian") after$dispersion <- step$dispersion
      expect_equal(case$fit$model$beta, unname(step$beta), tolerance = 1e-8)
      expect_equal(case$fit$model$dispersion, unname(after$dispersion), tolerance = 1e-8)
      end <- case$plan_at(after)
      expect_equal(case$fit$objective, c(before$objective, end$objective), tolerance = 1e-8)
      expect_equal(case$fit$plan, apply(end$plan, c(2, 3), function(m) sum(case$v * m) / sum(case$v)),
        tolerance = 1e-8)
      gates <- ref_softmax_regression(case$p$z, ref_gate_targets(end$plan), w = case$v)
      expect_equal(case$fit$model$alpha, unname(gates), tolerance = 1e-5)
    }
  }
})

test_that("the objective never rises, over 200 random problems", {
  for (seed in 1:200) {
    family <- numeric_families[seed %% 5 + 1]
    plan <- c("pointwise", "component")[seed %/% 2 %% 2 + 1]
    K <- seed %% 4 + 1
    size <- 40 + seed %% 5 * 30
    p <- ref_random_problem(seed, family, size, seed %% 3 + 2, seed %% 2 + 2, K)
    M <- seed %% 6 + 1
    models <- nearby_models(p$model, M, 1.5, seed)
    lambda <- withr::with_seed(seed, stats::rexp(M))
    site <- if (seed %% 3 == 0) sort(rep_len(seq_len(M), size)) else integer()
    start <- nearby_models(p$model, 1, 2, seed + 1000)[[1]]
    fit <- cpp_reduce(models, lambda / sum(lambda), core_data(p), site, K, start,
      reduce_options(plan, 40L, 1e-4))
    expect_falling(fit$objective)
    expect_true(all(is.finite(unlist(fit$model[-1]))))
  }
})

test_that("the reduction of one site, and of equal sites, is that site", {
  for (family in numeric_families) for (plan in c("pointwise", "component")) {
    p <- ref_random_problem(8, family, 300, 3, 3, 3)
    for (M in c(1, 4)) {
      fit <- cpp_reduce(rep(list(p$model), M), rep(1 / M, M), core_data(p), integer(), 3L, NULL,
        reduce_options(plan, gate_ridge = 1e-4))
      expect_equal(fit$model$beta, unname(p$model$beta), tolerance = 1e-6)
      expect_equal(fit$model$alpha, unname(p$model$alpha), tolerance = 1e-6)
      expect_equal(fit$model$dispersion, unname(p$model$dispersion), tolerance = 1e-6)
      expect_lt(tail(fit$objective, 1), 1e-10)
    }
  }
})

test_that("an affine change of x changes nothing but coefficients", {
  for (family in numeric_families) {
    p <- ref_random_problem(9, family, 200, 3, 3, 2)
    models <- nearby_models(p$model, 4, 0.3, 9)
    A <- rbind(c(1, 3, -700), c(0, 2, 40), c(0, 0, 1000))  # new x = x A, still with its 1s
    moved <- lapply(models, function(m) {
      m$beta <- solve(A, m$beta)
      m$alpha <- solve(A, m$alpha)
      m
    })
    q <- p
    q$x <- p$x %*% A
    q$z <- p$z %*% A
    for (plan in c("pointwise", "component")) {
      options <- reduce_options(plan)
      a <- cpp_reduce(models, rep(0.25, 4), core_data(p), integer(), 2L, models[[1]], options)
      b <- cpp_reduce(moved, rep(0.25, 4), core_data(q), integer(), 2L, moved[[1]], options)
      expect_equal(b$objective, a$objective, tolerance = 1e-8)
      expect_equal(q$x %*% b$model$beta, p$x %*% a$model$beta, tolerance = 1e-6)
      expect_equal(ref_gates(q$z, b$model$alpha), ref_gates(p$z, a$model$alpha), tolerance = 1e-6)
    }
  }
})

test_that("results do not depend on whether components are kept or made again", {
  p <- ref_random_problem(10, "binomial", 1500, 3, 3, 2)
  models <- nearby_models(p$model, 5, 0.5, 10)
  a <- cpp_reduction_objective(models, rep(0.2, 5), core_data(p), integer(), models[[2]],
    "pointwise")
  comp <- ref_components(models, rep(0.2, 5), p$x, p$z)
  cost <- ref_cost_array("binomial", comp, ref_eta(p$x, models[[2]]$beta), c(1, 1))
  expect_equal(a, ref_objective(ref_plan_pointwise(comp, cost), cost), tolerance = 1e-9)
})

test_that("an expert that nothing is sent to is re-seeded", {
  p <- ref_random_problem(12, "gaussian", 200, 2, 2, 2)
  start <- p$model
  start$beta[, 2] <- start$beta[, 2] + 1e4
  fit <- cpp_reduce(nearby_models(p$model, 3, 0.1, 12), rep(1 / 3, 3), core_data(p), integer(), 2L,
    start, reduce_options("component", gate_ridge = 1e-4))
  expect_gt(fit$reseeds, 0)
  expect_true(all(colSums(fit$plan) > 0.01))
  expect_falling(fit$objective)
})
