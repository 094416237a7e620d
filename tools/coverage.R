#!/usr/bin/env Rscript
# How many lines of R/ and of src/core the tests run (covr). `Rscript tools/coverage.R FOLDER [patterns of test
# files]`, from the root of the checkout; FOLDER: a copy of the package, which is compiled anew, and where the
# figures are kept beside it (coverage.rds). Exit status 1 if there are failing tests or fewer lines than `least`.

least <- 95  # per cent, of R/ and of src/core

# What the tests of one machine cannot run, and why.
left_out <- c(
  "R/RcppExports.R" = "written by Rcpp",
  "src/RcppExports.cpp" = "written by Rcpp"
)

words <- commandArgs(TRUE)
package <- normalizePath(words[1])
kept <- dirname(package)

# covr's own -O0 would make Eigen 20 times slower.
flags <- "-O1 -g0 --coverage"
options(covr.flags = c(CXXFLAGS = flags, CXX11FLAGS = flags, CXX14FLAGS = flags, CXX17FLAGS = flags,
  LDFLAGS = "--coverage"))
Sys.setenv(DISTMOE_SLOW_BUILD = "coverage")
names <- sub("^test-(.*)[.]R$", "\\1", list.files("tests/testthat", "^test-.*[.]R$"))
if (length(words) > 1) names <- grep(paste(words[-1], collapse = "|"), names, value = TRUE)
# Two processes, one for each core of a small machine.
halves <- split(shQuote(paste0("^", names, "$")), seq_along(names) %% 2)
logs <- file.path(kept, paste0("tests-", seq_along(halves), ".log"))
commands <- paste("Rscript tools/run-tests.R", vapply(halves, paste, "", collapse = " "), ">", shQuote(logs), "2>&1 &")
code <- paste0("setwd(", deparse1(getwd()), "); system(", deparse1(paste(c(commands, "wait"), collapse = "\n")), ")")
found <- covr::package_coverage(package, type = "none", code = code, quiet = FALSE)
saveRDS(found, file.path(kept, "coverage.rds"))

# A line of a header stands there once for each file that includes it, and runs if it does so in one of them.
lines <- covr::tally_coverage(found, by = "line")
lines <- stats::aggregate(value ~ filename + line, lines, max)
lines <- lines[!lines$filename %in% names(left_out), ]
lines$part <- ifelse(startsWith(lines$filename, "R/"), "R",
  ifelse(startsWith(lines$filename, "src/core/"), "core", "doors"))

share <- function(value) 100 * mean(value > 0)
# Numbers as "3-5, 9".
ranges <- function(x) {
  x <- sort(x)
  run <- cumsum(c(TRUE, diff(x) > 1))
  paste(tapply(x, run, function(r) paste(unique(range(r)), collapse = "-")), collapse = ", ")
}

for (file in unique(lines$filename)) {
  mine <- lines[lines$filename == file, ]
  if (share(mine$value) >= least) next
  cat(sprintf("%-40s %5.1f %%  not run: %s\n", file, share(mine$value), ranges(mine$line[mine$value == 0])))
}
cat("Left out:", paste0(names(left_out), " (", left_out, ")", collapse = ", "), "\n")
total <- tapply(lines$value, lines$part, share)
for (part in names(total)) {
  cat(sprintf("%-6s %5.1f %% of %d lines\n", part, total[[part]], sum(lines$part == part)))
}
outcome <- vapply(logs, function(log) utils::tail(readLines(log, warn = FALSE), 1), "")
cat("Tests:", paste(outcome, collapse = "; "), "\n")
bad <- !all(grepl(" passed, 0 failed", outcome)) || any(total[c("R", "core")] < least)
quit(save = "no", status = as.integer(bad))
