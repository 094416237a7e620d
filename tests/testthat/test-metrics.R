# The measures of section 5 of the paper against their definitions, written out.

sim <- moe_simulate(1500, K = 3, d = 2, seed = 12)
train <- sim$data[1:1000, ]
test <- sim$data[1001:1500, ]
fit <- moe(y ~ ., train, K = 3, start = sim$model)
rough <- moe(y ~ ., train[1:150, ], K = 3, start = sim$model)
binary <- moe_simulate(1500, K = 2, d = 2, seed = 3, family = binomial())
logistic <- moe(y ~ ., binary$data, K = 2, family = binomial(), start = binary$model)

# The same density with its experts in another order: gates are taken relative to the new last one.
permute <- function(model, order) {
  p <- model$parameters
  score <- cbind(p$alpha, 0)[, order]
  K <- ncol(score)
  model$parameters$beta[] <- p$beta[, order]
  model$parameters$alpha[] <- score[, -K] - score[, K]
  model$parameters$dispersion[] <- p$dispersion[order]
  model
}
orders <- list(1:3, c(1, 3, 2), c(2, 1, 3), c(2, 3, 1), c(3, 1, 2), 3:1)

test_that("log-likelihood, prediction error, RMSE and SI are as defined", {
  out <- moe_metrics(fit, test)
  x <- cbind(1, test$x1, test$x2)
  p <- fit$parameters
  gate <- exp(cbind(x %*% p$alpha, 0))
  gate <- gate / rowSums(gate)
  expert <- x %*% p$beta
  density <- vapply(1:3, function(k) dnorm(test$y, expert[, k], sqrt(p$dispersion[k])), test$y)
  gap <- test$y - rowSums(gate * expert)
  expect_s3_class(out, "data.frame")
  expect_named(out, c("n", "loglik", "rpe", "rmse", "si"))
  expect_equal(out$n, 500)
  expect_equal(out$loglik, mean(log(rowSums(gate * density))), tolerance = 1e-10)
  expect_equal(out$rpe, sum(gap^2) / sum(test$y^2), tolerance = 1e-10)
  expect_equal(out$rmse, sqrt(mean(gap^2)), tolerance = 1e-10)
  expect_equal(out$si, sqrt(mean(gap^2)) / abs(mean(test$y)), tolerance = 1e-10)
})

test_that("so they are for logistic experts", {
  out <- moe_metrics(logistic, binary$data)
  p <- predict(logistic, binary$data)
  y <- binary$data$y
  expect_equal(out$loglik, mean(dbinom(y, 1, p, log = TRUE)), tolerance = 1e-10)
  expect_equal(out$loglik, logLik(logistic)[1] / 1500, tolerance = 1e-8)
  expect_equal(out$rmse, sqrt(mean((y - p)^2)), tolerance = 1e-10)
})

test_that("rows with missing values are left out", {
  holes <- test
  holes$x1[3] <- NA
  holes$y[7] <- NA
  out <- moe_metrics(fit, holes, truth = sim$model)
  expect_equal(out, moe_metrics(fit, test[-c(3, 7), ], truth = sim$model))
  expect_equal(out$n, 498)
  labels <- sim$labels[1001:1500]
  expect_equal(moe_metrics(fit, holes, truth = sim$model, labels = labels)$ari,
    moe_metrics(fit, test[-c(3, 7), ], truth = sim$model, labels = labels[-c(3, 7)])$ari)
})

test_that("MSE is that of the best matching of the experts", {
  truth <- coef(sim$model)
  for (model in list(fit, rough)) {
    by_hand <- vapply(orders, function(o) mean((coef(permute(model, o)) - truth)^2), 0)
    expect_equal(moe_metrics(model, test, truth = sim$model)$mse, min(by_hand), tolerance = 1e-10)
  }
  # A parameter that is off by 1 counts as 1 / (their number).
  off <- sim$model
  off$parameters$beta[2, 3] <- off$parameters$beta[2, 3] + 1
  expect_equal(moe_metrics(off, test, truth = sim$model)$mse, 1 / length(truth), tolerance = 1e-10)
})

test_that("no measure depends on the order of the experts", {
  reference <- moe_metrics(rough, test, truth = sim$model)
  for (order in orders) {
    turned <- permute(rough, order)
    expect_equal(predict(turned, test), predict(rough, test), tolerance = 1e-10)
    expect_equal(moe_metrics(turned, test, truth = sim$model), reference, tolerance = 1e-8)
    by_truth <- moe_metrics(rough, test, truth = permute(sim$model, order))
    # The gates' MSE does depend on which expert is the truth's last; nothing else does.
    expect_equal(by_truth[names(by_truth) != "mse"], reference[names(reference) != "mse"],
      tolerance = 1e-8)
    # The package's own relabelling is this one.
    expect_equal(distmoe:::relabel(rough, order)$parameters, turned$parameters, tolerance = 1e-12)
  }
})

test_that("the truth is at distance 0 from itself", {
  out <- moe_metrics(sim$model, test, truth = sim$model)
  expect_equal(out$transport, 0, tolerance = 1e-12)
  expect_equal(out$mse, 0)
  expect_equal(out$ari, 1)
  expect_gt(moe_metrics(fit, test, truth = sim$model)$transport, 0)
  # More data, closer by every measure.
  closer <- moe_metrics(fit, test, truth = sim$model)
  further <- moe_metrics(rough, test, truth = sim$model)
  expect_lt(closer$transport, further$transport)
  expect_lt(closer$mse, further$mse)
  expect_gt(closer$loglik, further$loglik)
  expect_equal(closer$transport, transport_divergence(sim$model, fit, test), tolerance = 1e-12)
})

test_that("the transport divergence of one expert each is the mean KL divergence", {
  a <- moe(y ~ ., train, K = 1)
  b <- moe(y ~ ., train[1:60, ], K = 1)
  v <- c(a$parameters$dispersion, b$parameters$dispersion)
  kl <- log(v[2] / v[1]) / 2 + (v[1] + (predict(a, test) - predict(b, test))^2) / (2 * v[2]) - 1 / 2
  expect_equal(moe_metrics(b, test, truth = a)$transport, mean(kl), tolerance = 1e-10)
})

test_that("another number of experts has no MSE, but the rest", {
  pair <- moe(y ~ ., train, K = 2)
  out <- moe_metrics(pair, test, truth = sim$model)
  expect_equal(out$mse, NA_real_)
  expect_gt(out$transport, 0)
  expect_true(out$ari < 1 && out$ari > -1)
})

# Counts every pair of rows; agreement beyond chance over its largest possible value.
brute_force_ari <- function(a, b) {
  pairs <- combn(length(a), 2)
  same_a <- a[pairs[1, ]] == a[pairs[2, ]]
  same_b <- b[pairs[1, ]] == b[pairs[2, ]]
  chance <- mean(same_a) * mean(same_b)
  (mean(same_a & same_b) - chance) / ((mean(same_a) + mean(same_b)) / 2 - chance)
}

test_that("the adjusted Rand index counts pairs", {
  set.seed(2)
  for (groups in list(c(2, 2), c(3, 4), c(1, 3), c(5, 2))) {
    a <- sample(groups[1], 60, TRUE)
    b <- ifelse(runif(60) < 0.5, a, sample(groups[2], 60, TRUE))
    expect_equal(distmoe:::adjusted_rand(a, b), brute_force_ari(a, b), tolerance = 1e-12)
    expect_equal(distmoe:::adjusted_rand(a, b), distmoe:::adjusted_rand(b, 10 - a))
  }
  expect_equal(distmoe:::adjusted_rand(rep(1:3, 20), rep(c(2, 3, 1), 20)), 1)
  # All rows in one group, by both: they agree.
  expect_equal(distmoe:::adjusted_rand(rep(1, 9), rep(2, 9)), 1)
  # Independent labels agree by chance only.
  expect_lt(abs(distmoe:::adjusted_rand(sample(3, 5000, TRUE), sample(3, 5000, TRUE))), 0.01)
})

test_that("ARI compares most probable experts, or the labels given", {
  part <- test[1:120, ]
  labels <- sim$labels[1001:1120]
  found <- predict(rough, part, "class")
  expect_equal(moe_metrics(rough, part, sim$model)$ari,
    brute_force_ari(predict(sim$model, part, "class"), found), tolerance = 1e-12)
  expect_equal(moe_metrics(rough, part, sim$model, labels)$ari, brute_force_ari(labels, found),
    tolerance = 1e-12)
  # Names of the experts do not matter, also where they are text.
  expect_equal(moe_metrics(rough, part, sim$model, letters[labels])$ari,
    moe_metrics(rough, part, sim$model, labels)$ari)
})

test_that("matrices are as good as formulas", {
  by_matrix <- moe(as.matrix(train[-1]), train$y, K = 3, start = rep_len(1:3, 1000))
  by_formula <- moe(y ~ ., train, K = 3, start = rep_len(1:3, 1000))
  expect_equal(moe_metrics(by_matrix, list(x = as.matrix(test[-1]), y = test$y)),
    moe_metrics(by_formula, test), tolerance = 1e-6)
})
