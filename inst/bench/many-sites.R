# Aggregation of many sites: seconds, milliseconds a site, and the peak memory of the whole process.
#
#   Rscript many-sites.R [quick] [sites, 1000] [more sites, 10000] [points, 5000]
#     [points with site weights, 20000]
#
# The sites' models (K = 4, d = 20) are simulated: a true model's parameters with noise. Every case
# runs in a process of its own; medians of five aggregations.

source(system.file("bench/tools.R", package = "distmoe"))

own_peak <- function() {  # MiB; NA where the system does not tell
  status <- tryCatch(readLines("/proc/self/status"), error = function(e) character(),
    warning = function(w) character())
  line <- grep("^VmHWM", status, value = TRUE)
  if (length(line)) as.numeric(gsub("[^0-9]", "", line)) / 1024 else NA
}

one_case <- function(sites, points, weights) {
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
  seconds <- take_turns(list(function() elapsed(moe_aggregate(models, support, K = 4, weights = weights))))
  cat("RESULT", seconds, own_peak(), "\n")
}

case <- strsplit(Sys.getenv("DISTMOE_BENCH_CASE"), " ")[[1]]
if (length(case)) {
  one_case(as.numeric(case[1]), as.numeric(case[2]), case[3])
  quit("no")
}

sizes <- c(size(1, 1000, 20), size(2, 10000, 100), size(3, 5000, 500), size(4, 20000, 1000))
header("many-sites: aggregation of simulated models, K = 4, d = 20")
file <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
text <- function(n) format(n, scientific = FALSE)

cases <- data.frame(sites = sizes[c(1, 2, 1, 2)], points = sizes[c(3, 3, 4, 4)],
  weights = c("size", "size", "site", "site"))
results <- vapply(seq_len(nrow(cases)), function(i) {
  Sys.setenv(DISTMOE_BENCH_CASE = paste(text(cases$sites[i]), text(cases$points[i]), cases$weights[i]))
  out <- system2(file.path(R.home("bin"), "Rscript"), c(shQuote(file), if (quick) "quick"),
    stdout = TRUE)
  as.numeric(strsplit(grep("^RESULT", out, value = TRUE), " ")[[1]][2:3])
}, c(0, 0))
cases$seconds <- results[1, ]
cases[["ms a site"]] <- 1000 * cases$seconds / cases$sites
cases[["of fewer sites'"]] <- cases[["ms a site"]] / rep(cases[["ms a site"]][c(1, 3)], each = 2)
cases[["peak MiB"]] <- results[2, ]
show_table(cases)
many <- cases[c(2, 4), ]
for (i in 1:2) {
  target(paste0("time a site over that of fewer sites, weights by ", many$weights[i]),
    many[["of fewer sites'"]][i], most = 1.3)
}
target("peak memory, MiB", max(many[["peak MiB"]]), most = 2048)
finish()
