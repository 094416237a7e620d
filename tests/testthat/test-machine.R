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
    one <- on(1)
    for (threads in c(2, 3, 8)) expect_identical(on(threads), one, info = paste(family$family, threads))
  }
})

# Threads of this process, where the system tells.
running_threads <- function() length(list.files("/proc/self/task"))

test_that("threads stay for the next fit, and a fork does not wait for them", {
  skip_if_not(dir.exists("/proc/self/task"))
  s <- moe_simulate(5000, K = 2, d = 2, seed = 1)
  fit <- function(threads) {
    set.seed(2)
    coef(moe(y ~ ., s$data, K = 2, control = moe_control(threads = threads)))
  }
  here <- fit(3)
  now <- running_threads()
  expect_gte(now, 3)
  for (i in 1:3) fit(3)
  expect_identical(running_threads(), now)
  # A job that hangs would never be collected.
  job <- parallel::mcparallel(fit(3))
  there <- parallel::mccollect(job, wait = FALSE, timeout = 60)
  if (is.null(there)) {
    tools::pskill(job$pid, tools::SIGKILL)
    parallel::mccollect(job)
  }
  expect_identical(there[[1]], here)
})

test_that("threads end as the package is unloaded, and an R process with threads ends", {
  skip_if_not(dir.exists("/proc/self/task"))
  code <- paste("library(distmoe)", "s <- moe_simulate(5000, K = 2, d = 2, seed = 1)",
    "fit <- moe(y ~ ., s$data, K = 2, control = moe_control(threads = 4))",
    "count <- function() length(list.files('/proc/self/task'))", "with <- count()",
    "unloadNamespace('distmoe')", "cat(with - count())", sep = "; ")
  out <- withr::with_envvar(c(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep)),
    system2(file.path(R.home("bin"), "Rscript"), c("-e", shQuote(code)), stdout = TRUE, timeout = 60))
  expect_identical(utils::tail(out, 1), "3")
})

test_that("an error in a thread reaches the caller, and the threads serve on", {
  s <- moe_simulate(9000, K = 2, d = 2, seed = 1)
  design <- list(x = cbind(1, as.matrix(s$data[-1])), y = s$data$y, x_intercept = 1L, z_intercept = 1L)
  design$z <- design$x
  model <- core_model(s$model)
  before <- cpp_pass(design, model, "em", 3L)$value
  file <- withr::local_tempfile()
  writeBin(numeric(100), file)
  lost <- utils::modifyList(design, list(x = design$x[0, ], z = design$x[0, ], y = numeric(),
    add_intercept = FALSE, scratch = list(path = file, rows = 9000, block_rows = 1800, shared = TRUE,
      weight = FALSE, offset = FALSE, gate_offset = FALSE, trials = FALSE)))
  expect_error(cpp_pass(lost, model, "em", 3L), "can't be read")
  expect_identical(cpp_pass(design, model, "em", 3L)$value, before)
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
  withr::local_options(distmoe.threads = NULL)
  withr::with_options(list(parallelly.availableCores.methods = "mc.cores", mc.cores = 1), {
    expect_identical(moe_threads(), 1L)
  })
  withr::with_options(list(parallelly.availableCores.methods = "mc.cores", mc.cores = 7), {
    expect_identical(moe_threads(), 2L)
  })
})
