mixed_rows <- function(n = 500) {
  d <- two_experts(n, "gaussian")
  # Numbers that text holds exactly.
  d[c("x", "v", "y")] <- round(1024 * d[c("x", "v", "y")]) / 1024
  d$text <- as.character(d$g)
  d$x[3] <- NA
  d$text[7] <- NA
  d$yes <- d$v > 0
  d
}

sqlite_of <- function(d, env = parent.frame()) {
  file <- withr::local_tempfile(fileext = ".sqlite", .local_envir = env)
  connection <- DBI::dbConnect(RSQLite::SQLite(), file)
  DBI::dbWriteTable(connection, "rows", d)
  DBI::dbDisconnect(connection)
  function() DBI::dbConnect(RSQLite::SQLite(), file)
}

# The model of a source read in tiny chunks against that of the data frame.
expect_same_fit <- function(source, d, formula = y ~ x + v + text, ...) {
  fit <- function(data, ...) {
    set.seed(3)
    moe(formula, data, K = 2, ...)
  }
  a <- fit(d, ..., keep = FALSE)
  b <- fit(source, ...)
  expect_equal(coef(b), coef(a), tolerance = 1e-8)
  expect_equal(c(b$n, b$weight, b$dropped, b$log_lik), c(a$n, a$weight, a$dropped, a$log_lik))
  # (Coefficients that run to infinity may have no standard errors.)
  if (is.null(a$record$separated)) expect_equal(vcov(b), vcov(a), tolerance = 1e-6)
  expect_identical(b$record$separated, a$record$separated)
  expect_equal(b$schema$variables, a$schema$variables)
  expect_equal(predict(b, d), predict(a, d))
}

test_that("text files are read as read.csv() reads them, and fitted alike", {
  d <- mixed_rows()
  d$g <- as.character(d$g)
  file <- withr::local_tempfile(fileext = ".csv")
  utils::write.csv(d, file, row.names = FALSE)
  source <- moe_source(file, chunk_rows = 60, memory_rows = 0)
  expect_equal(source_read(source), d)
  expect_equal(source_read(source, c("y", "text")), d[c("y", "text")])
  expect_same_fit(source, d)
  expect_same_fit(moe_source(file), d)
  semicolons <- withr::local_tempfile(fileext = ".txt")
  utils::write.csv2(d, semicolons, row.names = FALSE)
  expect_equal(source_read(moe_source(semicolons, sep = ";", dec = ",", chunk_rows = 60)), d)
})

test_that("numbers between quotes, empty columns and files without rows are read", {
  d <- mixed_rows()[c("y", "x", "text")]
  file <- withr::local_tempfile(fileext = ".csv")
  quoted <- d
  quoted[] <- lapply(d, function(v) ifelse(is.na(v), NA, as.character(v)))
  utils::write.csv(quoted, file, row.names = FALSE)
  expect_equal(source_read(moe_source(file, chunk_rows = 60)), d)
  quoted$y <- sub(".", ",", quoted$y, fixed = TRUE)
  quoted$x <- sub(".", ",", quoted$x, fixed = TRUE)
  utils::write.csv(quoted, file, row.names = FALSE)
  expect_equal(source_read(moe_source(file, dec = ",")), d)
  d$empty <- NA
  utils::write.csv(d, file, row.names = FALSE)
  expect_equal(source_read(moe_source(file, chunk_rows = 60)), d)
  expect_equal(moe(y ~ x, moe_source(file), K = 1)$n, 499)
  writeLines("y,x", file)
  expect_equal(dim(source_read(moe_source(file))), c(0L, 2L))
})

test_that("text that can't be read tells what is seen", {
  d <- mixed_rows(50)[c("y", "x")]
  file <- withr::local_tempfile(fileext = ".csv")
  utils::write.csv2(d, file, row.names = FALSE)
  expect_error(source_read(moe_source(file)), "sep = \";\".*dec = \",\"")
  utils::write.table(d, file, row.names = FALSE, sep = "\t")
  expect_error(source_read(moe_source(file), "y"), "sep = \"\\\\t\"")
  utils::write.csv(d, file, row.names = FALSE)
  lines <- readLines(file)
  lines[4] <- "1,2,3"
  writeLines(lines, file)
  expect_error(source_read(moe_source(file)), "Line 4 has 3 fields, the header line 2")
  writeLines(c("y,x,y", "1,2,3"), file)
  expect_error(source_read(moe_source(file), "y"), "\"y\" more than once")
  expect_equal(source_read(moe_source(file), "x")$x, 2)
  writeLines(lines, file)
  expect_error(source_read(moe_source(file, skip = 1)), "Line 4 has 3 fields, the header line 2")
})

test_that("Parquet files are read by row group, and several files are one source", {
  skip_if_not_installed("nanoparquet")
  d <- mixed_rows()
  folder <- withr::local_tempdir()
  nanoparquet::write_parquet(d[1:300, ], file.path(folder, "a.parquet"), row_groups = c(1L, 101L))
  nanoparquet::write_parquet(d[301:500, ], file.path(folder, "b.parquet"))
  source <- moe_source(folder, chunk_rows = 60, memory_rows = 0)
  expect_equal(source_read(source), d, ignore_attr = "row.names")
  expect_equal(source_rows(source), 500)
  expect_same_fit(source, d)
  expect_same_fit(moe_source(file.path(folder, c("a.parquet", "b.parquet"))), d)
  expect_output(print(source), "Rows: 500")
})

test_that("tables and queries of a data base are sources", {
  skip_if_not_installed("RSQLite")
  d <- mixed_rows()
  open <- sqlite_of(d)
  source <- moe_source(open, table = "rows", chunk_rows = 60, memory_rows = 0)
  expect_equal(source_read(source, c("y", "text")), d[c("y", "text")])
  expect_same_fit(source, d)
  expect_same_fit(moe_source(open, query = "SELECT * FROM rows WHERE v > 0;", chunk_rows = 60, memory_rows = 0),
    d[d$v > 0, ])
  expect_error(moe(y ~ zz, moe_source(open, table = "rows"), K = 2), "zz")
  expect_error(source_read(moe_source(open, table = "rows"), "zz"), "rows.*no column.*zz")
  expect_error(source_read(moe_source(open, table = "nowhere")), "nowhere.*refuses")
  expect_error(source_read(moe_source(open, query = "SELECT FROM")), "SELECT FROM")
  expect_error(source_read(moe_source(function() 1, table = "rows")), "not a\\s+connection")
})

test_that("functions are sources, and their chunks must agree", {
  d <- mixed_rows()
  by_chunk <- moe_source(function(i) if (i <= 5) d[(i - 1) * 100 + 1:100, ], memory_rows = 0)
  expect_equal(source_read(by_chunk), d)
  expect_same_fit(by_chunk, d)
  expect_same_fit(moe_source(function() d, chunk_rows = 33, memory_rows = 0), d)
  other <- moe_source(function(i) if (i < 3) data.frame(y = if (i == 1) 1 else "a"))
  expect_error(source_read(other), "\"y\" is text or a factor in chunk 2")
  lacks <- moe_source(function(i) if (i < 3) d[if (i == 1) c("x", "y") else "x"])
  expect_error(source_read(lacks, c("x", "y")), "chunk 2 has no column\\s+\"y\"")
  expect_error(source_read(moe_source(function(i) stop("no {luck}"))), "chunk 1 failed.*no \\{luck\\}")
  expect_error(source_read(moe_source(function() 1)), "not a data frame")
})

test_that("all families, weights, offsets and bases fit alike in chunks of any size", {
  for (family in all_families) {
    d <- two_experts(800, family)
    chunked <- function(rows) moe_source(d, chunk_rows = rows, memory_rows = 0)
    suppressWarnings({  # so few classes are separated
      expect_same_fit(chunked(50), d, y ~ x + v + g, family = family)
      expect_same_fit(chunked(101), d, y ~ x + offset(v / 10), family = family, gating = ~ x + g)
    })
  }
  d <- two_experts(4000, "gaussian")
  d <- d[order(d$g), ]  # chunks of one level
  d$g <- factor(as.character(d$g), levels = c("unused", "c", "a", "b"))
  fit <- function(data, threads) {
    set.seed(3)
    moe(log(y + 50) ~ poly(x, 2) * g + factor(w) + scale(v), data, K = 2, weights = w, subset = v < 1,
      control = moe_control(threads = threads, start_rows = 300))
  }
  whole <- fit(d, 1)
  for (rows in c(700, 5000)) for (threads in 1:2) {
    part <- fit(moe_source(d, chunk_rows = rows, memory_rows = 0), threads)
    expect_equal(coef(part), coef(whole), tolerance = 1e-8)
    expect_equal(part$schema$levels, whole$schema$levels)
    expect_equal(c(part$n, part$weight), c(whole$n, whole$weight))
  }
  expect_length(list.files(tempdir(), "[.]scratch$"), 0)
})

test_that("what chunks can't give is refused, and leaves no file behind", {
  d <- two_experts(500, "gaussian")
  source <- moe_source(d, chunk_rows = 60, memory_rows = 0)
  expect_error(moe(y ~ cut(x, 3), source, K = 2), "cut\\(x, 3\\).*chunk")
  expect_error(moe(y ~ x, source, K = 2, weights = rep(1, 500)), "weights.*columns")
  expect_error(moe(y ~ x, source, K = 2, subset = 1:10), "subset.*columns")
  expect_error(moe(y ~ x, source, K = 2, keep = TRUE), "keep")
  expect_error(moe(y ~ x, source, K = 2, start = rep(1:2, 250)), "start")
  expect_error(moe(y ~ x, source, K = 2, na.action = na.pass), "na.action")
  d$x[100] <- Inf
  expect_error(moe(y ~ x, moe_source(d, chunk_rows = 60, memory_rows = 0), K = 2), "after row 60.*\"x\"")
  d$x <- NA_real_
  expect_error(moe(y ~ x, moe_source(d, memory_rows = 0), K = 2), "No row is left")
  expect_error(moe(y ~ x, moe_source(d, memory_rows = 0, scratch = "/no/where"), K = 2))
  expect_length(list.files(tempdir(), "[.]scratch$"), 0)
})

test_that("a source whose number of rows changes between readings is named", {
  d <- two_experts(500, "gaussian")
  # Every reading begins with chunk 1; each has a row more than the one before.
  growing <- function() {
    readings <- 0
    moe_source(function(i) {
      if (i == 1) readings <<- readings + 1
      if (i <= 3) d[(i - 1) * 100 + seq_len(if (i == 3) 99 + readings else 100), ]
    }, memory_rows = 0)
  }
  expect_error(moe(y ~ poly(x, 2) + g, growing(), K = 1), "function of the number.*30[0-9] rows when.*30[0-9]\\s+now",
    class = "moe_input_error")
  expect_length(list.files(tempdir(), "[.]scratch$"), 0)
  # Rounds ask a site again and again.
  start <- moe(y ~ x, d, K = 1)
  calls <- 0
  shrinking <- moe_source(function() d[seq_len(500 - (calls <<- calls + 1)), ])
  expect_error(moe_refine(start, list(A = d, B = shrinking), 2), "\"B\".*498 rows now.*499", class = "moe_input_error")
})

test_that("sources that can't be are refused in words", {
  expect_error(moe_source(), "missing")
  expect_error(moe_source(3), "data frame, the path")
  expect_error(moe_source(character()), "paths")
  expect_error(moe_source("a.csv", table = "t"), "function")
  expect_error(moe_source("a.csv", separator = ";"), "separator")
  expect_error(moe_source("a.csv", types = "numeric"), "named")
  expect_error(moe_source(function(a, b) 1), "2 arguments")
  expect_error(moe_source(function() 1, table = "t", query = "q"), "not both")
  expect_error(moe_source(function() 1, query = NA), "query")
  expect_error(moe_source("a.csv", chunk_rows = 0), "chunk_rows")
  expect_error(moe_source("a.csv", scratch = 3), "scratch")
  expect_error(source_read(moe_source("/no/where.csv")), "no file")
  expect_output(print(moe_source("/no/where.csv")), "can't be opened here")
  folder <- withr::local_tempdir()
  expect_error(source_read(moe_source(folder)), "folder holds no file")
  file <- file.path(folder, "a.csv")
  writeLines(c("y,x", rep("1,2", guess_rows), "1,abc"), file)
  expect_error(source_read(moe_source(file)), "a.csv can't be read.*types")
  expect_equal(tail(source_read(moe_source(file, types = c(x = "character")))$x, 1), "abc")
  writeLines("x", file.path(folder, "b.parquet"))
  expect_error(source_read(moe_source(folder)), "text and Parquet")
})

test_that("sites may be sources, read whole or in chunks", {
  d <- two_experts(1500, "gaussian")
  d$text <- as.character(d$g)
  site <- rep(c("A", "B", "C"), 500)
  frames <- split(d, site)
  for (most in c(0, 1e5)) {
    sources <- lapply(frames, moe_source, chunk_rows = 70, memory_rows = most)
    sources$B <- frames$B
    fit <- function(sources, ...) {
      set.seed(1)
      moe_sites(y ~ x + v + text, sources, K = 2, weights = "w", ...)
    }
    a <- fit(frames)
    b <- fit(sources)
    expect_equal(lapply(b$models, coef), lapply(a$models, coef), tolerance = 1e-8)
    expect_equal(b$table$n, a$table$n)
    expect_equal(b$schema$variables, a$schema$variables)
    refined <- lapply(list(frames, sources), function(s) moe_refine(a$models$A, s, weights = "w"))
    expect_equal(coef(refined[[2]]), coef(refined[[1]]), tolerance = 1e-8)
    expect_equal(refined[[2]]$n, refined[[1]]$n)
    # A basis of all sites' rows comes from a start.
    expect_error(moe_sites(y ~ poly(x, 2), sources, K = 2), "poly.*start")
    start <- moe(y ~ poly(x, 2), d, K = 2)
    expect_equal(lapply(moe_sites(y ~ poly(x, 2), sources, start = start)$models, coef),
      lapply(moe_sites(y ~ poly(x, 2), frames, start = start)$models, coef), tolerance = 1e-8)
    sources$D <- moe_source("/no/where.csv")
    table <- fit(sources)$table
    expect_equal(table$status, c("fitted", "fitted", "fitted", "failed"))
    expect_match(table$message[4], "/no/where.csv")
  }
})

test_that("sources are opened by workers", {
  skip_if_not_installed("future")
  d <- two_experts(1000, "gaussian")
  folder <- withr::local_tempdir()
  files <- file.path(folder, c("a.csv", "b.csv"))
  for (i in 1:2) utils::write.csv(d[(i - 1) * 500 + 1:500, ], files[i], row.names = FALSE)
  sources <- stats::setNames(lapply(files, moe_source, chunk_rows = 90, memory_rows = 0), c("A", "B"))
  fit <- function() {
    set.seed(1)
    lapply(moe_sites(y ~ x + v, sources, K = 2)$models, coef)
  }
  here <- fit()
  old <- future::plan(future::multisession, workers = 2)
  withr::defer(future::plan(old))
  expect_equal(fit(), here)
})

test_that("a scratch file is its owner's alone, and gone after use", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  file <- new_scratch(folder)
  file$add(matrix(1, 3, 2))
  expect_identical(format(file.info(file$path)$mode), "600")
  file$close()
  expect_identical(list.files(folder), basename(file$path))
  drop_scratch(list(file = file))
  expect_length(list.files(folder), 0)
})

test_that("the core reads a scratch file in any blocks, and says where it is cut short", {
  p <- withr::with_seed(1, list(x = cbind(1, matrix(rnorm(2 * 4001), 4001)), y = rnorm(4001), w = runif(4001)))
  data <- list(x = p$x, z = p$x, y = p$y, weight = p$w, x_intercept = 1L, z_intercept = 1L)
  file <- withr::local_tempfile()
  none <- matrix(0, 0, 3)
  for (block in c(700, 1800, 5000)) {
    connection <- file(file, "wb")
    for (rows in row_blocks(4001, block)) writeBin(c(p$x[rows, ], p$y[rows], p$w[rows]), connection)
    close(connection)
    read <- list(x = none, z = none, x_intercept = 1L, z_intercept = 1L, scratch = list(path = file,
      rows = 4001, block_rows = as.integer(block), shared = TRUE, weight = TRUE, offset = FALSE,
      gate_offset = FALSE, trials = FALSE))
    for (threads in 1:2) {
      expect_equal(cpp_site_moments(read, "gaussian", threads), cpp_site_moments(data, "gaussian", threads))
    }
  }
  read$scratch$rows <- 5000
  expect_error(cpp_site_moments(read, "gaussian", 2L), "cut short")
  unlink(file)
  expect_error(cpp_site_moments(read, "gaussian", 2L), "can't be opened")
})
