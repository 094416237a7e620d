# Against flexmix (CRAN) with a multinomial concomitant model, from the same starting partition.
#
#   Rscript flexmix.R [quick] [rows of the large problem, 1e5] [rows of the small ones, 5000]
#
# The large problem (K = 3, d = 20): flexmix stops after 17 iterations, which take it minutes, and is
# run once from each partition; moe() runs until it has converged, and by EM alone until its
# log-likelihood is flexmix's. The small ones (d = 2): both until they have converged.

source(system.file("bench/tools.R", package = "distmoe"))
large <- size(1, 1e5, 4000)
small <- size(2, 5000, 500)
header(paste0("flexmix: ", count(large), " rows with d = 20 and ", count(small),
  " with d = 2, same starting partition"))

if (!requireNamespace("flexmix", quietly = TRUE)) {
  cat("flexmix is not installed: install.packages(\"flexmix\") or, on Debian, apt-get install",
    "r-cran-flexmix\n")
  finish()
  quit(save = "no")
}
cat("flexmix: ", format(utils::packageVersion("flexmix")), "\n\n", sep = "")

# minprior = 0: no expert is dropped. The concomitant formula is written out, since a dot there could
# mean y as well.
run_flexmix <- function(data, K, labels, iterations) {
  gates <- stats::reformulate(setdiff(names(data), "y"))
  flexmix::flexmix(y ~ ., data, k = K, cluster = labels, model = flexmix::FLXMRglm(family = "gaussian"),
    concomitant = flexmix::FLXPmultinom(gates),
    control = list(iter.max = iterations, minprior = 0, verbose = 0))
}

# The log-likelihood (1) at flexmix's parameters, reckoned here.
mixture_log_lik <- function(fit, data) {
  X <- cbind(1, as.matrix(data[setdiff(names(data), "y")]))
  par <- flexmix::parameters(fit)
  alpha <- flexmix::parameters(fit, which = "concomitant")
  gate <- X %*% alpha
  top <- apply(gate, 1, max)
  gate <- gate - (top + log(rowSums(exp(gate - top))))
  mean <- X %*% par[seq_len(ncol(X)), , drop = FALSE]
  sigma <- par[nrow(par), ]
  joint <- vapply(seq_along(sigma), function(k) {
    gate[, k] + stats::dnorm(data$y, mean[, k], sigma[k], log = TRUE)
  }, numeric(nrow(data)))
  top <- apply(joint, 1, max)
  sum(top + log(rowSums(exp(joint - top))))
}

# Partitions 1..K: k-means on the columns and y, or each row's most likely expert under the truth.
partition <- function(sim, K, from) {
  if (from == "truth") return(max.col(predict(sim$model, sim$data, "posterior"), "first"))
  stats::kmeans(sim$data, K, nstart = 3, iter.max = 50)$cluster
}

# EM iterations after which ours is at least as good as a log-likelihood.
iterations_to <- function(log_lik, data, K, labels) {
  control <- moe_control(newton = FALSE, max_iterations = 1000)
  fit <- suppressWarnings(moe(y ~ ., data, K = K, start = labels, control = control))
  which(fit$record$objective >= log_lik)[1] - 1
}

# Where flexmix is run but once, ours is also timed up to flexmix's log-likelihood, by EM alone.
compare <- function(n, d, K, seed, from, iterations = 1000, once = FALSE) {
  sim <- moe_simulate(n, K = K, d = d, seed = seed)
  data <- sim$data
  set.seed(seed)
  labels <- partition(sim, K, from)
  theirs <- ours <- short <- NULL
  # flexmix may stop, where an expert is left with few rows; its time then does not count.
  attempt <- function() {
    theirs <<- tryCatch(run_flexmix(data, K, labels, iterations), error = function(e) {
      cat("flexmix stopped (", count(n), " rows, from ", from, "): ", conditionMessage(e), "\n", sep = "")
    })
  }
  tasks <- list(flexmix = function() {
    seconds <- elapsed(attempt())
    if (is.null(theirs)) NA_real_ else seconds
  },
    moe = function() elapsed(ours <<- moe(y ~ ., data, K = K, start = labels)),
    short = function() {
      control <- moe_control(newton = FALSE, max_iterations = enough)
      elapsed(short <<- suppressWarnings(moe(y ~ ., data, K = K, start = labels, control = control)))
    })
  seconds <- take_turns(tasks[if (once) 1 else 1:2], if (once) 1 else 5)
  ended <- !is.null(theirs)
  log_lik <- if (ended) mixture_log_lik(theirs, data) else NA_real_
  enough <- NA
  if (once) {
    enough <- if (ended) iterations_to(log_lik, data, K, labels) else iterations
    seconds <- c(seconds, take_turns(tasks[2:3]))
  }
  data.frame(from = from, n = count(n), K = K, d = d, flexmix = seconds[["flexmix"]],
    "its it." = if (ended) theirs@iter else NA, "its K" = if (ended) theirs@k else NA,
    "its logLik()" = exact(if (ended) as.numeric(flexmix::logLik(theirs)) else NA_real_),
    "its log-lik (1)" = exact(log_lik), moe = seconds[["moe"]],
    EM = ours$record$em_iterations, Newton = ours$record$newton_iterations,
    "our logLik()" = exact(as.numeric(logLik(ours))), ratio = seconds[["flexmix"]] / seconds[["moe"]],
    "EM to its" = enough, "seconds" = if (once) seconds[["short"]] else NA,
    "log-lik." = if (once) exact(as.numeric(logLik(short))) else NA,
    "ratio " = if (once) seconds[["flexmix"]] / seconds[["short"]] else NA,
    gain = as.numeric(logLik(ours)) - log_lik, check.names = FALSE)
}

table <- rbind(
  compare(small, 2, 2, 1, "k-means"),
  compare(small, 2, 3, 2, "k-means"),
  compare(large, 20, 3, 1, "truth", 17, TRUE),
  compare(large, 20, 3, 1, "k-means", 17, TRUE))
gain <- table$gain
table$gain <- exact(gain)
show_table(table, paste("Seconds; log-lik (1): the mixture's, at flexmix's parameters; ratios: flexmix",
  "over moe; gain: our log-likelihood less flexmix's"))

for (i in 3:4) {
  target(paste0("flexmix (17 iterations) over moe (to the end), ", table$n[i], " rows, from ", table$from[i]),
    table$ratio[i], least = 300)
  target(paste0("flexmix (17 iterations) over moe (EM up to its log-likelihood), ", table$n[i],
    " rows, from ", table$from[i]), table[["ratio "]][i], least = 300)
  target(paste0("our log-likelihood less flexmix's, from ", table$from[i]), gain[i], least = 0)
}
finish()
