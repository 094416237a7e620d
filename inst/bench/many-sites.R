# Aggregation of many sites: seconds, milliseconds a site, and the peak memory of the whole process.
#
#   Rscript many-sites.R [sites, 1000] [more sites, 10000] [points, 5000] [points with site weights, 20000]
#
# The sites' models (K = 4, d = 20) are simulated: a true model's parameters with noise. Every case
# runs in a process of its own.

arguments <- commandArgs(trailingOnly = TRUE)

peak_memory <- function() {  # MiB; NA where the system does not tell
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(),
    warning = function(w) character())
  line <- grep("^VmHWM", status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else NA
}

one_case <- function(sites, points, weights) {
  library(distmoe)
  sim <- moe_simulate(points, K = 4, d = 20, seed = 1)
  set.seed(1)
  noisy <- function(model) {
    p <- model$parameters
    p$beta[] <- p$beta + 0.05 * rnorm(length(p$beta))
    p$alpha[] <- p$alpha + 0.05 * rnorm(length(p$alpha))
    p$dispersion[] <- p$dispersion * exp(0.05 * rnorm(4))
    model$parameters <- p
    model
  }
  models <- lapply(seq_len(sites), function(m) noisy(sim$model))
  names(models) <- sprintf("site%05d", seq_len(sites))
  support <- if (weights == "site") {
    moe_support(sim$data, site = rep_len(names(models), points))
  } else {
    moe_support(sim$data)
  }
  seconds <- system.time(fit <- moe_aggregate(models, support, K = 4, weights = weights))[[3]]
  cat("RESULT", seconds, peak_memory(), tail(fit$aggregation$objective, 1), "\n")
}

if (length(arguments) == 4 && arguments[1] == "case") {
  one_case(as.numeric(arguments[2]), as.numeric(arguments[3]), arguments[4])
  quit("no")
}

sizes <- c(1000, 10000, 5000, 20000)
sizes[seq_along(arguments)] <- as.numeric(arguments)
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))

cases <- data.frame(sites = sizes[c(1, 2, 1, 2)], points = sizes[c(3, 3, 4, 4)],
  weights = c("size", "size", "site", "site"))
results <- lapply(seq_len(nrow(cases)), function(i) {
  out <- system2(file.path(R.home("bin"), "Rscript"),
    c(shQuote(file), "case", format(cases$sites[i], scientific = FALSE),
      format(cases$points[i], scientific = FALSE), cases$weights[i]), stdout = TRUE)
  as.numeric(strsplit(grep("^RESULT", out, value = TRUE), " ")[[1]][2:4])
})
cases$seconds <- vapply(results, `[`, 0, 1)
cases$ms_per_site <- 1000 * cases$seconds / cases$sites
# Against the case with fewer sites and the same weights.
cases$ratio <- cases$ms_per_site / rep(cases$ms_per_site[c(1, 3)], each = 2)
cases$peak_MiB <- vapply(results, `[`, 0, 2)
options(width = 110)
print(cases, row.names = FALSE, digits = 4)
