# The design of moe(x, y): matrices as they are; the core puts the column of ones before them.

matrix_schema <- function(x, z, family, labels) {
  name <- function(m, letter) {
    if (is.null(colnames(m))) paste0(letter, seq_len(ncol(m))) else colnames(m)
  }
  columns <- name(x, "x")
  gate_columns <- if (is.null(z)) columns else name(z, "z")
  describe <- function(m, columns) {
    found <- cpp_describe(m)
    stats::setNames(lapply(seq_along(columns), function(j) {
      list(type = "numeric", mean = found[1, j], sd = found[2, j], like = NULL)
    }), columns)
  }
  list(kind = "matrix", same = is.null(z), family = family, response = "y", labels = labels,
    expert = list(columns = c("(Intercept)", columns)),
    gate = list(columns = c("(Intercept)", gate_columns)),
    variables = c(describe(x, columns), if (!is.null(z)) describe(z, gate_columns)))
}

check_matrix <- function(x, name, n = NULL) {
  if (!is.matrix(x) || !is.numeric(x)) {
    input_error("{.arg {name}} must be a numeric matrix, not {.obj_type_friendly {x}}.")
  }
  if (!is.null(n) && nrow(x) != n) {
    input_error("{.arg {name}} has {nrow(x)} row{?s}; {n} {?is/are} needed.")
  }
  bad <- bad_values(x)
  if (bad[1] > 0) {
    row <- as.integer((bad[1] - 1) %% nrow(x) + 1)
    count <- as.integer(bad[2])
    input_error("{.arg {name}} holds {count} value{?s} that {?is/are} missing, not finite or too
      large (first in row {row}).", i = "Remove or correct these rows.")
  }
  if (!is.double(x)) storage.mode(x) <- "double"
  x
}

design_new_matrix <- function(schema, newdata, need_response) {
  y <- NULL
  z <- NULL
  if (inherits(newdata, "moe_support")) newdata <- list(x = newdata$x, y = newdata$y)
  if (is.list(newdata) && !is.data.frame(newdata)) {
    y <- newdata$y
    z <- newdata$z
    newdata <- newdata$x
  }
  if (is.data.frame(newdata)) newdata <- as.matrix(newdata)
  if (!is.matrix(newdata) || !is.numeric(newdata)) {
    input_error("{.arg newdata} must be a numeric matrix, not {.obj_type_friendly {newdata}}.")
  }
  x <- newdata
  expected <- schema$expert$columns[-1]
  if (ncol(x) != length(expected)) {
    input_error("{.arg newdata} has {ncol(x)} column{?s}; the model was fitted to {length(expected)}.")
  }
  if (!is.null(colnames(x)) && !setequal(colnames(x), expected)) {
    input_error("Columns {.val {setdiff(expected, colnames(x))}} are not in {.arg newdata}.")
  }
  if (!is.null(colnames(x)) && !identical(colnames(x), expected)) x <- x[, expected, drop = FALSE]
  if (!schema$same && NROW(z) != nrow(x)) {
    input_error("The gates' columns are needed: give {.arg newdata} as {.code list(x = , z = )}.")
  }
  if (need_response && is.null(y)) {
    input_error("The response is needed here.",
      i = "Give {.arg newdata} as {.code list(x = , y = )}.")
  }
  if (!is.null(y) && NROW(y) != nrow(x)) {
    input_error("{.arg newdata$y} has {NROW(y)} value{?s}, {.arg newdata$x} has {nrow(x)} row{?s}.")
  }
  complete <- complete_rows(x)
  if (!schema$same && anyNA(z)) complete <- complete & stats::complete.cases(z)
  if (need_response) complete <- complete & complete_rows(as.matrix(y))
  if (!any(complete)) return(list(complete = complete))
  if (!all(complete)) {
    x <- x[complete, , drop = FALSE]
    if (!schema$same) z <- z[complete, , drop = FALSE]
    y <- if (is.matrix(y)) y[complete, , drop = FALSE] else y[complete]
  }
  x <- check_matrix(x, "newdata")
  z <- if (schema$same) x else check_matrix(z, "newdata$z")
  if (!is.null(y)) y <- check_response(y, schema$family, labels = schema$labels)
  new_design(x, z, schema, y, add_intercept = TRUE, complete = complete)
}

matrix_design <- function(x, y, gating, weights, family) {
  x <- check_matrix(x, "x")
  if (NROW(y) != nrow(x)) {
    input_error("{.arg y} has {NROW(y)} value{?s}, {.arg x} has {nrow(x)} row{?s}.")
  }
  if (anyNA(y)) input_error("{.arg y} holds {sum(is.na(y))} missing value{?s} (first in row
    {which(is.na(y))[1]}).", i = "Remove these rows from {.arg x} and {.arg y}.")
  if (inherits(gating, "formula")) {
    input_error("{.arg gating} must be a matrix where {.arg x} is one.",
      i = "Use {.code moe(formula, data)} for formulas.")
  }
  z <- if (is.null(gating)) x else check_matrix(gating, "gating", nrow(x))
  labels <- response_labels(y, family$family)
  given <- list(x = x, y = y, z = if (!is.null(gating)) z, weights = weights)
  y <- check_response(y, family$family, "response `y`", labels)
  new_design(x, z, matrix_schema(x, if (!is.null(gating)) z, family$family, labels), y,
    check_weights(weights, nrow(x)), add_intercept = TRUE, frame = given)
}
