# Case weights are frequencies: everything is as if the rows were there so many times.

d <- crossing_lines(200)
d$w <- rep(c(1, 2, 3, 0, 1), 40)
d$f <- d$y + withr::with_seed(1, rnorm(200)) > 0.5
d$counts <- withr::with_seed(3, stats::rpois(200, exp(1 + d$x)))
many <- transform(d[rep(1:200, d$w), ], w = 1)

test_that("criteria, nobs and standard errors are those of duplicated rows", {
  for (case in list(list(y ~ x, gaussian()), list(f ~ x, binomial()), list(counts ~ x, poisson()))) {
    for (K in 1:2) {
      fit <- function(data) {
        suppressWarnings(moe(case[[1]], data, K = K, family = case[[2]], weights = w, start = if (K > 1) data$label))
      }
      weighted <- fit(d)
      twice <- fit(many)
      expect_equal(c(logLik(weighted)), c(logLik(twice)), tolerance = 1e-8)
      expect_equal(nobs(weighted), sum(d$w))
      expect_equal(nobs(weighted), nobs(twice))
      expect_equal(attributes(logLik(weighted)), attributes(logLik(twice)))
      expect_equal(c(AIC(weighted), BIC(weighted)), c(AIC(twice), BIC(twice)), tolerance = 1e-8)
      expect_equal(glance(weighted)[c("nobs", "BIC")], glance(twice)[c("nobs", "BIC")], tolerance = 1e-8)
      for (type in c("observed", "sandwich")) {
        errors <- lapply(list(weighted, twice), function(m) tryCatch(suppressWarnings(vcov(m, type = type)),
          moe_no_covariance = function(e) NULL))
        expect_equal(errors[[1]], errors[[2]], tolerance = 1e-4)
      }
    }
  }
})

test_that("choices, sites and aggregates count likewise", {
  set.seed(1)
  a <- suppressWarnings(moe_select(y ~ x, d, K = 1:2, weights = w))
  set.seed(1)
  b <- suppressWarnings(moe_select(y ~ x, many, K = 1:2))
  expect_equal(a$path[c("AIC", "BIC", "ICL")], b$path[c("AIC", "BIC", "ICL")], tolerance = 1e-6)
  start <- moe(y ~ x, d, K = 2, start = d$label)
  weighted <- moe_sites(y ~ x, list(A = d, B = d), start = start, weights = "w")
  twice <- moe_sites(y ~ x, list(A = many, B = many), start = start)
  expect_equal(nobs(weighted), nobs(twice))
  together <- lapply(list(weighted, twice), moe_aggregate, support = d)
  expect_equal(nobs(together[[1]]), nobs(together[[2]]))
})

test_that("the rows are there to be seen all the same", {
  fit <- moe(y ~ x, d, K = 1, weights = w)
  expect_equal(fit$n, sum(d$w > 0))
  expect_equal(weights(fit), d$w)
  expect_null(weights(moe(y ~ x, d, K = 1)))
  expect_output(print(fit), "n = 160 (weights: 280)", fixed = TRUE)
})
