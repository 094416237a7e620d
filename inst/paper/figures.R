# Draws the figures from the stored CSVs, as PNG.
#
#   Rscript figures.R [results=FOLDER] [out=FOLDER]
#
# simulate-<N>-<protocol>.png: the paper's Figures 1 (N = 1,000,000), 3 (100,000) and 4 (500,000);
# sizes-<protocol>.png: Figure 2 (the largest M, all N); classify-<N>-<protocol>.png; objective.png: Figure 5;
# leak.png. What has no CSV yet is left out.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
words <- commandArgs(trailingOnly = TRUE)
option <- function(name, default) {
  found <- grep(paste0("^", name, "="), words, value = TRUE)
  if (length(found)) sub("^[^=]*=", "", found[1]) else default
}
source(file.path(here, "plots.R"))
folder <- option("results", file.path(here, "results"))
out <- option("out", file.path("_build", "paper"))
dir.create(out, FALSE, TRUE)

read_all <- function(name) {
  files <- results_files(folder, paste0(name, "-[0-9]+"))
  if (!length(files)) return(NULL)
  all <- do.call(rbind, lapply(files, utils::read.csv, stringsAsFactors = FALSE))
  all$error[is.na(all$error)] <- ""
  all[order(all$N), ]
}
picture <- function(name, width, height, expr) {
  file <- file.path(out, paste0(name, ".png"))
  grDevices::png(file, width, height, "in", res = 110)
  on.exit(grDevices::dev.off())
  force(expr)
  cat(file, "\n")
}

sets <- list(simulate = panels, classify = class_panels)
for (name in names(sets)) {
  results <- read_all(name)
  if (is.null(results)) next
  for (protocol in names(protocols)) {
    for (N in unique(results$N)) {
      what <- paste0(if (name == "classify") "Logistic experts, ", "N = ", big(N))
      picture(paste0(name, "-", format(N, scientific = FALSE), "-", protocol), 12, 7.4,
        plot_results(results[results$N == N, ], protocol, "M", what, sets[[name]]))
    }
    if (name == "classify") next
    most <- max(results$M)
    at_most <- results[results$M == most | results$protocol == "all", ]
    picture(paste0("sizes-", protocol), 12, 7.4,
      plot_results(at_most, protocol, "N", paste0("M = ", most, ", all N"), panels))
  }
}
one <- function(name) {
  file <- results_files(folder, name)
  if (length(file)) utils::read.csv(file, stringsAsFactors = FALSE)
}
if (!is.null(trace <- one("mm"))) picture("objective", 12, 4.6, plot_objective(trace))
if (!is.null(curves <- one("leak-curves"))) picture("leak", 8, 5.8, plot_leak(curves, one("leak-numbers")))
cat("done\n")
