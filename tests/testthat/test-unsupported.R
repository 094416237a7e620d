# Formulas of other packages are refused by name, with what to do instead.

d <- crossing_lines(120)
d$g <- factor(rep(letters[1:4], 30))
d$time <- abs(d$y) + 1
d$event <- rep(0:1, 60)
d$flag <- d$x > 0

told <- function(formula, ..., fit = function(...) moe(..., data = d, K = 1)) {
  tryCatch({
    fit(formula, ...)
    "no error"
  }, moe_input_error = function(e) cli::ansi_strip(conditionMessage(e)))
}

test_that("what is not supported is named, with a way out", {
  cases <- list(
    list(y ~ x + (1 | g), c("(1 | g)", "random effects", "fixed")),
    list(y ~ x + (x || g), c("(x || g)", "random effects")),
    list(y ~ x + (1 + x | g / flag), c("(1 + x | g/flag)", "random effects")),
    list(y ~ x | g, c("x | g", "gating = ~ g")),
    list(y ~ s(x), c("s(x)", "smooth", "splines::ns(x, 3)")),
    list(y ~ flag * s(x, k = 4), c("s(x, k = 4)", "smooth")),
    list(y ~ te(x, time), c("te(x, time)", "smooth")),
    list(y ~ mgcv::s(x), c("mgcv::s(x)", "smooth")),
    list(Surv(time, event) ~ x, c("Surv(time, event)", "censored")),
    list(survival::Surv(time, event) ~ x, c("survival::Surv(time, event)", "censored")),
    list(y ~ x + strata(g), c("strata(g)", "factor")),
    list(y ~ x + cluster(g), c("cluster(g)", "factor")),
    list(y ~ x + frailty(g), "frailty(g)"),
    list(y ~ x + Error(g), c("Error(g)", "random")),
    list(y ~ nosuch(x), "nosuch"),
    list(y | trials(3) ~ x, c("y | trials(3)", "weights")))
  for (case in cases) {
    for (fit in list(function(...) moe(..., data = d, K = 1), function(f) moe_select(f, d, K = 1:2),
      function(f) moe_path(f, d, K = 2), function(f) moe_sites(f, list(A = d, B = d), K = 1),
      function(f) moe_distributed(f, d, K = 1, sites = 2),
      function(f) moe(f, moe_source(d, memory_rows = 10), K = 1))) {
      text <- gsub("\\s+", " ", told(case[[1]], fit = fit))
      for (words in case[[2]]) expect_match(text, words, fixed = TRUE)
      expect_no_match(text, if (identical(case[[2]], "nosuch")) "empty" else "empty|could not find")
    }
  }
  text <- told(y ~ x, gating = ~ x + (1 | g))
  expect_match(text, "`gating` holds `(1 | g)`", fixed = TRUE)
  expect_match(told(y ~ x, gating = ~ s(x)), "`gating` holds `s(x)`", fixed = TRUE)
  skip_if_not_installed("survival")
  d$both <- survival::Surv(d$time, d$event)
  expect_match(told(both ~ x, fit = function(f) moe(f, d, K = 1)), "censored")
})

test_that("functions of the user's own and conditions work", {
  s <- function(x) x^2
  expect_identical(rownames(coef(moe(y ~ s(x), d, K = 1), "expert")), c("(Intercept)", "s(x)"))
  fit <- moe(y ~ I(flag | x > 0.5) + ifelse(flag | x < 0, 1, 0), d, K = 1, control = moe_control(singular_ok = TRUE))
  expect_equal(nrow(coef(fit, "expert")), 3)
  d$other <- d$y > 0
  either <- moe(flag | other ~ time, d, K = 1, family = binomial())
  expect_equal(coef(either, "expert")[, 1], coef(glm(flag | other ~ time, binomial(), d)), tolerance = 1e-6)
})

test_that("bases of a package that is not attached are told where they are", {
  skip_if("package:splines" %in% search())
  expect_match(told(y ~ ns(x, 3)), "splines::ns()", fixed = TRUE)
})

test_that("a variable that is missing everywhere is named", {
  d$gone <- NA_real_
  expect_match(told(y ~ x + gone, fit = function(f) moe(f, d, K = 1)), "Missing in every row: `gone`", fixed = TRUE)
  expect_no_match(told(y ~ x, subset = x > 5), "Missing in every row")
})

test_that("the response among the columns is refused by name", {
  d <- data.frame(x = 1:9, y = c(2, 5, 3, 8, 1, 9, 4, 7, 6))
  for (f in list(y ~ y, y ~ x + y, y ~ x * y, log(y) ~ x + log(y))) {
    expect_error(moe(f, d, K = 1), "response `(log\\()?y\\)?` on its right-hand side", class = "moe_input_error")
  }
  expect_error(moe_sites(y ~ x + y, list(a = d), K = 1), "right-hand side", class = "moe_input_error")
  expect_s3_class(moe(y ~ ., d, K = 1), "moe")
  expect_s3_class(moe(log(y) ~ x, d, K = 1), "moe")
})

test_that("words on terms of other packages hold no marks of ours", {
  for (f in list(y ~ mo(x), y ~ s(x), y ~ strata(x), y ~ Error(x))) {
    text <- conditionMessage(expect_error(moe(f, data.frame(x = 1:9, y = 1:9), K = 1), class = "moe_input_error"))
    expect_no_match(text, "[{}]")
  }
})
