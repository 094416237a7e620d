linear_sites <- function(seed, rows = rep(c(15, 40, 80), 4)) {
  set.seed(seed)
  site <- rep(sprintf("s%02d", seq_along(rows)), rows)
  x <- rnorm(sum(rows))
  x <- (x - mean(x)) / sqrt(mean((x - mean(x))^2))
  b <- cbind(rnorm(length(rows), 1, 0.6), rnorm(length(rows), -0.5, 0.3))[match(site, unique(site)), ]
  data.frame(site, x, eta = b[, 1] + b[, 2] * x)
}

test_that("rounds of Gaussian regressions end at lme4's mixed model", {
  skip_if_not_installed("lme4")
  d <- linear_sites(2)
  d$y <- d$eta + rnorm(nrow(d))
  sources <- split(d, d$site)
  sites <- moe_sites(y ~ x, sources, K = 1, information = TRUE)
  h <- moe_hierarchy(sites, effects = c("expert:(Intercept)", "expert:x"))
  h <- moe_refine(h, sources, rounds = 20)
  m <- lme4::lmer(y ~ x + (1 + x || site), d, REML = FALSE,
    control = lme4::lmerControl(optCtrl = list(xtol_abs = 1e-10, ftol_abs = 1e-10)))
  expect_true(h$record$converged)
  expect_equal(unname(fixef(h)), unname(c(lme4::fixef(m), sigma(m)^2)), tolerance = 1e-4)
  spread <- as.data.frame(lme4::VarCorr(m))$sdcor[1:2]
  expect_equal(unname(attr(VarCorr(h), "stddev"))[1:2], spread, tolerance = 1e-4)
  expect_equal(unname(as.matrix(coef(h)[, 1:2])), unname(as.matrix(coef(m)$site)), tolerance = 1e-4)
  expect_equal(unname(vcov(h)[1:2, 1:2]), unname(as.matrix(vcov(m))), tolerance = 1e-3)
  expect_equal(as.numeric(logLik(h)), as.numeric(logLik(m)), tolerance = 1e-6)
  expect_equal(attr(logLik(h), "df"), 5)
})

test_that("rounds of logistic and Poisson regressions end near glmer's", {
  skip_if_not_installed("lme4")
  d <- linear_sites(2)
  for (family in c("binomial", "poisson")) {
    d$y <- if (family == "binomial") rbinom(nrow(d), 1, plogis(d$eta)) else rpois(nrow(d), exp(d$eta))
    sources <- split(d, d$site)
    start <- moe(y ~ x, d, K = 1, family = family)
    sites <- moe_sites(y ~ x, sources, start = start, information = TRUE)
    h <- moe_refine(moe_hierarchy(sites), sources, rounds = 30)
    m <- suppressMessages(lme4::glmer(y ~ x + (1 + x || site), d, family = family))
    expect_equal(unname(fixef(h)), unname(lme4::fixef(m)), tolerance = 1e-2)
    expect_equal(unname(attr(VarCorr(h), "stddev")), as.data.frame(lme4::VarCorr(m))$sdcor, tolerance = 2e-2)
    expect_equal(as.numeric(logLik(h)), as.numeric(logLik(m)), tolerance = 1e-4)
  }
})

test_that("sites with fewer rows than parameters take part, and sites that had no model", {
  d <- shifted_sites(c(300, 6, 400, 350, 8), seed = 3)
  found <- suppressWarnings(hierarchy_of(d))
  expect_equal(found$h$hierarchy$table$site, c("A", "C", "D"))
  h <- moe_refine(found$h, found$sources, rounds = 15)
  expect_equal(h$hierarchy$table$site, LETTERS[1:5])
  expect_equal(h$hierarchy$table$own, c(TRUE, FALSE, TRUE, TRUE, FALSE))
  # The few rows have their say.
  few <- d[d$site == "B", ]
  log_lik <- function(site) sum(predict(h, few, site = site, type = "density", log = TRUE, new_site = "population"))
  expect_gt(log_lik("B"), log_lik(NULL))
  t <- h$refinement$rounds
  expect_gt(t$marginal[nrow(t)], t$marginal[1])
  expect_lt(t$promise[nrow(t)], 1e-2)
})

test_that("a site's answer does not depend on the others' order or on rounds in one go", {
  d <- shifted_sites()
  found <- hierarchy_of(d)
  two <- moe_refine(found$h, found$sources, rounds = 2)
  back <- moe_refine(found$h, rev(found$sources), rounds = 2)
  expect_equal(coef(back), coef(two), tolerance = 1e-10)
  weighted <- d[rep(seq_len(nrow(d)), 2), ]
  d$w <- 2
  one <- moe_refine(found$h, split(d, d$site), rounds = 1, weights = w)
  twice <- moe_refine(found$h, split(weighted, weighted$site), rounds = 1)
  expect_equal(coef(one), coef(twice), tolerance = 1e-6)
})

test_that("at large sites rounds change little, and little is borrowed", {
  d <- shifted_sites(rep(4000, 4), seed = 8)
  found <- hierarchy_of(d)
  h <- moe_refine(found$h, found$sources, rounds = 6)
  own <- lapply(names(found$sources), function(s) {
    predict(found$sites$models[[s]], found$sources[[s]], type = "density", log = TRUE)
  })
  score <- function(h) mean(predict(h, d, site = d$site, type = "density", log = TRUE))
  expect_lt(abs(score(h) - mean(unlist(own))), 1e-3)
  expect_lt(abs(score(h) - score(found$h)), 1e-4)
})

test_that("a site that fails in a round is named", {
  found <- hierarchy_of(shifted_sites())
  bad <- found$sources
  bad$B <- bad$B["x"]
  expect_error(moe_refine(found$h, bad, rounds = 1), "B", class = "moe_input_error")
})

test_that("rounds on small sites come to lmer()'s maximum, and not back and forth", {
  skip_if_not_installed("lme4")
  data <- as.data.frame(lme4::Penicillin)
  data$plate <- as.character(data$plate)
  sites <- split(data, data$plate)  # six rows each
  h <- moe_hierarchy(moe_sites(diameter ~ 1, sites, K = 1, information = TRUE), effects = "(Intercept)")
  refined <- moe_refine(h, sites, rounds = Inf)
  expect_true(refined$record$converged)
  peer <- lme4::lmer(diameter ~ 1 + (1 | plate), data, REML = FALSE)
  expect_equal(as.numeric(logLik(refined)), as.numeric(logLik(peer)), tolerance = 1e-6)
  expect_equal(unname(sigma(refined)), sigma(peer), tolerance = 1e-3)
  # No round is given back that is worse than one before.
  few <- moe_refine(h, sites, rounds = 9)
  expect_gte(as.numeric(logLik(few)), max(few$refinement$rounds$marginal) - 1e-5)
})

test_that("a refinement without an end is told of", {
  data <- as.data.frame(nlme::Orthodont)
  sites <- split(data, as.character(data$Subject))  # four rows each, and all varies
  h <- suppressWarnings(moe_hierarchy(suppressWarnings(moe_sites(distance ~ age, sites, K = 1, information = TRUE))))
  expect_warning(refined <- moe_refine(h, sites, rounds = Inf), "did not converge")
  expect_true(is.finite(logLik(refined)))
})

test_that("an expert that fits rows exactly is bounded by the prior on variances, and told of", {
  set.seed(5)
  d <- data.frame(x = rnorm(900), site = rep(c("A", "B", "C"), 300))
  d$y <- ifelse(runif(900) < 0.3, 5, round(2.5 + rnorm(900)))  # a score: many rows are the same
  sources <- split(d, d$site)
  start <- suppressWarnings(moe(y ~ x, d, K = 2))
  start$parameters$beta[, 2] <- c(5, 0)
  start$parameters$dispersion[2] <- 1e-4
  h <- suppressWarnings(moe_hierarchy(moe_sites(y ~ x, sources, start = start, information = TRUE)))
  expect_warning(refined <- moe_refine(h, sources, rounds = 3), "no variance left")
  expect_true(all(is.finite(unlist(coef(refined)))))
  expect_gt(min(refined$parameters$dispersion), 1e-10)
})

test_that("sites of ten rows and two experts", {
  skip_if_not_installed("lme4")
  d <- as.data.frame(lme4::sleepstudy)
  sources <- split(d, as.character(d$Subject))
  start <- suppressWarnings(moe(Reaction ~ Days, d, K = 2))
  h <- suppressWarnings(moe_hierarchy(suppressWarnings(moe_sites(Reaction ~ Days, sources, start = start,
    information = TRUE))))
  refined <- suppressWarnings(moe_refine(h, sources, rounds = 10))
  expect_true(is.finite(logLik(refined)))
  one <- moe_hierarchy(moe_sites(Reaction ~ Days, sources, K = 1, information = TRUE))
  expect_gt(as.numeric(logLik(refined)), as.numeric(logLik(moe_refine(one, sources, rounds = 10))) - 5)
})

test_that("rounds of Gamma and negative binomial regressions end at the maximum of Laplace's approximation", {
  set.seed(3)
  d <- data.frame(x = rnorm(900), g = rep(sprintf("g%02d", 1:15), 60))
  eta <- 1 + 0.5 * d$x + rnorm(15, 0, 0.5)[match(d$g, unique(d$g))]
  d$y <- rgamma(900, 3, 3 / exp(eta))
  d$c <- rnbinom(900, size = 2, mu = exp(eta))
  cases <- list(
    list(y ~ x, Gamma("log"), function(rows, mu, v) dgamma(rows$y, 1 / v, 1 / (v * mu), log = TRUE)),
    list(c ~ x, negative_binomial(), function(rows, mu, v) dnbinom(rows$c, size = 1 / v, mu = mu, log = TRUE)))
  for (case in cases) {
    sources <- split(d, d$g)
    start <- moe(case[[1]], d, K = 1, family = case[[2]])
    sites <- suppressWarnings(moe_sites(case[[1]], sources, start = start, information = TRUE))
    h <- moe_refine(moe_hierarchy(sites, effects = "(Intercept)"), sources, rounds = 20)
    laplace <- function(v) {
      sum(vapply(sources, function(rows) {
        joint <- function(b) {
          sum(case[[3]](rows, exp(v[1] + b + v[2] * rows$x), exp(v[3]))) + dnorm(b, 0, exp(v[4]), log = TRUE)
        }
        at <- optimize(joint, c(-4, 4), maximum = TRUE, tol = 1e-9)$maximum
        bend <- -(joint(at + 1e-3) - 2 * joint(at) + joint(at - 1e-3)) / 1e-6
        joint(at) + log(2 * pi / bend) / 2
      }, 0))
    }
    best <- c(fixef(h)[1:2], log(fixef(h)[[3]]), log(attr(VarCorr(h), "stddev")[[1]]))
    expect_equal(as.numeric(logLik(h)), laplace(best), tolerance = 1e-6)
    for (j in 1:4) for (by in c(-0.02, 0.02)) expect_lt(laplace(replace(best, j, best[j] + by)), laplace(best))
  }
})
