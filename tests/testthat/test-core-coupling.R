# Costs and plans over components: against the reference, for every way in which they can be made.

coupling_case <- function(family, by_site, seed, K = 2, size = 150, M = 5) {
  p <- ref_random_problem(seed, family, size, 3, 3, K)
  models <- nearby_models(p$model, M, 0.6, seed)
  # Numbers of experts may differ.
  models[[2]] <- ref_random_problem(seed + 1, family, size, 3, 3, K + 1)$model
  list(p = p, models = models, lambda = seq_len(M) / sum(seq_len(M)),
    v = withr::with_seed(seed, stats::rexp(size)),
    offset = withr::with_seed(seed, stats::rnorm(size)),
    gate_offset = withr::with_seed(seed + 2, stats::rnorm(size)),
    # Sites of very different size: of one point, of few and of many.
    site = if (by_site) rep(seq_len(M), c(1, 7, 9, 70, size - 87)) else integer(),
    to = nearby_models(p$model, 1, 0.3, seed + 3)[[1]])
}

run_coupling <- function(case, cache_bytes = 1e8, threads = 1L) {
  data <- core_data(case$p, case$v, case$offset, case$gate_offset)
  cpp_coupling(case$models, case$lambda, data, case$site, case$to, cache_bytes, threads)
}

reference_coupling <- function(case) {
  family <- case$p$model$family
  x <- case$p$x
  lambda <- case$lambda
  if (length(case$site)) lambda <- 1 * outer(case$site, seq_along(case$models), "==")
  # An offset that Gaussian experts share cancels.
  offset <- if (family == "gaussian") 0 else case$offset
  comp <- ref_components(case$models, lambda, x, case$p$z, offset, case$gate_offset)
  eta <- ref_eta(x, case$to$beta, offset)
  cost <- ref_cost_array(family, comp, eta, case$to$dispersion)
  P <- ref_plan_pointwise(comp, cost)
  sums <- function(a, over) apply(case$v * a, over, sum)
  mean <- ref_mean(family, comp$eta)
  K <- ncol(eta)
  deviation <- vapply(seq_len(K), function(k) {
    sum(case$v * P[, , k] * (rep(comp$dispersion, each = nrow(x)) + (comp$eta - eta[, k])^2))
  }, 0)
  total <- sum(case$v)
  all_sent <- array(comp$pi, dim(cost)) * cost
  list(cost = sums(all_sent, 2:3) / total, cost_at_points = sums(all_sent, 2:3) / total,
    objective = ref_objective(P, cost, case$v), weight = case$v * apply(P, c(1, 3), sum),
    response = case$v * apply(array(mean, dim(P)) * P, c(1, 3), sum),
    deviation = if (family == "gaussian") deviation else numeric(K),
    plan = sums(P, 2:3) / total, plan_cost = sums(P * cost, 2) / total)
}

test_that("costs, plans and spreads equal the reference, with every instruction set", {
  old <- moe_instructions()
  on.exit(moe_instructions(old))
  for (family in c("gaussian", "binomial", "poisson")) for (by_site in c(FALSE, TRUE)) for (K in c(1, 2, 4, 7)) {
    case <- coupling_case(family, by_site, 30 + K, K)
    expected <- reference_coupling(case)
    for (set in attr(old, "available")) {
      moe_instructions(set)
      expect_equal(run_coupling(case), expected, tolerance = 1e-10)
    }
  }
})

test_that("no number depends on the threads, or on whether tiles are kept", {
  for (family in c("gaussian", "binomial", "poisson")) for (by_site in c(FALSE, TRUE)) {
    case <- coupling_case(family, by_site, 40, size = 700)
    once <- run_coupling(case)
    expect_identical(run_coupling(case, threads = 2L), once)
    expect_identical(run_coupling(case, cache_bytes = 0), once)
    expect_identical(run_coupling(case, cache_bytes = 0, threads = 2L), once)
  }
})

test_that("the cost of equal experts is 0", {
  for (family in c("gaussian", "binomial", "poisson")) {
    case <- coupling_case(family, FALSE, 50)
    case$models <- rep(list(case$to), 5)
    out <- run_coupling(case)
    expect_true(all(out$cost >= 0) && all(out$cost_at_points >= 0))
    expect_lt(out$objective, 1e-15)
    expect_lt(max(out$cost[cbind(1:10, rep(1:2, 5))]), 1e-15)
  }
})

test_that("a reduction of thousands of components needs no memory for all of them at all points", {
  p <- ref_random_problem(60, "gaussian", 3000, 3, 3, 2)
  models <- nearby_models(p$model, 1500, 0.05, 60)
  reduced <- function(plan, cache_bytes, threads, site = integer()) {
    options <- c(reduce_options(plan, 6L, 1e-4), cache_bytes = cache_bytes)
    cpp_reduce(models, rep(1 / 1500, 1500), core_data(p), site, 2L, models[[1]], options, threads)
  }
  for (plan in c("component", "pointwise")) {
    kept <- reduced(plan, 1e9, 1L)
    expect_identical(reduced(plan, 1e4, 2L), kept)
    expect_falling(kept$objective)
    expect_equal(sum(kept$plan), 1)
    by_site <- reduced(plan, 1e9, 1L, rep(1:1500, each = 2))
    expect_identical(reduced(plan, 1e4, 2L, rep(1:1500, each = 2)), by_site)
    expect_falling(by_site$objective)
  }
})
