# marginaleffects, against numerical derivatives and, at one expert, against lm() and glm().

skip_if_not_installed("marginaleffects")
works <- tryCatch(marginaleffects::avg_slopes(stats::lm(dist ~ speed, cars)), error = function(e) NULL)
skip_if(is.null(works), "marginaleffects does not work on this R")
withr::local_options(marginaleffects_safe = FALSE)

d <- two_experts(300, "gaussian")
fit <- moe(y ~ x + g, d, K = 2, gating = ~ x + v, start = 1 + (d$x < 0))

delta <- function(model, f) {
  gradient <- by_differences(function(theta) as.vector(f(at_theta(model, theta))), coef(model))
  sqrt(rowSums((gradient %*% vcov(model)) * gradient))
}

test_that("predictions have the errors of predict(), of responses, experts and gates", {
  rows <- d[order(abs(d$x))[1:3], ]
  for (type in c("response", "expert", "gate")) {
    found <- marginaleffects::predictions(fit, newdata = rows, type = type)
    both <- predict(fit, rows, type, se.fit = TRUE)
    if (type != "response") found <- found[order(found$group, found$rowid), ]
    expect_equal(found$estimate, as.vector(both$fit))
    expect_equal(found$std.error, as.vector(both$se.fit), tolerance = 1e-5)
  }
  robust <- marginaleffects::predictions(fit, newdata = rows, vcov = "sandwich")
  expect_equal(robust$std.error, predict(fit, rows, se.fit = TRUE, vcov = "sandwich")$se.fit, tolerance = 1e-5)
  expect_equal(marginaleffects::get_vcov(fit, "HC0"), vcov(fit, "sandwich"))
  expect_equal(marginaleffects::get_vcov(fit, "HC1"), vcov(fit, "sandwich") * 300 / df.residual(fit))
})

test_that("slopes and comparisons, by the delta method", {
  step <- 1e-4
  slope <- function(model, type) {
    gap <- predict(model, transform(d, x = x + step), type) - predict(model, transform(d, x = x - step), type)
    colMeans(as.matrix(gap)) / (2 * step)
  }
  for (type in c("response", "gate")) {
    found <- marginaleffects::avg_slopes(fit, variables = "x", type = type)
    expect_equal(found$estimate, unname(slope(fit, type)), tolerance = 1e-4)
    expect_equal(found$std.error, unname(delta(fit, function(m) slope(m, type))), tolerance = 1e-3)
  }
  contrast <- function(model) {
    at <- lapply(c("a", "b"), function(level) mean(predict(model, transform(d, g = factor(level, levels(g))))))
    at[[2]] - at[[1]]
  }
  found <- marginaleffects::avg_comparisons(fit, variables = list(g = c("a", "b")))
  expect_equal(found$estimate, contrast(fit), tolerance = 1e-8)
  expect_equal(found$std.error, delta(fit, contrast), tolerance = 1e-5)
})

test_that("hypotheses between experts are those of car", {
  found <- marginaleffects::hypotheses(fit, "`expert1:x` = `expert2:x`")
  v <- vcov(fit)[c("expert1:x", "expert2:x"), c("expert1:x", "expert2:x")]
  expect_equal(as.numeric(found$estimate), coef(fit)[["expert1:x"]] - coef(fit)[["expert2:x"]])
  expect_equal(as.numeric(found$std.error), sqrt(v[1, 1] + v[2, 2] - 2 * v[1, 2]), tolerance = 1e-6)
})

test_that("one expert: glm() under marginaleffects; classes", {
  counts <- two_experts(300, "poisson")
  one <- moe(y ~ x + g, counts, K = 1, family = poisson(), control = moe_control(tolerance = 1e-14))
  line <- glm(y ~ x + g, poisson, counts, control = list(epsilon = 1e-14))
  ours <- marginaleffects::avg_slopes(one, numderiv = "richardson")
  theirs <- marginaleffects::avg_slopes(line, numderiv = "richardson")
  expect_equal(ours$estimate, theirs$estimate, tolerance = 1e-6)
  expect_equal(ours$std.error, theirs$std.error, tolerance = 1e-6)
  many <- moe(Species ~ Petal.Length, iris, K = 1, family = multinomial(), control = moe_control(expert_ridge = 1))
  found <- marginaleffects::avg_predictions(many)
  expect_equal(found$estimate, unname(colMeans(predict(many, iris))), tolerance = 1e-8)
  expect_identical(as.character(found$group), levels(iris$Species))
})
