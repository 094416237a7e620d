# Moves: fits that end with two experts as one, or with an expert that is not needed, are left.

# The maximum that the truth leads to, and what the search finds without it.
from_truth <- function(sim, formula, K) {
  suppressWarnings(moe(formula, sim$data, K = K, start = sim$labels, keep = FALSE,
    control = moe_control(information = FALSE)))$log_lik
}
searched <- function(sim, formula, K, seed, ...) {
  set.seed(seed)
  # Small experts are named in warnings.
  suppressWarnings(moe(formula, sim$data, K = K, keep = FALSE, control = moe_control(information = FALSE, ...)))
}

test_that("an expert with under 1 % of the rows is found", {
  sim <- moe_simulate(12000, K = 4, d = 20, seed = 8)
  expect_lt(min(tabulate(sim$labels, 4)) / 12000, 0.01)
  best <- from_truth(sim, y ~ ., 4)
  for (seed in 1:2) expect_gt(searched(sim, y ~ ., 4, seed)$log_lik, best - 10)  # a miss costs some 600
})

test_that("an expert that the sample of the starts can't tell is found on a larger one", {
  # 50 rows of the small expert, some eight of them in the sample of the starts: fewer than it has coefficients.
  n <- 15000
  d <- withr::with_seed(1, as.data.frame(matrix(stats::rnorm(12 * n), n)))
  names(d) <- paste0("x", 1:12)
  label <- withr::with_seed(2, ifelse(d$x1 > 0, 1, 2))
  label[withr::with_seed(3, sample(n, 50))] <- 3
  beta <- withr::with_seed(4, matrix(sample(-5:5, 36, TRUE), 12))
  d$y <- (as.matrix(d) %*% beta)[cbind(seq_len(n), label)] + withr::with_seed(5, stats::rnorm(n))
  sim <- list(data = d, labels = label)
  best <- from_truth(sim, y ~ ., 3)
  for (seed in 1:2) {
    fit <- searched(sim, y ~ ., 3, seed, start_rows = 2500)
    expect_gt(fit$log_lik, best - 1)
  }
})

test_that("the fit is the best maximum that starts and moves found, and moves count", {
  sim <- moe_simulate(2000, K = 4, d = 5, seed = 3)
  by_moves <- 0
  for (seed in 1:3) {
    fit <- searched(sim, y ~ ., 4, seed, start_rows = 0)
    found <- fit$record$search
    honest <- found$maxima$objective[!found$maxima$degenerate]
    expect_identical(found$rows, 2000)
    # The search was on all rows: the fit goes on from its best maximum, to a finer stop.
    expect_gte(fit$record$objective[1], honest[1] - 1e-6)
    expect_true(all(diff(honest) <= 0))
    expect_lte(max(found$ends), honest[1] + 1e-6)
    by_moves <- by_moves + sum(grepl("move|shake|cross", found$maxima$kinds))
    expect_gt(found$runs, found$rounds)
  }
  expect_gt(by_moves, 0)
})

test_that("all families and weights go through moves", {
  for (family in list(stats::binomial(), stats::poisson(), multinomial(), stats::Gamma("log"), negative_binomial())) {
    sim <- moe_simulate(3000, K = 3, d = 3, seed = 5, family = family)
    w <- withr::with_seed(6, stats::runif(3000, 0.5, 2))
    set.seed(7)
    fit <- suppressWarnings(moe(y ~ ., sim$data, K = 3, family = family, weights = w))
    truth <- suppressWarnings(moe(y ~ ., sim$data, K = 3, family = family, weights = w, start = sim$labels))
    expect_gt(fit$log_lik, truth$log_lik - 25)
  }
})

test_that("rare columns that matter are not taken for outliers", {
  n <- 12000
  d <- withr::with_seed(1, data.frame(x1 = stats::rnorm(n), x2 = stats::rnorm(n)))
  for (j in 1:4) d[[paste0("rare", j)]] <- as.numeric(seq_len(n) %in% (30 * j + seq_len(30)))
  gate <- cbind(2 * d$x1, 2 * d$x2, 0) - log(-log(withr::with_seed(2, matrix(stats::runif(3 * n), n))))
  label <- max.col(gate)
  mean <- cbind(3 * d$x1, 2 - 3 * d$x1, 1 + 3 * d$x2)[cbind(seq_len(n), label)]
  d$y <- mean + drop(as.matrix(d[3:6]) %*% c(25, -25, 20, -20)) + withr::with_seed(3, stats::rnorm(n))
  sim <- list(data = d, labels = label)
  best <- from_truth(sim, y ~ ., 3)
  for (seed in 1:2) expect_gt(searched(sim, y ~ ., 3, seed)$log_lik, best - 1)
})

test_that("the search does not depend on the unit of the weights", {
  sim <- moe_simulate(2000, K = 3, d = 2, seed = 2)
  fits <- lapply(c(1, 1e-4), function(w) {
    set.seed(1)
    sim$data$w <- w
    # So small weights sum to less than the number of parameters, which a warning says.
    suppressWarnings(moe(y ~ x1 + x2, sim$data, K = 3, weights = w,
      control = moe_control(gate_ridge = 1e-4 * w, variance_prior = w^2)))
  })
  seen <- lapply(fits, function(fit) fit$record$search)
  same <- c("runs", "reached", "rounds", "ended_best", "stop", "rows")
  expect_identical(seen[[2]][same], seen[[1]][same])
  expect_equal(seen[[2]]$ends * 1e4, seen[[1]]$ends, tolerance = 1e-8)
  expect_equal(seen[[2]]$maxima$objective * 1e4, seen[[1]]$maxima$objective, tolerance = 1e-8)
  expect_identical(seen[[2]]$maxima$kinds, seen[[1]]$maxima$kinds)
})
