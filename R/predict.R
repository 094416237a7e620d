#' Predict from a mixture of experts
#'
#' @param object A model of class `moe`.
#' @param newdata A data frame (for a model fitted to matrices: a matrix, or
#'   `list(x = , z = , y = )`). The basis functions, factor levels and
#'   contrasts are those of the fit. Rows with missing values give NA. May be
#'   left out for `type = "response"` where the model keeps its rows.
#' @param type
#'   * `"response"`: E(y | x), a vector. For logistic experts P(y = 1 | x).
#'   * `"expert"`: n x K matrix of the experts' means.
#'   * `"gate"`: n x K matrix of gate probabilities; rows sum to 1.
#'   * `"posterior"`: n x K matrix of P(expert k | x, y); needs the response.
#'   * `"class"`: the number of the expert with the largest posterior; needs the
#'     response. (Without it use `max.col(predict(fit, newdata, "gate"))`.)
#'   * `"density"`: f(y | x), a vector; needs the response.
#' @param log TRUE: log density, for `type = "density"`.
#' @param ... Not used.
#' @return A vector or matrix with one element or row a row of `newdata`.
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data, K = 2)
#' head(predict(fit, sim$data, type = "gate"))
#' @export
predict.moe <- function(object, newdata = NULL,
                        type = c("response", "expert", "gate", "posterior", "class", "density"),
                        log = FALSE, ...) {
  type <- check_choice(type, c("response", "expert", "gate", "posterior", "class", "density"),
    "type")
  log <- check_flag(log, "log")
  check_unused(...)
  if (is.null(newdata)) {
    if (type == "response" && !is.null(object$rows)) return(fitted.moe(object))
    input_error("{.arg newdata} is needed for {.code type = \"{type}\"}.")
  }
  needs_y <- type %in% c("posterior", "class", "density")
  check_has_response(object, newdata, needs_y, type)
  design <- design_new(object$schema, newdata, needs_y)
  what <- switch(type, class = "posterior", density = "log_density", type)
  wide <- type %in% c("expert", "gate", "posterior")
  out <- if (any(design$complete)) cpp_predict(design, core_model(object), what)
         else matrix(0, 0, if (wide) object$K else 1)
  if (type == "class" && nrow(out)) out <- matrix(max.col(out, ties.method = "first"), ncol = 1)
  if (type == "density" && !log) out <- exp(out)
  out <- spread_rows(out, design$complete)
  if (!wide) return(out[, 1])
  colnames(out) <- as.character(seq_len(object$K))
  out
}

check_has_response <- function(object, newdata, needs_y, type) {
  if (!needs_y || object$schema$kind == "matrix" || inherits(newdata, "moe_support")) return()
  lacks <- setdiff(object$schema$response_variables, names(newdata))
  if (length(lacks)) {
    input_error("{.code type = \"{type}\"} needs the response: {.arg newdata} has no column
      {.val {lacks}}.", i = "{.code type = \"gate\"} gives the experts' probabilities given x alone.")
  }
}

# Results of the complete rows, NA for the others.
spread_rows <- function(out, complete) {
  if (all(complete)) return(out)
  all_rows <- matrix(NA_real_, length(complete), ncol(out))
  all_rows[complete, ] <- out
  all_rows
}
