# Residuals of all types, against glm() at one expert and against plain formulas for mixtures.

d <- crossing_lines(500)
d$f <- factor(ifelse(d$y + withr::with_seed(2, rnorm(500)) > 0.5, "high", "low"), c("low", "high"))
d$counts <- withr::with_seed(3, stats::rpois(500, exp(1 + d$x)))
d$w <- rep(c(1, 2), 250)
two <- moe(y ~ x, d, K = 2, start = d$label)
logistic <- moe(f ~ x, d, K = 2, family = binomial(), start = d$label)
counts <- moe(counts ~ x, d, K = 2, family = poisson(), start = d$label)
classes <- moe(Species ~ Petal.Length + Sepal.Width, iris, K = 1, family = multinomial(),
  control = moe_control(expert_ridge = 1))
plain <- unname

test_that("one expert has the residuals of glm()", {
  for (weights in list(rep(1, 500), d$w)) {
    d$case <- weights
    for (model in list(list(f ~ x, binomial()), list(counts ~ x, poisson()))) {
      fit <- moe(model[[1]], d, K = 1, family = model[[2]], weights = case)
      by_glm <- suppressWarnings(glm(model[[1]], model[[2]], d, weights = case))
      for (type in c("response", "pearson", "deviance")) {
        expect_equal(residuals(fit, type), plain(residuals(by_glm, type)), tolerance = 1e-6)
      }
    }
    fit <- moe(y ~ x, d, K = 1, weights = case)
    by_glm <- glm(y ~ x, gaussian(), d, weights = case)
    expect_equal(residuals(fit), plain(residuals(by_glm, "response")), tolerance = 1e-6)
    expect_equal(residuals(fit, "deviance"), plain(residuals(by_glm, "deviance")), tolerance = 1e-6)
    expect_equal(residuals(fit, "pearson") * sigma(fit)[[1]], plain(residuals(by_glm, "pearson")), tolerance = 1e-6)
    expect_equal(residuals(fit, "quantile"), residuals(fit) / sigma(fit)[[1]], tolerance = 1e-6)
  }
})

test_that("Pearson residuals of a mixture are by the mixture's variance", {
  gate <- predict(two, d, "gate")
  mean <- predict(two, d, "expert")
  at <- function(power) rowSums(gate * switch(power, mean, mean^2 + rep(sigma(two)^2, each = 500)))
  expect_equal(residuals(two, "pearson"), (d$y - at(1)) / sqrt(at(2) - at(1)^2))
  expect_false(isTRUE(all.equal(residuals(two, "pearson"), residuals(two))))
  expect_equal(mean(residuals(two, "pearson")^2), 1, tolerance = 0.15)
  rate <- predict(counts, d, "expert")
  gate <- predict(counts, d, "gate")
  e <- rowSums(gate * rate)
  expect_equal(residuals(counts, "pearson"), (d$counts - e) / sqrt(rowSums(gate * (rate + rate^2)) - e^2))
  p <- predict(logistic, d)
  expect_equal(residuals(logistic, "pearson"), ((d$f == "high") - p) / sqrt(p * (1 - p)))
  p <- predict(classes, iris)
  y <- outer(iris$Species, levels(iris$Species), "==")
  expect_equal(plain(residuals(classes, "pearson")), plain((y - p) / sqrt(p * (1 - p))))
})

test_that("deviance residuals add up to -2 log-likelihood of classes, and are refused where there are none", {
  expect_equal(sum(residuals(logistic, "deviance")^2), -2 * logLik(logistic)[1])
  expect_equal(sum(residuals(classes, "deviance")^2), -2 * logLik(classes)[1])
  expect_error(residuals(two, "deviance"), "saturated", class = "moe_input_error")
  expect_error(residuals(counts, "deviance"), "saturated", class = "moe_input_error")
  expect_error(residuals(two, "working"), "`type` must be one of", class = "moe_input_error")
})

test_that("quantile residuals are the normal scores of the distribution function", {
  gate <- predict(two, d, "gate")
  z <- (d$y - predict(two, d, "expert")) / rep(sigma(two), each = 500)
  expect_equal(residuals(two, "quantile"), qnorm(rowSums(gate * pnorm(z))), tolerance = 1e-8)
  # From predict(): F(Q(p)) = p.
  rows <- d[1:3, ]
  for (p in c(1e-10, 0.3, 0.999)) {
    rows$y <- predict(two, rows, "quantile", probs = p)[, 1]
    expect_equal(residuals(two, "quantile", newdata = rows), rep(qnorm(p), 3), tolerance = 1e-6)
  }
  # Far out they do not overflow.
  rows$y <- c(-1e3, 0, 1e3)
  far <- residuals(two, "quantile", newdata = rows)
  expect_true(all(is.finite(far)) && far[1] < -100 && far[3] > 100)
  # Between F just below y and F at y, uniformly.
  rate <- predict(counts, d, "expert")
  gate <- predict(counts, d, "gate")
  set.seed(1)
  u <- pnorm(residuals(counts, "quantile"))
  below <- rowSums(gate * ppois(d$counts - 1, rate))
  at <- rowSums(gate * ppois(d$counts, rate))
  expect_true(all(u >= below - 1e-12 & u <= at + 1e-12))
  share <- (u - below) / (at - below)
  expect_gt(ks.test(share, "punif")$p.value, 0.001)
  set.seed(1)
  expect_identical(pnorm(residuals(counts, "quantile")), u)
  u <- pnorm(residuals(classes, "quantile"))
  upper <- t(apply(predict(classes, iris), 1, cumsum))
  own <- cbind(1:150, as.integer(iris$Species))
  expect_true(all(u <= upper[own] + 1e-12 & u >= cbind(0, upper)[own] - 1e-12))
})

test_that("quantile residuals of a true model are standard normal", {
  for (family in list(gaussian(), poisson(), binomial(), multinomial(), Gamma("log"), negative_binomial())) {
    sim <- moe_simulate(4000, K = 3, d = 3, seed = 5, family = family)
    r <- withr::with_seed(1, residuals(sim$model, "quantile", newdata = sim$data))
    expect_gt(ks.test(r, "pnorm")$p.value, 0.001)
  }
})

test_that("gaps are where na.exclude and new data have them", {
  holes <- transform(d, x = replace(x, 3, NA))
  for (type in c("response", "pearson", "quantile")) {
    fit <- moe(y ~ x, holes, K = 2, start = d$label[-3], na.action = na.exclude)
    r <- residuals(fit, type)
    expect_identical(which(is.na(r)), 3L)
    expect_length(r, 500)
    expect_length(residuals(moe(y ~ x, holes, K = 2, start = d$label[-3]), type), 499)
    expect_identical(which(is.na(residuals(two, type, newdata = holes))), 3L)
  }
  merged <- moe_aggregate(list(a = two, b = two), d)
  expect_equal(residuals(merged, "pearson", newdata = d), residuals(two, "pearson"), tolerance = 1e-4)
  expect_error(residuals(merged, "pearson"), "newdata", class = "moe_input_error")
  expect_error(residuals(two, "pearson", newdata = d["x"]), "response", class = "moe_input_error")
})

test_that("rows that do not count have residuals of 0, whatever their probability", {
  classes <- c(rep_len(c("a", "b", "c"), 40), rep_len(c("a", "b"), 40), "c")
  d <- data.frame(x = c(rep(0:1, each = 40), 5), y = factor(classes),
    w = c(rep(1, 80), 0))
  fit <- suppressWarnings(moe(y ~ x, d, K = 1, family = multinomial(), weights = w))
  fit$parameters$beta["x", ] <- c(0, -800)  # c is impossible at x = 5
  for (type in c("pearson", "deviance")) {
    r <- as.matrix(residuals(fit, type))
    expect_true(all(is.finite(r)))
    expect_equal(unname(r[81, ]), rep(0, ncol(r)))
  }
})
