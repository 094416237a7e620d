# What R's own tools ask a model for: its terms, its columns, degrees of freedom, tests between nested fits.

#' The pieces that other functions build on
#'
#' @param x,object A model of class `moe`.
#' @param which `"frame"`: both formulas together, with the response, as [model.frame()] has them; `"expert"`
#'   and `"gate"`: the right-hand side of one.
#' @param newdata NULL: the rows of the fit, where the model keeps them. Or a data frame without need of the response.
#' @param ... Not used.
#' @return `terms()`: a terms object. `model.matrix()`: the matrix of the columns of experts or gates over the
#'   complete rows. `df.residual()`: rows less parameters. `hatvalues()`: leverages, of one expert as [glm()] has them
#'   (several have none: an error). `case.names()`: the names of the rows of the fit.
#'   `variable.names()`: the names of the columns of experts or gates. `extractAIC()`: number of parameters and
#'   AIC (with `k` for 2). ([stats::step()] wants a deviance, which a mixture has not; [drop1()] is a step of it.)
#' @examples
#' fit <- moe(mpg ~ wt, mtcars, K = 2, gating = ~ hp)
#' terms(fit, "gate")
#' head(model.matrix(fit, "expert"))
#' df.residual(fit)
#' @name terms.moe
#' @importFrom stats terms
#' @export
terms.moe <- function(x, which = c("frame", "expert", "gate"), ...) {
  check_dots(...)
  which <- check_choice(which, c("frame", "expert", "gate"), "which")
  if (x$schema$kind == "matrix") input_error("The model was fitted to matrices and has no terms.")
  if (which == "frame") x$schema$frame else x$schema[[which]]$terms
}

#' @rdname terms.moe
#' @importFrom stats model.matrix
#' @export
model.matrix.moe <- function(object, which = c("expert", "gate"), newdata = NULL, ...) {
  check_dots(...)
  which <- check_choice(which, c("expert", "gate"), "which")
  if (is.null(newdata)) newdata <- rows_of_fit(object, "model.matrix(model)")
  design <- design_new(object$schema, newdata)
  out <- if (which == "expert") design$x else design$z
  if (isTRUE(design$add_intercept)) out <- cbind(1, out)
  names <- if (is.data.frame(newdata)) row.names(newdata)[design$complete]
  dimnames(out) <- list(names, object$schema[[which]]$columns)
  out
}

#' @rdname terms.moe
#' @param model A model of class `moe`.
#' @importFrom stats hatvalues
#' @export
hatvalues.moe <- function(model, ...) {
  check_dots(...)
  if (model$K > 1 || has_many_classes(model)) {
    input_error("Hat values are those of one expert: a mixture has no matrix that makes fitted values of responses.",
      i = "{.code estfun()} of the package sandwich gives every row's pull on the coefficients.")
  }
  rows_of_fit(model, "hatvalues(model)")
  design <- kept_design(model)
  x <- model.matrix.moe(model)
  known <- !is.na(diag(stats::vcov(model)))[seq_len(ncol(x))]
  covariance <- stats::vcov(model)[seq_len(ncol(x)), seq_len(ncol(x))][known, known, drop = FALSE]
  mean <- core_predict(design, core_model(model), "expert")
  information <- family_traits(model)$slope(mean)^2 / family_traits(model)$variance(mean, model$parameters$dispersion)
  weight <- case_weights(design)
  weight <- (if (is.null(weight)) 1 else weight) * count_trials(design)
  x <- x[, known, drop = FALSE]
  # Where the link is not canonical, the observed information is another.
  if (has_dispersion(model) && !has_location_scale(model)) {
    covariance <- solve(crossprod(x, weight * information[, 1] * x))
  }
  stats::naresid(model$na.action, weight * information[, 1] * rowSums((x %*% covariance) * x))
}

#' @rdname terms.moe
#' @importFrom stats df.residual
#' @export
df.residual.moe <- function(object, ...) object$weight - count_free(object)

#' @rdname terms.moe
#' @importFrom stats case.names
#' @export
case.names.moe <- function(object, ...) {
  frame <- rows_of_fit(object, "case.names(model)")
  if (is.data.frame(frame)) row.names(frame) else as.character(seq_len(count_rows(frame)))
}

#' @rdname terms.moe
#' @importFrom stats variable.names
#' @export
variable.names.moe <- function(object, which = c("expert", "gate"), ...) {
  check_dots(...)
  object$schema[[check_choice(which, c("expert", "gate"), "which")]]$columns
}

#' @rdname terms.moe
#' @param fit A model of class `moe`.
#' @param scale Not used.
#' @param k The weight of a parameter: 2 for AIC.
#' @importFrom stats extractAIC
#' @export
extractAIC.moe <- function(fit, scale = 0, k = 2, ...) {
  value <- stats::logLik(fit)
  df <- attr(value, "df")
  c(df, -2 * as.numeric(value) + k * df)
}

#' Compare fits to the same rows
#'
#' `anova()` puts fits side by side, and tests nested ones by the likelihood ratio. `drop1()` fits again without
#' each term of the experts' and of the gates' formula in turn, by a full search and from the model's own posteriors,
#' and takes the better.
#'
#' @param object,... Models of class `moe` fitted to the same rows with the same family. `drop1()`: one model;
#'   further arguments are not used.
#' @param scope NULL: every term that can be left out. Or a character vector of these, as the
#'   rows of the table name them.
#' @param test `"Chisq"`: likelihood-ratio tests; `"none"`.
#' @return A data frame of class `anova`: number of experts, parameters, log-likelihood, AIC, BIC and, for
#'   each model against the one before with fewer parameters, twice the difference in log-likelihood, the difference in
#'   parameters, and the p-value of the chi-squared distribution. Between fits with different numbers
#'   of experts there is none: the smaller model lies at the edge of the larger, where the ratio is not
#'   chi-squared (McLachlan and Peel 2000, section 6.4); [moe_select()] chooses K. That the models are nested is for
#'   the user to know. `drop1()`: with a row `<none>` for the model itself.
#' @details A likelihood ratio compares maxima: one that was not found makes it wrong. A fit that is
#'   below a smaller one is reported by a warning.
#' @references McLachlan, G. and Peel, D. (2000). *Finite Mixture Models*. Wiley.
#' @examples
#' set.seed(1)
#' small <- moe(mpg ~ wt, mtcars, K = 2, gating = ~ 1)
#' anova(small, update(small, gating = ~ hp))
#' @importFrom stats anova
#' @export
anova.moe <- function(object, ..., test = c("Chisq", "none")) {
  test <- check_choice(test, c("Chisq", "none"), "test")
  models <- list(object, ...)
  if (length(models) < 2) {
    input_error("{.fn anova} compares two models or more.",
      i = "{.code summary(model)} has tests of single coefficients, {.code drop1(model)} of terms.")
  }
  check_comparable(models)
  table <- comparison_table(models)
  order <- order(table$Df)
  table <- with_ratios(table[order, ], test)
  # The names that the caller used, as for lm().
  given <- as.list(sys.call())[-1]
  named <- if (is.null(names(given))) rep("", length(given)) else names(given)
  words <- vapply(given[named != "test"], function(a) paste(deparse(a, 60), collapse = " "), "")
  if (length(words) != length(models) || any(nchar(words) > 40)) words <- paste("model", seq_along(models))
  row.names(table) <- make.unique(unname(words)[order])
  structure(table, heading = "Mixtures of experts, likelihood ratios", class = c("anova", "data.frame"))
}

comparison_table <- function(models) {
  value <- lapply(models, stats::logLik)
  data.frame(K = vapply(models, function(m) m$K, 0L), Df = vapply(value, attr, 0, "df"),
    logLik = vapply(value, as.numeric, 0), AIC = vapply(models, stats::AIC, 0), BIC = vapply(models, stats::BIC, 0))
}

# Each row against the one before.
with_ratios <- function(table, test) {
  if (test == "none") return(table)
  df <- c(NA, diff(table$Df))
  ratio_columns(table, c(NA, diff(table$logLik)), df, c(FALSE, diff(table$K) == 0) & df %in% df[df > 0])
}

# `gain`: in log-likelihood by so many parameters more.
ratio_columns <- function(table, gain, df, testable = df > 0) {
  table$Chisq <- 2 * gain
  table[["Chi Df"]] <- df
  table[["Pr(>Chisq)"]] <- ifelse(testable, stats::pchisq(2 * gain, df, lower.tail = FALSE), NA)
  if (any(gain < -0.1 & df > 0, na.rm = TRUE)) {
    cli::cli_warn(c("A model has a lower log-likelihood than one with fewer parameters.",
      i = "If they are nested its maximum was not found: fit it again with more {.arg starts} in
        {.fn moe_control}, or from the smaller one."))
  }
  table
}

check_comparable <- function(models) {
  first <- models[[1]]
  for (model in models) {
    check_moe(model, "...")
    if (is.na(model$log_lik)) {
      input_error("An aggregate is not a maximum of a likelihood: likelihood ratios are for models made by {.fn moe}.")
    }
    same <- identical(model$family$family, first$family$family) && isTRUE(all.equal(model$weight, first$weight)) &&
      identical(unname(model$rows$y), unname(first$rows$y))
    if (!same) {
      input_error("The models were not fitted to the same responses: {.val {first$family$family}},
        {first$n} rows, and {.val {model$family$family}}, {model$n} rows.",
        i = "They must be the same rows in the same order. Missing values in a column of one model leave out rows: fit
          all to the rows that are complete for all.")
    }
  }
}

#' @rdname anova.moe
#' @param k The weight of a parameter in AIC: 2, or log(n) for BIC.
#' @importFrom stats drop1
#' @export
drop1.moe <- function(object, scope = NULL, test = c("Chisq", "none"), k = 2, ...) {
  check_dots(...)
  test <- check_choice(test, c("Chisq", "none"), "test")
  if (object$schema$kind == "matrix") {
    input_error("{.fn drop1} leaves out terms of a formula; the model was fitted to matrices, which have none.",
      i = "Fit again without a column, and compare the two by {.fn anova}.")
  }
  terms <- droppable_terms(object)
  scope <- if (is.null(scope)) names(terms) else check_scope(scope, terms)
  models <- c(list(object), lapply(terms[scope], refit_without, object = object, where = parent.frame()))
  check_comparable(models)
  table <- comparison_table(models)
  table$AIC <- -2 * table$logLik + k * table$Df
  if (test == "Chisq") {
    table <- ratio_columns(table, c(NA, table$logLik[1] - table$logLik[-1]), c(NA, table$Df[1] - table$Df[-1]))
  }
  row.names(table) <- c("<none>", scope)
  structure(table, heading = "Terms of experts and gates, left out one at a time",
    class = c("anova", "data.frame"))
}

# The better of a new search and of a fit from the whole model's posteriors: a search alone may end lower than the
# maximum next to the model, and the ratio would be too large.
refit_without <- function(term, object, where) {
  change <- stats::as.formula(paste(". ~ . -", term$term))
  call <- if (term$gate) update.moe(object, evaluate = FALSE) else update.moe(object, change, evaluate = FALSE)
  call$start <- NULL
  call$K <- object$K
  if (term$gate) call$gating <- stats::update(gating_formula(object), change)[-2]
  if (identical(call[[1]], quote(moe))) call[[1]] <- moe
  # A gap in the term left out is none any more, but the rows are to stay the same.
  if (length(object$na.action)) {
    call$data <- data_of_call(object, where)[-object$na.action, , drop = FALSE]
    call$subset <- NULL
  }
  found <- eval(call, where)
  if (object$K == 1) return(found)
  call$start <- stats::na.omit(stats::predict(object, type = "posterior"))
  near <- suppressWarnings(eval(call, where))
  if (isTRUE(near$log_lik > found$log_lik)) near else found
}

# The terms of both formulas that can be left out; a formula for both is the experts'.
droppable_terms <- function(object) {
  expert <- stats::drop.scope(object$schema$expert$terms)
  gate <- if (object$K > 1 && !is.null(object$call[["gating"]])) stats::drop.scope(object$schema$gate$terms)
  c(stats::setNames(lapply(expert, function(t) list(term = t, gate = FALSE)), expert),
    stats::setNames(lapply(gate, function(t) list(term = t, gate = TRUE)), paste("gate:", gate)[seq_along(gate)]))
}

check_scope <- function(scope, terms) {
  bad <- setdiff(scope, names(terms))
  if (!is.character(scope) || length(bad)) {
    input_error("{.arg scope} must name terms that can be left out, not {show_value(bad)}.",
      i = "These are {.val {names(terms)}}.")
  }
  scope
}

gating_formula <- function(object) stats::reformulate(c(attr(object$schema$gate$terms, "term.labels"), "1"), ".y")
