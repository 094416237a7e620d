# What the scripts of this folder share: one replicate of the paper's protocol (S4.1, S4.2), its
# measures, and the CSVs of results. Sourced by them; needs the package installed.

library(distmoe)
options(width = 160, warn = 1)

# `machine()` of the benchmarks, which read the command line in another way than the scripts here.
bench <- new.env()
suppressWarnings(sys.source(system.file("bench/tools.R", package = "distmoe"), bench))

# ---- command line: words (`quick`) and name=value ---------------------------------------------

words <- commandArgs(trailingOnly = TRUE)
quick <- "quick" %in% words
option <- function(name, default) {
  found <- grep(paste0("^", name, "="), words, value = TRUE)
  if (length(found)) sub("^[^=]*=", "", found[1]) else default
}
numbers <- function(text) as.numeric(strsplit(text, ",")[[1]])

# One thread everywhere, so that times compare; no process but this one.
one_thread <- function() {
  options(distmoe.threads = 1L)
  future::plan(future::sequential)
}

# Kind of machine, without its name.
machine_words <- function() {
  m <- bench$machine()
  paste0(m[["CPU"]], ", ", m[["cores"]], " cores, ", m[["instructions"]], ", R ", m[["R"]], ", ", m[["BLAS"]])
}

# The paper's number of covariates; fewer where a script is only tried.
columns <- if (quick) 5 else 20

# ---- a draw -----------------------------------------------------------------------------------

# N training rows and N / 4 for testing (80 % and 20 %). Rows come in random order, so the first N are
# a random part, and dealing them out in turn is an equal random split. The same seed gives the same
# true parameters and centres for every N.
draw <- function(N, seed, family = stats::gaussian(), d = columns, points = 50000) {
  sim <- moe_simulate(1.25 * N, K = 4, d = d, seed = seed, family = family)
  train <- seq_len(N)
  list(N = N, seed = seed, family = family, train = sim$data[train, ], test = sim$data[-train, ],
    labels = sim$labels[-train], truth = sim$model, points = min(points, N / 4),
    least_share = min(tabulate(sim$labels, 4)) / (1.25 * N))
}

# The settings of all fits: the default search and one thread.
fit_control <- function() moe_control(singular_ok = TRUE, threads = 1, information = FALSE)

# Value, seconds, the share of them in which the process had a core, and the number of warnings.
timed <- function(expr) {
  count <- 0L
  value <- NULL
  seconds <- system.time(value <- withCallingHandlers(tryCatch(expr, error = identity),
    warning = function(w) {
      count <<- count + 1L
      invokeRestart("muffleWarning")
    }))
  list(value = value, seconds = seconds[["elapsed"]], warnings = count,
    cpu_share = min(1, sum(seconds[c("user.self", "sys.self")]) / max(seconds[["elapsed"]], 1e-3)))
}

# ---- measures ---------------------------------------------------------------------------------

# Log-likelihood and prediction on all held-out rows; T_c, parameters and clustering (which take an
# exact transport problem a row) on the first `points` of them.
measure <- function(model, d) {
  few <- seq_len(d$points)
  all_rows <- moe_metrics(model, d$test)
  compared <- moe_metrics(model, d$test[few, ], truth = d$truth, labels = d$labels[few])
  out <- data.frame(transport = compared$transport, loglik = all_rows$loglik, mse = compared$mse,
    rpe = all_rows$rpe, ari = compared$ari)
  if (!is.null(all_rows$error)) {
    out$accuracy <- 1 - all_rows$error
    out$log_loss <- all_rows$log_loss
  }
  out
}
no_measure <- function(d) {
  out <- data.frame(transport = NA_real_, loglik = NA, mse = NA, rpe = NA, ari = NA)
  if (d$family$family != "gaussian") out[c("accuracy", "log_loss")] <- NA_real_
  out
}

# A row of results. `run`: what timed() gives; `times`: pilot, site, aggregation.
result_row <- function(d, protocol, M, estimator, run, times = c(0, NA, 0), cpu_share = run$cpu_share,
                       support = NA) {
  model <- run$value
  failed <- inherits(model, "error")
  screened <- if (!failed) model$aggregation$screening$table
  converged <- if (failed) NA else c(model$aggregation$converged, model$record$converged, NA)[1]
  cbind(data.frame(N = d$N, seed = d$seed, protocol = protocol, M = M, estimator = estimator),
    if (failed) no_measure(d) else measure(model, d),
    data.frame(learning_time = round(sum(times), 3), pilot_time = times[1], site_time = times[2],
      aggregation_time = round(times[3], 3), cpu_share = round(cpu_share, 3), least_share = d$least_share,
      support = support, left_out = sum(screened$outlying), converged = converged,
      warnings = run$warnings, error = if (failed) gsub("[\r\n\",]+", " ", conditionMessage(model)) else ""))
}

# ---- the estimators ---------------------------------------------------------------------------

global_row <- function(d) {
  set.seed(d$seed)
  run <- timed(moe(y ~ ., d$train, K = 4, family = d$family, keep = FALSE, control = fit_control()))
  result_row(d, "all", 1, "G", run, c(0, run$seconds, 0))
}

# The five estimators from the sites' models. `aggregate` is moe_aggregate() with what they share.
aggregated_rows <- function(d, protocol, M, aggregate, sources, times, cpu_share, support, component) {
  row <- function(estimator, run, more = run$seconds) {
    result_row(d, protocol, M, estimator, run, c(times[1:2], more), cpu_share, support)
  }
  rows <- list(row("R_component", component))
  if (!inherits(component$value, "error")) {
    # The sites are of one size, so a round with the first of them alone takes as long as the slowest.
    one <- timed(moe_refine(component$value, sources[1], control = fit_control()))
    all <- timed(moe_refine(component$value, sources, control = fit_control()))
    rows <- c(rows, list(row("R_round", all, component$seconds + one$seconds)))
  }
  many <- list(middle_points = 5000)
  others <- list(R_pointwise = list(plan = "pointwise"), Middle = list(method = "middle", control = many),
    Average = list(method = "average", control = many))
  do.call(rbind, c(rows, lapply(names(others), function(name) {
    set.seed(d$seed)
    row(name, timed(do.call(aggregate, others[[name]])))
  })))
}

# Independent sites, N / M support points, weights n_m / n, nothing shared, no screening.
paper_rows <- function(d, M, sources) {
  set.seed(d$seed)
  fits <- timed(moe_sites(y ~ ., sources, K = 4, family = d$family, control = fit_control()))
  table <- fits$value$table
  support <- moe_support(d$train[sample(d$N, d$N / M), ])
  aggregate <- function(...) moe_aggregate(fits$value, support, weights = "size", screen = FALSE, ...)
  component <- timed(aggregate())
  times <- c(0, max(table$seconds[table$status == "fitted"]))
  aggregated_rows(d, "paper", M, aggregate, sources, times, fits$cpu_share, nrow(support$x), component)
}

# moe_distributed() as it comes; the other estimators from its sites and as many support points.
default_rows <- function(d, M, sources, site) {
  set.seed(d$seed)
  fit <- timed(moe_distributed(y ~ ., d$train, K = 4, sites = site, family = d$family, control = fit_control()))
  if (inherits(fit$value, "error")) return(result_row(d, "default", M, "R_component", fit))
  seconds <- fit$value$seconds
  component <- fit
  component$seconds <- seconds[["aggregation"]]
  set.seed(d$seed)
  some <- sample(d$N, fit$value$aggregation$support)
  support <- moe_support(d$train[some, ], site = site[some])
  aggregate <- function(...) moe_aggregate(fit$value$sites, support, ...)
  aggregated_rows(d, "default", M, aggregate, sources, unname(seconds[c("pilot", "slowest_site")]),
    fit$cpu_share, length(some), component)
}

# Our defaults beside the paper's protocol: on the first replicates of each N only, as both take as long.
with_defaults <- function(N, seed) seed <= if (N > 1e5) 10 else 20

# All rows of one replicate, determined by N and seed (times aside).
replicate_rows <- function(N, seed, machines, family = stats::gaussian(), d = columns,
                           stamp = machine_words()) {
  d <- draw(N, seed, family, d)
  truth <- result_row(d, "all", 1, "truth", list(value = d$truth, warnings = 0L, cpu_share = NA), c(NA, NA, NA))
  rows <- list(truth, global_row(d))
  for (M in machines) {
    site <- sprintf("site%03d", rep_len(seq_len(M), N))
    sources <- split(d$train, site)
    rows <- c(rows, list(paper_rows(d, M, sources)))
    if (with_defaults(N, seed)) rows <- c(rows, list(default_rows(d, M, sources, site)))
  }
  out <- do.call(rbind, rows)
  out$truth_loglik <- truth$loglik
  out$n_test <- nrow(d$test)
  out$n_transport <- d$points
  out$version <- format(utils::packageVersion("distmoe"))
  out$machine <- stamp
  rownames(out) <- NULL
  out
}

# ---- CSVs -------------------------------------------------------------------------------------

results_file <- function(folder, name, N) {
  file.path(folder, paste0(name, "-", format(N, scientific = FALSE, trim = TRUE), ".csv"))
}

read_results <- function(file) {
  if (!file.exists(file)) return(NULL)
  out <- utils::read.csv(file, stringsAsFactors = FALSE)
  out$error[is.na(out$error)] <- ""
  out
}

# The file is replaced as a whole, so that no stop leaves half a replicate.
add_results <- function(rows, file) {
  all <- rbind(read_results(file), rows)
  partial <- paste0(file, ".partial")
  utils::write.csv(all, partial, row.names = FALSE)
  file.rename(partial, file)
}

# Runs the replicates of `plan` (data frame N, seed) that are not stored yet.
run_replicates <- function(plan, folder, name, replicate) {
  dir.create(folder, FALSE, TRUE)
  for (i in seq_len(nrow(plan))) {
    file <- results_file(folder, name, plan$N[i])
    if (plan$seed[i] %in% read_results(file)$seed) next
    seconds <- system.time(add_results(replicate(plan$N[i], plan$seed[i]), file))[["elapsed"]]
    cat(format(Sys.time(), "%H:%M"), " N = ", format(plan$N[i], big.mark = ",", scientific = FALSE),
      ", seed ", plan$seed[i], ": ", round(seconds), " s\n", sep = "")
    flush(stdout())
    invisible(gc())
  }
}

# Runs one replicate again and compares all that is not a time or a word about the machine.
check_replicate <- function(folder, name, replicate, N, seed, tolerance = 1e-6) {
  stored <- read_results(results_file(folder, name, N))
  stored <- stored[stored$seed == seed, ]
  if (!nrow(stored)) stop("No rows of N = ", N, ", seed ", seed, " are stored.")
  # Through a file as well, so that both have the same types.
  file <- tempfile(fileext = ".csv")
  utils::write.csv(replicate(N, seed), file, row.names = FALSE)
  again <- read_results(file)
  key <- c("protocol", "M", "estimator")
  both <- merge(stored, again, by = key, suffixes = c("", "_again"))
  measures <- intersect(c("transport", "loglik", "mse", "rpe", "ari", "accuracy", "log_loss", "least_share",
    "support", "left_out", "truth_loglik"), names(stored))
  gap <- vapply(measures, function(m) {
    a <- both[[m]]
    b <- both[[paste0(m, "_again")]]
    if (any(is.na(a) != is.na(b))) Inf else max(0, abs(a - b) / pmax(1, abs(a)), na.rm = TRUE)
  }, 0)
  same <- nrow(both) == nrow(stored) && nrow(both) == nrow(again) && all(gap <= tolerance)
  print(gap)
  cat("N = ", format(N, scientific = FALSE), ", seed ", seed, ": ", nrow(stored), " stored rows, ",
    if (same) "the same again" else "NOT the same again", " (to ", tolerance, ")\n", sep = "")
  same
}
