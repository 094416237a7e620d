# The model frame that a fit keeps, and what works on it.

d <- crossing_lines(300)
d$f <- factor(ifelse(d$y > 0.5, "high", "low"), c("low", "high"))
d$g <- factor(rep(c("a", "b", "c"), 100))
d$w <- rep(c(1, 2, 0, 1), 75)
d$u <- withr::with_seed(7, runif(300, 1, 2))
fits <- list(
  plain = moe(y ~ x, d, K = 2, start = d$label),
  bases = moe(log(y^2 + 1) ~ poly(x, 2) + g + offset(u / 10), d, K = 2, start = d$label,
    gating = ~ splines::ns(x, 3) + u),
  weighted = moe(y ~ x + g, d, K = 2, start = d$label[d$u > 1.1], weights = w, subset = u > 1.1),
  logistic = suppressWarnings(moe(f ~ x, d, K = 2, family = binomial(), start = d$label)),
  classes = suppressWarnings(moe(g ~ x + u, d, K = 2, family = multinomial(), start = d$label)))
rows_of <- function(name) if (name == "weighted") d[d$u > 1.1, ] else d

test_that("what works on rows works on those of the fit", {
  for (name in names(fits)) {
    fit <- fits[[name]]
    rows <- rows_of(name)
    types <- c("response", "expert", "gate", "posterior", "class", "density",
      if (!is.null(fit$schema$labels)) "label", if (name != "classes") "quantile")
    for (type in types) expect_equal(predict(fit, type = type), predict(fit, rows, type), tolerance = 1e-10)
    expect_equal(predict(fit, se.fit = TRUE), predict(fit, rows, se.fit = TRUE), tolerance = 1e-8)
    if (name != "classes") {
      expect_equal(predict(fit, interval = "prediction"), predict(fit, rows, interval = "prediction"),
        tolerance = 1e-10)
    }
    expect_equal(simulate(fit, 2, seed = 1), simulate(fit, 2, seed = 1, newdata = rows), ignore_attr = TRUE)
    added <- c(".expert", ".probability", grep("^.fitted|^.resid|^.class", names(augment(fit)), value = TRUE))
    expect_equal(augment(fit)[added], augment(fit, rows)[added], ignore_attr = TRUE, tolerance = 1e-10)
    expect_equal(logLik(fit, fit$model), logLik(fit, rows))
  }
  expect_equal(names(augment(fits$plain)), c("y", "x", ".fitted", ".resid", ".expert", ".probability"))
})

test_that("the frame is that of both formulas, and holds no environment with rows", {
  frame <- model.frame(fits$bases)
  expect_equal(names(frame), c("log(y^2 + 1)", "poly(x, 2)", "g", "offset(u/10)", "splines::ns(x, 3)", "u"))
  expect_equal(frame[["poly(x, 2)"]], poly(d$x, 2), ignore_attr = TRUE)
  expect_equal(model.weights(model.frame(fits$weighted)), d$w[d$u > 1.1])
  big <- rnorm(1e6)
  local <- moe(y ~ x, d, K = 1)
  expect_lt(length(serialize(local, NULL)), 1e5)
})

test_that("na.exclude gives gaps, as fitted() does", {
  holes <- transform(d, x = replace(x, c(2, 5), NA))
  fit <- moe(y ~ x, holes, K = 2, start = d$label[-c(2, 5)], na.action = na.exclude)
  for (type in c("response", "gate", "class", "density")) {
    out <- as.matrix(predict(fit, type = type))
    expect_identical(which(is.na(out[, 1])), c(2L, 5L))
  }
  expect_identical(which(is.na(simulate(fit)$sim_1)), c(2L, 5L))
  expect_equal(nrow(augment(fit)), 298)
  omitted <- moe(y ~ x, holes, K = 2, start = d$label[-c(2, 5)])
  expect_equal(nrow(predict(omitted, type = "gate")), 298)
  classes <- suppressWarnings(moe(g ~ x, holes, K = 1, family = multinomial(), na.action = na.exclude))
  expect_identical(dim(predict(classes, type = "expert")), c(300L, 1L, 3L))
})

test_that("matrices are kept too", {
  x <- cbind(x = d$x, u = d$u)
  z <- cbind(u = d$u)
  fit <- moe(x, d$y, K = 2, gating = z, start = d$label)
  expect_equal(predict(fit, type = "posterior"), predict(fit, list(x = x, z = z, y = d$y), "posterior"))
  expect_equal(residuals(fit, "quantile"), residuals(fit, "quantile", newdata = list(x = x, z = z, y = d$y)))
  expect_equal(nrow(simulate(fit)), 300)
  expect_equal(nrow(augment(fit)), 300)
  expect_error(predict(moe(x, d$y, K = 1, model = FALSE), type = "gate"), "model = FALSE", class = "moe_input_error")
})

test_that("model = FALSE and keep = FALSE keep less, and errors say why", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  some <- moe(y ~ x, d, K = 2, start = d$label, model = FALSE)
  expect_null(some$model)
  expect_equal(residuals(some), residuals(fits$plain))
  bad(predict(some, type = "gate"), "model = FALSE")
  bad(simulate(some), "model = FALSE")
  bad(model.frame(some), "model = FALSE")
  none <- moe(y ~ x, d, K = 2, start = d$label, keep = FALSE)
  expect_null(none$model)
  bad(augment(none), "keep = FALSE")
  bad(residuals(none, "pearson"), "keep = FALSE")
  frame <- moe(y ~ x, d, K = 2, start = d$label, keep = FALSE, model = TRUE)
  expect_equal(fitted(frame), fitted(fits$plain))
  expect_equal(residuals(frame), residuals(fits$plain))
  from_source <- moe(y ~ x, moe_source(d), K = 2)
  expect_null(from_source$model)
  bad(simulate(from_source), "source")
  bad(moe(y ~ x, moe_source(d), K = 2, model = TRUE), "source")
  bad(augment(moe(y ~ x, moe_source(d, memory_rows = 10), K = 2)), "source")
  bad(moe(y ~ x, d, K = 1, model = "yes"), "`model` must be TRUE or FALSE")
})

test_that("no frame travels", {
  sites <- moe_sites(y ~ x, list(A = d, B = d), K = 2, start = fits$plain)
  for (model in sites$models) expect_null(model[["model"]])
  expect_no_match(moe_message(fits$plain, "A")$text, format(d$y[7], digits = 15), fixed = TRUE)
  merged <- moe_aggregate(list(a = fits$plain, b = fits$plain), d)
  expect_null(merged$sites$models$a[["model"]])
  expect_null(merged[["model"]])
  refined <- moe_refine(fits$plain, list(A = d, B = d))
  expect_null(refined[["model"]])
  parts <- moe_distributed(y ~ x, d, K = 2, sites = 2, pilot = fits$plain)
  expect_null(parts$sites$models[[1]][["model"]])
  expect_null(parts$pilot[["model"]])
})

test_that("the chosen models of moe_select() and moe_path() keep their rows, the others none", {
  choice <- suppressWarnings(moe_select(y ~ x, d, K = 1:2))
  expect_equal(nrow(predict(choice$model, type = "gate")), 300)
  for (model in choice$models) expect_null(model[["model"]])
  path <- moe_path(y ~ x + u, d, K = 2, n_lambda = 3)
  expect_equal(nrow(predict(path$model, type = "gate")), 300)
  expect_equal(fitted(path$model), predict(path$model, d))
  for (model in path$models) expect_null(model[["model"]])
})
