# Fits next to each other: in the number of experts, and along lambda.

# A fit of which nothing is known but its objective.
mock <- function(objective, spike = FALSE, search = NULL) {
  list(model = list(record = list(objective = objective, at_floor = spike, search = search)), message = "")
}
objectives <- function(fits) vapply(fits, function(fit) fit_objective(fit$model), 0)

test_that("what a neighbour knows goes down and up the whole row", {
  # Any fit reaches what its neighbour has, less 1; that of the one before it has reached already.
  refit <- function(i, neighbour) mock(fit_objective(neighbour) - 1)
  reach <- function(values) objectives(improve_by_neighbours(lapply(values, mock), refit))
  expect_identical(reach(c(1, 2, 9, 8, 7)), c(7, 8, 9, 8, 7))
  expect_identical(reach(c(1, 6, 5, 4, 9)), c(5, 6, 7, 8, 9))
  expect_identical(reach(c(5, 4, 3)), c(5, 4, 3))
  expect_identical(reach(4), 4)
  # Bounded where it would go on for ever.
  more <- function(i, neighbour) mock(fit_objective(neighbour) + 1)
  expect_identical(objectives(improve_by_neighbours(lapply(c(1, 1), mock), more, sweeps = 4)), c(4, 5))
})

test_that("no start is tried twice, and only those that are linked", {
  seen <- list()
  refit <- function(i, neighbour) {
    seen[[length(seen) + 1]] <<- c(i, fit_objective(neighbour))
    NULL
  }
  fits <- lapply(c(1, 2, 4, 3), mock)
  same <- improve_by_neighbours(fits, refit)
  expect_identical(same, fits)
  # Down only: that each was started from the one before is known.
  expect_identical(seen, list(c(3, 3), c(2, 4), c(1, 2)))
  seen <- list()
  improve_by_neighbours(fits, refit, linked = function(i, j) j %in% 1:4 && i + j == 3)
  expect_identical(seen, list(c(1, 2)))
  # A fit that failed has no neighbours.
  fits[[2]]["model"] <- list(NULL)
  seen <- list()
  improve_by_neighbours(fits, refit)
  expect_identical(seen, list(c(3, 3)))
})

test_that("a spike is no better fit, and what the search saw is kept", {
  expect_false(is_better_fit(mock(9, TRUE)$model, mock(1)$model))
  expect_true(is_better_fit(mock(1)$model, mock(9, TRUE)$model))
  expect_true(is_better_fit(mock(9, TRUE)$model, mock(1, TRUE)$model))
  expect_false(is_better_fit(mock(1)$model, mock(1)$model))
  search <- function(runs, rows, objective) {
    list(runs = runs, reached = 1L, stop = "most effort", rows = rows,
      maxima = data.frame(objective = objective, reached = 1L))
  }
  old <- mock(1, search = search(40L, 100, c(1, 0)))
  both <- keep_search(mock(3, search = search(2L, 100, c(3, 2))), old)$model$record
  expect_identical(both$objective, 3)
  expect_identical(both$search$runs, 42L)
  expect_identical(both$search$maxima$objective, c(3, 1, 0))
  other <- mock(3, search = search(2L, 99, c(3, 2)))
  expect_identical(keep_search(other, old), other)
})

test_that("a K whose objective falls is named", {
  path <- data.frame(K = 1:5, objective = c(-10, -5, -6, -4.95, -5), usable = TRUE)
  said <- falls_in_K(path)
  expect_identical(said != "", c(FALSE, FALSE, TRUE, FALSE, FALSE))
  expect_match(said[3], "1 below that of K = 2", fixed = TRUE)
  path$usable[2] <- FALSE
  expect_identical(falls_in_K(path), rep("", 5))
})

test_that("the objective never falls with K, and the path holds it", {
  skip_if_not_installed("MASS")
  data <- new.env()
  utils::data("mcycle", "quine", package = "MASS", envir = data)
  cases <- list(
    list(eruptions ~ waiting, datasets::faithful, stats::gaussian()),
    list(accel ~ times, data$mcycle, stats::gaussian()),
    list(Days ~ Eth + Sex + Age + Lrn, data$quine, stats::poisson()))
  for (case in cases) {
    withr::local_seed(1)
    choice <- suppressWarnings(moe_select(case[[1]], case[[2]], K = 1:5, family = case[[3]]))
    path <- choice$path
    expect_identical(path$objective,
      unname(vapply(choice$models, function(model) utils::tail(model$record$objective, 1), 0)))
    best <- cummax(path$objective[path$usable])
    expect_lte(max(best - path$objective[path$usable]), 0.1)
    expect_false(any(grepl("was not found", path$message)))
  }
})

test_that("along lambda no fit is worse than from the solutions beside it", {
  s <- moe_simulate(400, K = 2, d = 4, seed = 3)
  withr::local_seed(1)
  path <- suppressWarnings(moe_path(y ~ ., s$data, K = 2, n_lambda = 6))
  lambda <- path$path$lambda
  end <- function(model) utils::tail(model$record$objective, 1)
  for (i in 1:5) {
    control <- moe_control(lambda = c(expert = lambda[i], gate = lambda[i]), information = FALSE)
    down <- suppressWarnings(moe(y ~ ., s$data, K = 2, start = path$models[[i + 1]], control = control))
    expect_lte(end(down), end(path$models[[i]]) + 1e-4)
  }
})
