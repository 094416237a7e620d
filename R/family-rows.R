# Families with a dispersion besides the Gaussian: their rows of the table in R/family.R, which says what each field is.

# One value for each row and expert.
each_row <- function(dispersion, mean) rep(dispersion, each = nrow(mean))

gamma_traits <- list(
  link = "log", words = "Gamma", make = function() stats::Gamma(link = "log"), log_only = TRUE,
  check = check_positive,
  classes = 0, dispersion = TRUE, location_scale = FALSE, range = c(0, Inf), top_variance = Inf, moments = FALSE,
  closed_form = FALSE,
  costs = c("kl", "reverse-kl", "hellinger"),
  shown = list(name = "shape", of = function(dispersion) 1 / dispersion), spread = "coefficient of variation",
  held = c("dispersion", "it fits its rows exactly"),
  true_dispersion = function(size) size / 20,
  dispersion_slope = function(y, mean, dispersion) {
    shape <- 1 / each_row(dispersion, mean)
    shape * (y / mean - 1 - log(y / mean) - (log(shape) - digamma(shape)))
  },
  best_dispersion = function(y, mean, weight) {
    goal <- sum(weight * (y / mean - 1 - log(y / mean)))
    gap <- function(log_shape) log_shape - digamma(exp(log_shape)) - goal
    if (goal > 1e-12) exp(-stats::uniroot(gap, c(-log(goal) - 3, -log(goal) + 3), extendInt = "yes", tol = 1e-12)$root)
    else 2 * goal
  },
  slope = function(mean) mean,
  variance = function(mean, dispersion) mean^2 * each_row(dispersion, mean),
  deviance = function(y, mean) 2 * (y / mean - 1 - log(y / mean)),
  log_tail = function(y, mean, dispersion, lower) {
    shape <- 1 / each_row(dispersion, mean)
    tail <- stats::pgamma(rep_len(y, length(mean)), shape, shape / mean, lower.tail = lower, log.p = TRUE)
    array(tail, dim(mean))
  },
  draw = function(mean, dispersion) stats::rgamma(length(mean), 1 / dispersion, scale = mean * dispersion),
  true_beta = function(beta, d) beta / c(5, rep(10 * sqrt(d), d)))
