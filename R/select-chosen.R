# What moe_select() and moe_path() have chosen answers as the chosen model does.

#' Methods of chosen models
#'
#' `coef()`, `predict()`, `summary()` and the other methods of what [moe_select()] and [moe_path()] give are
#' those of the chosen model, or of another candidate.
#'
#' @param object,x,formula What [moe_select()] or [moe_path()] gives.
#' @param K,lambda NULL: the chosen model. Else that of the candidate `K`, or of the value of `lambda` on the
#'   path that is nearest on the log scale. (Of the models that were not chosen no rows are kept.)
#' @param nsim,seed See [simulate.moe()].
#' @param ... Arguments of the model's method: see [coef.moe()], [predict.moe()], [summary.moe()],
#'   [vcov.moe()], [residuals.moe()], [simulate.moe()], [tidy.moe()].
#' @return What the model's method gives.
#' @examples
#' choice <- moe_select(dist ~ speed, cars, K = 1:2)
#' coef(choice)
#' predict(choice, data.frame(speed = 10), K = 1)
#' @name moe_select-methods
NULL

chosen <- function(object, K = NULL, lambda = NULL) {
  if (!is.null(K)) {
    at <- match(check_count(K, "K"), object$path$K)
    if (is.na(at)) {
      input_error("{.arg K} = {K} is not among the candidates {.val {object$path$K}}.")
    }
    if (at == match(object$K, object$path$K)) return(object$model)
    model <- object$models[[at]]
    if (is.null(model)) input_error("There is no model with {.arg K} = {K}.", x = "{object$path$message[at]}")
    return(model)
  }
  if (!is.null(lambda)) {
    lambda <- check_number(lambda, "lambda")
    far <- if (lambda > 0 && all(object$path$lambda > 0)) abs(log(object$path$lambda / lambda))
           else abs(object$path$lambda - lambda)
    at <- which.min(far)
    if (object$path$lambda[at] != object$lambda) return(object$models[[at]])
  }
  object$model
}

#' @rdname moe_select-methods
#' @export
coef.moe_select <- function(object, ..., K = NULL) stats::coef(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
coef.moe_path <- function(object, ..., lambda = NULL) stats::coef(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
predict.moe_select <- function(object, ..., K = NULL) stats::predict(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
predict.moe_path <- function(object, ..., lambda = NULL) stats::predict(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
summary.moe_select <- function(object, ..., K = NULL) summary(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
summary.moe_path <- function(object, ..., lambda = NULL) summary(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
fitted.moe_select <- function(object, ..., K = NULL) stats::fitted(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
fitted.moe_path <- function(object, ..., lambda = NULL) stats::fitted(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
residuals.moe_select <- function(object, ..., K = NULL) stats::residuals(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
residuals.moe_path <- function(object, ..., lambda = NULL) stats::residuals(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
vcov.moe_select <- function(object, ..., K = NULL) stats::vcov(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
vcov.moe_path <- function(object, ..., lambda = NULL) stats::vcov(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
confint.moe_select <- function(object, ..., K = NULL) stats::confint(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
confint.moe_path <- function(object, ..., lambda = NULL) stats::confint(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
logLik.moe_select <- function(object, ..., K = NULL) stats::logLik(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
logLik.moe_path <- function(object, ..., lambda = NULL) stats::logLik(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
nobs.moe_select <- function(object, ..., K = NULL) stats::nobs(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
nobs.moe_path <- function(object, ..., lambda = NULL) stats::nobs(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
sigma.moe_select <- function(object, ..., K = NULL) stats::sigma(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
sigma.moe_path <- function(object, ..., lambda = NULL) stats::sigma(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
family.moe_select <- function(object, ..., K = NULL) stats::family(chosen(object, K = K), ...)

#' @rdname moe_select-methods
#' @export
family.moe_path <- function(object, ..., lambda = NULL) stats::family(chosen(object, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
formula.moe_select <- function(x, ..., K = NULL) stats::formula(chosen(x, K = K), ...)

#' @rdname moe_select-methods
#' @export
formula.moe_path <- function(x, ..., lambda = NULL) stats::formula(chosen(x, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
model.frame.moe_select <- function(formula, ..., K = NULL) stats::model.frame(chosen(formula, K = K), ...)

#' @rdname moe_select-methods
#' @export
model.frame.moe_path <- function(formula, ..., lambda = NULL) {
  stats::model.frame(chosen(formula, lambda = lambda), ...)
}

#' @rdname moe_select-methods
#' @export
simulate.moe_select <- function(object, nsim = 1, seed = NULL, ..., K = NULL) {
  stats::simulate(chosen(object, K = K), nsim, seed, ...)
}

#' @rdname moe_select-methods
#' @export
simulate.moe_path <- function(object, nsim = 1, seed = NULL, ..., lambda = NULL) {
  stats::simulate(chosen(object, lambda = lambda), nsim, seed, ...)
}

#' @rdname moe_select-methods
#' @export
tidy.moe_select <- function(x, ..., K = NULL) tidy(chosen(x, K = K), ...)

#' @rdname moe_select-methods
#' @export
tidy.moe_path <- function(x, ..., lambda = NULL) tidy(chosen(x, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
glance.moe_select <- function(x, ..., K = NULL) glance(chosen(x, K = K), ...)

#' @rdname moe_select-methods
#' @export
glance.moe_path <- function(x, ..., lambda = NULL) glance(chosen(x, lambda = lambda), ...)

#' @rdname moe_select-methods
#' @export
augment.moe_select <- function(x, ..., K = NULL) augment(chosen(x, K = K), ...)

#' @rdname moe_select-methods
#' @export
augment.moe_path <- function(x, ..., lambda = NULL) augment(chosen(x, lambda = lambda), ...)
