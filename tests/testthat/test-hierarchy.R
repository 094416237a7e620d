test_that("a hierarchy of Gaussian regressions is the meta-analysis of the local ones", {
  set.seed(1)
  d <- shifted_sites(c(60, 90, 150, 80, 200), seed = 2)
  sources <- split(d, d$site)
  sites <- moe_sites(y ~ x + v, sources, K = 1, information = TRUE)
  h <- moe_hierarchy(sites, effects = c("expert:(Intercept)", "expert:x", "expert:v"))
  # In plain R, on standardised columns: the information of every site about (beta, log variance).
  centre <- c(mean(d$x), mean(d$v))
  spread <- sqrt(c(mean((d$x - centre[1])^2), mean((d$v - centre[2])^2)))
  units <- rbind(c(1, centre), cbind(0, diag(spread)))
  own <- lapply(sources, function(s) {
    fit <- lm(y ~ x + v, s)
    sigma2 <- mean(residuals(fit)^2)
    x <- model.matrix(fit) %*% solve(units)
    list(e = c(units %*% coef(fit), log(sigma2)), l = rbind(cbind(crossprod(x) / sigma2, 0), c(0, 0, 0, nrow(s) / 2)))
  })
  deviance <- function(t) ref_deviance(lapply(own, `[[`, "e"), lapply(own, `[[`, "l"), diag(c(t, 0)))
  best <- optim(rep(-1, 3), function(v) deviance(exp(v)), control = list(reltol = 1e-14, maxit = 5000))
  tau <- attr(VarCorr(h), "standardised") * h$hierarchy$scaling$y_scale
  expect_lt(deviance(unname(tau[1:3])^2), best$value + 1e-6)
  expect_equal(unname(tau[4]), 0)
  expect_equal(unname(tau[1]), exp(best$par[1] / 2), tolerance = 1e-2)
})

test_that("the marginal log-likelihood never falls, and without spread the sites' estimates are pooled", {
  d <- shifted_sites()
  found <- hierarchy_of(d)
  for (covariance in c("diagonal", "expert")) for (method in c("ML", "REML")) {
    h <- suppressWarnings(moe_hierarchy(found$sites, covariance = covariance, method = method))
    expect_true(all(diff(h$record$objective) >= -1e-9 * abs(h$record$objective[1])))
  }
  none <- moe_hierarchy(found$sites, effects = "none")
  expect_equal(max(abs(as.matrix(ranef(none)))), 0, tolerance = 1e-12)
  inverse <- lapply(found$sites$models, function(m) solve(log_covariance(m)))
  estimate <- lapply(found$sites$models, log_coef)
  mean <- solve(Reduce(`+`, inverse), Reduce(`+`, Map(`%*%`, inverse, estimate)))
  expect_equal(log_coef(population(none)), mean[, 1], tolerance = 1e-6)
  expect_equal(log_covariance(population(none)), solve(Reduce(`+`, inverse)), tolerance = 1e-5)
})

test_that("sites' order, labels and units do not matter", {
  d <- shifted_sites()
  found <- hierarchy_of(d)
  h <- found$h
  back <- moe_hierarchy(rev(found$sites$models))
  expect_equal(coef(back), coef(h), tolerance = 1e-8)
  mixed <- found$sites$models
  mixed$A <- relabel(mixed$A, 2:1)
  mixed$C <- relabel(mixed$C, 2:1)
  other <- moe_hierarchy(mixed)
  # The population's labels are those of the largest site.
  expect_equal(unname(other$hierarchy$order[, c("A", "B", "C", "D")]), rbind(c(2, 1, 2, 1), c(1, 2, 1, 2)))
  expect_equal(coef(other), coef(h), tolerance = 1e-6)
  expect_equal(VarCorr(other), VarCorr(h), tolerance = 1e-5)
  mixed$D <- relabel(mixed$D, 2:1)
  turned <- moe_hierarchy(mixed)
  new <- d[1:20, ]
  expect_equal(predict(turned, new, site = "B"), predict(h, new, site = "B"), tolerance = 1e-6)
  expect_equal(predict(turned, new), predict(h, new), tolerance = 1e-6)
  expect_equal(turned$hierarchy$log_lik, h$hierarchy$log_lik, tolerance = 1e-8)

  shifted <- transform(d, x = 100 + 5 * x, v = -v, y = y)
  affine <- hierarchy_of(shifted)$h
  expect_equal(affine$hierarchy$log_lik, h$hierarchy$log_lik, tolerance = 1e-6)
  expect_equal(predict(affine, shifted[1:20, ], site = shifted$site[1:20]),
    predict(h, new, site = d$site[1:20]), tolerance = 1e-4)
  expect_equal(attr(VarCorr(affine), "stddev")[["expert1:x"]] * 5, attr(VarCorr(h), "stddev")[["expert1:x"]],
    tolerance = 1e-2)
})

test_that("three experts are matched, whatever a site calls them, and the aggregate's matching is taken", {
  set.seed(4)
  d <- data.frame(x = rnorm(1800), v = runif(1800), site = rep(c("A", "B", "C"), each = 600))
  k <- sample(3, 1800, TRUE)
  d$y <- c(0, 6, -6)[k] + c(1, -1, 2)[k] * d$x + rnorm(1800, sd = 0.5) + c(A = 0, B = 0.3, C = -0.3)[d$site]
  found <- hierarchy_of(d, K = 3)
  mixed <- found$sites$models
  mixed$A <- relabel(mixed$A, c(3, 1, 2))
  mixed$B <- relabel(mixed$B, c(2, 3, 1))
  h <- moe_hierarchy(mixed)
  expect_equal(h$hierarchy$log_lik, found$h$hierarchy$log_lik, tolerance = 1e-8)
  a <- moe_aggregate(mixed, moe_support(d, site = d$site))
  by_aggregate <- moe_hierarchy(a)
  expect_equal(by_aggregate$hierarchy$log_lik, h$hierarchy$log_lik, tolerance = 1e-8)
})

test_that("what varies is what was asked for", {
  found <- hierarchy_of(shifted_sites())
  varying <- function(effects) {
    v <- attr(VarCorr(moe_hierarchy(found$sites, effects = effects)), "stddev")
    names(v)[v > 0]
  }
  expect_true(all(varying("experts") %in% grep("^expert|dispersion", unconstrained_names(found$h), value = TRUE)))
  expect_true(all(varying("gates") %in% grep("^gate", unconstrained_names(found$h), value = TRUE)))
  # On the scale of the data too, where a slope does not vary its intercept has the spread alone.
  expect_setequal(varying("intercepts"), c("expert1:(Intercept)", "expert2:(Intercept)", "gate1:(Intercept)"))
  expect_setequal(setdiff(varying("x"), c("expert1:x", "expert2:x", "gate1:x")), grep("Intercept", varying("x"),
    value = TRUE))
  index <- effect_index(found$h)
  chosen <- function(effects) which(varying_effects(effects, found$h, index))
  expect_equal(chosen("expert2:x"), 5)
  expect_equal(chosen("gate:v"), c(9, 12))
  expect_equal(chosen("dispersion"), 13:14)
  expect_equal(chosen(c("expert1:x", "dispersion")), c(2, 13, 14))
})

test_that("what no site determines is told, what some site lacks is borrowed", {
  d <- shifted_sites(seed = 5)
  d$v[d$site == "B"] <- 0.25
  found <- suppressWarnings(hierarchy_of(d))
  h <- found$h
  expect_equal(length(h$record$aliased$expert), 0)
  expect_true(is.na(site_estimates(h)$se["expert1:v", "B"]))
  expect_false(is.na(site_estimates(h)$se["expert1:v", "A"]))
  expect_lt(abs(coef(h)["B", "expert1:v"] - fixef(h)[["expert1:v"]]), 0.5)
  d$v <- 0.25
  start <- moe(y ~ x + v, shifted_sites(seed = 6), K = 2)
  sites <- suppressWarnings(moe_sites(y ~ x + v, split(d, d$site), start = start, information = TRUE))
  all <- moe_hierarchy(sites)
  expect_equal(all$record$aliased$expert, "v")
  expect_true(is.na(vcov(all)["expert1:v", "expert1:v"]))
  expect_equal(nrow(vcov(all, complete = FALSE)), 8)
})

test_that("no spread between sites is found as none", {
  d <- shifted_sites(rep(500, 6), seed = 7, by = 0)
  h <- hierarchy_of(d)$h
  p <- heterogeneity(h)$p
  expect_gt(min(p, na.rm = TRUE), 1e-4)
  pooled <- moe(y ~ x + v, d, K = 2)
  density <- predict(h, d, site = d$site, type = "density", log = TRUE)
  expect_lt(abs(mean(density) - as.numeric(logLik(pooled)) / nrow(d)), 5e-3)
})

test_that("what can't be is refused in one voice", {
  d <- shifted_sites(c(200, 200, 200))
  found <- hierarchy_of(d)
  sites <- found$sites
  h <- found$h
  refused <- function(code, words) expect_error(code, words, class = "moe_input_error")
  refused(moe_hierarchy(1), "moe_sites")
  refused(moe_hierarchy(sites$models[1]), "two sites or more")
  refused(moe_hierarchy(sites, effects = "nothing"), "nothing")
  refused(moe_hierarchy(sites, effects = 1), "effects")
  refused(moe_hierarchy(sites, effects = c("x", "zz")), "zz")
  refused(moe_hierarchy(sites, covariance = "full"), "covariance")
  refused(moe_hierarchy(sites, method = "Bayes"), "method")
  refused(moe_hierarchy(sites, new_site = "old"), "new_site")
  refused(moe_hierarchy(sites, control = list(steps = 3)), "steps")
  refused(moe_hierarchy(sites, control = list(tolerance = -1)), "tolerance")
  refused(moe_hierarchy(moe_sites(y ~ x + v, found$sources, start = population(h))), "information")
  unequal <- sites$models
  unequal$A <- moe_sites(y ~ x + v, found$sources[1], K = 1, information = TRUE)$models[[1]]
  refused(moe_hierarchy(unequal), "experts")
  refused(site_model(h, "Z"), "site")
  refused(site_model(h, 1), "site")
  refused(site_model(population(h), "A"), "moe_hierarchy")
  refused(predict(h), "newdata")
  refused(predict(h, d, site = c("A", "B")), "site")
  refused(predict(h, d, site = 1), "site")
  refused(predict(h, as.matrix(d[1:2]), site = "A"), "data frame")
  refused(predict(h, d, se.fit = TRUE), "standard errors")
  refused(predict(h, d, interval = "confidence"), "standard errors")
  refused(predict(h, d, new_site = "none"), "new_site")
  refused(predict(h, d, site = d$site, na.action = na.omit), "na.action")
  refused(predict(h, d, draws = 1), "draws")
  refused(heterogeneity(population(h)), "moe_hierarchy")
  refused(heterogeneity(h, level = 1), "level")
  refused(plot(h, "forest", term = "zz"), "term")
  refused(plot(h, "trees"), "which")
  refused(tidy(h, effects = "some"), "effects")
  refused(moe_metrics(population(h), d, site = "A"), "moe_hierarchy")
  refused(moe_refine(h, found$sources[1:2]), "not among")
  refused(leave_sites_out(h, found$sources[2:3]), "not among")
  refused(leave_sites_out(population(h), found$sources), "moe_hierarchy")
  refused(simulate(h), "newdata")
  refused(write_moe(site_model(h, "A"), tempfile(fileext = ".json"), information = TRUE), "all sites' rows")
})
