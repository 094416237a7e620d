# Arguments that may be spelled in more than one way, brought into one.

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

# The family of a model to start from, where none was asked for.
family_or_start <- function(family, asked, start) {
  if (!asked && inherits(start, "moe")) start$family else check_family(family)
}

# Sets the seed for the time of a function, which calls what comes back when it ends.
use_seed <- function(seed) {
  if (is.null(seed)) return(function() NULL)
  seed <- check_count(seed, "seed", -.Machine$integer.max)
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  set.seed(seed)
  function() restore_seed(old)
}

# ---- sites ------------------------------------------------------------------------------------

# Sites as a list of sources, also where they are a data frame and what says whose its rows are.
listed_sources <- function(sources, sites, formula = NULL, gating = NULL) {
  if (is.null(sites)) return(check_sources(sources))
  if (!is.data.frame(sources)) {
    input_error("{.arg sites} goes with a data frame; {.arg sources} is {.obj_type_friendly {sources}}, whose names are
      the sites.")
  }
  split_sites(sources, sites, formula, gating)$sources
}

# list(data, rows, sources): a data frame without the column of sites, whose rows are whose, and its parts.
split_sites <- function(data, sites, formula, gating) {
  site <- check_sites(sites, data)
  named <- is.character(sites) && length(sites) == 1
  if (named && !sites %in% c(all.vars(formula), all.vars(gating))) data[[sites]] <- NULL
  data <- shared_levels(data)
  rows <- split(seq_len(nrow(data)), site)
  list(data = data, rows = rows, sources = lapply(rows, function(i) data[i, , drop = FALSE]))
}

# The same of a list of data frames: the columns that all have, one below the other.
join_sites <- function(sources) {
  sources <- check_sources(sources)
  if (!all(vapply(sources, is.data.frame, NA))) {
    input_error("{.arg data} must be a data frame or a list of data frames here.",
      i = "Of sources {.fn moe_sites} fits the models, and {.fn moe_aggregate} puts them together.")
  }
  names <- Reduce(intersect, lapply(sources, names))
  parts <- lapply(stats::setNames(names, names), function(name) {
    bind_column(unname(lapply(sources, function(d) d[[name]])), name)
  })
  data <- shared_levels(as.data.frame(parts, optional = TRUE, stringsAsFactors = FALSE))
  rows <- split(seq_len(nrow(data)), rep(factor(names(sources), names(sources)), vapply(sources, nrow, 0L)))
  list(data = data, rows = rows, sources = lapply(rows, function(i) data[i, , drop = FALSE]))
}
