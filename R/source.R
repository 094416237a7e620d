#' Rows that are read where they lie
#'
#' A source says how rows are opened: a file, a folder, a table of a data base, a function. It holds no
#' row (unless it is made of a data frame), so it can be sent to the worker of a site and opened there.
#' [moe()] and [moe_sites()] take a source wherever they take a data frame.
#'
#' Only the columns that a formula names are looked at. A source of up to `memory_rows` rows is read
#' whole, and what is fitted to it is what is fitted to the data frame of its rows. A larger one is read
#' chunk by chunk, in memory that does not grow with its rows; see the section on large sources.
#'
#' A source is read more than once, and has to give the same rows in the same order every time: a
#' query should have an `ORDER BY`.
#'
#' @param from What is opened, by its type:
#'   * A data frame.
#'   * Character: the path of a file, several paths, or a folder, all of whose files of the format are taken,
#'     in the order of their names. Text files with a header line (by default with commas:
#'     `.csv`, `.tsv`, `.txt`, also compressed as `.gz`) or Parquet files (`.parquet`; package
#'     `nanoparquet`). Several files are one source; they have the same columns.
#'   * A function without arguments, with `table` or `query`: it opens a connection of package `DBI`,
#'     which the source closes. (An open connection itself can't be sent to a worker.)
#'   * A function without arguments: it gives all rows as one data frame.
#'   * A function of one argument, the number of a chunk: it gives the chunks 1, 2, 3, ... as data
#'     frames, and NULL where there are no more. It is asked from 1 on again at every reading.
#' @param table,query The name of a table (or what `DBI::Id()` gives), or the text of an SQL query.
#' @param format `"csv"` or `"parquet"`; by default what the names of the files end with.
#' @param types Named character vector: types of columns of text files, `"numeric"`, `"integer"`,
#'   `"character"`, `"logical"` or `"Date"`. The others are guessed from the first 10,000 rows of the
#'   first file.
#' @param chunk_rows Most rows that are looked at in one go.
#' @param memory_rows Most rows of a source that is read whole.
#' @param scratch The folder of the scratch file of a large source; NULL: [tempdir()] of the process that
#'   opens the source.
#' @param ... For text files: `sep`, `dec`, `quote`, `na.strings`, `fileEncoding`, `comment.char`,
#'   `skip`, `strip.white`, as in [utils::read.csv()].
#' @section Large sources:
#' A source of more than `memory_rows` rows is decoded chunk by chunk, and the numbers of its design (8
#' bytes for every column of the model matrix, of the response, weights and offsets, a row: 3.4 GB for
#' 20 million rows and 20 columns) go to one scratch file, which the passes of the fit read. The
#' file is removed when the fit ends, also by an error or an interrupt; a process that is killed leaves it behind,
#' in the folder `scratch` (`distmoe-*.scratch`, readable by its owner alone) or its temporary folder.
#' Memory holds a chunk, blocks of 1,800 rows, and the samples on which starts are compared and improved (an
#' eighth of the rows, or three times `start_rows` of [moe_control()] if that is more). The estimates are those of
#' the fit to a data frame of the same rows. What sites may `share` ([moe_sites()]) is not to be had from a large
#' source.
#'
#' Before that the source is read for what all rows together determine: levels of factors and
#' text (their columns only), and the variables of `poly()`, `ns()`, `bs()`, `scale()` and `factor()`
#' in the formula, which are held in memory for the time being. Other terms must be functions of
#' one row, such as `log(x)` or `I(x^2)`; `cut(x, 3)`, for one, is refused. `weights` and `subset` must be made of
#' columns; `start` must be NULL or a model; `na.action` must be `na.omit`, `na.exclude` or `na.fail`.
#' The rows are not kept in the model (`keep`). Parquet files are read by row group, which should therefore
#' not be larger than memory allows (with versions of `nanoparquet` that can't do so,
#' by file).
#' @return An object of class `moe_source`. Its print says what it is, its columns, and its number of
#'   rows where that is known without reading them.
#' @seealso [moe()], [moe_sites()]
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' file <- tempfile(fileext = ".csv")
#' write.csv(sim$data, file, row.names = FALSE)
#' source <- moe_source(file)
#' source
#' moe(y ~ x1 + x2, source, K = 2)
#' @export
moe_source <- function(from, table = NULL, query = NULL, format = NULL, types = NULL,
                       chunk_rows = 1e5, memory_rows = 2e5, scratch = NULL, ...) {
  settings <- list(chunk_rows = check_count(chunk_rows, "chunk_rows"),
    memory_rows = check_count(memory_rows, "memory_rows", least = 0),
    scratch = check_scratch(scratch))
  if (missing(from)) input_error("{.arg from} is missing: a data frame, the path of a file or folder,
    or a function.")
  if (inherits(from, "DBIConnection")) {
    input_error("{.arg from} is an open connection, which can't be sent to a worker.",
      i = "Give a function that opens one: {.code moe_source(function() DBI::dbConnect(...), table = )}.")
  }
  asked <- !c(is.null(table), is.null(query))
  if (any(asked) && !is.function(from)) {
    input_error("{.arg {c('table', 'query')[asked][1]}} goes with a function that opens a connection,
      not with {.obj_type_friendly {from}}.")
  }
  if (!is.character(from) && (!is.null(format) || !is.null(types) || ...length())) {
    input_error("{.arg format}, {.arg types} and what {.arg ...} holds are for files, not for
      {.obj_type_friendly {from}}.")
  }
  how <- if (is.data.frame(from)) list(kind = "frame", data = from)
         else if (is.character(from)) file_source(from, format, types, ...)
         else if (is.function(from)) function_source(from, table, query)
         else input_error("{.arg from} must be a data frame, the path of a file or folder, or a
           function, not {.obj_type_friendly {from}}.")
  structure(c(how, settings), class = c(paste0("moe_source_", how$kind), "moe_source"))
}

file_source <- function(paths, format, types, ...) {
  if (!length(paths) || anyNA(paths) || any(paths == "")) {
    input_error("{.arg from} must hold paths of files, not {show_value(paths)}.")
  }
  if (!is.null(format)) format <- check_choice(format, c("csv", "parquet"), "format")
  options <- list(...)
  known <- c("sep", "dec", "quote", "na.strings", "fileEncoding", "comment.char", "skip", "strip.white")
  other <- if (is.null(names(options))) options else setdiff(names(options), known)
  if (length(other)) {
    input_error("Unknown argument{?s} {.arg {if (is.character(other)) other else '(unnamed)'}}.",
      i = "Of {.fn read.csv} these are passed on: {.arg {known}}.")
  }
  allowed <- c("numeric", "integer", "character", "logical", "Date")
  if (!is.null(types) && (!is.character(types) || is.null(names(types)) || !all(types %in% allowed))) {
    input_error("{.arg types} must be a named vector, such as {.code c(id = \"character\")}, of types
      out of {.val {allowed}}.")
  }
  # Where the files are not here, but at a worker, paths stay as they are.
  here <- file.exists(paths)
  paths[here] <- normalizePath(paths[here])
  list(kind = "files", paths = path.expand(paths), format = format, types = types, options = options)
}

function_source <- function(open, table, query) {
  if (is.null(table) && is.null(query)) {
    arguments <- length(formals(args(open)))
    if (arguments > 1) {
      input_error("The function {.arg from} has {arguments} arguments; one that gives rows has none, or
        one: the number of a chunk.")
    }
    return(list(kind = "function", give = open, by_chunk = arguments == 1))
  }
  if (!is.null(table) && !is.null(query)) input_error("Give {.arg table} or {.arg query}, not both.")
  if (length(formals(args(open)))) {
    input_error("The function {.arg from}, which opens a connection, must have no arguments.")
  }
  text <- function(x) is.character(x) && length(x) == 1 && !is.na(x) && nzchar(x)
  if (!is.null(query) && !text(query)) {
    input_error("{.arg query} must be the text of one query, not {show_value(query)}.")
  }
  if (!is.null(table) && !text(table) && !is_table_id(table)) {
    input_error("{.arg table} must be the name of a table, not {show_value(table)}.")
  }
  list(kind = "query", open = open, table = table, query = query)
}

# An Id of package DBI, such as schema and table.
is_table_id <- function(table) inherits(table, c("Id", "SQL"))

check_scratch <- function(scratch) {
  if (is.null(scratch)) return(NULL)
  if (is.character(scratch) && length(scratch) == 1 && !is.na(scratch)) return(path.expand(scratch))
  input_error("{.arg scratch} must be NULL or the path of a folder, not {show_value(scratch)}.")
}

is_source <- function(x) inherits(x, "moe_source")

#' @export
print.moe_source <- function(x, ...) {
  cat("Source: ", source_label(x), "\n", sep = "")
  columns <- tryCatch(source_columns(x), error = identity)
  if (inherits(columns, "error")) {
    cat("It can't be opened here:", one_line(cli::ansi_strip(conditionMessage(columns))), "\n")
    return(invisible(x))
  }
  rows <- source_rows(x)
  cat(if (is.na(rows)) "Rows: not known before they are read" else paste("Rows:", format_big(rows)), "\n")
  cat(strwrap(paste0("Columns (", length(columns), "): ", first_of(columns, 20)), exdent = 2), sep = "\n")
  invisible(x)
}
