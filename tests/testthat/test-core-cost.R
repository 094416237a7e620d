# Costs against their definitions; updates against the sums they minimise; descent; linear programs.

test_that("every cost is what its definition says", {
  withr::local_seed(1)
  for (family in all_families) for (cost in all_costs(family)) {
    from <- random_model(family, 2)
    to <- random_model(family, 3)
    data <- random_points(6)
    expected <- ref_costs(cost, from, to, data$x)
    gate <- ref_gates(data$z, from$alpha)
    mean <- function(a) apply(a, 2:3, function(v) sum(data$weight * v) / sum(data$weight))
    mean_cost <- mean(array(gate, dim(expected)) * expected)
    d <- cpp_divergence(from, to, data, "component", cost)
    expect_equal(d$cost, mean_cost, tolerance = 1e-6, info = paste(family, cost))
    # The same through the reduction's sums, tile by tile, with the plan that they make.
    coupling <- cpp_coupling(list(from), 1, data, integer(), to, 1e8, 1L, cost)
    expect_equal(coupling$cost, mean_cost, tolerance = 1e-6)
    best <- apply(expected, 1:2, which.min)
    sent <- vapply(1:3, function(k) rowSums(gate * (best == k)), numeric(6))
    if (family != "gaussian") expect_equal(coupling$weight, data$weight * sent, tolerance = 1e-8)
    relaxed <- sum(data$weight * gate * apply(expected, 1:2, min)) / sum(data$weight)
    expect_equal(coupling$objective, relaxed, tolerance = 1e-6)
    expect_equal(cpp_divergence(from, to, data, "pointwise", cost)$value, relaxed, tolerance = 1e-6)
    expect_equal(sum(coupling$plan_cost), relaxed, tolerance = 1e-6)
  }
})

test_that("sums for any cost do not depend on threads, on what is kept, on weights by site", {
  withr::local_seed(2)
  for (family in all_families) for (cost in setdiff(all_costs(family), "kl")) {
    models <- lapply(1:4, function(m) random_model(family, m))
    to <- random_model(family, 3)
    data <- random_points(203)
    run <- function(site, bytes, threads) {
      cpp_coupling(models, rep(0.25, 4), data, site, to, bytes, threads, cost)
    }
    all <- run(integer(), 1e8, 1L)
    expect_identical(run(integer(), 1e8, 2L), all)
    expect_equal(run(integer(), 0, 1L), all, tolerance = 1e-14)
    expect_equal(all$cost, all$cost_at_points)
    expect_equal(rowSums(all$weight), data$weight, tolerance = 1e-10)
    # A model alone at its own points costs what it costs by itself.
    site <- rep(1:4, c(3, 100, 50, 50))
    own <- run(site, 1e8, 1L)
    take <- list(x = data$x[104:153, ], z = data$z[104:153, ], y = NULL, weight = data$weight[104:153],
      x_intercept = 1L, z_intercept = 1L)
    alone <- cpp_divergence(models[[3]], to, take, "component", cost)$cost
    expect_equal(own$cost[4:6, ] * sum(data$weight) / sum(take$weight), alone, tolerance = 1e-9)
  }
})

test_that("T_c is the linear program's value under every cost, at least R_c, and 0 on equal models", {
  skip_if_not_installed("lpSolve")
  withr::local_seed(3)
  for (i in 1:60) {
    family <- all_families[i %% length(all_families) + 1]
    cost <- sample(all_costs(family), 1)
    from <- random_model(family, sample(5, 1))
    to <- random_model(family, sample(5, 1))
    one <- random_points(1)
    exact <- cpp_divergence(from, to, one, "exact", cost)
    supply <- drop(ref_gates(one$z, from$alpha))
    demand <- drop(ref_gates(one$z, to$alpha))
    expect_equal(exact$value, ref_transport_lp(supply, demand, exact$cost / supply), tolerance = 1e-9)
    data <- random_points(30)
    value <- function(a, b, plan) cpp_divergence(a, b, data, plan, cost)$value
    expect_gte(value(from, to, "exact"), value(from, to, "pointwise") - 1e-12)
    expect_lt(abs(value(from, from, "exact")), 1e-14)
    expect_lt(abs(value(to, to, "pointwise")), 1e-14)
  }
})

# One expert for all components: the plan can't change, so a run is the update alone.
one_expert <- function(family, cost, seed, iterations = 200L, update = "exact", start = NULL) {
  withr::local_seed(seed)
  models <- lapply(1:3, function(m) random_model(family, 2))
  data <- random_points(80)
  if (is.null(start)) start <- random_model(family, 1)
  options <- list(plan = "component", max_iterations = iterations, starts = 1L, gate_ridge = 1e-4,
    cost = cost, update = update)
  fit <- cpp_reduce(models, rep(1 / 3, 3), data, integer(), 1L, start, options, 1L)
  value <- function(model) {
    cpp_reduction_objective(models, rep(1 / 3, 3), data, integer(), model, "pointwise", 1L, cost)
  }
  fit$model$family <- family
  list(fit = fit, value = value, models = models, data = data)
}

test_that("the update is where the sum of the costs has no slope, and a minimum nearby", {
  for (family in all_families) for (cost in all_costs(family)) {
    case <- one_expert(family, cost, 4)
    model <- case$fit$model
    expect_true(case$fit$converged)
    least <- tail(case$fit$objective, 1)
    expect_equal(case$value(model), least, tolerance = 1e-9)
    move <- function(step) {
      out <- model
      size <- length(model$beta)
      out$beta[] <- out$beta + step[seq_len(size)]
      if (family %in% dispersed) out$dispersion <- out$dispersion * exp(step[size + 1])
      case$value(out)
    }
    free <- length(model$beta) + (family %in% dispersed)
    for (j in seq_len(free)) {
      h <- 1e-3 * (seq_len(free) == j)
      expect_gt(move(h), least - 1e-12)
      expect_gt(move(-h), least - 1e-12)
      slope <- (move(h) - move(-h)) / 2e-3
      curve <- (move(h) + move(-h) - 2 * least) / 1e-6
      # As far from the minimum as a thousandth of what the curvature makes of a unit.
      expect_lt(abs(slope), 1e-3 * curve)
    }
    one_step <- cost != "hellinger" && family != "negative_binomial"
    if (one_step) expect_equal(case$fit$objective[2], least, tolerance = 1e-8)
  }
})

test_that("Gaussian updates have their closed forms", {
  for (cost in c("reverse-kl", "wasserstein")) {
    case <- one_expert("gaussian", cost, 5)
    comp <- ref_components(case$models, rep(1 / 3, 3), case$data$x, case$data$z)
    mass <- case$data$weight * comp$pi
    if (cost == "reverse-kl") {
      pull <- sweep(mass, 2, comp$dispersion, "/")
      expect_equal(case$fit$model$dispersion, sum(mass) / sum(pull), tolerance = 1e-10)
    } else {
      pull <- mass
      sd <- sum(sweep(mass, 2, sqrt(comp$dispersion), "*")) / sum(mass)
      expect_equal(case$fit$model$dispersion, sd^2, tolerance = 1e-10)
    }
    target <- rowSums(pull * comp$eta) / rowSums(pull)
    expected <- stats::lm.wfit(case$data$x, target, rowSums(pull))$coefficients
    expect_equal(drop(case$fit$model$beta), unname(expected), tolerance = 1e-9)
  }
})

test_that("the objective never rises, for every family, cost and plan", {
  for (family in all_families) for (cost in all_costs(family)) for (plan in c("component", "pointwise")) {
    moved <- 0
    for (seed in 1:8) {
      withr::local_seed(seed)
      K <- seed %% 4 + 1
      models <- lapply(1:3, function(m) random_model(family, sample(4, 1)))
      site <- if (seed %% 2) integer() else rep(1:3, each = 30)
      options <- list(plan = plan, max_iterations = 20L, starts = 2L, gate_ridge = 1e-4, cost = cost)
      start <- if (seed %% 3) random_model(family, K)
      fit <- cpp_reduce(models, rep(1 / 3, 3), random_points(90), site, min(K, 3L), if (K < 4) start,
        options, 1L)
      expect_falling(fit$objective)
      expect_equal(fit$rises, 0)
      expect_true(all(is.finite(unlist(fit$model[-1]))))
      moved <- moved + any(diff(fit$objective) < -1e-6 * fit$objective[1])
    }
    expect_gt(moved, 4)
  }
})

test_that("equal sites are reduced to themselves under every cost", {
  for (family in all_families) for (cost in all_costs(family)) for (plan in c("component", "pointwise")) {
    withr::local_seed(6)
    model <- random_model(family, 2)
    options <- list(plan = plan, max_iterations = 50L, starts = 2L, gate_ridge = 1e-4, cost = cost)
    fit <- cpp_reduce(rep(list(model), 3), rep(1 / 3, 3), random_points(100), integer(), 2L, NULL,
      options, 1L)
    expect_lt(tail(fit$objective, 1), 1e-10)
    expect_equal(fit$model$beta, model$beta, tolerance = 1e-4)
    expect_equal(fit$model$dispersion, model$dispersion, tolerance = 1e-4)
  }
})

test_that("2-Wasserstein is in units of y, whatever the response of the support", {
  withr::local_seed(7)
  models <- lapply(1:3, function(m) random_model("gaussian", 2))
  data <- random_points(100)
  with_y <- data
  with_y$y <- stats::rnorm(100, 500, 1000)
  options <- list(plan = "component", max_iterations = 50L, starts = 2L, gate_ridge = 1e-4,
    cost = "wasserstein")
  run <- function(data, models) {
    cpp_reduce(models, rep(1 / 3, 3), data, integer(), 2L, models[[1]], options, 1L)
  }
  a <- run(data, models)
  b <- run(with_y, models)
  expect_equal(b$objective, a$objective, tolerance = 1e-8)
  expect_equal(b$model$beta, a$model$beta, tolerance = 1e-8)
  tenfold <- lapply(models, function(m) {
    m$beta <- 10 * m$beta
    m$dispersion <- 100 * m$dispersion
    m
  })
  expect_equal(run(data, tenfold)$objective, 100 * a$objective, tolerance = 1e-8)
  expect_equal(cpp_divergence(tenfold[[1]], tenfold[[2]], data, "exact", "wasserstein")$value,
    100 * cpp_divergence(models[[1]], models[[2]], data, "exact", "wasserstein")$value, tolerance = 1e-10)
})

test_that("(S14) is the reference's, and raises the objective where the exact update does not", {
  # The mean of these two probabilities rises from 0 to a plateau at 1/2: its logit is far from linear.
  models <- list(list(family = "binomial", beta = cbind(c(3, 5), c(-3, 0.3)), alpha = matrix(0, 2, 1),
    dispersion = c(1, 1)))
  data <- withr::with_seed(8, random_points(80, 2))
  run <- function(update, start, iterations) {
    options <- list(plan = "component", max_iterations = iterations, starts = 1L, gate_ridge = 1e-4,
      update = update)
    fit <- cpp_reduce(models, 1, data, integer(), 1L, start, options, 1L)
    fit$model$family <- "binomial"
    fit
  }
  start <- list(family = "binomial", beta = matrix(0, 2, 1), alpha = matrix(0, 2, 0), dispersion = 1)
  exact <- run("exact", start, 50L)
  closed <- run("closed-form", exact$model, 1L)
  comp <- ref_components(models, 1, data$x, data$z)
  plan <- array(comp$pi, c(dim(comp$pi), 1))
  expected <- ref_closed_form_binomial("binomial", comp, plan, data$x, data$weight, exact$model$beta)
  expect_equal(closed$model$beta, unname(expected$beta), tolerance = 1e-8)
  expect_gt(diff(closed$objective), 1e-3 * closed$objective[1])
  expect_equal(closed$rises, 1)
  again <- run("exact", exact$model, 5L)
  expect_falling(again$objective)
  expect_equal(again$rises, 0)
})

test_that("on 200 random problems (S14) rises at times, the exact update never", {
  rising <- vapply(c("closed-form", "exact"), function(update) {
    sum(vapply(1:200, function(seed) {
      withr::local_seed(seed)
      models <- lapply(1:3, function(m) random_model("binomial", 2))
      options <- list(plan = c("component", "pointwise")[seed %% 2 + 1], max_iterations = 20L,
        starts = 1L, gate_ridge = 1e-4, update = update)
      fit <- cpp_reduce(models, rep(1 / 3, 3), random_points(60), integer(), 2L,
        random_model("binomial", 2), options, 1L)
      rose <- any(diff(fit$objective) > 1e-12 + 1e-9 * abs(fit$objective[-1]))
      expect_identical(rose, fit$rises > 0)
      rose
    }, NA))
  }, 0L)
  expect_gt(rising[["closed-form"]], 0)
  expect_identical(rising[["exact"]], 0L)
})

test_that("the best of all starts wins, k-means on functional values among them", {
  withr::local_seed(9)
  truth <- random_model("gaussian", 3)
  truth$beta[1, ] <- c(-10, 0, 10)
  # No site has all three experts, so no local model is a start.
  models <- lapply(1:4, function(m) {
    keep <- list(1:2, 2:3, c(1, 3), 1:2)[[m]]
    list(family = "gaussian", beta = truth$beta[, keep], alpha = matrix(0, 3, 1),
      dispersion = truth$dispersion[keep])
  })
  fit <- cpp_reduce(models, rep(0.25, 4), random_points(100), integer(), 3L, NULL,
    reduce_options("component"), 1L)
  expect_setequal(fit$run_starts, c(0L, -1L))
  expect_true(all(is.nan(fit$candidates)))
  expect_lt(tail(fit$objective, 1), 1e-12)
  expect_lt(fit$runs[fit$run_starts == -1], 1e-12)
  expect_equal(tail(fit$objective, 1), min(fit$runs))
  expect_equal(sort(fit$model$beta[1, ]), c(-10, 0, 10), tolerance = 1e-8)
})

test_that("the core refuses what it has not", {
  model <- withr::with_seed(1, random_model("binomial", 2))
  data <- withr::with_seed(2, random_points(20))
  run <- function(...) {
    options <- utils::modifyList(reduce_options("component"), list(...))
    cpp_reduce(list(model), 1, data, integer(), 2L, NULL, options, 1L)
  }
  expect_error(run(cost = "wasserstein"), "cost")
  expect_error(run(cost = "other"), "unknown cost")
  expect_error(run(cost = "hellinger", update = "closed-form"), "closed form")
})
