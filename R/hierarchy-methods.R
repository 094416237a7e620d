# Population and sites of a hierarchy: what they are, and how well they are known.

#' @importFrom nlme fixef
#' @export
nlme::fixef

#' @importFrom nlme ranef
#' @export
nlme::ranef

#' @importFrom nlme VarCorr
#' @export
nlme::VarCorr

#' Population, sites and spread of a hierarchy
#'
#' `fixef()` gives the population's parameters, `ranef()` how every site's differ from them, `coef()` every site's
#' (their sum), `VarCorr()` the covariance between sites. `vcov()` and `confint()` are of the population's.
#'
#' @param object,x A model made by [moe_hierarchy()].
#' @param se TRUE: with an attribute `se`, the posterior standard deviations in a matrix of the same shape.
#' @param complete FALSE: without what no site determines.
#' @param parm,level As for [confint.moe()].
#' @param sigma Not used; a part of the generic.
#' @param digits Significant digits.
#' @param ... Not used.
#' @return `fixef()`: a named vector, as [coef.moe()] gives it. `coef()`: a data frame with a row a site and its
#'   parameters in columns; `ranef()`: likewise the differences, on the unconstrained scale (`log(dispersion1)`).
#'   `VarCorr()`: the covariance matrix of the parameters between sites, on the scale of the data and with log
#'   variances, of class `moe_varcorr`, with attributes `stddev` and `correlation`. Effects are independent (or
#'   those of an expert) on standardised columns; on the scale of the data intercepts, which are values at
#'   columns that are 0, are correlated with slopes. The attribute `standardised` has the standard deviations on
#'   standardised columns.
#'   `vcov()`: covariance of the population's parameters, variances as variances. `confint()`: a matrix; intervals
#'   use t quantiles, with one degree of freedom less than sites.
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' fixef(h)
#' ranef(h)
#' VarCorr(h)
#' @name fixef.moe_hierarchy
NULL

#' @rdname fixef.moe_hierarchy
#' @export
fixef.moe_hierarchy <- function(object, ...) {
  check_dots(...)
  coef(population(object))
}

# The population's model by itself.
population <- function(object) {
  class(object) <- "moe"
  object$sites <- object$hierarchy <- object$refinement <- object$aggregate <- NULL
  object
}

# Names of the parameters on the unconstrained scale.
unconstrained_names <- function(object) {
  names <- names(coef(population(object)))
  sub("^(dispersion[0-9]+)$", "log(\\1)", names)
}

#' @rdname fixef.moe_hierarchy
#' @export
ranef.moe_hierarchy <- function(object, se = FALSE, ...) {
  check_dots(...)
  deviations(object, check_flag(se, "se"), FALSE)
}

# `total`: the standard errors are those of the sites' parameters and not of their differences from the population's.
deviations <- function(object, se, total) {
  h <- object$hierarchy
  map <- scaling_map(h$scaling, object)
  out <- t(map %*% (h$parameters - h$mean))
  out <- structure(as.data.frame(out), names = unconstrained_names(object), row.names = h$table$site)
  if (!se) return(out)
  errors <- vapply(h$table$site, function(site) {
    sqrt(pmax(diag(map %*% site_uncertainty(object, site, !total) %*% t(map)), 0))
  }, numeric(nrow(map)))
  structure(out, se = matrix(t(errors), nrow(out), dimnames = list(h$table$site, names(out))))
}

#' @rdname fixef.moe_hierarchy
#' @export
coef.moe_hierarchy <- function(object, ...) {
  check_dots(...)
  h <- object$hierarchy
  map <- scaling_map(h$scaling, object)
  shift <- t(map %*% (h$parameters - h$mean))
  base <- coef(population(object))
  spread <- grepl("^dispersion", names(base))
  base[spread] <- log(base[spread])
  out <- sweep(shift, 2, base, `+`)
  out[, spread] <- exp(out[, spread])
  structure(as.data.frame(out), names = names(base), row.names = h$table$site)
}

#' @rdname fixef.moe_hierarchy
#' @export
VarCorr.moe_hierarchy <- function(x, sigma = 1, ...) {
  check_dots(...)
  h <- x$hierarchy
  names <- unconstrained_names(x)
  lift <- scaling_map(h$scaling, x) %*% h$index$lift
  out <- lift %*% h$spread %*% t(lift)
  out <- (out + t(out)) / 2
  dimnames(out) <- list(names, names)
  sd <- sqrt(pmax(diag(out), 0))
  scaled <- sqrt(pmax(diag(h$index$lift %*% h$spread %*% t(h$index$lift)), 0))
  correlation <- out / outer(ifelse(sd > 0, sd, NA), ifelse(sd > 0, sd, NA))
  structure(out, stddev = sd, correlation = correlation, standardised = stats::setNames(scaled, names),
    class = c("moe_varcorr", "matrix"))
}

#' @rdname fixef.moe_hierarchy
#' @export
print.moe_varcorr <- function(x, digits = 3, ...) {
  sd <- attr(x, "stddev")
  cat("Standard deviations between sites, on the scale of the data and on standardised columns:\n")
  print(format(data.frame(sd = sd, standardised = attr(x, "standardised"), row.names = names(sd)), digits = digits))
  invisible(x)
}

# Covariance of a site's parameters about their posterior mean, on standardised columns: given the population,
# T - T (I + Lambda T)^-1 Lambda T, and what the population's own uncertainty adds. `deviation`: of the difference
# from the population instead.
site_uncertainty <- function(object, site, deviation = FALSE) {
  h <- object$hierarchy
  lift <- h$index$lift
  curvature <- crossprod(lift, h$quadratics[[site]]$curvature %*% lift)
  given <- cpp_site_covariance(curvature, h$spread)
  carried <- diag(nrow(given)) - given %*% curvature
  if (deviation) carried <- given %*% curvature
  out <- lift %*% (given + carried %*% h$effect_mean_covariance %*% t(carried)) %*% t(lift)
  (out + t(out)) / 2
}

#' A site's own model, out of a hierarchy
#'
#' The model at the posterior mean of a site's parameters: its own estimates, drawn to the population's where its rows
#' say little. It is a model like any other: predict with it, or write it as a message (`write_moe()`) and
#' send it home.
#'
#' Its standard errors ([vcov.moe()], `summary()`) are posterior standard deviations and hold the population's own
#' uncertainty; they do not travel in messages. Predictions by it are those of `predict(h, newdata, site = )`.
#'
#' @param object A model made by [moe_hierarchy()].
#' @param site Name of a site of the hierarchy.
#' @return A model of class `moe`, with information that standard errors are made of.
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' summary(site_model(h, "B"))
#' @export
site_model <- function(object, site) {
  check_hierarchy(object, "object")
  known <- object$hierarchy$table$site
  if (!is.character(site) || length(site) != 1 || !site %in% known) {
    near <- if (is.character(site) && length(site) == 1) near_name(site, known)
    input_error("{.arg site} must be the name of a site of the hierarchy, not {show_value(site)}.",
      i = if (length(near)) "Do you mean {.val {near}}?" else "It has {first_of(known, 8)}.")
  }
  out <- bare_site_model(object, site)
  out$information <- covariance_information(site_uncertainty(object, site), object$information$scaling, out)
  out
}

# Without its standard errors.
bare_site_model <- function(object, site) {
  h <- object$hierarchy
  row <- h$table[h$table$site == site, ]
  p <- user_parameters(h$parameters[, site], object, h$scaling)
  own <- object$sites$models[[site]]
  share <- if (!is.null(own) && length(own$share)) own$share[h$order[, site]]
  new_moe(p, object$family, object$schema, row$n, row$weight, share = share,
    record = list(aliased = object$record$aliased), class = "moe_of_site")
}

check_hierarchy <- function(object, name) {
  if (!inherits(object, "moe_hierarchy")) {
    input_error("{.arg {name}} must be made by {.fn moe_hierarchy}, not {.obj_type_friendly {object}}.")
  }
}

#' @rdname fixef.moe_hierarchy
#' @export
vcov.moe_hierarchy <- function(object, complete = TRUE, ...) {
  check_dots(..., hint = "The population has one covariance, from the sites' information and their spread.")
  vcov.moe(population(object), complete = complete)
}

#' @export
standard_errors.moe_hierarchy <- function(object, ...) standard_errors(tested_population(object), ...)

# The population's model whose tests and intervals know of how many sites it was learnt.
tested_population <- function(object) {
  out <- population(object)
  out$df <- max(1, nrow(object$hierarchy$table) - 1)
  out$record$converged <- TRUE  # the mean is at the maximum of what the sites said, whether or not rounds go on
  class(out) <- c("moe_of_sites", "moe")
  out
}

#' @export
standard_errors.moe_of_sites <- function(object, ...) {
  check_dots(...)
  list(se = sqrt(diag(vcov.moe(object))), df = object$df,
    words = sprintf("from the sites' information and the spread between sites, t with %d df", as.integer(object$df)))
}

#' @export
standard_errors.moe_of_site <- function(object, ...) {
  check_dots(...)
  list(se = sqrt(diag(vcov.moe(object))), df = Inf, words = "posterior, from this site's rows and the other sites'")
}

#' @rdname fixef.moe_hierarchy
#' @export
confint.moe_hierarchy <- function(object, parm, level = 0.95, ...) {
  check_dots(...)
  if (missing(parm)) confint.moe(tested_population(object), level = level)
  else confint.moe(tested_population(object), parm, level)
}
