# Families with a dispersion besides the Gaussian: their rows of the table in R/family.R, which says what each field is.

#' Negative binomial experts
#'
#' The family of counts that vary more than Poisson ones: every expert has a mean \eqn{\mu = \exp(x'\beta)} and a
#' size \eqn{\theta} of its own, the variance being \eqn{\mu + \mu^2 / \theta}, as in `MASS::glm.nb()` (the NB2 of
#' econometrics). With \eqn{\theta \to \infty} it is the Poisson expert.
#'
#' \deqn{P(y) = \frac{\Gamma(y + \theta)}{\Gamma(\theta) y!} \left(\frac{\theta}{\theta + \mu}\right)^\theta
#'   \left(\frac{\mu}{\theta + \mu}\right)^y.}
#'
#' Sizes are estimated by maximum likelihood along with the coefficients. What `coef()`, [vcov()][vcov.moe] and messages
#' hold are the dispersions \eqn{1 / \theta}; prints show the sizes. Within EM a count is a Poisson one whose mean is
#' multiplied by a Gamma variable that is not seen, of mean 1 and shape \eqn{\theta}.
#'
#' Where an expert's counts vary no more than Poisson ones, its dispersion runs to 0: one expert alone
#' stops at the floor (`dispersion_floor` of [moe_control()]), with a warning; of several the weak `variance_prior`
#' holds the sizes at some thousands.
#'
#' Aggregations of such experts are under the cost `"kl"` (whose expectations are sums by quadrature, to 1e-10); the
#' update of (17) is then a step that never raises the objective, not its minimiser.
#'
#' @return An object of class `family` with `family = "negative_binomial"` and `link = "log"`, for the argument `family`
#'   of [moe()].
#' @references Hilbe, J. M. (2011). *Negative Binomial Regression*. Cambridge University Press.
#'
#'   Venables, W. N. and Ripley, B. D. (2002). *Modern Applied Statistics with S*. Springer.
#' @seealso [stats::poisson()]; for positive responses that are not counts [stats::Gamma()] with `link = "log"`.
#' @examples
#' fit <- moe(breaks ~ wool + tension, warpbreaks, K = 1, family = negative_binomial())
#' fit
#' 1 / fit$parameters$dispersion  # the size
#' @export
negative_binomial <- function() {
  structure(list(family = "negative_binomial", link = "log"), class = "family")
}

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
  deviance = function(y, mean, dispersion) 2 * (y / mean - 1 - log(y / mean)),
  log_tail = function(y, mean, dispersion, lower) {
    shape <- 1 / each_row(dispersion, mean)
    tail <- stats::pgamma(rep_len(y, length(mean)), shape, shape / mean, lower.tail = lower, log.p = TRUE)
    array(tail, dim(mean))
  },
  draw = function(mean, dispersion) stats::rgamma(length(mean), 1 / dispersion, scale = mean * dispersion),
  true_beta = function(beta, d) beta / c(5, rep(10 * sqrt(d), d)))

negative_binomial_traits <- list(
  link = "log", words = "negative binomial", make = negative_binomial, check = check_counts,
  classes = 0, dispersion = TRUE, location_scale = FALSE, range = c(0, Inf), top_variance = Inf, moments = FALSE,
  closed_form = FALSE,
  costs = "kl",
  shown = list(name = "size", of = function(dispersion) 1 / dispersion),
  held = c("dispersion (1 / size)", "its counts vary no more than Poisson ones",
    instead = "{.code family = poisson()} has one parameter less."),
  true_dispersion = function(size) size / 10,
  dispersion_slope = function(y, mean, dispersion) {
    size <- 1 / each_row(dispersion, mean)
    -size * (digamma(y + size) - digamma(size) + log(size / (size + mean)) + 1 - (y + size) / (size + mean))
  },
  best_dispersion = function(y, mean, weight) {
    value <- function(log_size) sum(weight * stats::dnbinom(y, exp(log_size), mu = mean, log = TRUE))
    exp(-stats::optimize(value, c(-12, 14), maximum = TRUE, tol = 1e-8)$maximum)
  },
  slope = function(mean) mean,
  variance = function(mean, dispersion) mean + mean^2 * each_row(dispersion, mean),
  deviance = function(y, mean, dispersion) {
    bent <- (y + 1 / dispersion) * log((1 + dispersion * y) / (1 + dispersion * mean))
    2 * (ifelse(y == 0, 0, y * log(y / mean)) - bent)
  },
  around = function(y, mean, dispersion) {
    size <- 1 / each_row(dispersion, mean)
    y <- rep_len(y, length(mean))
    list(below = stats::pnbinom(y - 1, size, mu = mean), here = stats::dnbinom(y, size, mu = mean),
      above = stats::pnbinom(y, size, mu = mean, lower.tail = FALSE))
  },
  draw = function(mean, dispersion) as.numeric(stats::rnbinom(length(mean), 1 / dispersion, mu = mean)),
  true_beta = function(beta, d) beta / c(5, rep(10 * sqrt(d), d)),
  extreme = "Fitted rates numerically 0")
