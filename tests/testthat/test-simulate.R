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
  fit <- suppressWarnings(moe(y ~ ., sim$data, K = 3, start = sim$model))  # an expert of six rows
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

# ---- simulate() --------------------------------------------------------------------------------------

test_that("simulate() draws from the model's density", {
  d <- data.frame(x = rep(c(-0.4, 0.7), each = 20000))
  line <- crossing_lines(500)
  fit <- moe(y ~ x, line, K = 2, start = line$label)
  drawn <- simulate(fit, 1, seed = 3, newdata = d)$sim_1
  for (x in c(-0.4, 0.7)) {
    y <- drawn[d$x == x]
    # Under the distribution function, draws are uniform.
    breaks <- predict(fit, data.frame(x = x), "quantile", probs = (0:10) / 10)[1, ]
    expect_gt(stats::chisq.test(table(cut(y, breaks)))$p.value, 1e-4)
  }
  sim <- moe_simulate(20000, K = 2, d = 2, seed = 4, family = "poisson")
  drawn <- simulate(sim$model, 1, seed = 5, newdata = sim$data)$sim_1
  error <- sqrt(sum(drawn + (drawn - predict(sim$model, sim$data))^2))
  expect_lt(abs(sum(drawn) - sum(predict(sim$model, sim$data))), 4 * error)
  expect_true(all(drawn >= 0 & drawn == round(drawn)))
})

test_that("classes come back as they were given", {
  sim <- moe_simulate(20000, K = 2, d = 2, seed = 6, family = multinomial())
  drawn <- simulate(sim$model, 2, seed = 1, newdata = sim$data)
  expect_equal(levels(drawn$sim_2), levels(sim$data$y))
  p <- predict(sim$model, sim$data)
  for (class in colnames(p)) {
    error <- sqrt(sum(p[, class] * (1 - p[, class])))
    expect_lt(abs(sum(drawn$sim_1 == class) - sum(p[, class])), 4 * error + 1)
  }
  set.seed(1)
  two <- data.frame(x = stats::rnorm(400))
  two$y <- factor(ifelse(stats::runif(400) < stats::plogis(2 * two$x), "yes", "no"))
  fit <- moe(y ~ x, two, K = 1, family = binomial())
  drawn <- simulate(fit, 1, seed = 2, newdata = two[rep(1:400, 25), ])$sim_1
  expect_equal(levels(drawn), c("no", "yes"))
  expect_lt(abs(mean(drawn == "yes") - mean(predict(fit, two))), 4 * 0.5 / sqrt(10000))
  # A response of 0 and 1 stays one.
  as_number <- moe(as.numeric(y == "yes") ~ x, two, K = 1, family = binomial())
  expect_setequal(simulate(as_number, 1, seed = 2, newdata = two)$sim_1, c(0, 1))
})

test_that("simulate() has the form, the seed and the rows of R's own", {
  d <- crossing_lines(50)
  fit <- moe(dist ~ speed, cars, K = 1)
  reference <- simulate(lm(dist ~ speed, cars), 3, seed = 9)
  drawn <- simulate(fit, 3, seed = 9, newdata = cars)
  expect_equal(names(drawn), names(reference))
  expect_equal(dim(drawn), dim(reference))
  expect_equal(attr(drawn, "seed"), attr(reference, "seed"))
  named <- cars[c(5, 2), ]
  expect_equal(row.names(simulate(fit, newdata = named)), c("5", "2"))
  # The generator is put back after a seed, and its state before the draws comes along without one.
  set.seed(4)
  state <- .Random.seed
  simulate(fit, 2, seed = 1, newdata = cars)
  expect_identical(.Random.seed, state)
  first <- simulate(fit, 2, newdata = cars)
  expect_identical(attr(first, "seed"), state)
  expect_false(identical(.Random.seed, state))
  assign(".Random.seed", attr(first, "seed"), globalenv())
  expect_equal(simulate(fit, 2, newdata = cars), first)
  # Rows that are not complete, and none at all.
  holes <- transform(cars, speed = replace(speed, 3, NA))
  expect_equal(which(is.na(simulate(fit, 1, seed = 1, newdata = holes)$sim_1)), 3)
  expect_equal(dim(simulate(fit, 2, newdata = cars[0, ])), c(0L, 2L))
  expect_true(all(is.na(simulate(fit, 2, newdata = data.frame(speed = c(NA_real_, NA))))))
  by_matrix <- moe(cbind(d$x), d$y, K = 1)
  expect_equal(nrow(simulate(by_matrix, newdata = cbind(d$x))), 50)
  together <- moe_aggregate(list(a = fit, b = fit), cars)
  expect_equal(simulate(together, 1, seed = 1, newdata = cars), simulate(fit, 1, seed = 1, newdata = cars),
    tolerance = 1e-4)
})

test_that("simulate() refuses what it can't draw", {
  fit <- moe(dist ~ speed, cars, K = 1)
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  bad(simulate(moe(dist ~ speed, cars, K = 1, keep = FALSE)), "newdata.*keeps no rows")
  bad(simulate(fit, nsim = 0, newdata = cars), "nsim")
  bad(simulate(fit, seed = "a", newdata = cars), "seed")
  bad(simulate(fit, newdata = cars["dist"]), "speed")
  bad(simulate(fit, newdata = cars, rows = 3), "rows")
})
