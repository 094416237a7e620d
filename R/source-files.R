# Sources in files: text tables and Parquet.

guess_rows <- 10000L  # rows of a text file by which types are guessed

# The files of a source, as they are found where it is opened, and their format.
open_files <- function(source) {
  paths <- source$paths
  gone <- paths[!file.exists(paths)]
  if (length(gone)) {
    source_error(source, "there is no file {.file {gone[1]}}.",
      i = "Paths are looked up where the source is opened; the folder there is {.file {getwd()}}.")
  }
  ends <- c(csv = "[.](csv|tsv|txt)([.](gz|bz2|xz))?$", parquet = "[.](parquet|pq)$")
  folders <- dir.exists(paths)
  wanted <- if (is.null(source$format)) paste(ends, collapse = "|") else ends[[source$format]]
  files <- unlist(Map(function(path, folder) {
    if (folder) sort(list.files(path, wanted, full.names = TRUE, ignore.case = TRUE)) else path
  }, paths, folders), use.names = FALSE)
  if (!length(files)) source_error(source, "the folder holds no file whose name ends in .csv, .tsv,
    .txt or .parquet.")
  check_plain(source, files)
  if (!is.null(source$format)) return(list(files = files, format = source$format))
  is <- vapply(ends, grepl, logical(length(files)), files, ignore.case = TRUE)
  is <- matrix(is, ncol = 2)
  if (any(rowSums(is) == 0)) {
    source_error(source, "the name of {.file {files[rowSums(is) == 0][1]}} does not tell its format.",
      i = "Say {.code format = \"csv\"} or {.code format = \"parquet\"}. Other formats, such as spreadsheets, are
      not read: save them as text.")
  }
  if (all(colSums(is) > 0)) source_error(source, "it holds text and Parquet files.",
    i = "Say which with {.arg format}.")
  list(files = files, format = names(ends)[colSums(is) > 0])
}

#' @export
source_label.moe_source_files <- function(source) {
  more <- length(source$paths) - 1
  paste0(source$paths[1], if (more > 0) paste0(" and ", more, " more"))
}

#' @export
source_columns.moe_source_files <- function(source) {
  open <- open_files(source)
  if (open$format == "csv") names(text_types(source, open$files[1]))
  else parquet_reader(source)$columns(open$files[1])
}

#' @export
source_rows.moe_source_files <- function(source) {
  open <- open_files(source)
  if (open$format == "csv") NA_real_
  else sum(vapply(open$files, parquet_reader(source)$rows, 0))
}

#' @export
source_chunks.moe_source_files <- function(source, take, columns, rows) {
  open <- open_files(source)
  if (open$format == "csv") text_chunks(source, open$files, take, columns, rows)
  else for (file in open$files) parquet_chunks(source, file, take, columns)
}

# ---- text -------------------------------------------------------------------------------------

text_options <- function(source) {
  utils::modifyList(list(sep = if (grepl("[.]tsv", source$paths[1])) "\t" else ",",
    quote = "\"", dec = ".", comment.char = "", fill = FALSE), source$options)
}

read_text <- function(source, from, ...) {
  options <- text_options(source)
  options[c("fileEncoding", "skip")] <- NULL
  do.call(utils::read.table, c(list(from, check.names = FALSE, stringsAsFactors = FALSE), options,
    list(...)))
}

open_text <- function(source, file) {
  encoding <- source$options$fileEncoding
  connection <- try_source(file(file, "rt", encoding = if (is.null(encoding)) "native.enc" else encoding),
    source, "a file can't be opened.")
  skip <- source$options$skip
  if (!is.null(skip)) readLines(connection, skip, warn = FALSE)
  connection
}

# The types of all columns, by name: as given, else as guessed. Whole numbers count as numeric, since
# fractions may follow; NA: nothing but missing values so far.
text_types <- function(source, file) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  head <- try_source(suppressWarnings(read_text(source, connection, header = TRUE, nrows = guess_rows)), source,
    paste0("its file ", basename(file), " can't be read."), text_hint(source, file))
  types <- vapply(head, function(v) {
    if (is.numeric(v)) "numeric" else if (is.logical(v) && all(is.na(v))) NA_character_ else class(v)[1]
  }, "")
  lacks <- setdiff(names(source$types), names(head))
  if (length(lacks)) lacks_columns(source, lacks, names(head), basename(file), text_hint(source, file))
  types[names(source$types)] <- source$types
  types
}

text_chunks <- function(source, files, take, columns, rows) {
  for (file in files) check_whole(source, file)
  types <- text_types(source, files[1])
  lacks <- setdiff(columns, names(types))
  if (length(lacks)) lacks_columns(source, lacks, names(types), basename(files[1]), text_hint(source, files[1]))
  for (file in files) text_file_chunks(source, file, take, types, columns, rows)
}

text_file_chunks <- function(source, file, take, types, columns, rows) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  name <- basename(file)
  header <- names(try_source(suppressWarnings(read_text(source, connection, header = TRUE, nrows = 1,
    colClasses = "character")), source, paste0(name, " can't be read.")))
  lacks <- setdiff(if (is.null(columns)) names(types) else columns, header)
  if (length(lacks)) lacks_columns(source, lacks, header, name)
  close(connection)
  connection <- open_text(source, file)
  readLines(connection, 1, warn = FALSE)
  classes <- types[header]
  if (!is.null(columns)) classes[!header %in% columns] <- "NULL"
  quoted <- if (has_quoted_numbers(source, file, header, classes)) header[classes %in% c("numeric", "integer")]
  classes[header %in% quoted] <- "character"
  done <- 0
  repeat {
    place <- paste0("rows ", format(done + 1, scientific = FALSE), " and following of ", basename(file))
    trouble <- NULL
    chunk <- tryCatch(
      with_trouble(read_text(source, connection, header = FALSE, nrows = rows, col.names = header,
        colClasses = unname(classes)), function(text) trouble <<- text),
      error = function(e) {
        if (grepl("no lines available", conditionMessage(e))) return(NULL)
        text <- one_line(conditionMessage(e))
        source_error(source, "{place} can't be read.", x = "{text}", text_hint(source, file),
          i = "Types are guessed from the first {guess_rows} rows; {.arg types} of {.fn moe_source} sets
          them, as in {.code types = c(id = \"character\")}.")
      })
    if (is.null(chunk)) break
    if (!is.null(trouble)) broken_row(source, file, done + nrow(chunk), trouble)
    for (name in quoted) chunk[[name]] <- text_numbers(source, chunk[[name]], name, place)
    take(chunk, place)
    done <- done + nrow(chunk)
    if (nrow(chunk) < rows) break
  }
}

# A warning of the reader is no good news: a row without all its fields, bytes of another encoding.
with_trouble <- function(code, tell) {
  withCallingHandlers(code, warning = function(w) {
    # That a last line has no end was said; so many fields as it has may be all.
    if (!grepl("incomplete final line", conditionMessage(w), fixed = TRUE)) tell(one_line(conditionMessage(w)))
    invokeRestart("muffleWarning")
  })
}

broken_row <- function(source, file, row, trouble) {
  source_error(source, "{shown_names(basename(file))} was cut short or is damaged at row {format_big(row)}.",
    x = "{trouble}", text_hint(source, file), i = "Get the file once more from where it came.")
}

# scan() takes numbers between quotes only where no type is given.
has_quoted_numbers <- function(source, file, header, classes) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  readLines(connection, 1, warn = FALSE)
  tried <- tryCatch(read_text(source, connection, header = FALSE, nrows = 100, col.names = header,
    colClasses = unname(classes)), error = conditionMessage, warning = function(w) NULL)
  is.character(tried) && grepl("got '\"", tried, fixed = TRUE)
}

text_numbers <- function(source, v, name, place) {
  options <- text_options(source)
  na <- if (is.null(options$na.strings)) "NA" else options$na.strings
  out <- utils::type.convert(v, na.strings = c(na, ""), dec = options$dec, as.is = TRUE)
  if (is.character(out)) {
    source_error(source, "column {.val {name}} of {place} holds text that is no number.",
      i = "Types are guessed from the first {guess_rows} rows; {.arg types} of {.fn moe_source} sets them.")
  }
  as.numeric(out)
}

# What may be wrong with a text file that can't be read as asked: other separators, or a line with more
# or fewer fields than the header. NULL where nothing is seen. Of a file that is not whole that is the error.
text_hint <- function(source, file) {
  suppressWarnings(check_whole(source, file))
  tryCatch({
    sep <- text_options(source)$sep
    connection <- open_text(source, file)
    on.exit(close(connection))
    header <- readLines(connection, 1, warn = FALSE)
    other <- setdiff(c(";", ",", "\t", "|"), sep)
    seen <- other[vapply(other, grepl, NA, header, fixed = TRUE)]
    if (!length(header) || sep != "" && !grepl(sep, header, fixed = TRUE) && !length(seen)) return(NULL)
    if (sep != "" && !grepl(sep, header, fixed = TRUE)) {
      return(c(i = paste0("The fields of its header line are not separated by ", deparse(sep),
        ". Perhaps {.code sep = ", deparse(seen[1]), "}",
        if (seen[1] == ";") ", and where numbers have decimal commas {.code dec = \",\"}", ".")))
    }
    uneven_line(source, file)
  }, error = function(e) NULL, warning = function(w) NULL)
}

uneven_line <- function(source, file) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  options <- text_options(source)
  fields <- utils::count.fields(connection, sep = options$sep, quote = options$quote,
    comment.char = options$comment.char, blank.lines.skip = FALSE)
  bad <- which(fields != fields[1] & fields > 0)
  skip <- if (is.null(source$options$skip)) 0 else source$options$skip
  if (!length(bad)) return(NULL)
  c(i = paste0("Line ", bad[1] + skip, " has ", fields[bad[1]], " fields, the header line ", fields[1], "."))
}

# ---- Parquet ----------------------------------------------------------------------------------

# list(columns, rows, groups, group): functions of a file; `group(file, i)` reads its i-th row group.
# Versions of nanoparquet that cannot read by row group read a file whole.
parquet_reader <- function(source) {
  if (!requireNamespace("nanoparquet", quietly = TRUE)) {
    source_error(source, "Parquet files need the package {.pkg nanoparquet}.",
      i = "{.code install.packages(\"nanoparquet\")}")
  }
  by_group <- exists("read_parquet_row_group", asNamespace("nanoparquet"))
  try_file <- function(code, file) try_source(code, source, paste0(basename(file), " can't be read."))
  metadata <- function(file) try_file(nanoparquet::read_parquet_metadata(file), file)
  list(
    columns = function(file) {
      schema <- metadata(file)$schema
      # Leaves that are columns: the root has children, columns of lists are not for formulas.
      schema$name[!is.na(schema$r_col)]
    },
    rows = function(file) as.numeric(sum(metadata(file)$row_groups$num_rows)),
    groups = function(file) if (by_group) nrow(metadata(file)$row_groups) else 1L,
    group = function(file, i, columns) {
      if (!by_group) return(try_file(nanoparquet::read_parquet(file, columns), file))
      read <- get("read_parquet_row_group", asNamespace("nanoparquet"))
      try_file(read(file, i - 1L), file)
    })
}

parquet_chunks <- function(source, file, take, columns) {
  reader <- parquet_reader(source)
  has <- reader$columns(file)
  if (is.null(columns)) columns <- has
  lacks <- setdiff(columns, has)
  if (length(lacks)) lacks_columns(source, lacks, has, basename(file))
  for (i in seq_len(reader$groups(file))) {
    take(reader$group(file, i, columns), paste0("row group ", i, " of ", basename(file)))
  }
}
