# A slow, plain reference for normal random effects over sites' quadratics: the sites' estimates are jointly normal,
# N(mu, V_m + T), with V_m the inverse of their information; base R alone.

# -2 log of the (restricted) marginal likelihood at T, up to a constant, with the best mu.
ref_deviance <- function(estimates, informations, spread, reml = FALSE) {
  inverse <- lapply(informations, function(l) solve(solve(l) + spread))
  precision <- Reduce(`+`, inverse)
  mu <- solve(precision, Reduce(`+`, Map(function(w, e) w %*% e, inverse, estimates)))
  out <- sum(mapply(function(w, e) sum((e - mu) * (w %*% (e - mu))) - determinant(w)$modulus, inverse, estimates))
  c(out) + if (reml) c(determinant(precision)$modulus) else 0
}

# EM for a diagonal T, to its end.
ref_em <- function(estimates, informations, iterations = 20000) {
  spread <- diag(vapply(seq_along(estimates[[1]]), function(j) stats::var(vapply(estimates, `[`, 0, j)), 0))
  mu <- Reduce(`+`, estimates) / length(estimates)
  for (i in seq_len(iterations)) {
    posterior <- lapply(informations, function(l) solve(l + solve(spread)))
    effects <- Map(function(p, l, e) drop(p %*% (l %*% e + solve(spread, mu))), posterior, informations, estimates)
    mu <- Reduce(`+`, effects) / length(effects)
    spread <- diag(Reduce(`+`, Map(function(p, u) diag(p) + (u - mu)^2, posterior, effects)) / length(effects))
  }
  list(mean = mu, spread = diag(spread), effects = do.call(cbind, effects))
}

# Estimates and informations of sites whose parameters are normal about 1:p.
drawn_sites <- function(count, p, tau, seed) {
  set.seed(seed)
  info <- lapply(seq_len(count), function(m) {
    n <- sample(c(15, 40, 120), 1)
    crossprod(cbind(1, matrix(rnorm(n * (p - 1)), n)))
  })
  estimate <- lapply(info, function(l) seq_len(p) + tau * rnorm(p) + drop(backsolve(chol(l), rnorm(p))))
  list(info = info, estimate = estimate,
    quadratics = Map(function(l, e) list(curvature = l, slope = drop(l %*% e)), info, estimate))
}

core_fit <- function(quadratics, block, reml = FALSE, start = NULL) {
  cpp_hierarchy(unname(quadratics), as.integer(block), start,
    list(reml = reml, fixed = FALSE, max_iterations = 1000, tolerance = 1e-13, threads = 1))
}

# Sites with a random shift of both experts and of the gates.
shifted_sites <- function(rows = c(300, 500, 400, 600), seed = 1, by = 0.5) {
  set.seed(seed)
  site <- rep(LETTERS[seq_along(rows)], rows)
  n <- sum(rows)
  x <- rnorm(n)
  v <- runif(n)
  shift <- cbind(rnorm(length(rows)), rnorm(length(rows)), rnorm(length(rows)))[match(site, LETTERS), ] * by
  first <- runif(n) < plogis(-0.3 + 2 * x + shift[, 3])
  y <- ifelse(first, 3 + shift[, 1] + 2 * x, -3 + shift[, 2] - x + v) + rnorm(n, sd = 0.7)
  data.frame(y, x, v, site)
}

hierarchy_of <- function(d, ..., K = 2) {
  sources <- split(d[names(d) != "site"], d$site)
  sites <- moe_sites(y ~ x + v, sources, K = K, start = moe(y ~ x + v, d, K = K), information = TRUE)
  list(sources = sources, sites = sites, h = moe_hierarchy(sites, ...))
}

# Parameters and their covariance with variances as logarithms.
log_coef <- function(m) {
  v <- coef(m)
  at <- grepl("^dispersion", names(v))
  v[at] <- log(v[at])
  unname(v)
}
log_covariance <- function(m) {
  v <- coef(m)
  by <- ifelse(grepl("^dispersion", names(v)), 1 / v, 1)
  unname(vcov(m) * outer(by, by))
}
