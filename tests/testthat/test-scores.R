# The rows' scores, and sandwiches over rows and clusters.

fits <- fits_of_all_kinds()

test_that("scores are the derivatives of the rows' log densities", {
  for (fit in fits) {
    rows <- model.frame(fit)
    scores <- estfun.moe(fit)
    expect_identical(colnames(scores), names(coef(fit, complete = FALSE)))
    expect_identical(nrow(scores), nrow(rows))
    numerical <- by_differences(function(theta) {
      predict(at_theta(fit, theta), rows, "density", log = TRUE)
    }, coef(fit))
    weight <- if (is.null(weights(fit))) 1 else weights(fit)
    known <- names(coef(fit)) %in% colnames(scores)
    expect_equal(unname(scores), unname(numerical[, known] * weight), tolerance = 1e-7)
  }
})

test_that("scores sum to nothing at a maximum without priors, and make the package's own sandwich", {
  d <- two_experts(300, "gaussian")
  plain <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0), control = moe_control(gate_ridge = 0, variance_prior = 0))
  expect_lt(max(abs(colSums(estfun.moe(plain)))), 1e-3)
  meat <- crossprod(estfun.moe(fits$binomial))
  bread <- bread.moe(fits$binomial) / nobs(fits$binomial)
  expect_equal(bread %*% meat %*% bread, vcov(fits$binomial, "sandwich"), tolerance = 1e-9)
  # Of matrices, where the intercept is no column of x.
  x <- as.matrix(d[c("x", "v")])
  by_matrix <- moe(x, d$y, start = predict(plain, type = "posterior"), K = 2,
    control = moe_control(gate_ridge = 0, variance_prior = 0))
  expect_equal(unname(estfun.moe(by_matrix)), unname(estfun.moe(plain)), tolerance = 1e-4)
})

test_that("the cluster covariance is the definition's, whatever the clusters are named by", {
  for (fit in fits) {
    id <- rep(1:30, 10)
    v <- vcov(fit, cluster = id)
    known <- colnames(estfun.moe(fit))
    sums <- rowsum(estfun.moe(fit), id)
    bread <- vcov(fit, complete = FALSE)
    expect_equal(v[known, known], 30 / 29 * bread %*% crossprod(sums) %*% bread, tolerance = 1e-10)
    expect_identical(vcov(fit, "cluster", cluster = paste("school", id)), v)
    expect_identical(vcov(fit, "cluster", cluster = list(id %% 5, id %% 6)), v)
    expect_identical(is.na(diag(v)), is.na(diag(vcov(fit))))
  }
  # Every row its own cluster: the sandwich, but for G / (G - 1).
  expect_equal(vcov(fits$binomial, cluster = 1:300), 300 / 299 * vcov(fits$binomial, "sandwich"), tolerance = 1e-9)
})

test_that("clusters are found in the data of the call, and follow the rows that were left out", {
  d <- transform(two_experts(300, "gaussian"), id = rep(1:30, 10))
  d$x[c(5, 17)] <- NA
  d$half <- d$id %% 2
  fit <- moe(y ~ x + v, d, K = 2, start = NULL, seed = 1)
  v <- vcov(fit, cluster = d$id[-c(5, 17)])
  expect_identical(vcov(fit, cluster = ~ id), v)
  expect_identical(vcov(fit, cluster = d$id), v)
  expect_identical(vcov(fit, cluster = ~ half + id), v)
  expect_equal(vcov(fit, cluster = ~ id, newdata = d), v, tolerance = 1e-6)
  excluded <- moe(y ~ x + v, d, K = 2, start = fit, na.action = na.exclude)
  expect_equal(vcov(excluded, cluster = ~ id), v, tolerance = 1e-4)
  part <- moe(y ~ x + v, d, K = 2, start = fit, subset = id > 3)
  expect_identical(vcov(part, cluster = ~ id), vcov(part, cluster = d$id[d$id > 3 & !is.na(d$x)]))
  error <- sqrt(diag(v))[["expert1:x"]]
  expect_equal(confint(fit, "expert1:x", cluster = ~ id)[1, ],
    coef(fit)[["expert1:x"]] + c("2.5 %" = -1, "97.5 %" = 1) * qt(0.975, 29) * error)
  table <- coef(summary(fit, cluster = ~ id))
  expect_equal(table["expert1:x", "Std. Error"], error)
  expect_equal(table["expert1:x", 4], 2 * pt(-abs(table["expert1:x", 3]), 29))
  expect_output(print(summary(fit, cluster = ~ id)), "30 clusters")
})

test_that("calls that ask for clusters wrongly are told what is wrong", {
  fit <- fits$binomial
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(vcov(fit, "cluster"), "cluster.*is missing")
  wrong(vcov(fit, "sandwich", cluster = 1:300), "not for.*sandwich")
  wrong(vcov(fit, cluster = 1:7), "7 values.*300 rows")
  wrong(vcov(fit, cluster = rep(1, 300)), "one cluster")
  wrong(vcov(fit, cluster = c(NA, 2:300)), "missing for 1 row")
  wrong(vcov(fit, cluster = y ~ x), "one-sided")
  rows <- transform(two_experts(300, "binomial"), o = v / 3)
  wrong(vcov(fit, cluster = ~ nowhere, newdata = rows), "nowhere")
  wrong(vcov(fit, cluster = sum), "formula or a vector")
  fit$call <- NULL
  wrong(vcov(fit, cluster = ~ id), "can't be found again")
})

test_that("clusters are not looked up in data that are no longer the rows of the fit", {
  wrong <- function(code) expect_error(code, "no longer the rows of the fit", class = "moe_input_error")
  d <- transform(two_experts(200, "binomial"), id = rep(1:20, 10))
  fit <- moe(y ~ x, d, K = 1, family = binomial())
  v <- vcov(fit, cluster = ~ id)
  before <- d
  d <- d[order(d$x), ]
  wrong(vcov(fit, cluster = ~ id))
  d <- before[-1, ]
  wrong(vcov(fit, cluster = ~ id))
  d <- transform(before, y = 1 - y)
  wrong(vcov(fit, cluster = ~ id))
  d <- before
  expect_identical(vcov(fit, cluster = ~ id), v)
})

test_that("clusters over chunks and over sites give what all rows in one place give", {
  d <- transform(two_experts(600, "gaussian"), id = rep(1:60, 10), site = rep(c("a", "b", "c"), 200))
  d$id <- paste(d$id, d$site)  # a cluster lies within one site
  fit <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0))
  v <- vcov(fit, cluster = ~ id)
  expect_equal(vcov(fit, cluster = ~ id, newdata = moe_source(d, chunk_rows = 70)), v, tolerance = 1e-10)
  sources <- split(d, d$site)
  expect_equal(vcov(fit, cluster = ~ id, newdata = sources), v, tolerance = 1e-10)
  sources$b <- moe_source(sources$b, chunk_rows = 50)
  expect_equal(vcov(fit, cluster = ~ id, newdata = sources), v, tolerance = 1e-10)
  sites <- moe_sites(y ~ x + v, split(d, d$site), K = 2, start = fit, information = TRUE)
  merged <- moe_aggregate(sites, moe_support(d, site = d$site))
  by_hand <- vcov(merged, "information")
  meat <- crossprod(rowsum(weighted_scores(merged, design_new(merged$schema, d, TRUE)), d$id))
  groups <- length(unique(d$id))
  expected <- groups / (groups - 1) * by_hand %*% meat %*% by_hand
  expect_equal(vcov(merged, cluster = ~ id, newdata = split(d, d$site)), expected, tolerance = 1e-10)
  refined <- moe_refine(merged, split(d, d$site), rounds = Inf)
  expect_equal(vcov(refined, cluster = ~ id, newdata = split(d, d$site)), vcov(relabel(fit, match_experts(refined, fit,
    design_new(fit$schema, d))), cluster = ~ id), tolerance = 1e-3)
  expect_output(print(summary(refined, cluster = ~ id, newdata = split(d, d$site))), "clusters")
  expect_error(vcov(refined, cluster = ~ id, newdata = split(d, d$site)[-1]), "400 complete rows.*rests on 600",
    class = "moe_input_error")
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(vcov(merged, cluster = ~ id), "newdata.*missing")
  wrong(vcov(fit, cluster = d$id, newdata = split(d, d$site)), "formula")
  sources$c$id[4] <- NA
  wrong(vcov(fit, cluster = ~ id, newdata = sources), "Site \"c\"")
  weighted <- moe(y ~ x + v, d, K = 2, start = fit, weights = w)
  expect_equal(vcov(weighted, cluster = ~ id, newdata = split(d, d$site), weights = "w"),
    vcov(weighted, cluster = ~ id), tolerance = 1e-10)
})

test_that("weights that do not count rows are spoken of in a summary", {
  d <- transform(two_experts(300, "gaussian"), share = w / 2.5)
  fit <- moe(y ~ x + v, d, K = 1, weights = share)
  expect_output(print(summary(fit)), "not\\s+whole\\s+numbers")
  expect_output(print(summary(moe(y ~ x + v, d, K = 1, weights = w))), "Standard errors: observed information\n")
  clustered <- capture.output(print(summary(fit, cluster = 1:300)))
  expect_no_match(clustered, "whole numbers")
  # The sandwich of sampling weights, as the package survey has it: sum of w^2 s s', n / (n - 1).
  line <- lm(y ~ x + v, d, weights = share)
  bread <- solve(crossprod(model.matrix(line) * sqrt(d$share)))
  meat <- crossprod(model.matrix(line) * d$share * residuals(line))
  expect_equal(unname(vcov(fit, cluster = 1:300)[1:3, 1:3]), unname(300 / 299 * bread %*% meat %*% bread),
    tolerance = 1e-6)
})
