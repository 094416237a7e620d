three_sites <- function(n = 3000, seed = 1) {
  sim <- moe_simulate(n, K = 2, d = 2, seed = seed)
  site <- rep_len(c("A", "B", "C"), n)
  withr::with_seed(seed, {
    sites <- moe_sites(y ~ ., split(sim$data, site), K = 2)
  })
  list(sim = sim, site = site, sites = sites, support = moe_support(sim$data, site = site))
}

test_that("a reduction of one site is that site", {
  s <- three_sites()
  one <- s$sites
  one$models <- one$models["A"]
  for (plan in c("component", "pointwise")) for (weights in c("site", "size")) {
    support <- moe_support(s$sim$data[s$site == "A", ], site = rep("A", 1000))
    fit <- moe_aggregate(one, support, plan = plan, weights = weights)
    expect_equal(coef(fit), coef(one$models$A), tolerance = 1e-6)
  }
})

test_that("the order of sites and the labels of their experts change nothing but labels", {
  s <- three_sites()
  models <- s$sites$models
  a <- moe_aggregate(models, s$support)
  expect_identical(coef(moe_aggregate(models[c(2, 3, 1)], s$support)), coef(a))
  models$B <- relabel(models$B, 2:1)
  b <- moe_aggregate(models, s$support)
  expect_equal(predict(b, s$sim$data), predict(a, s$sim$data), tolerance = 1e-6)
  expect_equal(predict(b, s$sim$data, "density"), predict(a, s$sim$data, "density"),
    tolerance = 1e-6)
  average <- moe_aggregate(s$sites, s$support, method = "average")
  relabelled <- moe_aggregate(models, s$support, method = "average")
  expect_equal(predict(relabelled, s$sim$data, "density"), predict(average, s$sim$data, "density"),
    tolerance = 1e-10)
})

test_that("the aggregate is close to the pooled fit, and so are its neighbours", {
  s <- three_sites(6000)
  pooled <- moe(y ~ ., s$sim$data, K = 2)
  test <- moe_simulate(6000, K = 2, d = 2, seed = 1)$data
  value <- function(model) moe_metrics(model, test)$loglik
  for (weights in c("site", "size")) {
    expect_lt(abs(value(moe_aggregate(s$sites, s$support, weights = weights)) - value(pooled)), 2e-3)
  }
})

test_that("weights: site is the default where points carry it, and needs it", {
  s <- three_sites()
  expect_equal(moe_aggregate(s$sites, s$support)$aggregation$weights, "site")
  plain <- moe_support(s$sim$data)
  expect_equal(moe_aggregate(s$sites, plain)$aggregation$weights, "size")
  expect_error(moe_aggregate(s$sites, plain, weights = "site"), class = "moe_input_error")
})

test_that("sites that see different x: site weights are near the pooled fit, size weights are not", {
  withr::local_seed(7)
  n <- 6000
  d <- data.frame(x = stats::runif(n, -3, 3))
  d$y <- ifelse(stats::runif(n) < stats::plogis(4 * d$x), d$x^2, -2 * d$x) + stats::rnorm(n, sd = 0.4)
  site <- cut(d$x, c(-3, -1, 1, 3), labels = c("low", "mid", "high"))
  start <- moe(y ~ poly(x, 2), d[seq(1, n, 10), ], K = 2)
  sites <- moe_sites(y ~ poly(x, 2), split(d, site), K = 2, start = start)
  support <- moe_support(d, site = site)
  pooled <- moe_metrics(moe(y ~ poly(x, 2), d, K = 2), d)$loglik
  by_site <- moe_metrics(moe_aggregate(sites, support, weights = "site"), d)$loglik
  by_size <- moe_metrics(moe_aggregate(sites, support, weights = "size"), d)$loglik
  expect_lt(pooled - by_site, 0.05)
  expect_gt(by_site, by_size)
})

test_that("middle is a local model with the least weighted divergence", {
  s <- three_sites()
  fit <- moe_aggregate(s$sites, s$support, method = "middle", weights = "size")
  points <- s$sim$data[unique(round(seq(1, 3000, length.out = 500))), ]
  models <- s$sites$models[order(names(s$sites$models))]
  lambda <- vapply(models, function(m) m$n, 0) / 3000
  score <- vapply(models, function(to) {
    sum(lambda * vapply(models, function(from) transport_divergence(from, to, points), 0))
  }, 0)
  expect_equal(unname(fit$aggregation$score), unname(score), tolerance = 1e-9)
  expect_equal(coef(fit), coef(models[[which.min(score)]]))
})

test_that("average aligns labels before it averages", {
  s <- three_sites()
  models <- s$sites$models
  truth <- s$sim$model
  aligned <- lapply(models, function(m) {
    design <- support_design(s$support, m$schema)
    relabel(m, match_experts(truth, m, design))
  })
  mean <- Reduce(`+`, lapply(aligned, coef)) / 3
  fit <- moe_aggregate(models, s$support, method = "average", weights = "size")
  design <- support_design(s$support, fit$schema)
  expect_equal(coef(relabel(fit, match_experts(truth, fit, design))), mean, tolerance = 1e-10)
})

test_that("sites may have different numbers of experts", {
  s <- three_sites()
  models <- s$sites$models
  set.seed(1)
  models$B <- suppressWarnings(moe(y ~ ., s$sim$data[s$site == "B", ], K = 3))
  fit <- moe_aggregate(models, s$support, K = 2)
  expect_equal(fit$K, 2L)
  expect_equal(dim(fit$aggregation$mass), c(7L, 2L))
  same <- moe_aggregate(s$sites, s$support)
  value <- function(model) moe_metrics(model, s$sim$data)$loglik
  expect_lt(abs(value(fit) - value(same)), 0.05)
  three <- suppressWarnings(moe_aggregate(models, s$support, K = 3))
  expect_equal(three$K, 3L)
})

test_that("an aggregate says what it is, and what it can't do", {
  s <- three_sites()
  fit <- moe_aggregate(s$sites, s$support)
  text <- capture.output(print(fit))
  expect_lt(length(text), 40)
  expect_match(text, "3 of 3 sites", all = FALSE)
  expect_match(text, "weights by site", all = FALSE)
  expect_equal(rowSums(fit$aggregation$mass),
    c(rowSums(fit$aggregation$mass)), ignore_attr = TRUE)
  expect_equal(sum(fit$aggregation$mass), 1, tolerance = 1e-10)
  expect_error(logLik(fit), class = "moe_input_error")
  expect_error(fitted(fit), class = "moe_input_error")
  expect_s3_class(logLik(fit, s$sim$data), "logLik")
  expect_equal(nobs(fit), 3000)
  expect_falling(fit$aggregation$objective)
})

test_that("columns of the same name made by other bases are refused", {
  s <- three_sites()
  parts <- split(s$sim$data, s$sim$data$x1 > 0)
  names(parts) <- c("low", "high")
  set.seed(1)
  own <- lapply(parts, function(d) suppressWarnings(moe(y ~ poly(x1, 2) + x2, d, K = 2)))
  expect_error(moe_aggregate(own, s$sim$data), "basis", class = "moe_input_error")
  shared <- moe_sites(y ~ poly(x1, 2) + x2, parts, K = 2)
  expect_s3_class(suppressWarnings(moe_aggregate(shared, s$sim$data)), "moe_aggregate")
})

test_that("skipped sites and unused points are named", {
  s <- three_sites()
  sources <- split(s$sim$data, s$site)
  sources$tiny <- s$sim$data[1:3, ]
  set.seed(1)
  sites <- moe_sites(y ~ ., sources, K = 2)
  support <- moe_support(s$sim$data, site = replace(s$site, 1:3, "tiny"))
  text <- capture.output(print(moe_aggregate(sites, support)))
  expect_match(text, "Left out: tiny", all = FALSE)
  expect_match(text, "3 support points", all = FALSE)
})

test_that("a support that does not determine a column is refused", {
  s <- three_sites()
  flat <- transform(s$sim$data, x2 = 0.5)
  for (K in 2:3) expect_error(moe_aggregate(s$sites, flat, K = K), "x2", class = "moe_input_error")
})

test_that("coefficients that a site can't know are named where they would count", {
  withr::local_seed(8)
  d <- crossing_lines(3000)
  d$g <- factor(ifelse(stats::runif(3000) < 0.3, "b", "a"))
  d$y <- d$y + 5 * (d$g == "b")
  site <- rep(c("A", "B", "C"), 1000)
  kept <- site == "A" | d$g == "a"
  sites <- moe_sites(y ~ x + g, split(d[kept, ], site[kept]), K = 2)
  expect_match(sites$table$message[2], "not determined: gb")
  support <- moe_support(d[kept, ], site = site[kept])
  by_site <- moe_aggregate(sites, support)
  expect_equal(unname(coef(by_site, "expert")["gb", ]), c(5, 5), tolerance = 0.05)
  expect_warning(by_size <- moe_aggregate(sites, support, weights = "size"), "B \\(gb\\)")
  expect_match(by_size$aggregation$notes, "gb")
})

test_that("the mean of aligned models is that of their parameters, whatever their labels", {
  sim <- moe_simulate(1500, K = 3, d = 2, seed = 9)
  withr::local_seed(10)
  models <- lapply(1:25, function(m) {
    out <- sim$model
    out$parameters$beta <- out$parameters$beta + stats::rnorm(9, sd = 0.1)
    out$parameters$alpha <- out$parameters$alpha + stats::rnorm(6, sd = 0.1)
    out
  })
  problem <- list(design = support_design(moe_support(sim$data), sim$model$schema),
    lambda = stats::rexp(25))
  mixed <- c(models[1], lapply(models[-1], function(m) relabel(m, sample(3))))
  for (count in c(25, 4)) {
    some <- mixed[seq_len(count)]
    mean <- aligned_mean(some, match_all(some[[1]], some, problem$design), problem$lambda)
    for (part in c("beta", "alpha", "dispersion")) {
      expected <- Map(function(m, l) l * m$parameters[[part]], models, problem$lambda)
      expect_equal(mean[[part]], unname(Reduce(`+`, expected[seq_len(count)])), tolerance = 1e-10)
    }
  }
  # Relabelling would move a gate offset's reference; without relabelling there is a mean.
  offset <- lapply(mixed, function(m) {
    m$schema$gate$offset <- "offset(x1)"
    m
  })
  mean_of <- function(models) aligned_mean(models, match_all(models[[1]], models, problem$design), problem$lambda)
  expect_null(mean_of(offset))
  expect_type(mean_of(offset[c(1, 1)]), "list")
})

test_that("models that travelled on their own, each with its schema, are the sites' models", {
  s <- three_sites()
  travelled <- lapply(s$sites$models, function(m) unserialize(serialize(m, NULL)))
  expect_equal(coef(moe_aggregate(travelled, s$support)), coef(moe_aggregate(s$sites, s$support)))
})

test_that("costs: every one aggregates near the truth, and says which it is", {
  s <- three_sites()
  value <- function(model) moe_metrics(model, s$sim$data)$loglik
  best <- value(moe_aggregate(s$sites, s$support))
  words <- c("reverse-kl" = "reverse KL", wasserstein = "2-Wasserstein", hellinger = "Hellinger")
  for (cost in names(words)) for (plan in c("component", "pointwise")) {
    fit <- moe_aggregate(s$sites, s$support, cost = cost, plan = plan)
    expect_gt(value(fit), best - if (plan == "component") 0.05 else 0.2)
    expect_identical(fit$aggregation$cost, cost)
    expect_falling(fit$aggregation$objective)
    expect_output(print(fit), words[[cost]], fixed = TRUE)
    expect_true(fit$aggregation$descends)
  }
  middle <- moe_aggregate(s$sites, s$support, method = "middle", cost = "hellinger")
  expect_true(all(middle$aggregation$score <= 1))
})

test_that("costs and updates that a family has not are refused", {
  s <- three_sites()
  expect_error(moe_aggregate(s$sites, s$support, cost = "euclid"), class = "moe_input_error")
  expect_error(moe_aggregate(s$sites, s$support, update = "closed-form"), "logistic",
    class = "moe_input_error")
  expect_error(moe_aggregate(s$sites, s$support, update = "quick"), class = "moe_input_error")
  for (family in list(stats::binomial(), stats::poisson(), multinomial(), stats::Gamma("log"), negative_binomial())) {
    truth <- moe_simulate(50, K = 2, d = 2, seed = 1, family = family)
    expect_error(moe_aggregate(list(a = truth$model), truth$data, cost = "wasserstein"), "Gaussian",
      class = "moe_input_error")
    expect_error(transport_divergence(truth$model, truth$model, truth$data, cost = "wasserstein"),
      "Gaussian", class = "moe_input_error")
  }
  logistic <- moe_simulate(50, K = 2, d = 2, seed = 1, family = stats::binomial())
  for (other in list(list(cost = "hellinger"), list(method = "middle"))) {
    arguments <- c(list(list(a = logistic$model), logistic$data, update = "closed-form"), other)
    expect_error(do.call(moe_aggregate, arguments), "closed-form", class = "moe_input_error")
  }
})

test_that("the closed-form update says that it may rise, and counts where it did", {
  sim <- moe_simulate(1500, K = 2, d = 2, seed = 3, family = stats::binomial())
  withr::local_seed(1)
  models <- lapply(1:4, function(m) {
    model <- sim$model
    model$parameters$beta[] <- model$parameters$beta + stats::rnorm(6)
    model$parameters$alpha[] <- model$parameters$alpha + stats::rnorm(3)
    model
  })
  names(models) <- letters[1:4]
  closed <- suppressWarnings(moe_aggregate(models, sim$data, update = "closed-form"))
  a <- closed$aggregation
  expect_identical(a$update, "closed-form")
  expect_false(a$descends)
  expect_equal(a$rises, sum(diff(a$objective) > 1e-12 + 1e-9 * abs(a$objective[-1])))
  expect_output(print(closed), "(S14): descent is not guaranteed; the objective rose at", fixed = TRUE)
  exact <- moe_aggregate(models, sim$data)
  expect_identical(exact$aggregation$rises, 0L)
  expect_lte(tail(exact$aggregation$objective, 1), tail(a$objective, 1) + 1e-9)
  expect_false(any(grepl("S14", capture.output(print(exact)))))
})

test_that("unequal numbers of experts: print, plots, baselines, divergences, refusals", {
  s <- three_sites()
  models <- s$sites$models
  set.seed(1)
  models$A <- suppressWarnings(moe(y ~ ., s$sim$data[s$site == "A", ], K = 1))
  models$B <- suppressWarnings(moe(y ~ ., s$sim$data[s$site == "B", ], K = 3))
  expect_error(moe_aggregate(models, s$support), "which `K`", class = "moe_input_error")
  expect_error(moe_aggregate(models, s$support, K = 7), "more than all", class = "moe_input_error")
  for (method in c("middle", "average")) {
    expect_error(moe_aggregate(models, s$support, K = 2, method = method), "reduction",
      class = "moe_input_error")
  }
  for (K in c(1, 2, 5)) for (plan in c("component", "pointwise")) for (cost in c("kl", "hellinger")) {
    fit <- suppressWarnings(moe_aggregate(models, s$support, K = K, plan = plan, cost = cost))
    expect_identical(fit$K, as.integer(K))
    expect_falling(fit$aggregation$objective)
    expect_equal(sum(fit$aggregation$mass), 1, tolerance = 1e-10)
    expect_setequal(rownames(fit$aggregation$mass), c("A:1", "B:1", "B:2", "B:3", "C:1", "C:2"))
    # Only sites with K experts can be baselines and starts; the mean of the parameters is no model.
    expect_identical(names(fit$aggregation$baselines), if (K == 5) character() else "best site")
    expect_true(all(names(fit$aggregation$runs) %in% c(names(models), "far apart", "k-means")))
    expect_output(print(fit), "Experts at the sites: 1 (1 site), 2 (1 site), 3 (1 site)", fixed = TRUE)
    grDevices::pdf(NULL)
    plot(fit)
    grDevices::dev.off()
    for (m in models) {
      exact <- transport_divergence(m, fit, s$support, cost = cost)
      expect_gte(exact, transport_divergence(m, fit, s$support, exact = FALSE, cost = cost) - 1e-12)
    }
    plan_table <- transport_plan(models$B, fit, s$support, cost = cost)
    expect_identical(dim(plan_table$mass), c(3L, as.integer(K)))
  }
})

test_that("numbers as weights go with screening", {
  sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
  models <- moe_sites(y ~ ., split(sim$data, rep(letters[1:6], 500)), K = 2, start = sim$model)$models
  models$f$parameters$beta <- models$f$parameters$beta + 50
  w <- stats::setNames(1:6, letters[1:6])
  support <- moe_support(sim$data[1:600, ])
  fit <- suppressWarnings(moe_aggregate(models, support, weights = w))
  expect_identical(fit$aggregation$screening$table$site[fit$aggregation$screening$table$outlying], "f")
  expect_equal(fit$aggregation$lambda, unname(w[1:5]) / 15)
})
