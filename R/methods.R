#' Coefficients of a mixture of experts
#'
#' @param object A model of class `moe`.
#' @param which `"expert"`: p x K matrix of the experts' coefficients
#'   ([multinomial()]: p x K (C - 1), expert by expert the classes after the
#'   first).
#'   `"gate"`: q x (K - 1) matrix of the gates' (that of the last expert is 0).
#'   `"all"` (default): one named vector, experts first, gates second,
#'   dispersions (variances of Gaussian experts) last.
#' @param complete FALSE: `"all"` without the coefficients that the data do not determine.
#' @param ... Not used.
#' @return A matrix or a named vector.
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' coef(sim$model, "expert")
#' @export
coef.moe <- function(object, which = c("all", "expert", "gate"), complete = TRUE, ...) {
  which <- check_choice(which, c("all", "expert", "gate"), "which")
  p <- object$parameters
  if (which == "expert") return(p$beta)
  if (which == "gate") return(p$alpha)
  label <- function(kind, m) {
    if (!ncol(m)) return(numeric())
    stats::setNames(as.numeric(m),
      paste0(kind, rep(colnames(m), each = nrow(m)), ":", rownames(m)))
  }
  out <- c(label("expert", p$beta), label("gate", p$alpha))
  if (has_dispersion(object)) {
    out <- c(out, stats::setNames(p$dispersion, paste0("dispersion", names(p$dispersion))))
  }
  if (check_flag(complete, "complete")) return(out)
  aliased <- lapply(c(x = "expert", z = "gate"), function(part) {
    object$schema[[part]]$columns %in% object$record$aliased[[part]]
  })
  out[!of_aliased(parameter_index(object), aliased)]
}

#' Log-likelihood and number of observations
#'
#' @param object A model of class `moe`.
#' @param newdata NULL: the rows the model was fitted to. A data frame with the
#'   response: its complete rows. An aggregate has seen no rows and needs `newdata`.
#' @param ... Not used.
#' @details Case weights are frequencies, here as everywhere in the package: a row of weight 2 counts as two rows
#'   do, in the log-likelihood, in `nobs` and so in [BIC()]. (For [lm()] and [glm()] weights are precisions,
#'   and `nobs()` the number of rows.) The number of rows is the model's field `n`.
#' @return `logLik()`: of class `logLik`, with attributes `df` (number of parameters that
#'   the data determine) and `nobs`, so that [AIC()] and [BIC()] work on R's scale. `nobs()`: the number of rows,
#'   with case weights their sum. `weights()`: the case weights of the rows of the fit, NULL where there were
#'   none.
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' logLik(sim$model, sim$data)
#' @export
logLik.moe <- function(object, newdata = NULL, ...) {
  value <- object$log_lik
  n <- object$weight
  if (!is.null(newdata)) {
    log_density <- predict(object, newdata, type = "density", log = TRUE)
    log_density <- log_density[!is.na(log_density)]
    if (length(object$schema$group)) {  # a unit's, at each of its rows
      design <- design_new(object$schema, newdata, need_response = TRUE)
      log_density <- log_density[match(unique(design$unit), design$unit)]
    }
    value <- sum(log_density)
    n <- length(log_density)
  } else if (is.na(value)) {
    input_error("This model has seen no rows, so it has no log-likelihood of its own.",
      i = "Use {.code logLik(model, newdata)} or {.fn moe_metrics}.")
  }
  structure(value, df = count_free(object), nobs = n, class = "logLik")
}

#' @rdname logLik.moe
#' @export
nobs.moe <- function(object, ...) object$weight

#' @rdname logLik.moe
#' @importFrom stats weights
#' @export
weights.moe <- function(object, ...) {
  stats::naresid(object$na.action, kept_rows(object)$weight)
}

#' @export
family.moe <- function(object, ...) object$family

#' @export
formula.moe <- function(x, which = c("expert", "gate"), ...) {
  which <- check_choice(which, c("expert", "gate"), "which")
  if (x$schema$kind == "matrix") {
    input_error("The model was fitted to matrices and has no formula.")
  }
  out <- if (which == "expert") x$schema$formula
         else if (x$schema$same) x$schema$formula[-2]
         else x$schema$gating
  environment(out) <- environment(x$schema$frame)
  out
}

#' Standard deviations of the experts, and why there is no deviance
#'
#' @param object A model of class `moe`.
#' @param ... Not used.
#' @return `sigma()`: the K standard deviations of Gaussian experts, named by expert (of Gamma ones their
#'   coefficients of variation, 1 / sqrt(shape)):
#'   maximum likelihood estimates, without division by n - p. That of the mixture
#'   varies with x. For other families an error: their variance follows from the mean.
#'   `deviance()` is an error: mixtures have no saturated model to be compared
#'   with. Use `-2 * logLik(model)`, [AIC()] or [BIC()].
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' sigma(sim$model)
#' @importFrom stats sigma
#' @export
sigma.moe <- function(object, ...) {
  if (is.null(family_traits(object)$spread)) {
    input_error("Experts of family {.val {object$family$family}} have no {.fn sigma}: their variance
      follows from their mean{if (has_dispersion(object)) ' and size'}.",
      i = "{.code predict(model, newdata, type = \"expert\")} gives the means.",
      i = if (has_dispersion(object)) "The sizes are {.code 1 / model$parameters$dispersion}.")
  }
  sqrt(object$parameters$dispersion)
}

#' @rdname sigma.moe
#' @importFrom stats deviance
#' @export
deviance.moe <- function(object, ...) {
  input_error("A mixture of experts has no deviance: there is no saturated model to compare it with.",
    i = "Use {.code -2 * logLik(model)}, {.fn AIC} or {.fn BIC}.")
}
