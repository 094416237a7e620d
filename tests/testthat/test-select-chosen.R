# Methods of what moe_select() and moe_path() choose, and of the models of sites.

d <- crossing_lines(400)
d$u <- withr::with_seed(2, rnorm(400))
choice <- suppressWarnings(moe_select(y ~ x, d, K = 1:3))
path <- moe_path(y ~ x + u, d, K = 2, n_lambda = 4)

test_that("methods of choices are those of the chosen model", {
  for (object in list(choice, path)) {
    model <- object$model
    for (f in list(coef, fitted, residuals, logLik, nobs, family, formula, sigma, tidy, glance, augment, summary,
      model.frame, predict)) {
      expect_equal(f(object), f(model))
    }
    expect_equal(predict(object, d, "gate"), predict(model, d, "gate"))
    expect_equal(coef(object, "expert"), coef(model, "expert"))
    expect_equal(residuals(object, "pearson"), residuals(model, "pearson"))
    expect_equal(simulate(object, 2, seed = 1), simulate(model, 2, seed = 1))
    expect_equal(c(AIC(object), BIC(object)), c(AIC(model), BIC(model)))
    expect_output(print(summary(object)), "Mixture of experts")
  }
  expect_equal(vcov(choice), vcov(choice$model))
  expect_equal(confint(choice, "x"), confint(choice$model, "x"))
})

test_that("other candidates can be asked for", {
  expect_equal(coef(choice, K = 3), coef(choice$models[["3"]]))
  expect_equal(predict(choice, d, K = 1), predict(choice$models[["1"]], d))
  expect_error(coef(choice, K = 9), "candidates", class = "moe_input_error")
  for (i in seq_along(path$models)) {
    expect_equal(coef(path, lambda = 1.05 * path$path$lambda[i]), coef(path$models[[i]]))
  }
  few <- suppressWarnings(moe_select(dist ~ speed, cars[1:12, ], K = 1:3))
  expect_error(coef(few, K = 3), "There is no model", class = "moe_input_error")
})

test_that("the models of sites stand side by side", {
  start <- moe(y ~ x, d, K = 2, start = d$label)
  sites <- moe_sites(y ~ x, split(d, rep(c("B", "A", "C"), length.out = 400)), K = 2, start = start)
  expect_equal(coef(sites), sapply(sites$models, coef))
  expect_equal(coef(sites, "gate")$C, coef(sites$models$C, "gate"))
  expect_equal(predict(sites, d), sapply(sites$models, predict, d))
  expect_equal(predict(sites, d, "gate")$A, predict(sites$models$A, d, "gate"))
  expect_equal(predict(sites, d, "class"), sapply(sites$models, predict, d, type = "class"))
  expect_error(predict(sites), "newdata", class = "moe_input_error")
  expect_equal(nobs(sites), 400)
  expect_identical(family(sites)$family, "gaussian")
  expect_equal(formula(sites), y ~ x, ignore_formula_env = TRUE)
  s <- summary(sites)
  expect_equal(s$spread[, "median"], apply(coef(sites), 1, median))
  expect_output(print(s), "3 fitted.*400 rows, 2 Gaussian experts a site.*expert1:x")
  mixed <- moe_sites(y ~ x, list(A = d, B = d), K = 1)
  mixed$models$B <- sites$models$B
  expect_identical(rownames(coef(mixed)), names(coef(start)))
  expect_true(is.na(coef(mixed)["expert2:x", "A"]))
  none <- moe_sites(y ~ x, list(A = d[1:3, ]), K = 2)
  for (f in list(coef, summary, nobs, plot)) expect_error(f(none), "No site has a model", class = "moe_input_error")
  labels <- moe_sites(f ~ x, list(A = transform(d, f = y > 0), B = transform(d, f = y > 0)), K = 1, family = binomial())
  expect_identical(dim(predict(labels, d[1:5, ], "label")), c(5L, 2L))
})
