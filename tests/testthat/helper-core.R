# Doors to the core and small problems for its tests.

# Bounds of time, and sizes that test them, are those of the build that users have. Those of `make sanitize` and
# `make coverage`, which say so, are slower: by this much at most.
times_slower <- if (nzchar(Sys.getenv("DISTMOE_SLOW_BUILD"))) 200 else 1

# The design list that the core takes, from a reference problem.
core_data <- function(p, w = NULL, offset = NULL, gate_offset = NULL, x = p$x, z = p$z) {
  list(x = x, z = z, y = p$y, weight = w, offset = offset, gate_offset = gate_offset,
    x_intercept = 1L, z_intercept = 1L)
}

unpack <- function(packed, p) {
  full <- matrix(0, p, p)
  full[lower.tri(full, TRUE)] <- packed
  full + t(full) - diag(diag(full), p)
}

# M models near a common one: what sites would send. `spread` 0: all the same.
nearby_models <- function(model, M, spread, seed) {
  withr::with_seed(seed, lapply(seq_len(M), function(m) {
    shift <- function(a) a + spread * stats::rnorm(length(a))
    out <- model
    out$beta[] <- shift(model$beta)
    out$alpha[] <- shift(model$alpha)
    if (model$family %in% dispersed) {
      out$dispersion <- model$dispersion * exp(spread * stats::rnorm(length(model$dispersion)))
    }
    out
  }))
}

reduce_options <- function(plan, max_iterations = 200L, gate_ridge = 0, starts = 5L) {
  list(plan = plan, max_iterations = max_iterations, gate_ridge = gate_ridge, starts = starts)
}

# Two crossing lines, easy to tell apart: fits recover them from any sensible start.
crossing_lines <- function(n, seed = 1) {
  withr::with_seed(seed, {
    d <- data.frame(x = stats::runif(n, -1, 1))
    d$label <- ifelse(stats::runif(n) < stats::plogis(6 * d$x), 1L, 2L)
    d$y <- ifelse(d$label == 1L, 2 - 3 * d$x, 3 * d$x) + stats::rnorm(n, sd = 0.3)
    d
  })
}

expect_rising <- function(objective, steps) {
  falls <- diff(objective) < -1e-9 * (1 + abs(objective[-1])) & steps[-1] != "re-seed"
  expect_false(any(falls))
}

expect_falling <- function(objective) {
  expect_true(all(diff(objective) <= 1e-12 + 1e-9 * abs(objective[-1])))
}

# Two experts of any family that data tell apart, with factors, weights and two covariates.
two_experts <- function(n, family, seed = 1) {
  withr::with_seed(seed, {
    d <- data.frame(x = stats::rnorm(n), v = stats::rnorm(n), w = sample(1:3, n, TRUE),
      g = factor(sample(c("a", "b", "c"), n, TRUE)))
    one <- stats::runif(n) < stats::plogis(3 * d$x)
    eta <- ifelse(one, 1 - 2 * d$x + d$v, -1 + 2 * d$x - 1.5 * d$v)
    d$y <- switch(family, gaussian = eta + stats::rnorm(n, sd = 0.5),
      binomial = as.numeric(stats::runif(n) < stats::plogis(2 * eta)),
      poisson = as.numeric(stats::rpois(n, exp(pmin(eta, 3) / 2))),
      Gamma = stats::rgamma(n, 4, scale = exp(pmin(eta, 3) / 2) / 4),
      negative_binomial = as.numeric(stats::rnbinom(n, 2, mu = exp(1 + pmin(eta, 3) / 2))),
      multinomial = factor(ifelse(stats::runif(n) < stats::plogis(2 * eta), "a",
        ifelse(stats::runif(n) < stats::plogis(2 * d$v - eta), "b", "c")), c("a", "b", "c")))
    d
  })
}

# Derivatives of a vector by fourth-order differences, a column a parameter.
by_differences <- function(f, theta) {
  vapply(seq_along(theta), function(j) {
    h <- replace(0 * theta, j, 1e-4 * max(0.1, abs(theta[j])))
    (8 * (f(theta + h) - f(theta - h)) - (f(theta + 2 * h) - f(theta - 2 * h))) / (12 * sum(h))
  }, f(theta))
}

# The model with other coefficients, in the order of coef().
at_theta <- function(fit, theta) {
  fit$parameters <- parameters_at(fit, theta)
  fit
}

# One fit of each family, with what makes them differ: offsets, gates of their own, weights, a column too many.
fits_of_all_kinds <- function() {
  d <- lapply(stats::setNames(all_families, all_families), function(family) {
    transform(two_experts(300, family), id = rep(1:30, 10), o = v / 3)
  })
  start <- lapply(d, function(d) 1 + (d$x < 0))
  list(
    gaussian = moe(y ~ x + offset(o), d$gaussian, K = 2, weights = w, start = start$gaussian),
    binomial = moe(y ~ x + v, d$binomial, gating = ~ x + offset(o), K = 2, family = binomial(),
      start = start$binomial),
    poisson = moe(y ~ x + v + I(x - v), d$poisson, gating = ~ g, K = 2, family = poisson(), start = start$poisson,
      control = moe_control(singular_ok = TRUE)),
    multinomial = moe(y ~ x + v, d$multinomial, K = 2, family = multinomial(), weights = w,
      start = start$multinomial, control = moe_control(expert_ridge = 1)),
    Gamma = moe(y ~ x + v + offset(o), d$Gamma, K = 2, family = "Gamma", weights = w, start = start$Gamma),
    negative_binomial = moe(y ~ x + v, d$negative_binomial, K = 2, family = negative_binomial(), gating = ~ x + g,
      start = start$negative_binomial))
}
