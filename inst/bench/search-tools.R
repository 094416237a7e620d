# What search.R and search-best.R share: the command line, the cases, the rule for degenerate ends, and
# CSVs to which runs add. Sourced by them; needs the package installed.

# ---- command line: words and name=value -------------------------------------------------------

words <- commandArgs(trailingOnly = TRUE)
option <- function(name, default) {
  found <- grep(paste0("^", name, "="), words, value = TRUE)
  if (length(found)) sub("^[^=]*=", "", found[1]) else default
}

# The folder of the script that runs, where the list of cases and the results are: in the sources or in
# the installed package.
script_folder <- function() {
  file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
  if (is.na(file)) system.file("bench", package = "distmoe") else dirname(normalizePath(file))
}
here <- script_folder()
# Reads its own numbers from the command line, hence the warnings.
suppressWarnings(source(file.path(here, "tools.R")))
quick <- "quick" %in% words
results <- option("results", file.path(here, "results"))
dir.create(results, FALSE, TRUE)

# ---- cases ------------------------------------------------------------------------------------

# Those of search-cases.R, or of another list (`list=FILE`, which defines search_cases() anew), whose
# names match `cases=`. A case whose data can't be had is left out with a word.
source(file.path(here, "search-cases.R"))
if (nzchar(option("list", ""))) source(option("list", ""))

wanted_cases <- function(pattern = option("cases", "."), most = Inf) {
  cases <- search_cases()
  names(cases) <- vapply(cases, `[[`, "", "name")
  cases <- cases[grepl(pattern, names(cases))]
  packages <- vapply(cases, `[[`, "", "package")
  for (package in unique(packages)) {
    if (requireNamespace(package, quietly = TRUE)) next
    cat("left out, as package ", package, " is not installed: ",
      paste(names(cases)[packages == package], collapse = ", "), "\n", sep = "")
    cases <- cases[packages != package]
    packages <- packages[packages != package]
  }
  cases <- lapply(cases, function(case) {
    case$rows <- case$data()
    case$n <- nrow(case$rows)
    case
  })
  cases[vapply(cases, `[[`, 0L, "n") <= as.numeric(option("rows", most))]
}

family_of <- function(name) {
  switch(name, gaussian = stats::gaussian(), poisson = stats::poisson(), binomial = stats::binomial(),
    multinomial = multinomial())
}

# The fit of a case, or NULL where it stops.
fit_case <- function(case, control, start = NULL, K = case$K, keep = FALSE) {
  tryCatch(suppressWarnings(moe(case$formula, case$rows, K = K, family = family_of(case$family),
    gating = case$gating, start = start, control = control, keep = keep)), error = function(e) NULL)
}

# ---- degenerate ends --------------------------------------------------------------------------

# The rule, for any program's fit. An end is degenerate if an expert
# * has responsibilities that sum to no more than its number of parameters and one, or
# * has a standard deviation under a twentieth of the largest expert's and under five rows a parameter, or
# * under a fifth of it and under three rows a parameter, or
# * has one under a hundredth of the largest expert's, whatever its rows (tied values of y).
# A small spread by itself is none: the rows of tonedata on their line (one 48th of the other's, 56 rows) and
# the standstill before the crash of mcycle (one 26th, 24 rows) are what there is to find.
degenerate <- function(sizes, parameters, sd = NULL) {
  if (anyNA(sizes) || anyNA(sd)) return(TRUE)
  if (any(sizes <= parameters + 1)) return(TRUE)
  if (length(sd) < 2) return(FALSE)
  any(sd < max(sd) / 20 & sizes < 5 * parameters | sd < max(sd) / 5 & sizes < 3 * parameters) ||
    min(sd) < max(sd) / 100
}

# The same for a model of moe(), which may also have lost an expert or, where that counts, not have converged.
degenerate_moe <- function(model, converged = TRUE) {
  r <- model$record
  if (converged && !r$converged || any(r$empty) || any(r$at_floor)) return(TRUE)
  gaussian <- model$family$family == "gaussian"
  parameters <- length(model$parameters$beta) / model$K + gaussian
  degenerate(model$share * model$weight, parameters, if (gaussian) sqrt(model$parameters$dispersion))
}

# ---- results ----------------------------------------------------------------------------------

read_results <- function(file) {
  if (file.exists(file)) utils::read.csv(file, stringsAsFactors = FALSE, check.names = FALSE)
}

# Whole or not at all, so that a run that is stopped leaves the file as it was.
write_results <- function(table, file) {
  part <- paste0(file, ".part")
  utils::write.csv(table, part, row.names = FALSE)
  file.rename(part, file)
}

add_results <- function(rows, file) {
  there <- file.exists(file)
  utils::write.table(rows, file, sep = ",", row.names = FALSE, col.names = !there, append = there,
    qmethod = "double")
}

# Version and time of installation: between releases the version alone does not tell one state of the code
# from another.
version_used <- function() {
  built <- strsplit(utils::packageDescription("distmoe")$Built, "; ")[[1]][3]
  option("version", paste0(format(utils::packageVersion("distmoe")), " of ", substr(built, 1, 16)))
}

# Rows in the order of the list of cases.
in_order <- function(table) {
  table[order(match(table$case, vapply(search_cases(), `[[`, "", "name"))), ]
}
