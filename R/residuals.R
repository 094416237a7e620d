#' Fitted values and residuals
#'
#' @param object A model of class `moe`.
#' @param type Of residuals, with E and V the mean and variance of y given x under the mixture
#'   and w the case weights (1 without):
#'   * `"response"`: y - E.
#'   * `"pearson"`: \eqn{\sqrt{w} (y - E) / \sqrt{V}}, V being the mixture's,
#'     \eqn{\sum_k \pi_k (v_k + \mu_k^2) - E^2} with the experts' means and variances.
#'   * `"deviance"`: the signed root of a row's share of the deviance, as in [stats::glm()], where there is
#'     a saturated model: for logistic and multinomial experts (these without sign:
#'     \eqn{\sqrt{-2 w \log P(y | x)}}) and, of other families, for K = 1. Else an error.
#'   * `"quantile"`: \eqn{\Phi^{-1}(F(y | x))}, F the mixture's distribution function (Dunn and Smyth
#'     1996); standard normal where the model is right. For counts and classes (in the order of their
#'     levels) a random number between F just below y and F at y is taken: [set.seed()] makes it repeatable.
#' @param newdata NULL: the rows of the fit. Else rows with the response, as for [predict()][predict.moe].
#' @param ... Not used.
#' @details Values of the fit's own rows need the model to keep them ([moe()] with `model = TRUE`, the
#'   default; for fitted values and `"response"` `keep = TRUE` is enough).
#' @return A numeric vector, one value a row; NA rows as `na.exclude` asks. [multinomial()]: fitted values
#'   and the types `"response"` and `"pearson"` are a matrix with a column for every class (y being 1 or 0).
#' @references Dunn, P. K. and Smyth, G. K. (1996). Randomized quantile residuals. *Journal of
#'   Computational and Graphical Statistics* 5, 236-244.
#' @examples
#' fit <- moe(dist ~ speed, cars, K = 1)
#' head(residuals(fit))
#' qqnorm(residuals(fit, "quantile"))
#' @export
fitted.moe <- function(object, ...) {
  stats::napredict(object$na.action, kept_rows(object)$fitted)
}

#' @rdname fitted.moe
#' @export
residuals.moe <- function(object, type = c("response", "pearson", "deviance", "quantile"), newdata = NULL, ...) {
  check_dots(...)
  type <- check_choice(type, c("response", "pearson", "deviance", "quantile"), "type")
  if (type == "response" && is.null(newdata)) {
    rows <- kept_rows(object)
    return(stats::naresid(object$na.action, response_indicators(rows$y, object$schema) - rows$fitted))
  }
  if (type == "deviance") check_has_deviance(object)
  own <- is.null(newdata)
  if (own) newdata <- rows_of_fit(object, paste0("type = \"", type, "\""))
  else check_has_response(object, newdata, TRUE, type)
  design <- if (own) kept_design(object) else design_new(object$schema, newdata, need_response = TRUE)
  out <- if (any(design$complete)) as.matrix(design_residuals(object, design, type)) else matrix(0, 0, 1)
  out <- spread_rows(out, design$complete)
  if (own) out <- pad_rows(out, newdata)
  if (is.null(colnames(out))) out[, 1] else out
}

check_has_deviance <- function(object) {
  if (object$K == 1 || has_classes(object$schema) && !has_trials(object)) return(invisible())
  words <- family_traits(object)$words
  input_error("There are no deviance residuals: a mixture of {words} experts has no saturated
    model to compare it with.",
    i = "{.val pearson} and {.val quantile} residuals are there for all models.")
}

# Of the rows of a design with responses.
design_residuals <- function(object, design, type) {
  mean <- response_means(design, object)
  y <- response_indicators(design$y, object$schema)
  weight <- case_weights(design)
  if (is.null(weight)) weight <- 1
  if (type == "response") return(y - mean)
  if (type == "quantile") return(quantile_residuals(object, design))
  out <- if (type == "deviance") deviance_residuals(object, y, mean, weight * count_trials(design))
         else ifelse(y == mean, 0, sqrt(weight) * (y - mean) / sqrt(response_variances(object, design, mean)))
  # Also where a row that does not count has probability 0.
  out[rep_len(weight == 0, length(out))] <- 0
  out
}

# V(y | x) of the mixture; of classes a column each.
response_variances <- function(object, design, mean) {
  if (has_classes(object$schema) && is.null(design$trials)) return(mean * (1 - mean))
  gate <- core_predict(design, core_model(object), "gate")
  means <- core_predict(design, core_model(object), "expert")
  own <- family_traits(object)$variance(means, object$parameters$dispersion) / count_trials(design)
  rowSums(gate * (own + (means - mean)^2))
}

# Trials of the rows; 1 where a response is one.
count_trials <- function(design) if (is.null(design$trials)) 1 else design$trials

deviance_residuals <- function(object, y, mean, weight) {
  if (has_many_classes(object)) return(sqrt(-2 * weight * log(rowSums(y * mean))))
  share <- family_traits(object)$deviance(y, mean, unname(object$parameters$dispersion))
  sign(y - mean) * sqrt(weight * pmax(share, 0))
}

quantile_residuals <- function(object, design) {
  core <- core_model(object)
  gate <- core_predict(design, core, "gate")
  y <- design$y
  log_tail <- family_traits(object)$log_tail
  if (!is.null(log_tail)) {
    means <- core_predict(design, core, "expert")
    tail <- function(lower) {
      terms <- log(gate) + log_tail(y, means, object$parameters$dispersion, lower)
      top <- apply(terms, 1, max)
      pmin(top + log(rowSums(exp(terms - top))), 0)
    }
    below <- tail(TRUE)
    # From the smaller tail, which alone has all its digits.
    return(ifelse(below < log(0.5), stats::qnorm(below, log.p = TRUE),
      stats::qnorm(tail(FALSE), lower.tail = FALSE, log.p = TRUE)))
  }
  at <- distribution_at(object, design, gate)
  share <- stats::runif(length(y))
  below <- at$below + share * at$here
  above <- at$above + (1 - share) * at$here
  least <- .Machine$double.xmin
  ifelse(below < above, stats::qnorm(pmax(below, least)), stats::qnorm(pmax(above, least), lower.tail = FALSE))
}

# P(Y < y), P(Y = y) and P(Y > y), of counts and classes.
distribution_at <- function(object, design, gate) {
  y <- design$y
  around <- family_traits(object)$around
  if (!is.null(design$trials)) {
    y <- round(y * design$trials)
    around <- function(y, mean, dispersion) {
      list(below = stats::pbinom(y - 1, design$trials, mean), here = stats::dbinom(y, design$trials, mean),
        above = stats::pbinom(y, design$trials, mean, lower.tail = FALSE))
    }
  }
  if (!is.null(around)) {
    means <- core_predict(design, core_model(object), "expert")
    parts <- around(y, means, unname(object$parameters$dispersion))
    return(lapply(parts, function(p) rowSums(gate * array(p, dim(means)))))
  }
  p <- response_means(design, object)
  if (!is.matrix(p)) p <- cbind(1 - p, p)
  class <- col(p) - 1
  list(below = rowSums(p * (class < y)), here = rowSums(p * (class == y)), above = rowSums(p * (class > y)))
}
