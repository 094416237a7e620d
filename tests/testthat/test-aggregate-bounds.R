# Whatever a site claims, an aggregate of known sites hardly moves.

# Sites of 500 rows, alike, and a support that the centre holds.
alike_sites <- function(family, K = 2, count = 7, n = 500, seed = 1) {
  draw <- function(n) {
    x <- matrix(stats::rnorm(2 * n), n)
    k <- 1 + (stats::runif(n) > stats::plogis(0.3 + 1.5 * x[, 1] - 0.5 * x[, 2]))
    if (K == 3) k <- max.col(cbind(1.5 * x[, 1], -1.5 * x[, 1], 1.5 * x[, 2]) - log(-log(stats::runif(3 * n))))
    eta <- cbind(1 + x[, 1], -1 - x[, 1] + 0.5 * x[, 2], 4 + x[, 2])[cbind(seq_len(n), k)]
    y <- switch(family, gaussian = eta + stats::rnorm(n, sd = 0.5), poisson = stats::rpois(n, exp(0.5 + 0.5 * eta)))
    data.frame(x1 = x[, 1], x2 = x[, 2], y = y)
  }
  withr::with_seed(seed, {
    sources <- stats::setNames(lapply(seq_len(count), function(m) draw(n)), paste0("s", seq_len(count)))
    support <- draw(1500)
  })
  start <- moe(y ~ x1 + x2, support, K = K, family = family, control = moe_control(starts = 3), seed = 1)
  list(sites = moe_sites(y ~ x1 + x2, sources, start = start, information = TRUE, share = "x", seed = 1),
    support = support, registered = stats::setNames(rep(n, count), names(sources)))
}

# What a liar sends in the place of its model: coefficients shifted by so many of its own standard errors, in one
# direction or in any, turned round, of huge or tiny variances, and gates that are all for one expert, or for none.
lies_about <- function(model) {
  se <- sqrt(pmax(diag(vcov(model)), 1e-4))
  beta <- seq_along(model$parameters$beta)
  moved <- function(by) {
    model$parameters$beta[] <- model$parameters$beta + by[beta]
    model$parameters$alpha[] <- model$parameters$alpha + by[length(beta) + seq_along(model$parameters$alpha)]
    model
  }
  with <- function(part, f) {
    model$parameters[[part]][] <- f(model$parameters[[part]])
    model
  }
  signs <- withr::with_seed(7, sample(c(-1, 1), length(se), TRUE))
  out <- c(lapply(c(1, 3, 10, 1000, 1e8), function(k) moved(k * se)), lapply(c(1, 3, 10), function(k) moved(-k * se)),
    lapply(c(1, 3, 10), function(k) moved(k * signs * se)),
    list(with("beta", function(b) -b), with("beta", function(b) 0 * b),
      with("beta", function(b) b[, rev(seq_len(ncol(b)))]),
      with("alpha", function(a) -a), with("alpha", function(a) 50 + 0 * a), with("alpha", function(a) 0 * a)))
  if (has_dispersion(model)) {
    out <- c(out, lapply(c(1e-8, 0.1, 10, 1e8), function(f) with("dispersion", function(s) f * s)))
  }
  # Summaries of x that make the site's density the highest everywhere, or where the others have none.
  near <- far <- out[[2]]
  near$shared$x$covariance[] <- 0.3 * near$shared$x$covariance
  far$shared$x$covariance[] <- 1e6 * far$shared$x$covariance
  out <- c(out, list(near, far))
  # With as many rows, as much weight and as much information as it likes.
  lapply(out, function(m) {
    m$n <- m$weight <- 1e15
    m$information$curvature <- m$information$curvature * 1e15
    m$information$rows <- m$information$weight <- 1e15
    m
  })
}

# The largest change of a coefficient in standard deviations: of y for one of x; of gates on the scale of logits.
shift_between <- function(a, b, support) {
  order <- match_all(b, list(a), design_new(b$schema, support))[, 1]
  p <- relabel_parameters(a$parameters, order)
  sd <- c(1, stats::sd(support$x1), stats::sd(support$x2))
  y <- if (has_dispersion(a)) stats::sd(support$y) else 1
  c(expert = max(abs(sd * (p$beta - b$parameters$beta))) / y, gate = max(abs(sd * (p$alpha - b$parameters$alpha))))
}

quietly <- function(code) suppressWarnings(code)

test_that("a registered site that lies hardly moves the aggregate, with and without response at the support", {
  for (case in list(c("gaussian", 2), c("gaussian", 3), c("poisson", 2))) {
    g <- alike_sites(case[1], as.integer(case[2]))
    models <- g$sites$models
    for (columns in list(c("x1", "x2", "y"), c("x1", "x2"))) {
      aggregate <- function(models, ...) {
        quietly(moe_aggregate(models, g$support[columns], registered = g$registered, seed = 1, ...))
      }
      honest <- aggregate(models[1:6])
      expect_setequal(names(used_models(honest)), names(models)[1:6])
      # One of the Poisson fits is in a mode of its own.
      expect_lte(nrow(honest$aggregation$bounds), if (case[1] == "gaussian") 0 else 1)
      expect_false(any(honest$aggregation$screening$table$outlying))
      worst <- vapply(lies_about(models$s7), function(lie) {
        shift_between(aggregate(c(models[1:6], list(s7 = lie))), honest, g$support)
      }, c(expert = 0, gate = 0))
      expect_lt(max(worst["expert", ]), 0.1)
      # The gates are known to about 0.2 at each site.
      expect_lt(max(worst["gate", ]), 0.25)
      # The seventh site's honest model moves it as much.
      expect_gt(shift_between(aggregate(models), honest, g$support)["expert"], max(worst["expert", ]) / 5)
    }
  }
})

test_that("invented sites are left out by name, and honest ones are not", {
  g <- alike_sites("gaussian")
  models <- g$sites$models[1:6]
  bad <- models$s1
  bad$parameters$beta[] <- bad$parameters$beta + 2
  invented <- stats::setNames(rep(list(bad), 20), paste0("x", 1:20))
  for (columns in list(c("x1", "x2", "y"), c("x1", "x2"))) {
    honest <- moe_aggregate(models, g$support[columns], registered = g$registered[1:6], seed = 1)
    # Without what the centre knows they decide.
    open <- quietly(moe_aggregate(c(models, invented), g$support[columns], seed = 1))
    expect_gt(shift_between(open, honest, g$support)["expert"], 0.3)
    expect_warning(got <- moe_aggregate(c(models, invented), g$support[columns], registered = g$registered[1:6],
      seed = 1), "20 sites are not among those", class = "moe_stranger_warning")
    expect_equal(coef(got), coef(honest))
    expect_setequal(names(used_models(got)), names(models))
    expect_output(print(got), "6 of 26 sites, 3,000 of 3,000 rows")
    expect_output(print(got), "x1 \\(unknown, rows unknown\\)")
  }
  # By names alone; who is missing is said.
  expect_warning(by_name <- moe_aggregate(models, g$support, expected_sites = c(names(models), "s9")), "\"s9\"")
  expect_length(used_models(by_name), 6)
})

test_that("who was bounded is named in the print", {
  g <- alike_sites("gaussian")
  models <- g$sites$models
  models$s7 <- lies_about(models$s7)[[4]]
  got <- quietly(moe_aggregate(models, g$support[1:2], registered = g$registered, screen = FALSE))
  expect_identical(got$aggregation$bounds$site, "s7")
  expect_equal(got$aggregation$bounds$counted, 500)
  expect_lt(got$aggregation$bounds$counts, 0.05)
  expect_output(print(got), "Bounded: s7 \\(claims 1e\\+15, counts as 500; counts by 0.02")
  # Standard errors are not those of 1e15 rows.
  alone <- moe_aggregate(models[1:6], g$support[1:2], registered = g$registered[1:6])
  expect_gt(min(diag(vcov(got)) / diag(vcov(alone))), 0.5)
})

test_that("weights are capped by registered rows, usual weights and the largest share", {
  model <- function(n, weight = n) list(n = n, weight = weight)
  models <- list(a = model(500), b = model(1e15), c = model(400, 1e15), d = model(300), e = model(200))
  expect_equal(known_weights(models, c(a = 500, b = 500, c = 500, d = 500, e = 100)),
    c(a = 500, b = 500, c = 500, d = 300, e = 100))
  for (most in c(0.25, 0.3, 0.5)) {
    w <- c(a = 1e9, b = 700, c = 200, d = 100, e = 90)
    got <- capped_weights(w, most)
    expect_lte(max(got / sum(got)), most + 1e-9)
    expect_true(all(got <= w))
    expect_equal(got[got / sum(got) < most - 1e-6], w[got / sum(got) < most - 1e-6])
  }
  expect_equal(unname(capped_weights(c(5, 9, 7), 0.1)), c(5, 5, 5))
  expect_equal(capped_weights(c(5, 9), NULL), c(5, 9))
  g <- alike_sites("gaussian", count = 3)
  models <- g$sites$models
  models$s1$n <- models$s1$weight <- 1e9
  got <- moe_aggregate(models, g$support[1:2], weights = "size", max_weight_share = 0.5)
  expect_equal(max(got$aggregation$lambda), 0.5, tolerance = 1e-6)
  expect_output(print(got), "Bounded: s1 \\(claims 1e\\+09, counts as 1,000\\)")
})

test_that("sums and information count less with the rows, and density weights with them", {
  g <- alike_sites("gaussian", count = 3)
  m <- g$sites$models$s1
  half <- scale_claim(m, 0.5)
  expect_equal(half$n, 250)
  expect_equal(half$information$curvature, m$information$curvature / 2)
  expect_equal(half$shared$x$n, 250)
  expect_identical(half$parameters, m$parameters)
  m$shared$moments <- list(mass = c(200, 300), factor = array(2, c(1, 1, 2)))
  expect_equal(scale_claim(m, 0.25)$shared$moments$factor[1]^2, 1)
})

test_that("a site of another number of experts is left out by name, and few sites are said not to be bounded", {
  g <- alike_sites("gaussian", count = 4)
  models <- g$sites$models
  models$s4 <- moe_sites(y ~ x1 + x2, list(s4 = g$support), K = 1)$models$s4
  expect_warning(got <- moe_aggregate(models, g$support[1:2], K = 2, registered = g$registered), "s4.*left out")
  expect_setequal(names(used_models(got)), c("s1", "s2", "s3"))
  two <- moe_aggregate(models[1:2], g$support[1:2], registered = g$registered[1:2])
  expect_match(two$aggregation$notes, "fewer than three sites", all = FALSE)
})

test_that("arguments are checked", {
  g <- alike_sites("gaussian", count = 3)
  aggregate <- function(...) moe_aggregate(g$sites, g$support[1:2], ...)
  expect_error(aggregate(registered = c(1, 2)), "registered", class = "moe_input_error")
  expect_error(aggregate(registered = c(s1 = 0)), "registered", class = "moe_input_error")
  expect_error(aggregate(expected_sites = 3), "expected_sites", class = "moe_input_error")
  expect_error(aggregate(max_weight_share = 0), "max_weight_share", class = "moe_input_error")
  expect_error(aggregate(registered = c(no = 5)), "None of the sites", class = "moe_input_error")
  expect_error(aggregate(registered = c(s1 = 5), expected_sites = "s2"), "No site is both", class = "moe_input_error")
})

test_that("answers of rounds are refused from strangers, and of more rows than registered", {
  d <- two_experts(400, "gaussian")
  model <- moe(y ~ x, d, K = 1)
  answers <- list(moe_statistics(model, d[1:200, ], site = "A"), moe_statistics(model, d[201:400, ], site = "B"))
  expect_s3_class(moe_update(model, answers, registered = c(A = 200, B = 250)), "moe")
  refused <- function(...) conditionMessage(expect_error(moe_update(model, answers, registered = c(...)),
    class = "moe_input_error"))
  expect_match(refused(A = 200), "Site \"B\" is not a site that the centre knows")
  expect_match(refused(A = 100, B = 200), "Site \"A\" claims 200 rows, and is registered with 100")
  answers[[2]]$moments$moments$weight <- 1e12
  expect_match(refused(A = 200, B = 200), "Site \"B\" claims weights")
})

test_that("a hierarchy of a bounded aggregate is bounded", {
  g <- alike_sites("gaussian")
  models <- g$sites$models
  population <- function(models) {
    quietly(moe_hierarchy(moe_aggregate(models, g$support[1:2], registered = g$registered, seed = 1)))
  }
  honest <- population(models[1:6])
  for (lie in lies_about(models$s7)[c(2, 4, 12, 15)]) {
    got <- population(c(models[1:6], list(s7 = lie)))
    expect_lt(shift_between(got, honest, g$support)["expert"], 0.1)
  }
})
