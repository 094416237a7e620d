# The scripts of `make lint` name what is planted. They belong to the checkout, not to the package.

scripts <- c("check-rooms.R", "check-lengths.R", "check-style.R")
scripts <- normalizePath(file.path("..", "..", "tools", scripts), mustWork = FALSE)
skip_if_not(all(file.exists(scripts)), "no checkout")

# A small checkout without faults.
write_checkout <- function(folder) {
  put <- function(name, ...) {
    dir.create(dirname(file.path(folder, name)), recursive = TRUE, showWarnings = FALSE)
    writeLines(c(...), file.path(folder, name))
  }
  put("src/core/kernels/loops.h", "#include <cstddef>")
  put("src/core/base/rows.h", "#include <Eigen/Core>", "#include \"kernels/loops.h\"")
  put("src/core/model/family.cpp", "#include \"base/rows.h\"", "auto a = FamilyKind::gaussian;")
  put("src/core/fit/fit.h", "#include \"base/rows.h\"")
  put("src/core/reduce/reduce.cpp", "#include \"base/rows.h\"")
  put("src/door.cpp", "#include <Rcpp.h>", "#include \"core/fit/fit.h\"")
  objects <- "OBJECTS = door.o core/model/family.o core/reduce/reduce.o"
  put("src/Makevars", objects)
  put("src/Makevars.win", objects)
  put("R/a.R", "one <- function() 1")
  put("R/b.R", "two <- function() one() + 1")
  settings <- c(".lintr", ".clang-format")
  file.copy(file.path(dirname(dirname(scripts[3])), settings), file.path(folder, settings))
}

# What a script says of a checkout with one line planted in a file, and whether it fails.
lint_with <- function(script, name = NULL, line = NULL) {
  folder <- withr::local_tempdir()
  write_checkout(folder)
  if (!is.null(name)) {
    file <- file.path(folder, name)
    dir.create(dirname(file), showWarnings = FALSE)
    cat(line, file = file, sep = "\n", append = TRUE)
  }
  said <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), shQuote(c(script, folder)), stdout = TRUE))
  list(said = said, failed = !is.null(attr(said, "status")))
}

test_that("a checkout without faults passes", {
  for (script in if (nzchar(system.file(package = "lintr"))) scripts else scripts[1:2]) {
    got <- lint_with(script)
    expect_false(got$failed, info = paste(got$said, collapse = "\n"))
    expect_length(got$said, 1)
  }
})

test_that("what a room of the core may not include is named", {
  planted <- list(
    c("src/core/reduce/reduce.cpp", "#include \"fit/fit.h\"", "reduce.cpp:2: reduce may not include fit"),
    c("src/core/fit/fit.h", "#include \"reduce/plan.h\"", "fit.h:2: there is no"),
    c("src/core/kernels/loops.h", "# include \"base/rows.h\"", "loops.h:2: kernels may not include base"),
    c("src/core/base/rows.h", "#include \"../fit/fit.h\"", "rows.h:3: a header is named with its room"),
    c("src/core/base/rows.h", "#include \"rows.h\"", "rows.h:3: a header is named with its room"),
    c("src/core/base/rows.h", "#include <Rcpp.h>", "rows.h:3: the core knows Eigen"),
    c("src/core/fit/fit.h", "#include <R_ext/Random.h>", "fit.h:2: the core knows Eigen"),
    c("src/core/fit/fit.h", "inline int u() { return Rf_length(nullptr); }", "fit.h:2: the core knows nothing"),
    c("src/core/fit/fit.h", "bool b = kind == FamilyKind::poisson;", "fit.h:2: which family"),
    c("src/door.cpp", "bool b = kind == FamilyKind::poisson;", "door.cpp:3: which family"),
    c("src/core/other.h", "", "other.h:1: not in one of the rooms"),
    c("src/core/fit/new.cpp", "", "core/fit/new.o is not listed"),
    c("src/Makevars.win", "PKG_LIBS = -lm", "Makevars.win:1: differs")
  )
  for (p in planted) {
    got <- lint_with(scripts[1], p[1], p[2])
    expect_true(got$failed, info = p[2])
    expect_match(paste(got$said, collapse = "\n"), p[3], fixed = TRUE)
  }
})

test_that("what is written in another hand is named", {
  skip_if_not_installed("lintr")
  planted <- list(
    list("R/a.R", "three = 3", "R/a.R:2: .*\\[assignment_linter\\]"),
    list("R/a.R", "three <- 1+2", "R/a.R:2: .*\\[infix_spaces_linter\\]"),
    list("tests/a.R", "three <- c(1,2)", "tests/a.R:1: .*\\[commas_linter\\]"),
    list("R/b.R", "three <- function(x) sapply(x, one)", "R/b.R:2: .*sapply.*\\[undesirable_function_linter\\]"),
    list("R/b.R", "three <- function(x) {", "R/b.R:2: .*\\[error\\]"),
    list("src/core/fit/fit.h", "inline int one( ) { return 1; }", "src/core/fit/fit.h:2: not as .clang-format has it"),
    list("src/door.cpp", "  int two;", "src/door.cpp:3: not as .clang-format has it"),
    list("src/door.cpp", "int *two;", "src/door.cpp:3: not as .clang-format has it")
  )
  for (p in planted) {
    got <- lint_with(scripts[3], p[[1]], p[[2]])
    said <- paste(got$said, collapse = "\n")
    if (startsWith(p[[1]], "src/") && grepl("those of C++ not checked", said, fixed = TRUE)) next
    expect_true(got$failed, info = p[[2]])
    expect_match(said, p[[3]])
  }
  # What is without fault once is looked at again when it has changed.
  folder <- withr::local_tempdir()
  write_checkout(folder)
  run <- function() {
    out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), shQuote(c(scripts[3], folder)), stdout = TRUE))
    !is.null(attr(out, "status"))
  }
  expect_false(run())
  expect_false(run())
  cat("three = 3\n", file = file.path(folder, "R/a.R"), append = TRUE)
  expect_true(run())
  expect_true(run())
})

test_that("what is too long, or goes in too large a circle, is named", {
  long <- paste("#", strrep("long", 40))
  planted <- list(
    list("R/a.R", long, "a.R:2: a line of 162 characters"),
    list("src/door.cpp", sub("#", "//", long), "door.cpp:3: a line of"),
    list("R/a.R", rep("# a", 500), "a.R:1: a file of 501 lines"),
    list("src/core/fit/fit.h", rep("// a", 300), "fit.h:1: a file of 301 lines"),
    list("R/a.R", c("long <- function() {", rep("  1", 59), "}"), "a.R:2: long() has 61 lines")
  )
  for (p in planted) {
    got <- lint_with(scripts[2], p[[1]], p[[2]])
    expect_true(got$failed, info = p[[3]])
    expect_match(paste(got$said, collapse = "\n"), p[[3]], fixed = TRUE)
  }
})

test_that("a circle of files is found, and named where it is too large", {
  folder <- withr::local_tempdir()
  write_checkout(folder)
  run <- function() {
    suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), shQuote(c(scripts[2], folder)), stdout = TRUE))
  }
  most <- as.integer(sub(".*circle = ([0-9]+),.*", "\\1", grep("circle = ", readLines(scripts[2]), value = TRUE)))
  # Each uses the next, the last one the first: `size` files.
  ring <- function(size) {
    for (i in seq_len(size)) {
      writeLines(sprintf("f%d <- function() f%d()", i, i %% size + 1), sprintf("%s/R/ring-%d.R", folder, i))
    }
  }
  ring(most)
  said <- run()
  expect_null(attr(said, "status"))
  expect_length(said, 1)
  ring(most + 1)
  said <- run()
  expect_equal(attr(said, "status"), 1)
  expect_match(said[1], paste(most + 1, "files use one another in a circle"))
})
