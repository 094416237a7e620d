# The aggregate of 64 sites against the pooled fit, before and after rounds of moe_refine(); and what
# screening does about one bad site of 16. The paper's design (section S4.1: K = 4, d = 20).
#
#   Rscript rounds.R [quick] [rows, 400000] [sites, 64] [sites of the screening, 16]
#
# Part 1: seeds 2, 3, 4; 80 % of the rows for fitting; sites start from a pilot. "default": weights as
# moe_distributed() chooses them, with its 20,000 support points ("40,000 points": with twice as many, for
# pilot and aggregate; "all rows": with every row; "moments": experts from the sites' moments, gates from the
# support). T_c is the gates' affair: where they are off by a little, mass must go to another expert, far
# away. transport: T_c from the truth, on the held-out rows; below: training log-likelihood below the pooled
# maximum. Part 2: the first site's model is replaced by a fit to its
# rows that went on from a poor start (two experts in one place), and by random parameters; gap:
# held-out log-likelihood a row below the truth's; change: largest relative change of the three metrics
# against the aggregate of the other sites.

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 4e5, 2e4)
site_count <- size(2, 64, 8)
screened <- size(3, 16, 6)
header(paste0("rounds: ", count(n), " rows, K = 4, d = 20, ", site_count, " sites"))
future::plan(future::sequential)
seeds <- if (quick) 2 else 2:4

draw <- function(seed) {
  sim <- moe_simulate(n, K = 4, d = 20, seed = seed)
  set.seed(seed)
  rows <- sample(n, 0.8 * n)
  train <- sim$data[rows, ]
  names <- sprintf("site%02d", seq_len(site_count))
  list(train = train, test = sim$data[-rows, ], truth = sim$model,
    site = sample(rep_len(names, nrow(train))))
}

# ---- rounds -------------------------------------------------------------------------------------

one_seed <- function(seed) {
  d <- draw(seed)
  pooled <- moe(y ~ ., d$train, K = 4, keep = FALSE)
  some <- sample(nrow(d$train), min(40000, nrow(d$train)))
  points <- function(rows) moe_support(d$train[rows, ], site = d$site[rows])
  support <- points(some[seq_len(length(some) / 2)])
  distributed <- function(support) moe_distributed(y ~ ., d$train, K = 4, sites = d$site, support = support)
  default <- distributed(support)
  sources <- split(d$train, d$site)
  again <- function(...) moe_aggregate(default$sites, support, ...)
  by_size <- again(weights = "size")
  by_moments <- moe_aggregate(moe_sites(y ~ ., sources, start = default$pilot, share = "moments"), support)
  models <- list(pooled = pooled, "component, default" = default,
    "component, 40,000 points" = distributed(points(some)),
    "component, all rows" = moe_aggregate(default$sites, moe_support(d$train, site = d$site),
      weights = "site"),
    "component, moments" = by_moments, "component, size" = by_size,
    "pointwise, default" = again(plan = "pointwise"),
    "pointwise, size" = again(plan = "pointwise", weights = "size"),
    middle = again(method = "middle"), average = again(method = "average"))
  for (from in c("default", "40,000 points", "all rows")) for (rounds in c(1, 3)) {
    models[[paste0(from, ", rounds: ", rounds)]] <- moe_refine(models[[paste0("component, ", from)]],
      sources, rounds = rounds)
  }
  out <- do.call(rbind, lapply(models, moe_metrics, d$test, truth = d$truth))
  training <- vapply(models, function(m) as.numeric(logLik(m, d$train)), 0)
  data.frame(seed = seed, model = names(models), loglik = out$loglik,
    to_pooled = out$loglik - out$loglik[1], transport = out$transport,
    over_pooled = out$transport / out$transport[1], mse = out$mse, below = training[1] - training)
}

results <- do.call(rbind, lapply(seeds, one_seed))
shown <- results
shown$loglik <- formatC(shown$loglik, digits = 5, format = "f")
shown$to_pooled <- formatC(shown$to_pooled, digits = 6, format = "f")
shown$below <- formatC(shown$below, digits = 4, format = "f")
show_table(shown, "Part 1: held-out log-likelihood, T_c to the truth, training log-likelihood below pooled")

worst <- function(model, column) max(results[results$model == model, column])
for (model in c("component, default", "component, 40,000 points", "component, all rows", "component, size")) {
  target(paste0(model, ": held-out log-likelihood a row below pooled, worst seed"),
    max(-results$to_pooled[results$model == model]), most = 5e-4)
  target(paste0(model, ": T_c to the truth over pooled's, worst seed"), worst(model, "over_pooled"),
    most = 1.1)
}
for (from in c("default", "40,000 points", "all rows")) {
  target(paste0("training log-likelihood below pooled, one round from component, ", from, ", worst seed"),
    worst(paste0(from, ", rounds: 1"), "below"), most = 2)
  target(paste0("training log-likelihood below pooled, three rounds from component, ", from, ", worst seed"),
    worst(paste0(from, ", rounds: 3"), "below"), most = 0.01)
}
cat("\n")

# ---- screening ----------------------------------------------------------------------------------

# Two experts in one place, and a third between two: EM stays in a poor mode, from some of these places.
# The worst of them is taken.
poor_fit <- function(model, rows) {
  from <- function(twin) {
    start <- model
    beta <- model$parameters$beta
    others <- setdiff(1:4, twin)
    start$parameters$beta[, twin[2]] <- beta[, twin[1]] + 0.01
    start$parameters$beta[, others[1]] <- (beta[, twin[2]] + beta[, others[1]]) / 2
    start$parameters$alpha[] <- 0
    start$parameters$dispersion[] <- 25
    suppressWarnings(moe(y ~ ., rows, start = start))
  }
  fits <- lapply(list(c(1, 2), c(2, 3), c(3, 4), c(4, 1)), from)
  fits[[which.min(vapply(fits, function(f) as.numeric(logLik(f)), 0))]]
}
nonsense <- function(model) {
  p <- model$parameters
  model$parameters$beta[] <- stats::rnorm(length(p$beta), sd = 4)
  model$parameters$alpha[] <- stats::rnorm(length(p$alpha), sd = 4)
  model$parameters$dispersion[] <- stats::rexp(length(p$dispersion), 0.2)
  model
}

screening_seed <- function(seed) {
  d <- draw(seed)
  site <- sprintf("site%02d", sample(rep_len(seq_len(screened), nrow(d$train))))
  some <- sample(nrow(d$train), min(20000, nrow(d$train)))
  points <- d$train[some, ]
  with_y <- moe_support(points, site = site[some])
  without_y <- moe_support(points[-1], site = site[some])
  sources <- split(d$train, site)
  good <- moe_sites(y ~ ., sources, start = moe(y ~ ., points, K = 4, keep = FALSE))$models
  bad <- list("wrong mode" = poor_fit(good[[1]], sources[[1]]), nonsense = nonsense(good[[1]]))
  top <- moe_metrics(d$truth, d$test)$loglik
  measure <- function(model) {
    m <- moe_metrics(model, d$test, truth = d$truth)
    c(gap = top - m$loglik, transport = m$transport, mse = m$mse)
  }
  aggregate <- function(models, support, ...) suppressWarnings(moe_aggregate(models, support, ...))
  rows <- list()
  for (weights in c("site", "size")) {
    reference <- measure(aggregate(good[-1], with_y, weights = weights))
    add <- function(site_1, by, model) {
      out <- model$aggregation$screening$table
      rows[[length(rows) + 1]] <<- data.frame(seed = seed, weights = weights, site_1 = site_1, screened = by,
        left_out = paste(out$site[out$outlying], collapse = " "), t(measure(model)),
        change = max(abs(measure(model) / reference - 1)))
    }
    add("left out by hand", "no", aggregate(good[-1], with_y, weights = weights, screen = FALSE))
    for (kind in names(bad)) {
      models <- replace(good, names(good)[1], bad[kind])
      add(kind, "by y", aggregate(models, with_y, weights = weights))
      add(kind, "without y", aggregate(models, without_y, weights = weights))
      add(kind, "no", aggregate(models, with_y, weights = weights, screen = FALSE))
    }
  }
  cat("Seed ", seed, ": the fit in a wrong mode has log-likelihood ",
    exact(as.numeric(logLik(bad[[1]]))), " on its site's rows, the good fit ",
    exact(as.numeric(logLik(good[[1]]))), "\n", sep = "")
  do.call(rbind, rows)
}

results <- do.call(rbind, lapply(seeds, screening_seed))
cat("\n")
show_table(results, paste0("Part 2: one bad site of ", screened))
for (kind in c("wrong mode", "nonsense")) {
  for (by in c("by y", "without y")) {
    target(paste0(kind, ", screened ", by, ": worst change of a metric"),
      max(results$change[results$site_1 == kind & results$screened == by]), most = 0.05)
  }
}
finish()
