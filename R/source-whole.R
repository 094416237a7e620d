# Is a text file whole? One that was cut short on its way reads like a smaller one.

checked <- new.env(parent = emptyenv())

# A pipe would be waited for.
check_plain <- function(source, files) {
  empty <- files[file.size(files) %in% 0]
  if (length(empty)) {
    source_error(source, "{.file {shown_names(empty[1])}} is empty, or no plain file: a pipe or a device.")
  }
}

# Once for every state of a file and process: of a gzip file all has to be read.
check_whole <- function(source, file) {
  info <- file.info(file)
  key <- paste(normalizePath(file), info$size, as.numeric(info$mtime))
  if (!is.null(checked[[key]])) return(invisible())
  start <- readBin(file, "raw", 6)
  is <- function(...) identical(start[seq_along(c(...))], as.raw(c(...)))
  whole <- if (is(0x1f, 0x8b)) gzip_whole(file, info$size)
           else if (is(0x42, 0x5a, 0x68)) bzip2_whole(file, info$size)
           else if (is(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) xz_whole(file, info$size)
           else text_whole(file, info$size)
  if (!isTRUE(whole)) {
    source_error(source, "{shown_names(basename(file))} was cut short or is damaged: {whole}.",
      i = "Get the file once more from where it came.")
  }
  assign(key, TRUE, checked)
}

last_bytes <- function(file, size, count) {
  connection <- file(file, "rb", raw = TRUE)
  on.exit(close(connection))
  seek(connection, max(0, size - count))
  readBin(connection, "raw", count)
}

# How much is behind a connection, and in how many lines, as far as it can be read; `broken`: is there more, which
# can't be (bytes that are not what was packed)?
count_bytes <- function(connection) {
  on.exit(close(connection))
  bytes <- 0
  lines <- 0
  broken <- 0
  read <- function() {
    tryCatch(suppressWarnings(readBin(connection, "raw", 1e6)), error = function(e) {
      broken <<- 1
      NULL
    })
  }
  while (length(part <- read())) {
    bytes <- bytes + length(part)
    lines <- lines + sum(part == as.raw(0x0a))
  }
  c(bytes = bytes, lines = lines, broken = broken)
}

# The last four bytes are the number of bytes that were packed (modulo 2^32), of the last member where several
# files were put one after the other.
gzip_whole <- function(file, size) {
  told <- sum(as.numeric(last_bytes(file, size, 4)) * 256^(0:3))
  found <- count_bytes(gzfile(file, "rb"))
  broken <- found[["broken"]] == 1
  if (size >= 18 && !broken && found[["bytes"]] %% 2^32 == told) return(TRUE)
  end <- last_bytes(file, size, 5e7)
  members <- rev(grepRaw(as.raw(c(0x1f, 0x8b, 0x08)), end, fixed = TRUE, all = TRUE))
  if (!broken) for (at in utils::head(setdiff(members, if (length(end) == size) 1L), 20)) {
    member <- count_bytes(gzcon(rawConnection(end[at:length(end)])))[["bytes"]]
    if (member %% 2^32 == told) return(TRUE)
  }
  paste("it ends in row", format_big(found[["lines"]]))
}

# The mark of the end, 48 bits, stands 32 bits before the last 0 to 7.
bzip2_whole <- function(file, size) {
  bits <- function(bytes) as.integer(vapply(bytes, function(b) rev(rawToBits(b)), raw(8)))
  mark <- bits(as.raw(c(0x17, 0x72, 0x45, 0x38, 0x50, 0x90)))
  end <- bits(last_bytes(file, size, 12))
  for (pad in 0:7) {
    from <- length(end) - pad - 80
    if (from >= 0 && identical(end[from + 1:48], mark)) return(TRUE)
  }
  packed_rows(file)
}

xz_whole <- function(file, size) {
  end <- last_bytes(file, size, 1000)
  end <- end[seq_len(max(0, which(end != 0)))]
  if (identical(utils::tail(end, 2), as.raw(c(0x59, 0x5a)))) TRUE else packed_rows(file)
}

packed_rows <- function(file) paste("it ends in row", format_big(count_bytes(gzfile(file, "rb"))[["lines"]]))

# A last line without an end may be whole: whether it has all its fields the reader finds.
text_whole <- function(file, size) {
  end <- last_bytes(file, size, 2)
  # UTF-16 has a 0 after or before the end of a line.
  if (any(end %in% as.raw(c(0x0a, 0x0d)))) return(TRUE)
  name <- shown_names(basename(file))
  row <- format_big(count_bytes(file(file, "rb", raw = TRUE))[["lines"]])
  cli::cli_warn(c("The last line of {name}, row {row}, does not end: the file may have been cut short within it.",
    i = "Where it is whole, an end of that line stops this warning."))
  TRUE
}
