# One pass over the rows (statistics of an E-step with all weighted Gram matrices) against dgemm.
#
#   Rscript kernel.R [quick] [rows, 1e6]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 1e6, 2e4)
order <- if (quick) 300 else 1500  # of dgemm's matrices
K <- 4
d <- 20

# Floating-point operations of a pass a row, at the least. p columns with the intercept; experts and
# gates share them, so products of columns are formed once. exp and log are not counted, nor anything
# else that is of order K.
p <- d + 1
triangle <- p * (p + 1) / 2
predictors <- 2 * p * (2 * K - 1)  # of K experts and K - 1 gates; an addition and a multiplication
scores <- predictors               # weighted sums of columns, as many
weighted_grams <- function(count) 2 * count * triangle
flops <- c(
  # Products of columns, then K experts and K (K - 1) / 2 pairs of gates.
  em = triangle + weighted_grams(K + K * (K - 1) / 2) + predictors + scores,
  score = predictors + scores,
  # Products of columns for all pairs of the 2 K - 1 linear predictors; the dispersions' K rows.
  information = triangle + weighted_grams((2 * K - 1) * K) + predictors + scores +
    2 * p * K * (2 * K - 1))

header(paste0("kernel: one pass over ", count(n), " rows, K = ", K, ", d = ", d, ", against dgemm"))
if (!has_openblas()) {
  cat("R is not linked to OpenBLAS: the dgemm below is that of", blas_name(), "\n",
    "(on Debian: apt-get install libopenblas0-serial)\n\n")
}

s <- paper_design(n, K, d)
design <- core_design(s$x, s$y)
truth <- s$truth
rm(s)
a <- matrix(runif(order^2), order)
b <- matrix(runif(order^2), order)
several <- if (quick) 20 else 1  # elapsed time is in milliseconds
dgemm <- function() elapsed(for (i in seq_len(several)) a %*% b) / several

used <- as.character(moe_instructions())
sets <- attr(moe_instructions(), "available")
threads <- 1:2
jobs <- expand.grid(threads = threads, what = names(flops), set = rev(sets),
  stringsAsFactors = FALSE)
tasks <- lapply(seq_len(nrow(jobs)), function(i) function() {
  moe_instructions(jobs$set[i])
  pass_seconds(design, truth, jobs$threads[i], jobs$what[i], 2L)
})
seconds <- take_turns(c(list(dgemm = dgemm), tasks))
moe_instructions(used)

gigaflops <- 2 * order^3 / seconds[["dgemm"]] / 1e9
cat(sprintf("dgemm (%s) of two %d x %d matrices, one thread: %.1f GFLOP/s\n\n", blas_name(), order,
  order, gigaflops))
jobs$seconds <- unname(seconds[-1])
jobs$flops <- flops[jobs$what]
jobs$gflops <- jobs$flops * n / jobs$seconds / 1e9
# Against what dgemm would do with as many threads, each as fast as one.
jobs$ratio <- jobs$threads * gigaflops / jobs$gflops
one <- jobs$threads == 1
jobs$speedup <- rep(jobs$seconds[one], each = length(threads)) / jobs$seconds
names(jobs) <- c("threads", "pass", "set", "seconds", "flops a row", "GFLOP/s", "x dgemm limit",
  "faster than one thread")
show_table(jobs[c(3, 2, 1, 4:8)], "x dgemm limit: seconds over those of dgemm's rate on as many threads")

here <- function(t) jobs$set == used & jobs$pass == "em" & jobs$threads == t
target("EM pass, one thread, over the dgemm limit", jobs[here(1), "x dgemm limit"], most = 2.5)
if (2 %in% threads) {
  target("EM pass, two threads, faster than one", jobs[here(2), "faster than one thread"], least = 1.7)
}
finish()
