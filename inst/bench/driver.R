# The default fit (with its search) against one EM pass over the same rows, with as many threads; and its
# log-likelihood against long EM runs.
#
#   Rscript driver.R [quick] [rows, 1e6] [seeds, 5] [repetitions, 1] [iterations of the long runs, 300]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 1e6, 5e3)
seeds <- seq_len(size(2, 5, 1))
repetitions <- size(3, 1, 1)
iterations <- size(4, 300, 30)
K <- 4
d <- if (quick) 5 else 20
header(paste0("driver: default fit of ", count(n), " rows, K = 4, d = ", d, ", against one EM pass"))

threads <- 1:2

# EM without Newton's method, which may well not converge in so many iterations.
em <- function(...) {
  control <- moe_control(newton = FALSE, max_iterations = iterations)
  suppressWarnings(moe(..., K = K, control = control, keep = FALSE))
}

one_seed <- function(seed) {
  s <- paper_design(n, K, d, seed = seed)
  design <- core_design(s$x, s$y)
  fits <- list()
  fit_seconds <- function(t, matrix) function() {
    control <- moe_control(threads = t)
    set.seed(seed)
    elapsed(fits[[paste(t, matrix)]] <<- if (matrix) moe(s$x, s$y, K = K, control = control)
            else moe(y ~ ., s$data, K = K, control = control))
  }
  tasks <- unlist(lapply(threads, function(t) list(function() pass_seconds(design, s$truth, t),
    fit_seconds(t, TRUE), fit_seconds(t, FALSE))))
  seconds <- matrix(take_turns(tasks, repetitions), 3)
  times <- data.frame(seed = seed, threads = threads, "pass" = seconds[1, ],
    "moe(x, y)" = seconds[2, ], "moe(y ~ ., data)" = seconds[3, ],
    "x, y: passes" = seconds[2, ] / seconds[1, ], "formula: passes" = seconds[3, ] / seconds[1, ],
    check.names = FALSE)

  fit <- fits[["1 TRUE"]]
  on <- em(s$x, s$y, start = fit)
  # From a model of a tenth of the rows, by way of EM alone.
  tenth <- seq_len(n / 10)
  set.seed(seed)
  rough <- em(s$x[tenth, ], s$y[tenth])
  long <- em(s$x, s$y, start = rough)
  log_lik <- vapply(list(fit, on, long, s$truth), function(m) {
    if (identical(m, s$truth)) as.numeric(logLik(m, s$data)) else as.numeric(logLik(m))
  }, 0)
  same <- max(abs(vapply(fits, function(f) as.numeric(logLik(f)), 0) - log_lik[1]) / abs(log_lik[1]))
  quality <- data.frame(seed = seed, EM = fit$record$em_iterations,
    Newton = fit$record$newton_iterations, "log-likelihood" = exact(log_lik[1]),
    "EM on from it" = exact(log_lik[2]), iterations = on$record$em_iterations,
    "EM from a tenth" = exact(log_lik[3]), iterations = long$record$em_iterations,
    truth = exact(log_lik[4]),
    # Positive: the long run is better.
    "on: gain" = signif((log_lik[2] - log_lik[1]) / abs(log_lik[1]), 2),
    "tenth: gain" = signif((log_lik[3] - log_lik[1]) / abs(log_lik[1]), 2),
    "threads, roads differ" = signif(same, 2), check.names = FALSE)
  list(times = times, quality = quality)
}

results <- lapply(seeds, one_seed)
times <- do.call(rbind, lapply(results, `[[`, "times"))
show_table(times, "Seconds, and fits in passes")
quality <- do.call(rbind, lapply(results, `[[`, "quality"))
cat("Log-likelihoods; gains of the long runs over the fit are relative\n")
print(quality, row.names = FALSE)
cat("\n")

for (t in threads) {
  at <- times$threads == t
  target(paste0("moe(x, y) in EM passes, ", t, " thread(s), median over the seeds"),
    stats::median(times[at, "x, y: passes"]), most = 15)
  target(paste0("moe(y ~ ., data) in EM passes, ", t, " thread(s), median over the seeds"),
    stats::median(times[at, "formula: passes"]), most = 15)
}
target("relative gain of EM going on from the fit, worst seed", max(quality[["on: gain"]]), most = 1e-7)
target("relative gain of a long EM run from a tenth of the rows, worst seed",
  max(quality[["tenth: gain"]]), most = 1e-7)
finish()
