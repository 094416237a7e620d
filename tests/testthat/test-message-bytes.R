# Reading takes time that grows with the bytes at most in proportion, whatever they are, and only plain files are
# opened.

# What is wrong with a file of such text, and that it was found fast.
fault_of <- function(text, file, seconds = 2 * times_slower) {
  writeLines(text, file, useBytes = TRUE)
  took <- sum(system.time(found <- try_message(file, 5e7), gcFirst = FALSE)[1:2])
  expect_lt(took, seconds)
  expect_true(nzchar(found$field) && nzchar(found$reason))
  paste(found$field, found$reason)
}

test_that("bytes of any kind are refused in linear time", {
  file <- withr::local_tempfile(fileext = ".json")
  n <- 1e7 / times_slower
  expect_match(fault_of(paste0("[", strrep("\"\\", n / 2), "]"), file), "not JSON")
  expect_match(fault_of(strrep("\"", n + 1), file), "not JSON")
  expect_match(fault_of(strrep("\\", n), file), "not JSON")
  expect_match(fault_of(strrep("\\\"", n / 2), file), "not JSON")
  expect_match(fault_of(strrep("\"a\" ", n / 4), file), "not JSON")
  # With a last bracket too many: the limits hold however many escapes there are.
  escapes <- paste0("\"", strrep("\\\\", n / 2), "\"")
  expect_match(fault_of(paste0("{\"a\":", escapes, "}"), file), "schema")
  expect_match(fault_of(paste0("{\"a\":", escapes, ",\"b\":", strrep("[", 1e5), strrep("]", 1e5), "}"), file), "deeper")
  expect_match(fault_of(paste0("{\"a\":", strrep("\"[\",", n / 10), "1}"), file), "\\(file\\)")
  for (piece in c(" ", "x", "1", "[", "{", "]", "{}", "[],", "{\"a\":", "\\u0041", "\u00e9",
    "/*", "//\n", "-", "1e9,", ":")) {
    for (before in c("", "{\"schema\":\"", "{\"schema\":[")) {
      fault_of(paste0(before, strrep(piece, n %/% nchar(piece, "bytes"))), file)
    }
  }
})

test_that("no comment hides brackets from the limits", {
  file <- withr::local_tempfile(fileext = ".json")
  deep <- paste0(strrep("[", 1e5), strrep("]", 1e5))
  expect_match(fault_of(paste0("{/*\"*/\"a\":", deep, "/*\"*/}"), file), "not JSON")
  expect_match(fault_of(paste0("{//\"\n\"a\":", deep, "//\"\n}"), file), "not JSON")
})

test_that("strings that share a hash are refused", {
  file <- withr::local_tempfile(fileext = ".json")
  # "Ez" and "FY" have one hash of the kind that R uses, and so have all words made of them.
  words <- do.call(paste0, expand.grid(rep(list(c("Ez", "FY")), 16)))
  text <- paste0("\"", words, "\"", collapse = ",")
  expect_match(fault_of(paste0("[", text, "]"), file), "keep the reader busy")
  escaped <- gsub("E", "\\u0045", text, fixed = TRUE)
  expect_match(fault_of(paste0("[", escaped, "]"), file), "keep the reader busy")
  # So have a tab with k and a line feed with J: what counts is what an escape means.
  for (pair in list(c("\\tk", "\\nJ"), c("\\bk", "\\tJ"), c("\\fk", "\\rJ"))) {
    words <- do.call(paste0, expand.grid(rep(list(pair), 12)))
    text <- paste0("\"", words, "\"", collapse = ",")
    expect_match(fault_of(paste0("[", text, "]"), file), "keep the reader busy")
  }
  # Many honest ones are none.
  honest <- paste0("\"level ", seq_len(3e5 / times_slower), "\"", collapse = ",")
  expect_match(fault_of(paste0("[", honest, "]"), file), "no JSON object")
})

test_that("values without end under a right checksum are refused fast", {
  skip_if(times_slower > 1, "arrays of jsonlite grow value by value, each time a copy under a sanitizer")
  withr::local_seed(1)
  d <- data.frame(x = stats::rnorm(300))
  d$y <- d$x + stats::rnorm(300)
  tree <- message_of(moe_sites(y ~ x, list(A = d), K = 1, information = TRUE, share = c("x", "moments"))$models$A)
  file <- withr::local_tempfile(fileext = ".json")
  put <- function(at, text) {
    parts <- json_parts(tree_set(tree, at, "@")[setdiff(names(tree), "checksum")])
    parts <- sub("\"@\"", text, parts, fixed = TRUE)
    names <- c(setdiff(names(tree), "checksum"), "checksum")
    parts <- c(parts, json_text(checksum_of(names[-length(names)], parts)))
    fault_of(json_object(names, parts), file)
  }
  many <- function(piece, n) paste0("[", paste(rep(piece, n), collapse = ","), "]")
  for (at in list("log_lik", c("record", "steps"), c("information", "curvature"), c("design", "formula", "experts"),
    c("design", "levels"), c("design", "bases"), c("shared", "x", "mean"))) {
    expect_match(put(at, many("1", 3e6)), at[1])
    expect_match(put(at, many("\"\"", 2e6)), at[1])
    expect_match(put(at, paste0("{", paste0("\"", 1:5e5, "\":[]", collapse = ","), "}")), at[1])
  }
  words <- function(of) paste0("{\"name\":\"", of, seq_len(4000), "\"}", collapse = ",")
  sums <- paste0("[\"+\",", vapply(letters, words, ""), "]", collapse = ",")
  for (f in c("I", "+", "-", ":", "c")) {
    tree_text <- paste0("[\"", f, "\",{\"name\":\"x\"},[\"+\",", sums, "]]")
    expect_match(put(c("design", "formula", "experts"), tree_text), "formula")
  }
  # What is taken away counts too.
  expect_identical(count_terms(quote(a - (b + c * d))), 5)
})

test_that("files that are not plain are refused unopened", {
  skip_on_os("windows")
  folder <- withr::local_tempdir()
  expect_identical(system2("mkfifo", shQuote(file.path(folder, "pipe.json"))), 0L)
  file.symlink(file.path(folder, "pipe.json"), file.path(folder, "link.json"))
  file.symlink("/dev/zero", file.path(folder, "zero.json"))
  file.symlink(file.path(folder, "nothing"), file.path(folder, "gone.json"))
  dir.create(file.path(folder, "folder.json"))
  file.create(file.path(folder, "empty.json"))
  withr::local_seed(1)
  d <- data.frame(x = stats::rnorm(100), y = stats::rnorm(100))
  write_moe(moe(y ~ x, d, K = 1), file.path(folder, "A.json"))
  # In a process of its own, which ends where it blocks.
  code <- paste0(".libPaths(", deparse1(.libPaths()), "); t <- distmoe::read_moe(", deparse(folder), ")$table; ",
    "cat(t$site[t$status == 'fitted'], sum(t$status == 'refused'))")
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE,
    stderr = FALSE, timeout = 30))
  expect_identical(out, "A 6")
})
