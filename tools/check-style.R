#!/usr/bin/env Rscript
# The hand that R code (by lintr, see .lintr) and C++ code (by clang-format, see .clang-format) are written in:
# names every fault, exit status 1 if there is one. `Rscript tools/check-style.R [root of the checkout]`.
# Versions of clang-format differ in what they make of the same settings: it must be of the one below. What is not
# checked because lintr or clang-format is not there, the last line says.

clang_format_version <- 14

root <- commandArgs(TRUE)
root <- normalizePath(if (length(root)) root[1] else ".")
setwd(root)

faults <- character()
fault <- function(file, line, ...) faults <<- c(faults, paste0(file, ":", line, ": ", ...))

files_of <- function(folders, pattern) {
  files <- list.files(folders[dir.exists(folders)], pattern, recursive = TRUE, full.names = TRUE)
  files[!grepl("RcppExports[.](R|cpp)$", files)]
}

# ---- R ---------------------------------------------------------------------

has_lintr <- requireNamespace("lintr", quietly = TRUE)
r_files <- if (has_lintr) files_of(c("R", "inst", "tests", "tools"), "[.]R$")
# lintr takes its time: files that were without fault are not looked at again until they, the settings or lintr
# change.
kept <- file.path("_build", "lint-passed")
state <- if (has_lintr) paste(tools::md5sum(r_files), tools::md5sum(".lintr"), utils::packageVersion("lintr"))
passed <- state %in% if (file.exists(kept)) readLines(kept)
# Tests plant faults in one line, function(t) { t$field <- 1; t }, and let results be of any shape.
lint_one <- function(file) {
  found <- lintr::lint(file)
  by <- vapply(found, `[[`, "", "linter")
  found[!(startsWith(file, "tests/") & by %in% c("semicolon_linter", "undesirable_function_linter"))]
}
lints <- parallel::mclapply(r_files[!passed], lint_one,
  mc.cores = if (.Platform$OS.type == "unix") 2 else 1)
if (any(vapply(lints, inherits, NA, "try-error"))) stop("lintr does not run: ", unlist(lints)[1])
for (found in unlist(lints, recursive = FALSE)) {
  file <- substring(found$filename, nchar(root) + 2)
  fault(file, found$line_number, found$message, " [", found$linter, "]")
}
passed[!passed] <- lengths(lints) == 0
if (has_lintr) {
  dir.create(dirname(kept), showWarnings = FALSE)
  writeLines(state[passed], kept)
}

# ---- C++ -------------------------------------------------------------------

# The program of the right version, or "".
find_clang_format <- function() {
  for (name in c(paste0("clang-format-", clang_format_version), "clang-format")) {
    program <- Sys.which(name)
    if (program == "") next
    version <- sub(".*version ([0-9]+).*", "\\1", system2(program, "--version", stdout = TRUE)[1])
    if (version == clang_format_version) return(program)
  }
  ""
}

clang_format <- find_clang_format()
cpp_files <- if (nzchar(clang_format)) files_of("src", "[.](cpp|h)$")
for (file in cpp_files) {
  written <- readLines(file, warn = FALSE)
  formatted <- system2(clang_format, c("--style=file", shQuote(file)), stdout = TRUE)
  if (!is.null(attr(formatted, "status"))) stop("clang-format does not run on ", file)
  if (identical(written, as.vector(formatted))) next
  both <- seq_len(min(length(written), length(formatted)))
  line <- c(both[written[both] != formatted[both]], length(both) + 1)[1]
  fault(file, line, "not as .clang-format has it; ", basename(clang_format), " -i ", file,
        " mends it. It begins:\n    ", formatted[line])
}

if (length(faults)) writeLines(faults)
checked <- c(
  if (has_lintr) paste(length(r_files), "files of R") else "those of R not checked (no lintr)",
  if (nzchar(clang_format)) paste(length(cpp_files), "of C++") else
    paste("those of C++ not checked (no clang-format", paste0(clang_format_version, ")"))
)
cat(paste0(checked, ", "), length(faults), " faults\n", sep = "")
quit(save = "no", status = as.integer(length(faults) > 0))
