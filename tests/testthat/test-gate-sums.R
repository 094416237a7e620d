# Gates from the sites' sums over all rows (share = "gates").

shared_sites <- function(family = "gaussian", n = 1500, share = "gates", seed = 9) {
  sim <- moe_simulate(n, K = 3, d = 2, seed = seed, family = family)
  site <- rep(c("A", "B", "C"), length.out = n)
  start <- suppressWarnings(moe(y ~ ., sim$data[1:600, ], K = 3, family = family))
  list(data = sim$data, site = site, start = start,
    sites = suppressWarnings(moe_sites(y ~ ., split(sim$data, site), start = start, family = family, share = share)))
}

plain <- function(sites) {
  sites$models <- lapply(sites$models, function(m) {
    m$shared <- NULL
    m
  })
  sites
}

test_that("with all rows as support they are those of the sites asked about their own rows", {
  withr::local_seed(9)
  for (family in c("gaussian", "poisson", "Gamma", "negative_binomial")) {
    p <- shared_sites(family, seed = 1)  # the experts differ: all runs of the reduction end alike
    all_rows <- moe_support(p$data, site = p$site)
    with <- moe_aggregate(p$sites, moe_support(p$data), weights = "size", control = list(gate_ridge = 0))
    without <- moe_aggregate(plain(p$sites), all_rows, weights = "site", control = list(gate_ridge = 0))
    expect_true(with$aggregation$gates_from_sums)
    expect_false(without$aggregation$gates_from_sums)
    order <- match_all(without, list(with), support_design(moe_support(p$data), with$schema))[, 1]
    expect_equal(unname(relabel_gates(with$parameters$alpha, order)), unname(without$parameters$alpha),
      tolerance = 1e-6)
    expect_output(print(with), "gates from the sites' sums")
  }
})

test_that("the sums are those of plain R, at the start's gates and the site's", {
  withr::local_seed(9)
  p <- shared_sites()
  rows <- p$site == "B"
  z <- cbind(1, as.matrix(p$data[rows, c("x1", "x2")]))
  shared <- p$sites$models$B$shared$gates
  own <- ref_gates(z, p$sites$models$B$parameters$alpha)
  pi <- ref_gates(z, p$start$parameters$alpha)
  expect_equal(shared$own, unname(crossprod(z, own)))
  expect_equal(shared$expected, unname(crossprod(z, pi)))
  expect_equal(shared$reference, unname(p$start$parameters$alpha))
  hessian <- ref_gate_hessian(z, pi, p$start$parameters$alpha, rep(1, nrow(z)), 0, rep(0, 3))
  expect_equal(shared$curvature, hessian, tolerance = 1e-10)
})

test_that("points other than the rows do little harm, in any order of the start's labels", {
  withr::local_seed(9)
  sim <- moe_simulate(12000, K = 3, d = 6, seed = 11)
  d <- sim$data
  sources <- split(d, rep_len(sprintf("s%02d", 1:20), 12000))
  start <- moe(y ~ ., d[1:1500, ], K = 3)
  pooled <- moe(y ~ ., d, K = 3, start = start)
  points <- moe_support(d[seq(1, 12000, by = 6), ])
  fits <- lapply(list(1:3, c(2, 3, 1)), function(order) {
    sites <- suppressWarnings(moe_sites(y ~ ., sources, start = relabel(start, order), share = "gates"))
    moe_aggregate(sites, points, weights = "size")
  })
  rough <- suppressWarnings(moe_aggregate(plain(fits[[1]]$sites), points, weights = "size"))
  distance <- function(model) as.numeric(logLik(pooled)) - as.numeric(logLik(model, d))
  for (fit in fits) {
    expect_true(fit$aggregation$gates_from_sums)
    expect_lt(distance(fit), distance(rough))
  }
  expect_equal(predict(fits[[1]], d), predict(fits[[2]], d), tolerance = 1e-6)
})

test_that("they are left aside where they are not all there, asked away, or of another K", {
  withr::local_seed(9)
  p <- shared_sites()
  points <- moe_support(p$data)
  used <- function(sites, ...) moe_aggregate(sites, points, weights = "size", ...)$aggregation$gates_from_sums
  lacking <- p$sites
  lacking$models$A$shared <- NULL
  expect_false(used(lacking))
  expect_false(used(p$sites, moments = FALSE))
  expect_false(used(p$sites, plan = "pointwise"))
  expect_false(used(p$sites, K = 2))
  other <- p$sites
  other$models$A$shared$gates$reference <- other$models$A$shared$gates$reference + 1
  expect_false(used(other))
  expect_error(moe_sites(y ~ ., split(p$data, p$site), K = 2, share = "gates"), "needs a `start`",
    class = "moe_input_error")
})
