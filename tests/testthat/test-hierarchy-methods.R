shown <- function(code) paste(utils::capture.output(code), collapse = "\n")

test_that("coef is the population's parameters plus the site's differences", {
  h <- hierarchy_of(shifted_sites())$h
  at <- seq_len(9)
  sum <- sweep(as.matrix(ranef(h))[, at], 2, fixef(h)[at], `+`)
  expect_equal(sum, as.matrix(coef(h))[, at], tolerance = 1e-10)
  for (site in rownames(coef(h))) {
    m <- site_model(h, site)
    expect_equal(coef(m), unlist(coef(h)[site, ]), tolerance = 1e-10)
  }
  expect_equal(log(coef(h)$dispersion1) - log(fixef(h)[["dispersion1"]]), ranef(h)[["log(dispersion1)"]],
    tolerance = 1e-8)
  expect_equal(dim(VarCorr(h)), c(11, 11))
  expect_match(shown(print(VarCorr(h))), "standardised")
})

test_that("posterior covariances are those of the joint normal distribution", {
  h <- hierarchy_of(shifted_sites())$h
  x <- h$hierarchy
  # A flat prior on the mean: its variance is so large that more changes nothing.
  lift <- x$index$lift
  big <- 1e7 * tcrossprod(lift)
  spread <- lift %*% x$spread %*% t(lift)
  M <- nrow(x$table)
  p <- nrow(spread)
  prior <- kronecker(diag(M), spread) + kronecker(matrix(1, M, M), big)
  informations <- do.call(block_diagonal, lapply(x$quadratics, function(q) q$curvature))
  joint <- prior - prior %*% solve(solve(informations) + prior, prior)
  map <- scaling_map(x$scaling, h)
  for (m in seq_len(M)) {
    own <- map %*% joint[(m - 1) * p + seq_len(p), (m - 1) * p + seq_len(p)] %*% t(map)
    expect_equal(sqrt(diag(own)), sqrt(diag(log_covariance(site_model(h, x$table$site[m])))), tolerance = 1e-3)
  }
})

test_that("predictions of known sites are their models', in the order of the rows", {
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  set.seed(1)
  new <- d[sample(nrow(d), 60), ]
  by <- function(...) {
    lapply(unique(new$site), function(s) predict(site_model(h, s), new[new$site == s, ], ...))
  }
  for (type in c("response", "density", "class")) {
    expect_equal(unlist(by(type = type)), predict(h, new[order(match(new$site, unique(new$site))), ], site = "site",
      type = type))
  }
  for (type in c("expert", "gate", "posterior", "quantile")) {
    expect_equal(do.call(rbind, by(type = type)), predict(h, new[order(match(new$site, unique(new$site))), ],
      site = "site", type = type))
  }
  expect_equal(predict(h, new, site = "site"), predict(h, new, site = new$site))
  expect_equal(predict(h, new, site = factor(new$site)), predict(h, new, site = new$site))
  one <- predict(h, new, site = "B", se.fit = TRUE)
  expect_equal(one, predict(site_model(h, "B"), new, se.fit = TRUE))
  some <- predict(h, new, site = "site", se.fit = TRUE)
  expect_equal(some$se.fit[new$site == "B"], one$se.fit[new$site == "B"])
  new$x[3] <- NA
  expect_true(is.na(predict(h, new, site = "site")[3]))
  expect_true(is.na(predict(h, new)[3]))
  expect_equal(predict(h, new)[-3], predict(h, new[-3, ]))
})

test_that("a new site gets the mean of distributions, or the population's", {
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  new <- d[1:40, ]
  models <- lapply(rownames(coef(h)), function(s) site_model(h, s))
  expect_equal(predict(h, new), rowMeans(vapply(models, predict, numeric(40), new)))
  density <- vapply(models, predict, numeric(40), new, type = "density")
  expect_equal(predict(h, new, type = "density"), rowMeans(density))
  expect_equal(predict(h, new, type = "density", log = TRUE), log(rowMeans(density)))
  expect_equal(predict(h, new, new_site = "population"), predict(population(h), new))
  for (new_site in c("average", "integrated")) {
    # At the quantiles the distribution function, by quadrature of the density, has the probabilities.
    q <- predict(h, new[1:3, ], type = "quantile", probs = c(0.1, 0.5, 0.9), new_site = new_site)
    for (i in 1:3) {
      grid <- seq(-25, 25, by = 0.01)
      rows <- new[rep(i, length(grid)), ]
      rows$y <- grid
      f <- predict(h, rows, type = "density", new_site = new_site)
      expect_equal(sum(f) * 0.01, 1, tolerance = 1e-4)
      below <- cumsum(f) * 0.01
      expect_equal(stats::approx(grid, below, q[i, ])$y, c(0.1, 0.5, 0.9), tolerance = 2e-2)
    }
    inside <- predict(h, new, interval = "prediction", new_site = new_site)
    expect_equal(inside[, "fit"], predict(h, new, new_site = new_site))
    expect_true(all(inside[, "lwr"] < inside[, "upr"]))
  }
  set.seed(7)
  before <- .Random.seed
  first <- predict(h, new, new_site = "integrated")
  expect_identical(.Random.seed, before)
  expect_identical(predict(h, new, new_site = "integrated"), first)
  # The spread widens what is said of a new site.
  width <- function(new_site) {
    p <- predict(h, new, interval = "prediction", new_site = new_site)
    mean(p[, "upr"] - p[, "lwr"])
  }
  expect_gt(width("integrated"), width("population"))
})

test_that("classes and counts", {
  for (family in c("binomial", "poisson", "multinomial", "Gamma", "negative_binomial")) {
    d <- two_experts(1200, family, seed = 3)
    site <- rep(c("A", "B", "C"), 400)
    start <- suppressWarnings(moe(y ~ x + v, d, K = 2, family = family))
    sites <- suppressWarnings(moe_sites(y ~ x + v, split(d, site), start = start, information = TRUE))
    h <- suppressWarnings(moe_hierarchy(sites))
    expect_equal(dim(coef(h)), c(3, length(coef(start))))
    h <- moe_refine(h, split(d, site), rounds = 3)
    p <- predict(h, d[1:9, ], site = site[1:9])
    expect_equal(NROW(p), 9)
    expect_equal(predict(h, d[2, ], site = "B"), predict(site_model(h, "B"), d[2, ]))
    if (family == "multinomial") {
      expect_equal(unname(rowSums(predict(h, d[1:9, ]))), rep(1, 9))
      expect_s3_class(predict(h, d[1:9, ], type = "label"), "factor")
      expect_equal(predict(h, d[1:9, ], "A", type = "label"), predict(site_model(h, "A"), d[1:9, ], type = "label"))
    }
    expect_equal(dim(simulate(h, 2, 1, d[1:9, ], site[1:9])), c(9, 2))
  }
})

test_that("Cochran's Q and the interval of a new site, by hand", {
  h <- hierarchy_of(shifted_sites())$h
  found <- heterogeneity(h)
  own <- site_estimates(h)
  for (j in c(1, 5, 10)) {
    w <- 1 / own$se[j, ]^2
    expect_equal(found$Q[j], sum(w * (own$estimate[j, ] - weighted.mean(own$estimate[j, ], w))^2), tolerance = 1e-8)
    expect_equal(found$p[j], pchisq(found$Q[j], 3, lower.tail = FALSE))
  }
  half <- qt(0.975, 3) * sqrt(found$tau[1]^2 + vcov(h)[1, 1])
  expect_equal(found$high[1] - found$estimate[1], half, tolerance = 1e-6)
  expect_match(shown(print(found)), "I2")
  expect_match(shown(print(found[1:2, c("term", "tau")])), "expert1:x")
})

test_that("sites' estimates are those of their models", {
  found <- hierarchy_of(shifted_sites())
  own <- site_estimates(found$h)
  for (s in names(found$sites$models)) {
    m <- found$sites$models[[s]]
    m <- relabel(m, found$h$hierarchy$order[, s])
    expect_equal(unname(own$estimate[, s]), log_coef(m), tolerance = 1e-6)
    expect_equal(unname(own$se[, s]), sqrt(diag(log_covariance(m))), tolerance = 1e-4)
  }
})

test_that("print, summary, tidiers, metrics, simulations", {
  d <- shifted_sites()
  found <- hierarchy_of(d)
  h <- found$h
  out <- utils::capture.output(print(h))
  expect_lte(length(out), 24)
  expect_match(paste(out, collapse = "\n"), "Sites differ most in")
  expect_match(shown(print(summary(h))), "population")
  fixed <- tidy(h, conf.int = TRUE)
  expect_equal(fixed$estimate, unname(fixef(h)))
  expect_equal(fixed$std.error, unname(sqrt(diag(vcov(h)))))
  expect_equal(cbind(fixed$conf.low, fixed$conf.high), unname(confint(h)), tolerance = 1e-10)
  expect_equal(tidy(h, "ran_pars")$estimate, unname(attr(VarCorr(h), "stddev")))
  values <- tidy(h, "ran_vals", conf.int = TRUE)
  expect_equal(values$estimate[values$level == "B"], unlist(ranef(h)["B", ], use.names = FALSE))
  expect_equal(nrow(tidy(h, "ran_coefs")), 44)
  g <- glance(h)
  expect_equal(g$logLik, as.numeric(logLik(h)))
  expect_equal(g$sites, 4)
  by_site <- moe_metrics(h, d, site = d$site)
  expect_equal(by_site$loglik, mean(predict(h, d, site = d$site, type = "density", log = TRUE)))
  expect_gt(by_site$loglik, moe_metrics(h, d)$loglik)
  expect_equal(as.numeric(logLik(h, d, site = "site")), by_site$loglik * nrow(d))
  one <- simulate(h, 3, seed = 1, newdata = d[1:10, ], site = "A")
  expect_equal(simulate(h, 3, seed = 1, newdata = d[1:10, ], site = "A"), one)
  # Draws of a new site spread more than those of the population's model.
  set.seed(1)
  wide <- unlist(simulate(h, 400, newdata = d[1, ]))
  near <- unlist(simulate(population(h), 400, newdata = d[1, ]))
  expect_gt(sd(wide), 0.9 * sd(near))
})

test_that("a site's model travels home", {
  h <- hierarchy_of(shifted_sites())$h
  m <- site_model(h, "C")
  file <- tempfile(fileext = ".json")
  write_moe(m, file, site = "C")
  back <- read_moe(file)
  expect_equal(coef(back), coef(m))
  expect_match(shown(print(summary(m))), "posterior")
})

test_that("leaving sites out names the best", {
  d <- shifted_sites(c(300, 250, 200, 260))
  found <- hierarchy_of(d)
  h <- leave_sites_out(found$h, found$sources, draws = 10)
  t <- h$hierarchy$left_out
  expect_equal(t$n, c(300, 250, 200, 260))
  best <- names(which.max(colSums(t[4:6] * t$n)))
  expect_equal(h$hierarchy$new_site, best)
  # Without site B, by hand: the hierarchy of the others' models, labels as they are.
  others <- solve_population(found$h$hierarchy$quadratics[-2], hierarchy_setting(found$h))
  m <- population(found$h)
  m$parameters <- user_parameters(others$mean, m, found$h$hierarchy$scaling)
  a <- moe_aggregate(found$sites, moe_support(d, site = d$site))
  by_aggregate <- leave_sites_out(moe_hierarchy(a), found$sources, draws = 10)
  expect_equal(by_aggregate$hierarchy$left_out$average, t$average, tolerance = 1e-5)
  rest <- d[d$site != "B", ]
  other <- moe_aggregate(found$sites$models[c("A", "C", "D")], moe_support(rest, site = rest$site))
  expect_equal(by_aggregate$hierarchy$left_out$aggregate[2],
    mean(predict(other, found$sources$B, type = "density", log = TRUE)), tolerance = 1e-3)
  expect_equal(predict(by_aggregate, d[1:5, ], new_site = "aggregate"), predict(a, d[1:5, ]))
  expect_error(predict(h, d, new_site = "aggregate"), "aggregate", class = "moe_input_error")
  expect_equal(t$population[2], mean(predict(m, found$sources$B, type = "density", log = TRUE)), tolerance = 1e-6)
})

test_that("plots are drawn", {
  h <- hierarchy_of(shifted_sites())$h
  file <- tempfile(fileext = ".pdf")
  grDevices::pdf(file)
  for (which in c("forest", "sites", "experts", "gates")) plot(h, which)
  plot(h, "forest", term = "dispersion1", main = "A title")
  for (i in seq_len(2)) plot(h, "sites", most = i)
  grDevices::dev.off()
  expect_gt(file.size(file), 5000)
  rows <- forest_rows(h, "expert1:x", 0.95, 60)
  expect_equal(rows$sites$drawn, coef(h)[["expert1:x"]])
  expect_equal(rows$population$drawn, fixef(h)[["expert1:x"]])
  expect_equal(site_deviations(h, 60)$z[, 1], ranef(h)[["expert1:(Intercept)"]] * 0 +
    (h$hierarchy$parameters[1, ] - h$hierarchy$mean[1]) / attr(VarCorr(h), "standardised")[[1]])
  skip_if_not_installed("ggplot2")
  for (which in c("forest", "sites", "experts", "gates")) {
    expect_s3_class(ggplot2::ggplot_build(ggplot2::autoplot(h, which))$plot, "ggplot")
  }
})

test_that("new sites are drawn one by one; tests and intervals go by the number of sites", {
  data <- as.data.frame(nlme::Orthodont)
  sites <- split(data, paste(data$Sex, as.integer(data$Subject) %% 3))
  h <- moe_hierarchy(moe_sites(distance ~ age, sites, K = 1, information = TRUE))
  rows <- data[c(1, 2, 3, 4), ]
  drawn <- t(as.matrix(simulate(h, 600, newdata = rows, seed = 1, site = c("a", "a", "b", "b"),
    allow_new_sites = TRUE)))
  together <- cor(drawn)
  expect_lt(abs(together[1, 3]), 0.15)
  expect_gt(together[1, 2], together[1, 3])
  interval <- predict(h, rows[1, ], new_site = "population", interval = "confidence")
  error <- predict(h, rows[1, ], new_site = "population", se.fit = TRUE)$se.fit
  expect_equal(unname(interval[1, "upr"] - interval[1, "fit"]), qt(0.975, length(sites) - 1) * error, tolerance = 1e-8)
  at <- tidy(h)$column %in% "age"
  expect_equal(tidy(h)$p.value[at], 2 * pt(-abs(tidy(h)$statistic[at]), length(sites) - 1))
})

test_that("a name that is no site is told, unless new sites are asked for", {
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  new <- d[1:4, ]
  refused <- function(code, words) expect_error(code, words, class = "moe_input_error")
  refused(predict(h, new, site = "AX"), "AX.*Do you mean")
  refused(predict(h, new, site = "sites"), "site")
  refused(predict(h, new, site = c("A", "B", "E", "F")), "allow_new_sites")
  refused(simulate(h, 1, newdata = new, site = "E"), "allow_new_sites")
  refused(moe_metrics(h, new, site = "E"), "allow_new_sites")
  refused(logLik(h, new, site = "E"), "allow_new_sites")
  refused(residuals(h, newdata = new, site = "E"), "allow_new_sites")
  refused(augment(h, newdata = new, site = "E"), "allow_new_sites")
  mixed <- predict(h, new, site = c("A", "B", "E", NA), allow_new_sites = TRUE)
  expect_equal(mixed[3:4], predict(h, new[3:4, ]))
  expect_equal(mixed[1], predict(site_model(h, "A"), new[1, ]))
  expect_equal(moe_metrics(h, new, site = "E", allow_new_sites = TRUE), moe_metrics(h, new))
})

test_that("residuals and rows by the sites' models", {
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  new <- d[c(1:5, 400:404), ]
  for (type in c("response", "pearson", "quantile")) {
    expect_equal(residuals(h, type, new, site = "site")[6:10],
      residuals(site_model(h, d$site[400]), type, new[6:10, ]), ignore_attr = TRUE)
  }
  expect_equal(residuals(h, newdata = new), new$y - predict(h, new))
  rows <- augment(h, newdata = new, site = "site")
  expect_equal(rows$.resid, residuals(h, newdata = new, site = "site"))
  expect_equal(rows$.fitted, predict(h, new, site = "site"))
  expect_error(residuals(h), "holds no rows", class = "moe_input_error")
  expect_error(fitted(h), "holds no rows", class = "moe_input_error")
  expect_error(augment(h), "holds no rows", class = "moe_input_error")
})

test_that("models of matrices", {
  d <- shifted_sites()
  x <- as.matrix(d[c("x", "v")])
  start <- moe(x, d$y, K = 2)
  models <- lapply(split(seq_len(nrow(d)), d$site), function(i) {
    moe(x[i, ], d$y[i], start = start, control = moe_control(information = TRUE))
  })
  h <- moe_hierarchy(models)
  new <- x[1:6, ]
  site <- rep(c("A", "B", NA), 2)
  expect_equal(predict(h, new, site = "B"), predict(site_model(h, "B"), new))
  both <- predict(h, new, site = site)
  expect_equal(both[c(1, 4)], predict(site_model(h, "A"), new[c(1, 4), ]))
  expect_equal(both[c(3, 6)], predict(h, new[c(3, 6), ]))
  expect_equal(dim(predict(h, new, site = site, type = "quantile")), c(6, 3))
  with_y <- list(x = new, y = d$y[1:6])
  expect_equal(predict(h, with_y, site = site, type = "density")[c(2, 5)],
    predict(site_model(h, "B"), list(x = new[c(2, 5), ], y = d$y[c(2, 5)]), type = "density"))
  expect_equal(residuals(h, newdata = with_y, site = "A"), d$y[1:6] - predict(h, new, site = "A"))
  expect_equal(dim(simulate(h, 2, 1, new, site)), c(6, 2))
})

test_that("restricted likelihood means the same before and after rounds", {
  skip_if_not_installed("lme4")
  d <- as.data.frame(lme4::sleepstudy)
  d$Subject <- as.character(d$Subject)
  sites <- moe_sites(Reaction ~ Days, split(d, d$Subject), K = 1, information = TRUE)
  h <- moe_hierarchy(sites, effects = c("(Intercept)", "Days"), covariance = "expert", method = "REML")
  refined <- moe_refine(h, split(d, d$Subject), rounds = Inf)
  expect_true(refined$record$converged)
  expect_true(all(diff(refined$refinement$rounds$marginal[-1]) > -1e-3))
  m <- lme4::lmer(Reaction ~ Days + (Days | Subject), d)
  # The log variance is integrated too: by Laplace's approximation sqrt(2 pi 2 / n).
  expect_equal(as.numeric(logLik(refined)), as.numeric(logLik(m)) + log(2 * pi * 2 / 144) / 2, tolerance = 1e-3)
  expect_equal(unname(attr(VarCorr(refined), "stddev")[1:2]), as.data.frame(lme4::VarCorr(m))$sdcor[1:2],
    tolerance = 2e-2)
})

test_that("draws of a new site's parameters have the moments of their distribution", {
  for (size in c(1, 5, 40)) {
    z <- normal_draws(size, 50)
    expect_gte(ncol(z), 50)
    expect_equal(rowMeans(z), numeric(size), tolerance = 1e-12)
    expect_equal(tcrossprod(z) / ncol(z), diag(size), tolerance = 1e-10)
  }
  expect_identical(normal_draws(5, 50), normal_draws(5, 50))
  expect_equal(mean(normal_draws(1, 400)^4), 3, tolerance = 0.1)
  # The variance that a new site's intercept adds is exact.
  d <- shifted_sites()
  h <- hierarchy_of(d)$h
  models <- new_site_models(h, "integrated", 400)
  found <- vapply(models, function(m) m$parameters$beta[1, 1], 0)
  expect_equal(mean((found - mean(found))^2), VarCorr(h)[1, 1], tolerance = 1e-8)
})

test_that("exponentials are for the population's coefficients", {
  d <- two_experts(900, "poisson", seed = 3)
  site <- rep(c("A", "B", "C"), 300)
  start <- suppressWarnings(moe(y ~ x + v, d, K = 1, family = "poisson"))
  h <- moe_hierarchy(moe_sites(y ~ x + v, split(d, site), start = start, information = TRUE))
  expect_equal(tidy(h, exponentiate = TRUE)$estimate, exp(tidy(h)$estimate))
  expect_error(tidy(h, "ran_vals", exponentiate = TRUE), "fixed", class = "moe_input_error")
})

test_that("intercepts at the columns' means are those of centred columns", {
  d <- shifted_sites()
  d$x <- d$x + 10
  found <- hierarchy_of(d)
  centred <- d
  centred$x <- d$x - mean(d$x)
  centred$v <- d$v - mean(d$v)
  sites <- moe_sites(y ~ x + v, split(centred[names(d) != "site"], d$site), start = moe(y ~ x + v, centred, K = 2),
    information = TRUE)
  a <- heterogeneity(found$h, at = "mean")
  b <- heterogeneity(moe_hierarchy(sites))
  for (field in c("estimate", "se", "tau", "I2", "Q", "low", "high")) {
    expect_equal(a[[field]], b[[field]], tolerance = 1e-3)
  }
  zero <- heterogeneity(found$h)
  at <- !grepl("Intercept", zero$term)
  expect_equal(as.data.frame(zero)[at, ], as.data.frame(a)[at, ])
  expect_gt(zero$tau[1], a$tau[1])
  expect_error(heterogeneity(found$h, at = "end"), "at", class = "moe_input_error")
  # A column that is constant at every site has no mean to look at.
  set.seed(4)
  sex <- c(A = 0, B = 0, C = 1, D = 1)
  rows <- data.frame(age = rnorm(200, 50, 5), site = rep(names(sex), 50))
  rows$sex <- sex[rows$site]
  rows$y <- 0.1 * rows$age + rows$sex + rnorm(4)[match(rows$site, names(sex))] + rnorm(200)
  start <- moe(y ~ age + sex, rows, K = 1)
  h <- moe_hierarchy(moe_sites(y ~ age + sex, split(rows, rows$site), start = start, information = TRUE))
  expect_equal(heterogeneity(h, at = "mean")$sites[1], 2)
  expect_error(drop1(h), "no rows", class = "moe_input_error")
})
