# 64 sites against one pooled fit: time and held-out log-likelihood, over the number of rows.
#
#   Rscript distribution.R [quick] [rows ..., 1e5 1e6 4e6]
#
# 80 % of the rows are for fitting. Sites fit one after the other, on one thread each; the learning
# time is what it would be if they worked at the same time: slowest site + aggregation, with and
# without the pilot (the common start). Five starts everywhere but from the pilot. Medians over five
# draws of the design, one run of each fit on each; in the first an expert has 0.2 % of the rows.
# 4e6 rows take some 5 GB.

source(system.file("bench/tools.R", package = "distmoe"))
rows <- all_sizes(c(1e5, 1e6, 4e6), c(4e3, 8e3))
sites <- if (quick) 4 else 64
d <- if (quick) 3 else 20
seeds <- if (quick) 1:2 else 1:5
header(paste0("distribution: ", sites, " sites against a pooled fit, K = 4, d = ", d))
future::plan(future::sequential)

# One draw: seconds of every part of every fit, and its log-likelihood a held-out row.
one_draw <- function(n, seed) {
  sim <- moe_simulate(n, K = 4, d = d, seed = seed)
  set.seed(seed)
  held_out <- sort(sample.int(n, 0.2 * n))
  test <- sim$data[held_out, ]
  train <- sim$data[-held_out, ]
  rm(sim)
  gc()
  # Experts that lose their rows at small sites are part of the matter, not news.
  quietly <- function(expr) suppressWarnings(expr)
  pooled <- function(control) {
    set.seed(seed)
    seconds <- elapsed(model <- quietly(moe(y ~ ., train, K = 4, control = control, keep = FALSE)))
    c(pilot = NA, slowest = NA, aggregation = NA, learning = seconds, total = seconds, in_turn = NA,
      loglik = moe_metrics(model, test)$loglik)
  }
  distributed <- function(pilot) {
    set.seed(seed)
    control <- moe_control(singular_ok = TRUE, threads = 1)
    model <- quietly(moe_distributed(y ~ ., train, K = 4, sites = sites, pilot = pilot,
      control = control))
    part <- model$seconds
    learning <- part[["slowest_site"]] + part[["aggregation"]]
    c(pilot = part[["pilot"]], slowest = part[["slowest_site"]], aggregation = part[["aggregation"]],
      learning = learning, total = part[["pilot"]] + learning,
      in_turn = sum(model$sites$table$seconds), loglik = moe_metrics(model, test)$loglik)
  }
  rbind(pooled = pooled(moe_control()), "pooled, 1 thread" = pooled(moe_control(threads = 1)),
    "sites on their own" = distributed(FALSE), "sites from a pilot" = distributed(TRUE))
}

one_size <- function(n) {
  draws <- vapply(seeds, function(seed) one_draw(n, seed), matrix(0, 4, 7,
    dimnames = list(c("pooled", "pooled, 1 thread", "sites on their own", "sites from a pilot"),
      c("pilot", "slowest", "aggregation", "learning", "total", "in_turn", "loglik"))))
  middle <- apply(draws, 1:2, stats::median)
  over <- function(than, what) {
    draw <- draws[rep(than, nrow(draws)), "learning", ] / draws[, what, ]
    apply(draw, 1, stats::median)
  }
  loss <- draws[, "loglik", ] - draws[rep("pooled", nrow(draws)), "loglik", ]
  five <- function(v) formatC(v, digits = 5, format = "f")
  data.frame(rows = n, fit = rownames(middle), pilot = middle[, "pilot"],
    "slowest site" = middle[, "slowest"], aggregation = middle[, "aggregation"],
    learning = middle[, "learning"], "with pilot" = middle[, "total"],
    "pooled over learning" = over("pooled", "learning"),
    "pooled, 1 thread, over it" = over("pooled, 1 thread", "learning"),
    "pooled over with pilot" = over("pooled", "total"),
    "all sites in turn" = middle[, "in_turn"], "held-out log-lik to pooled" =
      five(apply(loss, 1, stats::median)), worst = five(apply(loss, 1, min)),
    check.names = FALSE, row.names = NULL)
}

tables <- lapply(rows, function(n) {
  out <- one_size(n)
  gc()
  show_table(out[-1], paste0(count(n), " rows (80 % for fitting): seconds; log-likelihood a held-out row; medians"))
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

aim <- all[all$rows == if (1e6 %in% rows) 1e6 else max(rows), ]
aim <- aim[aim$fit == "sites from a pilot", ]
at <- paste0(", sites from a pilot, ", count(aim$rows), " rows")
target(paste0("pooled fit (1 thread, as at the sites) over learning time", at),
  aim[["pooled, 1 thread, over it"]], least = 10)
target(paste0("pooled fit (", moe_threads(), " threads) over learning time", at),
  aim[["pooled over learning"]], least = 10)
target(paste0("pooled fit (", moe_threads(), " threads) over learning time and pilot", at),
  aim[["pooled over with pilot"]], least = 1)
target(paste0("held-out log-likelihood a row below pooled, median draw", at),
  -as.numeric(aim[["held-out log-lik to pooled"]]), most = 0.0005)
finish()
