# Do 95 % intervals cover? Simulated data sets of two well separated Gaussian experts, 20 sites each.
#
#   Rscript coverage.R [quick] [data sets, 500] [rows of a site, 2000] [sites, 20]
#
# Alike: sites of equal size that see the same x. Unlike: sites of n / 5 to 2 n rows, each around an x of its
# own. The local fit is that of the first site. "squared weights" is what a mean of the
# sites' estimates with weights by size would have, shown beside the formula that the package uses
# for the reduction. Coverage is the share of intervals that hold the truth, in percent (standard
# error of a share near 95: about 0.5 for 4 slopes in 500 data sets); ratio is the mean standard error
# over the standard deviation of the estimates between data sets, that of the slopes which is farthest from 1.

source(system.file("bench/tools.R", package = "distmoe"))
options(distmoe.threads = 1)  # many small fits
sets <- size(1, 500, 3)
n <- size(2, 2000, 500)
sites <- size(3, 20, 4)
header(paste0("coverage: ", sets, " data sets, ", sites, " sites of ", count(n), " rows, K = 2"))

beta <- cbind(c(2, -3, 1), c(-1, 2, 0.5))
alpha <- c(0.3, 2, -1)
dispersion <- c(0.25, 0.5)
truth <- c(beta, alpha, dispersion)

one_site <- function(rows, centre) {
  x <- cbind(1, stats::rnorm(rows, centre[1]), stats::rnorm(rows, centre[2]))
  expert <- ifelse(stats::runif(rows) < stats::plogis(x %*% alpha), 1, 2)
  mean <- (x %*% beta)[cbind(seq_len(rows), expert)]
  data.frame(y = mean + sqrt(dispersion[expert]) * stats::rnorm(rows), x1 = x[, 2], x2 = x[, 3])
}

draw <- function(alike) {
  rows <- if (alike) rep(n, sites) else round(n * seq(0.2, 2, length.out = sites))
  sources <- lapply(seq_len(sites), function(m) {
    one_site(rows[m], if (alike) c(0, 0) else stats::rnorm(2, sd = 0.7))
  })
  stats::setNames(sources, sprintf("site%02d", seq_len(sites)))
}

# Expert 1 is that of the larger intercept.
in_order <- function(model) {
  distmoe:::relabel(model, order(-model$parameters$beta[1, ]))
}

one_set <- function(seed, alike) {
  set.seed(seed)
  sources <- draw(alike)
  local <- in_order(moe(y ~ ., sources[[if (alike) 1 else sites]], K = 2))
  fits <- moe_sites(y ~ ., sources, K = 2, start = local, information = TRUE)
  support <- moe_support(do.call(rbind, sources), site = rep(names(sources), vapply(sources, nrow, 0L)))
  aggregate <- moe_aggregate(fits, support)
  refined <- moe_refine(aggregate, sources, rounds = Inf)
  limits <- function(model, ...) list(estimate = coef(model), interval = confint(model, ...),
    se = sqrt(diag(vcov(model, ...))))
  squares <- sqrt(diag(distmoe:::named_covariance(aggregate,
    distmoe:::averaged_covariance(aggregate, distmoe:::aligned_sites(aggregate)))))
  list("local, observed" = limits(local), "local, sandwich" = limits(local, type = "sandwich"),
    "aggregate, information" = limits(aggregate, type = "information"),
    "aggregate, squared weights" = list(estimate = coef(aggregate), se = squares,
      interval = coef(aggregate) + outer(squares, stats::qnorm(c(0.025, 0.975)))),
    "aggregate, between" = limits(aggregate, type = "between"), "refined" = limits(refined))
}

kinds <- c(rep(c("intercepts", "slopes", "slopes"), 2), rep("gates", 3), rep("variances", 2))

summarise <- function(runs, method) {
  take <- function(part) vapply(runs, function(r) as.numeric(r[[method]][[part]]), 0 * truth)
  interval <- vapply(runs, function(r) r[[method]]$interval, matrix(0, length(truth), 2))
  covered <- interval[, 1, ] <= truth & interval[, 2, ] >= truth
  share <- 100 * tapply(rowMeans(covered), kinds, mean)
  ratio <- (rowMeans(take("se")) / apply(take("estimate"), 1, stats::sd))[kinds == "slopes"]
  data.frame(method = method, t(share[unique(kinds)]), "ratio" = ratio[which.max(abs(log(ratio)))],
    check.names = FALSE)
}

for (alike in c(TRUE, FALSE)) {
  runs <- lapply(seq_len(sets), one_set, alike = alike)
  table <- do.call(rbind, lapply(names(runs[[1]]), summarise, runs = runs))
  show_table(table, if (alike) "Alike sites: coverage in percent" else "Unlike sites: coverage in percent")
  for (i in which(table$method != "aggregate, squared weights")) {
    met <- abs(table$slopes[i] - 95) <= 3
    cat("target: ", table$method[i], ": slopes between 92 and 98: measured ",
      format(table$slopes[i], digits = 3), ": ", if (met) "met" else "missed", "\n", sep = "")
  }
  cat("\n")
}
finish()
