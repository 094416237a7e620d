# Runs all tests on the installed package. The last line of output is the
# outcome, in expectations: "N passed, N failed" (and ", N skipped" if any).
# Called by `make test`, from the root of the checkout. Words on the command line are patterns: only test files
# whose names match one of them are run.

outcome <- function(passed, failed, skipped = 0) {
  cat("\n", passed, " passed, ", failed, " failed",
      if (skipped > 0) paste0(", ", skipped, " skipped"), "\n", sep = "")
  quit(save = "no", status = as.integer(failed > 0))
}

# These tests are run for the package's developers, so do not leave out those
# that are too slow for CRAN.
if (Sys.getenv("NOT_CRAN") == "") Sys.setenv(NOT_CRAN = "true")

# DISTMOE_THREADS (and DISTMOE_INSTRUCTIONS, which the package itself reads): `make test-paths`.
if (nzchar(Sys.getenv("DISTMOE_THREADS"))) {
  options(distmoe.threads = as.integer(Sys.getenv("DISTMOE_THREADS")))
}

package <- read.dcf("DESCRIPTION", "Package")[[1]]

results <- tryCatch({
  cat("Testing ", package, " ", format(packageVersion(package)), " in ",
      dirname(find.package(package)), "\n", sep = "")
  words <- commandArgs(TRUE)
  testthat::test_dir(
    "tests/testthat",
    filter = if (length(words)) paste(words, collapse = "|"),
    package = package,
    load_package = "installed",
    # Shows all failures, unexpected warnings and reasons of skips in full.
    reporter = testthat::SummaryReporter$new(max_reports = Inf, show_praise = FALSE),
    stop_on_failure = FALSE
  )
}, error = function(e) {
  # Not a failing test, but no tests at all: a helper file does not run, say.
  message("The tests could not be run: ", conditionMessage(e))
  outcome(0, 1)
})

classes <- unlist(lapply(results, function(test) {
  vapply(test$results, function(x) class(x)[1], "")
}))
outcome(
  passed = sum(classes == "expectation_success"),
  failed = sum(classes %in% c("expectation_failure", "expectation_error")),
  skipped = sum(classes == "expectation_skip")
)
