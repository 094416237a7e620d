# Sixteen airlines, one model: arrival delay of the flights that left New York City in 2013.
#
#   Rscript flights.R [folder for the plots]
#
# Every carrier is a site that keeps its flights. It fits a mixture of experts to them and sends the
# model; the models are aggregated. The aggregate is compared, on flights that no fit has seen, with
# the fit to all flights in one place and with lm(). All numbers printed are measured in this run.

library(distmoe)
arguments <- commandArgs(trailingOnly = TRUE)
folder <- if (length(arguments)) arguments[1] else "demo-output"

options(width = 110)
began <- proc.time()[["elapsed"]]
title <- function(text) cat("\n", text, "\n", strrep("-", nchar(text)), "\n", sep = "")
say <- function(...) cat(strwrap(paste0(...), width = 100, exdent = 2), sep = "\n")
big <- function(x) format(x, big.mark = ",", trim = TRUE)
fixed <- function(x, digits) ifelse(is.na(x), "", formatC(x, digits = digits, format = "f"))
seconds <- function(code) system.time(code)[["elapsed"]]

# ---- Data ----------------------------------------------------------------------------------------

flights <- as.data.frame(nycflights13::flights)
seasons <- c("winter", "spring", "summer", "autumn")
flights$season <- factor(seasons[flights$month %% 12 %/% 3 + 1], seasons)
flights$origin <- factor(flights$origin)
flights$miles <- flights$distance / 1000 # in thousands, which keeps the coefficients readable
used <- c("arr_delay", "dep_delay", "miles", "hour", "season", "origin", "carrier")
# Cancelled and diverted flights have no arrival delay, so there is nothing to fit or to score.
arrived <- flights[!is.na(flights$arr_delay), used]

set.seed(2013)
test_rows <- sample(nrow(arrived), round(0.2 * nrow(arrived)))
held_out <- arrived[test_rows, ]
train <- arrived[-test_rows, ]

title("Data")
say(big(nrow(flights)), " flights of ", length(unique(flights$carrier)), " carriers. ",
  big(nrow(flights) - nrow(arrived)), " were cancelled or diverted and are left out. ",
  big(nrow(train)), " are fitted to, ", big(nrow(held_out)), " (drawn at random) are held out.")

# The delay may rise and fall with the hour, hence the square. The gates see the same columns.
model <- arr_delay ~ dep_delay + miles + poly(hour, 2) + season + origin
# Delays have heavy tails, and experts of different variance follow them. Two experts are too few
# for that: a third raises the held-out log-likelihood by about 0.015 a flight. A fourth raises it
# by less than 0.01 and takes longer; aggregation then loses more against the pooled fit than here.
K <- 3

# ---- Fit at the sites ----------------------------------------------------------------------------

sites <- split(train, train$carrier)
# The package `future` says where sites are fitted: here in two R processes beside this one.
workers <- if (requireNamespace("future", quietly = TRUE)) 2 else 1
if (workers > 1) future::plan(future::multisession, workers = workers)

# The support sample: rows over which the transport cost is averaged, and the only ones that leave a
# site. In proportion to its size, 2 % of all; but 50 at least, so that a small carrier has a say.
# (With 8 % the pilot below often comes as close to the pooled fit as the aggregate does: who may
# move so many rows can do without aggregation.)
give <- function(n) min(n, max(50, round(0.02 * n)))
given <- do.call(rbind, lapply(sites, function(d) d[sample(nrow(d), give(nrow(d))), ]))
support <- moe_support(given, site = given$carrier)

# The pilot, a model of the support rows, is where every site starts. It keeps their experts
# comparable. And where a carrier's flights say nothing (it has one origin only, or one distance),
# its model keeps the pilot's values. A carrier with fewer flights than parameters is skipped.
# Information matrices tell how well a carrier knows its parameters: the hierarchy below wants them.
pilot_seconds <- seconds(pilot <- moe(model, given, K = K, keep = FALSE))
sites_seconds <- seconds(fitted <- moe_sites(model, sites, start = pilot, information = TRUE))

# ---- Aggregate, and fit the rivals ---------------------------------------------------------------

# By default experts travel as a whole ("component" plan) and a point asks the model of its own site
# ("site" weights). The paper's choices are "pointwise" and "size".
aggregates <- list(
  "aggregate: component, site" = moe_aggregate(fitted, support),
  "aggregate: component, size" = moe_aggregate(fitted, support, weights = "size"),
  "aggregate: pointwise, site" = moe_aggregate(fitted, support, plan = "pointwise"),
  "aggregate: pointwise, size" = moe_aggregate(fitted, support, plan = "pointwise",
    weights = "size"),
  "middle" = moe_aggregate(fitted, support, method = "middle"),
  "average" = moe_aggregate(fitted, support, method = "average")
)
ours <- names(aggregates)[1]

# One model for all is not what airlines are like. In a hierarchy every carrier has a model of its own, which
# borrows from the others what its flights do not tell: at once from what was sent, and better after some rounds,
# in which the carrier with too few flights for a model takes part.
one_shot_seconds <- seconds(one_shot <- moe_hierarchy(fitted))
rounds_seconds <- seconds(hierarchy <- moe_refine(one_shot, sites, rounds = 8))
hierarchies <- list("own models, hierarchy at once" = one_shot, "own models, hierarchy, 8 rounds" = hierarchy)

pooled_seconds <- seconds(pooled <- moe(model, train, K = K, keep = FALSE))
lm_seconds <- seconds(line <- lm(model, train))

# ---- Compare on held-out flights -----------------------------------------------------------------

models <- c(list(pooled = pooled), aggregates, list("pilot (support rows)" = pilot))
density <- lapply(models, predict, held_out, type = "density", log = TRUE)
squared_error <- function(m) (held_out$arr_delay - predict(m, held_out))^2
loss <- lapply(c(models, list(lm = line)), squared_error)
# lm() gets a Gaussian density with the maximum likelihood sigma, like the experts.
density$lm <- dnorm(sqrt(loss$lm), sd = sqrt(mean(residuals(line)^2)), log = TRUE)
of_carrier <- as.character(held_out$carrier)
for (name in names(hierarchies)) {
  h <- hierarchies[[name]]
  density[[name]] <- predict(h, held_out, site = of_carrier, type = "density", log = TRUE,
    allow_new_sites = TRUE)
  loss[[name]] <- (held_out$arr_delay - predict(h, held_out, site = of_carrier,
    allow_new_sites = TRUE))^2
}
rpe <- vapply(loss[names(density)], sum, 0) / sum(held_out$arr_delay^2)

# Mean difference and its standard error: both models are asked about the same flights.
versus <- function(score, a, b, rows = TRUE) {
  difference <- (score[[a]] - score[[b]])[rows]
  c(mean = mean(difference), se = sd(difference) / sqrt(length(difference)))
}
gap <- vapply(names(density), function(m) versus(density, m, "pooled"), c(mean = 0, se = 0))
slowest <- max(fitted$table$seconds[fitted$table$status == "fitted"])
aggregation <- vapply(aggregates, function(m) m$aggregation$seconds, 0)
total <- c(pooled_seconds, pilot_seconds + slowest + aggregation, pilot_seconds, lm_seconds,
  pilot_seconds + slowest + one_shot_seconds, pilot_seconds + slowest + one_shot_seconds + rounds_seconds)

title("Held-out flights")
print(data.frame(
  model = format(names(density)), loglik = fixed(vapply(density, mean, 0), 4),
  "vs pooled" = fixed(gap["mean", ], 4), se = fixed(gap["se", ], 4), RPE = fixed(rpe, 4),
  "site s" = fixed(c(NA, rep(slowest, length(aggregates)), NA, NA, slowest, slowest), 1),
  "aggregation s" = fixed(c(NA, aggregation, NA, NA, one_shot_seconds, one_shot_seconds + rounds_seconds), 1),
  "total s" = fixed(total, 1),
  check.names = FALSE), row.names = FALSE)
say("loglik: mean log density of a flight, larger is better; se: of the difference. ",
  "RPE: squared error over squared delay, smaller is better. site s: the slowest site. total s of ",
  "what is aggregated: pilot (", fixed(pilot_seconds, 1), "), slowest site and aggregation, as if ",
  "every site had its own machine; of rounds, as they took here, with all sites on ",
  workers, " worker(s). Here all sites took ", fixed(sites_seconds, 1), " s with ",
  workers, " worker(s).")

# Every carrier's own held-out flights, under its own model, the pooled fit and the aggregate.
outcome <- fitted$table
carriers <- outcome$site
rows_of <- split(seq_len(nrow(held_out)), factor(held_out$carrier, carriers))
own <- vapply(carriers, function(s) {
  m <- fitted$models[[s]]
  if (is.null(m)) NA else moe_metrics(m, held_out[rows_of[[s]], ])$loglik
}, 0)
mean_of <- function(m) vapply(rows_of, function(rows) mean(density[[m]][rows]), 0)
carrier_gap <- vapply(rows_of, function(rows) versus(density, ours, "pooled", rows),
  c(mean = 0, se = 0))
kept <- vapply(fitted$models, function(m) length(unique(unlist(m$record$aliased))), 0L)[carriers]

title("Carriers")
skipped <- outcome$status == "skipped"
print(data.frame(
  carrier = carriers, rows = big(outcome$n), given = c(table(given$carrier)[carriers]),
  bytes = ifelse(is.na(outcome$bytes), "none", big(outcome$bytes)),
  status = ifelse(skipped, paste("skipped, needs", outcome$needs), outcome$status),
  kept = ifelse(is.na(kept), "", kept), "held out" = big(lengths(rows_of)), own = fixed(own, 3),
  pooled = fixed(mean_of("pooled"), 3), aggregate = fixed(mean_of(ours), 3),
  hierarchy = fixed(mean_of("own models, hierarchy, 8 rounds"), 3),
  gap = fixed(carrier_gap["mean", ], 3), se = fixed(carrier_gap["se", ], 3),
  check.names = FALSE), row.names = FALSE)
say("rows: flights fitted to; given: of these, in the support sample; bytes: the model as text; ",
  "kept: columns whose coefficients the flights do not determine, so that they stay the pilot's. ",
  "own, pooled, aggregate, hierarchy (rounds): held-out log-likelihood a flight; gap: aggregate less pooled.")

# ---- In words ------------------------------------------------------------------------------------

title("Where aggregation wins and loses")
verdict <- function(gain) {
  if (abs(gain[["mean"]]) < 2 * gain[["se"]]) return("level")
  if (gain[["mean"]] > 0) "wins" else "LOSES"
}
say("The first aggregate against ... (level: within two standard errors)")
for (rival in setdiff(names(density), ours)) {
  likelihood <- versus(density, ours, rival)
  error <- versus(loss, rival, ours)
  say("- ", rival, ": ", verdict(likelihood), " in log-likelihood (",
    sprintf("%+.4f, se %.4f", likelihood[["mean"]], likelihood[["se"]]), "), ", verdict(error),
    " in RPE (", sprintf("%.4f, %.4f", rpe[[ours]], rpe[[rival]]), ")")
}
verdicts <- apply(carrier_gap, 2, verdict)
worst <- which.min(carrier_gap["mean", ])
say("By carrier, against the pooled fit: it LOSES at ", sum(verdicts == "LOSES"), ", wins at ",
  sum(verdicts == "wins"), ", is level at ", sum(verdicts == "level"), ". Its worst carrier is ",
  carriers[worst], ": ", sprintf("%+.3f", carrier_gap["mean", worst]), " a flight. Carriers ",
  "differ: of the ", sum(!skipped), " with a model of their own, this model is better on their ",
  "held-out flights than the aggregate at ", sum(own > mean_of(ours), na.rm = TRUE),
  ", and better than the pooled fit at ", sum(own > mean_of("pooled"), na.rm = TRUE), ". The hierarchy's ",
  "model of a carrier is better than the aggregate at ",
  sum(mean_of("own models, hierarchy, 8 rounds") > mean_of(ours)),
  " of ", length(carriers), ". Carriers differ most in:")
print(head(local({
  found <- heterogeneity(hierarchy)
  found[order(-found$Q / found$df), c("term", "estimate", "tau", "I2", "p")]
}), 5))
ratio <- pooled_seconds / total[[2]]
say("Time: ", fixed(total[[2]], 1), " s for the aggregate, ", fixed(pooled_seconds, 1),
  " s for the pooled fit: ", if (ratio > 1) "faster" else "SLOWER", " by a factor of ",
  fixed(max(ratio, 1 / ratio), 1), ". lm takes ", fixed(lm_seconds, 1), " s.")
text_bytes <- function(rows) sum(nchar(do.call(paste, c(rows, sep = ","))) + 1)
say("Sent: models of ", big(sum(outcome$bytes, na.rm = TRUE)), " bytes in all and, once, ",
  big(nrow(given)), " support rows of ", big(text_bytes(given)), " bytes. All rows would be ",
  big(text_bytes(train)), " bytes.")

# ---- Plots ---------------------------------------------------------------------------------------

# The few flights that are hours late would flatten every picture: 98 % of the flights are drawn.
limits <- quantile(held_out$dep_delay, c(0.01, 0.99))
drawn <- subset(held_out, dep_delay >= limits[1] & dep_delay <= limits[2])
dir.create(folder, showWarnings = FALSE, recursive = TRUE)
title("Plots of the aggregate, and of how carriers differ")
for (which in c("experts", "gates", "plan", "sites")) {
  file <- file.path(folder, paste0("flights-", which, ".png"))
  png(file, width = 1400, height = 900, res = 130)
  if (which == "sites") plot(hierarchy, which) else plot(aggregates[[ours]], which, data = drawn)
  dev.off()
  cat(file, "\n")
}
cat("\nThe demo took", round(proc.time()[["elapsed"]] - began), "s.\n")
