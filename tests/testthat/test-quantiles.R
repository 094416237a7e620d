# Quantiles of the mixture: predict(type = "quantile"), predict(interval = "prediction") and the core
# behind them.

# A design and models of K experts on it.
quantile_problem <- function(seed, family, n = 150, K = 3, spread = 1) {
  withr::with_seed(seed, {
    x <- cbind(1, matrix(stats::rnorm(2 * n), n))
    core <- list(family = family, beta = matrix(spread * stats::rnorm(3 * K), 3),
      alpha = matrix(2 * stats::rnorm(3 * (K - 1)), 3),
      dispersion = if (family == "gaussian") exp(2 * stats::rnorm(K)) else rep(1, K))
    offset <- stats::rnorm(n)
    list(design = list(x = x, z = x, offset = offset, x_intercept = 1L, z_intercept = 1L), core = core,
      gate = ref_gates(x, core$alpha), mean = ref_mean(family, ref_eta(x, core$beta, offset)))
  })
}

# Plain sums over experts: probabilities of y or less (or, of Gaussian experts, more), the density.
mixture_sum <- function(q, f) Reduce(`+`, lapply(seq_len(ncol(q$mean)), function(k) q$gate[, k] * f(k)))
below <- function(q, y, lower = TRUE) {
  sd <- sqrt(q$core$dispersion)
  mixture_sum(q, function(k) {
    if (q$core$family == "poisson") stats::ppois(y, q$mean[, k])
    else stats::pnorm(y, q$mean[, k], sd[k], lower.tail = lower)
  })
}

test_that("Gaussian quantiles solve F(y) = p, in both tails", {
  probs <- c(1e-12, 1e-4, 0.025, 0.3, 0.5, 0.7, 0.975, 1 - 1e-4)
  for (seed in 1:6) {
    q <- quantile_problem(seed, "gaussian", K = c(1, 2, 3, 5, 4, 2)[seed],
      spread = c(1, 3, 30)[1 + seed %% 3])
    found <- cpp_quantiles(q$design, q$core, probs, 1L)
    sd <- sqrt(q$core$dispersion)
    for (j in seq_along(probs)) {
      y <- found[, j]
      lower <- probs[j] <= 0.5
      gap <- below(q, y, lower) - if (lower) probs[j] else 1 - probs[j]
      density <- mixture_sum(q, function(k) stats::dnorm(y, q$mean[, k], sd[k]))
      # The error in y, where the density says that p determines it.
      expect_true(all(abs(gap) <= 1e-12 * density * pmax(abs(y), max(sd)) + 4e-16), info = paste(seed, j))
    }
    expect_true(all(apply(found, 1, diff) >= 0))
  }
})

test_that("they are those of a plain root search", {
  q <- quantile_problem(11, "gaussian", n = 20)
  for (p in c(0.1, 0.6)) {
    found <- cpp_quantiles(q$design, q$core, p, 1L)[, 1]
    for (i in seq_along(found)) {
      own <- list(core = q$core, gate = q$gate[i, , drop = FALSE], mean = q$mean[i, , drop = FALSE])
      root <- stats::uniroot(function(y) below(own, y) - p, c(-100, 100), tol = 1e-12)$root
      expect_equal(found[i], root, tolerance = 1e-8)
    }
  }
})

test_that("with one expert they are qnorm(), qpois() and qbinom()", {
  probs <- c(0, 1e-9, 0.01, 0.37, 0.5, 0.9, 0.999, 1)
  all_probs <- function(q, f) vapply(probs, function(p) f(p, q$mean[, 1]), numeric(nrow(q$mean)))
  q <- quantile_problem(3, "gaussian", K = 1)
  expect_equal(cpp_quantiles(q$design, q$core, probs, 1L),
    all_probs(q, function(p, m) stats::qnorm(p, m, sqrt(q$core$dispersion))), tolerance = 1e-13)
  for (level in c(0, 4, 8)) {
    q <- quantile_problem(4, "poisson", K = 1, n = 60)
    q$design$offset <- q$design$offset + level
    q$mean <- q$mean * exp(level)
    expect_equal(cpp_quantiles(q$design, q$core, probs, 1L), all_probs(q, stats::qpois))
  }
  q <- quantile_problem(5, "binomial", K = 1)
  expect_equal(cpp_quantiles(q$design, q$core, probs, 1L),
    all_probs(q, function(p, m) stats::qbinom(p, 1, m)))
})

test_that("quantiles of counts are the smallest numbers that reach p", {
  probs <- c(0.999, 0.5, 1e-6, 0.025)
  for (seed in 1:4) {
    q <- quantile_problem(seed, "poisson", spread = c(0.5, 1, 2, 3)[seed])
    found <- cpp_quantiles(q$design, q$core, probs, 1L)
    expect_true(all(found >= 0 & found == round(found)))
    counted <- apply(q$mean, 1, max) < 1e7
    expect_gt(sum(counted), 100)
    for (j in seq_along(probs)) {
      expect_true(all(below(q, found[, j])[counted] >= probs[j] - 1e-12))
      expect_true(all(below(q, found[, j] - 1)[counted] < probs[j] + 1e-12))
    }
  }
})

test_that("experts far apart, narrow or with hardly any share do no harm", {
  one_row <- function(family, mean, gate, dispersion = rep(1, length(mean))) {
    K <- length(mean)
    list(design = list(x = matrix(1), z = matrix(1), x_intercept = 1L, z_intercept = 1L),
      core = list(family = family, beta = matrix(mean, 1),
        alpha = matrix(log(gate[-K] / gate[K]), 1), dispersion = dispersion))
  }
  ask <- function(q, p) cpp_quantiles(q$design, q$core, p, 1L)[1, ]
  # Between two experts nothing lies: to the left of p = 0.3 the one, to the right the other.
  far <- one_row("gaussian", c(0, 1e6), c(0.3, 0.7))
  expect_equal(ask(far, c(0.15, 0.3 - 1e-6, 0.3 + 1e-6, 0.65)),
    c(stats::qnorm(c(0.5, 1 - 1e-6 / 0.3)), 1e6 + stats::qnorm(c(1e-6 / 0.7, 0.5))), tolerance = 1e-9)
  expect_true(all(is.finite(ask(far, 0.3))))
  narrow <- one_row("gaussian", c(0, 0.5), c(0.5, 0.5), c(1, 1e-20))
  top <- stats::pnorm(0.5) / 2
  expect_equal(ask(narrow, c(top + 0.1, top + 0.4)), c(0.5, 0.5), tolerance = 1e-8)
  expect_equal(ask(narrow, top - 0.1), stats::qnorm(2 * (top - 0.1)), tolerance = 1e-12)
  faint <- one_row("gaussian", c(3, -1e8), c(1, 1e-40), c(4, 1))
  expect_equal(ask(faint, 0.025), stats::qnorm(0.025, 3, 2), tolerance = 1e-13)
  # Counts: the sums jump over the gap between experts; huge means are taken as Gaussian.
  gap <- one_row("poisson", log(c(2, 1e6)), c(0.4, 0.6))
  expect_equal(ask(gap, c(0.2, 0.7)), stats::qpois(c(0.5, 0.5), c(2, 1e6)))
  huge <- one_row("poisson", log(c(2, 1e10)), c(0.4, 0.6))
  expect_equal(ask(huge, 0.2), stats::qpois(0.5, 2))
  expect_equal(ask(huge, 0.9), stats::qpois(0.5 / 0.6, 1e10), tolerance = 1e-9)
})

test_that("neither threads nor instruction sets matter", {
  for (family in c("gaussian", "poisson")) {
    q <- quantile_problem(9, family, n = 4001)
    base <- cpp_quantiles(q$design, q$core, c(0.1, 0.8), 1L)
    expect_identical(cpp_quantiles(q$design, q$core, c(0.1, 0.8), 2L), base)
    for (set in attr(moe_instructions(), "available")) {
      old <- moe_instructions(set)
      expect_equal(cpp_quantiles(q$design, q$core, c(0.1, 0.8), 1L), base, tolerance = 1e-12)
      moe_instructions(as.character(old))
    }
  }
})

test_that("predict() gives quantiles and intervals as matrices", {
  d <- crossing_lines(400)
  fit <- moe(y ~ x, d, K = 2, start = d$label)
  quantiles <- predict(fit, d, "quantile")
  expect_equal(dimnames(quantiles), list(NULL, c("2.5%", "50%", "97.5%")))
  both <- predict(fit, d, interval = "prediction", level = 0.8)
  expect_equal(colnames(both), c("fit", "lwr", "upr"))
  expect_equal(both[, "fit"], predict(fit, d))
  expect_equal(unname(both[, -1]), unname(predict(fit, d, "quantile", probs = c(0.1, 0.9))))
  expect_equal(predict(fit, d[3, ], "quantile", probs = 0.5), quantiles[3, 2, drop = FALSE])
  expect_equal(predict_rows(fit, d, "interval", 7, c(0.1, 0.9)), both)
  # Incomplete rows and no rows at all.
  holes <- transform(d[1:4, ], x = replace(x, 2, NA), y = NULL)
  expect_equal(predict(fit, holes, interval = "prediction", level = 0.8)[-2, ], both[c(1, 3, 4), ])
  expect_true(all(is.na(predict(fit, holes, "quantile")[2, ])))
  expect_equal(dim(predict(fit, d[0, ], "quantile")), c(0L, 3L))
  # One expert: the interval of lm() without the part for estimation.
  one <- moe(dist ~ speed, cars, K = 1)
  sd <- sqrt(one$parameters$dispersion[["1"]])
  expect_equal(predict(one, cars, interval = "prediction"), cbind(fit = fitted(one),
    lwr = fitted(one) - stats::qnorm(0.975) * sd, upr = fitted(one) + stats::qnorm(0.975) * sd),
    tolerance = 1e-10)
})

test_that("intervals cover what they say, for local models and aggregates", {
  for (family in c("gaussian", "poisson")) {
    sim <- moe_simulate(6000, K = 2, d = 2, seed = 8, family = family)
    ends <- predict(sim$model, sim$data, interval = "prediction", level = 0.9)
    covered <- mean(sim$data$y >= ends[, "lwr"] & sim$data$y <= ends[, "upr"])
    if (family == "gaussian") expect_lt(abs(covered - 0.9), 4 * sqrt(0.09 / 6000))
    else expect_gt(covered, 0.9 - 4 * sqrt(0.09 / 6000))
    merged <- moe_aggregate(list(a = sim$model, b = sim$model), sim$data[1:200, ])
    expect_equal(predict(merged, sim$data[1:50, ], "quantile"),
      predict(sim$model, sim$data[1:50, ], "quantile"), tolerance = 1e-4)
  }
  # Responses of two classes: 0 where its probability reaches p.
  sim <- moe_simulate(300, K = 2, d = 2, seed = 8, family = "binomial")
  zero <- 1 - predict(sim$model, sim$data)
  expect_equal(predict(sim$model, sim$data, "quantile", probs = 0.4)[, 1], as.numeric(zero < 0.4))
})

test_that("matrices and offsets work too", {
  d <- crossing_lines(300)
  d$h <- d$x^2
  by_formula <- moe(y ~ x, d, K = 2, start = d$label)
  by_matrix <- moe(cbind(x = d$x), d$y, K = 2, start = d$label)
  expect_equal(predict(by_matrix, cbind(x = d$x), "quantile"), predict(by_formula, d, "quantile"),
    tolerance = 1e-8)
  shifted <- moe(I(y + h) ~ x + offset(h), d, K = 2, start = d$label)
  expect_equal(predict(shifted, d, "quantile") - d$h, predict(by_formula, d, "quantile"), tolerance = 1e-6)
})

test_that("what has no quantiles is refused", {
  d <- crossing_lines(200)
  fit <- moe(y ~ x, d, K = 2, start = d$label)
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  bad(predict(fit, d, "gate", interval = "prediction"), "interval.*response")
  bad(predict(fit, d, "quantile", interval = "prediction"), "probs")
  bad(predict(fit, d, interval = "tolerance"), "interval.*prediction")
  bad(predict(fit, d, interval = "prediction", level = 95), "level.*95")
  bad(predict(fit, d, interval = "prediction", level = 1), "level")
  bad(predict(fit, d, interval = "prediction", level = 0), "level")
  bad(predict(fit, d, level = 0.9), "level.*interval")
  bad(predict(fit, d, "quantile", probs = c(0.1, 2)), "probs.*2")
  bad(predict(fit, d, "quantile", probs = NA), "probs")
  bad(predict(fit, d, "quantile", probs = numeric()), "probs")
  bad(predict(fit, d, "quantile", probs = "half"), "probs.*half")
  bad(predict(fit, d, "gate", probs = 0.5), "probs.*quantile")
  lean <- moe(y ~ x, d, K = 2, start = d$label, keep = FALSE)
  bad(predict(lean, type = "quantile"), "newdata")
  bad(predict(lean, interval = "prediction"), "newdata.*interval")
  bad(predict(fit, d["label"], "quantile"), "x")
  classes <- suppressWarnings(moe(Species ~ Petal.Length, iris, K = 1, family = multinomial()))  # separated
  bad(predict(classes, iris, "quantile"), "no order")
  bad(predict(classes, iris, interval = "prediction"), "no order")
})
