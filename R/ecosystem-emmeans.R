# Marginal means by the package emmeans: of the response, of experts and of gates.

#' Marginal means with emmeans
#'
#' Methods by which [emmeans::emmeans()] and its relatives work for a mixture of experts. The means over the
#' grid are those of [predict()][predict.moe], with its standard errors (delta method, exact derivatives), so that
#' contrasts between points of the grid have their covariances.
#'
#' @param object A model of class `moe`.
#' @param data NULL, or the rows of the fit, where they can't be found.
#' @param trms,xlev,grid As of [emmeans::emm_basis()].
#' @param component Of what the marginal means are taken: `"response"`, E(y | x) (of classes: their
#'   probabilities, a factor with the name of the response); `"expert"`, the experts' means; or `"gate"`, their
#'   probabilities. The last two have the factor `expert` as well. All are on the scale of the response.
#' @param vcov. As `vcov` of [predict()][predict.moe].
#' @param ... As of [emmeans::emm_basis()].
#' @return As of [emmeans::recover_data()] and [emmeans::emm_basis()].
#' @examples
#' if (requireNamespace("emmeans")) {
#'   fit <- moe(breaks ~ wool + tension, warpbreaks, K = 1, family = poisson())
#'   print(emmeans::emmeans(fit, pairwise ~ tension))
#' }
#' @name emmeans.moe
NULL

#' @rdname emmeans.moe
#' @exportS3Method emmeans::recover_data
recover_data.moe <- function(object, data = NULL, ...) {
  terms <- stats::delete.response(terms(object))
  attr(terms, "offset") <- NULL  # predict() adds it; emmeans would add it again
  call <- object$call
  left_out <- object$na.action
  weights <- object$rows$weight
  if (is.null(data) && all(object$schema$needs %in% names(object$model))) {
    data <- object$model
    call <- call("moe", formula = formula(object))
    left_out <- NULL
  }
  if (is.null(call)) call <- call("moe", formula = formula(object))
  emmeans::recover_data(call, terms, left_out, data = data, pwts = weights, ...)
}

#' @rdname emmeans.moe
#' @exportS3Method emmeans::emm_basis
emm_basis.moe <- function(object, trms, xlev, grid, component = c("response", "expert", "gate"), vcov. = NULL, ...) {
  component <- check_choice(component, c("response", "expert", "gate"), "component")
  covariance <- if (is.null(vcov.)) stats::vcov(object) else given_covariance(object, vcov.)
  covariance <- with_aliased_held(object, covariance)
  design <- design_new(object$schema, grid)
  if (!all(design$complete)) input_error("The grid of emmeans has missing values.")
  gradient <- do.call(rbind, prediction_gradients(object, design, component))
  means <- as.vector(predict(object, grid, component))
  many <- has_many_classes(object) && component != "gate"
  levels <- c(if (component != "response") list(expert = as.character(seq_len(object$K))),
    if (many) stats::setNames(list(object$schema$labels), object$schema$response))
  misc <- if (length(levels)) list(ylevs = levels) else list()
  df <- covariance_df(object)
  list(X = diag(length(means)), bhat = means, nbasis = matrix(NA), V = gradient %*% covariance %*% t(gradient),
    dffun = function(k, dfargs) dfargs$df, dfargs = list(df = df), misc = misc)
}
