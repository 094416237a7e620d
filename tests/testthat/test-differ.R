# Is one model for all what the sites say?
sites_of <- function(d, K = 2) {
  moe_sites(y ~ x + v, split(d[names(d) != "site"], d$site), start = moe(y ~ x + v, d, K = K), information = TRUE)
}
support_of <- function(d) moe_support(d, site = d$site)

test_that("the statistic is Cochran's Q with the sites' covariances", {
  d <- shifted_sites(rep(600, 5), seed = 3, by = 0.15)
  sites <- sites_of(d)
  a <- moe_aggregate(sites, support_of(d))
  h <- a$homogeneity
  expect_equal(h$sites, names(sites$models))
  known <- vapply(sites$models, function(m) 1 - 6 / fewest_rows(m), 0)
  inverse <- Map(function(m, k) k * solve(log_covariance(m)), sites$models, known)
  estimate <- lapply(sites$models, log_coef)
  mean <- solve(Reduce(`+`, inverse), Reduce(`+`, Map(`%*%`, inverse, estimate)))[, 1]
  distance <- mapply(function(e, i) sum((e - mean) * (i %*% (e - mean))), estimate, inverse)
  expect_equal(h$Q, sum(pmin(distance, qchisq(0.95, 11))), tolerance = 1e-5)
  expect_equal(h$df, 44)
  expect_equal(h$gain, max(0, sum(distance) - 44) / 2 / 3000, tolerance = 1e-5)
  expect_equal(h$p, pchisq(h$Q, 44, lower.tail = FALSE))
})

test_that("labels and units do not matter", {
  d <- shifted_sites(rep(600, 5), seed = 3, by = 0.15)
  sites <- sites_of(d)
  h <- moe_aggregate(sites, support_of(d))$homogeneity
  mixed <- sites
  mixed$models$C <- relabel(mixed$models$C, 2:1)
  expect_equal(moe_aggregate(mixed, support_of(d))$homogeneity$Q, h$Q, tolerance = 1e-6)
  shifted <- transform(d, x = 100 + 5 * x, v = -v, y = 10 * y - 3)
  expect_equal(moe_aggregate(sites_of(shifted), support_of(shifted))$homogeneity$Q, h$Q, tolerance = 1e-3)
})

test_that("sites that differ are told of, with what models of their own gain", {
  d <- shifted_sites(rep(600, 5), seed = 3, by = 0.5)
  sites <- sites_of(d)
  a <- moe_aggregate(sites, support_of(d))
  expect_true(a$homogeneity$differ)
  expect_output(print(a), "sites differ.*moe_hierarchy")
  density <- function(model, rows) predict(model, rows, type = "density", log = TRUE)
  own <- unlist(lapply(names(sites$models), function(s) density(sites$models[[s]], d[d$site == s, ])))
  one <- density(moe(y ~ x + v, d, K = 2), d)
  # In the sites' own rows their models gain half a df more.
  expect_equal(a$homogeneity$gain, mean(own) - mean(one) - a$homogeneity$df / 2 / 3000, tolerance = 0.3)
})

test_that("no alarm where there is no difference", {
  alarms <- vapply(1:40, function(seed) {
    d <- shifted_sites(c(150, 300, 200, 400, 250), seed = seed, by = 0)
    sites <- sites_of(d)
    order <- matrix(1:2, 2, length(sites$models))
    t <- test_homogeneity(sites$models, order)
    if (is.null(t)) NA else t$differ
  }, NA)
  expect_gt(sum(!is.na(alarms)), 30)
  expect_lte(sum(alarms, na.rm = TRUE), 2)
})

test_that("nothing is said where messages do not tell", {
  d <- shifted_sites(c(300, 300, 300))
  start <- moe(y ~ x + v, d, K = 2)
  sources <- split(d[names(d) != "site"], d$site)
  plain <- moe_aggregate(moe_sites(y ~ x + v, sources, start = start), support_of(d))
  expect_null(plain$homogeneity)
  expect_no_match(paste(capture.output(print(plain)), collapse = " "), "ifference between sites")
  few <- d[c(1:40, 301:340, 601:640), ]
  expect_null(suppressWarnings(moe_aggregate(sites_of(few), support_of(few)))$homogeneity)
  whole <- moe_distributed(y ~ x + v, sources, K = 2, information = TRUE, seed = 1)
  expect_equal(length(whole$homogeneity$sites), 3)
})
