# From a model frame to the matrix of one part. Rows come by the million: every number is written
# once, and what R makes beside it (row names, logical vectors) is made for a block of rows only.

block_rows <- 100000L

# The matrix of one part: the columns of model.matrix(), without row names, which would cost more
# than a column.
part_matrix <- function(part, frame, argument, size = block_rows) {
  names <- all_columns(part)
  single <- Filter(function(v) is.factor(frame[[v]]) && nlevels(frame[[v]]) < 2, names)
  if (length(single)) {
    input_error("Factor {.val {single[1]}} in {.arg {argument}} has a single level
      ({.val {levels(frame[[single[1]]])}}).", i = "Leave it out of the formula.")
  }
  check_levels(part, frame, names, argument)
  made <- try_formula(matrix_columns(part, frame, names, size))
  if (!ncol(made$x)) input_error("{.arg {argument}} has no column: not even an intercept is left.")
  made$intercept <- if (attr(part$terms, "intercept") == 1) 1L else 0L
  made
}

# Levels of a factor and columns of all terms that are worth a try: contrasts are a matrix of levels by levels, fits
# one of columns by columns.
most_levels <- 10000
most_made_columns <- 20000

# Before room is asked for them.
check_levels <- function(part, frame, names, argument) {
  v <- unclass(frame)[names]
  is_label <- vapply(v, function(v) is.factor(v) || is.character(v), NA)
  if (!any(is_label)) return(invisible())
  width <- vapply(v, function(v) {
    if (is.factor(v)) as.numeric(nlevels(v))
    else if (is.character(v)) as.numeric(length(unique(v)))
    else if (is.logical(v)) 2
    else as.numeric(NCOL(v))
  }, 0)
  factors <- attr(part$terms, "factors")
  used <- if (length(factors)) rowSums(factors > 0) > 0 else logical(length(names))
  columns <- if (length(factors)) apply(factors > 0, 2, function(at) prod(width[at])) else 0
  worst <- which.max(ifelse(is_label & used, width, 0))
  if (width[worst] <= most_levels && sum(columns) <= most_made_columns) return(invisible())
  n <- nrow(frame)
  input_error("Factor {.val {names[worst]}} in {.arg {argument}} has {format_big(width[worst])} levels in
    {format_big(n)} rows: {.arg {argument}} would have {format_big(sum(columns))} columns.",
    i = "Put rare levels together, or leave it out: is it the number of a row or a person?")
}

all_columns <- function(part) vapply(as.list(attr(part$terms, "variables"))[-1], deparse_one, "")

# `names`: the part's variables, which are columns of the frame.
matrix_columns <- function(part, frame, names, size) {
  by_r <- function(rows) {
    stats::model.matrix(part$terms, frame_rows(frame, rows, names), contrasts.arg = part$contrasts)
  }
  n <- nrow(frame)
  plain <- plain_columns(part, frame, names)
  first <- by_r(seq_len(if (is.null(plain)) min(n, size) else 1L))
  columns <- list(NULL, colnames(first))
  if (!is.null(plain)) {
    x <- cpp_columns(unname(unclass(frame)[plain]), n, attr(part$terms, "intercept") == 1)
  } else if (n <= size) {
    x <- matrix(first, n, ncol(first))
  } else {
    x <- matrix(0, n, ncol(first))
    x[seq_len(size), ] <- first
    for (rows in row_blocks(n, size)[-1]) x[rows, ] <- by_r(rows)
  }
  dimnames(x) <- columns
  list(x = x, contrasts = attr(first, "contrasts"))
}

# The names of the part's columns in the frame, where each is one plain numeric vector; else NULL.
plain_columns <- function(part, frame, names = all_columns(part)) {
  if (any(attr(part$terms, "order") > 1)) return(NULL)
  factors <- attr(part$terms, "factors")
  used <- if (length(factors)) names[apply(factors > 0, 2, which.max)] else character()
  plain <- function(v) {
    is.numeric(v) && is.null(dim(v)) && (!is.object(v) || identical(class(v), "AsIs"))
  }
  if (all(vapply(unclass(frame)[used], plain, NA))) used
}

# Inf and NaN are refused, and NA where na.action has left it.
check_finite <- function(frame) {
  for (name in names(frame)) {
    v <- frame[[name]]
    if (name %in% c("(weights)", "(group)")) next
    bad <- bad_values(v)
    if (bad[1] == 0) next
    row <- as.integer((bad[1] - 1) %% NROW(v) + 1)
    count <- as.integer(bad[2])
    first <- as.character(v[bad[1]])
    input_error("Variable {.val {name}} holds {count} value{?s} that {?is/are} missing, not
      finite or too large (first: {first}, row {row}).", i = "Remove or correct such rows.")
  }
}
