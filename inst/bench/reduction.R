# The reduction of many local models, in multiples of what else takes time.
#
#   Rscript reduction.R [quick] [models, 128] [points, 6250] [times that each is run, 5]
#
# The models (K = 4, d = 20) are a true one with noise. First the whole aggregation against one local
# fit to as many rows as there are points, then one MM iteration (plan and update) against the product
# of the points with all models' coefficients. Medians.

source(system.file("bench/tools.R", package = "distmoe"))
sizes <- c(size(1, 128, 8), size(2, 6250, 500), size(3, 5, 2))
header(paste0("reduction: ", sizes[1], " models of 4 experts, ", count(sizes[2]), " points, d = 20"))

median_time <- function(run) {
  stats::median(vapply(seq_len(sizes[3]), function(i) elapsed(run()), 0))
}

sim <- moe_simulate(sizes[2], K = 4, d = 20, seed = 1)
set.seed(1)
noisy <- function(model, sd = 0.05) {
  p <- model$parameters
  p$beta[] <- p$beta + sd * rnorm(length(p$beta))
  p$alpha[] <- p$alpha + sd * rnorm(length(p$alpha))
  p$dispersion[] <- p$dispersion * exp(sd * rnorm(4))
  model$parameters <- p
  model
}
models <- lapply(seq_len(sizes[1]), function(m) noisy(sim$model))
names(models) <- sprintf("site%04d", seq_along(models))

plans <- c("component", "pointwise")
fit <- median_time(function() suppressWarnings(moe(y ~ ., sim$data, K = 4)))
whole <- vapply(plans, function(plan) {
  median_time(function() suppressWarnings(moe_aggregate(models, sim$data, plan = plan)))
}, 0)

x <- cbind(1, as.matrix(sim$data[setdiff(names(sim$data), "y")]))
dimnames(x) <- NULL
design <- list(x = x, z = x, x_intercept = 1L, z_intercept = 1L)
core <- lapply(unname(models), distmoe:::core_model)
start <- distmoe:::core_model(noisy(sim$model, 0.3))
coefficients <- do.call(cbind, lapply(core, function(m) unname(m$beta)))
product <- median_time(function() for (i in 1:20) x %*% coefficients) / 20
# From a converged model on, without a test of convergence: runs of 1 and of 21 iterations then differ
# in 20 iterations and in nothing else.
steps <- vapply(plans, function(plan) {
  run <- function(from, iterations, tolerance) {
    options <- list(plan = plan, max_iterations = iterations, starts = 1L, gate_ridge = 1e-4,
      tolerance = tolerance)
    distmoe:::cpp_reduce(core, rep(1 / length(core), length(core)), design, integer(), 4L, from,
      options, moe_threads())
  }
  end <- run(start, 200L, 1e-10)$model
  time <- function(iterations) median_time(function() run(end, iterations, -1))
  (time(21L) - time(1L)) / 20
}, 0)

show_table(data.frame(what = c("local fit", paste("aggregation,", plans)),
  seconds = c(fit, whole), "of local fit" = c(1, whole / fit), check.names = FALSE))
show_table(data.frame(what = c("product X B (R's BLAS)", paste("MM iteration,", plans)),
  ms = 1000 * c(product, steps), "of product" = c(1, steps / product), check.names = FALSE))
for (plan in plans) {
  target(paste0("aggregation over one local fit, ", plan, " plan"), whole[[plan]] / fit, most = 1)
  target(paste0("MM iteration over the product, ", plan, " plan"), steps[[plan]] / product, most = 4)
}
finish()
