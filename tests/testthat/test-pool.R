# Pooling over imputations.

d <- two_experts(400, "gaussian")
start <- moe(y ~ x + v, d, K = 2, start = 1 + (d$x < 0))
gaps <- withr::with_seed(1, sample(400, 80))
imputed <- lapply(1:5, function(i) {
  withr::with_seed(i, {
    d$v[gaps] <- rnorm(80)
    d
  })
})
fits <- lapply(imputed, function(d) moe(y ~ x + v, d, start = start))

test_that("where nothing is missing the pooled fit is the fit", {
  same <- moe_pool(list(start, start, start))
  expect_equal(coef(same), coef(start), tolerance = 1e-12)
  expect_equal(vcov(same), vcov(start), tolerance = 1e-10)
  expect_equal(predict(same, d, se.fit = TRUE), predict(start, d, se.fit = TRUE), tolerance = 1e-10)
  expect_true(all(same$pool$table$between < 1e-20 & same$pool$table$fmi < 0.01))
})

test_that("Rubin's rules, by hand; variances by their logarithms", {
  pooled <- moe_pool(fits)
  estimate <- vapply(fits, coef, coef(start))
  at <- grep("^dispersion", rownames(estimate))
  log_scale <- estimate
  log_scale[at, ] <- log(estimate[at, ])
  within <- Reduce(`+`, lapply(fits, function(f) {
    by <- rep(1, nrow(estimate))
    by[at] <- 1 / coef(f)[at]
    vcov(f) * outer(by, by)
  })) / 5
  between <- var(t(log_scale))
  total <- within + 1.2 * between
  mean <- rowMeans(log_scale)
  mean[at] <- exp(mean[at])
  expect_equal(coef(pooled), mean)
  by <- rep(1, length(mean))
  by[at] <- mean[at]
  expect_equal(vcov(pooled), total * outer(by, by), tolerance = 1e-10)
  lambda <- 1.2 * diag(between) / diag(total)
  expect_equal(pooled$pool$table$lambda, unname(lambda))
  complete <- df.residual(start)
  observed <- (complete + 1) / (complete + 3) * complete * (1 - lambda)
  old <- 4 / lambda^2
  expect_equal(pooled$pool$table$df, unname(old * observed / (old + observed)))
  half <- qt(0.975, pooled$pool$table$df[2]) * sqrt(diag(vcov(pooled)))[2]
  expect_equal(unname(confint(pooled)[2, ]), unname(coef(pooled)[2] + c(-1, 1) * half))
  table <- coef(summary(pooled))
  expect_equal(unname(table[, 2]), unname(sqrt(diag(vcov(pooled)))))
  expect_equal(unname(table[1, 4]), 2 * pt(-abs(table[[1, 3]]), pooled$pool$table$df[1]))
  expect_output(print(pooled), "5 imputations")
  expect_output(print(summary(pooled)), "Rubin")
})

test_that("labels of any fit may be permuted", {
  pooled <- moe_pool(fits)
  for (i in 2:5) {
    mixed <- fits
    mixed[[i]] <- relabel(mixed[[i]], 2:1)
    again <- moe_pool(mixed)
    expect_equal(coef(again), coef(pooled), tolerance = 1e-10)
    expect_equal(vcov(again), vcov(pooled), tolerance = 1e-8)
    expect_identical(again$pool$order[, i], 2:1)
  }
  # The first fit's order is that of the pooled model.
  mixed <- fits
  mixed[[1]] <- relabel(mixed[[1]], 2:1)
  expect_equal(coef(moe_pool(mixed)), coef(relabel(pooled, 2:1)), tolerance = 1e-10)
})

test_that("data of mice, through with()", {
  skip_if_not_installed("mice")
  holes <- d[c("x", "v", "y")]
  holes$v[gaps] <- NA
  imputed <- mice::mice(holes, m = 3, printFlag = FALSE, seed = 1)
  fits <- with(imputed, moe(y ~ x + v, K = 2, start = start))
  pooled <- suppressWarnings(moe_pool(fits))  # mice's imputations are made for one regression
  by_hand <- lapply(1:3, function(i) moe(y ~ x + v, mice::complete(imputed, i), start = start))
  by_hand <- suppressWarnings(moe_pool(by_hand))
  expect_equal(coef(pooled), coef(by_hand), tolerance = 1e-6)
  expect_equal(vcov(pooled), vcov(by_hand), tolerance = 1e-4)
  # One expert: mice's own pooling of lm().
  one <- moe_pool(with(imputed, moe(y ~ x + v, K = 1)))
  theirs <- mice::pool(with(imputed, lm(y ~ x + v)))
  expect_equal(unname(coef(one)[1:3]), theirs$pooled$estimate, tolerance = 1e-6)
  expect_equal(one$pool$table$between[1:3], theirs$pooled$b, tolerance = 1e-6)
  expect_equal(one$pool$table$within[1:3], theirs$pooled$ubar * 397 / 400, tolerance = 1e-6)
})

test_that("bad calls", {
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(moe_pool(start), "two fits")
  wrong(moe_pool(list(start)), "two fits")
  wrong(moe_pool(list(start, 1)), "fits\\[\\[2\\]\\]")
  wrong(moe_pool(list(start, moe(y ~ x + v, d, K = 1))), "2 and 1 experts")
  wrong(moe_pool(list(start, moe(y ~ x, d, K = 2, start = 1 + (d$x < 0)))), "columns")
  bare <- moe(y ~ x + v, d, K = 2, start = start, control = moe_control(information = FALSE))
  wrong(moe_pool(list(start, bare)), "Fit 2 has no standard errors")
  gone <- lapply(fits, function(f) { f$model <- f$rows <- NULL; f })
  wrong(moe_pool(gone), "newdata")
  expect_equal(coef(moe_pool(gone, d)), coef(moe_pool(fits)), tolerance = 1e-6)
})

test_that("sites may pool before they send: the total covariances add up as information does", {
  sites <- lapply(c(a = 1, b = 2, c = 3), function(s) {
    own <- lapply(1:4, function(i) transform(imputed[[i]][seq(s, 400, 3), ]))
    moe_pool(lapply(own, function(d) moe(y ~ x + v, d, start = start)))
  })
  merged <- moe_aggregate(sites, d)
  on_logs <- function(m) {
    by <- rep(1, length(coef(m)))
    at <- grep("^dispersion", names(coef(m)))
    by[at] <- 1 / coef(m)[at]
    vcov(m) * outer(by, by)
  }
  total <- solve(Reduce(`+`, lapply(sites, function(m) solve(on_logs(m)))))
  expect_equal(on_logs(merged), total, tolerance = 1e-6, ignore_attr = TRUE)
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(sites$a, file, "a", information = TRUE)
  back <- read_moe(file)
  expect_equal(coef(back), coef(sites$a))
  expect_equal(vcov(back), vcov(sites$a), tolerance = 1e-6)
})

test_that("the print says nothing of steps that a pooled model has not made", {
  fit <- moe(dist ~ speed, cars, K = 1)
  expect_false(any(grepl("Converged after", capture.output(print(moe_pool(list(fit, fit)))))))
})
