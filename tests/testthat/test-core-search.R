# The search for the maximum: it reaches the best that is known, depends on R's seed and on nothing else, and
# comes to an end on data that have little to find.

# `w`: weights.
quietly <- function(formula, data, ..., w = rep(1, nrow(data)), control = moe_control(), seed = 1) {
  data$w <- w
  set.seed(seed)
  suppressWarnings(moe(formula, data, weights = w, ..., keep = FALSE, control = control))
}

# Two regressions at equal weights, as flexmix's NPreg: a line and a parabola.
npreg <- withr::with_seed(7, {
  d <- data.frame(x = stats::runif(200, 0, 10), class = rep(1:2, each = 100))
  d$y <- ifelse(d$class == 1, 5 * d$x, 15 + 10 * d$x - d$x^2) + stats::rnorm(200, sd = 3)
  d
})

test_that("the default reaches the best known maximum", {
  expect_reached <- function(best, ..., seeds = 1:3) {
    for (seed in seeds) expect_gt(quietly(..., seed = seed)$log_lik, best - 0.1)
  }
  # The figures are the best of thousands of random partitions (inst/bench/search-best.R).
  expect_reached(-80.708, eruptions ~ waiting, faithful, K = 3)
  expect_reached(-193.946, breaks ~ wool + tension, warpbreaks, K = 2, family = poisson(), gating = ~1)
  expect_reached(-191.715, breaks ~ wool + tension, warpbreaks, K = 2, family = poisson())
  from_truth <- quietly(y ~ x + I(x^2), npreg, K = 2, gating = ~1, start = npreg$class)
  expect_reached(from_truth$log_lik, y ~ x + I(x^2), npreg, K = 2, gating = ~1)
  skip_if_not_installed("MASS")
  expect_reached(-640.995, Days ~ Eth + Sex + Age + Lrn, MASS::quine, K = 2, family = poisson(), gating = ~1)
  expect_reached(-578.530, accel ~ times, MASS::mcycle, K = 3)
  expect_reached(-551.113, accel ~ times, MASS::mcycle, K = 4)
})

test_that("nothing that random partitions lead to is better", {
  # A maximum of little worth beside the known ones, whose experts are no finding, would be missed above.
  d <- mtcars[c("mpg", "wt")]
  found <- quietly(mpg ~ wt, d, K = 2, gating = ~1)
  expect_false(any(found$record$degenerate))
  for (seed in 1:60) {
    other <- quietly(mpg ~ wt, d, K = 2, gating = ~1, start = withr::with_seed(seed, sample(2, 32, TRUE)))
    if (!any(other$record$degenerate)) expect_lt(fit_objective(other), fit_objective(found) + 0.01)
  }
})

test_that("the record says what was done", {
  for (starts in list("auto", 1, 7, 40)) {
    fit <- quietly(eruptions ~ waiting, faithful, K = 3, control = moe_control(starts = starts))
    seen <- fit$record$search
    expect_identical(seen$rows, 272)
    expect_length(seen$ends, seen$rounds)
    best <- seen$maxima$objective[1]
    expect_identical(seen$ended_best, sum(abs(seen$ends - best) <= 0.05))
    expect_identical(seen$reached, seen$maxima$reached[1])
    # Maxima are distinct, and best first.
    honest <- seen$maxima$objective[!seen$maxima$degenerate]
    expect_true(all(diff(honest) < -0.05))
    expect_gte(fit$record$objective[1], best - 1e-8)
    if (starts == "auto") {
      expect_identical(seen$stop, "reached often enough")
      # See search.h: enough is less where all rounds end alike, and more where fewer than half do.
      least <- if (seen$ended_best == seen$rounds) 6 else if (2 * seen$ended_best >= seen$rounds) 8 else 20
      expect_gte(seen$ended_best, least)
      expect_gte(seen$runs, 12 * seen$rounds)
    } else {
      expect_identical(seen$stop, "fixed number of starts")
      expect_identical(seen$rounds, 1L)
      expect_gte(seen$runs, starts)
    }
  }
})

test_that("set.seed() reproduces the search, and another seed makes another one", {
  searched <- lapply(c(1, 1, 2), function(seed) {
    fit <- quietly(eruptions ~ waiting, faithful, K = 3, seed = seed)
    list(fit$parameters, fit$record$search, .Random.seed)
  })
  expect_identical(searched[[2]], searched[[1]])
  expect_false(identical(searched[[3]][[2]]$ends, searched[[1]][[2]]$ends))
})

test_that("the number of threads changes no bit", {
  few <- moe_simulate(300, K = 3, d = 2, seed = 2)$data
  some <- moe_simulate(11000, K = 3, d = 2, seed = 3)$data
  calls <- list(
    small = list(y ~ x1 + x2, few, K = 3), fixed = list(y ~ x1 + x2, few, K = 4, starts = 9),
    tiny = list(y ~ x1, few[1:25, ], K = 2),
    # Blocks for two and three threads, which then share each pass, and not for eight.
    blocks = list(y ~ x1 + x2, some, K = 3, start_rows = 0, starts = 4),
    ladder = list(y ~ x1 + x2, some[1:4000, ], K = 3, start_rows = 700))
  for (case in names(calls)) {
    call <- calls[[case]]
    settings <- names(call) %in% c("starts", "start_rows")
    fits <- lapply(c(1, 2, 3, 8), function(threads) {
      fit <- do.call(quietly, c(call[!settings],
        list(control = do.call(moe_control, c(call[settings], threads = threads)))))
      list(fit$parameters, fit$log_lik, fit$share, fit$information, fit$record[names(fit$record) != "seconds"],
        .Random.seed)
    })
    for (i in 2:4) expect_identical(fits[[i]], fits[[1]], label = paste(case, "on", c(1, 2, 3, 8)[i], "threads"))
  }
})

test_that("a weight of 2 is the row twice, and one of 0 is no row", {
  twice <- faithful[rep(seq_len(272), each = 2), ]
  for (seed in 1:2) {
    by_weight <- quietly(eruptions ~ waiting, faithful, K = 3, w = rep(2, 272), seed = seed)
    by_rows <- quietly(eruptions ~ waiting, twice, K = 3, seed = seed)
    expect_equal(fit_objective(by_weight), fit_objective(by_rows), tolerance = 1e-9)
  }
  # The row is one that would be an expert by itself.
  odd <- rbind(npreg, data.frame(x = 5, class = 1, y = 500))
  with_row <- quietly(y ~ x, odd, K = 2, w = c(rep(1, 200), 0))
  without <- quietly(y ~ x, npreg, K = 2)
  expect_identical(with_row$parameters, without$parameters)
  expect_identical(with_row$record$search, without$record$search)
})

test_that("every family, with gates of their own, none, and without columns", {
  for (family in list(stats::gaussian(), stats::binomial(), stats::poisson(), multinomial(), stats::Gamma("log"),
    negative_binomial())) {
    d <- two_experts(400, family$family, 4)
    models <- list(list(y ~ x + v), list(y ~ x + v, gating = ~1), list(y ~ v, gating = ~x + g), list(y ~ 1),
      list(y ~ 1, gating = ~x))
    for (model in models) {
      model <- c(model, list(data = d, K = 2, family = family))
      found <- do.call(quietly, model)
      # No worse than from the sign of the gates that made the data, or from random labels.
      for (start in list(1 + (d$x > 0), withr::with_seed(6, sample(2, 400, TRUE)))) {
        given <- do.call(quietly, c(model, list(start = start)))
        if (!any(given$record$degenerate)) {
          expect_gt(fit_objective(found), fit_objective(given) - 0.1,
            label = paste(family$family, deparse1(model[[1]]), deparse1(model$gating)))
        }
      }
      expect_true(all(is.finite(coef(found))))
    }
  }
})

test_that("maxima with one expert less or more are starts", {
  fit_with <- function(K, neighbours, seed = 1) {
    design <- matrix_design(cbind(waiting = faithful$waiting), faithful$eruptions, NULL, NULL, stats::gaussian())
    set.seed(seed)
    control <- moe_control(starts = 1)
    suppressWarnings(fit_design(design, K, stats::gaussian(), NULL, control, FALSE, NULL, neighbours))
  }
  three <- quietly(eruptions ~ waiting, faithful, K = 3)
  four <- fit_objective(quietly(eruptions ~ waiting, faithful, K = 4))
  gap <- function(neighbours) four - vapply(1:8, function(seed) fit_objective(fit_with(4, neighbours, seed)), 0)
  expect_true(all(gap(list(three)) < four - fit_objective(three) + 0.1))
  # One start alone ends lower on average.
  expect_lt(mean(gap(list(three))), mean(gap(list())))
  two <- quietly(eruptions ~ waiting, faithful, K = 2)
  expect_gt(fit_objective(fit_with(2, list(three))), fit_objective(two) - 0.1)
})

test_that("small and poor data come to an end", {
  took <- function(...) {
    # Of the processor, on one thread: other work on the machine does not count.
    seconds <- system.time(fit <- quietly(..., control = moe_control(threads = 1)))
    expect_true(is.finite(fit$log_lik))
    expect_true(all(is.finite(coef(fit)), fit$parameters$dispersion > 0))
    expect_lt(sum(seconds[1:2]), 5 * times_slower)
  }
  took(y ~ x, npreg[1:9, ], K = 2)
  took(y ~ 1, npreg[1:6, ], K = 2, gating = ~1)
  # Three distinct rows, and more experts than that.
  same <- data.frame(x = rep(c(-1, 0, 1), 30), y = rep(c(1, 3, 2), 30), count = rep(c(1, 3, 2), 30),
    yes = rep(c(0, 1, 1), 30))
  took(y ~ x, same, K = 5)
  took(count ~ x, same, K = 5, family = poisson())
  took(yes ~ x, same, K = 5, family = binomial())
})
