# The paper's Table 1 on a data frame: G and R at several numbers of sites, one 80/20 split a seed.
# Sourced by mmash.R and flights-weather.R, after tools.R.
#
# Two protocols, as in simulate.R. "paper": independent sites, N / M support points, weights n_m / n, nothing
# shared, no screening. "default": moe_distributed() with its defaults. "all": G (pooled) and lm().
#
# A row of the table: N (rows for training), n_test, seed, protocol, M, estimator ("G", "lm", "R_pointwise",
# "R_component", "R_round"), rpe, rmse, si and loglik on the held-out rows, learning_time = pilot_time +
# site_time (slowest site) + aggregation_time (seconds), cpu_share, left_out, converged, warnings, error,
# version, machine; see simulate.R.

# A random 80 % of the rows for training.
split_rows <- function(data, seed) {
  set.seed(seed)
  train <- sample(nrow(data), round(0.8 * nrow(data)))
  list(train = data[train, ], test = data[-train, ], seed = seed)
}

scores <- function(model, test) {
  if (inherits(model, "error")) return(data.frame(rpe = NA_real_, rmse = NA_real_, si = NA_real_, loglik = NA_real_))
  if (inherits(model, "moe")) return(moe_metrics(model, test)[c("rpe", "rmse", "si", "loglik")])
  y <- stats::model.response(stats::model.frame(stats::formula(model), test))
  error <- y - stats::predict(model, test)
  rmse <- sqrt(mean(error^2))
  data.frame(rpe = sum(error^2) / sum(y^2), rmse = rmse, si = rmse / abs(mean(y)),
    loglik = mean(stats::dnorm(error, 0, summary(model)$sigma, log = TRUE)))
}

# `run`: what timed() gives; `times`: seconds of pilot, slowest site, aggregation.
real_row <- function(parts, protocol, M, estimator, run, times, cpu_share = run$cpu_share) {
  model <- run$value
  failed <- inherits(model, "error")
  fit <- inherits(model, "moe")
  cbind(data.frame(N = nrow(parts$train), n_test = nrow(parts$test), seed = parts$seed, protocol = protocol,
    M = M, estimator = estimator), scores(model, parts$test),
    data.frame(learning_time = round(sum(times), 3), pilot_time = times[1], site_time = times[2],
      aggregation_time = round(times[3], 3), cpu_share = round(cpu_share, 3),
      left_out = if (fit) sum(model$aggregation$screening$table$outlying) else 0,
      converged = if (fit) c(model$aggregation$converged, model$record$converged, NA)[1] else NA,
      warnings = run$warnings, error = if (failed) gsub("[\r\n\",]+", " ", conditionMessage(model)) else ""))
}

# The aggregate and one round more. A round costs what the slowest site and the centre need; sites are of one
# size, so the first stands for all.
with_round <- function(parts, protocol, M, component, sources, times, cpu_share) {
  row <- function(estimator, run, last) {
    real_row(parts, protocol, M, estimator, run, c(times, last), cpu_share)
  }
  first <- row("R_component", component, component$seconds)
  if (inherits(component$value, "error")) return(first)
  one <- timed(moe_refine(component$value, sources[1], control = fit_control()))
  all <- timed(moe_refine(component$value, sources, control = fit_control()))
  rbind(first, row("R_round", all, component$seconds + one$seconds))
}

paper_table <- function(parts, formula, K, M, sources) {
  set.seed(parts$seed)
  fits <- timed(moe_sites(formula, sources, K = K, control = fit_control()))
  table <- fits$value$table
  support <- moe_support(parts$train[sample(nrow(parts$train), nrow(parts$train) / M), ])
  aggregate <- function(...) moe_aggregate(fits$value, support, weights = "size", screen = FALSE, ...)
  times <- c(0, max(table$seconds[table$status == "fitted"]))
  pointwise <- timed(aggregate(plan = "pointwise"))
  rbind(real_row(parts, "paper", M, "R_pointwise", pointwise, c(times, pointwise$seconds), fits$cpu_share),
    with_round(parts, "paper", M, timed(aggregate()), sources, times, fits$cpu_share))
}

default_table <- function(parts, formula, K, M, sources, site) {
  set.seed(parts$seed)
  fit <- timed(moe_distributed(formula, parts$train, K = K, sites = site, control = fit_control()))
  seconds <- if (inherits(fit$value, "error")) c(NA, NA, NA) else unname(fit$value$seconds)
  share <- fit$cpu_share
  fit$seconds <- seconds[3]
  with_round(parts, "default", M, fit, sources, seconds[1:2], share)
}

# All rows of one split, determined by data and seed (times aside).
real_table <- function(data, formula, seed, K = 4, machines = c(64, 128), stamp = machine_words()) {
  parts <- split_rows(data, seed)
  set.seed(seed)
  pooled <- timed(moe(formula, parts$train, K = K, keep = FALSE, control = fit_control()))
  line <- timed(stats::lm(formula, parts$train))
  rows <- list(real_row(parts, "all", 1, "G", pooled, c(0, pooled$seconds, 0)),
    real_row(parts, "all", 1, "lm", line, c(0, line$seconds, 0)))
  for (M in machines) {
    site <- sprintf("site%03d", rep_len(seq_len(M), nrow(parts$train)))
    sources <- split(parts$train, site)
    rows <- c(rows, list(paper_table(parts, formula, K, M, sources),
      default_table(parts, formula, K, M, sources, site)))
  }
  out <- do.call(rbind, rows)
  out$version <- format(utils::packageVersion("distmoe"))
  out$machine <- stamp
  out
}

# One CSV, a seed after the other; seeds that are in it are not run again.
run_seeds <- function(data, formula, seeds, file, ...) {
  dir.create(dirname(file), FALSE, TRUE)
  stamp <- machine_words()
  for (seed in setdiff(seeds, read_results(file)$seed)) {
    seconds <- system.time(add_results(real_table(data, formula, seed, ..., stamp = stamp), file))[["elapsed"]]
    cat(format(Sys.time(), "%H:%M"), " seed ", seed, ": ", round(seconds), " s\n", sep = "")
  }
  read_results(file)
}

# Table 1: medians over the splits.
table_1 <- function(results) {
  measures <- c("rpe", "rmse", "si", "loglik", "learning_time")
  out <- stats::aggregate(results[measures], results[c("estimator", "protocol", "M")], stats::median)
  out[order(out$M, out$protocol, out$estimator), ]
}
