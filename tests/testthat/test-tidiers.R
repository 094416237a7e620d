# Models as data frames: tidy(), glance(), augment().

d <- crossing_lines(400)
d$f <- factor(ifelse(d$y > 0.5, "high", "low"), c("low", "high"))
d$counts <- withr::with_seed(3, stats::rpois(400, exp(1 + d$x)))
two <- moe(y ~ x, d, K = 2, start = d$label)
gated <- moe(y ~ x, d, K = 3, gating = ~ x + I(x^2), start = rep_len(1:3, 400))
logistic <- moe(f ~ x, d, K = 2, family = binomial(), start = d$label)
poisson_one <- moe(counts ~ x, d, K = 1, family = poisson())
classes <- suppressWarnings(moe(Species ~ Petal.Length + Sepal.Width, iris, K = 1, family = multinomial()))  # separated
merged <- moe_aggregate(list(a = two, b = two), d)

# A model that has a covariance matrix, whatever the package knows of one.
with_covariance <- function(model, covariance, fails = FALSE) {
  class(model) <- c("moe_with_covariance", class(model))
  model$covariance <- covariance
  model$fails <- fails
  model
}
registerS3method("vcov", "moe_with_covariance", function(object, ...) {
  if (object$fails) input_error("No covariance here.")
  object$covariance
}, asNamespace("stats"))
registerS3method("confint", "moe_with_covariance", stats::confint.default, asNamespace("stats"))

test_that("tidy() has the coefficients of coef(), each with its place", {
  for (fit in list(two, gated, logistic, poisson_one, classes, merged)) {
    rows <- tidy(fit)
    expect_equal(rows$estimate, unname(coef(fit)))
    class <- if (is.null(rows$class)) "" else ifelse(is.na(rows$class), "", paste0(":", rows$class))
    name <- paste0(rows$component, rows$expert, class,
      ifelse(rows$component == "dispersion", "", paste0(":", rows$column)))
    expect_equal(name, names(coef(fit)))
  }
  expect_equal(tidy(classes)$class, rep(c("versicolor", "virginica"), each = 3))
  expect_identical(unique(tidy(two)$column[tidy(two)$component == "dispersion"]), "(variance)")
  for (fit in list(two, gated, logistic, poisson_one, classes, merged)) {
    expect_false(anyNA(tidy(fit)$term) || anyDuplicated(tidy(fit)$term) > 0)
  }
})

test_that("standard errors and tests come from vcov() where it can be had", {
  names <- names(coef(two))
  root <- withr::with_seed(1, matrix(stats::rnorm(length(names)^2), length(names)))
  # Names count, not the order.
  covariance <- crossprod(root)
  dimnames(covariance) <- list(names, names)
  shuffled <- covariance[rev(names), rev(names)]
  rows <- tidy(with_covariance(two, shuffled), conf.int = TRUE, conf.level = 0.9)
  error <- unname(sqrt(diag(covariance)))
  expect_equal(rows$std.error, error)
  tested <- rows$component != "dispersion"
  z <- unname(coef(two)) / error
  expect_equal(rows$statistic[tested], z[tested])
  expect_equal(rows$p.value[tested], 2 * stats::pnorm(abs(z[tested]), lower.tail = FALSE))
  expect_true(all(is.na(rows$statistic[!tested]) & is.na(rows$p.value[!tested])))
  expect_equal(tidy(with_covariance(two, covariance), conf.int = TRUE, conf.level = 0.9)[names(rows)], rows)
  ends <- stats::confint(with_covariance(two, covariance), level = 0.9)
  expect_equal(rows$conf.low, unname(ends[, 1]))
  expect_equal(rows$conf.high, unname(ends[, 2]))
  none <- tidy(with_covariance(two, NULL, fails = TRUE), conf.int = TRUE)
  expect_true(all(is.na(unlist(none[c("std.error", "statistic", "p.value", "conf.low", "conf.high")]))))
  expect_type(none$p.value, "double")
})

test_that("tidy() of sites is a row a site and coefficient", {
  sites <- moe_sites(y ~ x, list(A = d, B = d[1:5, ], C = d[1:200, ]), K = 2, start = two)
  rows <- tidy(sites)
  expect_equal(unique(rows$site), c("A", "C"))
  expect_equal(rows$estimate, unname(c(coef(sites$models$A), coef(sites$models$C))))
  expect_equal(rows[rows$site == "C", -1], tidy(sites$models$C), ignore_attr = TRUE)
  none <- moe_sites(y ~ x, list(A = d[1:5, ]), K = 2, start = two)
  expect_error(tidy(none), "No site has a model", class = "moe_input_error")
})

test_that("glance() is one row of what the other methods say", {
  for (fit in list(two, gated, logistic, poisson_one, classes)) {
    row <- glance(fit)
    expect_equal(nrow(row), 1)
    expect_equal(c(row$logLik, row$AIC, row$BIC), c(logLik(fit)[1], AIC(fit), BIC(fit)))
    expect_equal(c(row$K, row$nobs, row$df), c(fit$K, nobs(fit), attr(logLik(fit), "df")))
    expect_equal(row$family, fit$family$family)
    expect_true(row$converged)
    expect_equal(row$iterations, fit$record$em_iterations + fit$record$newton_iterations)
  }
  expect_equal(glance(two, d[1:50, ])$logLik, logLik(two, d[1:50, ])[1])
  expect_equal(glance(two, d[1:50, ])$nobs, 50)
  gaps <- moe(y ~ x, transform(d, x = replace(x, 1:3, NA)), K = 1)
  expect_equal(glance(gaps)$dropped, 3L)
  truth <- moe_simulate(100, K = 2, d = 1, seed = 1)$model
  expect_true(all(is.na(glance(truth)[c("logLik", "AIC", "BIC", "converged", "iterations")])))
})

test_that("glance() of an aggregate tells how it was put together", {
  row <- glance(merged)
  expect_true(all(is.na(row[c("logLik", "AIC", "BIC")])))
  expect_equal(row$sites, 2)
  expect_equal(row$sites_left_out, 0)
  expect_equal(row$support, 400)
  expect_equal(row$objective, utils::tail(merged$aggregation$objective, 1))
  expect_equal(row[c("method", "plan", "weights")],
    data.frame(method = "reduction", plan = "component", weights = "size"))
  at <- glance(merged, d)
  expect_equal(c(at$AIC, at$BIC), c(AIC(logLik(merged, d)), BIC(logLik(merged, d))))
  middle <- glance(moe_aggregate(list(a = two, b = two), d, method = "middle"))
  expect_true(all(is.na(middle[c("objective", "plan", "converged", "iterations")])))
})

test_that("augment() adds what predict() says", {
  for (fit in list(two, gated, logistic, poisson_one, merged)) {
    rows <- augment(fit, d)
    expect_equal(rows[names(d)], d)
    expect_equal(rows$.fitted, predict(fit, d))
    posterior <- predict(fit, d, "posterior")
    expect_equal(rows$.expert, predict(fit, d, "class"), ignore_attr = TRUE)
    expect_equal(rows$.probability, apply(posterior, 1, max))
    y <- switch(fit$family$family, binomial = as.numeric(d$f == "high"), poisson = d$counts, d$y)
    expect_equal(rows$.resid, y - predict(fit, d))
    expect_identical(augment(fit, newdata = d), rows)
  }
  expect_equal(augment(logistic, d)$.class, predict(logistic, d, "label"))
  expect_null(augment(two, d)$.class)
})

test_that("augment() of classes has columns for each", {
  rows <- augment(classes, iris)
  expect_equal(rows$.class, predict(classes, iris, "label"))
  columns <- function(name) unname(as.matrix(rows[paste0(name, ".", levels(iris$Species))]))
  expect_equal(columns(".fitted"), unname(predict(classes, iris)))
  expect_equal(columns(".resid"), unname(residuals(classes)))
})

test_that("augment() does without the response, and with gaps", {
  x_only <- augment(two, d["x"])
  expect_equal(x_only$.fitted, predict(two, d))
  expect_null(x_only$.resid)
  gate <- predict(two, d, "gate")
  expect_equal(x_only$.expert, max.col(gate, "first"))
  expect_equal(x_only$.probability, apply(gate, 1, max))
  holes <- transform(d[1:4, ], x = replace(x, 2, NA), y = replace(y, 3, NA))
  rows <- augment(two, holes)
  expect_equal(is.na(rows$.fitted), c(FALSE, TRUE, FALSE, FALSE))
  expect_equal(is.na(rows$.resid), c(FALSE, TRUE, TRUE, FALSE))
  expect_equal(rows$.probability, c(max(predict(two, d[1, ], "posterior")), NA, max(gate[3, ]),
    max(predict(two, d[4, ], "posterior"))))
  expect_equal(is.na(rows$.expert), c(FALSE, TRUE, FALSE, FALSE))
  expect_equal(dim(augment(two, d[0, ])), c(0L, ncol(d) + 4L))
  broken <- transform(iris[1:3, ], Species = replace(Species, 2, NA))
  expect_equal(is.na(augment(classes, broken)$.resid.setosa), c(FALSE, TRUE, FALSE))
  expect_equal(augment(classes, broken)$.fitted.setosa, predict(classes, broken)[, "setosa"])
})

test_that("augment() takes matrices and support samples", {
  x <- cbind(x = d$x, w = d$x^2)
  fit <- moe(x, d$y, K = 2, start = d$label)
  rows <- augment(fit, list(x = x, y = d$y))
  expect_equal(names(rows), c("x", "w", "y", ".fitted", ".resid", ".expert", ".probability"))
  expect_equal(rows$.resid, residuals(fit), tolerance = 1e-10)
  expect_null(augment(fit, x)$.resid)
  expect_equal(augment(fit, x[, 2:1])$.fitted, fitted(fit), tolerance = 1e-10)
  expect_equal(augment(fit, moe_support(x, y = d$y)), rows)
  expect_equal(augment(two, moe_support(d["x"], y = d$y))$.resid, residuals(two), tolerance = 1e-10)
})

test_that("tidiers refuse what they can't do", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  bad(augment(merged), "keeps no rows.*aggregate")
  bad(augment(moe(y ~ x, d, K = 1, keep = FALSE)), "rows")
  bad(augment(two, d, newdata = d), "one of")
  bad(augment(two, d["y"]), "x")
  bad(augment(two, 1:3), "data frame")
  bad(tidy(two, conf.int = "yes"), "conf.int")
  bad(tidy(two, conf.int = TRUE, conf.level = 95), "conf.level")
  bad(tidy(two, exponentiate = TRUE), "exponentiate")
  bad(glance(two, newdata = d["x"]), "response")
})
