# What is particular to each kind of source: how its columns are named, its rows counted, its chunks read.

# Names of the columns. (In words, source_label(): source-errors.R.)
source_columns <- function(source) UseMethod("source_columns")

# Number of rows, NA where it is not known without reading them.
source_rows <- function(source) UseMethod("source_rows")

# Calls `take(chunk, place)` with every chunk in order. Chunks may have other columns as well, and more
# rows than asked for; `place` says in words where a chunk is from.
source_chunks <- function(source, take, columns, rows) UseMethod("source_chunks")

#' @export
source_rows.moe_source <- function(source) NA_real_

# ---- a data frame -----------------------------------------------------------------------------

#' @export
source_label.moe_source_frame <- function(source) "a data frame"

#' @export
source_columns.moe_source_frame <- function(source) names(source$data)

#' @export
source_rows.moe_source_frame <- function(source) nrow(source$data)

#' @export
source_chunks.moe_source_frame <- function(source, take, columns, rows) take(source$data, "it")

# ---- a function -------------------------------------------------------------------------------

#' @export
source_label.moe_source_function <- function(source) {
  if (source$by_chunk) "a function of the number of a chunk" else "a function"
}

function_chunk <- function(source, number) {
  if (!source$by_chunk) return(try_source(source$give(), source, "it failed."))
  try_source(source$give(number), source, paste0("chunk ", number, " failed."))
}

#' @export
source_columns.moe_source_function <- function(source) {
  first <- function_chunk(source, 1L)
  if (!is.data.frame(first)) {
    source_error(source, "it gives {.obj_type_friendly {first}}, not a data frame.")
  }
  names(first)
}

#' @export
source_chunks.moe_source_function <- function(source, take, columns, rows) {
  if (!source$by_chunk) return(take(function_chunk(source, 1L), "what it gives"))
  number <- 1L
  while (!is.null(chunk <- function_chunk(source, number))) {
    take(chunk, paste("chunk", number))
    number <- number + 1L
  }
}

# ---- a data base ------------------------------------------------------------------------------

#' @export
source_label.moe_source_query <- function(source) {
  if (is.null(source$query)) return(paste0("table ", dQuote(table_name(source$table), FALSE)))
  paste0("query ", dQuote(cut_text(gsub("[[:space:]]+", " ", source$query), 60), FALSE))
}

# Calls `use(connection)`, with the connection that the source opens and closes again.
with_connection <- function(source, use) {
  if (!requireNamespace("DBI", quietly = TRUE)) {
    source_error(source, "a data base needs the package {.pkg DBI}.", i = "Install it.")
  }
  connection <- try_source(source$open(), source, "the connection can't be opened.")
  if (!inherits(connection, "DBIConnection")) {
    source_error(source, "the function that opens it gives {.obj_type_friendly {connection}}, not a
      connection of package {.pkg DBI}.")
  }
  on.exit(DBI::dbDisconnect(connection))
  use(connection)
}

# `SELECT columns FROM ...`; columns NULL: all.
select_rows <- function(source, connection, columns, where = "") {
  what <- if (is.null(columns)) "*"
          else paste(DBI::dbQuoteIdentifier(connection, columns), collapse = ", ")
  from <- if (is.null(source$query)) DBI::dbQuoteIdentifier(connection, source$table)
          else paste0("(", sub(";[[:space:]]*$", "", source$query), ") AS moe_rows")
  paste0("SELECT ", what, " FROM ", from, where)
}

query_columns <- function(source, connection) {
  names(try_source(DBI::dbGetQuery(connection, select_rows(source, connection, NULL, " WHERE 1 = 0")),
    source, "the data base refuses it."))
}

#' @export
source_columns.moe_source_query <- function(source) {
  with_connection(source, function(connection) query_columns(source, connection))
}

#' @export
source_chunks.moe_source_query <- function(source, take, columns, rows) {
  with_connection(source, function(connection) {
    # Looked at first: some data bases take the name of a column that is not there for a text.
    has <- query_columns(source, connection)
    lacks <- setdiff(columns, has)
    if (length(lacks)) lacks_columns(source, lacks, has)
    text <- select_rows(source, connection, columns)
    # A table with all its columns as it was written: the order of its rows is the data base's.
    result <- try_source(DBI::dbSendQuery(connection, text), source, "the data base refuses it.")
    on.exit(DBI::dbClearResult(result))
    repeat {
      chunk <- try_source(DBI::dbFetch(result, n = rows), source, "its rows can't be read.")
      take(chunk, "a part of it")
      if (!nrow(chunk) || DBI::dbHasCompleted(result)) break
    }
  })
}
