# A slow, plain reference for the compiled core, written from the equations with base R and stats only.
# Equation numbers (1)-(17), (S4)-(S17): Chamroukhi & Pham, "Optimal Transport Aggregation for
# Distributed Mixture-of-Experts", main text and supplement.
#
# A model is list(family = one of numeric_families, beta = p x K, alpha = q x (K - 1), dispersion = K);
# the gate of expert K is 0. x is n x p and z is n x q, intercept columns included. offset is added to
# every expert's linear predictor, gate_offset to that of gates 1..K-1 only; each has n entries or is one
# number. w: n case weights. v: weights of the S support points. Nothing is rescaled.

# ---- Gates, experts, likelihood: (1) ---------------------------------------------------------------

# log sum_k exp(a_k) of every row; the largest entry is taken out so that exp() cannot overflow.
ref_log_sum_exp <- function(a) {
  top <- a[, 1]
  for (k in seq_len(ncol(a))) top <- pmax(top, a[, k])
  total <- 0
  for (k in seq_len(ncol(a))) total <- total + exp(a[, k] - top)
  top + log(total)
}

# (1): log pi_k(z) of the softmax gates, alpha_K = 0. n x K.
ref_log_gates <- function(z, alpha, gate_offset = 0) {
  predictor <- cbind(z %*% alpha + gate_offset, 0)
  unname(predictor - ref_log_sum_exp(predictor))
}

# (1): pi_k(z). n x K.
ref_gates <- function(z, alpha, gate_offset = 0) exp(ref_log_gates(z, alpha, gate_offset))

# (1): linear predictors x' beta_k of the experts. n x K.
ref_eta <- function(x, beta, offset = 0) unname(x %*% beta + offset)

# Mean of y given x under each expert: identity, logit or log link. (S16), (S17) for the logit.
ref_mean <- function(family, eta) {
  switch(family, gaussian = eta, binomial = stats::plogis(eta), poisson = exp(eta), Gamma = exp(eta),
    negative_binomial = exp(eta), stop("unknown family"))
}

# d mean / d eta, and the potential b(eta) of which mean is the derivative.
ref_variance <- function(family, eta) {
  switch(family, gaussian = 1 + 0 * eta, binomial = stats::plogis(eta) * stats::plogis(-eta),
    poisson = exp(eta))
}
ref_potential <- function(family, eta) {
  switch(family, binomial = -stats::plogis(-eta, log.p = TRUE), poisson = exp(eta))
}

# (1), and the density of section S2.4 for binomial: log phi(y | x; beta_k, sigma_k^2). n x K.
ref_log_density <- function(family, y, eta, dispersion) {
  out <- eta
  for (k in seq_len(ncol(eta))) {
    if (family == "gaussian") {
      out[, k] <- stats::dnorm(y, mean = eta[, k], sd = sqrt(dispersion[k]), log = TRUE)
    } else if (family == "poisson") {
      out[, k] <- stats::dpois(y, exp(eta[, k]), log = TRUE)
    } else if (family == "Gamma") {
      out[, k] <- stats::dgamma(y, 1 / dispersion[k], 1 / dispersion[k] / exp(eta[, k]), log = TRUE)
    } else if (family == "negative_binomial") {
      out[, k] <- stats::dnbinom(y, 1 / dispersion[k], mu = exp(eta[, k]), log = TRUE)
    } else {
      out[, k] <- y * stats::plogis(eta[, k], log.p = TRUE) + (1 - y) * stats::plogis(-eta[, k], log.p = TRUE)
    }
  }
  out
}

# (1) and Bayes' rule: r_k = pi_k phi_k / sum_j pi_j phi_j, and the weighted sum of log f(y | x).
ref_estep <- function(x, z, y, model, w = rep(1, nrow(x)), offset = 0, gate_offset = 0) {
  log_gates <- ref_log_gates(z, model$alpha, gate_offset)
  log_density <- ref_log_density(model$family, y, ref_eta(x, model$beta, offset), model$dispersion)
  log_joint <- log_gates + log_density
  log_f <- ref_log_sum_exp(log_joint)
  list(gates = exp(log_gates), log_density = log_density, responsibilities = exp(log_joint - log_f),
       loglik = sum(w * log_f))
}

# (1): sum_i w_i log f(y_i | x_i).
ref_loglik <- function(x, z, y, model, w = rep(1, nrow(x)), offset = 0, gate_offset = 0) {
  ref_estep(x, z, y, model, w, offset, gate_offset)$loglik
}

# ---- M-step of EM ----------------------------------------------------------------------------------

# Maximiser of sum_i w_i r_ik log phi(y_i | x_i; beta_k, sigma_k^2), Gaussian: weighted least squares,
# then the weighted mean of the squared residuals (maximum likelihood: no correction for p).
ref_mstep_gaussian <- function(x, y, r, w = rep(1, nrow(x)), offset = 0) {
  beta <- matrix(0, ncol(x), ncol(r))
  dispersion <- numeric(ncol(r))
  for (k in seq_len(ncol(r))) {
    weight <- w * r[, k]
    beta[, k] <- qr.coef(qr(sqrt(weight) * x), sqrt(weight) * (y - offset))
    residual <- y - offset - drop(x %*% beta[, k])
    dispersion[k] <- sum(weight * residual^2) / sum(weight)
  }
  list(beta = beta, dispersion = dispersion)
}

# One Newton step on sum_i w_i r_ik log phi(y_i; mu_ik), mu the mean at x' beta_k:
# beta_k + (sum w r mu' x x')^-1 sum w r (y - mu) x, each expert by itself.
ref_newton_glm <- function(family, x, y, r, w = rep(1, nrow(x)), offset = 0, beta) {
  new_beta <- matrix(0, nrow(beta), ncol(beta))
  for (k in seq_len(ncol(beta))) {
    eta <- drop(x %*% beta[, k] + offset)
    weight <- w * r[, k]
    gradient <- t(x) %*% (weight * (y - ref_mean(family, eta)))
    information <- t(x) %*% (weight * ref_variance(family, eta) * x)
    new_beta[, k] <- beta[, k] + solve(information, gradient)
  }
  new_beta
}

# Gaussian prior on the gates that treats all K labels alike:
# sum_j ridge_j / 2 sum_{k=1..K} (alpha_jk - mean_k alpha_jk)^2, with alpha_jK = 0 in sum and mean.
ref_gate_penalty <- function(alpha, ridge) {
  all_gates <- cbind(alpha, 0)
  total <- 0
  for (j in seq_len(nrow(all_gates))) {
    total <- total + ridge[j] / 2 * sum((all_gates[j, ] - mean(all_gates[j, ]))^2)
  }
  total
}

# (S5), turned into a minimisation: - sum_i w_i sum_k r_ik log pi_k(z_i; alpha) + penalty(alpha - centre).
ref_gate_objective <- function(z, r, alpha, w, gate_offset, ridge, centre) {
  -sum(w * r * ref_log_gates(z, alpha, gate_offset)) + ref_gate_penalty(alpha - centre, ridge)
}

# Gradient of ref_gate_objective. d log pi_h / d (z' alpha_k) = 1(h = k) - pi_k, so that
# column k is - sum_i w_i (r_ik - (sum_h r_ih) pi_ik) z_i; rows of r may have any sum.
# For the penalty: ridge_j (a_jk - mean_h a_jh), since deviations from the mean sum to 0. q x (K - 1).
ref_gate_gradient <- function(z, r, alpha, w, gate_offset, ridge, centre) {
  pi <- ref_gates(z, alpha, gate_offset)
  shifted <- alpha - centre
  gradient <- matrix(0, nrow(alpha), ncol(alpha))
  for (k in seq_len(ncol(alpha))) {
    data_part <- -t(z) %*% (w * (r[, k] - rowSums(r) * pi[, k]))
    prior_part <- ridge * (shifted[, k] - rowSums(shifted) / (ncol(alpha) + 1))
    gradient[, k] <- data_part + prior_part
  }
  gradient
}

# Hessian of ref_gate_objective, vec(alpha) by columns. Block (k, j):
# sum_i w_i (sum_h r_ih) pi_ik (1(k = j) - pi_ij) z_i z_i' + diag(ridge) (1(k = j) - 1 / K).
ref_gate_hessian <- function(z, r, alpha, w, gate_offset, ridge) {
  pi <- ref_gates(z, alpha, gate_offset)
  q <- nrow(alpha)
  hessian <- matrix(0, length(alpha), length(alpha))
  for (k in seq_len(ncol(alpha))) {
    for (j in seq_len(ncol(alpha))) {
      same <- as.numeric(k == j)
      block <- t(z) %*% (w * rowSums(r) * pi[, k] * (same - pi[, j]) * z)
      block <- block + diag(ridge, q) * (same - 1 / (ncol(alpha) + 1))
      hessian[(k - 1) * q + seq_len(q), (j - 1) * q + seq_len(q)] <- block
    }
  }
  hessian
}

# (S5): one joint Newton step for the K - 1 gates, alpha - H^-1 g, without step control.
ref_newton_gates <- function(z, r, alpha, w = rep(1, nrow(z)), gate_offset = 0, ridge = rep(0, ncol(z)),
                             centre = 0) {
  if (ncol(alpha) == 0) return(alpha)
  gradient <- ref_gate_gradient(z, r, alpha, w, gate_offset, ridge, centre)
  hessian <- ref_gate_hessian(z, r, alpha, w, gate_offset, ridge)
  unname(alpha - matrix(solve(hessian, as.vector(gradient)), nrow(alpha)))
}

# (S5) to convergence, from alpha = 0: Newton steps, halved while they make the objective worse.
# a is the matrix of targets (S4); its rows need not sum to 1.
ref_softmax_regression <- function(z, a, w = rep(1, nrow(z)), gate_offset = 0, ridge = rep(0, ncol(z)),
                                   centre = 0) {
  alpha <- matrix(0, ncol(z), ncol(a) - 1)
  if (ncol(alpha) == 0) return(alpha)
  gradient <- function(at) ref_gate_gradient(z, a, at, w, gate_offset, ridge, centre)
  objective <- function(at) ref_gate_objective(z, a, at, w, gate_offset, ridge, centre)
  newton <- function(at) ref_newton_gates(z, a, at, w, gate_offset, ridge, centre)
  ref_descend(alpha, objective, gradient, newton, scale = sum(w * a))
}

# Newton's method with step-halving until max |gradient| <= 1e-12 scale. Changes of the objective below
# rounding error are not "worse". When rounding stops it earlier, 1e-9 scale must have been reached.
ref_descend <- function(start, objective, gradient, newton, scale = 1) {
  at <- start
  for (iteration in 1:500) {
    if (max(abs(gradient(at))) <= 1e-12 * scale) return(at)
    step <- newton(at) - at
    worst_allowed <- objective(at) + 1e-13 * (scale + abs(objective(at)))
    size <- 1
    while (!isTRUE(objective(at + size * step) <= worst_allowed) && size > 1e-12) size <- size / 2
    at <- at + size * step
    if (max(abs(size * step)) <= 1e-15 * (1 + max(abs(at)))) break
  }
  if (!(max(abs(gradient(at))) <= 1e-9 * scale)) stop("the reference minimiser did not converge")
  at
}

# ---- Score and Hessian of the observed log-likelihood, by differences --------------------------------

# Order: beta columns 1..K, alpha columns 1..K-1, then log dispersions.
ref_pack <- function(model) {
  c(as.vector(model$beta), as.vector(model$alpha), if (model$family %in% dispersed) log(model$dispersion))
}

ref_unpack <- function(theta, model) {
  n_beta <- length(model$beta)
  n_alpha <- length(model$alpha)
  model$beta[] <- theta[seq_len(n_beta)]
  model$alpha[] <- theta[n_beta + seq_len(n_alpha)]
  if (model$family %in% dispersed) {
    model$dispersion[] <- exp(theta[n_beta + n_alpha + seq_along(model$dispersion)])
  }
  model
}

# Derivative of f (a number or a vector) along parameter j: central difference on six points,
# [45 (f_1 - f_-1) - 9 (f_2 - f_-2) + (f_3 - f_-3)] / (60 h), error of order h^6.
ref_difference <- function(f, theta, j, h) {
  gap <- function(m) {
    step <- replace(numeric(length(theta)), j, m * h)
    f(theta + step) - f(theta - step)
  }
  (45 * gap(1) - 9 * gap(2) + gap(3)) / (60 * h)
}

# Gradient of sum_i w_i log f(y_i | x_i), (1), at the model.
ref_score <- function(x, z, y, model, w = rep(1, nrow(x)), offset = 0, gate_offset = 0, h = 2e-3) {
  theta <- ref_pack(model)
  loglik <- function(at) ref_loglik(x, z, y, ref_unpack(at, model), w, offset, gate_offset)
  out <- numeric(length(theta))
  for (j in seq_along(theta)) out[j] <- ref_difference(loglik, theta, j, h)
  out
}

# Hessian of the same: differences of the differences, made symmetric.
ref_hessian <- function(x, z, y, model, w = rep(1, nrow(x)), offset = 0, gate_offset = 0, h = 5e-3) {
  theta <- ref_pack(model)
  score <- function(at) ref_score(x, z, y, ref_unpack(at, model), w, offset, gate_offset, h)
  out <- matrix(0, length(theta), length(theta))
  for (j in seq_along(theta)) out[, j] <- ref_difference(score, theta, j, h)
  (out + t(out)) / 2
}

# ---- Small problems for the tests --------------------------------------------------------------------

# Draws x, z, weights, a model and y from that model, (1); the caller's random stream is left as it was.
ref_random_problem <- function(seed, family, n, p, q, K) {
  had_seed <- exists(".Random.seed", envir = globalenv(), inherits = FALSE)
  if (had_seed) old_seed <- get(".Random.seed", envir = globalenv(), inherits = FALSE)
  on.exit({
    if (had_seed) assign(".Random.seed", old_seed, envir = globalenv())
    if (!had_seed) rm(".Random.seed", envir = globalenv())
  })
  set.seed(seed, kind = "Mersenne-Twister", normal.kind = "Inversion", sample.kind = "Rejection")
  covariates <- matrix(stats::rnorm(n * (max(p, q) - 1)), n)
  x <- cbind(rep(1, n), covariates[, seq_len(p - 1), drop = FALSE])
  z <- cbind(rep(1, n), covariates[, seq_len(q - 1), drop = FALSE])
  beta <- matrix(stats::rnorm(p * K), p, K)
  alpha <- matrix(stats::rnorm(q * (K - 1), sd = 0.7), q, K - 1)
  dispersion <- if (family %in% dispersed) stats::runif(K, 0.2, 0.8) else rep(1, K)
  gates <- ref_gates(z, alpha)
  mu <- ref_mean(family, ref_eta(x, beta))
  y <- numeric(n)
  for (i in seq_len(n)) {
    k <- sample.int(K, 1, prob = gates[i, ])
    if (family == "gaussian") y[i] <- stats::rnorm(1, mu[i, k], sqrt(dispersion[k]))
    if (family == "binomial") y[i] <- stats::rbinom(1, 1, mu[i, k])
    if (family == "poisson") y[i] <- stats::rpois(1, mu[i, k])
    if (family == "Gamma") y[i] <- stats::rgamma(1, 1 / dispersion[k], 1 / dispersion[k] / mu[i, k])
    if (family == "negative_binomial") y[i] <- stats::rnbinom(1, 1 / dispersion[k], mu = mu[i, k])
  }
  list(x = x, z = z, y = y, w = stats::runif(n, 0.5, 1.5),
       model = list(family = family, beta = beta, alpha = alpha, dispersion = dispersion))
}

# (1) is unchanged when experts are relabelled: new expert j is old expert perm[j]; the gates are then
# measured from the new last one. Holds without gate_offset, which singles out gate K.
ref_permute <- function(model, perm) {
  n_experts <- ncol(model$beta)
  gates <- cbind(model$alpha, 0)[, perm, drop = FALSE]
  gates <- gates - gates[, n_experts]
  list(family = model$family, beta = model$beta[, perm, drop = FALSE],
       alpha = gates[, seq_len(n_experts - 1), drop = FALSE], dispersion = model$dispersion[perm])
}
