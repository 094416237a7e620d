# Other packages' verbs for hierarchies: they get the population's model, with t quantiles by the number of sites.

#' A hierarchy in other packages
#'
#' `coef()` of a hierarchy has a row a site, which packages that work with one vector of coefficients can't use. For
#' emmeans, marginaleffects, insight, parameters, performance, modelsummary, texreg, lmtest, sandwich and car a
#' [moe_hierarchy()] is therefore its population's model: [fixef()][fixef.moe_hierarchy] with its covariance
#' ([vcov()][fixef.moe_hierarchy]) and t quantiles with one degree of freedom less than sites. Predictions by them are
#' those of `predict(h, newdata, new_site = "population")`. For a site give them `site_model(h, "A")`.
#'
#' A hierarchy holds no rows: give emmeans and insight `data`, marginaleffects `newdata`.
#'
#' @param object,model,x,mod,coefs,hypothesis.matrix,data,newdata,... As the packages' generics have them.
#' @return As the packages document, see [emmeans.moe], [marginaleffects.moe], [insight.moe], [modelsummary.moe] and
#'   [coeftest.moe].
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' if (requireNamespace("marginaleffects")) {
#'   print(marginaleffects::avg_slopes(h, newdata = sim$data))
#' }
#' @name emmeans.moe_hierarchy
NULL

# ---- emmeans ---------------------------------------------------------------------------------

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method emmeans::recover_data
recover_data.moe_hierarchy <- function(object, data = NULL, ...) {
  if (is.null(data)) input_error("A hierarchy holds no rows: {.fn emmeans} needs {.arg data}.")
  recover_data.moe(tested_population(object), data, ...)
}

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method emmeans::emm_basis
emm_basis.moe_hierarchy <- function(object, ...) emm_basis.moe(tested_population(object), ...)

# ---- marginaleffects -------------------------------------------------------------------------

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method marginaleffects::get_coef
get_coef.moe_hierarchy <- function(model, ...) get_coef.moe(tested_population(model), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method marginaleffects::set_coef
set_coef.moe_hierarchy <- function(model, coefs, ...) set_coef.moe(tested_population(model), coefs, ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method marginaleffects::get_vcov
get_vcov.moe_hierarchy <- function(model, ...) get_vcov.moe(tested_population(model), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method marginaleffects::get_predict
get_predict.moe_hierarchy <- function(model, newdata, ...) get_predict.moe(tested_population(model), newdata, ...)

# ---- insight and its relatives ---------------------------------------------------------------

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::find_parameters
find_parameters.moe_hierarchy <- function(x, ...) find_parameters.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_parameters
get_parameters.moe_hierarchy <- function(x, ...) get_parameters.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_statistic
get_statistic.moe_hierarchy <- function(x, ...) get_statistic.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::find_statistic
find_statistic.moe_hierarchy <- function(x, ...) find_statistic.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_df
get_df.moe_hierarchy <- function(x, ...) get_df.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_data
get_data.moe_hierarchy <- function(x, ...) {
  input_error("A hierarchy holds no rows.", i = "Give the function that asks for them {.arg data}.")
}

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_datagrid
get_datagrid.moe_hierarchy <- function(x, ..., data = NULL) {
  if (is.null(data)) get_data.moe_hierarchy(x)
  get_datagrid.moe(tested_population(x), ..., data = data)
}

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method insight::get_predicted
get_predicted.moe_hierarchy <- function(x, data = NULL, ...) {
  if (is.null(data)) get_data.moe_hierarchy(x)
  get_predicted.moe(tested_population(x), data, ...)
}

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method parameters::model_parameters
model_parameters.moe_hierarchy <- function(model, ...) model_parameters.moe(tested_population(model), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method parameters::standard_error
standard_error.moe_hierarchy <- function(model, ...) standard_error.moe(tested_population(model), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method parameters::p_value
p_value.moe_hierarchy <- function(model, ...) p_value.moe(tested_population(model), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method parameters::ci
ci.moe_hierarchy <- function(x, ...) ci.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method performance::model_performance
model_performance.moe_hierarchy <- function(model, ...) {
  row <- glance.moe_hierarchy(model)
  structure(data.frame(AIC = row$AIC, BIC = row$BIC), class = c("performance_model", "data.frame"))
}

# ---- lmtest, car -----------------------------------------------------------------------------

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method lmtest::coeftest
coeftest.moe_hierarchy <- function(x, ...) coeftest.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method lmtest::coefci
coefci.moe_hierarchy <- function(x, ...) coefci.moe(tested_population(x), ...)

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method car::linearHypothesis
linearHypothesis.moe_hierarchy <- function(model, hypothesis.matrix, ...) {
  car::linearHypothesis(tested_population(model), hypothesis.matrix, ...)
}

#' @rdname emmeans.moe_hierarchy
#' @exportS3Method car::Anova
Anova.moe_hierarchy <- function(mod, ...) {
  input_error("{.fn Anova} needs the rows of the fit, and a hierarchy holds none.",
    i = "{.code car::linearHypothesis(h, ...)} tests what you name.")
}
