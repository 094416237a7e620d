# A start some way off the fit, as an aggregate is.
near <- function(model, by = 0.1) {
  model$parameters$beta <- model$parameters$beta + by * c(1, -1)
  model$parameters$alpha <- model$parameters$alpha + by
  model$information <- NULL
  model
}

check_rounds <- function(refined) {
  t <- refined$refinement$rounds
  expect_true(all(diff(t$objective) >= -1e-9 * abs(t$objective[-1])))
  expect_equal(t$round, seq_len(nrow(t)) - 1)
  expect_equal(t$change[!t$accepted], rep(0, sum(!t$accepted)))
}

test_that("refinement until convergence is the pooled fit, with its covariance", {
  equal <- rep(c("A", "B", "C"), each = 500)
  unequal <- rep(c("A", "B", "C"), c(15, 85, 1400))
  for (family in all_families) {
    d <- two_experts(1500, family, seed = 3)
    d$x <- 50 + 3 * d$x
    if (family == "gaussian") d$x <- d$x + rep(c(0, 3, 6), each = 500)
    fit <- suppressWarnings(moe(y ~ x + v, d, K = 2, family = family))
    start <- near(fit, if (family == "poisson") 1e-3 else 1e-2)
    control <- moe_control(tolerance = 1e-12)
    pooled <- moe(y ~ x + v, d, start = start, family = family, control = control)
    for (site in list(equal, unequal)) {
      refined <- moe_refine(start, split(d, site), rounds = Inf, control = control)
      expect_lt(max(abs(coef(refined) - coef(pooled))), 1e-6)
      expect_equal(vcov(refined), vcov(pooled), tolerance = 1e-6)
      expect_equal(as.numeric(logLik(refined)), as.numeric(logLik(pooled)), tolerance = 1e-10)
      expect_equal(refined$share, pooled$share, tolerance = 1e-6)
      expect_true(refined$refinement$converged)
      check_rounds(refined)
    }
  }
})

test_that("an aggregate is refined, round by round, and keeps its sites", {
  d <- two_experts(2000, "gaussian")
  d$s <- rep(LETTERS[1:4], c(100, 400, 500, 1000))
  sources <- split(d, d$s)
  sites <- moe_sites(y ~ x + v, sources, start = moe(y ~ x + v, d[1:300, ], K = 2))
  a <- moe_aggregate(sites, moe_support(d, site = d$s))
  pooled <- moe(y ~ x + v, d, start = a)
  gap <- vapply(1:3, function(rounds) {
    refined <- moe_refine(a, sources, rounds)
    expect_s3_class(refined, "moe_aggregate")
    expect_equal(refined$sites, a$sites)
    expect_lte(refined$refinement$exchanges, rounds + 2)
    expect_equal(as.numeric(logLik(refined)), as.numeric(logLik(refined, d)), tolerance = 1e-10)
    check_rounds(refined)
    as.numeric(logLik(pooled) - logLik(refined))
  }, 0)
  expect_lt(gap[1], as.numeric(logLik(pooled)) - as.numeric(logLik(a, d)))
  expect_lt(gap[3], 1e-6)
  refined <- moe_refine(a, rev(sources), Inf)
  expect_equal(coef(moe_refine(a, sources, Inf)), coef(refined), tolerance = 1e-10)
  expect_output(print(refined), "Refined at 4 sites, 2,000 rows")
  expect_output(print(summary(refined)), "summed over the sites")
  expect_error(vcov(refined, "between"), "refined")
  expect_error(vcov(refined, "information"), "refined")
  expect_equal(refined$refinement$sites$n, c(100, 400, 500, 1000))
  first <- refined$refinement$rounds
  expect_equal(first$objective[1] - as.numeric(logLik(a, d)), 0, tolerance = 0.1)
})

test_that("a step that lowers the objective costs a round and is not taken", {
  withr::local_seed(1)
  d <- data.frame(x = stats::rnorm(400))
  d$y <- stats::rpois(400, exp(1 + d$x))
  fit <- moe(y ~ x, d, K = 1, family = poisson())
  away <- fit
  away$parameters$beta[] <- c(-6, -1)
  refined <- moe_refine(away, list(A = d[1:50, ], B = d[51:400, ]), Inf)
  check_rounds(refined)
  expect_true(any(!refined$refinement$rounds$accepted))
  expect_equal(refined$record$halvings, sum(!refined$refinement$rounds$accepted))
  expect_equal(coef(refined), coef(fit), tolerance = 1e-7)
  expect_output(print(refined), "not accepted")
  one <- moe_refine(away, list(A = d), 1)
  expect_false(one$refinement$rounds$accepted[2])
  expect_equal(coef(one), coef(away))
})

test_that("weights, offsets, missing values and absent levels are as in the pooled fit", {
  d <- two_experts(900, "gaussian", seed = 2)
  d$o <- d$v / 2
  d$x[c(3, 500)] <- NA
  site <- rep(c("A", "B"), c(300, 600))
  d$g[site == "A" & d$g == "c"] <- "a"
  sources <- split(d, site)
  sources$A <- droplevels(sources$A)
  f <- y ~ x + g + offset(o)
  fit <- moe(f, d, K = 2, gating = ~x + v, weights = w)
  start <- near(fit, 0.02)
  pooled <- moe(f, d, gating = ~x + v, weights = w, start = start)
  refined <- moe_refine(start, sources, Inf, weights = "w")
  expect_lt(max(abs(coef(refined) - coef(pooled))), 1e-6)
  expect_equal(refined$n, 898)
  expect_equal(refined$weight, pooled$weight)
  expect_equal(refined$dropped, 2)
  expect_equal(vcov(refined), vcov(pooled), tolerance = 1e-5)
})

test_that("coefficients that all rows together do not determine stay", {
  d <- two_experts(600, "gaussian")
  d$twice <- 2 * d$x
  fit <- moe(y ~ x + twice, d, K = 2, control = moe_control(singular_ok = TRUE))
  fit$parameters$beta["twice", ] <- 0.25
  refined <- moe_refine(fit, split(d, rep(1:2, 300)), Inf)
  expect_equal(refined$parameters$beta["twice", ], c("1" = 0.25, "2" = 0.25))
  expect_equal(refined$record$aliased$expert, "twice")
  pooled <- moe(y ~ x, d, K = 2, start = max.col(predict(refined, d, "posterior")))
  expect_equal(predict(refined, d), predict(pooled, d), tolerance = 1e-5)
})

test_that("a site that fails is named and nothing is changed", {
  d <- two_experts(600, "gaussian")
  fit <- moe(y ~ x + g, d, K = 2)
  sources <- split(d, rep(c("north", "south"), 300))
  bad <- function(change) replace(sources, "south", list(change(sources$south)))
  refuse <- function(change, words) {
    expect_error(moe_refine(fit, bad(change)), words, class = "moe_input_error")
    expect_error(moe_refine(fit, bad(change)), "south", class = "moe_input_error")
  }
  refuse(function(s) s["y"], "x")
  refuse(function(s) s[0, ], "No row")
  refuse(function(s) transform(s, x = as.character(x)), "character")
  refuse(function(s) transform(s, x = replace(x, 2, Inf)), "finite")
  refuse(function(s) "nothing", "data frame")
  refuse(function(s) transform(s, g = "new"), "new")
  expect_error(moe_refine(fit, sources, weights = "wt"), "wt")
})

test_that("workers change nothing", {
  skip_if_not_installed("future")
  d <- two_experts(400, "gaussian")
  fit <- near(moe(y ~ x, d, K = 2))
  sources <- split(d, rep(c("A", "B"), 200))
  here <- moe_refine(fit, sources, 2)
  old <- future::plan(future::multisession, workers = 2)
  withr::defer(future::plan(old))
  expect_equal(coef(moe_refine(fit, sources, 2)), coef(here))
})

test_that("a start of which the data are impossible is refused", {
  d <- two_experts(200, "poisson")
  fit <- moe(y ~ x, d, K = 1, family = poisson())
  fit$parameters$beta[] <- 1e4
  expect_error(moe_refine(fit, list(A = d)), "not finite", class = "moe_input_error")
})

test_that("arguments are checked", {
  d <- two_experts(300, "gaussian")
  fit <- moe(y ~ x, d, K = 2)
  expect_error(moe_refine(1, list(A = d)), "model")
  expect_error(moe_refine(fit, d), "sources")
  expect_error(moe_refine(fit, list(d)), "name")
  expect_error(moe_refine(fit, list(A = d), 0), "rounds")
  expect_error(moe_refine(fit, list(A = d), 1.5), "rounds")
  expect_error(moe_refine(fit, list(A = d), weights = 1:3), "weights")
  expect_error(moe_refine(fit, list(A = d), control = 5), "control")
  matrix <- moe(as.matrix(d["x"]), d$y, K = 2)
  expect_error(moe_refine(matrix, list(A = d)), "matrices")
})
