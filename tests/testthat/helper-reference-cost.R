# Costs from their definitions: sums over the outcomes of a discrete response, integrals for Gaussian
# ones. eta: the linear predictors of one expert at one point (multinomial: of the classes after the first).

# Logarithms of the probabilities of all outcomes.
ref_log_outcomes <- function(family, eta, dispersion = 1) {
  switch(family,
    binomial = stats::plogis(c(-eta, eta), log.p = TRUE),
    poisson = stats::dpois(0:400, exp(eta), log = TRUE),
    negative_binomial = stats::dnbinom(0:20000, 1 / dispersion, mu = exp(eta), log = TRUE),
    multinomial = c(0, eta) - log(sum(exp(c(0, eta)))))
}

ref_cost <- function(cost, family, eta1, dispersion1, eta2, dispersion2) {
  if (cost == "reverse-kl") return(ref_cost("kl", family, eta2, dispersion2, eta1, dispersion1))
  if (family == "gaussian") {
    sd <- sqrt(c(dispersion1, dispersion2))
    p <- function(y, log = FALSE) stats::dnorm(y, eta1, sd[1], log)
    q <- function(y, log = FALSE) stats::dnorm(y, eta2, sd[2], log)
    area <- function(f, at, width) {
      stats::integrate(f, at - 12 * width, at + 12 * width, rel.tol = 1e-10, subdivisions = 1000)$value
    }
    if (cost == "kl") return(area(function(y) p(y) * (p(y, TRUE) - q(y, TRUE)), eta1, sd[1]))
    if (cost == "hellinger") {
      # sqrt(p q) is largest between the means.
      middle <- (eta1 * dispersion2 + eta2 * dispersion1) / (dispersion1 + dispersion2)
      return(1 - area(function(y) exp((p(y, TRUE) + q(y, TRUE)) / 2), middle, max(sd)))
    }
    # Squared 2-Wasserstein on the line: the mean squared gap of the quantiles.
    gap <- function(u) (stats::qnorm(u, eta1, sd[1]) - stats::qnorm(u, eta2, sd[2]))^2
    return(stats::integrate(gap, 0, 1, rel.tol = 1e-9, subdivisions = 1000)$value)
  }
  if (family == "Gamma") {  # on the scale of log y, where the densities have no poles
    p <- ref_gamma_density(eta1, dispersion1)
    q <- ref_gamma_density(eta2, dispersion2)
    if (cost == "kl") return(ref_integral(function(v) ifelse(exp(p(v)) > 0, exp(p(v)) * (p(v) - q(v)), 0)))
    return(1 - ref_integral(function(v) exp((p(v) + q(v)) / 2)))
  }
  p <- ref_log_outcomes(family, eta1, dispersion1)
  q <- ref_log_outcomes(family, eta2, dispersion2)
  if (cost == "hellinger") 1 - sum(exp((p + q) / 2)) else sum(exp(p) * (p - q))
}

# The logarithm of the density of log y, y of the Gamma distribution.
ref_gamma_density <- function(eta, dispersion) {
  function(v) stats::dgamma(exp(v), 1 / dispersion, 1 / dispersion / exp(eta), log = TRUE) + v
}

# The trapezoidal rule on the whole line: exact to rounding for smooth functions that vanish at both ends.
ref_integral <- function(f, step = 0.005, from = -150, to = 30) {
  value <- f(seq(from, to, step))
  sum(value[is.finite(value)]) * step
}

# S x L x K, of a model to a model.
ref_costs <- function(cost, from, to, x) {
  L <- length(from$dispersion)
  K <- length(to$dispersion)
  parts <- ncol(from$beta) / L
  eta <- function(model, s, k) drop(x[s, ] %*% model$beta[, (k - 1) * parts + seq_len(parts)])
  out <- array(0, c(nrow(x), L, K))
  for (s in seq_len(nrow(x))) for (l in seq_len(L)) for (k in seq_len(K)) {
    out[s, l, k] <- ref_cost(cost, from$family, eta(from, s, l), from$dispersion[l], eta(to, s, k),
      to$dispersion[k])
  }
  out
}

all_costs <- function(family) {
  if (family == "negative_binomial") return("kl")
  c("kl", "reverse-kl", if (family == "gaussian") "wasserstein", "hellinger")
}
all_families <- c("gaussian", "binomial", "poisson", "multinomial", "Gamma", "negative_binomial")
# Those with one number as the response.
numeric_families <- setdiff(all_families, "multinomial")
dispersed <- c("gaussian", "Gamma", "negative_binomial")

# A random model of p columns; multinomial: three classes.
random_model <- function(family, K, p = 3) {
  parts <- if (family == "multinomial") 2 else 1
  size <- if (family %in% c("poisson", "Gamma", "negative_binomial")) 0.5 else 1
  list(family = family, beta = matrix(size * stats::rnorm(p * K * parts), p),
    alpha = matrix(stats::rnorm(p * (K - 1)), p, K - 1),
    dispersion = if (family %in% dispersed) stats::rexp(K) + 0.05 else rep(1, K))
}

random_points <- function(n, p = 3) {
  x <- cbind(1, matrix(stats::rnorm(n * (p - 1)), n))
  list(x = x, z = x, y = NULL, weight = stats::rexp(n), x_intercept = 1L, z_intercept = 1L)
}
