# One model out of the fits to several imputations of the same data.

#' Pool fits to multiply imputed data
#'
#' Puts the experts of all fits in one order and pools estimates and standard errors by Rubin's rules. Without
#' matching, the experts of different imputations would be mixed up: their numbers mean nothing.
#'
#' @param fits A list of models of class `moe`, one an imputation: same formulas, family and number of experts; or what
#'   `with(imputed, moe(...))` gives for data of the package mice (class `mira`).
#' @param newdata Rows of the columns on which experts are compared; NULL: the rows of the first fit, where it
#'   keeps them.
#' @return A model of classes `moe_pool` and `moe`, whose parameters are pooled (variances of Gaussian
#'   experts on the scale of their logarithms), so that [predict()][predict.moe] works, with standard errors and
#'   intervals of means. `vcov()`: the total covariance \eqn{T = \bar U + (1 + 1/m) B}. `confint()` and
#'   `summary()`: t quantiles with the degrees of freedom of Barnard and Rubin (1999). The field `pool`
#'   is a list with
#'   \describe{
#'     \item{`table`}{A data frame with a row a coefficient: `estimate`, `within` (mean variance), `between`
#'       (variance of the estimates), `total`, `df`, `riv` (relative increase of the variance because values are
#'       missing), `lambda` (share of it in the total), `fmi` (fraction of missing information).}
#'     \item{`order`}{K x m: which expert of each fit plays the part of each pooled one.}
#'     \item{`m`}{Number of fits.}
#'   }
#'   A site can pool its own imputations before it sends: [moe_aggregate()] takes pooled models, whose total
#'   covariance stands in the place of the inverse information. There is no log-likelihood: imputed rows are not data.
#'   It is an error if a fit has no standard errors, or if models differ.
#' @details The experts of each fit are matched to those of the fit that is nearest to all others, by the
#'   optimal assignment under the expected Kullback-Leibler cost (the component plan of [transport_plan()]). The
#'   fits should be maxima of the same kind: fit the first imputation with the full search, and the others from it
#'   (`start = first`). Where they are not, the variance between imputations is large, and `fmi` says so.
#'   (`mice::pool()` knows nothing of labels: it takes experts by their numbers.)
#' @references Rubin, D. B. (1987). *Multiple Imputation for Nonresponse in Surveys*. Wiley.
#'
#'   Barnard, J. and Rubin, D. B. (1999). Small-sample degrees of freedom with multiple imputation. *Biometrika*
#'   86, 948-955.
#' @examples
#' sim <- moe_simulate(400, K = 2, d = 2, seed = 1)
#' gaps <- sample(400, 60)
#' # Imputations by hand; package mice makes better ones.
#' fits <- lapply(1:5, function(i) {
#'   data <- sim$data
#'   data$x1[gaps] <- sample(data$x1[-gaps], 60)
#'   moe(y ~ x1 + x2, data, K = 2)
#' })
#' pooled <- moe_pool(fits)
#' summary(pooled)
#' @export
moe_pool <- function(fits, newdata = NULL) {
  if (inherits(fits, "mira")) fits <- fits$analyses
  if (!is.list(fits) || inherits(fits, "moe") || length(fits) < 2) {
    input_error("{.arg fits} must be a list of two fits or more, one an imputation, not {.obj_type_friendly {fits}}.")
  }
  check_poolable(fits)
  design <- points_of_fit(fits[[1]], newdata)
  order <- pooled_order(fits, design)
  fits <- lapply(seq_along(fits), function(i) relabel(fits[[i]], order[, i]))
  estimates <- vapply(fits, unconstrained, coef(fits[[1]]))
  within <- lapply(seq_along(fits), function(i) covariance_of_fit(fits[[i]], i))
  new_pool(fits, estimates, within, order, lean_call(match.call()))
}

check_poolable <- function(fits) {
  for (i in seq_along(fits)) {
    check_moe(fits[[i]], paste0("fits[[", i, "]]"))
    if (fits[[i]]$K != fits[[1]]$K) {
      input_error("Fits with {fits[[1]]$K} and {fits[[i]]$K} experts (fit {i}) can't be pooled.",
        i = "Choose one {.arg K} for all imputations.")
    }
    check_same_model(fits[[i]], paste0("fits[[", i, "]]"), fits[[1]]$schema, fits[[1]]$family)
  }
}

points_of_fit <- function(fit, newdata) {
  design <- if (is.null(newdata)) {
    rows_of_fit(fit, "moe_pool(fits)")
    kept_design(fit)
  } else {
    design_new(fit$schema, newdata)
  }
  if (!nrow(design$x)) input_error("{.arg newdata} has no complete row.")
  take_evenly(design, 2000)
}

# Every fit matched to each; the one that needs least transport from all others gives the order.
pooled_order <- function(fits, design) {
  distance <- function(i) {
    sum(vapply(fits[-i], function(other) {
      cpp_divergence(core_model(fits[[i]]), core_model(other), design, "exact")$value
    }, 0))
  }
  # With many fits a few of them stand for all.
  tried <- unique(round(seq(1, length(fits), length.out = min(length(fits), 5))))
  centre <- tried[which.min(vapply(tried, distance, 0))]
  order <- match_all(fits[[centre]], fits, design)
  # In the first fit's order, which the user has seen.
  order[order(order[, 1]), , drop = FALSE]
}

# coef() with the logarithms of variances.
unconstrained <- function(fit) {
  out <- coef(fit)
  at <- parameter_index(fit)$kind == "dispersion"
  out[at] <- log(out[at])
  out
}

covariance_of_fit <- function(fit, number) {
  out <- tryCatch(stats::vcov(fit), moe_no_covariance = function(e) {
    input_error("Fit {number} has no standard errors.", x = cli::ansi_strip(conditionMessage(e)))
  })
  by_variance <- rep(1, nrow(out))
  at <- parameter_index(fit)$kind == "dispersion"
  by_variance[at] <- 1 / fit$parameters$dispersion
  out * outer(by_variance, by_variance)
}

new_pool <- function(fits, estimates, within, order, call) {
  m <- length(fits)
  first <- fits[[1]]
  mean <- rowMeans(estimates)
  u <- Reduce(`+`, within) / m
  b <- stats::cov(t(estimates))
  total <- u + (1 + 1 / m) * b
  share <- (1 + 1 / m) * diag(b) / diag(total)
  df <- pooled_df(share, m, df.residual.moe(first))
  riv <- (1 + 1 / m) * diag(b) / diag(u)
  fmi <- (riv + 2 / (df + 3)) / (1 + riv)
  if (any(fmi > 0.95, na.rm = TRUE)) {
    worst <- which.max(fmi)
    cli::cli_warn(c("The fits differ more between imputations than their standard errors allow for:
      {.val {names(mean)[worst]}} has a fraction of missing information of {signif(fmi[worst], 3)}.",
      i = "They may be different maxima: fit all from one of them ({.code start = first})."))
  }
  at <- parameter_index(first)$kind == "dispersion"
  parameters <- parameters_at(first, replace(mean, at, exp(mean[at])))
  shares <- matrix(vapply(fits, function(f) f$share, numeric(first$K)), first$K)
  out <- new_moe(parameters, first$family, first$schema, first$n, first$weight, NA_real_, rowMeans(shares), list(),
    call = call, class = "moe_pool")
  table <- data.frame(estimate = mean, within = diag(u), between = diag(b), total = diag(total), df = df, riv = riv,
    lambda = share, fmi = fmi, row.names = names(mean))
  out$pool <- list(table = table, total = total, order = order, m = m)
  out$record <- first$record[intersect(names(first$record), kept_of_pooled)]
  out$information <- pooled_information(first, total)
  out
}

kept_of_pooled <- c("converged", "empty", "at_floor", "degenerate", "aliased", "gate_ridge", "expert_ridge", "lambda",
  "l1_share", "variance_prior", "dispersion_floor")

# The inverse of the total covariance in the place of an information matrix, so that a site's pooled model can be sent
# and aggregated like a fit. NULL where some coefficients have no errors.
pooled_information <- function(first, total) {
  if (anyNA(total) || is.null(first$information)) return(NULL)
  out <- first$information[c("scaling", "empty", "at_floor", "rows", "weight")]
  map <- parameter_map(out$scaling, user_scaling(out$scaling), first)
  out$curvature <- t(map) %*% invert_information(unname(total)) %*% map
  out
}

# Barnard and Rubin (1999): never more than the complete data would give.
pooled_df <- function(share, m, complete) {
  old <- (m - 1) / share^2
  observed <- (complete + 1) / (complete + 3) * complete * (1 - share)
  ifelse(share > 0, old * observed / (old + observed), observed)
}

#' @rdname moe_pool
#' @param object,x A `moe_pool`.
#' @param complete FALSE: without the rows and columns that are NA.
#' @param ... Not used.
#' @export
vcov.moe_pool <- function(object, complete = TRUE, ...) {
  check_dots(...)
  known_part(named_covariance(object, unname(object$pool$total)), complete)
}

#' @export
standard_errors.moe_pool <- function(object, complete = TRUE, ...) {
  check_dots(...)
  list(se = sqrt(diag(vcov.moe_pool(object))), df = object$pool$table$df,
    words = paste("Rubin's rules over", object$pool$m, "imputations"))
}

#' @rdname moe_pool
#' @export
print.moe_pool <- function(x, ...) {
  NextMethod()
  worst <- which.max(x$pool$table$fmi)
  cat("Pooled over ", x$pool$m, " imputations; largest fraction of missing information ",
    format(x$pool$table$fmi[worst], digits = 2), " (", row.names(x$pool$table)[worst], ")\n", sep = "")
  invisible(x)
}
