# The engine of parsnip.

skip_if_not_installed("parsnip")

test_that("regression", {
  spec <- parsnip::set_mode(mixture_of_experts(experts = 2), "regression")
  spec <- parsnip::set_engine(spec, "distmoe", gating = ~ hp, seed = 1)
  fit <- suppressWarnings(parsnip::fit(spec, mpg ~ wt, mtcars))
  ours <- suppressWarnings(moe(mpg ~ wt, mtcars, K = 2, gating = ~ hp, seed = 1))
  expect_equal(coef(parsnip::extract_fit_engine(fit)), coef(ours))
  expect_equal(predict(fit, mtcars)$.pred, predict(ours, mtcars))
  ends <- predict(fit, mtcars[1:4, ], type = "conf_int", level = 0.9)
  expect_equal(ends$.pred_lower, unname(predict(ours, mtcars[1:4, ], interval = "confidence", level = 0.9)[, "lwr"]))
  ends <- predict(fit, mtcars[1:4, ], type = "pred_int")
  expect_equal(ends$.pred_upper, unname(predict(ours, mtcars[1:4, ], interval = "prediction")[, "upr"]))
  expect_equal(tidy(fit)$term, tidy(ours)$term)
  expect_output(print(spec), "mixture of experts|mixture_of_experts")
  three <- update(spec, experts = 3)
  expect_identical(suppressWarnings(parsnip::fit(three, mpg ~ wt, mtcars))$fit$K, 3L)
})

test_that("classes", {
  iris2 <- iris[51:150, ]
  iris2$Species <- factor(iris2$Species)
  spec <- parsnip::set_mode(mixture_of_experts(experts = 1), "classification")
  for (data in list(iris, iris2)) {
    spec <- parsnip::set_engine(spec, "distmoe", control = moe_control(expert_ridge = 1))
    fit <- parsnip::fit(spec, Species ~ Petal.Length + Sepal.Width, data)
    engine <- parsnip::extract_fit_engine(fit)
    expect_identical(engine$family$family, if (nlevels(data$Species) == 2) "binomial" else "multinomial")
    p <- predict(fit, data[c(1, 80), ], type = "prob")
    expect_equal(rowSums(p), c(1, 1), ignore_attr = TRUE)
    ours <- as.matrix(predict(engine, data[c(1, 80), ]))
    expect_equal(p[[paste0(".pred_", levels(data$Species)[nlevels(data$Species)])]], unname(ours[, ncol(ours)]))
    expect_identical(predict(fit, data[c(1, 80), ])$.pred_class, predict(engine, data[c(1, 80), ], "label"))
  }
})
