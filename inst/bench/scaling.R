# How times grow: an EM pass over rows, experts, columns and threads; the default fit over rows.
#
#   Rscript scaling.R [quick] [most rows, 1e6] [rows where K and d vary, 1e5]

source(system.file("bench/tools.R", package = "distmoe"))
most <- size(1, 1e6, 1e4)
middle <- size(2, 1e5, 2e3)
header("scaling: an EM pass and the default fit")

threads <- 1:2
rows <- most / if (quick) c(10, 1) else c(100, 30, 10, 3, 1)
rows <- signif(rows, 1)

# Operations a row, as in kernel.R.
flops <- function(K, d) {
  p <- d + 1
  p * (p + 1) / 2 * (1 + 2 * (K + K * (K - 1) / 2)) + 4 * p * (2 * K - 1)
}

passes <- function(n, K, d) {
  s <- moe_simulate(n, K = K, d = d, seed = 1)
  design <- core_design(as.matrix(s$data[-1]), s$data$y)
  # Enough passes to see a small problem's time.
  count <- as.integer(max(2, min(50, ceiling(3e5 / n))))
  seconds <- take_turns(lapply(threads, function(t) function() pass_seconds(design, s$model, t, passes = count)))
  data.frame(n = n, K = K, d = d, threads = threads, "us a row" = 1e6 * seconds / n,
    "ns a flop" = 1e9 * seconds / n / flops(K, d), "times faster" = seconds[1] / seconds,
    check.names = FALSE)
}
over <- function(title, values, ...) {
  show_table(do.call(rbind, lapply(values, ...)), title)
}
over("EM pass over rows", rows, function(n) passes(n, 4, 20))
over("EM pass over experts", if (quick) c(2, 4) else c(2, 3, 4, 6, 8), function(K) passes(middle, K, 20))
over("EM pass over columns", if (quick) c(5, 20) else c(5, 10, 20, 40, 80),
  function(d) passes(middle, 4, d))

fit_times <- function(n) {
  s <- paper_design(n)
  fit <- NULL
  tasks <- lapply(threads, function(t) function() {
    set.seed(1)
    elapsed(fit <<- moe(s$x, s$y, K = 4, control = moe_control(threads = t), keep = FALSE))
  })
  seconds <- take_turns(tasks)
  data.frame(n = n, K = 4, d = 20, threads = threads, seconds = seconds,
    "us a row" = 1e6 * seconds / n, "times faster" = seconds[1] / seconds,
    EM = fit$record$em_iterations, Newton = fit$record$newton_iterations, check.names = FALSE)
}
over("Default fit over rows", rows, fit_times)

cat("target: none; these tables are for reading\n")
finish()
