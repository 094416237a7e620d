# A model specification for parsnip, and so for workflows, recipes and tune.

#' Mixtures of experts in parsnip
#'
#' A model specification for the package parsnip, whose engine is [moe()].
#'
#' @param mode `"regression"` or `"classification"`.
#' @param engine `"distmoe"`.
#' @param experts Number of experts, `K` of [moe()]; may be `tune::tune()`.
#' @return A specification of class `mixture_of_experts`. Further arguments of [moe()] go through
#'   `parsnip::set_engine()`: `parsnip::set_engine(spec, "distmoe", gating = ~ x, family = poisson())`. For
#'   classes the family is binomial or multinomial, by their number. Case weights are not passed on.
#'   `predict()` has the types `"numeric"`, `"conf_int"` and `"pred_int"`, or `"class"` and `"prob"`; `tidy()`,
#'   `glance()` and `parsnip::extract_fit_engine()` reach the model.
#' @examples
#' if (requireNamespace("parsnip")) {
#'   spec <- parsnip::set_mode(mixture_of_experts(experts = 2), "regression")
#'   set.seed(1)
#'   fit <- parsnip::fit(spec, mpg ~ wt, mtcars)
#'   print(predict(fit, mtcars[1:3, ], type = "conf_int"))
#' }
#' @export
mixture_of_experts <- function(mode = "unknown", engine = "distmoe", experts = NULL) {
  if (!requireNamespace("parsnip", quietly = TRUE)) input_error("The package {.pkg parsnip} is not installed.")
  experts <- as_quosure(substitute(experts), parent.frame())
  parsnip::new_model_spec("mixture_of_experts", args = list(experts = experts), eng_args = NULL, mode = mode,
    user_specified_mode = !missing(mode), method = NULL, engine = engine, user_specified_engine = !missing(engine))
}

# What parsnip has its arguments as: a one-sided formula of this class.
as_quosure <- function(given, where) {
  structure(stats::as.formula(call("~", given), where), class = c("quosure", "formula"))
}

#' @rdname mixture_of_experts
#' @param object A specification.
#' @param parameters NULL, or a list or tibble of arguments.
#' @param fresh TRUE: arguments replace those that were there.
#' @param ... Further arguments of the engine.
#' @export
update.mixture_of_experts <- function(object, parameters = NULL, experts = NULL, fresh = FALSE, ...) {
  experts <- as_quosure(substitute(experts), parent.frame())
  parsnip::update_spec(object, parameters = parameters, args_enquo_list = list(experts = experts), fresh = fresh,
    cls = "mixture_of_experts", ...)
}

welcome_by_parsnip <- function(...) {
  model <- "mixture_of_experts"
  engine <- "distmoe"
  if (model %in% parsnip::get_from_env("models")) return(invisible())
  parsnip::set_new_model(model)
  for (mode in c("regression", "classification")) {
    parsnip::set_model_mode(model, mode)
    parsnip::set_model_engine(model, mode, engine)
    parsnip::set_dependency(model, engine, "distmoe", mode)
    defaults <- if (mode == "classification") list(family = quote(distmoe::moe_class_family(formula, data))) else list()
    parsnip::set_fit(model, mode, engine, list(interface = "formula", protect = c("formula", "data"),
      func = c(pkg = "distmoe", fun = "moe"), defaults = defaults))
    parsnip::set_encoding(model, mode, engine, list(predictor_indicators = "none", compute_intercept = FALSE,
      remove_intercept = FALSE, allow_sparse_x = FALSE))
  }
  parsnip::set_model_arg(model, engine, parsnip = "experts", original = "K",
    func = list(pkg = "dials", fun = "num_comp"), has_submodel = FALSE)
  for (type in names(parsnip_predictions)) {
    p <- parsnip_predictions[[type]]
    parsnip::set_pred(model, p$mode, engine, type, list(pre = NULL, post = p$post, func = c(fun = "predict"),
      args = c(list(object = quote(object$fit), newdata = quote(new_data)), p$args)))
  }
}

# What parsnip's types of predictions are here, and as what they are given back.
parsnip_predictions <- list(
  numeric = list(mode = "regression", args = list(type = "response"), post = function(x, object) as.numeric(x)),
  conf_int = list(mode = "regression", args = list(interval = "confidence", level = quote(level)),
    post = function(x, object) data.frame(.pred_lower = x[, "lwr"], .pred_upper = x[, "upr"])),
  pred_int = list(mode = "regression", args = list(interval = "prediction", level = quote(level)),
    post = function(x, object) data.frame(.pred_lower = x[, "lwr"], .pred_upper = x[, "upr"])),
  class = list(mode = "classification", args = list(type = "label"), post = NULL),
  prob = list(mode = "classification", args = list(type = "response"), post = function(x, object) {
    if (is.null(dim(x))) x <- cbind(1 - x, x)
    stats::setNames(as.data.frame(x), object$lvl)
  })
)

#' The family of a response of classes
#'
#' What the parsnip engine of [mixture_of_experts()] fits.
#'
#' @param formula,data As of [moe()].
#' @return `binomial()` for two classes, [multinomial()] for more.
#' @keywords internal
#' @export
moe_class_family <- function(formula, data) {
  y <- eval(formula[[2]], data, environment(formula))
  if (length(unique(y[!is.na(y)])) > 2) multinomial() else stats::binomial()
}
