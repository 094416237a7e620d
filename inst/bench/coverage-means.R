# Do 95 % intervals of means cover, those by clusters, and those pooled over imputations?
#
#   Rscript coverage-means.R [quick] [data sets, 500] [pooled sets, 300] [imputations, 20]
#
# Means: E(y | x) at 50 points, two experts; the fit of the first of 10 sites, the aggregate of all with the
# sites' information, and the refined model. Clusters: 40 of 25 rows, each with an effect of its own that its rows
# share; x2 goes by cluster. The mixture is right for one row, the rows of a cluster are not independent. Pooled: 30 %
# of x2 missing, the more the larger x1 is; imputations are drawn from the mixture itself (fitted to a bootstrap
# sample of the complete rows, x2 given x1 by a regression), so that what is measured is the pooling. The
# labels of every fit are mixed at random before. Coverage in percent, over points or coefficients and data sets.

source(system.file("bench/tools.R", package = "distmoe"))
options(distmoe.threads = 1)  # many small fits
sets <- size(1, 500, 3)
pooled_sets <- size(2, 300, 2)
imputations <- size(3, 20, 3)
header(paste0("coverage of means: ", sets, " data sets; ", pooled_sets, " with ", imputations, " imputations"))

target <- function(what, value, least, most) {
  cat("target: ", what, ": ", least, " to ", most, ": measured ", format(value, digits = 3), ": ",
    if (value >= least && value <= most) "met" else "missed", "\n", sep = "")
}

beta <- list(gaussian = cbind(c(2, -3, 1), c(-1, 2, 0.5)), binomial = cbind(c(1, -3, 1), c(-1, 3, 0.5)))
alpha <- c(0.3, 2.5, -1)
dispersion <- c(0.25, 0.5)

columns <- function(n) cbind(1, stats::rnorm(n), stats::rnorm(n))

draw <- function(x, family, shift = 0) {
  n <- nrow(x)
  expert <- ifelse(stats::runif(n) < stats::plogis(x %*% alpha), 1, 2)
  eta <- (x %*% beta[[family]])[cbind(seq_len(n), expert)] + shift
  y <- if (family == "gaussian") eta + sqrt(dispersion[expert]) * stats::rnorm(n)
       else as.numeric(stats::runif(n) < stats::plogis(eta))
  data.frame(y = y, x1 = x[, 2], x2 = x[, 3])
}

true_mean <- function(x, family) {
  eta <- x %*% beta[[family]]
  mean <- if (family == "gaussian") eta else stats::plogis(eta)
  gate <- stats::plogis(x %*% alpha)
  drop(gate * mean[, 1] + (1 - gate) * mean[, 2])
}

# The truth as a model to start from: what is measured are intervals, not the search for the maximum.
true_start <- function(data, family) {
  out <- moe(y ~ x1 + x2, data, K = 2, family = family, start = 1 + (data$x1 < 0))
  truth <- c(beta[[family]], alpha, if (family == "gaussian") dispersion)
  out$parameters <- distmoe:::parameters_at(out, truth)
  out
}

# ---- means ---------------------------------------------------------------------------------------

set.seed(1)
points <- columns(50)
at <- data.frame(x1 = points[, 2], x2 = points[, 3])

means_of_set <- function(seed, family, n) {
  set.seed(seed)
  sources <- lapply(1:10, function(m) draw(columns(n), family))
  names(sources) <- sprintf("site%02d", 1:10)
  first <- sources[[1]]
  local <- moe(y ~ x1 + x2, first, family = family, start = true_start(first, family))
  fits <- moe_sites(y ~ x1 + x2, sources, K = 2, family = family, start = local, information = TRUE)
  all <- do.call(rbind, sources)
  aggregate <- moe_aggregate(fits, moe_support(all, site = rep(names(sources), each = n)))
  refined <- moe_refine(aggregate, sources, rounds = Inf)
  truth <- true_mean(points, family)
  inside <- function(model, ...) {
    ends <- predict(model, at, interval = "confidence", ...)
    mean(ends[, "lwr"] <= truth & truth <= ends[, "upr"])
  }
  c("local" = inside(local), "local, simulation" = inside(local, method = "simulation"),
    "aggregate" = inside(aggregate, vcov = "information"), "refined" = inside(refined))
}

for (family in c("gaussian", "binomial")) {
  n <- c(gaussian = 500, binomial = 2000)[[family]]
  runs <- lapply(seq_len(sets), function(seed) try(suppressWarnings(means_of_set(seed, family, n)), TRUE))
  failed <- vapply(runs, inherits, NA, "try-error")
  share <- 100 * colMeans(do.call(rbind, runs[!failed]))
  show_table(data.frame(method = names(share), coverage = share, row.names = NULL),
    paste0("Means at 50 points, ", family, ", 10 sites of ", count(n), " rows; ", sum(failed), " sets failed"))
  for (name in names(share)) target(paste0("means, ", family, ", ", name), share[[name]], 92, 98)
}

# ---- clusters ------------------------------------------------------------------------------------

clusters_of_set <- function(seed) {
  set.seed(seed)
  id <- rep(1:40, each = 25)
  x <- columns(1000)
  x[, 3] <- stats::rnorm(40)[id]
  data <- draw(x, "gaussian", 0.4 * stats::rnorm(40)[id])
  data$id <- id
  fit <- moe(y ~ x1 + x2, data, start = true_start(data, "gaussian"))
  truth <- c(beta$gaussian)
  inside <- function(...) {
    ends <- confint(fit, ...)[1:6, ]
    (ends[, 1] <= truth & truth <= ends[, 2])[c(1, 3, 4, 6)]
  }
  rbind(plain = inside(), sandwich = inside(type = "sandwich"), cluster = inside(cluster = data$id))
}

runs <- lapply(seq_len(sets), function(seed) suppressWarnings(clusters_of_set(seed)))
share <- 100 * Reduce(`+`, runs) / length(runs)
show_table(data.frame(covariance = rownames(share), share, mean = rowMeans(share), check.names = FALSE,
  row.names = NULL), "40 clusters of 25 rows: intercepts and slopes of a column that goes by cluster")
target("clusters: cluster covariance", mean(share["cluster", ]), 91, 98)
target("clusters: the plain one, too small", mean(share["plain", ]), 0, 85)

# ---- imputations ----------------------------------------------------------------------------------

# x2 of the rows that lack it, from p(x2 | x1, y): candidates from p(x2 | x1), one taken by f(y | x1, x2).
impute <- function(data, gaps, start) {
  rows <- which(!gaps)
  drawn <- data[sample(rows, replace = TRUE), ]
  mixture <- moe(y ~ x1 + x2, drawn, start = start, control = moe_control(information = FALSE))
  line <- stats::lm(x2 ~ x1, drawn)
  at <- which(gaps)
  candidates <- 200
  many <- data[rep(at, candidates), ]
  many$x2 <- stats::predict(line, many) + stats::sigma(line) * stats::rnorm(nrow(many))
  log_density <- matrix(predict(mixture, many, "density", log = TRUE), length(at))
  weight <- exp(log_density - apply(log_density, 1, max))
  pick <- apply(weight, 1, function(w) sample.int(candidates, 1, prob = w))
  data$x2[at] <- matrix(many$x2, length(at))[cbind(seq_along(at), pick)]
  data
}

pool_of_set <- function(seed) {
  set.seed(seed)
  data <- draw(columns(600), "gaussian")
  gaps <- stats::runif(600) < stats::plogis(-1 + 0.8 * data$x1)
  holes <- data
  holes$x2[gaps] <- NA
  start <- moe(y ~ x1 + x2, holes, K = 2, start = 1 + (holes$x1[!gaps] < 0))
  mixed <- logical(imputations)
  fits <- lapply(seq_len(imputations), function(i) {
    fit <- moe(y ~ x1 + x2, impute(holes, gaps, start), start = start)
    mixed[i] <<- i > 1 && stats::runif(1) < 0.5
    if (mixed[i]) distmoe:::relabel(fit, 2:1) else fit
  })
  pooled <- moe_pool(fits)
  truth <- c(beta$gaussian, alpha, dispersion)
  ends <- confint(pooled)
  complete <- confint(start)
  list(pooled = ends[, 1] <= truth & truth <= ends[, 2], complete = complete[, 1] <= truth & truth <= complete[, 2],
    width = mean((ends[, 2] - ends[, 1]) / (complete[, 2] - complete[, 1])),
    right = mean((pooled$pool$order[1, ] == 2) == mixed), fmi = mean(pooled$pool$table$fmi))
}

runs <- lapply(seq_len(pooled_sets), function(seed) suppressWarnings(pool_of_set(seed)))
take <- function(part) 100 * rowMeans(vapply(runs, function(r) r[[part]] + 0, numeric(11)))
kinds <- c(rep(c("intercepts", "slopes", "slopes"), 2), rep("gates", 3), rep("variances", 2))
by_kind <- rbind(pooled = tapply(take("pooled"), kinds, mean), "complete rows" = tapply(take("complete"), kinds, mean))
right <- 100 * mean(vapply(runs, `[[`, 0, "right"))
show_table(data.frame(method = rownames(by_kind), by_kind, row.names = NULL), paste0("Pooled over ", imputations,
  " imputations; labels right in ", format(right), " %; intervals ",
  format(mean(vapply(runs, `[[`, 0, "width")), digits = 2), " times as wide as those of the complete rows; ",
  "missing information ",
  format(mean(vapply(runs, `[[`, 0, "fmi")), digits = 2)))
target("pooled: all coefficients", mean(take("pooled")), 92, 98)
target("pooled: labels", right, 100, 100)
finish()
