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
  sums <- list(rows = 10, weight = 10, log_lik = -Inf, score = c(NaN, 1), mass = c(4, 6))
  fine <- list(rows = 5, weight = 5, log_lik = -7, score = c(1, 2), mass = c(2, 3))
  add <- function(...) {
    terms <- lapply(list(...), function(s) cpp_fixed_encode(sum_numbers(s)))
    total_sums(cpp_fixed_decode(cpp_fixed_sum(terms, logical(length(terms)))), fine)
  }
  expect_identical(add(fine, fine)$log_lik, -14)
  expect_identical(names(add(fine, fine)), names(fine))
  # Several responses a row at one site alone.
  several <- c(fine, list(responses = c(5, 7)))
  expect_identical(add(fine, several)$responses, c(7, 10))
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

# ---- by files --------------------------------------------------------------------------------

masked_study <- function(sites = c("north", "south", "west", "east"), frame = parent.frame()) {
  s <- signed_study(sites, frame = frame)
  s$rows <- signed_rows(sites)
  s$pilot <- withr::with_seed(1, moe(y ~ x, crossing_lines(300, seed = 99)[c("x", "y")], K = 2))
  s$answer <- function(m, file, rows = s$rows[[m]], ...) {
    model <- read_moe(file, registry = s$registry(m))
    found <- moe_statistics(model, rows, masked = TRUE, key = s$key(m), registry = s$registry(m))
    write_moe(found, file.path(s$box, paste0(m, ".json")), key = s$key(m), registry = s$registry(m), overwrite = TRUE,
      ...)
  }
  s$update <- function(file) {
    moe_update(read_moe(file, registry = s$registry("centre")), s$box, registry = s$registry("centre"))
  }
  s
}

test_that("masked rounds by signed files are the plain ones", {
  s <- masked_study()
  model <- plain <- s$pilot
  for (round in 0:3) {
    file <- send_start(s, model, paste0("model-", round, ".json"))
    for (m in s$sites) s$answer(m, file)
    model <- s$update(file)
    plain <- moe_update(plain, lapply(s$sites, function(m) moe_statistics(plain, s$rows[[m]], site = m)))
  }
  expect_equal(coef(model), coef(plain), tolerance = 1e-10)
  expect_identical(model$rounds$sites, plain$rounds$sites)
  expect_equal(model$rounds$table$objective, plain$rounds$table$objective, tolerance = 1e-12)
  # No sum is in the message.
  tree <- jsonlite::parse_json(readLines(file.path(s$box, "north.json")))
  expect_null(tree$sums)
  expect_null(tree$moments)
  expect_identical(sort(unlist(tree$masked$among)), sort(s$sites))
  bytes <- hex_bytes(paste(unlist(tree$masked$values), collapse = ""))
  expect_gt(stats::chisq.test(table(factor(as.integer(bytes) %/% 16, 0:15)))$p.value, 1e-6)
})

test_that("missing sites are taken out of the total by a second message", {
  s <- masked_study()
  first <- send_start(s, s$pilot, "model-0.json")
  for (m in s$sites) s$answer(m, first)
  model <- s$update(first)
  file <- send_start(s, model, "model-1.json")
  for (m in s$sites) s$answer(m, file)
  unlink(file.path(s$box, "west.json"))
  left <- setdiff(s$sites, "west")
  expect_error(suppressWarnings(s$update(file)), "masks of .*west", class = "moe_masks_left")
  ask <- function(name = "missing.json", ...) {
    moe_recovery(s$box, s$at("centre", name), s$key("centre"), s$registry("centre"), ...)
  }
  expect_identical(ask(), "west")
  expect_output(print(read_moe(s$at("centre", "missing.json"))), "4 sites of a masked exchange.*west")
  reveal <- function(m, request = s$at("centre", "missing.json"), file = file.path(s$box, paste0(m, "-seeds.json"))) {
    moe_reveal(request, file, s$key(m), s$registry(m), overwrite = TRUE)
  }
  # Who is said to be missing, and who did not answer, reveal nothing.
  expect_error(reveal("west"), "itself is missing")
  for (m in left[-1]) reveal(m)
  expect_error(suppressWarnings(s$update(file)), "has not revealed", class = "moe_masks_left")
  reveal(left[1])
  expect_output(print(read_moe(file.path(s$box, "north-seeds.json"))), "north.*shared with west")
  found <- suppressWarnings(s$update(file))
  expect_identical(found$rounds$sites$site, sort(left))
  rows <- s$rows[left]
  plain <- model
  plain$rounds$sites <- plain$rounds$sites[plain$rounds$sites$site != "west", ]
  plain <- moe_update(plain, lapply(left, function(m) moe_statistics(model, rows[[m]], site = m)))
  expect_equal(coef(found), coef(plain), tolerance = 1e-10)
  expect_equal(found$log_lik, plain$log_lik, tolerance = 1e-12)
  # The next exchange is among those that are left.
  file <- send_start(s, found, "model-2.json")
  unlink(list.files(s$box, full.names = TRUE))
  for (m in left) s$answer(m, file)
  expect_identical(suppressWarnings(s$update(file))$rounds$number, 3L)
  expect_error(s$answer("west", file), "without site")
  # One set of missing sites in an exchange: with two the centre could see one of them through.
  unlink(file.path(s$box, "east.json"))
  expect_identical(ask("one.json"), "east")
  reveal("south", s$at("centre", "one.json"), s$at("a.json"))
  s$answer("east", file)
  unlink(file.path(s$box, "north.json"))
  expect_identical(ask("two.json"), "north")
  expect_error(reveal("south", s$at("centre", "two.json"), s$at("b.json")), "another message|revealed before")
  # Without the second look into its log too.
  expect_error(reveal("east", s$registry("centre"), s$at("c.json")), class = "moe_input_error")
  unlink(file.path(s$box, "south.json"))
  expect_error(ask("three.json"), "left")
})

test_that("masks can't be had twice, mixed, or for another message", {
  s <- masked_study(c("north", "south"))
  file <- send_start(s, s$pilot, "model-0.json")
  for (m in s$sites) s$answer(m, file)
  # The same answer again is the same message; another one would tell a difference.
  expect_no_error(s$answer("north", file))
  expect_error(s$answer("north", file, s$rows$north[-1, ]), "answered before", class = "moe_input_error")
  expect_error(s$answer("north", file, log = FALSE), "log")
  good <- s$update(file)
  model <- read_moe(file, registry = s$registry("north"))
  masked <- function(...) moe_statistics(model, s$rows$north, masked = TRUE, ...)
  expect_error(masked(), "key")
  expect_error(masked(key = s$key("centre"), registry = s$registry("centre")), "centre's")
  expect_error(masked(key = s$key("north"), registry = s$registry("north"), site = "south"), "registry's name")
  expect_error(moe_statistics(read_moe(file), s$rows$north, masked = TRUE, key = s$key("north"),
    registry = s$registry("north")), "not read as the centre's")
  expect_error(write_moe(masked(key = s$key("north"), registry = s$registry("north")), s$at("bare.json")), "signed")
  # A plain answer among masked ones.
  file.copy(file.path(s$box, "north.json"), s$at("kept.json"))
  answer_round(s, "north", file, s$rows$north)
  expect_error(s$update(file), "not masked.*north")
  # Masks that are not the others' too: the total is no sum, and is not taken for one.
  file.copy(s$at("kept.json"), file.path(s$box, "north.json"), overwrite = TRUE)
  found <- masked(key = s$key("north"), registry = s$registry("north"))
  found$masked$values <- cpp_fixed_sum(list(found$masked$values, mask_bytes(raw(32), length(found$masked$values) / 32)),
    c(FALSE, FALSE))
  tree <- jsonlite::parse_json(readLines(file.path(s$box, "north.json")))
  tree$masked <- jsonlite::parse_json(json_text(masked_tree(found$masked)))
  forge(tree, file.path(s$box, "north.json"))
  resigned(file.path(s$box, "north.json"), key = s$key("north"))
  expect_error(s$update(file), "do not add up")
  # Fields of the text.
  at <- file.path(s$box, "north.json")
  s$answer("south", file)
  fault <- function(change) {
    trust <- open_trust(s$registry("centre"), FALSE)
    try_message(resigned(at, change, s$key("north"), s$at("x.json")), 5e7, list(trust = trust, from = "site"))$field
  }
  expect_identical(fault(function(t) { t$masked$values[[1]] <- "00"; t }), "masked.values")
  expect_identical(fault(function(t) { substr(t$masked$values[[1]], 1, 1) <- "g"; t }), "masked.values")
  expect_identical(fault(function(t) { t$masked$dropped <- -1; t }), "masked.dropped")
  expect_identical(fault(function(t) { t$sums <- list(); t }), "masked")
})
