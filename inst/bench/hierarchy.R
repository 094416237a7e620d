# Sites that differ: one population, a model for every site (moe_hierarchy), against one model for all and against
# every site's own. Held-out log-likelihood a row; new sites; intervals; times.
#
#   Rscript hierarchy.R [quick] [draws of the simulation, 300]
#
# Each part is kept, once done, in the folder HIERARCHY_KEEP (_build/bench/hierarchy), the simulation draw by draw: a
# run that was stopped goes on. Words in HIERARCHY_PARTS (flights airports diamonds men gates homogeneity simulation
# time) choose parts. The men of MMASH (inst/paper/mmash.R) are in it where MMASH names the folder of the data.

source(system.file("bench/tools.R", package = "distmoe"))
draws <- size(1, 300, 2)
header("hierarchy: sites that differ")
future::plan(future::sequential)
keep <- Sys.getenv("HIERARCHY_KEEP", if (quick) tempfile() else "_build/bench/hierarchy")
dir.create(keep, FALSE, TRUE)
parts_of_all <- "flights airports diamonds men gates homogeneity simulation time"
chosen <- strsplit(Sys.getenv("HIERARCHY_PARTS", parts_of_all), " +")[[1]]

kept <- function(name, code) {
  file <- file.path(keep, paste0(name, ".rds"))
  if (!file.exists(file)) {
    saveRDS(code, paste0(file, ".part"))
    file.rename(paste0(file, ".part"), file)
  }
  readRDS(file)
}
four <- function(v) formatC(v, digits = 4, format = "f")
seconds <- function(code) system.time(code)[["elapsed"]]
log_density <- function(model, rows, ...) predict(model, rows, type = "density", log = TRUE, ...)

# ---- real data: held-out rows of known sites, and of sites that are left out ---------------------------

real_case <- function(train, test, site, formula, K, rounds = 10, left_out = TRUE, most_left = Inf) {
  parts <- split(train, train[[site]], drop = TRUE)
  set.seed(2013)
  give <- function(n) min(n, max(50, round(0.02 * n)))
  given <- do.call(rbind, lapply(parts, function(d) d[sample(nrow(d), give(nrow(d))), ]))
  support <- moe_support(given, site = as.character(given[[site]]))
  pilot <- moe(formula, given, K = K, keep = FALSE)
  clock <- c(sites = seconds(fitted <- suppressWarnings(moe_sites(formula, parts, start = pilot, information = TRUE))))
  clock["aggregate"] <- seconds(aggregate <- suppressWarnings(moe_aggregate(fitted, support)))
  clock["pooled"] <- seconds(pooled <- moe(formula, train, K = K, keep = FALSE))
  clock["one shot"] <- seconds(h <- moe_hierarchy(fitted))
  clock["rounds"] <- seconds(refined <- moe_refine(h, parts, rounds = rounds))
  at <- as.character(test[[site]])
  own <- log_density(pooled, test)
  for (s in names(fitted$models)) own[at == s] <- log_density(fitted$models[[s]], test[at == s, ])
  has_own <- at %in% names(fitted$models)
  density <- list(pooled = log_density(pooled, test), aggregate = log_density(aggregate, test), own = own,
    "one shot" = log_density(h, test, site = at, new_site = "population", allow_new_sites = TRUE),
    rounds = log_density(refined, test, site = at))
  y <- test[[all.vars(formula)[1]]]
  rpe <- c(pooled = moe_metrics(pooled, test)$rpe, aggregate = moe_metrics(aggregate, test)$rpe, own = NA,
    "one shot" = moe_metrics(h, test, site = at, allow_new_sites = TRUE)$rpe,
    rounds = moe_metrics(refined, test, site = at)$rpe)
  out <- list(density = density, site = at, has_own = has_own, rpe = rpe, clock = clock,
    left_out = NULL, new_site = NULL, trace = refined$refinement$rounds)
  # What a new site gets may be the aggregate too.
  refined$aggregate <- aggregate
  if (left_out) out[c("left_out", "new_site")] <- new_sites(refined, parts, split(test, at), formula, K, most_left)
  out
}

# Every site left out: what the hierarchy of the others gives it, and a pooled fit to the others, which has its own
# search: it must not start from a fit that saw the site.
new_sites <- function(h, parts, tests, formula, K, most) {
  known <- h$hierarchy$table$site
  lack <- setdiff(known, names(tests))
  for (s in lack) tests[[s]] <- parts[[s]]
  chosen <- leave_sites_out(h, tests[known])$hierarchy
  t <- chosen$left_out
  t$pooled_of_others <- NA
  for (i in utils::head(order(-t$n), most)) {
    rest <- do.call(rbind, parts[setdiff(names(parts), t$site[i])])
    set.seed(2013)
    fit <- suppressWarnings(moe(formula, rest, K = K, keep = FALSE))
    t$pooled_of_others[i] <- mean(log_density(fit, tests[[t$site[i]]]))
  }
  list(t, chosen$new_site)
}

show_case <- function(found, title) {
  cat("\n", title, "\n", sep = "")
  mean_of <- vapply(found$density, mean, 0)
  print(data.frame(model = names(mean_of), loglik = four(mean_of), RPE = four(found$rpe)), row.names = FALSE)
  best <- pmax(tapply(found$density$pooled, found$site, mean), tapply(found$density$aggregate, found$site, mean),
    tapply(found$density$own, found$site, mean))
  which_best <- function(s) {
    rows <- found$site == s
    score <- vapply(found$density[c("pooled", "aggregate", "own")], function(d) mean(d[rows]), 0)
    names(which.max(score))
  }
  sites <- names(best)
  for (kind in c("one shot", "rounds")) {
    worse <- vapply(sites, function(s) {
      rows <- found$site == s
      gap <- (found$density[[kind]] - found$density[[which_best(s)]])[rows]
      sum(rows) > 1 && mean(gap) < -2 * stats::sd(gap) / sqrt(sum(rows))
    }, NA)
    cat(kind, ": at ", sum(!worse), " of ", length(sites),
      " sites no worse than the best of own, pooled and aggregate by more than two standard errors",
      if (any(worse) && sum(worse) < 10) paste0(" (worse: ", paste(sites[worse], collapse = ", "), ")"), "\n", sep = "")
  }
  cat("Seconds: ", paste(names(found$clock), round(found$clock, 1), collapse = ", "), "\n", sep = "")
  t <- found$left_out
  if (is.null(t)) return(invisible())
  used <- !is.na(t$pooled_of_others)
  fields <- c("average", "integrated", "population", "aggregate", "pooled_of_others")
  total <- colSums(t[used, fields] * t$n[used]) / sum(t$n[used])
  cat("New sites (each of ", sum(used), " left out; leave_sites_out() takes \"", found$new_site,
    "\"), held-out log-likelihood a row: ",
    paste(c("average", "integrated", "population", "aggregate", "pooled fit to the others"), four(total),
      collapse = ", "), "\n",
    sep = "")
}

flights <- function() {
  f <- as.data.frame(nycflights13::flights)
  seasons <- c("winter", "spring", "summer", "autumn")
  f$season <- factor(seasons[f$month %% 12 %/% 3 + 1], seasons)
  f$origin <- factor(f$origin)
  f$miles <- f$distance / 1000
  f[!is.na(f$arr_delay), c("arr_delay", "dep_delay", "miles", "hour", "season", "origin", "carrier", "dest")]
}
in_two <- function(data, seed = 2013, share = 0.2) {
  set.seed(seed)
  test <- sample(nrow(data), round(share * nrow(data)))
  list(train = data[-test, ], test = data[test, ])
}
flight_model <- arr_delay ~ dep_delay + miles + poly(hour, 2) + season + origin

if ("flights" %in% chosen) {
  show_case(kept("flights", {
    d <- in_two(if (quick) flights()[seq(1, 327346, 20), ] else flights())
    real_case(d$train, d$test, "carrier", flight_model, 3)
  }), "Flights by airline, K = 3")
}
if ("airports" %in% chosen) {
  show_case(kept("airports", {
    f <- flights()
    f <- f[f$dest %in% names(which(table(f$dest) >= 100)), ]
    d <- in_two(if (quick) f[seq(1, nrow(f), 20), ] else f)
    real_case(d$train, d$test, "dest", flight_model, 3, most_left = 20)
  }), "Flights by destination (airports with 100 flights or more), K = 3; new sites: the 20 largest")
}
if ("diamonds" %in% chosen && requireNamespace("ggplot2", quietly = TRUE)) {
  show_case(kept("diamonds", {
    g <- as.data.frame(ggplot2::diamonds)
    for (v in c("cut", "color")) g[[v]] <- as.integer(g[[v]])
    g$clarity <- as.character(g$clarity)
    d <- in_two(if (quick) g[seq(1, nrow(g), 10), ] else g)
    real_case(d$train, d$test, "clarity", log(price) ~ log(carat) + cut + color + depth + table, 3)
  }), "Diamonds by clarity, K = 3")
}
if ("men" %in% chosen && nzchar(Sys.getenv("MMASH"))) {
  show_case(kept("men", {
    reader <- new.env()
    sys.source(system.file("paper/mmash.R", package = "distmoe"), reader)
    formula <- heart_rate ~ log1p(magnitude) + steps + posture + asleep + hour_cos + hour_sin
    data <- reader$mmash_complete(reader$read_mmash(Sys.getenv("MMASH"))$data, reader$mmash_formula)$data
    d <- in_two(if (quick) data[seq(1, nrow(data), 50), ] else data, 1)
    real_case(d$train, d$test, "user", formula, 3)
  }), "Men of MMASH, K = 3")
}

# ---- common experts, shifted gates ------------------------------------------------------------------

if ("gates" %in% chosen) {
  cat("\nCommon experts, gates shifted by site (K = 2, 12 sites of 800 rows);",
    "log-likelihood a row of 20,000 new rows\n")
  one <- function(seed) {
    set.seed(seed)
    shift <- stats::rnorm(12)
    drawn <- function(n) {
      s <- sample(12, n, TRUE)
      d <- data.frame(x = stats::rnorm(n), v = stats::rnorm(n),
        site = factor(sprintf("s%02d", s), sprintf("s%02d", 1:12)))
      first <- stats::runif(n) < stats::plogis(0.3 + d$x + shift[s])
      d$y <- ifelse(first, 2 + d$x, -2 - d$x + d$v) + stats::rnorm(n)
      d
    }
    train <- drawn(9600)
    test <- drawn(20000)
    parts <- split(train, train$site)
    start <- moe(y ~ x + v, train[sample(9600, 500), ], K = 2)
    sites <- suppressWarnings(moe_sites(y ~ x + v, parts, start = start, information = TRUE))
    pooled <- moe(y ~ x + v, train, K = 2, gating = ~ x + v + site)
    free <- moe(y ~ x + v, train, K = 2, gating = ~ (x + v) * site)
    plain <- moe(y ~ x + v, train, K = 2)
    score <- function(m, ...) mean(log_density(m, test, ...))
    scores <- function(h) {
      c(score(h, site = "site"), score(moe_refine(h, parts, rounds = 15), site = "site"))
    }
    chosen <- moe_effects(sites, list("none", "gate:(Intercept)", "gates", "experts", "all"))
    stats::setNames(c(score(plain), score(pooled), score(free),
      scores(moe_hierarchy(sites, effects = "gate:(Intercept)")), scores(moe_hierarchy(sites, effects = "gates")),
      scores(chosen$model), chosen$model$hierarchy$effects == "gate:(Intercept)"), c("plain", "factor", "free",
      "one", "rounds", "gates", "gates rounds", "chosen", "chosen rounds", "right"))
  }
  found <- kept("gates", vapply(seq_len(if (quick) 2 else 10), one, numeric(10)))
  cat("moe_effects() among none, gates' intercepts, gates, experts, all chose the gates' intercepts in ",
    sum(found["right", ]), " of ", ncol(found), " sets\n", sep = "")
  found <- found[-10, ]
  print(data.frame(model = c("pooled", "pooled, site as factor in gating", "pooled, gates' columns by site",
    "hierarchy, gates' intercepts, one shot", "the same, rounds", "effects = \"gates\", one shot",
    "the same, rounds", "effects by moe_effects(), one shot", "the same, rounds"), loglik = four(rowMeans(found)),
    "less factor's" = formatC(rowMeans(sweep(found, 2, found["factor", ])), digits = 5, format = "f"),
    "least" = four(apply(sweep(found, 2, found["factor", ]), 1, min)), check.names = FALSE), row.names = FALSE)
}

# ---- is one model for all what the sites say? ---------------------------------------------------------

if ("homogeneity" %in% chosen) {
  cat("\nTest of homogeneity in moe_aggregate()\n")
  f <- flights()
  gain <- kept("homogeneity_flights", {
    parts <- split(f, f$carrier, drop = TRUE)
    set.seed(2013)
    given <- f[sample(nrow(f), 20000), ]
    sites <- suppressWarnings(moe_sites(flight_model, parts, start = moe(flight_model, given, K = 3, keep = FALSE),
      information = TRUE))
    suppressWarnings(moe_aggregate(sites, moe_support(given, site = given$carrier)))$homogeneity
  })
  cat("Flights by airline: chi-squared ", round(gain$Q, 1), " on ", gain$df, " df, estimated gain a flight ",
    formatC(gain$gain, digits = 3, format = "f"), " (", length(gain$sites), " airlines)\n", sep = "")
  one <- function(K, d, rows, seed) {
    sim <- moe_simulate(sum(rows), K = K, d = d, seed = seed)
    site <- rep(sprintf("s%02d", seq_along(rows)), rows)
    sites <- suppressWarnings(moe_sites(y ~ ., split(sim$data, site), start = sim$model, information = TRUE))
    test <- suppressWarnings(moe_aggregate(sites, moe_support(sim$data, site = site), screen = FALSE))$homogeneity
    if (is.null(test)) NA else test$differ
  }
  designs <- list(list(1, 3, rep(60, 8)), list(1, 3, rep(c(100, 300, 1000), 3)), list(2, 2, rep(300, 8)),
    list(2, 2, rep(c(100, 300, 1000), 4)), list(3, 2, rep(1000, 8)))
  alarms <- kept("homogeneity_none", lapply(designs, function(a) {
    vapply(seq_len(if (quick) 3 else 60), function(seed) one(a[[1]], a[[2]], a[[3]], seed), NA)
  }))
  print(data.frame(K = vapply(designs, `[[`, 0, 1), columns = vapply(designs, `[[`, 0, 2),
    sites = vapply(designs, function(a) length(a[[3]]), 0L),
    rows = vapply(designs, function(a) paste(unique(a[[3]]), collapse = ", "), ""), sets = lengths(alarms),
    tested = vapply(alarms, function(v) sum(!is.na(v)), 0L), alarms = vapply(alarms, sum, 0L, na.rm = TRUE)),
    row.names = FALSE)
}

# ---- simulation: normal effects in everything --------------------------------------------------------

if ("simulation" %in% chosen) {
  truth <- c(3, 1.5, -3, -1, 0.3, 1.5, log(1), log(0.5))  # beta of two experts, gate, log variances
  tau <- c(0.5, 0.3, 0.5, 0.3, 0.5, 0.3, 0.3, 0.3)
  rows_of <- rep(c(10, 50, 200, 1000, 5000), 4)
  draw_rows <- function(n, p) {
    x <- stats::rnorm(n)
    first <- stats::runif(n) < stats::plogis(p[5] + p[6] * x)
    data.frame(x, y = ifelse(first, p[1] + p[2] * x, p[3] + p[4] * x) +
      stats::rnorm(n) * exp(ifelse(first, p[7], p[8]) / 2))
  }
  as_vector <- function(m) {
    p <- c(m$parameters$beta, m$parameters$alpha, log(m$parameters$dispersion))
    if (m$parameters$beta[1, 1] > m$parameters$beta[1, 2]) p
    else c(m$parameters$beta[, 2:1], -m$parameters$alpha, log(m$parameters$dispersion[2:1]))
  }
  one_draw <- function(seed, spread = tau) {
    set.seed(seed)
    p <- vapply(rows_of, function(n) truth + spread * stats::rnorm(8), numeric(8))
    train <- lapply(seq_along(rows_of), function(m) draw_rows(rows_of[m], p[, m]))
    test <- lapply(seq_along(rows_of), function(m) draw_rows(1000, p[, m]))
    names(train) <- names(test) <- sprintf("s%02d", seq_along(rows_of))
    pooled <- moe(y ~ x, do.call(rbind, train), K = 2, keep = FALSE)
    sites <- suppressWarnings(moe_sites(y ~ x, train, start = pooled, information = TRUE))
    one <- moe_hierarchy(sites)
    h <- moe_refine(one, train, rounds = 15)
    score <- function(f) vapply(names(train), function(s) mean(log_density(f(s), test[[s]])), 0)
    population <- fixef(h)
    turned <- population[["expert1:(Intercept)"]] < population[["expert2:(Intercept)"]]
    order <- if (turned) c(3, 4, 1, 2, 5, 6, 8, 7) else 1:8
    sign <- if (turned) c(1, 1, 1, 1, -1, -1, 1, 1) else rep(1, 8)
    at <- c(population[1:6], log(population[7:8]))
    het <- heterogeneity(h)
    new <- truth + spread * stats::rnorm(8)
    target <- (truth * sign)[order]
    inside <- abs(at - target) <= stats::qt(0.975, length(train) - 1) * het$se
    ends <- cbind(het$low, het$high)
    ends[7:8, ] <- log(ends[7:8, ])
    fresh <- (new * sign)[order]
    aggregate <- suppressWarnings(moe_aggregate(sites, moe_support(do.call(rbind, train),
      site = rep(names(train), rows_of))))
    list(own = score(function(s) if (is.null(sites$models[[s]])) pooled else sites$models[[s]]),
      pooled = score(function(s) pooled), aggregate = score(function(s) aggregate),
      one = score(function(s) if (s %in% one$hierarchy$table$site) site_model(one, s)
                              else site_model_population(one)),
      rounds = score(function(s) site_model(h, s)), inside = inside,
      normal = abs(at - target) <= stats::qnorm(0.975) * het$se,
      new = fresh >= ends[, 1] & fresh <= ends[, 2], tau = het$tau)
  }
  site_model_population <- function(h) {
    class(h) <- "moe"
    h
  }
  run <- function(name, count, spread) {
    lapply(seq_len(count), function(i) kept(paste0(name, i), one_draw(i, spread)))
  }
  found <- run("draw", draws, tau)
  by_size <- function(field) tapply(rowMeans(vapply(found, `[[`, numeric(20), field)), rows_of, mean)
  cat("\nSimulation, K = 2, 20 sites, normal effects in everything (",
    draws, " sets): log-likelihood a row of new rows",
    " of the site, by the site's rows\n", sep = "")
  print(data.frame(rows = sort(unique(rows_of)), own = four(by_size("own")), pooled = four(by_size("pooled")),
    "one shot" = four(by_size("one")), rounds = four(by_size("rounds")), check.names = FALSE), row.names = FALSE)
  cat("(own: the pooled model where a site has too few rows for a fit)\n")
  percent <- function(field) rowMeans(vapply(found, `[[`, logical(8), field)) * 100
  cat("Coverage of 95 % intervals, percent, by parameter. Population (t, sites less one): ",
    paste(round(percent("inside"), 1), collapse = " "), "; by normal quantiles: ",
    paste(round(percent("normal"), 1), collapse = " "), "; a new site's coefficient: ",
    paste(round(percent("new"), 1), collapse = " "), "\n", sep = "")
  cat("Mean spread found: ", paste(four(rowMeans(vapply(found, `[[`, numeric(8), "tau"))), collapse = " "), " (true: ",
    paste(tau, collapse = " "), ")\n", sep = "")
  none <- run("none", max(2, draws %/% 6), rep(0, 8))
  score <- function(field) {
    rows <- vapply(none, `[[`, numeric(20), field)
    colMeans(rows)
  }
  cat("No spread between sites (", length(none), " sets): mean spread found ",
    paste(four(rowMeans(vapply(none, `[[`, numeric(8), "tau"))), collapse = " "),
    "; log-likelihood a row less the aggregate's: ", formatC(mean(score("rounds") - score("aggregate")), digits = 5,
    format = "f"), " (least ",
    formatC(min(score("rounds") - score("aggregate")), digits = 5, format = "f"), ")\n", sep = "")
}

# ---- time ---------------------------------------------------------------------------------------------

if ("time" %in% chosen) {
  timed <- function(count, rows, d, K) {
    sim <- moe_simulate(count * rows, K = K, d = d, seed = 1)
    site <- rep(sprintf("s%04d", seq_len(count)), each = rows)
    parts <- split(sim$data, site)
    sites <- suppressWarnings(moe_sites(y ~ ., parts, start = sim$model, information = TRUE))
    support <- moe_support(sim$data[seq(1, nrow(sim$data), length.out = min(nrow(sim$data), 20000)), ])
    reset <- gc(reset = TRUE)
    user <- function(code) sum(system.time(code)[c("user.self", "sys.self")])
    one <- user(h <- moe_hierarchy(sites))
    memory <- sum(gc()[, 6]) - sum(reset[, 2])
    c(sites = count, rows = rows, d = d, K = K, hierarchy = one,
      aggregate = user(suppressWarnings(moe_aggregate(sites, support))), "MB more" = memory)
  }
  cat("\nProcessor seconds of the centre, one shot (aggregate: with information and 20,000 support points)\n")
  cases <- if (quick) list(c(10, 500, 5, 2)) else list(c(64, 10000, 20, 4), c(1000, 400, 10, 3))
  for (i in seq_along(cases)) {
    t <- kept(paste0("time", i), do.call(timed, as.list(cases[[i]])))
    print(round(t, 2))
  }
}
finish()
