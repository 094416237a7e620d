# The reference, second part: transport costs and plans, the reduction's updates, the divergences.
# Arrays have dimensions support point s = 1..S, local expert l = 1..L, expert k = 1..K of the reduced model.

# (S6) gaussian, (S12) binomial: KL( phi(eta1, dispersion1) || phi(eta2, dispersion2) ), element by element.
ref_kl <- function(family, eta1, dispersion1, eta2, dispersion2) {
  if (family == "gaussian") {
    # log(s2/s1) + s1/s2 - 1 = d - log(1 + d) with d = s1/s2 - 1: exact for nearly equal variances.
    d <- (dispersion1 - dispersion2) / dispersion2
    return(0.5 * (d - log1p(d) + (eta2 - eta1)^2 / dispersion2))
  }
  if (family == "poisson") {
    # mu1 log(mu1 / mu2) - mu1 + mu2, with g = eta1 - eta2: mu2 (g e^g - expm1(g)).
    g <- eta1 - eta2
    return(pmax(exp(eta2) * (g * exp(g) - expm1(g)), 0))
  }
  log_mu <- function(eta) stats::plogis(eta, log.p = TRUE)
  kl <- stats::plogis(eta1) * (log_mu(eta1) - log_mu(eta2)) +
    stats::plogis(-eta1) * (log_mu(-eta1) - log_mu(-eta2))
  # KL is never negative; rounding can leave a -1e-17.
  pmax(kl, 0)
}

# (3), (6): the local models as one mixture of L = sum K_m components with gates lambda_m pi_k^(m).
# lambda: M-vector, or S x M when the weight of a site changes with the point.
ref_components <- function(models, lambda, x, z, offset = 0, gate_offset = 0) {
  if (is.null(dim(lambda))) lambda <- matrix(lambda, nrow(x), length(lambda), byrow = TRUE)
  pi <- eta <- matrix(0, nrow(x), 0)
  dispersion <- numeric(0)
  site <- integer(0)
  for (m in seq_along(models)) {
    pi <- cbind(pi, lambda[, m] * ref_gates(z, models[[m]]$alpha, gate_offset))
    eta <- cbind(eta, ref_eta(x, models[[m]]$beta, offset))
    dispersion <- c(dispersion, models[[m]]$dispersion)
    site <- c(site, rep(m, ncol(models[[m]]$beta)))
  }
  list(pi = pi, eta = eta, dispersion = dispersion, site = site)
}

# c(phi_l, phi_k)(x_s) of (9), (11), (15), as an S x L x K array of (S6) / (S12).
ref_cost_array <- function(family, comp, eta_to, dispersion_to) {
  cost <- array(0, c(nrow(eta_to), ncol(comp$eta), ncol(eta_to)))
  for (l in seq_len(ncol(comp$eta))) {
    for (k in seq_len(ncol(eta_to))) {
      cost[, l, k] <- ref_kl(family, comp$eta[, l], comp$dispersion[l], eta_to[, k], dispersion_to[k])
    }
  }
  cost
}

# (16): at every x, local expert l sends all its mass to its cheapest expert there (ties: lowest k).
ref_plan_pointwise <- function(comp, cost) {
  plan <- array(0, dim(cost))
  for (s in seq_len(dim(cost)[1])) {
    for (l in seq_len(dim(cost)[2])) {
      plan[s, l, which.min(cost[s, l, ])] <- comp$pi[s, l]
    }
  }
  plan
}

# The plan at component level: T_l = argmin_k E[ pi_l(x) c(phi_l, phi_k)(x) ], one label for all x;
# P_lk(x) = pi_l(x) 1(k = T_l) is feasible in (11). Ties: lowest k.
ref_plan_component <- function(comp, cost, v = rep(1, dim(cost)[1])) {
  plan <- array(0, dim(cost))
  for (l in seq_len(dim(cost)[2])) {
    expected <- numeric(dim(cost)[3])
    for (k in seq_along(expected)) expected[k] <- sum(v * comp$pi[, l] * cost[, l, k])
    plan[, l, which.min(expected)] <- comp$pi[, l]
  }
  plan
}

# (15): E[ sum_lk P_lk(x) c(phi_l, phi_k)(x) ], the mean over support points with weights v.
ref_objective <- function(plan, cost, v = rep(1, dim(cost)[1])) {
  total <- 0
  for (s in seq_len(dim(cost)[1])) total <- total + v[s] * sum(plan[s, , ] * cost[s, , ])
  total / sum(v)
}

# Where an expert receives no mass, (17) says nothing: the old beta stays, and dispersion_old if given.
ref_mm_step <- function(family, comp, plan, x, v = rep(1, nrow(x)), beta_old, offset = 0,
                        dispersion_old = rep(NA_real_, ncol(beta_old))) {
  n_experts <- ncol(beta_old)
  beta <- beta_old
  dispersion <- if (family == "gaussian") dispersion_old else rep(1, n_experts)
  for (k in seq_len(n_experts)) {
    # (S11), with rows and columns exchanged: S x L.
    plan_k <- matrix(plan[, , k], nrow(x))
    if (sum(v * plan_k) == 0) next
    if (family == "gaussian") {
      update <- ref_mm_gaussian(comp, plan_k, x, v, offset)
      beta[, k] <- update$beta
      dispersion[k] <- update$dispersion
    } else {
      beta[, k] <- ref_mm_glm(family, comp, plan_k, x, v, beta_old[, k], offset)
    }
  }
  list(beta = beta, dispersion = dispersion)
}

# (17) for one Gaussian expert. (S8a): sum_s D_s x_s x_s' beta = sum_s x_s sum_l W_ls x_s' beta_l.
# (S8b) as it follows from (S7): sum_s sum_l W_ls [ sigma_l^2 + (x_s' (beta - beta_l))^2 ] / trace D;
# the cross terms between different l in the printed form do not belong there.
ref_mm_gaussian <- function(comp, plan_k, x, v, offset) {
  left <- matrix(0, ncol(x), ncol(x))
  right <- numeric(ncol(x))
  for (s in seq_len(nrow(x))) {
    left <- left + v[s] * sum(plan_k[s, ]) * outer(x[s, ], x[s, ])
  }
  local <- comp$eta - offset # x_s' beta_l
  for (s in seq_len(nrow(x))) {
    right <- right + v[s] * sum(plan_k[s, ] * local[s, ]) * x[s, ]
  }
  beta <- solve(left, right)
  fitted <- drop(x %*% beta)
  numerator <- 0
  for (l in seq_len(ncol(plan_k))) {
    numerator <- numerator + sum(v * plan_k[, l] * (comp$dispersion[l] + (fitted - local[, l])^2))
  }
  list(beta = beta, dispersion = numerator / sum(v * plan_k))
}

# (17) for one expert of a family without dispersion: the minimiser of (S13), where (S15) holds:
# sum_s x_s sum_l W_ls (mu(x_s' beta) - mu_ls) = 0. Newton with halving; sums divided by sum v D.
ref_mm_glm <- function(family, comp, plan_k, x, v, start, offset) {
  mass <- v * rowSums(plan_k) / sum(v * plan_k)
  response <- v * rowSums(plan_k * ref_mean(family, comp$eta)) / sum(v * plan_k)
  predictor <- function(b) drop(x %*% b + offset)
  # (S13) without its constant: W b(eta) - W mu_l eta.
  objective <- function(b) {
    eta <- predictor(b)
    sum(mass * ref_potential(family, eta) - response * eta)
  }
  gradient <- function(b) drop(t(x) %*% (mass * ref_mean(family, predictor(b)) - response))
  newton <- function(b) {
    curvature <- mass * ref_variance(family, predictor(b))
    b - solve(t(x) %*% (curvature * x), gradient(b))
  }
  ref_descend(start, objective, gradient, newton)
}

# (S14): least squares of logit V_k on x, V_k = D_k^-1 sum_l W_l mu_l, without the weights D_k.
# Points with D_k = 0 have no V_k and are left out; v counts a support point as v copies of it.
ref_closed_form_binomial <- function(family, comp, plan, x, v = rep(1, nrow(x)), beta_old, offset = 0) {
  stopifnot(family == "binomial")
  beta <- beta_old
  for (k in seq_len(ncol(beta_old))) {
    plan_k <- matrix(plan[, , k], nrow(x))
    keep <- rowSums(plan_k) > 0 & v > 0
    if (!any(keep)) next
    success <- rowSums(plan_k * stats::plogis(comp$eta)) / rowSums(plan_k)
    failure <- rowSums(plan_k * stats::plogis(-comp$eta)) / rowSums(plan_k)
    target <- log(success) - log(failure) - offset
    beta[, k] <- qr.coef(qr(sqrt(v[keep]) * x[keep, , drop = FALSE]), sqrt(v[keep]) * target[keep])
  }
  list(beta = beta, dispersion = rep(1, ncol(beta_old)))
}

# (S4), (13): a_sk = sum_l P_lk(x_s). S x K.
ref_gate_targets <- function(plan) {
  out <- matrix(0, dim(plan)[1], dim(plan)[3])
  for (k in seq_len(ncol(out))) out[, k] <- rowSums(matrix(plan[, , k], dim(plan)[1]))
  out
}

# Value of the transportation problem inside (9), marginals (8), by trying every basic feasible solution:
# every choice of L + K - 1 cells whose constraint columns are independent (a spanning tree of the graph
# that joins rows to columns). The last demand follows from the others, so its constraint is dropped.
ref_transport_enumerate <- function(supply, demand, cost) {
  n_rows <- length(supply)
  n_cols <- length(demand)
  cells <- expand.grid(row = seq_len(n_rows), col = seq_len(n_cols))
  constraints <- matrix(0, n_rows + n_cols, nrow(cells))
  for (i in seq_len(nrow(cells))) {
    constraints[cells$row[i], i] <- 1
    constraints[n_rows + cells$col[i], i] <- 1
  }
  kept <- seq_len(n_rows + n_cols - 1)
  limits <- c(supply, demand)[kept]
  best <- Inf
  subsets <- as.matrix(expand.grid(rep(list(c(FALSE, TRUE)), nrow(cells))))
  for (i in which(rowSums(subsets) == length(kept))) {
    basis <- which(subsets[i, ])
    system <- constraints[kept, basis, drop = FALSE]
    # Determinants of this matrix are 0, 1 or -1.
    if (abs(det(system)) < 0.5) next
    mass <- solve(system, limits)
    if (any(mass < -1e-13 * sum(supply))) next
    best <- min(best, sum(mass * cost[cbind(cells$row[basis], cells$col[basis])]))
  }
  best
}

# The same value: by enumeration up to 3 x 3 (or 4 x 4 without lpSolve), else by the simplex of lpSolve.
ref_transport_lp <- function(supply, demand, cost) {
  size <- max(length(supply), length(demand))
  has_solver <- requireNamespace("lpSolve", quietly = TRUE)
  if (size <= 3 || (size <= 4 && !has_solver)) return(ref_transport_enumerate(supply, demand, cost))
  if (!has_solver) stop("lpSolve is needed for a transportation problem larger than 4 x 4")
  # lpSolve takes masses below about 1e-9 for 0; counted in units of 1e-4 of the total, none matters.
  unit <- 1e-4 * sum(supply)
  fit <- lpSolve::lp.transport(cost, "min", rep("=", length(supply)), supply / unit,
                               rep("=", length(demand)), demand / unit, integers = NULL)
  if (fit$status != 0) stop("lpSolve found no optimal plan")
  fit$objval * unit
}

# exact: T_c, (9), the transportation problem with both marginals at every row. Otherwise R_c, (11), where
# only the first marginal binds and every unit of mass takes its cheapest expert. Means with weights v.
# from: a model, or the result of ref_components().
ref_divergence <- function(family, from, to, x, z, v = rep(1, nrow(x)), offset = 0, gate_offset = 0,
                           exact = TRUE) {
  comp <- from
  if (is.null(from$pi)) comp <- ref_components(list(from), 1, x, z, offset, gate_offset)
  cost <- ref_cost_array(family, comp, ref_eta(x, to$beta, offset), to$dispersion)
  gates <- ref_gates(z, to$alpha, gate_offset)
  value <- numeric(nrow(x))
  for (s in seq_len(nrow(x))) {
    cost_s <- matrix(cost[s, , ], ncol(comp$pi))
    if (exact) value[s] <- ref_transport_lp(comp$pi[s, ], gates[s, ], cost_s)
    if (!exact) value[s] <- sum(comp$pi[s, ] * apply(cost_s, 1, min))
  }
  sum(v * value) / sum(v)
}
