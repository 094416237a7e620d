# Against flexmix (CRAN) with a multinomial concomitant model, from the same starting partition.
#
#   Rscript flexmix.R [quick] [rows of the large problem, 1e5] [rows of the small ones, 5000]
#
# The large problem (K = 3, d = 20): flexmix stops after 17 iterations, which take it minutes, and is
# run once; moe() runs until it has converged. The small ones (d = 2): both until they have converged.

source(system.file("bench/tools.R", package = "distmoe"))
large <- size(1, 1e5, 2000)
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

# Both from k-means on the columns and y, as numbers 1..K.
compare <- function(name, n, d, K, seed, iterations, repetitions) {
  s <- moe_simulate(n, K = K, d = d, seed = seed)
  data <- s$data
  set.seed(seed)
  labels <- stats::kmeans(data, K, nstart = 3, iter.max = 50)$cluster
  theirs <- ours <- NULL
  run_theirs <- function() elapsed(theirs <<- run_flexmix(data, K, labels, iterations))
  run_ours <- function() elapsed(ours <<- moe(y ~ ., data, K = K, start = labels))
  if (repetitions == 1) {
    seconds <- c(take_turns(list(flexmix = run_theirs), 1), take_turns(list(moe = run_ours), 5))
  } else {
    seconds <- take_turns(list(flexmix = run_theirs, moe = run_ours), repetitions)
  }
  data.frame(problem = name, n = count(n), K = K, d = d,
    flexmix = seconds[["flexmix"]], moe = seconds[["moe"]],
    ratio = seconds[["flexmix"]] / seconds[["moe"]],
    "its iterations" = theirs@iter, ours = ours$record$em_iterations + ours$record$newton_iterations,
    "its experts" = theirs@k,
    "its logLik()" = exact(as.numeric(flexmix::logLik(theirs))),
    "its log-lik (1)" = exact(mixture_log_lik(theirs, data)),
    "our logLik()" = exact(as.numeric(logLik(ours))), check.names = FALSE)
}

table <- rbind(
  compare("small", small, 2, 2, 1, 1000, 5),
  compare("small", small, 2, 3, 2, 1000, 5),
  compare("large, 17 iterations", large, 20, 3, 1, 17, 1))
show_table(table, "Seconds; ratio: flexmix over moe; log-lik (1): the mixture's, at flexmix's parameters")

gain <- as.numeric(table[["our logLik()"]]) - as.numeric(table[["its log-lik (1)"]])
cat("Our log-likelihood less flexmix's: ", paste(exact(gain), collapse = ", "), "\n\n", sep = "")
target("flexmix over moe, large problem", table$ratio[3], least = 300)
target("our log-likelihood less flexmix's, large problem", gain[3], least = 0)
finish()
