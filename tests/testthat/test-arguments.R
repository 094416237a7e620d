# Arguments that may be spelled in more than one way mean the same.

d <- crossing_lines(300)
d$case <- rep(c(1, 2, 0.5), 100)
d$site <- rep(c("B", "A", "C"), each = 100)
d$f <- d$y > withr::with_seed(1, rnorm(300))
sources <- split(d[names(d) != "site"], d$site)
few <- moe_control(starts = 3)
same <- function(a, b) expect_equal(coef(a), coef(b), tolerance = 1e-10)

test_that("weights are bare or quoted everywhere", {
  start <- moe(y ~ x, d, K = 2, start = d$label)
  held <- "case"
  expected <- moe(y ~ x, d, weights = case, start = start)
  same(moe(y ~ x, d, weights = "case", start = start), expected)
  same(moe(y ~ x, d, weights = held, start = start), expected)
  same(moe(y ~ x, d, weights = d$case, start = start), expected)
  same(moe(y ~ x, moe_source(d), weights = "case", start = start), expected)
  expect_equal(coef(moe(y ~ x, moe_source(d, memory_rows = 10), weights = "case", start = start)), coef(expected),
    tolerance = 1e-6)
  expect_error(moe(y ~ x, d, K = 1, weights = "nosuch"), "nosuch", class = "moe_input_error")
  at_sites <- function(...) moe_sites(y ~ x, sources, start = start, ...)
  expect_equal(coef(moe_sites(y ~ x, sources, start = start, weights = case)), coef(at_sites(weights = "case")))
  expect_equal(coef(moe_sites(y ~ x, sources, start = start, weights = held)), coef(at_sites(weights = "case")))
  expect_equal(coef(at_sites(weights = NULL)), coef(moe_sites(y ~ x, sources, start = start)))
  bare <- moe_distributed(y ~ x, d, sites = "site", pilot = start, weights = case)
  quoted <- moe_distributed(y ~ x, d, sites = "site", pilot = start, weights = "case")
  same(bare, quoted)
  same(moe_refine(start, sources, weights = case), moe_refine(start, sources, weights = "case"))
  expect_equal(moe_statistics(start, d, weights = case), moe_statistics(start, d, weights = "case"))
  pick <- function(...) suppressWarnings(moe_select(y ~ x, d, K = 1:2, ..., seed = 1))$path$BIC
  expect_equal(suppressWarnings(moe_select(y ~ x, d, K = 1:2, weights = case, seed = 1))$path$BIC,
    pick(weights = "case"))
  expect_equal(moe_path(y ~ x, d, K = 2, n_lambda = 2, weights = case, start = start)$path$BIC,
    moe_path(y ~ x, d, K = 2, n_lambda = 2, weights = "case", start = start)$path$BIC)
})

test_that("sites are a list, or a data frame and what says whose its rows are", {
  start <- moe(y ~ x, d, K = 2, start = d$label)
  listed <- moe_sites(y ~ x, sources, start = start)
  for (sites in list("site", d$site)) {
    framed <- moe_sites(y ~ x, d, start = start, sites = sites)
    expect_equal(coef(framed), coef(listed))
  }
  expect_equal(nrow(moe_sites(y ~ x, d, start = start, sites = 2)$table), 2)
  # The column of sites is no covariate.
  expect_identical(rownames(coef(moe_sites(y ~ ., d[c("y", "x", "site")], K = 1, sites = "site"))),
    c("expert1:(Intercept)", "expert1:x", "dispersion1"))
  expect_error(moe_sites(y ~ x, d, K = 1), "sites", class = "moe_input_error")
  expect_error(moe_sites(y ~ x, sources, K = 1, sites = "site"), "data frame", class = "moe_input_error")
  same(moe_refine(start, d, sites = "site"), moe_refine(start, sources))
  by_column <- moe_distributed(y ~ x, d, sites = "site", pilot = start)
  same(moe_distributed(y ~ x, sources, pilot = start), by_column)
  expect_error(moe_distributed(y ~ x, sources, K = 2, sites = 3), "names of a list", class = "moe_input_error")
  expect_error(moe_distributed(y ~ x, d, K = 2), "`sites` is missing", class = "moe_input_error")
  expect_error(moe_distributed(y ~ x, lapply(sources, moe_source), K = 2), "moe_sites", class = "moe_input_error")
})

test_that("a start brings its family along", {
  start <- moe(f ~ x, d, K = 2, family = binomial(), start = d$label, control = list(expert_ridge = 0.1))
  sites <- moe_sites(f ~ x, sources, start = start)
  expect_identical(family(sites)$family, "binomial")
  expect_equal(coef(sites), coef(moe_sites(f ~ x, sources, start = start, family = binomial())))
  expect_identical(family(moe(f ~ x, d, start = start))$family, "binomial")
  expect_identical(family(moe_distributed(f ~ x, d, sites = "site", pilot = start))$family, "binomial")
  expect_identical(family(moe_path(f ~ x, d, start = start, n_lambda = 2)$model)$family, "binomial")
  by_matrix <- moe(cbind(x = d$x), d$f, K = 2, family = binomial(), start = d$label, control = list(expert_ridge = 0.1))
  expect_identical(family(moe(cbind(x = d$x), d$f, start = by_matrix))$family, "binomial")
  expect_error(moe_sites(f ~ x, sources, start = start, family = gaussian()), "family", class = "moe_input_error")
})

test_that("influence is by the support that the aggregate keeps", {
  start <- moe(y ~ x, d, K = 2, start = d$label)
  sites <- moe_sites(y ~ x, sources, start = start)
  support <- moe_support(d, site = d$site)
  kept <- moe_aggregate(sites, support)
  expect_equal(moe_influence(kept), moe_influence(kept, support))
  lean <- moe_aggregate(sites, support, keep = FALSE)
  expect_null(lean$support)
  expect_error(moe_influence(lean), "keep = TRUE", class = "moe_input_error")
  expect_equal(moe_influence(lean, support), moe_influence(kept))
  expect_no_error(moe_influence(moe_distributed(y ~ x, d, sites = "site", pilot = start)))
  # It does not travel.
  expect_lt(nchar(moe_message(kept, "A")$text), 20000)
  expect_null(moe_sites(y ~ x, sources, start = kept)$models$A$support)
})

test_that("control may be a list, with the function's own defaults", {
  for (control in list(list(starts = 3), few)) {
    set.seed(1)
    a <- moe(y ~ x, d, K = 2, control = control)
    set.seed(1)
    same(a, moe(y ~ x, d, K = 2, control = few))
  }
  expect_identical(moe(y ~ x, d, K = 1, control = list())$parameters, moe(y ~ x, d, K = 1)$parameters)
  constant <- lapply(sources, function(s) transform(s, z = 1))
  constant$A$z <- constant$A$x^2
  expect_true(all(moe_sites(y ~ x + z, constant, K = 1, control = list(starts = 2))$table$status == "fitted"))
  expect_error(moe(y ~ x, d, K = 1, control = list(start = 2)), "Do you mean `starts`", class = "moe_input_error")
  expect_error(moe(y ~ x, d, K = 1, control = list(2)), "by name", class = "moe_input_error")
  expect_error(moe_select(y ~ x, d, control = list(starts = 0)), "starts", class = "moe_input_error")
})

test_that("seed makes a fit repeatable and leaves the generator as it was", {
  fitted_sites <- moe_sites(y ~ x, sources, K = 2, control = few)
  run <- list(
    function(seed) coef(moe(y ~ x, d, K = 2, control = few, seed = seed)),
    function(seed) coef(moe(cbind(x = d$x), d$y, K = 2, control = few, seed = seed)),
    function(seed) suppressWarnings(moe_select(y ~ x, d, K = 1:2, control = few, seed = seed))$path$BIC,
    function(seed) moe_path(y ~ x, d, K = 2, n_lambda = 2, control = few, seed = seed)$path$BIC,
    function(seed) coef(moe_sites(y ~ x, sources, K = 2, control = few, seed = seed)),
    function(seed) coef(moe_aggregate(fitted_sites, d, seed = seed)),
    function(seed) coef(moe_distributed(y ~ x, d, K = 2, sites = 2, control = few, seed = seed)))
  for (f in run) {
    set.seed(9)
    before <- .Random.seed
    first <- f(1)
    expect_identical(.Random.seed, before)
    expect_identical(f(1), first)
    set.seed(1)
    expect_identical(f(NULL), first)
  }
  expect_error(moe(y ~ x, d, K = 1, seed = "a"), "seed", class = "moe_input_error")
})

test_that("names that are nearly right are told", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error", fixed = TRUE)
  bad(moe(y ~ x, d, k = 2), "Do you mean `K`?")
  bad(moe(cbind(x = d$x), d$y, k = 2), "Do you mean `K`?")
  bad(moe_select(y ~ x, d, k = 1:2), "Do you mean `K`?")
  bad(moe(y ~ x, d, K = 2, wieghts = d$case), "Do you mean `weights`?")
  bad(predict(moe(y ~ x, d, K = 1), d, tpye = "gate"), "Do you mean `type`?")
})

test_that("a support sample takes the name of a column for its sites", {
  d <- data.frame(x = 1:4, place = c("a", "b", "b", "a"))
  expect_identical(moe_support(d, site = "place"), moe_support(d, site = d$place))
  expect_identical(moe_support(d[1, ], site = "north")$site, "north")
  expect_error(moe_support(d, site = "nowhere"), "1 value", class = "moe_input_error")
})

test_that("no number of experts is too large to be refused in words", {
  expect_no_warning(expect_error(moe(dist ~ speed, cars, K = 1e9), "at least 4,999,999,999 rows",
    class = "moe_input_error"))
})

test_that("a seed leaves the kind of generator as it was, also where no number was drawn before", {
  withr::local_preserve_seed()
  suppressWarnings(rm(".Random.seed", envir = globalenv()))
  kind <- RNGkind()
  d <- two_experts(200, "gaussian")
  suppressWarnings(rm(".Random.seed", envir = globalenv()))
  moe_sites(y ~ x, list(A = d[1:100, ], B = d[101:200, ]), K = 1, seed = 1)
  expect_false(exists(".Random.seed", globalenv(), inherits = FALSE))
  expect_identical(RNGkind(), kind)
})
