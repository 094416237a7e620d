test_that("a support sample keeps points, sites and y", {
  sim <- moe_simulate(60, K = 2, d = 2, seed = 1)
  s <- moe_support(sim$data[-1], site = rep(1:3, 20), y = sim$data$y)
  expect_identical(s$site, as.character(rep(1:3, 20)))
  expect_identical(moe_support(s), s)
  expect_output(print(s), "60 points")
  expect_output(print(s), "3 sites")
  # y is found under the response's own name, so densities at the support can be asked for.
  expect_equal(predict(sim$model, s, "density"), predict(sim$model, sim$data, "density"))
})

test_that("points of a matrix serve models of matrices", {
  sim <- moe_simulate(600, K = 2, d = 2, seed = 1)
  x <- as.matrix(sim$data[-1])
  set.seed(1)
  a <- moe(x, sim$data$y, K = 2)
  b <- moe(x + 0, sim$data$y, K = 2, start = a)
  fit <- moe_aggregate(list(a = a, b = b), moe_support(x))
  expect_equal(coef(fit), coef(a), tolerance = 1e-5)
})
