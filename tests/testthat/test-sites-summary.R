# What sites tell of their x: summaries, drawn points, density weights, moments.

regions <- function(n = 6000, seed = 3) {
  sim <- moe_simulate(n, K = 2, d = 3, seed = seed)
  d <- sim$data
  d$g <- withr::with_seed(seed, factor(sample(c("u", "v", "w"), n, TRUE, c(0.5, 0.3, 0.2))))
  d$flag <- d$x3 > stats::median(d$x3)
  site <- ifelse(d$x1 > stats::median(d$x1), "high", "low")
  pilot <- moe(y ~ . + 0 + 1, d[seq(1, n, 5), ], K = 2, start = sim$labels[seq(1, n, 5)])
  list(data = d, site = site, pilot = pilot, sources = split(d, site),
    sites = moe_sites(y ~ . + 0 + 1, split(d, site), start = pilot, share = c("x", "moments")))
}
r <- regions()

test_that("a summary holds means, covariances and frequencies, and no row", {
  for (s in names(r$sites$models)) {
    x <- r$sites$models[[s]]$shared$x
    rows <- r$sources[[s]]
    numeric <- as.matrix(rows[c("x1", "x2", "x3")])
    expect_equal(x$n, nrow(rows))
    expect_equal(x$mean[colnames(numeric)], colMeans(numeric))
    n <- nrow(rows)
    expect_equal(x$covariance[colnames(numeric), colnames(numeric)], cov(numeric) * (n - 1) / n)
    expect_equal(x$frequencies$g, c(table(rows$g)) / n)
    expect_equal(x$frequencies$flag[["TRUE"]], mean(rows$flag))
  }
  plain <- moe_sites(y ~ x1, r$sources, K = 1)
  expect_null(plain$models$low$shared)
  expect_lt(plain$table$bytes[1], r$sites$table$bytes[1])
})

test_that("the table's bytes are about those of the messages", {
  sim <- moe_simulate(600, K = 2, d = 4, seed = 2)
  start <- moe(y ~ ., sim$data, K = 2)
  for (share in list(NULL, c("x", "moments", "gates"))) {
    for (information in c(TRUE, FALSE)) {
      sites <- moe_sites(y ~ ., list(a = sim$data), start = start, share = share, information = information)
      expect_equal(sites$table$bytes, nchar(moe_message(sites$models$a, "a", TRUE)$text, "bytes"), tolerance = 0.12)
    }
  }
})

test_that("weights and missing values are those of the fit", {
  d <- r$sources$low
  d$w <- withr::with_seed(1, stats::rexp(nrow(d)))
  d$x2[5] <- NA
  s <- moe_sites(y ~ x1 + x2, list(low = d), K = 1, weights = "w", share = "x")
  x <- s$models$low$shared$x
  expect_equal(x$n, sum(d$w[-5]))
  expect_equal(x$mean[["x2"]], stats::weighted.mean(d$x2[-5], d$w[-5]))
})

test_that("drawn points have the sites' moments, types and shares", {
  points <- withr::with_seed(1, moe_support(r$sites, n = 40000))
  expect_equal(sort(unique(points$site)), c("high", "low"))
  expect_equal(c(table(points$site)), c(high = 20000, low = 20000))
  for (s in c("high", "low")) {
    drawn <- points$x[points$site == s, ]
    x <- r$sites$models[[s]]$shared$x
    numeric <- as.matrix(drawn[names(x$mean)])
    expect_lt(max(abs(colMeans(numeric) - x$mean) / sqrt(diag(x$covariance))), 5 / sqrt(20000))
    expect_equal(cov(numeric), x$covariance, tolerance = 0.05)
    expect_equal(c(table(drawn$g)) / 20000, x$frequencies$g, tolerance = 0.05)
    expect_type(drawn$flag, "logical")
  }
  again <- withr::with_seed(1, moe_support(r$sites$models, n = 40000))
  expect_identical(again$x, points$x)
  expect_true(all(is.finite(predict(r$pilot, points$x))))
})

test_that("draws where a formula has no value are drawn anew, or refused", {
  d <- withr::with_seed(1, data.frame(x = stats::rexp(400)))
  d$y <- withr::with_seed(2, log(d$x) + stats::rnorm(400))
  s <- moe_sites(y ~ log(x), list(a = d), K = 1, share = "x")
  points <- withr::with_seed(3, moe_support(s, n = 500))
  expect_equal(nrow(points$x), 500)
  expect_true(all(points$x$x > 0))
  expect_error(moe_support(moe_sites(y ~ x, list(a = d), K = 1)), "a.*share")
  expect_error(moe_support(s, site = "a"), "site")
  expect_error(moe_sites(y ~ x, list(a = d), K = 1, share = "rows"), "share.*rows")
  expect_error(moe_support(s, n = 0), "`n`")
})

test_that("density weights are Bayes' rule over the sites", {
  models <- r$sites$models
  points <- r$data[1:50, ]
  ours <- density_weights(models, points)
  log_density <- vapply(models, function(m) {
    x <- m$shared$x
    v <- as.matrix(points[names(x$mean)])
    normal <- -0.5 * stats::mahalanobis(v, x$mean, x$covariance) - 0.5 * log(det(x$covariance))
    log(x$n) + normal + log(x$frequencies$g[as.character(points$g)]) +
      log(x$frequencies$flag[as.character(points$flag)])
  }, numeric(50))
  bayes <- exp(log_density) / rowSums(exp(log_density))
  expect_equal(ours, unname(bayes), tolerance = 1e-3)
  expect_equal(rowSums(ours), rep(1, 50))
  # Equal sites: the paper's weights.
  models$low$shared$x <- models$high$shared$x
  models$low$shared$x$n <- 3 * models$high$shared$x$n
  expect_equal(density_weights(models, points), matrix(c(0.25, 0.75), 50, 2, byrow = TRUE))
  # A level that a site has never seen, a variable that is constant there: small, not NaN.
  models$low$shared$x$frequencies$g[] <- c(1, 0, 0)
  models$low$shared$x$covariance["x2", ] <- models$low$shared$x$covariance[, "x2"] <- 0
  odd <- density_weights(models, points)
  expect_true(all(is.finite(odd)))
  expect_true(all(odd[points$g != "u", 2] < 0.01))
})

test_that("models that are weighed by density or by numbers reduce as the reference says", {
  p <- ref_random_problem(9, "gaussian", 120, 3, 3, 2)
  models <- nearby_models(p$model, 3, 0.6, 9)
  lambda <- withr::with_seed(9, matrix(stats::rexp(360), 120))
  lambda <- lambda / rowSums(lambda)
  start <- nearby_models(p$model, 1, 0.3, 10)[[1]]
  comp <- ref_components(models, lambda, p$x, p$z)
  for (plan in c("component", "pointwise")) {
    fit <- cpp_reduce(models, lambda, core_data(p), integer(), 2L, start, reduce_options(plan, 1L))
    cost <- ref_cost_array("gaussian", comp, ref_eta(p$x, start$beta), start$dispersion)
    P <- if (plan == "pointwise") ref_plan_pointwise(comp, cost) else ref_plan_component(comp, cost)
    step <- ref_mm_step("gaussian", comp, P, p$x, beta_old = start$beta)
    expect_equal(fit$model$beta, unname(step$beta), tolerance = 1e-8)
    expect_equal(fit$objective[1], ref_objective(P, cost), tolerance = 1e-8)
  }
})

test_that("moments of all rows give the experts that all rows as support give", {
  all <- moe_support(r$data, site = r$site)
  some <- moe_support(r$data[seq(1, 6000, 7), ], site = r$site[seq(1, 6000, 7)])
  a <- moe_aggregate(r$sites, all, weights = "site", moments = FALSE)
  b <- moe_aggregate(r$sites, some)
  expect_true(b$aggregation$moments)
  expect_false(a$aggregation$moments)
  expect_equal(coef(b, "expert"), coef(a, "expert"), tolerance = 1e-8)
  expect_equal(b$parameters$dispersion, a$parameters$dispersion, tolerance = 1e-8)
  expect_equal(b$aggregation$objective, a$aggregation$objective, tolerance = 1e-6)
  expect_equal(b$aggregation$mass, a$aggregation$mass, tolerance = 1e-6)
  expect_output(print(b), "sites' moments")
  # Columns of large mean cost no digits.
  far <- transform(r$data, x1 = x1 + 1e7)
  pilot <- moe(y ~ x1 + x2, far, K = 2, start = 1 + (r$data$y > 0))
  s <- moe_sites(y ~ x1 + x2, split(far, r$site), start = pilot, share = "moments")
  support <- moe_support(far, site = r$site)
  expect_equal(coef(moe_aggregate(s, support), "expert"),
    coef(moe_aggregate(s, support, moments = FALSE), "expert"), tolerance = 1e-6)
})

test_that("the default weights follow the evidence, and what is asked for must be there", {
  plain <- moe_support(r$data[1:500, ])
  few <- moe_support(r$data[1:500, ], site = r$site[1:500])
  weights <- function(sites, support, ...) moe_aggregate(sites, support, ...)$aggregation$weights
  expect_equal(weights(r$sites, plain), "density")
  expect_equal(weights(r$sites, few), "density")
  expect_equal(weights(r$sites, moe_support(r$data, site = r$site)), "site")
  bare <- r$sites
  bare$models <- lapply(bare$models, function(m) {
    m$shared <- NULL
    m
  })
  expect_equal(weights(bare, plain), "size")
  expect_equal(weights(bare, few), "site")
  expect_equal(weights(bare, plain, weights = c(low = 1, high = 3)), "given")
  same <- moe_aggregate(bare, plain, weights = c(high = 2, low = 2))
  expect_equal(coef(same), coef(moe_aggregate(bare, plain, weights = "size")), tolerance = 1e-8)
  expect_error(moe_aggregate(bare, plain, weights = "density"), "high.*low.*share")
  expect_error(moe_aggregate(bare, plain, weights = c(low = 1, up = 3)), "Missing.*high.*up")
  expect_error(moe_aggregate(bare, plain, weights = c(low = -1, high = 3)), "not negative")
  expect_error(moe_aggregate(bare, plain, moments = TRUE), "moments")
  expect_error(moe_aggregate(r$sites, plain, moments = TRUE, plan = "pointwise"), "component")
})

test_that("where sites see different x, drawn points and density weights hold, size weights do not", {
  train <- seq_len(6000) %% 4 > 0
  d <- r$data
  sites <- moe_sites(y ~ x1 + x2 + x3, split(d[train, ], r$site[train]), share = "x",
    start = moe(y ~ x1 + x2 + x3, d[train, ], K = 2))
  pooled <- moe_metrics(moe(y ~ x1 + x2 + x3, d[train, ], K = 2), d[!train, ])$loglik
  loss <- function(...) pooled - moe_metrics(moe_aggregate(sites, ...), d[!train, ])$loglik
  drawn <- withr::with_seed(1, moe_support(sites, n = 20000))
  expect_lt(loss(drawn), 0.02)
  expect_lt(loss(moe_support(d[train, ])), 0.02)
  expect_gt(loss(moe_support(d[train, ]), weights = "size"), 0.02)
})

test_that("summaries that no rows can have are refused, and those that give no points are named fast", {
  withr::local_seed(1)
  d <- data.frame(x = stats::rnorm(400, 5), v = stats::rnorm(400))
  d$y <- d$x + stats::rnorm(400)
  sites <- moe_sites(y ~ x + I(x^2) + v, split(d, rep(c("A", "B"), 200)), K = 1, share = "x")
  file <- withr::local_tempfile(fileext = ".json")
  tree <- message_of(sites$models$A)
  far <- tree
  far$shared$x$mean$x <- 1e200
  expect_error(read_moe(forge(far, file)), "shared.x.*\"x\"", class = "moe_message_error")
  far <- tree
  far$shared$x$covariance[[1]] <- 1e305
  expect_error(read_moe(forge(far, file)), "shared.x.*\"x\"", class = "moe_message_error")
  # What rows may hold, and the formula makes too large.
  tree$shared$x$mean$x <- 1e100
  sites$models$B <- read_moe(forge(tree, file))
  seconds <- sum(system.time(expect_error(moe_support(sites, n = 240), "\"B\"", class = "moe_input_error"))[1:2])
  expect_lt(seconds, 3)
})
