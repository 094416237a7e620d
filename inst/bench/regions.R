# Sites that see different x: what the weights of an aggregation lose against the pooled fit, in held-out
# log-likelihood a row.
#
#   Rscript regions.R [quick] [rows, 40000] [draws, 10]
#
# Part 1: K = 3, d = 6; eight sites, one for each combination of high and low of the first three
# covariates; 80 % of the rows for fitting; sites start from a pilot. "some": a fifth of the rows as
# support; "drawn": 20,000 points from the sites' summaries of x. Part 2: flights by airline; with a few
# support points, a basis of the hour and the smallest airlines, one of them alone (Mesa, 445 flights)
# can decide what weights by size lose: its second expert has coefficients of tens of thousands
# on the basis, which are right at the hours that it flies and up to 2,500 minutes off elsewhere.
# With a mass of 0.0009 it makes four fifths of the variance of the expert that it is sent to. How far off
# it is depends on the mode in which its fit ends, and nothing in it is wrong at its own x: this belongs
# to constant weights.
# Part 3: the paper's design, where all sites see the same x.

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 40000, 4000)
draws <- size(2, 10, 2)
header("regions: weights of the aggregation where sites see different x")
future::plan(future::sequential)

five <- function(v) formatC(v, digits = 5, format = "f")

# Losses of the aggregates of sites that share everything.
losses <- function(sites, train, site, test, take, pooled) {
  value <- function(model) moe_metrics(model, test)$loglik
  some <- moe_support(train[take, ], site = site[take])
  plain <- moe_support(train[take, ])
  drawn <- moe_support(sites, n = if (quick) 2000 else 20000)
  unsited <- drawn
  unsited$site <- NULL
  fit <- function(...) moe_aggregate(sites, ..., moments = FALSE)
  all_rows <- fit(moe_support(train, site = site), weights = "site")
  by_moments <- moe_aggregate(sites, some, weights = "site")
  models <- list("size, some" = fit(plain, weights = "size"),
    "density, some" = fit(plain, weights = "density"), "site, some" = fit(some, weights = "site"),
    "site, all rows" = all_rows, "moments, some" = by_moments,
    "site, drawn" = fit(drawn, weights = "site"), "density, drawn" = fit(unsited),
    "moments, drawn" = moe_aggregate(sites, drawn))
  list(loss = value(pooled) - vapply(models, value, 0),
    gap = max(abs(coef(by_moments, "expert") - coef(all_rows, "expert"))))
}

one_draw <- function(seed) {
  sim <- moe_simulate(n, K = 3, d = 6, seed = seed)
  high <- function(v) v > stats::median(v)
  site <- paste0("s", 1 + high(sim$data$x1) + 2 * high(sim$data$x2) + 4 * high(sim$data$x3))
  set.seed(seed)
  test <- sample.int(n, 0.2 * n)
  train <- sim$data[-test, ]
  site <- site[-test]
  take <- sample.int(nrow(train), nrow(train) / 4)
  pooled <- moe(y ~ ., train, K = 3)
  pilot <- moe(y ~ ., train[take, ], K = 3)
  sites <- suppressWarnings(moe_sites(y ~ ., split(train, site), start = pilot,
    share = c("x", "moments")))
  losses(sites, train, site, sim$data[test, ], take, pooled)
}

results <- lapply(seq_len(draws), one_draw)
loss <- vapply(results, function(r) r$loss, results[[1]]$loss)
show_table(data.frame(weights = rownames(loss), median = five(apply(loss, 1, stats::median)),
  worst = five(apply(loss, 1, max)), apply(loss, 2, five), check.names = FALSE),
  paste0("Part 1: pooled less aggregate, ", draws, " draws"))
gap <- max(vapply(results, function(r) r$gap, 0))

flights_losses <- function() {
  f <- stats::na.omit(as.data.frame(nycflights13::flights[c("arr_delay", "dep_delay", "distance",
    "hour", "month", "origin", "carrier")]))
  f$season <- c("winter", "spring", "summer", "autumn")[(f$month %% 12) %/% 3 + 1]
  f <- f[f$carrier %in% names(which(table(f$carrier) > 500)), ]
  if (quick) f <- f[seq(1, nrow(f), 20), ]
  set.seed(1)
  test <- sample.int(nrow(f), 0.2 * nrow(f))
  train <- f[-test, ]
  take <- sample.int(nrow(train), if (quick) 3000 else 20000)
  model <- arr_delay ~ dep_delay + log(distance) + hour + season + origin
  pooled <- moe(model, train, K = 3)
  sites <- suppressWarnings(moe_sites(model, split(train, train$carrier),
    start = moe(model, train[take, ], K = 3), share = c("x", "moments")))
  losses(sites, train, train$carrier, f[test, ], take, pooled)$loss
}
if (requireNamespace("nycflights13", quietly = TRUE)) {
  flights <- flights_losses()
  show_table(data.frame(weights = names(flights), loss = five(flights)),
    "Part 2: flights by airline (delay at arrival; K = 3)")
}

# The flights of inst/demo: all airlines, few support points; with and without one small airline.
one_airline <- function() {
  f <- as.data.frame(nycflights13::flights)
  f$season <- factor(c("winter", "spring", "summer", "autumn")[f$month %% 12 %/% 3 + 1],
    c("winter", "spring", "summer", "autumn"))
  f$origin <- factor(f$origin)
  f$miles <- f$distance / 1000
  f <- f[!is.na(f$arr_delay), c("arr_delay", "dep_delay", "miles", "hour", "season", "origin", "carrier")]
  set.seed(2013)
  test <- sample(nrow(f), round(0.2 * nrow(f)))
  train <- f[-test, ]
  sources <- split(train, train$carrier)
  given <- do.call(rbind, lapply(sources, function(d) {
    d[sample(nrow(d), min(nrow(d), max(50, round(0.02 * nrow(d))))), ]
  }))
  model <- arr_delay ~ dep_delay + miles + poly(hour, 2) + season + origin
  pilot <- moe(model, given, K = 3, keep = FALSE)
  models <- moe_sites(model, sources, start = pilot)$models
  pooled <- moe_metrics(moe(model, train, K = 3, keep = FALSE), f[test, ])$loglik
  row <- function(what, models, weights) {
    a <- moe_aggregate(models, moe_support(given, site = given$carrier), weights = weights, screen = FALSE)
    data.frame(weights = weights, airlines = what, loss = pooled - moe_metrics(a, f[test, ])$loglik,
      largest_sd = sqrt(max(a$parameters$dispersion)))
  }
  small <- models[names(models) != "YV"]
  rbind(row("all", models, "size"), row("without Mesa", small, "size"), row("all", models, "site"),
    row("without Mesa", small, "site"))
}
if (requireNamespace("nycflights13", quietly = TRUE) && !quick) {
  show_table(suppressWarnings(one_airline()), "Part 2, the flights of the demo: what one small airline does")
}

alike <- vapply(2:4, function(seed) {
  sim <- moe_simulate(n, K = 4, d = 20, seed = seed)
  set.seed(seed)
  test <- sample.int(n, 0.2 * n)
  train <- sim$data[-test, ]
  site <- sample(rep_len(letters[1:16], nrow(train)))
  take <- sample.int(nrow(train), min(20000, nrow(train)))
  sites <- suppressWarnings(moe_sites(y ~ ., split(train, site),
    start = moe(y ~ ., train[take, ], K = 4), share = "x"))
  value <- function(...) moe_metrics(moe_aggregate(sites, ...), sim$data[test, ])$loglik
  c(site = value(moe_support(train[take, ], site = site[take]), weights = "site"),
    density = value(moe_support(train[take, ]), weights = "density"),
    drawn = value(moe_support(sites))) -
    value(moe_support(train[take, ]), weights = "size")
}, c(site = 0, density = 0, drawn = 0))
colnames(alike) <- paste("seed", 2:4)
show_table(data.frame(weights = rownames(alike), apply(alike, 2, five), check.names = FALSE),
  "Part 3: the paper's design, 16 sites that see the same x: gain over size weights")

target("draws on which size weights lose more than 0.02", sum(loss["size, some", ] > 0.02),
  least = draws / 2)
for (weights in c("site, some", "density, some")) {
  target(paste0("worst loss, ", weights), max(loss[weights, ]), most = 0.03)
  target(paste0("median loss, ", weights), stats::median(loss[weights, ]), most = 0.005)
}
if (exists("flights")) {
  for (weights in c("site, some", "density, some")) {
    target(paste0("loss on the flights, ", weights), flights[[weights]], most = 0.03)
  }
}
target("experts by moments and by all rows as support, largest gap", gap, most = 1e-8)
target("paper's design, site and density weights: worst loss against size",
  -min(alike[c("site", "density"), ]), most = 0.0005)
finish()
