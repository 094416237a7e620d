sites_data <- function(n = 900) {
  d <- crossing_lines(n)
  d$g <- factor(sample(c("a", "b", "c"), n, TRUE))
  split(d, rep(c("B", "A", "C"), length.out = n))
}

test_that("every site's model is that of moe() on its rows", {
  withr::local_seed(1)
  sources <- sites_data()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  sites <- moe_sites(y ~ x, sources, K = 2, start = start)
  expect_equal(names(sites$models), names(sources))
  for (name in names(sources)) {
    expect_equal(coef(sites$models[[name]]), coef(moe(y ~ x, sources[[name]], start = start)))
  }
  expect_equal(sites$table$n, unname(vapply(sources, nrow, 0L)))
  expect_true(all(sites$table$status == "fitted"))
})

test_that("results depend neither on the order of sites nor on the workers", {
  withr::local_seed(1)
  sources <- sites_data()
  fit <- function(s) {
    set.seed(42)
    lapply(moe_sites(y ~ x + g, s, K = 2)$models, coef)
  }
  a <- fit(sources)
  expect_identical(fit(sources[c(3, 1, 2)])[names(a)], a)
  skip_if_not_installed("future")

  old <- future::plan(future::multisession, workers = 2)
  withr::defer(future::plan(old))
  expect_equal(fit(sources), a)
})

test_that("no bad site aborts the others, and each says why", {
  withr::local_seed(1)
  sources <- sites_data()
  sources$empty <- sources$A[0, ]
  sources$tiny <- sources$A[1:4, ]
  sources$holes <- transform(sources$A, y = NA_real_)
  sources$columns <- sources$A["y"]
  sources$type <- transform(sources$A, x = as.character(x))
  sources$infinite <- transform(sources$A, x = replace(x, 3, Inf))
  sources$flat <- transform(sources$A, y = 1)
  sources$text <- "not a data frame"
  sites <- moe_sites(y ~ x + g, sources, K = 2)
  t <- sites$table
  row.names(t) <- t$site
  expect_equal(t[c("A", "B", "C"), "status"], rep("fitted", 3))
  expect_equal(t[c("empty", "tiny"), "status"], rep("skipped", 2))
  expect_equal(t["tiny", "n"], 4)
  expect_equal(t["tiny", "needs"], 2 * 4 + 4 + 2 + 1)
  failed <- c("columns", "type", "infinite", "flat", "text", "holes")
  expect_equal(t[failed, "status"], rep("failed", 6))
  expect_match(t["columns", "message"], "x")
  expect_match(t["type", "message"], "character")
  expect_match(t["infinite", "message"], "finite")
  expect_match(t["flat", "message"], "constant")
  expect_equal(sort(names(sites$models)), c("A", "B", "C"))
})

test_that("factor levels and bases are common to all sites, matched by name", {
  withr::local_seed(2)
  sources <- sites_data(1500)
  sources$A$g <- factor(as.character(sources$A$g), levels = c("c", "b", "a"))
  sources$B <- droplevels(sources$B[sources$B$g != "a", ])
  sources$C$g <- as.character(sources$C$g)
  sites <- moe_sites(y ~ scale(x) + g, sources, K = 2)
  expect_true(all(sites$table$status == "fitted"))
  columns <- lapply(sites$models, function(m) rownames(coef(m, "expert")))
  expect_length(unique(columns), 1)
  all_x <- unlist(lapply(sources, function(d) d$x))
  one <- sites$models$A
  grid <- data.frame(x = mean(all_x) + sd(all_x), g = "b")
  beta <- coef(one, "expert")
  base <- if ("gb" %in% rownames(beta)) beta["gb", ] else 0
  expect_equal(predict(one, grid, "expert")[1, ], beta["(Intercept)", ] + beta["scale(x)", ] + base)
})

test_that("a reversed response factor at one site is matched by name", {
  p <- ref_random_problem(3, "binomial", 1500, 2, 2, 1)
  d <- data.frame(x = p$x[, 2], y = factor(c("no", "yes")[p$y + 1], levels = c("no", "yes")))
  sources <- split(d, rep(1:3, 500))
  names(sources) <- c("A", "B", "C")
  flipped <- sources
  flipped$B$y <- factor(flipped$B$y, levels = c("yes", "no"))
  a <- moe_sites(y ~ x, sources, K = 1, family = binomial())
  b <- moe_sites(y ~ x, flipped, K = 1, family = binomial())
  expect_equal(coef(b$models$B), coef(a$models$B))
})

test_that("models carry no rows, and messages are small", {
  withr::local_seed(3)
  small <- moe_sites(y ~ x, sites_data(600), K = 2)
  large <- moe_sites(y ~ x, sites_data(60000), K = 2)
  size <- function(s) length(serialize(s$models[[1]], NULL))
  expect_lt(size(large), 1.2 * size(small))
  expect_lt(max(large$table$bytes), 6000)
  text <- jsonlite::fromJSON(moe_message(small$models$A, "A")$text)
  expect_identical(t(text$parameters$beta), unname(coef(small$models$A, "expert")))
})

test_that("formulas made inside functions do not carry data to the sites", {
  make <- function() {
    ballast <- stats::rnorm(1e6)
    cut <- 0.2
    list(f = y ~ I(x > cut) + x, size = length(ballast))
  }
  withr::local_seed(4)
  sites <- moe_sites(make()$f, sites_data(), K = 2)
  expect_true(all(sites$table$status == "fitted"))
  expect_lt(length(serialize(sites, NULL)), 1e5)
})

test_that("weights are a column of every source", {
  withr::local_seed(5)
  sources <- sites_data()
  start <- moe(y ~ x, do.call(rbind, sources), K = 2)
  weighted <- lapply(sources, function(d) transform(d, w = rep_len(1:2, nrow(d))))
  sites <- moe_sites(y ~ x, weighted, K = 2, weights = "w", start = start)
  expect_equal(coef(sites$models$A), coef(moe(y ~ x, weighted$A, start = start, weights = w)))
})
