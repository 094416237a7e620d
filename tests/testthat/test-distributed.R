test_that("every row is used, whatever the number of sites", {
  sim <- moe_simulate(1003, K = 2, d = 2, seed = 1)
  set.seed(1)
  fit <- moe_distributed(y ~ ., sim$data, K = 2, sites = 4)
  expect_equal(sum(fit$sites$table$n), 1003)
  expect_lte(diff(range(fit$sites$table$n)), 1)
  expect_s3_class(fit, "moe_aggregate")
  expect_named(fit$seconds, c("pilot", "slowest_site", "aggregation"))
})

test_that("set.seed() reproduces it", {
  sim <- moe_simulate(900, K = 2, d = 2, seed = 1)
  run <- function() {
    set.seed(9)
    coef(moe_distributed(y ~ ., sim$data, K = 2, sites = 3))
  }
  expect_identical(run(), run())
})

test_that("a column gives the sites, and `.` leaves it out", {
  sim <- moe_simulate(1200, K = 2, d = 2, seed = 2)
  d <- transform(sim$data, hospital = rep_len(c("north", "south", "tiny"), 1200))
  d <- d[d$hospital != "tiny" | seq_len(1200) < 10, ]
  set.seed(1)
  fit <- moe_distributed(y ~ ., d, K = 2, sites = "hospital")
  expect_equal(rownames(coef(fit, "expert")), c("(Intercept)", "x1", "x2"))
  expect_equal(fit$sites$table$status[fit$sites$table$site == "tiny"], "skipped")
  vector <- moe_distributed(y ~ x1 + x2, d, K = 2, sites = d$hospital)
  expect_equal(vector$sites$table$n, fit$sites$table$n)
})

test_that("one site with all rows as support gives the pooled fit", {
  sim <- moe_simulate(1500, K = 2, d = 2, seed = 3)
  set.seed(1)
  fit <- moe_distributed(y ~ ., sim$data, K = 2, sites = 1)
  set.seed(1)
  pooled <- moe(y ~ ., sim$data, K = 2)
  design <- support_design(moe_support(sim$data), pooled$schema)
  matched <- relabel(pooled, match_experts(fit, pooled, design))
  expect_equal(coef(fit), coef(matched), tolerance = 1e-5)
})

test_that("the pilot can be turned off, or be given", {
  sim <- moe_simulate(1500, K = 2, d = 2, seed = 4)
  set.seed(1)
  none <- moe_distributed(y ~ ., sim$data, K = 2, sites = 3, pilot = FALSE)
  expect_null(none$pilot)
  given <- moe_distributed(y ~ ., sim$data, K = 2, sites = 3, pilot = sim$model)
  expect_equal(predict(none, sim$data), predict(given, sim$data), tolerance = 1e-2)
})

test_that("case weights are used at the sites", {
  sim <- moe_simulate(1500, K = 2, d = 2, seed = 5)
  d <- transform(sim$data, w = 3)
  set.seed(1)
  fit <- moe_distributed(y ~ x1 + x2, d, K = 2, sites = 3, weights = "w")
  expect_equal(fit$weight, 4500)
})

test_that("cost and update reach the aggregation", {
  sim <- moe_simulate(800, K = 2, d = 2, seed = 1)
  set.seed(1)
  fit <- moe_distributed(y ~ ., sim$data, K = 2, sites = 2, cost = "hellinger")
  expect_identical(fit$aggregation$cost, "hellinger")
  expect_error(moe_distributed(y ~ ., sim$data, K = 2, sites = 2, update = "closed-form"), "logistic",
    class = "moe_input_error")
})

test_that("the sites share what is asked for", {
  sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
  set.seed(1)
  fit <- moe_distributed(y ~ ., sim$data, K = 2, sites = 2, share = c("x", "moments"))
  expect_true(fit$aggregation$moments)
  expect_s3_class(moe_support(fit$sites, n = 50), "moe_support")
  expect_error(moe_distributed(y ~ ., sim$data, K = 2, sites = 2, share = "rows"), "share",
    class = "moe_input_error")
})

test_that("a start that fits the support better than the aggregate of small sites is told of", {
  sim <- moe_simulate(2000, K = 3, d = 4, seed = 7)
  pooled <- moe(y ~ ., sim$data, K = 3)
  set.seed(7)
  expect_warning(
    small <- moe_distributed(y ~ ., sim$data, K = 3, sites = 25, support = 2000, pilot = pooled),
    "common start fits the support points better")
  better <- as.numeric(logLik(pooled, sim$data) - logLik(small, sim$data)) / 2000
  expect_gt(better, 0)
  expect_match(small$aggregation$notes, "sites' fits went apart", all = FALSE)
  expect_output(print(small), "sites' fits went apart")
  large <- moe_distributed(y ~ ., sim$data, K = 3, sites = 2)
  expect_false(any(grepl("went apart", large$aggregation$notes)))
})

test_that("the number of support points may be large", {
  # 50,000 times 50,000 is more than a whole number holds.
  data <- data.frame(y = 0, x = seq_len(60000))
  rows <- list(a = 1:50000, b = 50001:60000)
  points <- draw_support(data, y ~ x, NULL, rows, 48000L, 10)
  expect_identical(as.vector(table(points$site)), c(40000L, 8000L))
  expect_true(all(points$x$x[points$site == "b"] > 50000))
})
