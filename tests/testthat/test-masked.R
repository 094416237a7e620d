# Sums under masks: exact integers, masks that cancel, and rounds that are those without.

masked_case <- function(M = 16, rows = 400, family = "gaussian") {
  d <- two_experts(M * rows, family)
  # A column far from 0: what is summed about 0 must not lose it.
  d$v <- d$v + 2000
  sites <- sprintf("s%02d", seq_len(M))
  list(sources = split(d, rep(sites, rows)), model = suppressWarnings(moe(y ~ x + v + g, d[1:1500, ], K = 2,
    family = if (family == "poisson") poisson() else if (family == "multinomial") multinomial() else gaussian())))
}

test_that("numbers are encoded to the unit, added exactly and come back", {
  withr::local_seed(1)
  v <- c(stats::rnorm(2000) * 10^stats::runif(2000, -20, 33), 0, 1, -1, 2^111, -2^111, .Machine$double.eps)
  v <- v[abs(v) < 2^112]
  back <- cpp_fixed_decode(cpp_fixed_encode(matrix(v)))
  expect_identical(back[abs(v) > 2^-75, 1], v[abs(v) > 2^-75])
  expect_true(all(abs(back[, 1] - v) <= 2^-129))
  small <- cpp_fixed_decode(cpp_fixed_encode(matrix(2^-128 * c(1, -1, 0.6, 0.4))))
  expect_identical(small[, 1], 2^-128 * c(1, -1, 1, 0))
  for (bad in c(2^112, -2^112, Inf, NaN, NA)) expect_null(cpp_fixed_encode(matrix(c(1, bad))))
  # Whole numbers far apart: nothing of the small one is lost beside the large one.
  apart <- cpp_fixed_decode(cpp_fixed_encode(cbind(2^100, 3, -2^100)))
  expect_identical(apart[1, ], c(3, 0))
  expect_identical(cpp_fixed_decode(cpp_fixed_encode(cbind(2^60, 2^-40)))[1, ], c(2^60, 2^-40))
  # a + b - b, whatever b is.
  b <- as.raw(sample(0:255, 32 * length(v), TRUE))
  a <- cpp_fixed_encode(matrix(v))
  expect_identical(cpp_fixed_sum(list(a, b, b), c(FALSE, FALSE, TRUE)), a)
  expect_error(cpp_fixed_sum(list(a, b[-1]), c(FALSE, FALSE)))
})

test_that("seeds are those of RFC 5869 and RFC 7748, and both sides have the same", {
  skip_if_not_installed("openssl")
  expect_identical(hex_text(hkdf_bytes(as.raw(rep(11, 22)), as.raw(0:12), as.raw(0xf0:0xf9))),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
  keys <- lapply(1:2, function(i) openssl::x25519_keygen())
  public <- vapply(keys, function(k) hex_text(public_bytes(k)), "")
  seed <- pair_seed(keys[[1]], public[1], public[2], "one")
  expect_identical(pair_seed(keys[[2]], public[2], public[1], "one"), seed)
  expect_false(identical(pair_seed(keys[[1]], public[1], public[2], "two"), seed))
  # A public key of small order, with which everybody would know the secret.
  expect_error(pair_seed(keys[[1]], public[1], strrep("0", 64), "one"))
})

test_that("totals of 16 sites with 0, 1 and 3 drop-outs are those of the plain sums", {
  skip_if_not_installed("openssl")
  withr::local_seed(1)
  M <- 16
  keys <- lapply(seq_len(M), function(i) openssl::x25519_keygen())
  public <- vapply(keys, function(k) hex_text(public_bytes(k)), "")
  values <- lapply(seq_len(M), function(i) matrix(stats::rnorm(300) * 10^stats::runif(300, -8, 12)))
  seeds <- lapply(seq_len(M), function(i) {
    sapply(public[-i], function(p) pair_seed(keys[[i]], public[i], p, "one"), simplify = FALSE)
  })
  sent <- Map(masked_numbers, values, public, seeds)
  for (lost in list(integer(), 5, c(1, 7, 16))) {
    here <- setdiff(seq_len(M), lost)
    left <- lapply(stats::setNames(lost, public[lost]), function(j) {
      stats::setNames(lapply(here, function(i) seeds[[i]][[public[j]]]), public[here])
    })
    total <- unmasked_sum(sent[here], left)[, 1]
    plain <- Reduce(`+`, values[here])[, 1]
    expect_true(all(abs(total - plain) <= 1e-12 * Reduce(`+`, lapply(values[here], abs))))
    # Without the seeds of those that are missing there is no total.
    if (length(lost)) expect_true(stats::median(abs(unmasked_sum(sent[here])[, 1])) > 2^100)
  }
})

test_that("what the centre sees of one site is uniform, and of two exchanges without relation", {
  skip_if_not_installed("openssl")
  withr::local_seed(1)
  masks <- call_masks(c("A", "B", "C"))
  values <- matrix(rep(c(0, 1, -5), 2000))
  see <- function(number) masked_numbers(values, masks$A$own, masks$A$seeds, number)
  bits <- function(bytes) table(factor(as.integer(bytes), 0:255))
  one <- see(1)
  expect_gt(stats::chisq.test(bits(one))$p.value, 1e-6)
  # Each byte of a number, the highest too: what is plain has zeros there.
  for (i in c(1, 16, 32)) {
    expect_gt(stats::chisq.test(bits(one[seq(i, length(one), 32)]))$p.value, 1e-6)
  }
  expect_lt(suppressWarnings(stats::chisq.test(bits(cpp_fixed_encode(values))))$p.value, 1e-6)
  # Differences of two exchanges, and of two numbers of one.
  expect_gt(stats::chisq.test(bits(cpp_fixed_sum(list(one, see(2)), c(FALSE, TRUE))))$p.value, 1e-6)
  halves <- list(one[1:96000], one[96001:192000])
  expect_gt(stats::chisq.test(bits(cpp_fixed_sum(halves, c(FALSE, TRUE))))$p.value, 1e-6)
  expect_identical(see(1), one)
})

test_that("moments that add are those of all rows together", {
  case <- masked_case(4)
  d <- do.call(rbind, case$sources)
  moments <- function(data) moe_statistics(case$model, data)$moments$moments
  parts <- lapply(case$sources, function(data) moment_numbers(moments(data)))
  total <- cpp_fixed_decode(cpp_fixed_sum(lapply(unname(parts), cpp_fixed_encode), logical(4)))
  found <- total_moments(total, 5, 5)
  all <- moments(d)
  expect_identical(names(found), names(all))
  for (name in names(all)) expect_equal(found[[name]], all[[name]], tolerance = 1e-12, info = name)
})

test_that("masked rounds are the plain ones", {
  skip_if_not_installed("openssl")
  for (family in c("gaussian", "poisson", "multinomial")) {
    case <- masked_case(if (family == "gaussian") 16 else 3, 400, family)
    refine <- function(...) suppressWarnings(moe_refine(case$model, case$sources, rounds = 4, ...))
    plain <- refine()
    masked <- refine(masked = TRUE)
    expect_equal(coef(masked), coef(plain), tolerance = 1e-10)
    expect_equal(masked$refinement$rounds$objective, plain$refinement$rounds$objective, tolerance = 1e-12)
    expect_identical(masked$refinement$sites, plain$refinement$sites)
    expect_equal(masked$information$curvature, plain$information$curvature, tolerance = 1e-8)
    expect_identical(masked$dropped, plain$dropped)
  }
})

test_that("masks cost less than two plain rounds more", {
  skip_if_not_installed("openssl")
  skip_if(times_slower > 1, "another part of the work is slower")
  case <- masked_case(16, 1000)
  seconds <- function(...) {
    min(vapply(1:3, function(i) {
      sum(system.time(suppressWarnings(moe_refine(case$model, case$sources, rounds = 4, ...)))[1:2])
    }, 0))
  }
  seconds()
  expect_lt(seconds(masked = TRUE), 3 * seconds())
})

test_that("a round without a finite likelihood is not accepted under masks either, and the site is not told", {
  skip_if_not_installed("openssl")
  sums <- list(rows = 10, weight = 10, log_lik = -Inf, score = c(NaN, 1))
  fine <- list(rows = 5, weight = 5, log_lik = -7, score = c(1, 2))
  add <- function(...) {
    terms <- lapply(list(...), function(s) cpp_fixed_encode(sum_numbers(s)))
    total_sums(cpp_fixed_decode(cpp_fixed_sum(terms, logical(length(terms)))), fine)
  }
  expect_identical(add(fine, fine)$log_lik, -14)
  expect_identical(add(fine, sums)$log_lik, -Inf)
})

test_that("what can't be masked is refused", {
  skip_if_not_installed("openssl")
  case <- masked_case(2)
  expect_error(moe_refine(case$model, case$sources[1], masked = TRUE), "two sites")
  expect_error(masked_numbers(matrix(1e40), "a", list()), "2\\^112")
  rows <- signed_rows(c("a", "b", "c"))
  h <- suppressWarnings(moe_hierarchy(moe_sites(y ~ x, rows, K = 1, information = TRUE)))
  expect_error(moe_refine(h, rows, masked = TRUE), "hierarchy")
})
