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
#'   * `"gate"`: n x K matrix of gate probabilities; rows sum to 1. Those below
#'     1e-100 are given as 0, here and in posteriors.
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
  check_has_response(object, newdata, type %in% y_types, type)
  out <- predict_rows(object, newdata, if (type == "density" && log) "log_density" else type)
  if (type %in% wide_types) out else as.vector(out)
}

# The types with a column for every expert.
wide_types <- c("expert", "gate", "posterior")

# The types that look at the response.
y_types <- c("posterior", "class", "density", "log_density")

# Predictions of all rows, a block of rows at a time, so that nothing beside newdata and the result is
# as long as they are. What can't be taken apart goes in one go, and so do rows at fault: an error or
# a warning speaks of all of them.
predict_rows <- function(object, newdata, type, size = block_rows) {
  out <- NULL
  if (comes_apart(object$schema, newdata, type, size)) {
    out <- tryCatch(predict_in_blocks(object, newdata, type, size),
      moe_input_error = function(e) NULL, warning = function(w) NULL)
  }
  if (is.null(out)) predict_block(object, newdata, type) else out
}

predict_in_blocks <- function(object, newdata, type, size) {
  n <- count_rows(newdata)
  out <- NULL
  for (rows in row_blocks(n, size)) {
    part <- predict_block(object, newdata_rows(object$schema, newdata, rows), type)
    if (is.null(out)) out <- matrix(part[1], n, ncol(part), dimnames = dimnames(part))
    out[rows, ] <- part
  }
  out
}

# A matrix with a row for every row of newdata.
predict_block <- function(object, newdata, type) {
  design <- design_new(object$schema, newdata, type %in% y_types)
  what <- switch(type, class = "posterior", density = "log_density", type)
  out <- if (any(design$complete)) core_predict(design, core_model(object), what)
         else matrix(0, 0, if (type %in% wide_types) object$K else 1)
  if (type == "class" && nrow(out)) out <- matrix(max.col(out, ties.method = "first"), ncol = 1)
  if (type == "density") out <- exp(out)
  # Named here, not where all rows are: that would copy them.
  if (type %in% wide_types) dimnames(out) <- list(NULL, as.character(seq_len(object$K)))
  spread_rows(out, design$complete)
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
  all_rows <- matrix(NA_real_, length(complete), ncol(out), dimnames = dimnames(out))
  all_rows[complete, ] <- out
  all_rows
}
