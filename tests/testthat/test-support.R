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

test_that("the design made once is that of the points asked for, y with it where wanted", {
  sim <- moe_simulate(800, K = 2, d = 2, seed = 3)
  sim$data$f <- factor(rep(c("u", "v", "w", "u"), 200))
  model <- moe(y ~ poly(x1, 2) + x2 + f, sim$data, K = 2, gating = ~x2)
  site <- rep(c("a", "b", "none", "b"), 200)
  data <- sim$data
  data$x1[site == "none"] <- Inf  # a site that could not be fitted
  points <- support_points(moe_support(data, site = site), model$schema, c("a", "b"))
  for (rows in list(which(site == "b"), c(6, 2, 5), which(site != "none"))) {
    found <- design_at(points, rows, with_y = TRUE)
    alone <- design_new(model$schema, data[rows, ], need_response = TRUE)
    expect_identical(unname(found$x), unname(alone$x), ignore_attr = TRUE)
    expect_identical(unname(found$z), unname(alone$z), ignore_attr = TRUE)
    expect_identical(found$y, alone$y)
    expect_null(design_at(points, rows)$y)
  }
  expect_error(design_at(points), "x1", class = "moe_input_error")
  expect_identical(without_design(points), moe_support(data, site = site))
  # Only who needs y is refused where it is missing.
  data$y[2] <- NA
  gap <- support_points(moe_support(data[site != "none", ]), model$schema, character())
  expect_identical(nrow(design_at(gap)$x), sum(site != "none"))
  expect_error(design_at(gap, with_y = TRUE), "missing values.*row 2", class = "moe_input_error")
})
