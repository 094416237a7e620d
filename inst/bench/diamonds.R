# 53,940 diamonds (ggplot2): log price on log carat, cut, color, clarity, depth and table; 32 random sites.
# Part 1: the grades of cut, color and clarity as numbers; part 2: as factors (23 coefficients an expert).
#
#   Rscript diamonds.R [quick] [seeds, 3]
#
# For K = 2, 3, 4: held-out log-likelihood a row (20 % held out) of the pooled fit; of the pilot; of the
# aggregate of sites that start from the pilot (moe_distributed() as it is), before and after five rounds
# of moe_refine(); of the pilot after rounds without an aggregate; of the aggregate of sites that start on
# their own (without a pilot). All have several
# modes, and searches may end in different ones: "pooled, from pilot" is the fit to all rows that goes on
# from the pilot; "pooled, 20 starts" searches more.

source(system.file("bench/tools.R", package = "distmoe"))
seeds <- seq_len(size(1, 3, 1))
header("diamonds: 32 random sites of real data")
future::plan(future::sequential)

if (!requireNamespace("ggplot2", quietly = TRUE)) {
  cat("skipped: ggplot2 is not installed\n")
  finish()
  quit("no")
}
diamonds <- as.data.frame(ggplot2::diamonds)
grades <- c("cut", "color", "clarity")
as_grades <- function(how) {
  for (v in grades) diamonds[[v]] <- how(diamonds[[v]])
  diamonds
}
model <- log(price) ~ log(carat) + cut + color + clarity + depth + table
if (quick) diamonds <- diamonds[seq(1, nrow(diamonds), 5), ]
numbers <- as_grades(as.integer)
factors <- as_grades(function(v) factor(as.character(v)))
site_count <- if (quick) 8 else 32

one_case <- function(seed, K, diamonds) {
  set.seed(seed)
  rows <- sample(nrow(diamonds), round(0.8 * nrow(diamonds)))
  train <- diamonds[rows, ]
  site <- sprintf("site%02d", sample(rep_len(seq_len(site_count), nrow(train))))
  pooled <- moe(model, train, K = K, keep = FALSE)
  # It warns where the pilot fits better than the aggregate, as the table shows.
  ours <- suppressWarnings(moe_distributed(model, train, K = K, sites = site))
  alone <- suppressWarnings(moe_distributed(model, train, K = K, sites = site, pilot = FALSE))
  sources <- split(train, site)
  models <- list(pooled = pooled,
    "pooled, from pilot" = moe(model, train, start = ours$pilot, keep = FALSE),
    "pooled, 20 starts" = moe(model, train, K = K, keep = FALSE, control = moe_control(starts = 20)),
    pilot = ours$pilot, aggregate = ours, "aggregate, 5 rounds" = moe_refine(ours, sources, rounds = 5),
    "pilot, 1 round" = moe_refine(ours$pilot, sources, rounds = 1),
    "pilot, 5 rounds" = suppressWarnings(moe_refine(ours$pilot, sources, rounds = 5)),
    "without pilot" = alone,
    "without pilot, 5 rounds" = suppressWarnings(moe_refine(alone, sources, rounds = 5)))
  held_out <- vapply(models, function(m) moe_metrics(m, diamonds[-rows, ])$loglik, 0)
  training <- vapply(models, function(m) as.numeric(logLik(m, train)), 0)
  data.frame(K = K, seed = seed, model = names(models), loglik = held_out,
    to_pooled = held_out - held_out[[1]], training = training,
    above_pooled = training - training[[1]])
}

cases <- expand.grid(seed = seeds, K = 2:4)
run <- function(title, diamonds) {
  results <- do.call(rbind, Map(one_case, cases$seed, cases$K, list(diamonds)))
  shown <- results
  for (v in c("loglik", "to_pooled")) shown[[v]] <- formatC(shown[[v]], digits = 5, format = "f")
  for (v in c("training", "above_pooled")) shown[[v]] <- exact(shown[[v]])
  show_table(shown, title)
  at <- function(model, K) results$loglik[results$model == model & results$K == K]
  lost <- vapply(2:4, function(K) at("pooled", K) - at("without pilot", K), numeric(length(seeds)))
  cat("Lost to pooled without the pilot, K = 2, 3, 4 (a line a seed):\n")
  print(round(matrix(lost, length(seeds)), 5))
  for (K in 2:4) for (against in c("pooled", "pooled, from pilot")) {
    below <- function(model) max(at(against, K) - at(model, K))
    say <- function(what) {
      paste0("K = ", K, ": held-out log-likelihood below that of ", against, ", worst seed, ", what)
    }
    target(say("aggregate"), below("aggregate"), most = 0.005)
    target(say("five rounds"), below("aggregate, 5 rounds"), most = 0.001)
  }
  cat("\n")
}

run("Part 1, grades as numbers: held-out log-likelihood a row, and log-likelihood of all training rows",
  numbers)
run("Part 2, grades as factors: the same", factors)
finish()
