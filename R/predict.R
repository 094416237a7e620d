#' Predict from a mixture of experts
#'
#' @param object A model of class `moe`.
#' @param newdata A data frame (for a model fitted to matrices: a matrix, or
#'   `list(x = , z = , y = )`). The basis functions, factor levels and
#'   contrasts are those of the fit. Rows with missing values give NA. NULL: the rows of the fit, where the
#'   model keeps them (`model` of [moe()]); with the gaps of `na.exclude`.
#' @param type
#'   * `"response"`: E(y | x), a vector. For logistic experts P(y = 1 | x), for
#'     multinomial ones an n x C matrix of the classes' probabilities.
#'   * `"label"`: the most probable class of the response, as the model was given
#'     it (a factor, or 0 and 1); logistic and multinomial experts only.
#'   * `"expert"`: n x K matrix of the experts' means ([multinomial()]: an
#'     n x K x C array of probabilities).
#'   * `"gate"`: n x K matrix of gate probabilities; rows sum to 1. Those below
#'     1e-100 are given as 0, here and in posteriors.
#'   * `"posterior"`: n x K matrix of P(expert k | x, y); needs the response.
#'   * `"class"`: the number of the expert with the largest posterior; needs the
#'     response. (Without it use `max.col(predict(fit, newdata, "gate"))`.)
#'   * `"density"`: f(y | x), a vector; needs the response.
#'   * `"quantile"`: n x length(probs) matrix of the quantiles of f(y | x); not
#'     for [multinomial()], whose classes have no order.
#' @param log TRUE: log density, for `type = "density"`.
#' @param interval `"prediction"`: an interval for the response as well, for
#'   `type = "response"`, as [stats::predict.lm()] gives it. It runs between the quantiles
#'   (1 - level) / 2 and (1 + level) / 2 of f(y | x), and takes the parameters as
#'   they are: that they were estimated does not widen it. `"confidence"`: an interval for what is predicted
#'   (the mean E(y | x), an expert's, a probability), within its range, for the types of `se.fit`.
#' @param level Probability of the interval, between 0 and 1.
#' @param probs Probabilities from 0 to 1, for `type = "quantile"`.
#' @param se.fit TRUE: standard errors as well, for the types `"response"`, `"expert"`, `"gate"` and
#'   `"posterior"`: by the delta method, with exact derivatives.
#' @param vcov The covariance of the coefficients for standard errors and confidence intervals. NULL:
#'   [vcov()][vcov.moe] of the model. A type of it, such as `"sandwich"`, a function of the model, or a matrix
#'   named by coefficients, such as `vcov(fit, cluster = ~ id)`.
#' @param method Of standard errors and confidence intervals: `"delta"`, or `"simulation"`, standard
#'   deviations and quantiles of the predictions of 1000 draws of the coefficients from their normal distribution (of
#'   variances their logarithms), by R's generator. These intervals need not be symmetric, and stay within the range of
#'   what is predicted.
#' @param na.action What to do with rows of a data frame that have missing values: a function as in [lm()]. By
#'   default they stay, and give NA.
#' @param ... Not used.
#' @section Quantiles:
#' They are those of the mixture, F(y | x) = sum_k pi_k(z) F_k(y | x) = p, and not
#' means of the experts' quantiles: with experts far apart an interval may hold
#' a gap where no response is expected. Gaussian experts: the solution, to
#' rounding. Counts and logistic experts (0 and 1, 1 being the second level of a
#' factor): the smallest whole number at which F(y | x) >= p, so that an interval
#' covers `level` or more. Of a response `cbind(successes, failures)`: the share of successes in as many trials as
#' the row of `newdata` has, which must hold both columns. Counts of Poisson experts with means above 1e7 are
#' taken as Gaussian there.
#' @return A vector or matrix with one element or row a row of `newdata`; with `se.fit = TRUE` a list of two of
#'   these, `fit` and `se.fit`. With
#'   an `interval` a matrix with the columns `fit`, `lwr` and `upr`, of a matrix or array
#'   an array with these as its last dimension;
#'   the columns of quantiles are named as by [stats::quantile()].
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data, K = 2)
#' head(predict(fit, sim$data, type = "gate"))
#' head(predict(fit, sim$data, interval = "prediction", level = 0.9))
#' head(predict(fit, sim$data, type = "quantile", probs = c(0.1, 0.5)))
#' @export
predict.moe <- function(object, newdata = NULL,
                        type = c("response", "expert", "gate", "posterior", "class", "density",
                          "label", "quantile"), log = FALSE, interval = c("none", "confidence", "prediction"),
                        level = 0.95, probs = c(0.025, 0.5, 0.975), se.fit = FALSE,
                        na.action = stats::na.pass, vcov = NULL, method = c("delta", "simulation"), ...) {
  type <- check_choice(type, c("response", "expert", "gate", "posterior", "class", "density",
    "label", "quantile"), "type")
  log <- check_flag(log, "log")
  se.fit <- check_flag(se.fit, "se.fit")
  check_dots(...)
  interval <- check_choice(interval, c("none", "confidence", "prediction"), "interval")
  if (!missing(level) && interval == "none") {
    input_error("{.arg level} is for {.code interval = \"prediction\"} and {.code \"confidence\"}.")
  }
  probs <- asked_quantiles(object, type, interval, level, if (type == "quantile" || !missing(probs)) probs)
  asked <- list(errors = se.fit || interval == "confidence", vcov = vcov, level = level,
    method = check_choice(method, c("delta", "simulation"), "method"))
  if (!asked$errors && !(is.null(vcov) && missing(method))) {
    input_error("{.arg vcov} and {.arg method} are for {.code se.fit = TRUE} and {.code interval = \"confidence\"}.")
  }
  if (interval == "prediction") type <- "interval"
  own <- is.null(newdata)
  if (own) {
    if (type == "response" && !is.null(object$rows$fitted) && !asked$errors) return(fitted.moe(object))
    newdata <- rows_of_fit(object, if (type == "interval") "interval = \"prediction\""
                                   else paste0("type = \"", type, "\""))
  }
  if (type == "label" && !has_classes(object$schema)) {
    input_error("{.code type = \"label\"} is for responses that are classes; the model's family is
      {.val {object$family$family}}.")
  }
  check_has_response(object, newdata, needs_response(object$schema, type), type)
  if (!own) newdata <- act_on_gaps(object, newdata, type, na.action)
  out <- predict_rows(object, newdata, if (type == "density" && log) "log_density" else type,
    probs = probs)
  if (own) out <- pad_rows(out, newdata)
  if (type == "label") return(as_label(out[, 1], object$schema))
  if (type == "expert" && has_many_classes(object)) {
    names <- list(NULL, as.character(seq_len(object$K)), object$schema$labels)
    dim(out) <- c(nrow(out), lengths(names[-1]))
    dimnames(out) <- names
  }
  if (is.null(prediction_columns(object, type, probs))) out <- as.vector(out)
  if (!asked$errors) return(out)
  both <- with_errors(object, newdata, type, out, own, asked)
  if (interval == "confidence") both$fit <- bind_interval(both)
  if (se.fit) both[c("fit", "se.fit")] else both$fit
}

# Of a vector the columns fit, lwr and upr; of a matrix or array the last dimension.
bind_interval <- function(both) {
  if (is.null(dim(both$fit))) return(cbind(fit = both$fit, lwr = both$lwr, upr = both$upr))
  names <- dimnames(both$fit)
  if (is.null(names)) names <- vector("list", length(dim(both$fit)))
  array(c(both$fit, both$lwr, both$upr), c(dim(both$fit), 3), c(names, list(c("fit", "lwr", "upr"))))
}

# What `na.action` leaves of the rows. By default all, and those with missing values are NA.
act_on_gaps <- function(object, newdata, type, action) {
  keeps <- list(NULL, stats::na.pass, stats::na.exclude, "na.pass", "na.exclude")
  if (any(vapply(keeps, identical, NA, action)) || !is.data.frame(newdata)) return(newdata)
  schema <- object$schema
  wanted <- c(schema$needs, if (needs_response(schema, type)) schema$response_variables)
  if (schema$kind == "matrix") wanted <- names(newdata)
  action <- try_formula(match.fun(action), "{.arg na.action} must be a function, such as {.fn na.omit}.")
  try_formula(action(newdata[intersect(wanted, names(newdata))]), "{.arg na.action} refuses {.arg newdata}.")
}

# The probabilities of the quantiles that a prediction asks for, if it does. `probs`: NULL where the
# user named none.
asked_quantiles <- function(object, type, interval, level, probs) {
  level <- check_number(level, "level", strict = TRUE, most = 1)
  if (level == 1) input_error("{.arg level} must be below 1: the whole line is no interval.")
  if (type != "quantile" && !is.null(probs)) {
    input_error("{.arg probs} is for {.code type = \"quantile\"}, not for {.code type = \"{type}\"}.")
  }
  if (type != "response" && interval == "prediction") {
    input_error("{.code interval = \"prediction\"} is for {.code type = \"response\"}, not for
      {.code type = \"{type}\"}.", i = if (type == "quantile") "{.arg probs} says which quantiles.")
  }
  if (interval == "confidence" && !type %in% error_types) {
    input_error("{.code interval = \"confidence\"} is for the types {.val {error_types}}, not for
      {.code type = \"{type}\"}.")
  }
  if (type != "quantile" && interval != "prediction") return(NULL)
  if (has_many_classes(object)) {
    input_error("The classes of multinomial experts have no order, and so no quantiles and no
      intervals.", i = "{.code type = \"response\"} gives the probabilities of all classes.")
  }
  if (interval != "none") return(c(1 - level, 1 + level) / 2)
  bad <- if (is.numeric(probs)) probs[is.na(probs) | probs < 0 | probs > 1] else probs
  if (!is.numeric(probs) || !length(probs) || length(bad)) {
    input_error("{.arg probs} must be probabilities from 0 to 1, not {show_value(bad)}.")
  }
  as.numeric(probs)
}

# Predictions of all rows, a block of rows at a time, so that nothing beside newdata and the result is
# as long as they are. What can't be taken apart goes in one go, and so do rows at fault: an error or
# a warning speaks of all of them.
predict_rows <- function(object, newdata, type, size = block_rows, probs = NULL) {
  out <- NULL
  if (comes_apart(object$schema, newdata, type, size)) {
    out <- tryCatch(predict_in_blocks(object, newdata, type, size, probs),
      moe_input_error = function(e) NULL, warning = function(w) NULL)
  }
  if (is.null(out)) predict_block(object, newdata, type, probs) else out
}

predict_in_blocks <- function(object, newdata, type, size, probs) {
  n <- count_rows(newdata)
  out <- NULL
  for (rows in row_blocks(n, size)) {
    part <- predict_block(object, newdata_rows(object$schema, newdata, rows), type, probs)
    if (is.null(out)) out <- matrix(part[1], n, ncol(part), dimnames = dimnames(part))
    out[rows, ] <- part
  }
  out
}

# A matrix with a row for every row of newdata.
predict_block <- function(object, newdata, type, probs = NULL) {
  design <- design_new(object$schema, newdata, needs_response(object$schema, type))
  what <- switch(type, class = "posterior", density = "log_density", type)
  names <- prediction_columns(object, type, probs)
  out <- if (!any(design$complete)) matrix(0, 0, max(1, length(names)))
         else if (type %in% c("response", "label")) as.matrix(response_means(design, object))
         else if (type %in% c("interval", "quantile")) quantile_block(design, object, type, probs)
         else if (type == "expert") design_values(design, object, type)
         else core_predict(design, core_model(object), what)
  if (type == "class" && nrow(out)) out <- matrix(max.col(out, ties.method = "first"), ncol = 1)
  if (type == "label" && nrow(out)) out <- matrix(most_probable(out), ncol = 1)
  if (type == "density") out <- exp(out)
  # Named here, not where all rows are: that would copy them.
  if (!is.null(names)) dimnames(out) <- list(NULL, names)
  spread_rows(out, design$complete)
}

quantile_block <- function(design, object, type, probs) {
  out <- if (is.null(design$trials)) core_quantiles(design, core_model(object), probs)
         else trials_quantiles(design, core_model(object), probs)
  if (type == "interval") cbind(response_means(design, object), out) else out
}
