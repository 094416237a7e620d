# A fit to rows that are not held in memory: Parquet files, read chunk by chunk, against data frames.
#
#   Rscript out-of-core.R [quick] [rows, 2e7] [rows of a file, 1e6] [rows of the comparison, 1e6]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 2e7, 6e5)
piece <- size(2, 1e6, 1e5)
subset <- size(3, 1e6, 3e5)
header(paste0("out-of-core: ", count(n), " rows in Parquet files of ", count(piece), ", K = 4, d = 20"))
if (!requireNamespace("nanoparquet", quietly = TRUE)) stop("the benchmark needs package nanoparquet")

# One model and one set of centres, rows drawn anew for every file.
folder <- tempfile("rows")
dir.create(folder)
files <- file.path(folder, sprintf("part-%03d.parquet", seq_len(n / piece)))
model <- moe_simulate(1e4, K = 4, d = 20, seed = 1)$model
set.seed(1)
centre <- matrix(sample(-5:5, 4 * 20, replace = TRUE), 4)  # the first draws of moe_simulate(seed = 1)
root <- chol(0.25^abs(outer(1:20, 1:20, "-")))
set.seed(2)
for (file in files) {
  x <- matrix(rnorm(piece * 20), piece) %*% root + centre[sample(rep_len(1:4, piece)), ]
  rows <- data.frame(y = 0, x)
  names(rows)[-1] <- paste0("x", 1:20)
  rows$y <- simulate(model, newdata = rows)[[1]]
  nanoparquet::write_parquet(rows, file, row_groups = seq(1L, as.integer(piece), by = 100000L))
}
rm(rows, x)
invisible(gc())
cat("Files: ", round(sum(file.size(files)) / 2^30, 2), " GiB\n", sep = "")

# Seconds and peak memory of a fit in a fresh process, and the coefficients.
run <- function(code) {
  out <- tempfile(fileext = ".json")
  on.exit(unlink(out))
  peak <- peak_memory(c(code, "set.seed(1)",
    "seconds <- system.time(fit <- moe(y ~ ., d, K = 4, keep = FALSE))[[3]]",
    sprintf("jsonlite::write_json(list(seconds = seconds, coef = unname(coef(fit)), n = fit$n,
      steps = c(fit$record$em_iterations, fit$record$newton_iterations)), %s, digits = NA)", deparse(out))))
  c(jsonlite::read_json(out, simplifyVector = TRUE), list(peak = peak))
}
some <- files[seq_len(max(1, subset / piece))]
paths <- function(files) paste(deparse(files), collapse = " ")
in_memory <- sprintf("d <- do.call(rbind, lapply(%s, function(f)
  as.data.frame(nanoparquet::read_parquet(f))))", paths(some))
streamed <- function(files) sprintf("d <- moe_source(%s)", paths(files))
runs <- list("data frame" = run(in_memory), "streamed" = run(streamed(some)),
  "streamed, all rows" = run(streamed(files)),
  "data frame, again" = run(in_memory))
table <- data.frame(rows = vapply(runs, function(r) as.numeric(r$n), 0),
  seconds = vapply(runs, function(r) r$seconds, 0),
  "us a row" = vapply(runs, function(r) 1e6 * r$seconds / r$n, 0),
  "peak GiB" = vapply(runs, function(r) r$peak / 2^30, 0),
  EM = vapply(runs, function(r) as.numeric(r$steps[1]), 0),
  Newton = vapply(runs, function(r) as.numeric(r$steps[2]), 0), check.names = FALSE)
show_table(cbind(fit = names(runs), table),
  "Fits in fresh processes; seconds of moe() alone, reading included where streamed")
unlink(folder, recursive = TRUE)
target("peak GiB of the fit to all rows", table[3, "peak GiB"], most = 1.5)
target("time per row, all rows streamed, over a data frame's (the faster run)",
  table[3, "us a row"] / min(table[c(1, 4), "us a row"]), most = 4)
target("largest difference of coefficients, streamed and data frame",
  max(abs(runs[[1]]$coef - runs[[2]]$coef)), most = 1e-8)
finish()
