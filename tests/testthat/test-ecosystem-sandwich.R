# sandwich, lmtest and car, against direct computation and, at one expert, against lm() and glm().

skip_if_not_installed("sandwich")

d <- transform(two_experts(300, "gaussian"), id = rep(1:30, 10))
d$x[7] <- NA
fit <- moe(y ~ x + v, d, K = 2, gating = ~ x, start = NULL, seed = 1)
counts <- transform(two_experts(300, "poisson"), id = rep(1:30, 10))
exact <- moe_control(tolerance = 1e-14)  # as glm() with its epsilon

test_that("vcovCL() and sandwich() are ours", {
  expect_equal(sandwich::vcovCL(fit, cluster = d$id), vcov(fit, cluster = ~ id), tolerance = 1e-10)
  expect_equal(sandwich::sandwich(fit), vcov(fit, "sandwich"), tolerance = 1e-10)
  expect_equal(sandwich::vcovHC(fit), vcov(fit, "sandwich"))
  p <- length(coef(fit))
  expect_equal(sandwich::vcovHC(fit, type = "HC1"), vcov(fit, "sandwich") * 299 / (299 - p))
  expect_error(sandwich::vcovHC(fit, type = "HC3"), "HC0", class = "moe_input_error")
  for (kind in fits_of_all_kinds()) {
    ours <- vcov(kind, cluster = rep(1:30, 10), complete = FALSE)
    expect_equal(sandwich::vcovCL(kind, cluster = rep(1:30, 10)), ours, tolerance = 1e-10)
  }
  # Where na.exclude leaves gaps for predictions.
  excluded <- moe(y ~ x + v, d, K = 2, gating = ~ x, start = fit, na.action = na.exclude)
  expect_equal(sandwich::vcovCL(excluded, cluster = d$id), vcov(excluded, cluster = ~ id), tolerance = 1e-10)
})

test_that("one expert: lm() and glm() under sandwich", {
  one <- moe(y ~ x + g, d, K = 1)
  line <- lm(y ~ x + g, d)
  expect_equal(unname(sandwich::sandwich(one)[1:4, 1:4]), unname(sandwich::sandwich(line)), tolerance = 1e-6)
  expect_equal(unname(vcov(one, cluster = ~ id)[1:4, 1:4]),
    unname(sandwich::vcovCL(line, cluster = d$id, type = "HC0")), tolerance = 1e-6)
  one <- moe(y ~ x + g, counts, K = 1, family = poisson(), control = exact)
  line <- glm(y ~ x + g, poisson, counts, control = list(epsilon = 1e-14))
  expect_equal(unname(estfun.moe(one)), unname(sandwich::estfun(line)), tolerance = 1e-6, ignore_attr = TRUE)
  expect_equal(unname(sandwich::sandwich(one)), unname(sandwich::sandwich(line)), tolerance = 1e-6)
  expect_equal(unname(vcov(one, cluster = ~ id)),
    unname(sandwich::vcovCL(line, cluster = counts$id, type = "HC0")), tolerance = 1e-6)
})

test_that("bootstraps by other doors keep their labels", {
  by_sandwich <- withr::with_seed(1, sandwich::vcovBS(fit, R = 5))
  expect_identical(by_sandwich, vcov(withr::with_seed(1, moe_bootstrap(fit, 5))))
  ours <- withr::with_seed(1, moe_bootstrap(fit, 5, cluster = ~ id))
  expect_identical(withr::with_seed(1, sandwich::vcovBS(fit, cluster = ~ id, R = 5)), vcov(ours))
  skip_if_not_installed("car")
  by_car <- withr::with_seed(1, car::Boot(fit, R = 5))
  expect_identical(vcov(by_car), by_sandwich)
  expect_identical(withr::with_seed(1, car::Boot(fit, R = 5, cluster = ~ id))$t, ours$t)
})

test_that("coeftest() and coefci() are summary() and confint()", {
  skip_if_not_installed("lmtest")
  tested <- !grepl("^dispersion", names(coef(fit)))
  expect_equal(unclass(lmtest::coeftest(fit))[, ], coef(summary(fit))[tested, ])
  expect_equal(lmtest::coefci(fit), confint(fit))
  expect_equal(lmtest::coefci(fit, "x", level = 0.9), confint(fit, "x", level = 0.9))
  robust <- lmtest::coeftest(fit, vcov. = vcov(fit, cluster = ~ id), df = 29)
  expect_equal(unclass(robust)[, ], coef(summary(fit, cluster = ~ id))[tested, ])
  expect_equal(lmtest::coefci(fit, vcov. = vcov(fit, cluster = ~ id), df = 29), confint(fit, cluster = ~ id))
  expect_output(print(lmtest::coeftest(fit)), "z test of coefficients")
  one <- moe(y ~ x + g, counts, K = 1, family = poisson(), control = exact)
  line <- glm(y ~ x + g, poisson, counts, control = list(epsilon = 1e-14))
  expect_equal(unname(unclass(lmtest::coeftest(one))[, ]), unname(unclass(lmtest::coeftest(line))[, ]),
    tolerance = 1e-6)
  small <- moe(y ~ x, counts, K = 1, family = poisson(), control = exact)
  expect_equal(lmtest::lrtest(small, one)$Chisq[2], anova(small, one)$Chisq[2])
})

test_that("linearHypothesis(), deltaMethod() and Anova() of car", {
  skip_if_not_installed("car")
  v <- vcov(fit)
  contrast <- ifelse(names(coef(fit)) == "expert1:x", 1, ifelse(names(coef(fit)) == "expert2:x", -1, 0))
  table <- car::linearHypothesis(fit, "expert1:x = expert2:x")
  expect_equal(table$Chisq[2], sum(contrast * coef(fit))^2 / drop(contrast %*% v %*% contrast), tolerance = 1e-8)
  at <- c("expert1:x", "expert2:x")
  b <- coef(fit)[at]
  gradient <- c(1 / b[2], -b[1] / b[2]^2)
  found <- car::deltaMethod(fit, "`expert1:x` / `expert2:x`")
  expect_equal(found$SE, sqrt(drop(gradient %*% v[at, at] %*% gradient)), tolerance = 1e-6)
  table <- car::Anova(fit)
  expect_identical(row.names(table), c("x", "v"))
  at <- c("expert1:v", "expert2:v")
  b <- coef(fit)[at]
  expect_equal(table["v", "Chisq"], drop(b %*% solve(v[at, at], b)))
  expect_equal(table$Df, c(3, 2))
  expect_equal(car::Anova(fit, which = "gate")["x", "Chisq"], (coef(fit)[["gate1:x"]])^2 / v["gate1:x", "gate1:x"])
  # A factor has a term, not a term a level; at one expert glm()'s Wald tests.
  one <- moe(y ~ x + g, counts, K = 1, family = poisson(), control = exact)
  line <- glm(y ~ x + g, poisson, counts, control = list(epsilon = 1e-14))
  theirs <- car::Anova(line, type = "III", test.statistic = "Wald")
  expect_equal(car::Anova(one)$Chisq, theirs$Chisq[-1], tolerance = 1e-6)
  crossed <- moe(y ~ x * v, d, K = 1)
  expect_error(car::Anova(crossed, type = 2), "interactions", class = "moe_input_error")
})
