# insight, parameters, performance and ggeffects, against the package's own methods.

skip_if_not_installed("insight")

d <- transform(two_experts(300, "gaussian"), h = factor(ifelse(v > 0, "up", "down")))
fit <- moe(y ~ x + g, d, K = 2, gating = ~ x + h, start = 1 + (d$x < 0), weights = w)
log_fit <- moe(log(dist) ~ speed, cars, K = 1)
classes <- moe(Species ~ Petal.Length + Sepal.Width, iris, K = 1, family = multinomial(),
  control = moe_control(expert_ridge = 1))

test_that("insight finds what a model is made of", {
  expect_identical(insight::find_response(fit), "y")
  expect_setequal(insight::find_predictors(fit)$conditional, c("x", "g", "h"))
  expect_identical(insight::find_response(log_fit), "dist")
  expect_identical(unlist(insight::find_parameters(fit), use.names = FALSE), names(coef(fit)))
  expect_identical(insight::get_parameters(fit)$Estimate, unname(coef(fit)))
  expect_identical(insight::get_parameters(fit, component = "gate")$Parameter,
    grep("^gate", names(coef(fit)), value = TRUE))
  expect_equal(insight::get_varcov(fit), vcov(fit), ignore_attr = TRUE)
  expect_identical(insight::get_statistic(fit)$Statistic, tidy(fit)$statistic)
  expect_equal(insight::n_obs(fit), nobs(fit))
  expect_identical(insight::get_df(fit), df.residual(fit))
  expect_identical(insight::get_df(fit, type = "wald"), Inf)
  expect_identical(insight::get_df(fit, type = "model"), attr(logLik(fit), "df"))
  expect_identical(as.list(insight::get_data(fit)[c("x", "g", "h", "y")]), as.list(d[c("x", "g", "h", "y")]))
  data <- withr::with_environment(globalenv(), insight::get_data(log_fit))
  expect_identical(sort(names(data)), c("dist", "speed"))
  expect_identical(data$dist, cars$dist)
  expect_true(insight::model_info(fit)$is_linear)
  expect_true(insight::model_info(moe(am ~ wt, mtcars, K = 1, family = binomial()))$is_binomial)
  expect_equal(insight::link_inverse(moe(am ~ wt, mtcars, K = 1, family = binomial()))(0), 0.5)
})

test_that("expected values come with their intervals", {
  found <- as.data.frame(insight::get_predicted(fit, data = d[1:5, ]))
  both <- predict(fit, d[1:5, ], interval = "confidence", se.fit = TRUE)
  expect_equal(found$Predicted, unname(both$fit[, "fit"]))
  expect_equal(found$SE, both$se.fit)
  expect_equal(found$CI_low, unname(both$fit[, "lwr"]))
  wide <- as.data.frame(insight::get_predicted(fit, data = d[1:5, ], predict = "prediction", ci = 0.9))
  expect_equal(wide$CI_high, unname(predict(fit, d[1:5, ], interval = "prediction", level = 0.9)[, "upr"]))
  many <- as.data.frame(insight::get_predicted(classes, data = iris[c(1, 60), ]))
  expect_equal(many$Predicted, as.vector(predict(classes, iris[c(1, 60), ])))
  expect_identical(as.character(many$Response), rep(levels(iris$Species), each = 2))
})

test_that("covariances that the caller asks for, with their arguments, are used by all verbs", {
  skip_if_not_installed("parameters")
  id <- rep(1:25, 12)
  expected <- sqrt(diag(vcov(fit, cluster = id)))
  same <- function(table) expect_equal(table$SE, unname(expected), tolerance = 1e-10)
  same(parameters::model_parameters(fit, vcov = "cluster", vcov_args = list(cluster = id)))
  same(parameters::model_parameters(fit, vcov = vcov, vcov_args = list(cluster = id)))
  same(parameters::standard_error(fit, vcov = "cluster", vcov_args = list(cluster = id)))
  slope <- which(names(coef(fit)) == "expert1:x")
  ends <- parameters::ci(fit, vcov = "cluster", vcov_args = list(cluster = id))[slope, ]
  expect_equal(ends$CI_high - ends$CI_low, 2 * qnorm(0.975) * expected[[slope]], tolerance = 1e-10)
  p <- parameters::p_value(fit, vcov = "cluster", vcov_args = list(cluster = id))$p[slope]
  expect_equal(p, 2 * pnorm(-abs(coef(fit)[[slope]] / expected[[slope]])), tolerance = 1e-8)
  expect_error(parameters::model_parameters(fit, vcov_args = list(cluster = id)), "vcov_args",
    class = "moe_input_error")
})

test_that("model_parameters() is tidy(), printed by experts", {
  skip_if_not_installed("parameters")
  table <- parameters::model_parameters(fit)
  ours <- tidy(fit, conf.int = TRUE)
  expect_equal(table$Coefficient, ours$estimate)
  expect_equal(table$SE, ours$std.error)
  expect_equal(table$CI_low, ours$conf.low)
  expect_equal(table$p, ours$p.value)
  expect_true(all(is.na(table$p[ours$component == "dispersion"])))
  expect_output(suppressMessages(print(table)), "Expert 2.*Gate 1.*Variance 1")
  robust <- parameters::model_parameters(fit, ci = 0.9, vcov = "sandwich", component = "expert", keep = ":x$")
  expect_identical(robust$Parameter, c("expert1:x", "expert2:x"))
  expect_equal(robust$SE, unname(sqrt(diag(vcov(fit, "sandwich"))[robust$Parameter])))
  expect_equal(parameters::standard_error(fit)$SE, ours$std.error)
  expect_equal(parameters::p_value(fit)$p, ours$p.value)
  expect_equal(parameters::ci(fit, 0.9)$CI_low, tidy(fit, TRUE, 0.9)$conf.low)
  expect_output(suppressMessages(print(parameters::model_parameters(classes))), "Petal.Length \\[virginica\\]")
})

test_that("model_performance() has the criteria of glance()", {
  skip_if_not_installed("performance")
  found <- performance::model_performance(fit)
  expect_equal(found$BIC, BIC(fit))
  expect_equal(found$ICL, glance(fit)$ICL)
  expect_equal(found$RMSE, sqrt(sum(d$w * residuals(fit)^2) / sum(d$w)))
  expect_named(performance::model_performance(fit, metrics = c("AIC", "RMSE")), c("AIC", "RMSE"))
  expect_output(print(found), "RMSE")
  expect_equal(performance::rmse(log_fit), sqrt(mean(residuals(log_fit)^2)))
})

test_that("ggpredict() and ggemmeans() draw the means of predict()", {
  skip_if_not_installed("ggeffects")
  found <- suppressMessages(ggeffects::ggpredict(fit, "x [-1, 0, 1]", condition = c(g = "b", h = "up")))
  at <- data.frame(x = -1:1, g = "b", h = "up")
  both <- predict(fit, at, interval = "confidence")
  expect_equal(found$predicted, unname(both[, "fit"]))
  expect_equal(found$conf.low, unname(both[, "lwr"]))
  skip_if_not_installed("emmeans")
  found <- suppressMessages(ggeffects::ggemmeans(fit, "g"))
  at <- attr(found, "constant.values")["x"]  # rounded
  expect_equal(found$predicted, as.data.frame(emmeans::emmeans(fit, ~ g, at = at))$emmean, tolerance = 1e-6)
  skip_if(utils::packageVersion("ggeffects") < "2.0.0", "ggeffects before 2.0.0 can't draw classes")
  found <- suppressMessages(ggeffects::ggpredict(classes, "Petal.Length [2, 4]", ci_level = 0.9))
  at <- data.frame(Petal.Length = c(2, 4), Sepal.Width = mean(iris$Sepal.Width))
  expect_equal(sort(found$predicted), sort(as.vector(predict(classes, at))), tolerance = 1e-6)
})

test_that("modelbased goes through", {
  skip_if_not_installed("modelbased")
  skip_if_not_installed("emmeans")
  found <- modelbased::estimate_means(fit, "g", backend = "emmeans")
  expect_equal(found$Mean, as.data.frame(emmeans::emmeans(fit, ~ g))$emmean, tolerance = 1e-6)
  along <- suppressMessages(modelbased::estimate_relation(fit, by = "x"))
  at <- data.frame(along)[c("x", "g", "h")]
  expect_equal(along$Predicted, predict(fit, at), tolerance = 1e-6)
  expect_equal(along$SE, predict(fit, at, se.fit = TRUE)$se.fit, tolerance = 1e-6)
})
