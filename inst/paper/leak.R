# What the pointwise plan (16) does to the gates, in numbers and as curves.
#
#   Rscript leak.R [quick] [results=FOLDER] [N=200000] [M=16] [seeds=5]
#
# The paper's protocol of simulate.R (support N / M, weights n_m / n) on seeds 1 to `seeds`.
#
# results/leak-numbers.csv, one row for each seed and model (G, pointwise, component):
#   N, M, seed, least_share
#   gate_mse, expert_mse  mean squared error of the gates' and of the experts' coefficients
#   loglik, transport     as in simulate.R; truth_loglik that of the truth
#   leaked                share of the mass that the plan sends to another expert than the one to which the
#                         component sends most of it; the component plan sends all to one
#   version, machine
# results/leak-curves.csv, from seed 4 (the most mass leaked of seeds 1 to 5): seed, N, t, model (truth, G,
# pointwise, component), gate. The gate of one expert at the points x0 + t u: x0 is the held-out row at which the two
# largest true gates are most alike, u the unit vector along which their odds change fastest.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(here, "tools.R"))

curves_seed <- 4

models_of <- function(d, M) {
  set.seed(d$seed)
  site <- sprintf("site%03d", rep_len(seq_len(M), d$N))
  sites <- moe_sites(y ~ ., split(d$train, site), K = 4, control = fit_control())
  support <- moe_support(d$train[sample(d$N, d$N / M), ])
  aggregate <- function(plan) moe_aggregate(sites, support, weights = "size", screen = FALSE, plan = plan)
  models <- list(G = moe(y ~ ., d$train, K = 4, keep = FALSE, control = fit_control()),
    pointwise = aggregate("pointwise"), component = aggregate("component"))
  # Experts in the order of the truth's.
  design <- distmoe:::design_new(d$truth$schema, d$test[seq_len(min(5000, nrow(d$test))), ])
  lapply(models, function(m) {
    list(model = distmoe:::relabel(m, distmoe:::match_experts(d$truth, m, design)),
      leaked = leaked(m$aggregation$mass))
  })
}

leaked <- function(mass) if (is.null(mass)) NA else 1 - sum(apply(mass, 1, max)) / sum(mass)

numbers_of <- function(d, models, M, stamp) {
  truth <- coef(d$truth)
  gate <- grepl("^gate", names(truth))
  expert <- grepl("^expert", names(truth))
  rows <- lapply(names(models), function(name) {
    error <- (coef(models[[name]]$model) - truth)^2
    m <- measure(models[[name]]$model, d)
    data.frame(N = d$N, M = M, seed = d$seed, least_share = d$least_share, model = name,
      gate_mse = mean(error[gate]), expert_mse = mean(error[expert]), loglik = m$loglik,
      truth_loglik = moe_metrics(d$truth, d$test)$loglik, transport = m$transport,
      leaked = models[[name]]$leaked, version = format(utils::packageVersion("distmoe")), machine = stamp)
  })
  do.call(rbind, rows)
}

curves_of <- function(d, models) {
  gates <- predict(d$truth, d$test, type = "gate")
  ranks <- t(apply(-gates, 1, order))
  rows <- seq_len(nrow(gates))
  gap <- gates[cbind(rows, ranks[, 1])] - gates[cbind(rows, ranks[, 2])]
  at <- which.min(gap)
  pair <- ranks[at, 1:2]
  alpha <- cbind(d$truth$parameters$alpha, 0)
  u <- (alpha[, pair[1]] - alpha[, pair[2]])[-1]
  u <- u / sqrt(sum(u^2))
  t <- seq(-1.5, 1.5, length.out = 121)
  x <- outer(rep(1, length(t)), as.numeric(d$test[at, -1])) + outer(t, u)
  points <- stats::setNames(data.frame(0, x), names(d$test))
  do.call(rbind, lapply(c("truth", names(models)), function(name) {
    model <- if (name == "truth") d$truth else models[[name]]$model
    data.frame(seed = d$seed, N = d$N, t = t, model = name,
      gate = predict(model, points, type = "gate")[, pair[1]])
  }))
}

main <- function() {
  one_thread()
  folder <- option("results", file.path(here, "results"))
  dir.create(folder, FALSE, TRUE)
  N <- as.numeric(option("N", if (quick) 16000 else 200000))
  M <- as.numeric(option("M", if (quick) 4 else 16))
  stamp <- machine_words()
  seeds <- as.numeric(option("seeds", if (quick) 2 else 5))
  table <- NULL
  for (seed in seq_len(seeds)) {
    d <- draw(N, seed)
    models <- suppressWarnings(models_of(d, M))
    table <- rbind(table, numbers_of(d, models, M, stamp))
    if (seed == min(curves_seed, seeds)) {
      utils::write.csv(curves_of(d, models), file.path(folder, "leak-curves.csv"), row.names = FALSE)
    }
  }
  utils::write.csv(table, file.path(folder, "leak-numbers.csv"), row.names = FALSE)
  print(table[3:11], digits = 4, row.names = FALSE)
  cat("done\n")
}

main()
