# What the search saw, in words and pictures; the record is made by hand.

searched <- local({
  made <- NULL
  function(reached = 12L, maxima = 5, runs = 48L) {
    if (is.null(made)) {
      s <- moe_simulate(300, K = 2, d = 1, seed = 1)
      made <<- withr::with_seed(1, moe(y ~ ., s$data, K = 2))
    }
    found <- data.frame(objective = c(-900, -903.25, -890, -950, -1000), log_lik = c(-899, -902, -889, -949, -999),
      reached = c(reached, 7L, 3L, 1L, 1L), kinds = c("random partition 9, split 3", letters[1:4]),
      degenerate = c(FALSE, FALSE, TRUE, FALSE, FALSE))
    made$record$search <- list(runs = runs, reached = reached, rounds = 4L, ended_best = 3L,
      ends = c(-900, -900, -900, -903), stop = "reached often enough", rows = 300,
      maxima = found[seq_len(maxima), ])
    made
  }
})

test_that("the print says how sure the maximum is", {
  expect_output(print(searched()), "Best of 48 runs, reached 12 times.", fixed = TRUE)
  expect_false(any(grepl("only once", utils::capture.output(print(searched())))))
  once <- utils::capture.output(print(searched(1L)))
  expect_true("Best of 48 runs, reached once." %in% once)
  expect_true(any(grepl("reached only once: moe_control(starts = 200)", once, fixed = TRUE)))
  # Nothing where nothing was searched, and as before where a model does not know.
  old <- searched()
  old$record$search <- NULL
  for (model in list(old, searched(1L, 1, runs = 1L))) {
    expect_false(any(grepl("Best of|only once", utils::capture.output(print(model)))))
  }
  old$record$starts <- data.frame(kind = rep("k-means on x", 3), objective = 1:3, finished = NA)
  expect_output(print(old), "best of 3 starts")
  expect_output(print(summary(old)), "Starts (objective per row", fixed = TRUE)
})

test_that("the summary lists the maxima, best first", {
  out <- summary(searched())
  expect_identical(out$maxima, searched()$record$search$maxima)
  text <- utils::capture.output(print(out))
  at <- grep("Maxima that the search found (on 300 rows", text, fixed = TRUE)
  expect_length(at, 1)
  expect_match(text[at + 2], "0.00 +12 random partition 9, split 3")
  expect_match(text[at + 3], "3.25 +7 a")
  expect_match(text[at + 4], "-10.00 +3 \\(degenerate\\) b")
  expect_false(any(grepl("Maxima", utils::capture.output(print(summary(searched(maxima = 1)))))))
})

test_that("plot() and autoplot() draw the search where there was one", {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (maxima in c(1, 5)) {
    fit <- searched(maxima = maxima)
    expect_identical(plot(fit, "search"), fit)
  }
  expect_error(plot(searched(maxima = 1, runs = 1L), "search"), "must be among", class = "moe_input_error")
  points <- search_points(searched()$record$search, 15)
  expect_identical(points$below, c(0, 3.25, -10, 50, 100))
  expect_identical(search_points(searched()$record$search, 2), points[1:2, ])
  skip_if_not_installed("ggplot2")
  drawn <- ggplot2::ggplot_build(ggplot2::autoplot(searched(), "search"))$data
  expect_identical(drawn[[2]]$x, points$below)
  expect_match(drawn[[3]]$label[3], "3 times (degenerate): b", fixed = TRUE)
})

test_that("glance() has the runs, and NA where a model does not know", {
  expect_identical(glance(searched())[c("runs", "reached")], data.frame(runs = 48L, reached = 12L))
  truth <- moe_simulate(50, K = 2, d = 1, seed = 1)$model
  expect_true(all(is.na(glance(truth)[c("runs", "reached")])))
})

test_that("starts is a word or a number", {
  expect_identical(moe_control()$starts, "auto")
  expect_identical(moe_control(starts = 7)$starts, 7L)
  for (bad in list("many", 0, 1.5, c(1, 2), NULL, NA, TRUE)) {
    expect_error(moe_control(starts = bad), "starts", class = "moe_input_error")
  }
  s <- moe_simulate(200, K = 2, d = 1, seed = 1)
  set.seed(1)
  expect_true(is.finite(moe(y ~ ., s$data, K = 2, control = moe_control(starts = "auto"))$log_lik))
})
