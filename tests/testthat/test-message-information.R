# An information matrix that n rows can't have told is refused; those of honest fits never are.

info_data <- function(family, n = 300, seed = 1) {
  withr::local_seed(seed)
  d <- two_experts(n, family, seed)
  # Units of any size, for the response where it has some.
  d$x <- d$x * 10^stats::runif(1, -6, 6) + 10^stats::runif(1, -3, 4)
  if (family == "gaussian") d$y <- d$y * 10^stats::runif(1, -8, 8)
  if (family == "poisson") d$y <- d$y * sample(c(1, 1000), 1)
  d$weight <- stats::rexp(n) * 10^stats::runif(1, -4, 4)
  d
}

families <- all_families

test_that("matrices of honest fits are taken: units, weights, priors, fits that did not converge", {
  file <- withr::local_tempfile(fileext = ".json")
  settings <- list(list(), list(max_iterations = 1, newton = FALSE, starts = 1),
    list(expert_ridge = 1e5, gate_ridge = 1e3),
    list(lambda = 0.5, l1_share = 0), list(variance_prior = 50),
    list(max_iterations = 4, starts = 1, variance_prior = 0))
  count <- 0
  for (family in families) for (seed in 1:6) for (K in c(1, 3)) {
    d <- info_data(family, seed = seed)
    control <- do.call(moe_control, c(settings[[seed]], list(information = TRUE, singular_ok = TRUE)))
    fit <- suppressWarnings(moe(list(y ~ x + g, y ~ 0 + x + v)[[1 + seed %% 2]], d, K = K, family = family,
      weights = if (seed > 2) d$weight, control = control))
    if (is.null(fit$information)) next
    count <- count + 1
    forge(message_of(fit), file)
    expect_identical(read_moe(file)$information$curvature, fit$information$curvature)
    fit$information$curvature <- -fit$information$curvature
    forge(message_of(fit), file)
    expect_error(read_moe(file), "information.curvature", class = "moe_message_error")
  }
  expect_gt(count, 40)
})

test_that("matrices of sites with shares, of screened and refined aggregates are taken", {
  folder <- withr::local_tempfile()
  file <- withr::local_tempfile(fileext = ".json")
  for (family in families) {
    d <- info_data(family, 1200)
    d$y <- if (family == "gaussian") d$y / stats::sd(d$y) else d$y
    sources <- split(d, rep(LETTERS[1:6], each = 200))
    start <- suppressWarnings(moe(y ~ x + v, d, K = 2, family = family))
    share <- c("x", "gates", if (family == "gaussian") "moments")
    sites <- suppressWarnings(moe_sites(y ~ x + v, sources, K = 2, family = family, start = start, share = share,
      information = TRUE, weights = "weight"))
    write_moe(sites, folder, min_expert_rows = 0, min_rows_per_parameter = 0, overwrite = TRUE)
    read <- read_moe(folder)
    expect_identical(read$table$status, rep("fitted", 6))
    expect_identical(read$models$A$information$curvature, sites$models$A$information$curvature)
    aggregate <- suppressWarnings(moe_aggregate(sites, moe_support(sites, n = 500)))
    for (rounds in c(1, 5)) {
      refined <- suppressWarnings(moe_refine(aggregate, sources, rounds))
      write_moe(refined, file, "all", information = TRUE, min_expert_rows = 0, overwrite = TRUE)
      expect_identical(read_moe(file)$information$curvature, refined$information$curvature)
    }
  }
})

test_that("matrices that no rows can have told are refused", {
  file <- withr::local_tempfile(fileext = ".json")
  for (family in families) {
    d <- two_experts(400, family)
    fit <- suppressWarnings(moe(y ~ x + v, d, K = 2, family = family, control = moe_control(expert_ridge = 1)))
    expect_true(fit$record$converged)
    change <- function(f, info = fit$information) {
      out <- fit
      out$information <- f(info)
      forge(message_of(out), file)
      tryCatch({ read_moe(file); "" }, moe_message_error = function(e) e$field)
    }
    of <- function(f) change(function(info) { info$curvature <- f(info$curvature); info })
    expect_identical(of(identity), "")
    size <- nrow(fit$information$curvature)
    gate <- 2 * length(fit$parameters$beta) / 2 + 1
    expect_identical(of(function(m) -m), "information.curvature")
    expect_identical(of(function(m) 1e300 * m), "information.curvature")
    expect_identical(of(function(m) 1e25 * m), "information.curvature")
    expect_identical(of(function(m) { m[] <- 1e300; m }), "information.curvature")
    for (i in c(1, gate)) {
      expect_identical(of(function(m) { m[i, i] <- -m[i, i]; m }), "information.curvature")
      expect_identical(of(function(m) { m[i, i] <- 1e300; m }), "information.curvature")
    }
    expect_identical(of(function(m) { m[1, 2] <- m[2, 1] <- 1e300; m }), "information.curvature")
    expect_identical(of(function(m) { m[1, gate] <- m[gate, 1] <- -1e3 * max(m); m }), "information.curvature")
    if (family != "poisson") expect_identical(of(function(m) 1e3 * m), "information.curvature")
    expect_identical(of(function(m) { m[gate, gate] <- 401; m }), "information.curvature")
    # More rows than the model's own would allow more.
    expect_identical(change(function(info) { info$weight <- 1e9; info }), "information.weight")
    expect_identical(change(function(info) { info$rows <- 401; info }), "information.rows")
    # Of a fit that did not converge too.
    fit$record$converged <- FALSE
    expect_identical(of(function(m) -m), "information.curvature")
    expect_identical(of(function(m) { m[1, 2] <- m[2, 1] <- 1e300; m }), "information.curvature")
  }
})

test_that("other sums of squares and products must be some too", {
  d <- two_experts(400, "gaussian")
  start <- moe(y ~ x + v, d, K = 2)
  site <- moe_sites(y ~ x + v, list(A = d), K = 2, start = start, share = c("x", "gates"))$models$A
  first <- message_of(moe_statistics(start, d, site = "A"))
  file <- withr::local_tempfile(fileext = ".json")
  expect_no_error(read_moe(forge(message_of(site), file)))
  expect_no_error(read_moe(forge(first, file)))
  # Products larger than their squares allow.
  expect_error(read_moe(forge({ t <- message_of(site); t$shared$x$covariance[[2]] <- 50; t }, file)),
    "shared.x.covariance")
  expect_error(read_moe(forge({ t <- message_of(site); t$shared$gates$curvature[[2]] <- 1e4; t }, file)),
    "shared.gates.curvature")
  m <- first$moments$gram_x
  m[[2]][[3]] <- m[[3]][[2]] <- 1e6
  expect_error(read_moe(forge({ t <- first; t$moments$gram_x <- m; t }, file)), "moments.gram_x")
})
