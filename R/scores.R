# The rows' scores, which sandwich covariances are made of: for the package sandwich, and for clusters.

#' Scores and bread: sandwich covariances by other packages
#'
#' Methods for [sandwich::estfun()] and [sandwich::bread()], by which the functions of that package
#' (`sandwich()`, `vcovCL()`, `vcovBS()`, ...) work for a mixture of experts. `vcov(fit, type = "sandwich")` and
#' `vcov(fit, type = "cluster", cluster = )` need no other package.
#'
#' @param x A model of class `moe` that keeps its rows and its information matrix.
#' @param ... Not used.
#' @return `estfun()`: a matrix with a row for every row of the fit (without those left out as missing) and a
#'   column for every coefficient of `coef(x, complete = FALSE)`: derivatives of the row's log-likelihood
#'   (by variances, not their logarithms), times its case weight. Sums are 0 up to the weak priors on gates
#'   and variances. `bread()`: the number of those rows times the inverse of the observed information. Errors as of
#'   [vcov()][vcov.moe].
#' @details Case weights count rows, but a product of two `estfun()` of a row has the weight's square: with
#'   case weights other than 1 use [vcov()][vcov.moe], or a weight for every cluster.
#' @references Zeileis, A. (2006). Object-oriented computation of sandwich estimators. *Journal of Statistical
#'   Software* 16(9).
#' @examples
#' fit <- moe(dist ~ speed, cars, K = 2)
#' if (requireNamespace("sandwich")) sandwich::sandwich(fit) - vcov(fit, type = "sandwich")
#' @name estfun.moe
#' @exportS3Method sandwich::estfun
estfun.moe <- function(x, ...) {
  check_dots(...)
  rows_of_fit(x, "estfun(model)")
  design <- kept_design(x)
  scores <- sum_units(weighted_scores(x, design), design)
  known <- names(coef(x)) %in% names(coef(x, complete = FALSE))
  scores[, known, drop = FALSE]
}

#' @rdname estfun.moe
#' @exportS3Method sandwich::bread
bread.moe <- function(x, ...) {
  check_dots(...)
  refuse_sparse(x)
  known <- names(coef(x, complete = FALSE))
  inverse <- named_covariance(x, information_covariance(x, kept_information(x, FALSE)))
  rows <- rows_of_fit(x, "bread(model)")
  count <- if (is.null(x$schema$group)) count_rows(rows) else length(unique(kept_design(x)$unit))
  count * inverse[known, known, drop = FALSE]
}
