# Successes in several trials, cbind(successes, failures): all trials of a row are of one expert.

trials_data <- function(n, seed = 1) {
  withr::local_seed(seed)
  d <- data.frame(x = stats::rnorm(n), v = stats::runif(n), m = stats::rpois(n, 8))
  first <- stats::runif(n) < stats::plogis(2 * d$x)
  d$s <- stats::rbinom(n, d$m, stats::plogis(ifelse(first, 1 - 2 * d$v, -2 + 3 * d$v)))
  d$f <- d$m - d$s
  d
}

d <- trials_data(300)
start <- 1 + (d$x < 0)
two <- function(data = d, formula = cbind(s, f) ~ v, ...) {
  moe(formula, data, K = 2, gating = ~x, family = binomial(), ...)
}
fit <- two(start = start)

# log f(s | x) by the definition.
log_density <- function(beta, alpha, data) {
  gate <- stats::plogis(cbind(1, data$x) %*% alpha)[, 1]
  p <- stats::plogis(cbind(1, data$v) %*% beta)
  log(gate * stats::dbinom(data$s, data$m, p[, 1]) + (1 - gate) * stats::dbinom(data$s, data$m, p[, 2]))
}

test_that("one expert is glm(), with counts and with shares and weights", {
  theirs <- glm(cbind(s, f) ~ v + x, binomial, d)
  shares <- transform(d, share = ifelse(m > 0, s / m, 0))
  for (ours in list(moe(cbind(s, f) ~ v + x, d, K = 1, family = binomial()),
      moe(share ~ v + x, shares, K = 1, family = binomial(), weights = m),
      moe(as.matrix(d[c("v", "x")]), cbind(d$s, d$f), K = 1, family = binomial()))) {
    expect_equal(unname(coef(ours)), unname(coef(theirs)), tolerance = 1e-6)
    expect_equal(unname(vcov(ours)), unname(vcov(theirs)), tolerance = 1e-5)
    expect_equal(as.numeric(logLik(ours)), as.numeric(logLik(theirs)), tolerance = 1e-9)
    expect_equal(nobs(ours), nobs(theirs))  # without rows of no trial
    expect_equal(unname(fitted(ours)), unname(fitted(theirs)), tolerance = 1e-6)
    some <- d$m > 0
    for (type in c("response", "pearson", "deviance")) {
      expect_equal(unname(residuals(ours, type))[some], unname(residuals(theirs, type))[some], tolerance = 1e-5)
    }
  }
  skip_if_not_installed("sandwich")
  expect_equal(unname(vcov(moe(cbind(s, f) ~ v, d, K = 1, family = binomial()), "sandwich")),
    unname(sandwich::sandwich(glm(cbind(s, f) ~ v, binomial, d))), tolerance = 1e-6)
})

test_that("rows of one trial are rows of 0 and 1, and trials of a row are not rows", {
  withr::local_seed(2)
  one <- transform(d, y = rbinom(300, 1, plogis(v)))
  a <- moe(cbind(y, 1 - y) ~ v, one, K = 2, gating = ~x, family = binomial(), start = start)
  b <- moe(y ~ v, one, K = 2, gating = ~x, family = binomial(), start = start)
  expect_equal(a$log_lik, b$log_lik, tolerance = 1e-8)
  expect_equal(fitted(a), fitted(b), tolerance = 1e-5)
  rows <- d[rep(seq_len(300), d$m), ]
  rows$y <- unlist(Map(function(s, f) rep(1:0, c(s, f)), d$s, d$f))
  apart <- moe(y ~ v, rows, K = 2, gating = ~x, family = binomial(), start = fit)
  expect_gt(max(abs(coef(apart) - coef(fit))), 0.1)  # each trial an expert of its own
})

test_that("likelihood, posteriors and information follow from the density", {
  at <- function(theta) sum(log_density(matrix(theta[1:4], 2), theta[5:6], d[d$m > 0, ]))
  theta <- coef(fit)
  expect_equal(fit$log_lik, at(theta), tolerance = 1e-9)
  expect_equal(predict(fit, d, type = "density", log = TRUE),
    log_density(matrix(theta[1:4], 2), theta[5:6], d), tolerance = 1e-9)
  p <- plogis(cbind(1, d$v) %*% matrix(theta[1:4], 2))
  gate <- plogis(cbind(1, d$x) %*% theta[5:6])[, 1]
  each <- cbind(gate, 1 - gate) * cbind(dbinom(d$s, d$m, p[, 1]), dbinom(d$s, d$m, p[, 2]))
  expect_equal(unname(predict(fit, d, type = "posterior")), unname(each / rowSums(each)), tolerance = 1e-8)
  # The gates' prior is weak: 1e-4 of a row.
  expect_equal(unname(solve(vcov(fit))), unname(-stats::optimHess(theta, at, control = list(ndeps = rep(1e-4, 6)))),
    tolerance = 1e-3)
  scores <- vapply(1:6, function(j) {
    h <- 1e-5 * (seq_len(6) == j)
    (log_density(matrix((theta + h)[1:4], 2), (theta + h)[5:6], d) -
       log_density(matrix((theta - h)[1:4], 2), (theta - h)[5:6], d)) / 2e-5
  }, numeric(300))
  skip_if_not_installed("sandwich")
  counted <- d$m > 0
  expect_equal(unname(sandwich::estfun(fit))[counted, ], unname(scores)[counted, ], tolerance = 1e-5)
})

test_that("EM never falls, and the search finds what flexmix finds", {
  for (seed in 1:10) {
    trace <- suppressWarnings(two(trials_data(80, seed), start = sample(1:2, 80, TRUE),
      control = moe_control(newton = FALSE)))$record$objective
    expect_true(all(diff(trace) > -1e-9 * abs(trace[1])))
  }
  skip_if_not_installed("flexmix")
  withr::local_seed(1)
  known <- d[d$m > 0, ]
  theirs <- flexmix::flexmix(cbind(s, f) ~ v, data = known, k = 2, cluster = start[d$m > 0],
    model = flexmix::FLXMRglm(family = "binomial"), concomitant = flexmix::FLXPmultinom(~x),
    control = list(tolerance = 1e-10, iter.max = 1000))
  expect_equal(two()$log_lik, theirs@logLik, tolerance = 1e-5)
})

test_that("quantiles and intervals are those of the share in a row's trials", {
  probs <- c(0, 0.05, 0.5, 0.9)
  known <- d[d$m > 0, ]
  q <- predict(fit, known, type = "quantile", probs = probs)
  gate <- predict(fit, known, type = "gate")
  p <- predict(fit, known, type = "expert")
  below <- function(s) rowSums(gate * cbind(pbinom(s, known$m, p[, 1]), pbinom(s, known$m, p[, 2])))
  for (j in seq_along(probs)) {
    s <- round(q[, j] * known$m)
    expect_true(all(below(s) >= probs[j] - 1e-9))
    expect_true(all(s == 0 | below(s - 1) < probs[j]))
  }
  ends <- predict(fit, known, interval = "prediction")
  expect_identical(unname(ends[, 2:3]), unname(predict(fit, known, type = "quantile", probs = c(0.025, 0.975))))
  expect_error(predict(fit, d["v"], type = "quantile"), "x|s", class = "moe_input_error")
  expect_error(predict(fit, d[c("v", "x")], type = "quantile"), "no column", class = "moe_input_error")
  expect_error(residuals(fit, "deviance"), "saturated", class = "moe_input_error")
})

test_that("simulated successes have the model's means, spread and shape", {
  sim <- simulate(fit, 200, seed = 1)
  expect_identical(unname(rowSums(sim[[1]])), as.numeric(d$m))
  share <- vapply(sim, function(y) y[, 1], numeric(300))
  expect_equal(rowMeans(share), fitted(fit) * d$m, tolerance = 0.05, ignore_attr = TRUE)
  again <- transform(d, s = sim[[1]][, 1], f = sim[[1]][, 2])
  expect_equal(coef(two(again, start = fit)), coef(fit), tolerance = 0.4)
  shares <- moe(ifelse(m > 0, s / m, 0) ~ v, d, K = 1, family = binomial(), weights = m)
  expect_true(all(simulate(shares, 1, seed = 1)[[1]] <= 1))
  withr::local_seed(3)
  expect_lt(abs(mean(residuals(fit, "quantile"))), 0.2)
  expect_lt(abs(sd(residuals(fit, "quantile")) - 1), 0.15)
})

test_that("sources, sites, messages, rounds and threads give what all rows in one place give", {
  source <- moe_source(d, chunk_rows = 70, memory_rows = 0)
  from <- moe(cbind(s, f) ~ v, source, K = 2, gating = ~x, family = binomial(), start = fit)
  expect_equal(coef(from), coef(fit), tolerance = 1e-6)
  expect_equal(vcov(from), vcov(fit), tolerance = 1e-6)
  expect_equal(coef(two(start = start, control = moe_control(threads = 2))), coef(fit), tolerance = 1e-12)
  rows <- split(d, rep(c("a", "b", "c"), 100))
  sites <- moe_sites(cbind(s, f) ~ v, rows, K = 2, gating = ~x, family = binomial(), start = fit, information = TRUE)
  folder <- withr::local_tempdir()
  write_moe(sites, folder)
  read <- read_moe(folder)
  whole <- moe_aggregate(sites, moe_support(d))
  expect_identical(coef(moe_aggregate(read, moe_support(d))), coef(whole))
  expect_identical(vcov(moe_aggregate(read, moe_support(d))), vcov(whole))
  refined <- moe_refine(whole, rows, rounds = Inf)
  expect_equal(coef(refined), coef(fit), tolerance = 1e-6)
  expect_equal(refined$log_lik, fit$log_lik, tolerance = 1e-9)
  expect_s3_class(moe_hierarchy(sites), "moe_hierarchy")
  # What one row can tell is bounded by its trials.
  lie <- sites$models$a
  lie$information$trials <- NULL
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(lie, file, site = "a", information = TRUE)
  expect_error(read_moe(file), "says more than", class = "moe_input_error")
})

test_that("responses that are no trials are refused by name", {
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(moe(cbind(s, f + 0.5) ~ v, d, K = 1, family = binomial()), "counts of successes.*2.5")
  wrong(moe(cbind(s, -f) ~ v, d, K = 1, family = binomial()), "counts of successes")
  wrong(moe(cbind(s, f, m) ~ v, d, K = 1, family = binomial()), "3 columns")
  wrong(moe(cbind(s, f) ~ v, d, K = 1), "one column.*binomial")
  wrong(moe(cbind(s, f) ~ v, d, K = 1, family = poisson()), "one column")
  wrong(moe(v ~ x, d, K = 1, family = binomial()), "cbind\\(successes, failures\\)")
  wrong(moe(v ~ x, d, K = 1, family = binomial(), weights = m), "numbers of trials")
  d$share <- ifelse(d$m > 0, d$s / d$m, 0)
  source <- moe_source(d, chunk_rows = 50, memory_rows = 0)
  wrong(moe(share ~ x, source, K = 1, family = binomial(), weights = m), "cbind")
  d$s[4] <- NA
  expect_identical(as.integer(na.action(moe(cbind(s, f) ~ v, d, K = 1, family = binomial()))), 4L)
})
