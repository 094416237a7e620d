#' How much sites differ, and in what
#'
#' For every parameter the standard deviation between sites, the share of the variance of sites' estimates that it
#' explains, Cochran's test of no difference, and where the parameter of a new site is expected.
#'
#' \eqn{Q = \sum_m w_m (\hat\theta_m - \bar\theta)^2} with \eqn{w_m} the inverse squared standard errors of the
#' sites' own estimates, over the sites that determine the parameter; without difference it is chi-square with one
#' degree of freedom less than sites. \eqn{I^2 = \tau^2 / (\tau^2 + v)} with \eqn{v} the typical variance of an estimate
#' (Higgins & Thompson 2002). The interval of a new site is
#' \eqn{\mu \pm t_{M - 1} \sqrt{\tau^2 + se^2}}. All are on the scale of the data,
#' variances on that of their logarithm (the interval is turned back).
#'
#' With `covariance = "diagonal"` effects are independent where columns have mean 0. `at = "zero"` speaks of the
#' intercepts that [coef.moe()] gives, at 0 of the columns: where that lies far from the data their tau holds what
#' slopes differ in, may be much larger than what the sites' own intercepts show (and stand beside a small Q), and says
#' little. `at = "mean"` speaks of the intercepts at the columns' means (over all sites' rows; of indicators of levels
#' too, but at 0 of columns that are constant at every site), as the print of a hierarchy does; all other
#' parameters are the same.
#'
#' @param object A model made by [moe_hierarchy()].
#' @param level Probability of the interval of a new site.
#' @param at `"zero"` (default) or `"mean"`: of the columns, where intercepts are looked at.
#' @return A data frame of class `moe_heterogeneity`, a row a parameter: `term` (as [coef.moe()] names it),
#'   `estimate` of the population, `se`, `tau`, `I2` (percent), `Q`, `df`, `p`, `low` and `high` (of a new site),
#'   `sites` (that determine the parameter). For variances `se` and `tau` are of the logarithm.
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' heterogeneity(h)
#' @export
heterogeneity <- function(object, level = 0.95, at = c("zero", "mean")) {
  check_hierarchy(object, "object")
  level <- check_number(level, "level", strict = TRUE, most = 1)
  if (level == 1) input_error("{.arg level} must be below 1.")
  at <- check_choice(at, c("zero", "mean"), "at")
  h <- object$hierarchy
  estimate <- fixef(object)
  names <- names(estimate)
  logged <- grepl("^dispersion", names)
  estimate[logged] <- log(estimate[logged])
  map <- scaling_map(h$scaling, object)
  if (at == "mean") {
    centre <- centred_intercepts(object, told_columns(object))
    map <- centre %*% map
    estimate[] <- centre %*% estimate
  }
  found <- estimates_on(object, map, estimate)
  lift <- map %*% h$index$lift
  tau <- sqrt(pmax(rowSums((lift %*% h$spread) * lift), 0))
  se <- sqrt(pmax(rowSums((map %*% h$mean_covariance) * map), 0))
  test <- vapply(seq_along(names), function(j) cochran(found$estimate[j, ], found$se[j, ]^2), numeric(3))
  half <- stats::qt((1 + level) / 2, max(1, ncol(found$estimate) - 1)) * sqrt(tau^2 + se^2)
  ends <- cbind(estimate - half, estimate + half)
  ends[logged, ] <- exp(ends[logged, ])
  estimate[logged] <- exp(estimate[logged])
  sites <- test[2, ] + 1
  out <- data.frame(term = names, estimate = unname(estimate), se = se, tau = tau,
    I2 = ifelse(tau > 0, 100 * tau^2 / (tau^2 + test[3, ]), 0), Q = test[1, ], df = pmax(test[2, ], 0),
    p = ifelse(test[2, ] > 0, stats::pchisq(test[1, ], test[2, ], lower.tail = FALSE), NA), low = ends[, 1],
    high = ends[, 2], sites = as.integer(sites), stringsAsFactors = FALSE)
  structure(out, class = c("moe_heterogeneity", "data.frame"), level = level)
}

# Columns, of experts and gates, of which some site tells a coefficient.
told_columns <- function(object) {
  told <- rowSums(!is.na(site_estimates(object)$se)) > 0
  index <- parameter_index(object)
  lapply(c(expert = "expert", gate = "gate"), function(part) {
    vapply(seq_along(object$schema[[part]]$columns), function(j) any(told[index$kind == part & index$column == j]), NA)
  })
}

# Parameters with intercepts at the columns' means from those at 0; of columns that are not told at 0.
centred_intercepts <- function(model, told) {
  part <- function(name) {
    schema <- model$schema[[name]]
    columns <- schema$columns
    out <- diag(length(columns))
    at <- match("(Intercept)", columns, 0L)
    centre <- model$hierarchy$scaling[[c(expert = "x", gate = "z")[[name]]]]$centre
    if (at) out[at, -at] <- (centre * told[[name]])[-at]
    out
  }
  do.call(block_diagonal, c(rep(list(part("expert")), ncol(model$parameters$beta)),
    rep(list(part("gate")), model$K - 1L), list(if (has_dispersion(model)) diag(model$K))))
}

# Standard errors of the population's parameters on the scale of the data, log variances.
population_errors <- function(object) {
  map <- scaling_map(object$hierarchy$scaling, object)
  sqrt(pmax(diag(map %*% object$hierarchy$mean_covariance %*% t(map)), 0))
}

# Q, its degrees of freedom and the typical variance, over the sites whose estimate is known.
cochran <- function(estimate, variance) {
  use <- is.finite(variance) & variance > 0 & is.finite(estimate)
  w <- 1 / variance[use]
  df <- sum(use) - 1
  if (df < 1) return(c(NA, df, NA))
  mean <- sum(w * estimate[use]) / sum(w)
  c(sum(w * (estimate[use] - mean)^2), df, df * sum(w) / (sum(w)^2 - sum(w^2)))
}

# Every site's own estimates (log variances) and their standard errors on the scale of the data, parameters x
# sites; NA where a site does not determine a parameter, or has no model of its own.
site_estimates <- function(object) {
  base <- fixef(object)
  logged <- grepl("^dispersion", names(base))
  base[logged] <- log(base[logged])
  estimates_on(object, scaling_map(object$hierarchy$scaling, object), base)
}

# The same on any scale: a map from standardised columns, and the population's parameters there.
estimates_on <- function(object, map, base) {
  h <- object$hierarchy
  sites <- h$table$site
  both <- lapply(stats::setNames(sites, sites), function(site) {
    if (is.null(h$own[[site]])) return(matrix(NA_real_, length(base), 2))
    e <- own_estimate(h$own[[site]])
    variance <- rowSums((map %*% e$covariance) * map)
    known <- variance > 0 & variance >= rowSums((map %*% e$lost)^2)
    value <- base + drop(map %*% (e$at - h$mean))
    cbind(ifelse(known, value, NA), ifelse(known, sqrt(pmax(variance, 0)), NA))
  })
  take <- function(j) matrix(vapply(both, function(b) b[, j], base), length(base), dimnames = list(names(base), sites))
  list(estimate = take(1), se = take(2))
}

# The maximum of a quadratic and its covariance; `lost`: a root of what is to be added to it if no direction is known
# worse than by a 1e-8th of the best, and as much as that where none is known at all.
own_estimate <- function(q) {
  size <- sqrt(pmax(diag(q$curvature), 0))
  unit <- ifelse(size > 0, 1 / size, 0)
  e <- eigen(q$curvature * outer(unit, unit), symmetric = TRUE)
  use <- e$values > 1e-8 * max(e$values, 1e-300)
  v <- unit * e$vectors[, use, drop = FALSE]
  covariance <- v %*% (t(v) / e$values[use])
  none <- size == 0
  lost <- cbind(unit * e$vectors[, !use, drop = FALSE] * 1e4 / sqrt(max(e$values, 1e-300)),
    1e10 * diag(length(size))[, none, drop = FALSE])
  list(at = q$at + drop(covariance %*% q$slope), covariance = covariance, lost = lost, rank = sum(use))
}

#' @export
print.moe_heterogeneity <- function(x, digits = 3, ...) {
  shown <- as.data.frame(x)
  has <- function(fields) intersect(fields, names(shown))  # some columns may have been taken
  for (field in has(c("estimate", "se", "tau", "low", "high"))) {
    shown[[field]] <- format(shown[[field]], digits = digits)
  }
  for (field in has(c("I2", "Q"))) shown[[field]] <- format(round(shown[[field]], 1), nsmall = 1)
  for (field in has("p")) {
    shown$p <- ifelse(is.na(shown$p), "NA", format.pval(shown$p, digits = 2, eps = 1e-4))
  }
  shown$df <- NULL
  level <- attr(x, "level")
  cat("Differences between sites (I2 in percent", if (!is.null(level) && length(has("low"))) {
    paste0("; low, high: ", 100 * level, " % interval of a new site")
  }, ")\n", sep = "")
  print(shown, row.names = FALSE)
  invisible(x)
}
