# 64 sites against one pooled fit: time and held-out log-likelihood, over the number of rows.
#
#   Rscript distribution.R [quick] [rows ..., 1e5 1e6 4e6]
#
# 80 % of the rows are for fitting. Sites fit one after the other, on one thread each; the learning
# time is what it would be if they worked at the same time: slowest site + aggregation, with and
# without the pilot (the common start). Five starts everywhere but from the pilot. 4e6 rows take some
# 5 GB.

source(system.file("bench/tools.R", package = "distmoe"))
rows <- all_sizes(c(1e5, 1e6, 4e6), c(4e3, 8e3))
sites <- if (quick) 4 else 64
d <- if (quick) 3 else 20
seed <- 1
header(paste0("distribution: ", sites, " sites against a pooled fit, K = 4, d = ", d))
future::plan(future::sequential)

one_size <- function(n) {
  sim <- moe_simulate(n, K = 4, d = d, seed = seed)
  set.seed(seed)
  held_out <- sort(sample.int(n, 0.2 * n))
  test <- sim$data[held_out, ]
  train <- sim$data[-held_out, ]
  rm(sim)
  gc()
  control <- moe_control(singular_ok = TRUE, threads = 1)
  models <- list()
  parts <- list()
  pooled <- function(name, control) function() {
    set.seed(seed)
    elapsed(models[[name]] <<- moe(y ~ ., train, K = 4, control = control, keep = FALSE))
  }
  # Gives the learning time with the pilot's; the parts of each repetition are kept.
  distributed <- function(name, pilot) function() {
    set.seed(seed)
    out <- moe_distributed(y ~ ., train, K = 4, sites = sites, pilot = pilot, control = control)
    models[[name]] <<- out
    parts[[name]] <<- rbind(parts[[name]], c(out$seconds, in_turn = sum(out$sites$table$seconds)))
    sum(out$seconds)
  }
  total <- take_turns(list(
    pooled = pooled("pooled", moe_control()),
    "pooled, 1 thread" = pooled("pooled, 1 thread", moe_control(threads = 1)),
    "sites on their own" = distributed("sites on their own", FALSE),
    "sites from a pilot" = distributed("sites from a pilot", TRUE)))
  part <- function(what) {
    vapply(names(models), function(name) {
      if (is.null(parts[[name]])) NA_real_ else stats::median(parts[[name]][, what])
    }, 0)
  }
  learning <- part("slowest_site") + part("aggregation")
  learning[is.na(learning)] <- total[is.na(learning)]
  log_lik <- vapply(models, function(m) moe_metrics(m, test)$loglik, 0)
  data.frame(rows = n, fit = names(models), pilot = part("pilot"),
    "slowest site" = part("slowest_site"), aggregation = part("aggregation"),
    learning = learning, "with pilot" = total, "pooled over learning" = total[["pooled"]] / learning,
    "over learning with pilot" = total[["pooled"]] / total, "all sites in turn" = part("in_turn"),
    "held-out log-lik" = formatC(log_lik, digits = 5, format = "f"),
    "to pooled" = formatC(log_lik - log_lik[["pooled"]], digits = 5, format = "f"),
    check.names = FALSE, row.names = NULL)
}

tables <- lapply(rows, function(n) {
  out <- one_size(n)
  gc()
  show_table(out[-1], paste0(count(n), " rows (80 % for fitting): seconds; log-likelihood a held-out row"))
  out
})
all <- do.call(rbind, tables)

# From which size on is it faster, there and at all larger sizes?
pays_from <- function(name, column, than) {
  ours <- all[all$fit == name, ]
  pooled <- all$learning[all$fit == than]
  better <- rev(cumprod(rev(ours[[column]] < pooled))) == 1
  if (any(better)) paste("from", count(min(ours$rows[better])), "rows on")
  else "at none of these sizes"
}
say <- function(name, column, what) {
  cat("Against the pooled fit on ", moe_threads(), " thread(s), ", what, " (", sites, " sites at the same time) pays ",
    pays_from(name, column, "pooled"), "; against the pooled fit on one thread, ",
    pays_from(name, column, "pooled, 1 thread"), ".\n", sep = "")
}
say("sites on their own", "learning", "distribution without a pilot")
say("sites from a pilot", "learning", "distribution from a pilot that is there already")
say("sites from a pilot", "with pilot", "distribution with the pilot's time counted")
cat("\n")

last <- all[all$rows == max(rows), ]
target(paste0("pooled over learning time with pilot, ", count(max(rows)), " rows"),
  last[["over learning with pilot"]][last$fit == "sites from a pilot"], least = 1)
target(paste0("held-out log-likelihood a row below pooled, sites from a pilot, ", count(max(rows)), " rows"),
  -as.numeric(last[["to pooled"]][last$fit == "sites from a pilot"]), most = 0.01)
finish()
