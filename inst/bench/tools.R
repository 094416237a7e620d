# What the benchmarks share. Each of them begins with
#
#   source(system.file("bench/tools.R", package = "distmoe"))
#
# and takes the word `quick` (small sizes: does it run?) and then numbers that replace its sizes.

library(distmoe)
options(width = 200, warn = 1)

arguments <- commandArgs(trailingOnly = TRUE)
quick <- identical(arguments[1], "quick")
asked <- as.numeric(if (quick) arguments[-1] else arguments)

# The i-th number of the command line, else the full or the small size.
size <- function(i, full, small) {
  if (i <= length(asked)) asked[i] else if (quick) small else full
}
# All of them where the numbers are a list of sizes.
all_sizes <- function(full, small) if (length(asked)) asked else if (quick) small else full

# ---- the machine ------------------------------------------------------------------------------

first_match <- function(file, pattern) {
  lines <- tryCatch(readLines(file, warn = FALSE), error = function(e) character(),
    warning = function(w) character())
  sub(pattern, "\\1", grep(pattern, lines, value = TRUE)[1])
}

# Name and version of R's BLAS, not its path.
blas_name <- function() {
  file <- normalizePath(extSoftVersion()[["BLAS"]], mustWork = FALSE)
  if (!nzchar(file)) return("unknown (R's own, perhaps)")
  if (!grepl("openblas", file, ignore.case = TRUE)) return(paste(basename(file), "(not OpenBLAS)"))
  beside <- list.files(dirname(file), "^libopenblas.*r[0-9.]+[.]so$")
  version <- if (length(beside)) sub(".*r([0-9.]+)[.]so$", " \\1", beside[1]) else ""
  paste0("OpenBLAS", version, if (grepl("serial", file)) " (serial)")
}
has_openblas <- function() grepl("^OpenBLAS", blas_name())

machine <- function() {
  memory <- as.numeric(first_match("/proc/meminfo", "^MemTotal: *([0-9]+) kB$")) / 2^20
  system <- first_match("/etc/os-release", '^PRETTY_NAME="?([^"]*)"?$')
  c(date = format(Sys.time(), "%Y-%m-%d"),
    distmoe = format(utils::packageVersion("distmoe")),
    R = paste0(R.version$major, ".", R.version$minor),
    BLAS = blas_name(),
    instructions = as.character(moe_instructions()),
    threads = as.character(moe_threads()),
    CPU = first_match("/proc/cpuinfo", "^model name[[:space:]]*: *(.*)$"),
    cores = as.character(parallelly::availableCores("system")),
    memory = if (is.na(memory)) NA else sprintf("%.0f GB", memory),
    system = if (is.na(system)) R.version$platform else system)
}

header <- function(title) {
  cat(title, "\n", sep = "")
  m <- machine()
  m <- m[!is.na(m)]
  cat(strwrap(paste(names(m), m, sep = ": ", collapse = "; "), 100), sep = "\n")
  if (quick) cat("quick: sizes too small for the targets; shows only that the script runs\n")
  cat("\n")
  flush(stdout())
}

# ---- data -------------------------------------------------------------------------------------

# The paper's design: data frame, matrix and response of the same rows, and the true model.
paper_design <- function(n, K = 4, d = 20, seed = 1, ...) {
  sim <- moe_simulate(n, K = K, d = d, seed = seed, ...)
  list(data = sim$data, x = as.matrix(sim$data[-1]), y = sim$data$y, truth = sim$model,
    labels = sim$labels)
}

# Matrices as the core takes them.
core_design <- function(x, y) {
  list(x = x, z = x, y = y, x_intercept = 1L, z_intercept = 1L, add_intercept = TRUE)
}

# Median seconds of one pass over the rows at `model`: "em", "score" or "information".
pass_seconds <- function(design, model, threads, what = "em", passes = 3L) {
  core <- distmoe:::core_model(model)
  stats::median(distmoe:::cpp_pass(design, core, what, threads, passes)$seconds)
}

# ---- time -------------------------------------------------------------------------------------

elapsed <- function(expr) system.time(expr)[["elapsed"]]

# Medians of the seconds that each of the functions gives. They take turns, repetition by
# repetition, so that what else the machine does hits all of them alike.
take_turns <- function(tasks, repetitions = if (quick) 2 else 5) {
  seconds <- replicate(repetitions, vapply(tasks, function(task) task(), 0))
  seconds <- matrix(seconds, length(tasks), dimnames = list(names(tasks), NULL))
  apply(seconds, 1, stats::median)
}

# ---- memory -----------------------------------------------------------------------------------

# Peak memory (VmHWM, bytes) of a fresh R process that runs `code` with the package loaded. NA where
# there is no /proc.
peak_memory <- function(code) {
  script <- tempfile(fileext = ".R")
  on.exit(unlink(script))
  writeLines(c("library(distmoe)", code,
    'status <- readLines("/proc/self/status")',
    'cat("peak:", gsub("[^0-9]", "", grep("^VmHWM:", status, value = TRUE)), "\\n")'), script)
  if (!file.exists("/proc/self/status")) return(NA_real_)
  Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
  out <- system2(file.path(R.home("bin"), "Rscript"), script, stdout = TRUE)
  1024 * as.numeric(sub("^peak: *([0-9]+).*", "\\1", grep("^peak:", out, value = TRUE)))
}

# ---- tables -----------------------------------------------------------------------------------

show_table <- function(table, title = NULL, digits = 3) {
  if (!is.null(title)) cat(title, "\n", sep = "")
  # Column by column, so that small numbers do not lengthen large ones.
  table[] <- lapply(table, function(v) if (is.numeric(v)) formatC(v, digits = digits, format = "fg",
    flag = if (all(v == round(v), na.rm = TRUE)) "" else "#", big.mark = ",") else v)
  table[] <- lapply(table, function(v) sub("[.]$", "", trimws(v)))
  print(table, row.names = FALSE)
  cat("\n")
  flush(stdout())
}

# A number of rows, as text.
count <- function(n) format(n, big.mark = ",", scientific = FALSE, trim = TRUE)

# Log-likelihoods, whose last digits are what matters.
exact <- function(x) formatC(x, digits = 2, format = "f")

target <- function(what, measured, most = NULL, least = NULL, digits = 3) {
  met <- if (!is.null(most)) measured <= most else measured >= least
  cat("target: ", what, if (!is.null(most)) " <= " else " >= ", format(if (is.null(most)) least else most),
    ": measured ", format(signif(measured, digits)), ": ",
    if (is.na(met)) "not measured" else if (met) "met" else "missed", "\n", sep = "")
}

# The last line, by which `make bench` knows that a script came to its end.
finish <- function() cat("done\n")
