# New data a block of rows at a time: which can be taken apart so, and their parts.

# Functions whose value in a row depends on that row alone; the bases, given what `predvars` says, which
# it does of a variable's outermost call only.
basis_functions <- c("poly", "scale", "ns", "bs")
row_functions <- c("(", "+", "-", "*", "/", "^", "%%", "%/%", "==", "!=", "<", "<=", ">", ">=", "!",
  "&", "|", "I", "offset", "abs", "sign", "sqrt", "exp", "expm1", "log", "log2", "log10", "log1p",
  "sin", "cos", "tan", "tanh", "floor", "ceiling", "round", "trunc", "is.na", "ifelse", "plogis",
  "qlogis", "as.numeric", "cbind")

function_name <- function(call) {
  f <- call[[1]]
  as.character(if (is.call(f)) f[[3]] else f)
}

is_basis <- function(call) is.call(call) && function_name(call) %in% basis_functions

# Are these data, more than one block of them, such that the rows of a block can do without the others?
comes_apart <- function(schema, newdata, type, size) {
  if (schema$kind == "matrix") return(comes_apart_matrix(schema, newdata, type, size))
  if (!is.data.frame(newdata) || nrow(newdata) <= size || is_kept_frame(newdata, schema)) return(FALSE)
  if (length(schema$group) && needs_response(schema, type)) return(FALSE)
  terms <- schema$frame
  if (!needs_response(schema, type)) terms <- stats::delete.response(terms)
  variables <- attr(terms, "predvars")
  if (is.null(variables)) variables <- attr(terms, "variables")
  all(vapply(as.list(variables)[-1], is_by_row, NA, newdata, environment(schema$frame), TRUE))
}

# Is a call one of columns of the data, single numbers and functions that go by rows? What a
# user has put in the place of such a function may do anything.
is_by_row <- function(call, data, env, outermost = FALSE, in_basis = FALSE) {
  if (is.symbol(call)) {
    name <- as.character(call)
    return(name %in% names(data) || length(get0(name, env)) == 1)
  }
  if (!is.call(call)) return(in_basis || length(call) == 1)
  f <- call[[1]]
  if (is.call(f) && identical(f[[1]], quote(`::`))) {
    own <- FALSE
    f <- f[[3]]
  } else if (is.symbol(f)) {
    home <- environment(get0(as.character(f), env, mode = "function"))
    own <- !is.null(home) && !isNamespace(home)
  } else {
    return(FALSE)
  }
  name <- as.character(f)
  basis <- outermost && name %in% basis_functions
  !own && (basis || name %in% row_functions) &&
    all(vapply(as.list(call)[-1], is_by_row, NA, data, env, FALSE, basis))
}

# A matrix is taken apart only where one go would copy it, or give more than is asked for.
comes_apart_matrix <- function(schema, newdata, type, size) {
  whole <- is.data.frame(newdata) || !is.list(newdata)
  x <- if (whole) newdata else newdata$x
  z <- if (!whole && !schema$same) newdata$z
  y <- if (!whole) newdata$y
  if (inherits(newdata, "moe_support") || length(dim(x)) != 2 || nrow(x) <= size) return(FALSE)
  regular <- is.null(z) || is.matrix(z) && nrow(z) == nrow(x)
  regular <- regular && (is.null(y) || is.null(dim(y)) && length(y) == nrow(x))
  if (!regular) return(FALSE)
  as_is <- function(m) is.matrix(m) && is.double(m) && !anyNA(m)
  columns <- schema$expert$columns[-1]
  type == "class" || !as_is(x) || !(is.null(z) || as_is(z)) || anyNA(y) ||
    !is.null(colnames(x)) && !identical(colnames(x), columns)
}

count_rows <- function(newdata) {
  if (is.data.frame(newdata) || !is.list(newdata)) nrow(newdata) else nrow(newdata$x)
}

newdata_rows <- function(schema, newdata, rows) {
  if (schema$kind == "formula") {
    return(frame_rows(newdata, rows, intersect(all.vars(schema$frame), names(newdata))))
  }
  pick <- function(m) {
    if (is.data.frame(m)) frame_rows(m, rows, names(m))
    else if (is.matrix(m)) m[rows, , drop = FALSE]
    else m[rows]
  }
  if (is.data.frame(newdata) || !is.list(newdata)) pick(newdata) else lapply(newdata, pick)
}

# Does a type look at the response? Quantiles of successes do, for the number of trials.
needs_response <- function(schema, type) {
  type %in% c("posterior", "class", "density", "log_density") ||
    type %in% c("interval", "quantile") && has_trials(schema)
}
