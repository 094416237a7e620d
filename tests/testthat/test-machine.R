# Threads and instruction sets: they change the time, not the result.

with_instructions <- function(set, code) {
  old <- moe_instructions(set)
  on.exit(moe_instructions(as.character(old)))
  code
}

sums_of <- function(p, extra, set) {
  data <- core_data(p, p$w, extra$offset, extra$gate_offset)
  with_instructions(set, c(cpp_statistics(data, p$model), cpp_information(data, p$model)))
}

test_that("all instruction sets give the same sums", {
  sets <- attr(moe_instructions(), "available")
  expect_true("baseline" %in% sets)
  for (i in 1:8) {
    family <- c("gaussian", "binomial", "poisson")[1 + i %% 3]
    p <- ref_random_problem(i, family, 97 + i, c(1, 3, 6, 11)[1 + i %% 4], 3, 1 + i %% 5)
    extra <- withr::with_seed(i, list(offset = stats::rnorm(97 + i), gate_offset = NULL))
    base <- sums_of(p, extra, "baseline")
    for (set in setdiff(sets, "baseline")) {
      expect_equal(sums_of(p, extra, set), base, tolerance = 1e-10, info = set)
    }
  }
})

test_that("all instruction sets give the same fit and predictions", {
  s <- moe_simulate(2000, K = 2, d = 3, seed = 5)
  fits <- lapply(attr(moe_instructions(), "available"), function(set) {
    with_instructions(set, {
      set.seed(1)
      fit <- moe(y ~ ., s$data, K = 2)
      list(coef(fit), predict(fit, s$data, "posterior"))
    })
  })
  for (other in fits[-1]) expect_equal(other, fits[[1]], tolerance = 1e-8)
})

test_that("no result depends on the number of threads", {
  for (family in list(gaussian(), binomial(), poisson())) {
    s <- moe_simulate(13000, K = 3, d = 3, seed = 2, family = family)
    on <- function(threads) {
      withr::local_options(distmoe.threads = threads)
      set.seed(3)
      fit <- suppressWarnings(moe(y ~ ., s$data, K = 3, family = family))  # classes: separated
      list(coef(fit), fit$record$objective, predict(fit, s$data, "posterior"),
        transport_divergence(s$model, fit, s$data))
    }
    expect_identical(on(1), on(2))
  }
})

test_that("the kernels hold at the ends of the numbers", {
  # One row to a few more than a vector has; huge and tiny arguments of exp.
  for (set in attr(moe_instructions(), "available")) {
    with_instructions(set, for (n in c(1:9, 17, 33)) {
      x <- cbind(1, seq(-1, 1, length.out = n))
      design <- list(x = x, z = x, y = rep(0, n), x_intercept = 1L, z_intercept = 1L)
      alpha <- cbind(c(0, 800), c(5, -0.5))
      model <- list(family = "gaussian", beta = cbind(c(1, 2), c(0, 1), c(3, 0)), alpha = alpha,
        dispersion = c(1, 2, 3))
      eta <- cbind(x %*% alpha, 0)
      expected <- exp(eta - apply(eta, 1, max))
      expect_equal(cpp_predict(design, model, "gate"), expected / rowSums(expected), tolerance = 1e-13)
      model$family <- "binomial"
      model$beta <- cbind(c(0, 700), c(0, 40), c(0, 1e-9))
      expect_equal(cpp_predict(design, model, "expert"), stats::plogis(x %*% model$beta),
        tolerance = 1e-14)
    })
  }
})

test_that("threads and instruction sets are checked", {
  expect_error(moe_instructions("mmx"), "mmx")
  expect_error(moe_control(threads = 0), "threads")
  expect_error(withr::with_options(list(distmoe.threads = "two"), moe_threads()), "distmoe.threads")
  withr::local_options(distmoe.threads = NULL)
  expect_true(moe_threads() %in% 1:2)
})

test_that("cores are counted again where a session changes what they go by", {
  skip_if_not(cpp_has_threads())
  withr::local_options(distmoe.threads = NULL)
  withr::with_options(list(parallelly.availableCores.methods = "mc.cores", mc.cores = 1), {
    expect_identical(moe_threads(), 1L)
  })
  withr::with_options(list(parallelly.availableCores.methods = "mc.cores", mc.cores = 7), {
    expect_identical(moe_threads(), 2L)
  })
})
