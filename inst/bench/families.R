# Families with a dispersion and log link: do 95 % intervals cover, and how far is the reduction of sites from the
# pooled fit?
#
#   Rscript families.R [quick] [data sets, 300] [rows, 2000] [sites, 16]
#
# Two experts, gates by x1. Coverage: shares of intervals of one fit that hold the truth, in percent, by kind of
# parameter (dispersions on the scale of their logarithms). Gap: log-likelihood a row, over the rows of all sites, that
# the reduction (default settings, sites' rows as support) and the refined model (three rounds) are below the pooled
# fit.

source(system.file("bench/tools.R", package = "distmoe"))
options(distmoe.threads = 1)  # many small fits
sets <- size(1, 300, 3)
n <- size(2, 2000, 500)
sites <- size(3, 16, 3)
header(paste0("families: ", sets, " data sets of ", count(n), " rows; ", sites, " sites of as many, K = 2"))

beta <- cbind(c(0.5, 0.5, 0.2), c(2, -0.5, 0.3))
alpha <- c(0.3, 1.5, 0)
kinds <- list(
  Gamma = list(family = stats::Gamma(link = "log"), dispersion = c(0.5, 0.1),
    draw = function(mean, d) stats::rgamma(length(mean), 1 / d, 1 / d / mean)),
  "negative binomial" = list(family = negative_binomial(), dispersion = c(1, 0.25),
    draw = function(mean, d) stats::rnbinom(length(mean), 1 / d, mu = mean)))

draw <- function(kind, rows) {
  x <- cbind(1, matrix(stats::rnorm(2 * rows), rows))
  expert <- ifelse(stats::runif(rows) < stats::plogis(x %*% alpha), 1, 2)
  mean <- exp(x %*% beta)[cbind(seq_len(rows), expert)]
  data.frame(y = kind$draw(mean, kind$dispersion[expert]), x1 = x[, 2], x2 = x[, 3])
}

# Expert 1 is that of the smaller intercept.
in_order <- function(model) distmoe:::relabel(model, order(model$parameters$beta[1, ]))

covered <- function(kind, seed) {
  set.seed(seed)
  fit <- in_order(moe(y ~ ., draw(kind, n), K = 2, family = kind$family))
  scale <- c(rep(1, 9), 1 / fit$parameters$dispersion)
  estimate <- c(coef(fit)[1:9], log(fit$parameters$dispersion))
  abs(estimate - c(beta, alpha, log(kind$dispersion))) < stats::qnorm(0.975) * sqrt(diag(vcov(fit))) * scale
}

gap <- function(kind, seed) {
  set.seed(seed)
  data <- draw(kind, n * sites)
  sources <- split(data, rep_len(seq_len(sites), nrow(data)))
  pooled <- moe(y ~ ., data, K = 2, family = kind$family)
  fits <- moe_sites(y ~ ., sources, K = 2, family = kind$family)
  reduced <- moe_aggregate(fits, moe_support(data))
  refined <- moe_refine(reduced, sources, 3)
  of <- function(model) pooled$log_lik / nrow(data) - moe_metrics(model, data)$loglik
  c(reduced = of(reduced), refined = of(refined))
}

for (name in names(kinds)) {
  inside <- rowMeans(vapply(seq_len(sets), function(seed) covered(kinds[[name]], seed), logical(11)))
  gaps <- vapply(seq_len(min(sets, 5)), function(seed) gap(kinds[[name]], seed), numeric(2))
  shares <- 100 * c(mean(inside[1:6]), mean(inside[7:9]), mean(inside[10:11]))
  cat(sprintf("%-18s coverage: experts %.1f, gates %.1f, dispersions %.1f\n", name, shares[1], shares[2], shares[3]))
  cat(sprintf("%-18s gap a row: reduced %.6f, refined %.6f\n", "", mean(gaps["reduced", ]), mean(gaps["refined", ])))
}
