# Marginal means by emmeans, against predict() and, at one expert, against lm() and glm().

skip_if_not_installed("emmeans")

d <- two_experts(400, "gaussian")
d$h <- factor(ifelse(withr::with_seed(5, runif(400)) < 0.4, "low", "high"))
fit <- moe(y ~ x + g, d, K = 2, gating = ~ x + h, start = 1 + (d$x < 0))

frame_of <- function(x) as.data.frame(summary(x))

test_that("means of the response are the means of predict() over the grid", {
  grid <- expand.grid(x = mean(d$x), g = levels(d$g), h = levels(d$h))
  both <- predict(fit, grid, se.fit = TRUE)
  found <- frame_of(emmeans::emmeans(fit, ~ g * h))
  expect_equal(found$emmean, both$fit, tolerance = 1e-10)
  expect_equal(found$SE, both$se.fit, tolerance = 1e-8)
  expect_true(all(is.infinite(found$df)))
  # Averages and contrasts, by numerical derivatives.
  averaged <- function(theta) tapply(predict(at_theta(fit, theta), grid), grid$g, mean)
  gradient <- by_differences(averaged, coef(fit))
  found <- frame_of(emmeans::emmeans(fit, ~ g))
  expect_equal(found$emmean, as.vector(averaged(coef(fit))), tolerance = 1e-10)
  expect_equal(found$SE, unname(sqrt(rowSums((gradient %*% vcov(fit)) * gradient))), tolerance = 1e-6)
  pairs <- frame_of(pairs(emmeans::emmeans(fit, ~ g)))
  one <- gradient[1, ] - gradient[2, ]
  expect_equal(pairs$SE[1], sqrt(drop(one %*% vcov(fit) %*% one)), tolerance = 1e-6)
  robust <- frame_of(emmeans::emmeans(fit, ~ g * h, vcov. = vcov(fit, "sandwich")))
  expect_equal(robust$SE, predict(fit, grid, se.fit = TRUE, vcov = "sandwich")$se.fit, tolerance = 1e-8)
})

test_that("means of experts and gates", {
  for (component in c("expert", "gate")) {
    grid <- data.frame(x = c(-1, 1), g = "a", h = "low")
    both <- predict(fit, grid, component, se.fit = TRUE)
    found <- frame_of(emmeans::emmeans(fit, ~ x | expert, component = component,
      at = list(x = c(-1, 1), g = "a", h = "low")))
    expect_equal(found[[3]], as.vector(both$fit), tolerance = 1e-10)
    expect_equal(found$SE, as.vector(both$se.fit), tolerance = 1e-8)
    expect_identical(as.character(found$expert), rep(c("1", "2"), each = 2))
  }
  expect_error(emmeans::emmeans(fit, ~ g, component = "posterior"), "component")
})

test_that("classes, offsets, transformed columns, weights", {
  classes <- two_experts(400, "multinomial")
  many <- moe(y ~ x + v, classes, K = 2, family = multinomial(), start = 1 + (classes$x < 0),
    control = moe_control(expert_ridge = 1))
  found <- frame_of(emmeans::emmeans(many, ~ x | y, at = list(x = 0:1, v = 0)))
  both <- predict(many, data.frame(x = 0:1, v = 0), se.fit = TRUE)
  expect_equal(found$emmean, as.vector(both$fit), tolerance = 1e-10)
  expect_equal(found$SE, as.vector(both$se.fit), tolerance = 1e-8)
  counts <- transform(two_experts(400, "poisson"), size = exp(v), z = exp(x))
  rate <- moe(y ~ log(z) + g + offset(log(size)), counts, K = 1, family = poisson(), weights = w)
  found <- frame_of(emmeans::emmeans(rate, ~ g, at = list(z = 2, size = 3), data = counts))
  both <- predict(rate, data.frame(z = 2, g = levels(counts$g), size = 3), se.fit = TRUE)
  expect_equal(found$emmean, both$fit, tolerance = 1e-10)
  expect_equal(found$SE, both$se.fit, tolerance = 1e-8)
})

test_that("one expert: lm() and glm() under emmeans", {
  one <- moe(y ~ x + g, d, K = 1)
  line <- lm(y ~ x + g, d)
  ours <- frame_of(emmeans::emmeans(one, ~ g))
  theirs <- frame_of(emmeans::emmeans(line, ~ g))
  expect_equal(ours$emmean, theirs$emmean, tolerance = 1e-6)
  expect_equal(ours$SE, theirs$SE * sqrt(line$df.residual / 400), tolerance = 1e-6)
  trends <- frame_of(emmeans::emtrends(one, ~ g, var = "x"))
  expect_equal(trends$x.trend, frame_of(emmeans::emtrends(line, ~ g, var = "x"))$x.trend, tolerance = 1e-6)
  counts <- two_experts(400, "poisson")
  one <- moe(y ~ x + g, counts, K = 1, family = poisson())
  line <- glm(y ~ x + g, poisson, counts, control = list(epsilon = 1e-14))
  ours <- frame_of(emmeans::emmeans(one, ~ g))
  theirs <- as.data.frame(summary(emmeans::emmeans(line, ~ g), type = "response"))
  expect_equal(ours$emmean, theirs$rate, tolerance = 1e-6)
  expect_equal(ours$SE, theirs$SE, tolerance = 1e-6)
})

test_that("aggregates and pooled fits have marginal means where the data are given", {
  fits <- lapply(1:3, function(i) moe(y ~ x + g, d[seq(i, 400, 3), ], start = moe(y ~ x + g, d, K = 2,
    start = 1 + (d$x < 0))))
  names(fits) <- c("a", "b", "c")
  merged <- moe_aggregate(fits, d)
  grid <- data.frame(x = mean(d$x), g = levels(d$g))
  both <- predict(merged, grid, se.fit = TRUE)
  found <- frame_of(emmeans::emmeans(merged, ~ g, data = d))
  expect_equal(found$emmean, both$fit)
  expect_equal(found$SE, both$se.fit, tolerance = 1e-8)
})
