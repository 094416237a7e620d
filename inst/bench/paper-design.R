# The default fit and the aggregation on the paper's design (section S4.1: K = 4, d = 20).
#
#   Rscript paper-design.R [quick] [rows of the pooled fit, 100000] [rows of the aggregation, 400000]
#
# Part 1: the default fit on seeds 1 to 5 against the log-likelihood of the true parameters.
# Part 2: 16 sites of an 80 % training split on seeds 2, 3, 4, against the pooled fit: held-out
# log-likelihood a row. Takes some minutes.

source(system.file("bench/tools.R", package = "distmoe"))
sizes <- c(size(1, 1e5, 1e4), size(2, 4e5, 2e4))
header("paper-design: default fit and aggregation, K = 4, d = 20")

cat("Part 1: n =", count(sizes[1]), "\n")
fits <- lapply(if (quick) 1 else 1:5, function(seed) {
  sim <- moe_simulate(sizes[1], K = 4, d = 20, seed = seed)
  set.seed(seed)
  fit <- moe(y ~ ., sim$data, K = 4, keep = FALSE)
  truth <- as.numeric(logLik(sim$model, sim$data))
  data.frame(seed = seed, fit = as.numeric(logLik(fit)), truth = truth,
    above_truth = as.numeric(logLik(fit)) - truth, EM = fit$record$em_iterations,
    Newton = fit$record$newton_iterations, seconds = fit$record$seconds,
    least_share = min(tabulate(sim$labels, 4)) / sizes[1])
})
print(do.call(rbind, fits), row.names = FALSE, digits = 7)

cat("\nPart 2: n =", count(sizes[2]), "(80 % training), 16 sites\n")
tables <- lapply(if (quick) 2 else 2:4, function(seed) {
  sim <- moe_simulate(sizes[2], K = 4, d = 20, seed = seed)
  set.seed(seed)
  rows <- sample(sizes[2], 0.8 * sizes[2])
  train <- sim$data[rows, ]
  test <- sim$data[-rows, ]
  pooled <- moe(y ~ ., train, K = 4, keep = FALSE)
  site <- moe_distributed(y ~ ., train, K = 4, sites = 16)
  support <- train[sample(nrow(train), min(20000, nrow(train))), ]
  again <- function(...) moe_aggregate(site$sites, support, weights = "size", ...)
  models <- list(pooled = pooled, "component, site" = site, "component, size" = again(),
    "pointwise, size" = again(plan = "pointwise"), middle = again(method = "middle"),
    average = again(method = "average"))
  out <- do.call(rbind, lapply(models, moe_metrics, test, truth = sim$model))
  data.frame(seed = seed, model = names(models), loglik = out$loglik,
    to_pooled = out$loglik - out$loglik[1], transport = out$transport, mse = out$mse, ari = out$ari)
})
print(do.call(rbind, tables), row.names = FALSE, digits = 5)
finish()
