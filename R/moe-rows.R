# The rows of a fit, where the model keeps them: `rows` (responses and fitted values), and `model`, the model
# frame (of matrices: `rows$given`), from which all else can be worked out again. Neither ever travels.

keep_rows <- function(model, design, threads = moe_threads()) {
  model$rows <- list(y = design$y, fitted = response_means(design, model, threads), weight = case_weights(design))
  model$rows$trials <- design$trials
  model$na.action <- design$na.action  # where stats::na.action() and sandwich look for it
  model
}

# `frame`: NULL, or what makes the design again.
keep_frame <- function(model, frame) {
  if (is.data.frame(frame)) {
    model$model <- frame
    model$na.action <- stats::na.action(frame)
  } else if (!is.null(frame)) {
    model$rows$given <- frame
  }
  model
}

kept_frame <- function(model) if (is.null(model$model)) model$rows$given else model$model

# The rows of the fit as new data. `what`: what was asked for, in words.
rows_of_fit <- function(object, what) {
  frame <- kept_frame(object)
  if (!is.null(frame)) return(frame)
  input_error("{.arg newdata} is needed for {.code {what}}: this model keeps no rows
    ({no_rows_because(object)}).",
    i = "{.code moe(..., model = TRUE)}, the default, keeps the model frame.")
}

no_rows_because <- function(object) {
  if (inherits(object, "moe_aggregate")) "it is an aggregate of sites' models"
  else if (!is.null(object$rows)) "it was fitted with model = FALSE, or to a source"
  else "it was fitted with keep = FALSE, to a source, or at a site"
}

# Responses, fitted values and weights of the rows of the fit.
kept_rows <- function(object) {
  if (!is.null(object$rows$fitted)) return(object$rows)
  if (!is.null(kept_frame(object))) return(keep_rows(object, kept_design(object))$rows)
  input_error("This model keeps no rows ({no_rows_because(object)}).", i = "Use {.code predict(model, newdata)}.")
}

kept_design <- function(object) {
  frame <- kept_frame(object)
  design <- design_new(object$schema, frame, need_response = TRUE)
  if (is.data.frame(frame)) {
    design$weight <- frame_weights(frame, design)
    design$na.action <- stats::na.action(frame)
  } else {
    design$weight <- frame$weights
  }
  design
}

# Results of the fit's own rows, with the gaps that `na.exclude` asks for. `out`: a matrix, a row a row.
pad_rows <- function(out, frame) {
  left <- if (is.data.frame(frame)) stats::na.action(frame)
  if (!inherits(left, "exclude")) return(out)
  complete <- rep(TRUE, nrow(out) + length(left))
  complete[left] <- FALSE
  spread_rows(out, complete)
}

#' The model frame of a fit
#'
#' @param formula A model of class `moe` made by [moe()] with `model = TRUE`.
#' @param ... Not used.
#' @return The data frame of the variables of both formulas (and of `(weights)`) over the rows of the fit, with
#'   the attribute `"terms"`, as [stats::model.frame()] makes it. It is an error if the model keeps none.
#' @examples
#' head(model.frame(moe(dist ~ speed, cars, K = 1)))
#' @importFrom stats model.frame
#' @export
model.frame.moe <- function(formula, ...) {
  if (formula$schema$kind == "matrix") input_error("The model was fitted to matrices and has no model frame.")
  if (is.null(formula$model)) input_error("This model keeps no model frame ({no_rows_because(formula)}).")
  formula$model
}

# A model to travel for predictions alone.
bare_model <- function(object) {
  object[c("rows", "na.action", "model", "information", "call")] <- NULL
  object
}
