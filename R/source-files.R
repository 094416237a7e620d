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
  if (!is.null(source$format)) return(list(files = files, format = source$format))
  is <- vapply(ends, grepl, logical(length(files)), files, ignore.case = TRUE)
  is <- matrix(is, ncol = 2)
  if (any(rowSums(is) == 0)) {
    source_error(source, "the name of {.file {files[rowSums(is) == 0][1]}} does not tell its format.",
      i = "Say {.code format = \"csv\"} or {.code format = \"parquet\"}.")
  }
  if (all(colSums(is) > 0)) source_error(source, "it holds text and Parquet files.",
    i = "Say which with {.arg format}.")
  list(files = files, format = names(ends)[colSums(is) > 0])
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

read_text <- function(source, from, ...) {
  options <- utils::modifyList(list(sep = if (grepl("[.]tsv", source$paths[1])) "\t" else ",",
    quote = "\"", dec = ".", comment.char = "", fill = FALSE), source$options)
  options[c("fileEncoding", "skip")] <- NULL
  do.call(utils::read.table, c(list(from, check.names = FALSE, stringsAsFactors = FALSE), options,
    list(...)))
}

open_text <- function(source, file) {
  encoding <- source$options$fileEncoding
  connection <- try_source(file(file, "rt", encoding = if (is.null(encoding)) "native.enc" else encoding),
    source, "a file can't be opened.")
  skip <- source$options$skip
  if (!is.null(skip)) readLines(connection, skip)
  connection
}

# The types of all columns, by name: as given, else as guessed. Whole numbers count as numeric, since
# fractions may follow; NA: nothing but missing values so far.
text_types <- function(source, file) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  head <- try_source(read_text(source, connection, header = TRUE, nrows = guess_rows), source,
    paste0("its file ", basename(file), " can't be read."))
  types <- vapply(head, function(v) {
    if (is.numeric(v)) "numeric" else if (is.logical(v) && all(is.na(v))) NA else class(v)[1]
  }, "")
  lacks <- setdiff(names(source$types), names(head))
  if (length(lacks)) lacks_columns(source, lacks, names(head), basename(file))
  types[names(source$types)] <- source$types
  types
}

text_chunks <- function(source, files, take, columns, rows) {
  types <- text_types(source, files[1])
  lacks <- setdiff(columns, names(types))
  if (length(lacks)) lacks_columns(source, lacks, names(types), basename(files[1]))
  for (file in files) text_file_chunks(source, file, take, types, columns, rows)
}

text_file_chunks <- function(source, file, take, types, columns, rows) {
  connection <- open_text(source, file)
  on.exit(close(connection))
  name <- basename(file)
  header <- names(try_source(read_text(source, connection, header = TRUE, nrows = 1,
    colClasses = "character"), source, paste0(name, " can't be read.")))
  lacks <- setdiff(if (is.null(columns)) names(types) else columns, header)
  if (length(lacks)) lacks_columns(source, lacks, header, name)
  close(connection)
  connection <- open_text(source, file)
  readLines(connection, 1)
  classes <- types[header]
  if (!is.null(columns)) classes[!header %in% columns] <- "NULL"
  done <- 0
  repeat {
    place <- paste0("rows ", format(done + 1, scientific = FALSE), " and following of ", name)
    chunk <- tryCatch(
      read_text(source, connection, header = FALSE, nrows = rows, col.names = header,
        colClasses = unname(classes)),
      error = function(e) {
        if (grepl("no lines available", conditionMessage(e))) return(NULL)
        text <- one_line(conditionMessage(e))
        source_error(source, "{place} can't be read.", x = "{text}",
          i = "Types are guessed from the first {guess_rows} rows; {.arg types} of {.fn moe_source} sets
          them, as in {.code types = c(id = \"character\")}.")
      })
    if (is.null(chunk)) break
    take(chunk, place)
    done <- done + nrow(chunk)
    if (nrow(chunk) < rows) break
  }
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
