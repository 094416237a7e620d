# Rows for the command line: from a file, with the columns that are needed, in the types that a model knows.

row_options <- function() {
  list(cli_option("sep", "TEXT", "separator of the fields of text, or the word tab [,]"),
    cli_option("dec", "TEXT", "decimal sign of numbers in text [.]"),
    cli_option("na", "WORDS", "words for missing values in text, by commas; empty fields are such as well [NA]"),
    cli_option("text", "COLUMNS", "columns, by commas, that are categories though they look like numbers"),
    cli_option("encoding", "NAME", "encoding of text, such as latin1 [the system's]"),
    cli_option("format", "NAME", "csv or parquet [by the file's name]"),
    cli_option("memory-rows", "N", "rows that are read whole; more are read in pieces [200,000]"))
}

cli_words <- function(text) if (!is.null(text)) trimws(strsplit(text, ",", fixed = TRUE)[[1]])

cli_source <- function(file, o, labels = NULL) {
  sep <- if (identical(o$sep, "tab")) "\t" else o$sep
  marks <- list(sep = sep, dec = o$dec)
  bad <- names(Filter(function(v) nchar(v) != 1, Filter(Negate(is.null), marks)))
  if (length(bad)) usage_error("--", bad[1], " must be one character")
  arguments <- c(marks, list(format = o$format, memory_rows = o$memory_rows, fileEncoding = o$encoding))
  make <- function(types) {
    do.call(moe_source, c(list(file, types = types, na.strings = unique(c(cli_words(if (is.null(o$na)) "NA" else o$na),
      ""))), Filter(Negate(is.null), arguments)))
  }
  asked <- cli_words(o$text)
  source <- make(NULL)
  known <- intersect(labels, source_columns(source))
  if (!length(c(asked, known))) return(source)
  text <- unique(c(asked, known))
  make(stats::setNames(rep("character", length(text)), text))
}

# A data frame of some columns (NULL: all), or the source itself where the rows are too many for memory.
# `schema`: of a model that knows the columns. `maybe`: columns that are read where they are there.
cli_rows <- function(file, o, columns, schema = NULL, maybe = NULL) {
  labels <- names(schema$levels)
  if (has_labels(schema)) labels <- c(labels, schema$response_variables)
  source <- cli_source(file, o, labels)
  if (!is.null(columns)) columns <- unique(c(columns, intersect(maybe, source_columns(source))))
  rows <- source_read(source, columns, source$memory_rows)
  if (is.null(rows)) return(source)
  if (!nrow(rows)) input_error("{.file {file}} holds no row.")
  check_numbers(rows, file, schema, o$dec)
  rows
}

# Is the response made of words?
has_labels <- function(schema) {
  !is.null(schema$labels) && length(schema$response_variables) == 1 &&
    !all(schema$labels %in% c("0", "1", "FALSE", "TRUE"))
}

# A column of text where numbers are meant: says where the first value is that is none. Where no model
# tells what is meant, a column that looks like numbers, or like anything but categories, is a warning.
check_numbers <- function(rows, file, schema, dec) {
  numeric <- names(Filter(function(v) identical(v$type, "numeric"), schema$variables))
  if (!is.null(schema$family) && !has_classes(schema)) numeric <- c(numeric, schema$response_variables)
  for (name in names(rows)[vapply(rows, is.character, NA)]) {
    v <- rows[[name]]
    v <- v[!is.na(v)]
    comma <- grepl("^ *-?[0-9]*,[0-9]+ *$", v)
    # With decimal commas it is the points that are no numbers.
    bad <- if (identical(dec, ",")) !comma else is.na(suppressWarnings(as.numeric(v)))
    if (!any(bad)) next
    first <- v[bad][1]
    row <- match(first, rows[[name]])
    words <- c(i = "Row {row} has {.val {first}}.", i = number_hint(first, any(comma), dec))
    if (name %in% numeric) input_error("Column {.val {name}} of {.file {file}} must hold numbers.", words)
    if (is.null(schema) && (any(comma) || mean(bad) < 0.5 || length(unique(v)) > max(50, length(v) / 10))) {
      cli::cli_warn(c("Column {.val {name}} of {.file {file}} is text with {length(unique(v))} different value{?s},
        and each counts as a category.", words))
    }
  }
}

number_hint <- function(first, comma, dec) {
  if (identical(dec, ",")) "With {.code dec = \",\"} all numbers must have decimal commas."
  else if (comma) "Where numbers have decimal commas: {.code dec = \",\"}"
  else if (grepl("[0-9]", first)) "Numbers must be without units and without separators of thousands."
  else "Where that is a word for a missing value: {.code na = \"NA,{first}\"}"
}
