# The paper's design, section S4.1, by what can be seen of a draw.

test_that("a seed gives the draw that belongs to it and leaves the generator alone", {
  set.seed(99)
  before <- .Random.seed
  first <- moe_simulate(200, K = 3, d = 4, seed = 1)
  expect_identical(.Random.seed, before)
  runif(5)
  expect_identical(moe_simulate(200, K = 3, d = 4, seed = 1), first)
  expect_false(identical(moe_simulate(200, K = 3, d = 4, seed = 2)$data, first$data))
  # Without a seed, R's generator is used as it stands, and goes on.
  set.seed(1)
  third <- moe_simulate(200, K = 3, d = 4)
  expect_identical(third$data, first$data)
  expect_false(identical(moe_simulate(200, K = 3, d = 4)$data, third$data))
})

test_that("a session without generator state stays without", {
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  on.exit(if (!is.null(old)) assign(".Random.seed", old, globalenv()))
  if (!is.null(old)) rm(".Random.seed", envir = globalenv())
  moe_simulate(50, K = 2, d = 2, seed = 1)
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
})

test_that("an error leaves the generator alone too", {
  set.seed(3)
  before <- .Random.seed
  expect_error(moe_simulate(3, K = 4, seed = 1), class = "moe_input_error")
  expect_identical(.Random.seed, before)
})

test_that("a draw has the shape it is documented to have", {
  sim <- moe_simulate(103, K = 3, d = 4, seed = 8)
  expect_named(sim, c("data", "model", "labels"))
  expect_equal(dim(sim$data), c(103L, 5L))
  expect_named(sim$data, c("y", "x1", "x2", "x3", "x4"))
  expect_type(sim$labels, "integer")
  expect_length(sim$labels, 103)
  expect_true(all(sim$labels %in% 1:3))
  expect_s3_class(sim$model, "moe")
  expect_equal(formula(sim$model), y ~ x1 + x2 + x3 + x4, ignore_attr = TRUE)
  expect_equal(unname(sim$model$share), tabulate(sim$labels, 3) / 103)
  # The truth is a model like any other: same columns as a fit, and it predicts.
  fit <- moe(y ~ ., sim$data, K = 3, start = sim$model)
  expect_equal(names(coef(fit)), names(coef(sim$model)))
  expect_gte(logLik(fit)[1], logLik(sim$model, sim$data)[1])
  small <- moe_simulate(20, K = 1, d = 1, seed = 2)
  expect_equal(small$labels, rep(1L, 20))
  expect_equal(dim(coef(small$model, "gate")), c(2L, 0L))
})

test_that("parameters are integers in their ranges, and all of them occur", {
  draws <- lapply(1:25, function(s) moe_simulate(20, K = 4, d = 6, seed = s)$model$parameters)
  all_of <- function(part) unlist(lapply(draws, `[[`, part))
  for (part in c("beta", "alpha")) expect_setequal(all_of(part), -5:5)
  expect_setequal(all_of("dispersion"), 1:5)
  expect_equal(dim(draws[[1]]$beta), c(7L, 4L))
  expect_equal(dim(draws[[1]]$alpha), c(7L, 3L))
  # Uniform: the mean of 25 * 7 * 4 integers has standard error sqrt(10 / 700).
  expect_lt(abs(mean(all_of("beta"))), 4 * sqrt(10 / 700))
  binary <- moe_simulate(20, K = 2, d = 2, seed = 1, family = binomial())
  expect_equal(unname(binary$model$parameters$dispersion), c(1, 1))
})

test_that("covariates are Gaussian clusters of equal size", {
  # Known cluster: with one cluster the whole sample is one.
  n <- 40000
  x <- as.matrix(moe_simulate(n, K = 1, d = 4, seed = 4)$data[-1])
  centre <- round(colMeans(x))
  expect_true(all(abs(centre) <= 5))
  expect_lt(max(abs(colMeans(x) - centre)), 5 / sqrt(n))
  # An estimated covariance has standard error of at most sqrt(2 / n).
  expect_lt(max(abs(cov(x) - 0.25^abs(outer(1:4, 1:4, "-")))), 5 * sqrt(2 / n))
  expect_gt(ks.test(x[, 2] - centre[2], "pnorm")$p.value, 1e-4)
  # Several clusters, in 20 dimensions so far apart that k-means finds them without error.
  sim <- moe_simulate(6002, K = 4, d = 20, seed = 5)
  x <- as.matrix(sim$data[-1])
  set.seed(1)
  cluster <- kmeans(x, 4, nstart = 20)
  expect_gt(min(dist(cluster$centers)), 12)
  expect_lte(diff(range(cluster$size)), 1)
  expect_lt(max(abs(cluster$centers - round(cluster$centers))), 5 / sqrt(1500))
  within <- x - cluster$centers[cluster$cluster, ]
  expect_lt(max(abs(cov(within) - 0.25^abs(outer(1:20, 1:20, "-")))), 5 * sqrt(2 / 6002))
  # In random order: neighbours share their cluster as often as chance has it.
  alike <- mean(diff(cluster$cluster) == 0)
  expect_lt(abs(alike - 0.25), 4 * sqrt(0.25 * 0.75 / 6000))
})

test_that("labels come from the gates", {
  sim <- moe_simulate(20000, K = 4, d = 3, seed = 6)
  gate <- predict(sim$model, sim$data, "gate")
  for (k in 1:4) {
    drawn <- sim$labels == k
    expect_lt(abs(sum(drawn) - sum(gate[, k])), 4 * sqrt(sum(gate[, k] * (1 - gate[, k]))) + 1)
  }
  # Not only on the whole: row by row, in groups of like probability.
  p <- gate[, which.max(colSums(gate * (1 - gate)))]
  drawn <- sim$labels == which.max(colSums(gate * (1 - gate)))
  for (group in split(seq_along(p), cut(p, c(0.02, 0.2, 0.5, 0.8, 0.98)))) {
    expect_gt(length(group), 50)
    error <- sqrt(sum(p[group] * (1 - p[group])))
    expect_lt(abs(sum(drawn[group]) - sum(p[group])), 4 * error)
  }
})

test_that("the response comes from the label's expert", {
  sim <- moe_simulate(20000, K = 3, d = 3, seed = 6)
  pick <- cbind(seq_along(sim$labels), sim$labels)
  mean <- predict(sim$model, sim$data, "expert")[pick]
  z <- (sim$data$y - mean) / sqrt(sim$model$parameters$dispersion[sim$labels])
  expect_gt(ks.test(z, "pnorm")$p.value, 1e-4)
  for (k in unique(sim$labels)) {
    own <- z[sim$labels == k]
    expect_lt(abs(mean(own^2) - 1), 5 * sqrt(2 / length(own)))
  }
  binary <- moe_simulate(20000, K = 3, d = 3, seed = 6, family = "binomial")
  expect_true(all(binary$data$y %in% 0:1))
  p <- predict(binary$model, binary$data, "expert")[cbind(1:20000, binary$labels)]
  for (group in split(1:20000, cut(p, c(0, 0.3, 0.7, 1), include.lowest = TRUE))) {
    error <- sqrt(sum(p[group] * (1 - p[group])))
    expect_lt(abs(sum(binary$data$y[group]) - sum(p[group])), 4 * error + 1)
  }
})
