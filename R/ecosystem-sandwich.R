# Where the defaults of sandwich, lmtest and car would be wrong for a mixture.

#' Tests and covariances by sandwich, lmtest and car
#'
#' Most functions of these packages work by [coef()][coef.moe], [vcov()][vcov.moe] and [estfun()][estfun.moe].
#' These methods stand where their defaults would be wrong: standard errors of mixtures go with normal quantiles,
#' a bootstrap needs its labels matched, and a term has a coefficient in every expert.
#'
#' @param x,object,mod A model of class `moe`.
#' @param vcov. As `vcov` of [predict()][predict.moe].
#' @param df Degrees of freedom of t quantiles. NULL: as [summary()][summary.moe] has them, Inf (normal) where `vcov.`
#'   is given.
#' @param parm,level As of [confint()][confint.moe].
#' @param type Of `vcovHC()`: `"HC0"`, the sandwich, or `"HC1"`, that times n / (n - p).
#' @param cluster,R As of [moe_bootstrap()], for `vcovBS()` and `Boot()`. `vcovBS()` without clusters draws rows.
#' @param method Of `Boot()`: `"case"`, or `"residual"` for responses drawn from the model (residuals
#'   of a mixture are not exchangeable).
#' @param which `"both"`: tests a term's coefficients in experts and gates together; `"expert"`, `"gate"`: of one.
#' @param ... Not used; `Boot()`: ignored.
#' @return `coeftest()`, `coefci()`, `vcovHC()`, `vcovBS()`: as these packages document. `Boot()`: a
#'   [moe_bootstrap()]. `Anova()`: a table of Wald tests, one a term: that its coefficients in all experts (and
#'   gates) are 0, all other terms staying (type III, with the contrasts of the fit; without interactions
#'   also type II).
#' @name coeftest.moe
NULL

#' @rdname coeftest.moe
#' @exportS3Method lmtest::coeftest
coeftest.moe <- function(x, vcov. = NULL, df = NULL, ...) {
  error <- errors_by(x, vcov., df)
  tested <- !is.na(error$se) & parameter_index(x)$kind != "dispersion"
  estimate <- coef(x)[tested]
  ratio <- estimate / error$se[tested]
  df <- rep_len(error$df, length(tested))[tested]
  letter <- if (all(is.finite(df))) "t" else "z"
  out <- cbind(estimate, error$se[tested], ratio, 2 * stats::pt(-abs(ratio), df))
  dimnames(out) <- list(names(estimate), c("Estimate", "Std. Error", paste(letter, "value"),
    paste0("Pr(>|", letter, "|)")))
  structure(out, class = "coeftest", method = paste(letter, "test of coefficients"),
    df = if (letter == "t") min(df) else 0, nobs = nobs(x))
}

# Standard errors and their degrees of freedom: the model's, or of a covariance that is given.
errors_by <- function(x, vcov., df) {
  found <- if (is.null(vcov.)) standard_errors(x)
           else list(se = sqrt(diag(given_covariance(x, vcov.))), df = Inf)
  if (!is.null(df)) found$df <- df
  found
}

#' @rdname coeftest.moe
#' @exportS3Method lmtest::coefci
coefci.moe <- function(x, parm = NULL, level = 0.95, vcov. = NULL, df = NULL, ...) {
  error <- errors_by(x, vcov., df)
  out <- interval_of(coef(x), error$se, stats::qt((1 + level) / 2, error$df))
  dimnames(out) <- list(names(coef(x)), interval_names(level))
  if (is.null(parm)) out else out[check_parm(parm, x), , drop = FALSE]
}

#' @rdname coeftest.moe
#' @exportS3Method sandwich::vcovHC
vcovHC.moe <- function(x, type = c("HC0", "HC1"), ...) {
  type <- check_choice(type, c("HC0", "HC1"), "type")
  n <- nobs(x)
  stats::vcov(x, type = "sandwich") * if (type == "HC1") n / (n - count_free(x)) else 1
}

#' @rdname coeftest.moe
#' @exportS3Method sandwich::vcovBS
vcovBS.moe <- function(x, cluster = NULL, R = 250, ...) {
  stats::vcov(if (is.null(cluster)) moe_bootstrap(x, R) else moe_bootstrap(x, R, cluster = cluster))
}

#' @rdname coeftest.moe
#' @exportS3Method car::Boot
Boot.moe <- function(object, R = 999, method = c("case", "residual"), cluster = NULL, ...) {
  method <- check_choice(method, c("case", "residual"), "method")
  if (!is.null(cluster)) return(moe_bootstrap(object, R, cluster = cluster))
  moe_bootstrap(object, R, if (method == "case") "cases" else "parametric")
}

#' @rdname coeftest.moe
#' @exportS3Method car::Anova
Anova.moe <- function(mod, type = c("III", "II"), which = c("both", "expert", "gate"), vcov. = NULL, ...) {
  type <- check_choice(if (is.numeric(type)) c("", "II", "III")[type] else type, c("III", "II"), "type")
  which <- check_choice(which, c("both", "expert", "gate"), "which")
  if (mod$schema$kind == "matrix") input_error("The model was fitted to matrices and has no terms.")
  order <- c(attr(mod$schema$expert$terms, "order"), attr(mod$schema$gate$terms, "order"))
  if (type == "II" && any(order > 1)) {
    input_error("{.code type = \"II\"} is for formulas without interactions.",
      i = "{.code type = \"III\"} with contrasts that sum to 0, or {.fn drop1}.")
  }
  covariance <- if (is.null(vcov.)) stats::vcov(mod) else given_covariance(mod, vcov.)
  terms <- coefficient_terms(mod)
  if (which != "both") terms[parameter_index(mod)$kind != which] <- ""
  labels <- setdiff(unique(terms), "")
  rows <- lapply(labels, function(label) wald_test(coef(mod), covariance, which(terms == label)))
  out <- data.frame(Df = vapply(rows, `[[`, 0, 1), Chisq = vapply(rows, `[[`, 0, 2),
    p = vapply(rows, `[[`, 0, 3), row.names = labels)
  names(out)[3] <- "Pr(>Chisq)"
  words <- c(both = "experts and gates", expert = "experts", gate = "gates")[[which]]
  structure(out, heading = paste0("Wald tests of terms in ", words, " (type ", type, ")\n"),
    class = c("anova", "data.frame"))
}

# Of every coefficient the label of its term; "" for intercepts and dispersions.
coefficient_terms <- function(model) {
  label <- function(part) {
    part <- model$schema[[part]]
    frame <- stats::model.frame(model)
    assign <- attr(stats::model.matrix(part$terms, frame, contrasts.arg = part$contrasts), "assign")
    c("", attr(part$terms, "term.labels"))[assign + 1]
  }
  index <- parameter_index(model)
  out <- rep("", length(index$kind))
  for (part in c("expert", "gate")) {
    at <- index$kind == part
    if (any(at)) out[at] <- label(part)[index$column[at]]
  }
  out
}

# That the coefficients `at` are 0: degrees of freedom, statistic, p-value.
wald_test <- function(estimate, covariance, at) {
  at <- at[!is.na(diag(covariance)[at])]
  if (!length(at)) return(c(0, NA, NA))
  value <- drop(estimate[at] %*% solve(covariance[at, at, drop = FALSE], estimate[at]))
  c(length(at), value, stats::pchisq(value, length(at), lower.tail = FALSE))
}
