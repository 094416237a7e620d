# Standard errors of predictions, against numerical derivatives.

fits <- fits_of_all_kinds()

test_that("errors of means, experts, gates and posteriors are those of numerical derivatives", {
  for (fit in fits) {
    rows <- model.frame(fit)[c(1, 40, 90, 200), ]
    covariance <- vcov(fit)
    covariance[is.na(covariance)] <- 0  # aliased columns are held
    for (type in c("response", "expert", "gate", "posterior")) {
      gradient <- by_differences(function(theta) as.vector(predict(at_theta(fit, theta), rows, type)), coef(fit))
      both <- predict(fit, rows, type, se.fit = TRUE)
      expect_identical(dim(both$se.fit), dim(both$fit))
      expect_equal(as.vector(both$se.fit), sqrt(rowSums((gradient %*% covariance) * gradient)), tolerance = 1e-6)
    }
  }
})

test_that("another covariance may be given, by type, function, or matrix in any order", {
  fit <- fits$gaussian
  robust <- predict(fit, se.fit = TRUE, vcov = "sandwich")$se.fit
  v <- vcov(fit, "sandwich")
  expect_identical(predict(fit, se.fit = TRUE, vcov = v)$se.fit, robust)
  expect_equal(predict(fit, se.fit = TRUE, vcov = v[ncol(v):1, ncol(v):1])$se.fit, robust, tolerance = 1e-12)
  expect_identical(predict(fit, se.fit = TRUE, vcov = function(m) vcov(m, "sandwich"))$se.fit, robust)
  expect_equal(predict(fit, se.fit = TRUE, vcov = 4 * vcov(fit))$se.fit, 2 * predict(fit, se.fit = TRUE)$se.fit)
  aliased <- fits$poisson
  expect_equal(predict(aliased, se.fit = TRUE, vcov = vcov(aliased, complete = FALSE)),
    predict(aliased, se.fit = TRUE))
  # A covariance that says nothing of the gates can't do for what needs them.
  experts <- grep("^expert", rownames(v))
  part <- predict(fit, type = "expert", se.fit = TRUE, vcov = v[experts, experts])
  expect_equal(part, predict(fit, type = "expert", se.fit = TRUE, vcov = v))
  expect_true(all(is.na(predict(fit, type = "gate", se.fit = TRUE, vcov = v[experts, experts])$se.fit)))
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(predict(fit, vcov = v), "se.fit")
  wrong(predict(fit, se.fit = TRUE, vcov = "none"), "none")
  wrong(predict(fit, se.fit = TRUE, vcov = diag(2)), "vcov")
  wrong(predict(fit, type = "class", se.fit = TRUE), "se.fit")
})

test_that("confidence intervals stay within the means' range and widen with the level", {
  for (fit in fits[c("gaussian", "binomial", "poisson")]) {
    ends <- predict(fit, interval = "confidence", level = 0.9999)
    expect_true(all(ends[, "lwr"] <= ends[, "fit"] & ends[, "fit"] <= ends[, "upr"]))
    if (fit$family$family != "gaussian") expect_true(all(ends[, "lwr"] >= 0))
    if (fit$family$family == "binomial") expect_true(all(ends[, "upr"] <= 1))
  }
  fit <- fits$gaussian
  both <- predict(fit, interval = "confidence", level = 0.9, se.fit = TRUE)
  expect_equal(both$fit[, "upr"], both$fit[, "fit"] + qnorm(0.95) * both$se.fit)
})
