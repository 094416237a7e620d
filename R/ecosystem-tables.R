# Tables of models by modelsummary and texreg.

#' Tables of models by modelsummary and texreg
#'
#' Both packages take models of class `moe` by themselves: `modelsummary::modelsummary(fit)`,
#' `texreg::texreg(fit)`, `texreg::screenreg(list(fit, other))`. A row is a coefficient in words, `"expert 1: x"`,
#' as in [tidy()][tidy.moe] (in modelsummary with `coef_rename = TRUE`; it else writes `expert1` and `x` with a times
#' sign between them); below stand the number of experts and of observations, log-likelihood, AIC and
#' BIC. Variances have no test.
#'
#' @param x A model of class `moe`.
#' @param ... Not used.
#' @return As the packages document.
#' @name modelsummary.moe
NULL

#' @rdname modelsummary.moe
#' @exportS3Method modelsummary::glance_custom
glance_custom.moe <- function(x, ...) {
  row <- glance.moe(x)
  data.frame(K = x$K, family = x$family$family, logLik = row$logLik, AIC = row$AIC, BIC = row$BIC, nobs = row$nobs)
}

# texreg has S4 methods, in its own place; theirs is the table of all that glance() says.
welcome_by_texreg <- function(...) {
  methods::setOldClass("moe", where = texreg_methods)
  for (class in c("moe_aggregate", "moe_hierarchy", "moe_pool")) {
    methods::setOldClass(c(class, "moe"), where = texreg_methods)
  }
  methods::setMethod(getExportedValue("texreg", "extract"), "moe", texreg_columns, where = texreg_methods)
}

texreg_methods <- new.env()

texreg_columns <- function(model, include.variances = TRUE, vcov = NULL, ...) {
  table <- tidy(model, vcov = vcov)
  if (!include.variances) table <- table[table$component != "dispersion", ]
  known <- inherits(model, "moe_hierarchy") || !is.na(model$log_lik)
  value <- if (known) stats::logLik(model)
  fit <- if (is.null(value)) NULL else c(as.numeric(value), stats::AIC(value), stats::BIC(value))
  texreg::createTexreg(coef.names = table$term, coef = table$estimate, se = table$std.error,
    pvalues = ifelse(is.na(table$p.value), 1, table$p.value), model.name = character(),
    gof.names = c("Experts", if (length(fit)) c("Log likelihood", "AIC", "BIC"), "Num. obs."),
    gof = c(model$K, fit, nobs(model)), gof.decimal = c(FALSE, rep(TRUE, length(fit)), FALSE))
}
