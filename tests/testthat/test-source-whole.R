# Files that were cut short are not taken for smaller ones.

whole_data <- function(n = 30000) {
  withr::local_seed(1)
  d <- data.frame(x = round(stats::rnorm(n), 6), g = sample(c("a", "b"), n, TRUE))
  d$y <- round(d$x + stats::rnorm(n), 6)
  d
}

cut_file <- function(from, to, bytes) writeBin(readBin(from, "raw", bytes), to)

write_packed <- function(d, file, open) {
  connection <- open(file, "w")
  utils::write.csv(d, connection, row.names = FALSE, quote = FALSE)
  close(connection)
}

test_that("a packed file that was cut is refused with its name and row, a whole one is read", {
  folder <- withr::local_tempdir()
  d <- whole_data()
  for (how in c("gz", "bz2", "xz")) {
    open <- get(c(gz = "gzfile", bz2 = "bzfile", xz = "xzfile")[[how]])
    file <- file.path(folder, paste0("rows.csv.", how))
    write_packed(d, file, open)
    expect_identical(nrow(source_read(moe_source(file))), nrow(d))
    bad <- file.path(folder, paste0("cut.csv.", how))
    for (bytes in round(file.size(file) * c(0.3, 0.5, 0.9)) + c(0, 1, 2)) {
      cut_file(file, bad, bytes)
      expect_error(source_read(moe_source(bad)), paste0("cut.csv.", how, " was cut short.*ends in row"),
        class = "moe_input_error")
    }
    # The last bytes alone.
    for (lost in c(1, 3, 9)) {
      cut_file(file, bad, file.size(file) - lost)
      expect_error(source_read(moe_source(bad)), "was cut short", class = "moe_input_error")
    }
  }
  sites <- moe_sites(y ~ x, list(A = moe_source(file), B = moe_source(bad)), K = 1,
    start = moe(y ~ x, d, K = 1))
  expect_identical(sites$table$status, c("fitted", "failed"))
  expect_match(sites$table$message[2], "was cut short")
})

test_that("gzip files of several members are whole", {
  folder <- withr::local_tempdir()
  d <- whole_data(2000)
  file <- file.path(folder, "rows.csv.gz")
  write_packed(d, file, gzfile)
  connection <- gzfile(file, "a")
  utils::write.table(d, connection, sep = ",", row.names = FALSE, col.names = FALSE, quote = FALSE)
  close(connection)
  expect_identical(nrow(source_read(moe_source(file))), 4000L)
  bad <- file.path(folder, "cut.csv.gz")
  cut_file(file, bad, file.size(file) - 500)
  expect_error(source_read(moe_source(bad)), "was cut short", class = "moe_input_error")
})

test_that("a packed file with other bytes is refused as damaged, and nothing is said of types", {
  folder <- withr::local_tempdir()
  d <- whole_data(5000)
  file <- file.path(folder, "rows.csv.gz")
  write_packed(d, file, gzfile)
  bytes <- readBin(file, "raw", 1e6)
  bad <- file.path(folder, "bad.csv.gz")
  # Within the rows, in the checksum (the last eight bytes hold it and the length), and a header alone.
  for (at in c(1000, length(bytes) %/% 2, length(bytes) - 6)) {
    writeBin(replace(bytes, at, xor(bytes[at], as.raw(255))), bad)
    error <- expect_error(moe(y ~ x, moe_source(bad), K = 1), "bad.csv.gz was cut short or is damaged.*row",
      class = "moe_input_error")
    expect_no_match(conditionMessage(error), "types")
  }
  writeBin(bytes[1:15], bad)
  expect_error(moe(y ~ x, moe_source(bad), K = 1), "bad.csv.gz was cut short or is damaged", class = "moe_input_error")
})

test_that("a text file that ends within a line is refused, or told of where its last line has all fields", {
  folder <- withr::local_tempdir()
  d <- whole_data()
  file <- file.path(folder, "rows.csv")
  utils::write.csv(d, file, row.names = FALSE, quote = FALSE)
  lines <- readLines(file)
  bad <- file.path(folder, "cut.csv")
  upto <- sum(nchar(lines[1:20000]) + 1)
  first <- regexpr(",", lines[20001])
  for (more in c(1, first - 1, first, first + 1)) {
    cut_file(file, bad, upto + more)
    expect_error(suppressWarnings(moe(y ~ x, moe_source(bad), K = 1)),
      "cut.csv was cut short or is damaged at row 20,000",
      class = "moe_input_error")
    # In chunks as well.
    expect_error(suppressWarnings(moe(y ~ x, moe_source(bad, memory_rows = 0, chunk_rows = 7000), K = 1)),
      "cut.csv was cut short.*row 20,000", class = "moe_input_error")
  }
  cut_file(file, bad, upto + nchar(lines[20001]) - 1)
  expect_warning(n <- nrow(source_read(moe_source(bad))), "cut.csv, row 20,000, does not end")
  expect_identical(n, 20000L)
  cut_file(file, bad, upto)
  expect_no_warning(source_read(moe_source(bad)))
  # Within quotes.
  d$g <- paste(d$g, "and more")
  utils::write.csv(d, file, row.names = FALSE)
  lines <- readLines(file)
  cut_file(file, bad, sum(nchar(lines[1:20000]) + 1) + regexpr("and", lines[20001]))
  expect_error(suppressWarnings(source_read(moe_source(bad))), "cut.csv was cut short or is damaged",
    class = "moe_input_error")
})

test_that("empty files and pipes are refused unopened", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  file.create(file.path(folder, "empty.csv"))
  expect_error(source_read(moe_source(folder)), "empty.csv.*is empty", class = "moe_input_error")
  unlink(file.path(folder, "empty.csv"))
  for (name in c("pipe.csv", "pipe.parquet")) {
    expect_identical(system2("mkfifo", shQuote(file.path(folder, name))), 0L)
    expect_error(source_columns(moe_source(file.path(folder, name))), "no plain file", class = "moe_input_error")
    unlink(file.path(folder, name))
  }
})

test_that("a Parquet file that was cut is refused by name", {
  skip_if_not_installed("nanoparquet")
  folder <- withr::local_tempdir()
  file <- file.path(folder, "rows.parquet")
  nanoparquet::write_parquet(whole_data(), file)
  bad <- file.path(folder, "cut.parquet")
  for (part in c(0.1, 0.5, 0.99)) {
    cut_file(file, bad, round(part * file.size(file)))
    expect_error(source_read(moe_source(bad)), "cut.parquet", class = "moe_input_error")
  }
})

test_that("a full disk under the scratch file is told once, with what is needed", {
  skip_on_os("windows")
  skip_if(Sys.which("bash") == "")
  folder <- withr::local_tempdir()
  script <- withr::local_tempfile(fileext = ".R")
  writeLines(c(paste0(".libPaths(", deparse1(.libPaths()), ")"), "library(distmoe)",
    "d <- data.frame(x = sin(1:2e5), v = cos(1:2e5)); d$y <- d$x + 0.1 * d$v",
    paste0("source <- moe_source(d, memory_rows = 0, chunk_rows = 5e4, scratch = ", deparse(folder), ")"),
    "told <- character()",
    "e <- withCallingHandlers(tryCatch(moe(y ~ x + v, source, K = 1), error = identity),",
    "  warning = function(w) told <<- c(told, conditionMessage(w)))",
    paste("cat('class', class(e)[1:2], '\\nwarnings', length(told), '\\n',",
      "cli::ansi_strip(conditionMessage(e)), sep = ' ')")), script)
  # Files of more than 2 MB can't be written there.
  code <- paste("trap '' XFSZ; ulimit -f 2000;", shQuote(file.path(R.home("bin"), "Rscript")), shQuote(script))
  out <- paste(suppressWarnings(system2("bash", c("-c", shQuote(code)), stdout = TRUE, stderr = FALSE)), collapse = " ")
  expect_match(out, "class moe_input_error")
  expect_match(out, "warnings 0")
  expect_match(gsub("\\s+", " ", out),
    "can't be written: is there no room left.*It has [0-9]+ MB, of.*all rows need 5 MB")
  expect_match(out, basename(folder), fixed = TRUE)
  expect_length(list.files(folder), 0)
})
