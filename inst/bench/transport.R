# Is the transport divergence (9) that of a linear program, and does the reduction always descend?
#
#   Rscript transport.R [linear programs, 1000] [reductions of every family, cost and plan, 200]
#
# Random models (Dirichlet-like gates, experts near and far, some gates close to 0) of every family,
# under every cost that it has: T_c at one point against lpSolve, T_c >= R_c, both 0 on equal models.
# Then MM runs of 30 steps from random starts.

source(system.file("bench/tools.R", package = "distmoe"))
header("Transport: exactness and descent")

programs <- size(1, 1000, 40)
reductions <- size(2, 200, 4)
families <- c("gaussian", "binomial", "poisson", "multinomial")
costs_of <- function(family) c("kl", "reverse-kl", if (family == "gaussian") "wasserstein", "hellinger")

random_model <- function(family, K, p = 3, spread = 1) {
  parts <- if (family == "multinomial") 2 else 1
  scale <- spread * if (family == "poisson") 0.5 else 1
  list(family = family, beta = matrix(scale * rnorm(p * K * parts), p),
    alpha = matrix(2 * rnorm(p * (K - 1)), p, K - 1),
    dispersion = if (family == "gaussian") rexp(K) + 0.05 else rep(1, K))
}
points <- function(n, p = 3) {
  x <- cbind(1, matrix(rnorm(n * (p - 1)), n))
  list(x = x, z = x, y = NULL, weight = rexp(n), x_intercept = 1L, z_intercept = 1L)
}
divergence <- function(...) distmoe:::cpp_divergence(...)

# ---- T_c against linear programs --------------------------------------------------------------

# Masses in units of 1e-4: lpSolve takes what is below 1e-9 or so for nothing.
linear_program <- function(supply, demand, cost) {
  fit <- lpSolve::lp.transport(cost, "min", rep("=", length(supply)), supply * 1e4,
    rep("=", length(demand)), demand * 1e4, integers = NULL)
  if (fit$status != 0) NA_real_ else fit$objval / 1e4
}

gates <- function(data, model) drop(exp(c(data$z %*% model$alpha, 0)))

set.seed(1)
error <- gap <- same <- matrix(NA_real_, programs, 1)
for (i in seq_len(programs)) {
  family <- families[i %% 4 + 1]
  cost <- sample(costs_of(family), 1)
  from <- random_model(family, sample(5, 1))
  to <- random_model(family, sample(5, 1))
  data <- points(1)
  # At one point with gates the cost of l to k is the plan's mean cost over l's gate.
  exact <- divergence(from, to, data, "exact", cost)
  supply <- gates(data, from) / sum(gates(data, from))
  demand <- gates(data, to) / sum(gates(data, to))
  value <- linear_program(supply, demand, exact$cost / supply)
  error[i] <- abs(exact$value - value) / max(1, value)
  many <- points(50)
  gap[i] <- divergence(from, to, many, "pointwise", cost)$value -
    divergence(from, to, many, "exact", cost)$value
  same[i] <- max(abs(c(divergence(from, from, many, "exact", cost)$value,
    divergence(from, from, many, "pointwise", cost)$value)))
}
target(paste("T_c against lpSolve, largest error of", programs, "problems"), max(error), most = 1e-10)
target("R_c less T_c, largest", max(gap), most = 1e-12)
target("T_c and R_c of equal models, largest", max(same), most = 1e-12)

# ---- descent ----------------------------------------------------------------------------------

rise <- function(objective) max(0, diff(objective) / (1e-3 + abs(objective[-1])))
near <- function(model, spread) {
  model$beta[] <- model$beta + spread * rnorm(length(model$beta))
  model$alpha[] <- model$alpha + spread * rnorm(length(model$alpha))
  if (model$family == "gaussian") {
    model$dispersion <- model$dispersion * exp(spread * rnorm(length(model$dispersion)))
  }
  model
}
one_run <- function(family, cost, plan, update) {
  K <- sample(4, 1)
  truth <- random_model(family, K)
  models <- lapply(seq_len(sample(2:5, 1)), function(m) {
    if (runif(1) < 0.3) random_model(family, sample(4, 1)) else near(truth, 0.5)
  })
  options <- list(plan = plan, max_iterations = 30L, starts = 1L, gate_ridge = 1e-4, cost = cost,
    update = update)
  distmoe:::cpp_reduce(models, rep(1 / length(models), length(models)), points(100), integer(), K,
    near(truth, 1), options, 1L)$objective
}

cases <- do.call(rbind, lapply(families, function(family) {
  expand.grid(cost = costs_of(family), plan = c("component", "pointwise"), update = "exact",
    family = family, stringsAsFactors = FALSE)
}))
closed <- expand.grid(cost = "kl", plan = c("component", "pointwise"), update = "closed-form",
  family = "binomial", stringsAsFactors = FALSE)
cases <- rbind(cases, closed)
worst <- t(vapply(seq_len(nrow(cases)), function(i) {
  rises <- replicate(reductions, with(cases[i, ], rise(one_run(family, cost, plan, update))))
  c(runs = reductions, rising = sum(rises > 1e-9), largest = max(rises))
}, numeric(3)))
table <- cbind(cases[c("family", "cost", "plan", "update")], runs = worst[, 1], rising = worst[, 2],
  largest = formatC(worst[, 3], digits = 1, format = "e"))
show_table(table, "Runs in which the objective rose, and the largest relative rise")
target("runs of the exact update that rose", sum(table$rising[table$update == "exact"]), most = 0)
target("runs of (S14) that rose", sum(table$rising[table$update == "closed-form"]), least = 1)
finish()
