# Simulated residuals by the package DHARMa.

#' Simulated residuals by DHARMa
#'
#' Methods by which `DHARMa::simulateResiduals(fit)` and its plots and tests work: responses are drawn by
#' [simulate()][simulate.moe]. That package says that the class is not among those it knows.
#' `residuals(fit, "quantile")` are the same residuals without simulation.
#'
#' @param object A model of class `moe`; not of multinomial experts, whose classes have no order.
#' @param nsim Number of draws for every row.
#' @param ... Not used.
#' @return Numbers: the responses of the fit, its fitted values, and a matrix of draws.
#' @name DHARMa.moe
NULL

#' @rdname DHARMa.moe
#' @exportS3Method DHARMa::getObservedResponse
getObservedResponse.moe <- function(object, ...) {
  if (has_many_classes(object)) input_error("Multinomial responses have no order, which DHARMa's residuals need.")
  as.numeric(kept_rows(object)$y)
}

#' @rdname DHARMa.moe
#' @exportS3Method DHARMa::getFitted
getFitted.moe <- function(object, ...) as.vector(kept_rows(object)$fitted)

#' @rdname DHARMa.moe
#' @exportS3Method DHARMa::getSimulations
getSimulations.moe <- function(object, nsim = 1, ...) {
  draws <- draw_from(object, kept_design(object), nsim)
  out <- vapply(draws, function(y) if (is.factor(y)) as.numeric(y) - 1 else as.numeric(y), numeric(object$n))
  matrix(out, ncol = nsim)
}
