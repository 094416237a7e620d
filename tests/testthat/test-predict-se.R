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
  turned <- rev(seq_len(ncol(v)))
  expect_equal(predict(fit, se.fit = TRUE, vcov = v[turned, turned])$se.fit, robust, tolerance = 1e-12)
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

test_that("intervals of experts, gates, posteriors and classes are arrays within their range", {
  for (fit in fits) {
    rows <- model.frame(fit)[c(1, 40, 90), ]
    for (type in c("response", "expert", "gate", "posterior")) {
      ends <- predict(fit, rows, type, interval = "confidence", level = 0.9)
      both <- predict(fit, rows, type, se.fit = TRUE)
      last <- length(dim(ends))
      expect_identical(dimnames(ends)[[last]], c("fit", "lwr", "upr"))
      pick <- function(name) {
        as.vector(if (last == 2) ends[, name] else if (last == 3) ends[, , name] else ends[, , , name])
      }
      expect_equal(pick("fit"), as.vector(both$fit))
      limit <- as.vector(both$fit + qnorm(0.95) * both$se.fit)
      bound <- if (type %in% c("gate", "posterior") || has_classes(fit)) 1 else Inf
      expect_equal(pick("upr"), pmin(limit, bound))
      if (bound == 1) expect_true(all(ends >= 0))
    }
  }
})

test_that("simulation agrees with the delta method where that is good, and stays within the range", {
  d <- two_experts(4000, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0))
  rows <- d[abs(d$x) < 0.5, ][1:4, ]
  for (type in c("response", "expert", "gate", "posterior")) {
    exact <- predict(fit, rows, type, se.fit = TRUE, interval = "confidence")
    drawn <- withr::with_seed(1, predict(fit, rows, type, se.fit = TRUE, interval = "confidence",
      method = "simulation"))
    expect_equal(drawn$se.fit, exact$se.fit, tolerance = 0.15)
    expect_equal(dim(drawn$fit), dim(exact$fit))
    expect_equal(drawn$fit, exact$fit, tolerance = 0.05)
  }
  again <- withr::with_seed(1, predict(fit, rows, type, se.fit = TRUE, interval = "confidence", method = "simulation"))
  expect_identical(again, drawn)
  # The same draws for all rows: a row's interval does not depend on the others, but for their number.
  expect_identical(withr::with_seed(1, predict(fit, rows[2, ], interval = "confidence", method = "simulation"))[1, ],
    withr::with_seed(1, predict(fit, rows, interval = "confidence", method = "simulation"))[2, ])
  for (kind in fits[c("binomial", "multinomial")]) {
    p <- predict(kind, model.frame(kind)[1:20, ], interval = "confidence", method = "simulation")
    expect_true(all(p >= 0 & p <= 1))
  }
  holes <- rows
  holes$x[2] <- NA
  found <- predict(fit, holes, interval = "confidence", method = "simulation")
  expect_identical(is.na(found[, "lwr"]), is.na(holes$x))
  expect_error(predict(fit, rows, method = "simulation"), "method", class = "moe_input_error")
})

test_that("models whose errors go with t quantiles have them in the intervals of means", {
  d <- two_experts(600, "gaussian")
  start <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0))
  sites <- moe_sites(y ~ x + v, split(d, rep(letters[1:6], 100)), K = 2, start = start)
  merged <- moe_aggregate(sites, d)
  both <- predict(merged, d[1:3, ], interval = "confidence", se.fit = TRUE)
  expect_equal(both$fit[, "upr"], both$fit[, "fit"] + qt(0.975, 5) * both$se.fit, tolerance = 1e-6)
})
