# Sites as lists, whatever they were given as: sources with the sites' names, or models.

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

# The site of every row, as text or factor.
check_sites <- function(sites, data) {
  n <- nrow(data)
  if (is.numeric(sites) && length(sites) == 1) {
    count <- check_count(sites, "sites")
    if (count > n) input_error("{.arg sites} = {count} is more than the {n} rows of {.arg data}.")
    name <- formatC(seq_len(count), width = nchar(count), flag = "0")
    return(sample(rep_len(paste0("site", name), n)))
  }
  if (is.character(sites) && length(sites) == 1 && n != 1) {
    if (!sites %in% names(data)) {
      input_error("{.arg sites} names the column {.val {sites}}, which {.arg data} does not have.")
    }
    sites <- data[[sites]]
  }
  if (length(sites) != n) {
    input_error("{.arg sites} must be a number, the name of a column, or {n} values, one a row; it
      has {length(sites)}.")
  }
  if (anyNA(sites)) {
    input_error("{.arg sites} is missing in {sum(is.na(sites))} row{?s} (first: row
      {which(is.na(sites))[1]}).")
  }
  as.character(sites)
}

# Text columns become factors with the levels of all rows, so that every site has them all.
shared_levels <- function(data) {
  text <- vapply(data, is.character, NA)
  data[text] <- lapply(data[text], factor)
  data
}

check_sources <- function(sources) {
  if (is.data.frame(sources) || !is.list(sources) || !length(sources)) {
    input_error("{.arg sources} must be a named list of data frames or sources, one a site.",
      i = "Of one data frame {.arg sites} says which column holds the site.")
  }
  if (!any(vapply(sources, function(s) is.data.frame(s) || is_source(s), NA))) {
    input_error("No element of {.arg sources} is a data frame or a source.")
  }
  if (is.null(names(sources)) || any(names(sources) == "") || anyDuplicated(names(sources))) {
    input_error("{.arg sources} must have a different name for every site.")
  }
  sources
}

# Sites in the order of their names, so that the order in which they came does not matter.
as_sites <- function(sites) {
  if (inherits(sites, "moe_sites")) {
    if (!length(sites$models)) {
      message <- sites$table$message[1]
      input_error("No site has a model: {nrow(sites$table)} site{?s} {?was/were} skipped or failed.",
        x = "The first says: {message}")
    }
    sites$models <- sites$models[order(names(sites$models))]
    return(sites)
  }
  if (inherits(sites, "moe")) sites <- list(site = sites)
  if (!is.list(sites) || !length(sites) || !all(vapply(sites, inherits, NA, "moe"))) {
    input_error("{.arg sites} must be made by {.fn moe_sites}, or be a named list of models.")
  }
  if (is.null(names(sites))) names(sites) <- paste0("site", seq_along(sites))
  if (any(names(sites) == "") || anyDuplicated(names(sites))) {
    input_error("{.arg sites} must have a different name for every model.")
  }
  sites <- lapply(sites[order(names(sites))], without_rows)
  first <- sites[[1]]
  # By number: looking names up would take time that grows with the square of their count.
  for (m in seq_along(sites)[-1]) {
    check_same_model(sites[[m]], paste("site", names(sites)[m]), first$schema, first$family)
  }
  table <- data.frame(site = names(sites), n = vapply(sites, function(m) m$n, 0),
    status = "fitted", stringsAsFactors = FALSE, row.names = NULL)
  structure(list(models = sites, table = table, schema = first$schema), class = "moe_sites")
}

# Only models travel: a start goes to the workers without its rows and its call.
without_rows <- function(model) {
  if (is.null(model)) return(NULL)
  model[c("rows", "model", "support", "call")] <- NULL
  model
}
