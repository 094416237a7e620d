# Bootstrap with matched labels.

d <- transform(two_experts(400, "gaussian"), id = rep(1:40, 10))
d$y <- with(d, ifelse(stats::plogis(3 * x) > withr::with_seed(9, runif(400)), 1 - 2 * x + v, -1 + 2 * x - 1.5 * v)) +
  withr::with_seed(2, rnorm(400, sd = 0.3))
fit <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0))

test_that("standard errors are near the observed information's, labels are never mixed", {
  b <- withr::with_seed(1, moe_bootstrap(fit, 200, "parametric"))
  ratio <- sqrt(diag(vcov(b)) / diag(vcov(fit)))
  expect_true(all(ratio > 0.8 & ratio < 1.25))
  expect_true(all(b$matched[, 1] == 1))
  # Slopes of the two experts have other signs: one that was mixed up would show.
  expect_true(all(b$t[, "expert1:x"] < 0 & b$t[, "expert2:x"] > 0))
  expect_identical(b$t0, coef(fit))
  expect_identical(dim(b$t), c(200L, length(coef(fit))))
})

test_that("seeds repeat a bootstrap on any plan, and the generator moves on", {
  run <- function() withr::with_seed(4, moe_bootstrap(fit, 6))
  one <- run()
  old <- future::plan(future::multisession, workers = 2)
  withr::defer(future::plan(old))
  expect_identical(run()$t, one$t)
  future::plan(old)
  two <- withr::with_seed(4, { moe_bootstrap(fit, 2); moe_bootstrap(fit, 6) })
  expect_false(isTRUE(all.equal(two$t, one$t)))
})

test_that("a replicate is the fit to its rows, and clusters come whole", {
  design <- kept_design(fit)
  task <- list(object = bare_model(fit), type = "cases", design = design, control = control_of(fit))
  replicate <- withr::with_seed(5, one_replicate(task))
  drawn <- withr::with_seed(5, as.numeric(rmultinom(1, 400, rep(1, 400))))
  by_hand <- moe(y ~ x + v, d, weights = drawn, start = fit)
  expect_equal(replicate$estimate, coef(by_hand), tolerance = 1e-4)
  task$type <- "cluster"
  task$cluster <- d$id
  rows <- withr::with_seed(6, replicate_rows(task))
  taken <- match(rows$y, design$y)
  counts <- tapply(rows$weight, d$id[taken], unique)
  expect_true(is.numeric(counts))  # all rows of a cluster have its count
  expect_equal(sum(counts), 40)
  expect_identical(as.vector(table(d$id[taken])), rep(10L, length(counts)))
  # Labels of a replicate that come out in another order are put back.
  task$type <- "cases"
  task$object <- relabel(task$object, 2:1)
  swapped <- withr::with_seed(5, one_replicate(task))
  expect_equal(unname(swapped$estimate[1:3]), unname(replicate$estimate[4:6]), tolerance = 1e-4)
})

test_that("clusters, one expert, weights and other families go through", {
  b <- withr::with_seed(1, moe_bootstrap(fit, 40, cluster = ~ id))
  expect_identical(b$type, "cluster")
  expect_output(print(b), "40 replicates \\(clusters\\)")
  one <- moe(dist ~ speed, cars, K = 1)
  by_boot <- withr::with_seed(1, moe_bootstrap(one, 400))
  robust <- sandwich::sandwich(lm(dist ~ speed, cars))
  expect_equal(unname(sqrt(diag(vcov(by_boot))[1:2])), unname(sqrt(diag(robust))), tolerance = 0.2)
  for (kind in fits_of_all_kinds()[c("binomial", "poisson", "multinomial")]) {
    for (type in c("cases", "parametric")) {
      b <- suppressWarnings(withr::with_seed(1, moe_bootstrap(kind, 3, type)))
      expect_identical(colnames(b$t), names(coef(kind)))
      expect_false(anyNA(b$t))
    }
  }
})

test_that("intervals are those of boot.ci()", {
  skip_if_not_installed("boot")
  b <- withr::with_seed(3, moe_bootstrap(moe(dist ~ speed, cars, K = 1), 199))
  theirs <- boot::boot.ci(b, type = c("norm", "basic", "perc"), index = 2)
  expect_equal(unname(confint(b, 2)[1, ]), theirs$percent[4:5], tolerance = 1e-3)
  expect_equal(unname(confint(b, "expert1:speed", method = "basic")[1, ]), theirs$basic[4:5], tolerance = 1e-3)
  expect_equal(unname(confint(b, 2, method = "normal")[1, ]), theirs$normal[2:3], tolerance = 1e-6)
  expect_named(summary(b), c("estimate", "bias", "std.error", "median"))
})

test_that("bad calls", {
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(moe_bootstrap(1), "object")
  wrong(moe_bootstrap(fit, 1), "R")
  wrong(moe_bootstrap(fit, 10, "cases", cluster = d$id), "not for")
  wrong(moe_bootstrap(fit, 10, "cluster"), "cluster")
  wrong(moe_bootstrap(moe(y ~ x, d, K = 1, keep = FALSE), 10), "newdata")
  wrong(moe_bootstrap(moe(y ~ x, d, K = 1, weights = w / 2), 10), "whole numbers")
  b <- moe_bootstrap(moe(dist ~ speed, cars, K = 1), 3)
  wrong(confint(b, "wt"), "wt")
  wrong(confint(b, level = 1), "level")
})
