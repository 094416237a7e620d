# Units: rows that have one expert together, group = ~ id.

units_data <- function(units, seed = 1, family = "gaussian") {
  withr::local_seed(seed)
  id <- rep(seq_len(units), sample(1:6, units, TRUE))
  w <- stats::rnorm(units)
  first <- (stats::runif(units) < stats::plogis(1.5 * w))[id]
  d <- data.frame(id = factor(id), x = stats::rnorm(length(id)), w = w[id])
  eta <- ifelse(first, 1 + d$x, -0.5 - 0.5 * d$x)
  d$y <- switch(family, gaussian = eta + stats::rnorm(length(id)), poisson = stats::rpois(length(id), exp(eta)),
    binomial = stats::rbinom(length(id), 1, stats::plogis(2 * eta)))
  d[sample(nrow(d)), ]  # the rows of a unit need not stand together
}

d <- units_data(150)
two <- function(data = d, family = "gaussian", ...) {
  moe(y ~ x, data, K = 2, family = family, gating = ~w, group = ~id, ...)
}
start <- 1 + (d$w < 0)
fit <- two(start = start)

# The units' log-likelihoods by the definition; theta as coef(), variances as logarithms.
unit_log_lik <- function(theta, data, family = "gaussian") {
  eta <- cbind(1, data$x) %*% matrix(theta[1:4], 2)
  density <- switch(family, gaussian = stats::dnorm(data$y, eta, rep(exp(theta[7:8] / 2), each = nrow(data)), TRUE),
    poisson = stats::dpois(data$y, exp(eta), TRUE), binomial = stats::dbinom(data$y, 1, stats::plogis(eta), TRUE))
  of_units <- rowsum(array(density, dim(eta)), as.character(data$id))
  w <- data$w[match(rownames(of_units), data$id)]
  gate <- stats::plogis(cbind(1, w) %*% theta[5:6])[, 1]
  terms <- of_units + log(cbind(gate, 1 - gate))
  top <- apply(terms, 1, max)
  list(value = top + log(rowSums(exp(terms - top))), posterior = exp(terms - top) / rowSums(exp(terms - top)),
    units = rownames(of_units))
}
theta_of <- function(fit) c(coef(fit)[1:6], log(coef(fit)[-(1:6)]))

test_that("likelihood, posteriors, information and scores follow from the units' density", {
  for (family in c("gaussian", "poisson", "binomial")) {
    rows <- units_data(150, family = family)
    fit <- two(rows, family, start = 1 + (rows$w < 0))
    theta <- theta_of(fit)
    found <- unit_log_lik(theta, rows, family)
    expect_equal(fit$log_lik, sum(found$value), tolerance = 1e-10)
    expect_equal(as.numeric(logLik(fit, rows)), fit$log_lik, tolerance = 1e-10)
    at <- match(rows$id, found$units)
    expect_equal(unname(predict(fit, rows, type = "posterior")), unname(found$posterior[at, ]), tolerance = 1e-8)
    expect_equal(predict(fit, rows, type = "density", log = TRUE), unname(found$value[at]), tolerance = 1e-9)
    expect_identical(nobs(fit), 150)
    # Gradient 0 but for the weak prior on gates; the Hessian by differences.
    value <- function(theta) sum(unit_log_lik(theta, rows, family)$value)
    gradient <- vapply(seq_along(theta), function(j) {
      h <- 1e-5 * (seq_along(theta) == j)
      (value(theta + h) - value(theta - h)) / 2e-5
    }, 0)
    expect_lt(max(abs(gradient[1:4])), 2e-3)
    hessian <- stats::optimHess(theta, value, control = list(ndeps = rep(1e-4, length(theta))))
    covariance <- solve(-hessian)
    scale <- c(rep(1, 6), coef(fit)[-(1:6)])
    expect_equal(unname(vcov(fit)), unname(covariance * outer(scale, scale)), tolerance = 2e-3)
    expect_equal(vcov(fit, newdata = rows), vcov(fit), tolerance = 1e-8)
  }
})

test_that("it is flexmix's model", {
  skip_if_not_installed("flexmix")
  for (family in c("gaussian", "poisson")) {
    rows <- units_data(120, 3, family)
    theirs <- flexmix::flexmix(y ~ x | id, data = rows, k = 2, cluster = 1 + (rows$w < 0),
      model = flexmix::FLXMRglm(family = family), concomitant = flexmix::FLXPmultinom(~w),
      control = list(tolerance = 1e-12, iter.max = 2000))
    ours <- two(rows, family, start = 1 + (rows$w < 0))
    # flexmix divides variances by one degree of freedom less, which costs a little likelihood.
    expect_equal(ours$log_lik, theirs@logLik, tolerance = 1e-4)
    expect_gte(ours$log_lik, theirs@logLik - 1e-4)
  }
})

test_that("units of one row are rows; EM never falls", {
  d$own <- seq_len(nrow(d))
  alone <- moe(y ~ x, d, K = 2, gating = ~w, group = ~own, start = start)
  plain <- moe(y ~ x, d, K = 2, gating = ~w, start = start)
  expect_equal(coef(alone), coef(plain), tolerance = 1e-8)
  expect_equal(vcov(alone), vcov(plain), tolerance = 1e-8)
  expect_equal(vcov(alone, "sandwich"), vcov(plain, "sandwich"), tolerance = 1e-8)
  expect_gt(max(abs(coef(plain) - coef(fit))), 0.05)
  for (seed in 1:10) for (family in c("gaussian", "binomial")) {
    rows <- units_data(40, seed, family)
    trace <- suppressWarnings(two(rows, family, start = sample(1:2, nrow(rows), TRUE),
      control = moe_control(newton = FALSE)))$record$objective
    expect_true(all(diff(trace) > -1e-9 * (1 + abs(trace[1]))))
  }
})

test_that("the order of rows, threads and case weights do not matter", {
  again <- two(d[order(d$id), ], start = start[order(d$id)])
  expect_equal(coef(again), coef(fit), tolerance = 1e-8)
  expect_identical(coef(two(start = start, control = moe_control(threads = 2))), coef(fit))
  double <- two(transform(d, m = 2), start = start, weights = "m")
  expect_equal(coef(double), coef(fit), tolerance = 1e-4)  # priors count half
  expect_equal(double$log_lik, 2 * fit$log_lik, tolerance = 1e-6)
  twice <- two(rbind(d, transform(d, id = paste0("b", id))), start = c(start, start))
  expect_equal(coef(double), coef(twice), tolerance = 1e-6)
  expect_equal(vcov(double), vcov(twice), tolerance = 1e-6)
  expect_equal(unique(weights(double)), 2)
})

test_that("the sandwich sums scores by unit", {
  clustered <- vcov(fit, cluster = d$id)
  expect_equal(clustered * 149 / 150, vcov(fit, "sandwich"), tolerance = 1e-8)
  skip_if_not_installed("sandwich")
  expect_equal(nrow(sandwich::estfun(fit)), 150)
  expect_equal(sandwich::sandwich(fit), vcov(fit, "sandwich"), tolerance = 1e-8)
})

test_that("sites, messages and rounds see units; refinement is the pooled fit", {
  ids <- unique(d$id)
  rows <- split(d, c("a", "b", "c")[match(d$id, ids) %% 3 + 1])
  sites <- moe_sites(y ~ x, rows, K = 2, gating = ~w, group = ~id, start = fit, information = TRUE)
  folder <- withr::local_tempdir()
  write_moe(sites, folder, min_expert_rows = 5)
  text <- unlist(lapply(list.files(folder, full.names = TRUE), readLines))
  expect_false(any(grepl("\"id\": *\\[", text)))  # the column's name, and none of its values
  read <- read_moe(folder)
  expect_identical(read$models$a$schema$group, "id")
  expect_error(write_moe(sites, withr::local_tempdir(), min_rows = 60), "50 rows|rows", class = "moe_input_error")
  whole <- moe_aggregate(read, moe_support(d))
  refined <- moe_refine(whole, rows, rounds = Inf)
  expect_equal(coef(refined), coef(fit), tolerance = 1e-6)
  expect_equal(refined$log_lik, fit$log_lik, tolerance = 1e-9)
  expect_equal(vcov(refined), vcov(fit), tolerance = 1e-5)
  model <- whole
  for (round in 1:12) {
    answers <- lapply(names(rows), function(s) moe_statistics(model, rows[[s]], site = s))
    model <- moe_update(model, answers)
    if (isTRUE(model$refinement$converged)) break
  }
  expect_equal(coef(model), coef(fit), tolerance = 1e-6)
  lies <- lapply(names(rows), function(s) moe_statistics(model, rows[[s]], site = s))
  lies[[2]]$sums$responses <- NULL
  expect_error(moe_update(model, lies), "\"b\".*lacks `responses`|lacks `responses`", class = "moe_input_error")
  expect_s3_class(moe_refine(moe_hierarchy(sites), rows, rounds = 2), "moe_hierarchy")
  source <- moe_source(d)
  expect_equal(coef(moe(y ~ x, source, K = 2, gating = ~w, group = ~id, start = fit)), coef(fit), tolerance = 1e-6)
})

test_that("choice of K, bootstrap and simulation draw units", {
  chosen <- moe_select(y ~ x, d, K = 1:3, gating = ~w, group = ~id, seed = 1)
  expect_identical(chosen$K, 2L)
  held <- moe_select(y ~ x, d, K = 1:2, gating = ~w, group = ~id, criterion = "CV", folds = 3, seed = 1)
  expect_true(all(is.finite(held$path$CV)))
  withr::local_seed(1)
  replicates <- moe_bootstrap(fit, R = 40)
  expect_equal(apply(replicates$t, 2, sd)[1:4], sqrt(diag(vcov(fit)))[1:4], tolerance = 0.5)
  sim <- simulate(fit, 1, seed = 2)
  drawn <- transform(d, y = sim$sim_1)
  expect_equal(coef(two(drawn, start = fit)), coef(fit), tolerance = 0.4)
})

test_that("units of 49 rows count once, to the last digit", {
  withr::local_seed(1)
  d <- data.frame(id = rep(1:20, each = 49), x = rnorm(980))
  d$y <- ifelse(d$id > 10, 5, -5) + d$x + rnorm(980)
  fit <- moe(y ~ x, d, K = 2, gating = ~1, group = ~id, start = 1 + (d$id > 10))
  expect_identical(nobs(fit), 20)
  expect_null(weights(fit))
  expect_identical(dim(moe_bootstrap(fit, R = 2)$t), c(2L, 7L))
})

test_that("what can't be grouped is refused by name", {
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(moe(y ~ x, d, K = 2, group = ~id), "column \"x\" varies within the group")
  wrong(moe(y ~ x, d, K = 2, gating = ~1, group = ~nobody), "nobody")
  wrong(moe(y ~ x, d, K = 2, gating = ~1, group = ~ log(x)), "name columns")
  wrong(moe(y ~ x, d, K = 2, gating = ~1, group = 3), "one-sided formula")
  wrong(moe(y ~ x, d, K = 2, gating = ~1, group = ~id, weights = seq_len(nrow(d))), "same weight")
  wrong(moe(cbind(y > 0, y <= 0) + 0 ~ x, d, K = 2, family = binomial(), gating = ~1, group = ~id), "cbind")
  large <- moe_source(d, chunk_rows = 50, memory_rows = 0)
  wrong(moe(y ~ x, large, K = 2, gating = ~w, group = ~id, start = fit), "memory_rows")
  wrong(predict(fit, d[c("x", "w", "y")], type = "posterior"), "no column \"id\"")
  wrong(vcov(fit, cluster = seq_len(nrow(d))), "one unit.*two clusters")
  wrong(moe(y ~ x, d, K = 2, gating = ~1, group = id_of_nobody), "one-sided formula")
  expect_length(predict(fit, d[1:3, c("x", "w")]), 3)
  gaps <- d
  gaps$id[5] <- NA
  expect_identical(unname(as.integer(na.action(two(gaps, start = fit)))), 5L)
})
