# Reading a source: in chunks, or whole. What is particular to a kind of source is in
# source-kinds.R; here is what all have in common.

# Calls `see` with every chunk in order: data frames of up to `rows` rows of some columns (NULL: all).
# Gives the number of rows. `enough()` ends a visit from within `see`. A source from counted_source() must have
# the same number at every visit that is not ended so.
source_visit <- function(source, see, columns = NULL, rows = source$chunk_rows) {
  count <- 0
  known <- NULL  # the type of every column, as far as seen
  take <- function(chunk, place = "a chunk") {
    chunk <- check_chunk(source, chunk, columns, place)
    kinds <- vapply(chunk, chunk_kind, "")
    if (is.null(known)) known <<- kinds
    if (is.null(columns)) columns <<- names(chunk)
    bad <- which(kinds != known & kinds != "unknown" & known != "unknown")
    if (length(bad)) {
      bad <- bad[1]
      source_error(source, "column {.val {columns[bad]}} is {kinds[bad]} in {place} and
        {known[bad]} before it.", i = "All chunks must have columns of the same types.")
    }
    known[known == "unknown"] <<- kinds[known == "unknown"]
    if (!nrow(chunk)) return(invisible())
    count <<- count + nrow(chunk)
    if (nrow(chunk) <= rows) see(chunk)
    else for (part in row_blocks(nrow(chunk), rows)) see(frame_rows(chunk, part, names(chunk)))
  }
  whole <- tryCatch({
    source_chunks(source, take, columns, rows)
    TRUE
  }, moe_enough = function(e) FALSE)
  if (whole) same_count(source, count)
  count
}

# What is read more than once must hold the same rows each time; that it has as many is what can be seen.
counted_source <- function(source) {
  if (is.null(source$visits)) source$visits <- new.env(parent = emptyenv())
  source
}

same_count <- function(source, count) {
  visits <- source$visits
  if (is.null(visits)) return(invisible())
  if (is.null(visits$rows)) visits$rows <- count
  if (count == visits$rows) return(invisible())
  source_error(source, "it had {format_big(visits$rows)} rows when it was read first, and {format_big(count)}
    now.", i = "A source is read more than once and must give the same rows every time: make a copy of
    what changes.")
}

enough <- function() {
  signalCondition(structure(list(message = "", call = NULL), class = c("moe_enough", "condition")))
}

check_chunk <- function(source, chunk, columns, place) {
  if (!is.data.frame(chunk)) {
    source_error(source, "{place} is {.obj_type_friendly {chunk}}, not a data frame.")
  }
  lacks <- setdiff(columns, names(chunk))
  if (length(lacks)) lacks_columns(source, lacks, names(chunk), place)
  twice <- names(chunk)[duplicated(names(chunk))]
  if (!is.null(columns)) twice <- intersect(twice, columns)
  if (length(twice)) source_error(source, "{place} has the column {.val {twice[1]}} more than once.")
  if (is.null(columns)) columns <- names(chunk)
  out <- lapply(stats::setNames(columns, columns), function(name) plain_column(chunk[[name]]))
  structure(out, class = "data.frame", row.names = .set_row_names(nrow(chunk)))
}

# Data bases give whole numbers of 64 bits in a class of their own, whose bits are not those of a double.
plain_column <- function(v) {
  if (!inherits(v, "integer64")) return(v)
  if (!requireNamespace("bit64", quietly = TRUE)) {
    input_error("A column of 64-bit whole numbers needs the package {.pkg bit64}.")
  }
  as.numeric(v)
}

chunk_kind <- function(v) {
  if (is.logical(v) && all(is.na(v))) "unknown"
  else if (is.object(v) && !is.factor(v)) class(v)[1]
  else switch(variable_kind(v), label = "text or a factor", logical = "logical",
    if (is.numeric(v)) "numeric" else typeof(v))
}

# All rows of some columns (NULL: all) as one data frame. NULL where there are more than `most` of them.
source_read <- function(source, columns = NULL, most = Inf) {
  known <- source_rows(source)
  if (!is.na(known) && known > most) return(NULL)
  parts <- list()
  count <- 0
  source_visit(source, function(chunk) {
    count <<- count + nrow(chunk)
    if (count > most) enough()
    parts[[length(parts) + 1]] <<- chunk
  }, columns)
  if (count > most) return(NULL)
  if (!length(parts)) {
    if (is.null(columns)) columns <- source_columns(source)
    none <- lapply(stats::setNames(columns, columns), function(name) logical())
    return(as.data.frame(none, optional = TRUE))
  }
  if (length(parts) == 1) return(parts[[1]])
  names <- names(parts[[1]])
  out <- lapply(stats::setNames(names, names), function(name) {
    bind_column(unname(lapply(parts, function(part) part[[name]])), name)
  })
  structure(out, class = "data.frame", row.names = .set_row_names(count))
}

# One column's values from several places, one after the other. Levels of a factor: all that occur, in
# the order of a part that has them all (the first level is the reference), else as they are met.
bind_column <- function(parts, name) {
  if (is.matrix(parts[[1]])) return(do.call(rbind, parts))
  if (!any(vapply(parts, is.factor, NA))) return(do.call(c, parts))
  each <- lapply(parts, function(v) if (is.factor(v)) levels(v) else sort(unique(as.character(v))))
  levels <- unique(unlist(each))
  full <- which(lengths(each) == length(levels))
  if (length(full)) levels <- each[[full[1]]]
  ordered <- all(vapply(parts, is.ordered, NA))
  out <- factor(unlist(lapply(parts, as.character)), levels = levels, ordered = ordered)
  with_contrasts(out, common_contrasts(parts, levels, name))
}
