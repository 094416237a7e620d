# Arguments that may be spelled in more than one way, brought into one; and the seed.

# `weights` of a call on a data frame or source: the name of a column, quoted, means the column.
bare_weights <- function(call, columns, frame) {
  given <- call$weights
  if (is.symbol(given) && !as.character(given) %in% columns) {
    value <- get0(as.character(given), frame)
    if (is.character(value) && length(value) == 1) given <- value
  }
  if (!is.character(given) || length(given) != 1) return(call)
  if (!given %in% columns && is.null(get0(given, frame, mode = "numeric"))) {
    input_error("{.arg weights} names the column {.val {given}}, which {.arg data} does not have.",
      i = if (length(columns)) "It has {first_of(columns, 8)}.")
  }
  call$weights <- as.name(given)
  call
}

# The name of a column of every source: quoted, bare, or in a variable. `expression`: as it was written; `value`: what
# it is, if it is anything outside of the sources.
weights_column <- function(expression, value) {
  if (is.symbol(expression)) {
    found <- tryCatch(list(value), error = function(e) NULL)
    if (is.null(found) || !is_column_name(found[[1]])) return(as.character(expression))
  }
  if (!is_column_name(value)) input_error("{.arg weights} must be the name of a column of every source.")
  value
}

is_column_name <- function(value) is.null(value) || is.character(value) && length(value) == 1

# A call as the user may write it again: by the generic's name, and not by that of its method.
called_as <- function(name, call) {
  call[[1]] <- as.name(name)
  call
}

# Sets the seed for the time of a function, which calls what comes back when it ends.
use_seed <- function(seed) {
  if (is.null(seed)) return(function() NULL)
  seed <- check_count(seed, "seed", -.Machine$integer.max)
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  kind <- RNGkind()
  set.seed(seed)
  function() restore_seed(old, kind)
}

# Where there was no state yet, the kind of generator that workers' streams have put there must not stay.
restore_seed <- function(old, kind = RNGkind()) {
  if (is.null(old)) {
    RNGkind(kind[1], kind[2], kind[3])
    rm(".Random.seed", envir = globalenv())
  } else assign(".Random.seed", old, envir = globalenv())
}
