# The arguments that generics have everywhere, and what other packages do with a fit.

d <- crossing_lines(400)
d$f <- factor(ifelse(d$y > 0.5, "high", "low"), c("low", "high"))
d$counts <- withr::with_seed(3, stats::rpois(400, exp(1 + d$x)))
two <- moe(y ~ x, d, K = 2, start = d$label)
logistic <- moe(f ~ x, d, K = 2, family = binomial(), start = d$label)
counts <- moe(counts ~ x + I(x^2), d, K = 2, family = poisson(), start = d$label)
classes <- suppressWarnings(moe(Species ~ Petal.Length + Sepal.Width, iris, K = 1, family = multinomial(),
  control = moe_control(expert_ridge = 1)))
singular <- moe(y ~ x + I(2 * x), d, K = 2, start = two_start <- d$label, control = moe_control(singular_ok = TRUE))

test_that("vcov(), coef() and confint() take what their generics document", {
  for (fit in list(two, logistic, singular)) {
    v <- vcov(fit)
    known <- !is.na(diag(v))
    expect_identical(vcov(fit, complete = TRUE), v)
    expect_identical(vcov(fit, complete = FALSE), v[known, known])
    expect_identical(names(coef(fit, complete = FALSE)), rownames(vcov(fit, complete = FALSE)))
    expect_identical(confint(fit, complete = FALSE), confint(fit))
  }
  expect_lt(nrow(vcov(singular, complete = FALSE)), nrow(vcov(singular)))
  all <- confint(two)
  expect_identical(confint(two, "x"), all[c("expert1:x", "expert2:x", "gate1:x"), ])
  expect_identical(confint(two, c("gate1:x", "(Intercept)")),
    all[c("gate1:x", "expert1:(Intercept)", "expert2:(Intercept)", "gate1:(Intercept)"), ])
  expect_error(confint(two, "wt"), "names of columns.*wt", class = "moe_input_error")
  merged <- moe_aggregate(list(a = two, b = two, c = two), d)
  expect_identical(vcov(merged, complete = FALSE), vcov(merged))
  expect_identical(confint(merged, "x"), confint(merged)[c("expert1:x", "expert2:x", "gate1:x"), ])
})

test_that("what is unknown is an error that speaks of control in fits alone", {
  for (call in list(quote(vcov(two, nonsense = 1)), quote(predict(two, d, nonsense = 1)),
    quote(tidy(two, nonsense = 1)), quote(glance(two, nonsense = 1)), quote(augment(two, d, nonsense = 1)),
    quote(simulate(two, newdata = d, nonsense = 1)), quote(confint(two, nonsense = 1)))) {
    told <- tryCatch(eval(call), moe_input_error = conditionMessage)
    expect_match(told, "Unknown argument `nonsense`", fixed = TRUE)
    expect_no_match(told, "control")
  }
  expect_error(moe(y ~ x, d, K = 2, nonsense = 1), "control", class = "moe_input_error")
})

# The mean of some rows as a function of the parameters.
by_difference <- function(fit, rows, type) {
  theta <- coef(fit)
  p <- fit$parameters
  at <- function(theta) {
    fit$parameters$beta[] <- theta[seq_along(p$beta)]
    fit$parameters$alpha[] <- theta[length(p$beta) + seq_along(p$alpha)]
    as.vector(predict(fit, rows, type))
  }
  used <- seq_len(length(p$beta) + length(p$alpha))
  gradient <- vapply(used, function(j) {
    h <- replace(0 * theta, j, 1e-5 * max(1, abs(theta[j])))
    (at(theta + h) - at(theta - h)) / (2 * sum(h))
  }, at(theta))
  sqrt(rowSums((gradient %*% vcov(fit)[used, used]) * gradient))
}

test_that("se.fit is the delta method's, at one expert that of lm() and glm()", {
  for (fit in list(two, logistic, counts, classes)) {
    rows <- if (identical(fit, classes)) iris[c(1, 60, 110), ] else d[c(1, 50, 399), ]
    for (type in c("response", "expert", if (fit$K > 1) "gate")) {
      both <- predict(fit, rows, type, se.fit = TRUE)
      expect_identical(both$fit, predict(fit, rows, type))
      expect_identical(dim(both$se.fit), dim(both$fit))
      expect_equal(as.vector(both$se.fit), by_difference(fit, rows, type), tolerance = 1e-6)
    }
  }
  one <- moe(mpg ~ wt + factor(cyl), mtcars, K = 1)
  expect_equal(predict(one, mtcars, se.fit = TRUE)$se.fit,
    unname(predict(lm(mpg ~ wt + factor(cyl), mtcars), se.fit = TRUE)$se.fit) * sqrt(28 / 32), tolerance = 1e-6)
  one <- moe(counts ~ x + I(x^2), d, K = 1, family = poisson())
  by_glm <- predict(glm(counts ~ x + I(x^2), poisson, d), d, type = "response", se.fit = TRUE)
  expect_equal(predict(one, d, se.fit = TRUE)$se.fit, unname(by_glm$se.fit), tolerance = 1e-6)
  x <- cbind(x = d$x)
  by_matrix <- moe(x, d$y, K = 2, start = d$label)
  expect_equal(predict(by_matrix, x, se.fit = TRUE), predict(two, d, se.fit = TRUE), tolerance = 1e-6)
  holes <- transform(d[1:4, ], x = replace(x, 2, NA))
  expect_equal(is.na(predict(two, holes, "gate", se.fit = TRUE)$se.fit[, 1]), c(FALSE, TRUE, FALSE, FALSE))
  # What the data do not determine is held.
  expect_equal(predict(singular, d[1:5, ], se.fit = TRUE)$se.fit, predict(two, d[1:5, ], se.fit = TRUE)$se.fit,
    tolerance = 1e-6)
  expect_identical(predict(two, d, se.fit = FALSE), predict(two, d))
  both <- predict(two, d, interval = "prediction", se.fit = TRUE)
  expect_identical(both$fit, predict(two, d, interval = "prediction"))
  expect_identical(both$se.fit, predict(two, d, se.fit = TRUE)$se.fit)
  expect_error(predict(two, d, "class", se.fit = TRUE), "se.fit", class = "moe_input_error")
})

test_that("predict() takes na.action", {
  holes <- transform(d[1:4, ], x = replace(x, 2, NA))
  expect_identical(predict(two, holes, na.action = na.pass), predict(two, holes))
  expect_identical(predict(two, holes, na.action = na.exclude), predict(two, holes))
  expect_identical(predict(two, holes, na.action = na.omit), predict(two, holes[-2, ]))
  expect_identical(predict(two, holes, "gate", na.action = na.omit), predict(two, holes[-2, ], "gate"))
  expect_error(predict(two, holes, na.action = na.fail), "missing values", class = "moe_input_error")
})

test_that("tidiers take one another's arguments", {
  expect_identical(tidy(two, vcov = NULL), tidy(two))
  sandwich <- vcov(two, type = "sandwich")
  expect_equal(tidy(two, vcov = "sandwich")$std.error, unname(sqrt(diag(sandwich))))
  expect_equal(tidy(two, vcov = sandwich, conf.int = TRUE), tidy(two, vcov = function(m) sandwich, conf.int = TRUE))
  ends <- confint(two, type = "sandwich")
  expect_equal(unname(as.matrix(tidy(two, vcov = "sandwich", conf.int = TRUE)[c("conf.low", "conf.high")])),
    unname(ends))
  expect_error(tidy(two, vcov = "robust"), class = "moe_input_error")
  expect_error(tidy(two, vcov = diag(2)), "vcov", class = "moe_input_error")
  ratios <- tidy(counts, exponentiate = TRUE, conf.int = TRUE)
  plain <- tidy(counts, conf.int = TRUE)
  expect_equal(ratios[c("estimate", "conf.low", "conf.high")], exp(plain[c("estimate", "conf.low", "conf.high")]))
  expect_equal(ratios$std.error, plain$std.error * ratios$estimate)
  expect_equal(ratios$p.value, plain$p.value)
  expect_identical(glance(two, vcov = NULL, conf.int = TRUE), glance(two))
  more <- augment(two, d, se_fit = TRUE, interval = "prediction", conf.level = 0.8)
  expect_equal(more$.se.fit, predict(two, d, se.fit = TRUE)$se.fit)
  expect_equal(unname(as.matrix(more[c(".lower", ".upper")])),
    unname(predict(two, d, interval = "prediction", level = 0.8)[, 2:3]))
  for (argument in c("use.fallback", "REML")) {
    expect_no_error(do.call(logLik, c(list(two), setNames(list(FALSE), argument))))
  }
  expect_identical(nobs(two, use.fallback = TRUE), nobs(two))
})

test_that("car and lmtest test hypotheses", {
  skip_if_not_installed("car")
  test <- car::linearHypothesis(two, "expert1:x = expert2:x")
  v <- vcov(two)
  gap <- coef(two)[["expert1:x"]] - coef(two)[["expert2:x"]]
  contrast <- c("expert1:x", "expert2:x")
  z <- gap^2 / (v[contrast, contrast] |> (\(m) m[1, 1] + m[2, 2] - 2 * m[1, 2])())
  expect_equal(test$Chisq[2], z)
  found <- car::deltaMethod(two, "`expert1:x` / `expert2:x`")
  expect_equal(found$Estimate, coef(two)[["expert1:x"]] / coef(two)[["expert2:x"]])
  skip_if_not_installed("lmtest")
  table <- lmtest::coeftest(two)
  expect_equal(table[, 2], sqrt(diag(v))[rownames(table)])
})

test_that("confidence intervals of means are those of lm() and glm(), within the range of means", {
  fit <- moe(dist ~ speed, cars, K = 1)
  known <- lm(dist ~ speed, cars)
  at <- data.frame(speed = c(5, 12, NA, 30))
  theirs <- predict(known, at, se.fit = TRUE)
  se <- theirs$se.fit * sqrt(48 / 50)  # maximum likelihood
  ours <- predict(fit, at, interval = "confidence", level = 0.9)
  expect_equal(unname(ours), unname(cbind(theirs$fit, theirs$fit - qnorm(0.95) * se, theirs$fit + qnorm(0.95) * se)),
    tolerance = 1e-7)
  expect_identical(colnames(ours), c("fit", "lwr", "upr"))
  both <- predict(fit, interval = "confidence", se.fit = TRUE)
  expect_equal(both$fit[, "upr"] - both$fit[, "fit"], qnorm(0.975) * both$se.fit)
  logistic <- moe(am ~ wt, mtcars, K = 1, family = binomial())
  theirs <- predict(glm(am ~ wt, binomial(), mtcars, epsilon = 1e-14), type = "response", se.fit = TRUE)
  ours <- predict(logistic, mtcars, interval = "confidence")
  expect_equal(unname(ours[, "upr"]), unname(pmin(theirs$fit + qnorm(0.975) * theirs$se.fit, 1)), tolerance = 1e-5)
  expect_true(all(ours >= 0 & ours <= 1))
  expect_equal(unname(augment(logistic, interval = "confidence")$.lower), unname(ours[, "lwr"]))
  expect_error(predict(fit, at, "class", interval = "confidence"), "type = \"class\"", class = "moe_input_error")
})
