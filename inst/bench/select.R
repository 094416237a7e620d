# How often moe_select() finds the number of experts, on one data set and at the centre.
#
#   Rscript select.R [replicates, 20] [rows of one data set, 5000] [sites, 12] [rows a site, 1000]
#
# Well separated K = 3: x1, x2 ~ N(0, 1); gates with log odds (4 x1, 4 x2 - 2) against expert 3; experts
# 4 + x1 + x2, -4 + x1 - x2 and -3 x1 + 2 x2 with standard deviation 0.7. The sites' models have 2, 3, 4,
# 5, 2, ... experts; a fifth of every site's rows is the support, with y and without. Targets: 3 is
# chosen in at least 18 of 20 replicates by BIC, locally and at the centre.

source(system.file("bench/tools.R", package = "distmoe"))
header("Choice of the number of experts")

replicates <- size(1, 20, 2)
rows <- size(2, 5000, 1500)
site_count <- size(3, 12, 4)
site_rows <- size(4, 1000, 600)

draw <- function(n) {
  x <- matrix(rnorm(2 * n), n)
  odds <- exp(cbind(4 * x[, 1], 4 * x[, 2] - 2, 0))
  below <- odds / rowSums(odds)
  u <- runif(n)
  label <- 1 + (u > below[, 1]) + (u > below[, 1] + below[, 2])
  beta <- cbind(c(4, 1, 1), c(-4, 1, -1), c(0, -3, 2))
  mean <- (cbind(1, x) %*% beta)[cbind(seq_len(n), label)]
  data.frame(y = mean + 0.7 * rnorm(n), x1 = x[, 1], x2 = x[, 2])
}

one <- function(seed) {
  set.seed(seed)
  data <- draw(rows)
  local <- vapply(c("BIC", "ICL", "CV"), function(criterion) {
    suppressWarnings(moe_select(y ~ x1 + x2, data, K = 1:6, criterion = criterion))$K
  }, 0L)
  sources <- lapply(seq_len(site_count), function(m) draw(site_rows))
  names(sources) <- sprintf("site%02d", seq_len(site_count))
  models <- Map(function(data, K) suppressWarnings(moe(y ~ x1 + x2, data, K = K)), sources,
    rep_len(2:5, site_count))
  take <- seq_len(site_rows / 5)
  points <- do.call(rbind, lapply(sources, function(s) s[take, ]))
  site <- rep(names(sources), each = length(take))
  with_y <- moe_support(points, site = site)
  without <- moe_support(points[-1], site = site)
  quiet <- function(...) suppressWarnings(moe_select(models, ...))$K
  c(local = local, centre.BIC = quiet(with_y), centre.BIC.size = quiet(with_y, weights = "size"),
    centre.elbow = quiet(without), centre.BIC.all = quiet(with_y, able = FALSE))
}

time <- system.time(chosen <- vapply(seq_len(replicates), one, integer(7)))[[3]]
counts <- t(apply(chosen, 1, function(k) table(factor(k, 1:6))))
show_table(data.frame(what = rownames(counts), unclass(counts), check.names = FALSE),
  paste0("How often each K was chosen, of ", replicates, " replicates (", round(time), " s); ",
    "centre.BIC.all: all sites for every K (able = FALSE)"))
for (what in c("local.BIC", "centre.BIC")) {
  target(paste0("share of replicates with K = 3, ", what), counts[what, 3] / replicates, least = 0.9)
}
finish()
