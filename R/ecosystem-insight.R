# What the package insight asks of a model, and so parameters, performance, ggeffects, modelbased and marginaleffects.

#' A mixture of experts in easystats
#'
#' Methods for the generics of the package insight, and those of parameters, performance and ggeffects, so that
#' `parameters::model_parameters()`, `performance::model_performance()`, `ggeffects::ggpredict()` and their relatives
#' work.
#'
#' @param x,model A model of class `moe`.
#' @param component `"all"`, `"expert"`, `"gate"` or `"dispersion"`; `"conditional"` is `"all"`.
#' @param type Of `get_df()`: `"residual"` ([df.residual()]), `"model"` (number of parameters), else Inf: tests
#'   are normal.
#' @param data NULL: the rows of the fit; or a data frame.
#' @param predict `"expectation"`, E(y | x), or `"prediction"`, the same with intervals for the response.
#' @param ci Probability of intervals.
#' @param exponentiate,vcov As of [tidy()][tidy.moe].
#' @param vcov_args A list of arguments of the function, or the type, that `vcov` is, such as
#'   `list(cluster = ~ id)`.
#' @param keep,drop NULL, or regular expressions: which parameters are shown, and which are not.
#' @param metrics `"all"`, or some of `"AIC"`, `"BIC"`, `"ICL"`, `"RMSE"`.
#' @param ... Not used.
#' @return As these packages document. Predictors are those of experts and gates together; parameters have the names
#'   of [coef()][coef.moe], components are experts, gates and variances. The variances have no test against 0.
#'   (`compare_parameters()` and `compare_performance()` take only classes of a list of their own: [anova()][anova.moe]
#'   and modelsummary put fits side by side.)
#' @examples
#' if (requireNamespace("parameters")) {
#'   print(parameters::model_parameters(moe(dist ~ speed, cars, K = 1)))
#' }
#' @name insight.moe
NULL

#' @rdname insight.moe
#' @exportS3Method insight::find_formula
find_formula.moe <- function(x, ...) {
  out <- if (x$schema$same) formula(x) else stats::formula(terms(x))
  environment(out) <- environment(formula(x))
  structure(list(conditional = out), class = c("insight_formula", "list"))
}

#' @rdname insight.moe
#' @exportS3Method insight::find_parameters
find_parameters.moe <- function(x, ...) list(conditional = names(coef(x)))

#' @rdname insight.moe
#' @exportS3Method insight::get_parameters
get_parameters.moe <- function(x, component = "all", ...) {
  out <- data.frame(Parameter = names(coef(x)), Estimate = unname(coef(x)), Component = parameter_index(x)$kind)
  of_component(out, component)[c("Parameter", "Estimate")]  # others would make names of two parts with components
}

of_component <- function(table, component) {
  if (component %in% c("all", "conditional")) return(table)
  table <- table[table$Component %in% component, , drop = FALSE]
  row.names(table) <- NULL
  table
}

#' @rdname insight.moe
#' @exportS3Method insight::get_statistic
get_statistic.moe <- function(x, component = "all", ...) {
  table <- tidy.moe(x)
  out <- data.frame(Parameter = names(coef(x)), Statistic = table$statistic, Component = table$component)
  structure(of_component(out, component), statistic = find_statistic.moe(x))
}

#' @rdname insight.moe
#' @exportS3Method insight::find_statistic
find_statistic.moe <- function(x, ...) if (is.finite(covariance_df(x))) "t-statistic" else "z-statistic"

#' @rdname insight.moe
#' @exportS3Method insight::get_df
get_df.moe <- function(x, type = "residual", ...) {
  switch(type, residual = df.residual.moe(x), model = as.numeric(count_free(x)), covariance_df(x))
}

#' @rdname insight.moe
#' @exportS3Method insight::get_data
get_data.moe <- function(x, ...) {
  wanted <- c(x$schema$response_variables, x$schema$needs)
  if (x$schema$kind == "formula" && all(wanted %in% names(x$model))) {
    out <- as.data.frame(unclass(x$model)[wanted], optional = TRUE)
    row.names(out) <- row.names(x$model)
    return(out)
  }
  data <- data_of_call(x, globalenv())
  rows <- if (is.null(x$model)) complete_rows(data[wanted]) else match(case.names(x), row.names(data))
  data[rows, wanted, drop = FALSE]
}

#' @rdname insight.moe
#' @param include_response TRUE: `get_datagrid()` keeps the response.
#' @exportS3Method insight::get_datagrid
get_datagrid.moe <- function(x, ..., data = NULL, include_response = FALSE) {
  if (is.null(data)) data <- get_data.moe(x)
  if (!include_response) data <- data[setdiff(names(data), x$schema$response_variables)]
  insight::get_datagrid(data, ...)
}

#' @rdname insight.moe
#' @exportS3Method insight::get_predicted
get_predicted.moe <- function(x, data = NULL, predict = "expectation", ci = 0.95, ...) {
  level <- if (is.null(ci)) 0.95 else ci
  rows <- if (is.null(data)) rows_of_fit(x, "get_predicted(model)") else data
  table <- expected_table(x, rows, level, predict == "prediction")
  many <- has_many_classes(x)
  ends <- data.frame(SE = table$se, CI_low = table$low, CI_high = table$high)
  if (many) {
    out <- data.frame(Row = table$row, Response = table$class, Predicted = table$fit)
    ends <- cbind(out[1:2], ends)
  } else {
    out <- table$fit
  }
  structure(out, class = c("get_predicted", class(out)), ci_data = ends, ci = level, data = rows, predict = predict,
    response = x$schema$response)
}

# Expected responses with standard errors and intervals, one a row, or one a row and class.
expected_table <- function(x, rows, level, for_response = FALSE, vcov = NULL) {
  both <- predict.moe(x, rows, se.fit = TRUE, vcov = vcov)
  fit <- as.vector(both$fit)
  se <- as.vector(both$se.fit)
  half <- stats::qnorm((1 + level) / 2) * se
  n <- NROW(both$fit)
  out <- data.frame(row = rep_len(seq_len(n), length(fit)), fit = fit, se = se, low = within_range(x, fit - half),
    high = within_range(x, fit + half))
  if (has_many_classes(x)) out$class <- factor(rep(x$schema$labels, each = n), x$schema$labels)
  if (for_response && !has_many_classes(x)) {
    out[c("low", "high")] <- predict.moe(x, rows, interval = "prediction", level = level)[, c("lwr", "upr")]
  }
  out
}

# Of ggeffects from version 2 on, before which there is no such generic.
welcome_by_ggeffects <- function(...) {
  space <- asNamespace("ggeffects")
  if (exists("get_predictions", space)) registerS3method("get_predictions", "moe", get_predictions.moe, space)
}

get_predictions.moe <- function(model, data_grid = NULL, ci_level = 0.95, vcov = NULL, ...) {
  if (is.null(ci_level) || is.na(ci_level)) ci_level <- 0.95
  table <- expected_table(model, data_grid, ci_level, vcov = vcov)
  out <- data_grid[table$row, , drop = FALSE]
  row.names(out) <- NULL
  out$predicted <- table$fit
  out$conf.low <- table$low
  out$conf.high <- table$high
  if (has_many_classes(model)) out$response.level <- table$class
  attr(out, "std.error") <- table$se
  out
}

# By what insight calls the families.
#' @rdname insight.moe
#' @exportS3Method insight::model_info
model_info.moe <- function(x, ...) {
  x$family$family <- gsub("_", " ", x$family$family)
  utils::getS3method("model_info", "default", envir = asNamespace("insight"))(x, ...)
}

#' @rdname insight.moe
#' @exportS3Method parameters::model_parameters
model_parameters.moe <- function(model, ci = 0.95, exponentiate = FALSE, vcov = NULL, vcov_args = NULL, keep = NULL,
                                 drop = NULL, component = "all", ...) {
  level <- if (is.null(ci)) 0.95 else ci
  vcov <- asked_covariance(model, vcov, vcov_args)
  table <- tidy.moe(model, TRUE, level, exponentiate, vcov)
  df <- if (is.null(vcov)) covariance_df(model) else Inf
  kind <- if (has_location_scale(model)) sub("dispersion", "variance", table$component) else table$component
  words <- paste0(toupper(substring(kind, 1, 1)), substring(kind, 2), " ", table$expert)
  out <- data.frame(Parameter = names(coef(model)), Coefficient = table$estimate, SE = table$std.error, CI = level,
    CI_low = table$conf.low, CI_high = table$conf.high, z = table$statistic, df_error = df,
    p = table$p.value, Component = words)
  names(out)[7] <- if (is.finite(df)) "t" else "z"
  if (is.null(ci)) out[c("CI", "CI_low", "CI_high")] <- NULL
  shown <- component %in% c("all", "conditional") | table$component %in% component
  if (!is.null(keep)) shown <- shown & grepl(paste(keep, collapse = "|"), out$Parameter)
  if (!is.null(drop)) shown <- shown & !grepl(paste(drop, collapse = "|"), out$Parameter)
  class <- if (is.null(table$class)) NA else table$class
  shown_columns <- paste0(table$column, ifelse(is.na(class), "", paste0(" [", class, "]")))
  names <- list(pretty_names = stats::setNames(shown_columns, out$Parameter),
    pretty_labels = stats::setNames(table$term, out$Parameter))
  as_parameters_model(model, out[shown, ], level, exponentiate, names)
}

# NULL: the model's own.
asked_covariance <- function(model, vcov, arguments) {
  if (is.null(vcov) && length(arguments)) {
    input_error("{.arg vcov_args} are arguments of {.arg vcov}, which is missing.",
      i = "Give {.code vcov = \"cluster\"} or a function such as {.fn sandwich::vcovCL}.")
  }
  if (is.null(vcov)) NULL else given_covariance(model, vcov, as.list(arguments))
}

# What the prints and tables of that package go by.
as_parameters_model <- function(model, table, ci, exponentiate, names) {
  structure(table, row.names = seq_len(nrow(table)),
    class = c("parameters_model", "see_parameters_model", "data.frame"),
    ci = ci, test_statistic = find_statistic.moe(model), verbose = TRUE, exponentiate = exponentiate,
    model_class = class(model), pretty_names = names$pretty_names,
    pretty_labels = names$pretty_labels, coefficient_name = "Coefficient",
    digits = 2, ci_digits = 2, p_digits = 3, footer_digits = 3, ignore_group = TRUE, ran_pars = TRUE,
    bootstrap = FALSE, ci_method = "wald", n_obs = nobs(model), show_summary = FALSE,
    model_formula = if (model$schema$kind == "formula") paste(deparse(formula(model)), collapse = " "))
}

#' @rdname insight.moe
#' @exportS3Method parameters::standard_error
standard_error.moe <- function(model, vcov = NULL, vcov_args = NULL, ...) {
  table <- tidy.moe(model, vcov = asked_covariance(model, vcov, vcov_args))
  data.frame(Parameter = names(coef(model)), SE = table$std.error, Component = table$component)
}

#' @rdname insight.moe
#' @exportS3Method parameters::p_value
p_value.moe <- function(model, vcov = NULL, vcov_args = NULL, ...) {
  table <- tidy.moe(model, vcov = asked_covariance(model, vcov, vcov_args))
  data.frame(Parameter = names(coef(model)), p = table$p.value, Component = table$component)
}

#' @rdname insight.moe
#' @exportS3Method parameters::ci
ci.moe <- function(x, ci = 0.95, vcov = NULL, vcov_args = NULL, ...) {
  table <- tidy.moe(x, TRUE, ci, vcov = asked_covariance(x, vcov, vcov_args))
  data.frame(Parameter = names(coef(x)), CI = ci, CI_low = table$conf.low, CI_high = table$conf.high,
    Component = table$component)
}

#' @rdname insight.moe
#' @exportS3Method performance::model_performance
model_performance.moe <- function(model, metrics = "all", ...) {
  row <- glance.moe(model)
  error <- stats::residuals(model)
  weight <- if (is.null(stats::weights(model))) 1 else stats::weights(model)
  rmse <- sqrt(sum(weight * error^2, na.rm = TRUE) / nobs(model))
  out <- data.frame(AIC = row$AIC, BIC = row$BIC, ICL = row$ICL, RMSE = rmse)
  if (!identical(metrics, "all")) out <- out[intersect(names(out), metrics)]
  structure(out, class = c("performance_model", "data.frame"))
}
