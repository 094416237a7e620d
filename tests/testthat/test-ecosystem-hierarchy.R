# Other packages see the population's model, with its covariance and t by the number of sites.
test_that("packages that use one vector of coefficients get the population's", {
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  estimate <- fixef(h)
  error <- sqrt(diag(vcov(h)))
  at <- grepl("^expert|^gate", names(estimate))
  if (requireNamespace("lmtest", quietly = TRUE)) {
    found <- lmtest::coeftest(h)
    expect_equal(found[, 1], estimate[at])
    expect_equal(found[, 2], error[at])
    expect_equal(found[, 4], 2 * pt(-abs(estimate[at] / error[at]), 3))
    expect_equal(lmtest::coefci(h)[at, ], confint(h)[at, ], ignore_attr = TRUE)
  }
  if (requireNamespace("car", quietly = TRUE)) {
    found <- car::linearHypothesis(h, "expert1:x = 0")
    expect_equal(found$Chisq[2], (estimate[["expert1:x"]] / error[["expert1:x"]])^2, tolerance = 1e-8)
    expect_error(car::Anova(h), "rows", class = "moe_input_error")
  }
  if (requireNamespace("marginaleffects", quietly = TRUE)) {
    found <- marginaleffects::avg_predictions(h, newdata = d)
    expect_equal(found$estimate, mean(predict(population(h), d)))
    expect_equal(marginaleffects::get_coef(h), estimate)
    expect_equal(marginaleffects::get_vcov(h), vcov(h))
    tested <- marginaleffects::hypotheses(h, "`expert1:x` = 0")
    expect_equal(tested$std.error, error[["expert1:x"]], tolerance = 1e-4)
  }
  if (requireNamespace("emmeans", quietly = TRUE)) {
    at_x <- as.data.frame(emmeans::emmeans(h, ~ x, at = list(x = c(0, 1), v = 0.5), data = d))
    expect_equal(at_x$emmean, predict(population(h), data.frame(x = c(0, 1), v = 0.5)))
    expect_equal(unique(at_x$df), 3)
    expect_error(emmeans::emmeans(h, ~ x), "data")
  }
  if (requireNamespace("parameters", quietly = TRUE)) {
    found <- parameters::model_parameters(h)
    expect_equal(found$Coefficient, unname(estimate))
    expect_equal(found$SE, unname(error))
    expect_equal(insight::get_parameters(h)$Estimate, unname(estimate))
    expect_equal(insight::get_df(h, type = "wald"), 3)
    expect_error(insight::get_data(h), "no rows", class = "moe_input_error")
  }
  if (requireNamespace("performance", quietly = TRUE)) expect_equal(performance::model_performance(h)$AIC, AIC(h))
  if (requireNamespace("texreg", quietly = TRUE)) expect_output(print(texreg::screenreg(h)), "Log likelihood")
})
