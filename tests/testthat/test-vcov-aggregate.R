send <- function(sources, start, ...) {
  moe_sites(y ~ x + v, sources, start = start, family = start$family, information = TRUE, ...)
}
points_of <- function(sources) {
  moe_support(do.call(rbind, unname(sources)), site = rep(names(sources), vapply(sources, nrow, 0L)))
}

test_that("equal sites have the covariance of one, over their number", {
  for (family in c("gaussian", "binomial", "multinomial")) {
    d <- two_experts(400, family)
    # From here no coefficient runs to infinity, as elsewhere some do: their variances are noise.
    fit <- moe(y ~ x + v, d, K = 2, family = family, start = 1 + (d$x < 0))
    expect_null(fit$record$separated)
    sources <- list(A = d, B = d, C = d)
    sites <- send(sources, fit)
    for (method in c("reduction", "average")) {
      a <- moe_aggregate(sites, points_of(sources), method = method)
      expect_equal(vcov(a, "information"), vcov(fit) / 3, tolerance = 1e-4)
      expect_equal(vcov(a), vcov(a, "information"))
    }
    expect_equal(vcov(moe_aggregate(sites$models, points_of(sources), method = "middle")),
      vcov(fit), tolerance = 1e-4)
  }
})

test_that("sites' labels do not matter, nor in which units they standardised", {
  d <- two_experts(900, "gaussian")
  d$x <- d$x + rep(c(0, 0.5, 1), each = 300)
  fit <- moe(y ~ x + v, d, K = 2)
  sources <- split(d, rep(c("A", "B", "C"), each = 300))
  sites <- send(sources, fit)
  support <- points_of(sources)
  a <- moe_aggregate(sites, support)
  mixed <- sites$models
  mixed$A <- relabel(mixed$A, 2:1)
  mixed$B <- relabel(mixed$B, 2:1)
  b <- moe_aggregate(mixed, support)
  order <- match_experts(a, b, support_design(support, a$schema))
  map <- relabel_map(order, a)
  for (type in c("information", "between")) {
    moved <- map %*% aggregate_covariance(b, type)$covariance %*% t(map)
    expect_equal(moved, aggregate_covariance(a, type)$covariance, tolerance = 1e-6)
  }
  # The sum of the sites' matrices, with each one's brought to the user's scale.
  total <- Reduce(`+`, lapply(names(sources), function(name) {
    solve(information_covariance(sites$models[[name]], sites$models[[name]]$information))
  }))
  expect_equal(aggregate_covariance(a, "information")$covariance, solve(total), tolerance = 1e-8)
})

test_that("one expert's pooled information is that of least squares with the sites' variances", {
  d <- two_experts(600, "gaussian")
  sources <- split(d, rep(c("A", "B", "C"), c(50, 150, 400)))
  sites <- moe_sites(y ~ x + v, sources, K = 1, information = TRUE)
  a <- moe_aggregate(sites, points_of(sources))
  precision <- Reduce(`+`, lapply(sources, function(s) {
    line <- stats::lm(y ~ x + v, s)
    crossprod(stats::model.matrix(line)) / mean(stats::residuals(line)^2)
  }))
  expect_equal(unname(vcov(a)[1:3, 1:3]), unname(solve(precision)), tolerance = 1e-6)
})

test_that("the spread between sites is that of their estimates", {
  d <- two_experts(1000, "poisson")
  sources <- split(d, rep(1:4, each = 250))
  names(sources) <- LETTERS[1:4]
  sites <- moe_sites(y ~ x, sources, K = 1, family = poisson())
  a <- moe_aggregate(sites, points_of(sources))
  estimates <- vapply(sites$models, coef, numeric(2))
  # Equal sites: the variance of a mean of four.
  expect_equal(unname(vcov(a)), unname(stats::cov(t(estimates)) / 4), tolerance = 1e-10)
  half <- stats::qt(0.975, 3) * sqrt(diag(vcov(a)))
  expect_equal(unname(confint(a)), unname(cbind(coef(a) - half, coef(a) + half)))
  expect_match(summary(a)$standard_errors, "spread between 4 sites, t with 3 df")
  expect_equal(colnames(summary(a)$coefficients)[3], "t value")
  expect_output(print(summary(a)), "spread between")
})

test_that("degrees of freedom and spread are right for unequal sites", {
  expect_equal(between_df(rep(1 / 7, 7)), 6)
  lambda <- c(0.7, 0.2, 0.1)
  withr::local_seed(1)
  # Satterthwaite: twice the squared mean over the variance, and unbiased where variances go with 1 / n.
  estimate <- matrix(stats::rnorm(3e5, sd = rep(1 / sqrt(lambda), 1e5)), 3)
  gap <- estimate - rep(colSums(lambda * estimate), each = 3)
  spread <- colSums(lambda^2 / (1 - lambda) * gap^2)
  expect_equal(mean(spread), 1, tolerance = 0.02)
  expect_equal(between_df(lambda), 2 * mean(spread)^2 / stats::var(spread), tolerance = 0.05)
})

test_that("what was not sent, or has no spread, is said in words", {
  d <- two_experts(600, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2)
  sources <- split(d, rep(c("A", "B"), 300))
  bare <- moe_sites(y ~ x + v, sources, start = fit)
  expect_null(bare$models$A$information)
  a <- moe_aggregate(bare, points_of(sources))
  expect_match(summary(a)$standard_errors, "spread")
  expect_error(vcov(a, "information"), "A.*sent no information", class = "moe_no_covariance")
  expect_error(vcov(a, "sandwich"), "information")
  expect_error(vcov(a, newdata = d), "newdata")
  middle <- moe_aggregate(bare, points_of(sources), method = "middle")
  expect_error(vcov(middle), "one site's model", class = "moe_no_covariance")
  expect_match(summary(middle)$standard_errors, "^none")
  one <- moe_aggregate(bare$models["A"], sources$A)
  expect_error(vcov(one), "One site", class = "moe_no_covariance")
  expect_error(moe_sites(y ~ x, sources, K = 2, information = "yes"), "information")
  # A message with the matrix is longer by its numbers, and holds no row.
  large <- send(sources, fit)
  expect_gt(large$table$bytes[1], bare$table$bytes[1] + 66 * 8)
  expect_lt(large$table$bytes[1], 6000)
  expect_null(large$models$A$information$meat)
})

test_that("a column that a site does not determine counts where others do, or not at all", {
  d <- two_experts(900, "gaussian")
  sources <- split(d, rep(c("A", "B", "C"), each = 300))
  fit <- moe(y ~ x + v, d, K = 2)
  sources$C$v <- 0
  sources$C$y <- ifelse(predict(fit, sources$C, "class") == 1, 1 - 2 * sources$C$x, -1 + 2 * sources$C$x) +
    stats::residuals(stats::lm(y ~ 1, d))[1:300] / 10
  sites <- send(sources, fit)
  a <- moe_aggregate(sites, points_of(sources))
  both <- moe_aggregate(sites$models[c("A", "B")], points_of(sources[c("A", "B")]))
  lost <- grepl(":v", names(coef(a)))
  expect_true(all(is.na(diag(vcov(a, "between"))[lost])))
  expect_false(anyNA(diag(vcov(a, "between"))[!lost]))
  by_information <- diag(vcov(a, "information"))
  expect_false(anyNA(by_information))
  expect_true(all(by_information <= diag(vcov(both, "information")) * 1.0001))
})

test_that("only sites with as many experts are used, and that is said", {
  d <- two_experts(900, "gaussian")
  sources <- split(d, rep(c("A", "B", "C"), each = 300))
  fit <- moe(y ~ x + v, d, K = 2)
  models <- send(sources[1:2], fit)$models
  models$C <- moe(y ~ x + v, sources$C, K = 1)
  a <- moe_aggregate(models, points_of(sources), K = 2)
  expect_match(summary(a)$standard_errors, "2 sites.*without 1")
  expect_equal(unname(colSums(is.na(a$aggregation$order))), c(0, 0, 2))
  b <- moe_aggregate(models, points_of(sources), K = 3)
  expect_error(vcov(b), "matched", class = "moe_no_covariance")
})

test_that("what screening left out is no part of standard errors, prints and plots", {
  sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
  sources <- split(sim$data, rep(LETTERS[1:6], each = 500))
  odd <- sources
  odd$C$y <- -odd$C$y
  withr::local_seed(1)
  start <- moe(y ~ ., sources$A, K = 2)
  sites <- moe_sites(y ~ ., odd, K = 2, start = start, share = "x", information = TRUE)
  support <- moe_support(sites, n = 2000)
  without <- moe_sites(y ~ ., odd[-3], K = 2, start = start, share = "x", information = TRUE)
  for (method in c("reduction", "average", "middle")) {
    expect_warning(a <- moe_aggregate(sites, support, method = method), "\"C\" was left out")
    b <- moe_aggregate(without, support, method = method)
    expect_equal(vcov(a), vcov(b), tolerance = 1e-6)
    expect_equal(confint(a), confint(b), tolerance = 1e-6)
    expect_output(print(summary(a)), if (method == "middle") "information of site" else "information of 5 sites")
    if (method != "middle") expect_equal(vcov(a, "between"), vcov(b, "between"), tolerance = 1e-6)
  }
  a <- suppressWarnings(moe_aggregate(sites, support))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  expect_no_error(plot(a, plot_kinds(a)))
  # A site that is left out need not have sent a matrix.
  sites$models$C$information <- NULL
  a <- suppressWarnings(moe_aggregate(sites, support))
  expect_output(print(summary(a)), "information of 5 sites, summed")
})
