# Predictions, slopes and comparisons by the package marginaleffects, of the response, of experts and of gates.

#' A mixture of experts in marginaleffects
#'
#' Methods by which `predictions()`, `slopes()`, `comparisons()`, `hypotheses()` and their averages work: for
#' `type = "response"`, `"expert"` and `"gate"` (a row an expert, column `group`). Standard errors are that
#' package's, by the delta method with numerical derivatives of [predict()][predict.moe].
#'
#' @param model A model of class `moe`.
#' @param coefs Coefficients in the order of [coef()][coef.moe].
#' @param vcov TRUE or NULL: [vcov()][vcov.moe]; FALSE: none; a one-sided formula: its clusters; `"HC0"` or
#'   `"HC1"`: the sandwich; else as `vcov` of [predict()][predict.moe].
#' @param newdata Rows to predict.
#' @param type Of [predict()][predict.moe].
#' @param ... Not used.
#' @return As marginaleffects documents.
#' @examples
#' if (requireNamespace("marginaleffects")) {
#'   fit <- moe(dist ~ speed, cars, K = 2)
#'   print(marginaleffects::avg_slopes(fit))
#' }
#' @name marginaleffects.moe
NULL

#' @rdname marginaleffects.moe
#' @exportS3Method marginaleffects::get_coef
get_coef.moe <- function(model, ...) coef(model)

#' @rdname marginaleffects.moe
#' @exportS3Method marginaleffects::set_coef
set_coef.moe <- function(model, coefs, ...) {
  model$parameters <- parameters_at(model, coefs)
  model$rows$fitted <- NULL
  model
}

#' @rdname marginaleffects.moe
#' @exportS3Method marginaleffects::get_vcov
get_vcov.moe <- function(model, vcov = NULL, ...) {
  if (identical(vcov, FALSE)) return(NULL)
  covariance <- if (is.null(vcov) || isTRUE(vcov)) stats::vcov(model)
                else if (inherits(vcov, "formula")) stats::vcov(model, cluster = vcov)
                else if (is.character(vcov) && any(startsWith(vcov, "HC"))) vcovHC.moe(model, sub("^HC$", "HC0", vcov))
                else given_covariance(model, vcov)
  with_aliased_held(model, covariance)
}

#' @rdname marginaleffects.moe
#' @exportS3Method marginaleffects::get_predict
get_predict.moe <- function(model, newdata, type = "response", ...) {
  if (is.null(type)) type <- "response"
  value <- predict.moe(model, as.data.frame(newdata), type)
  id <- if (is.null(newdata[["rowid"]])) seq_len(NROW(value)) else newdata[["rowid"]]
  if (is.null(dim(value))) return(data.frame(rowid = id, estimate = as.numeric(value)))
  groups <- prediction_columns(model, type)
  data.frame(rowid = rep(id, length(groups)), group = factor(rep(groups, each = NROW(value)), groups),
    estimate = as.vector(value))
}

# marginaleffects takes no class that this option does not name.
welcome_by_marginaleffects <- function(...) {
  options(marginaleffects_model_classes = union(getOption("marginaleffects_model_classes"), "moe"))
}
