# Families beyond Gaussian and logistic experts: multinomial ones against a plain reference, Poisson ones
# against glm(), both through all that a model can do.

# ---- A plain reference of multinomial experts ---------------------------------------------------------

# Probabilities of all classes under each expert, n x K x C; expert k has R = C - 1 columns of beta.
multi_means <- function(x, beta, K, offset = 0) {
  R <- ncol(beta) / K
  out <- array(0, c(nrow(x), K, R + 1))
  for (k in seq_len(K)) {
    e <- exp(cbind(0, x %*% beta[, (k - 1) * R + seq_len(R), drop = FALSE] + offset))
    out[, k, ] <- e / rowSums(e)
  }
  out
}

multi_loglik <- function(p, model) {
  K <- length(model$dispersion)
  m <- multi_means(p$x, model$beta, K)
  own <- vapply(seq_len(K), function(k) m[cbind(seq_along(p$y), k, p$y + 1)], numeric(length(p$y)))
  joint <- ref_gates(p$z, model$alpha) * own
  list(loglik = sum(p$w * log(rowSums(joint))), posterior = joint / rowSums(joint))
}

multi_problem <- function(seed, n, p, q, K, C) {
  withr::with_seed(seed, {
    base <- ref_random_problem(seed, "binomial", n, p, q, K)
    base$model$family <- "multinomial"
    base$model$beta <- matrix(stats::rnorm(p * K * (C - 1)), p)
    base$y <- as.numeric(sample.int(C, n, TRUE) - 1)
    base
  })
}

test_that("sums, EM step and information of multinomial experts equal the reference", {
  for (seed in 1:3) {
    K <- c(1, 2, 3)[seed]
    C <- c(4, 3, 3)[seed]
    p <- multi_problem(seed, 90, 3, 2, K, C)
    R <- C - 1
    s <- cpp_statistics(core_data(p, p$w), p$model)
    ref <- multi_loglik(p, p$model)
    expect_equal(s$log_lik, ref$loglik, tolerance = 1e-10)
    means <- multi_means(p$x, p$model$beta, K)
    step <- p$model$beta
    for (k in seq_len(K)) {
      weight <- p$w * ref$posterior[, k]
      gap <- outer(p$y, seq_len(R), "==") - matrix(means[, k, -1], length(p$y))
      score <- t(p$x) %*% (weight * gap)
      own <- (k - 1) * R + seq_len(R)
      expect_equal(s$expert_score[, own], unname(score), tolerance = 1e-8)
      information <- matrix(0, 3 * R, 3 * R)
      for (i in seq_along(p$y)) {
        m <- means[i, k, -1]
        information <- information + weight[i] * kronecker(diag(m, R) - outer(m, m), outer(p$x[i, ], p$x[i, ]))
      }
      step[, own] <- step[, own] + solve(information, as.vector(score))
    }
    after <- cpp_em_step(core_data(p, p$w), p$model, c(0, 0), 32L)
    expect_equal(after$beta, unname(step), tolerance = 1e-8)

    theta <- c(p$model$beta, p$model$alpha)
    at <- function(theta) {
      m <- p$model
      m$beta[] <- theta[seq_along(m$beta)]
      m$alpha[] <- theta[-seq_along(m$beta)]
      m
    }
    info <- cpp_information(core_data(p, p$w), p$model)
    score <- vapply(seq_along(theta), function(j) {
      ref_difference(function(t) multi_loglik(p, at(t))$loglik, theta, j, 2e-3)
    }, 0)
    expect_lt(max(abs(info$score - score)), 1e-8 * max(abs(score)))
    hessian <- vapply(seq_along(theta), function(j) {
      ref_difference(function(t) cpp_information(core_data(p, p$w), at(t))$score, theta, j, 2e-3)
    }, theta)
    expect_lt(max(abs(info$hessian - hessian)), 1e-7 * max(abs(hessian)))
  }
})

test_that("costs, plans and spreads of multinomial experts equal the reference", {
  p <- multi_problem(5, 60, 3, 2, 2, 3)
  models <- nearby_models(p$model, 3, 0.6, 5)
  to <- nearby_models(p$model, 1, 0.5, 6)[[1]]
  lambda <- c(0.2, 0.5, 0.3)
  local <- lapply(models, function(m) multi_means(p$x, m$beta, 2))
  goal <- multi_means(p$x, to$beta, 2)
  pi <- do.call(cbind, Map(function(m, l) l * ref_gates(p$z, m$alpha), models, lambda))
  cost <- array(0, c(60, 6, 2))
  for (l in 1:6) for (k in 1:2) {
    from <- local[[(l + 1) %/% 2]][, (l + 1) %% 2 + 1, ]
    cost[, l, k] <- rowSums(from * log(from / goal[, k, ]))
  }
  for (set in attr(moe_instructions(), "available")) {
    old <- moe_instructions(set)
    out <- cpp_coupling(models, lambda, core_data(p, p$w), integer(), to, 1e8, 1L)
    moe_instructions(old)
    expected <- apply(p$w * array(pi, dim(cost)) * cost, 2:3, sum) / sum(p$w)
    expect_equal(out$cost, expected, tolerance = 1e-10)
    plan <- ref_plan_pointwise(list(pi = pi), cost)
    expect_equal(out$objective, ref_objective(plan, cost, p$w), tolerance = 1e-10)
    expect_equal(out$weight, p$w * apply(plan, c(1, 3), sum), tolerance = 1e-10)
    for (k in 1:2) for (class in 2:3) {
      means <- do.call(cbind, lapply(local, function(a) a[, , class]))
      expect_equal(out$response[, (k - 1) * 2 + class - 1], p$w * rowSums(plan[, , k] * means),
        tolerance = 1e-10)
    }
  }
  one <- cpp_divergence(models[[1]], to, core_data(p, p$w), "pointwise")
  gate <- ref_gates(p$z, models[[1]]$alpha)
  best <- gate * apply(cost[, 1:2, ], 1:2, min)
  expect_equal(one$value, sum(p$w * best) / sum(p$w), tolerance = 1e-10)
})

test_that("with two classes multinomial experts are logistic ones", {
  p <- ref_random_problem(8, "binomial", 300, 3, 2, 2)
  many <- p$model
  many$family <- "multinomial"
  expect_equal(cpp_statistics(core_data(p, p$w), many), cpp_statistics(core_data(p, p$w), p$model),
    tolerance = 1e-12)
  expect_equal(cpp_information(core_data(p, p$w), many), cpp_information(core_data(p, p$w), p$model),
    tolerance = 1e-12)
  models <- nearby_models(p$model, 4, 0.5, 8)
  as_many <- function(m) replace(m, "family", "multinomial")
  reduced <- function(models, start, plan) {
    cpp_reduce(models, rep(0.25, 4), core_data(p), integer(), 2L, start, reduce_options(plan, 30L, 1e-4))
  }
  for (plan in c("component", "pointwise")) {
    a <- reduced(models, p$model, plan)
    b <- reduced(lapply(models, as_many), many, plan)
    expect_equal(b$model[-1], a$model[-1], tolerance = 1e-8)
    expect_equal(b$objective, a$objective, tolerance = 1e-9)
  }
  d <- data.frame(p$x[, -1], y = factor(c("no", "yes")[p$y + 1]))
  fits <- lapply(list(binomial(), multinomial()), function(family) {
    set.seed(2)
    moe(y ~ ., d, K = 2, family = family)
  })
  expect_equal(fits[[2]]$log_lik, fits[[1]]$log_lik, tolerance = 1e-9)
  expect_equal(unname(coef(fits[[2]])), unname(coef(fits[[1]])), tolerance = 1e-5)
  expect_equal(predict(fits[[2]], d)[, "yes"], predict(fits[[1]], d), tolerance = 1e-6)
  expect_equal(predict(fits[[2]], d, "label"), predict(fits[[1]], d, "label"))
})

test_that("the reduction of multinomial experts descends, over random problems", {
  for (seed in 1:40) {
    K <- seed %% 3 + 1
    p <- multi_problem(seed, 60 + seed, 3, 2, K, seed %% 3 + 2)
    M <- seed %% 4 + 1
    fit <- cpp_reduce(nearby_models(p$model, M, 1.2, seed), rep(1 / M, M), core_data(p), integer(), K,
      nearby_models(p$model, 1, 1.5, seed + 99)[[1]],
      reduce_options(c("component", "pointwise")[seed %% 2 + 1], 30L, 1e-4))
    expect_falling(fit$objective)
    expect_true(all(is.finite(unlist(fit$model[-1]))))
  }
})

# ---- Through the package -------------------------------------------------------------------------------

test_that("one Poisson expert is glm(), for small and for large counts, with offset and weights", {
  d <- withr::with_seed(1, data.frame(x = stats::rnorm(300), e = stats::runif(300, 0.5, 2)))
  for (level in c(-2, 0, 7)) {
    d$y <- withr::with_seed(2, stats::rpois(300, d$e * exp(level + 0.5 * d$x)))
    fit <- moe(y ~ x + offset(log(e)), d, K = 1, family = poisson())
    reference <- glm(y ~ x + offset(log(e)), poisson(), d, control = list(epsilon = 1e-14))
    expect_equal(unname(coef(fit, "expert")[, 1]), unname(coef(reference)), tolerance = 1e-6)
    expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(reference)), tolerance = 1e-9)
    expect_equal(fitted(fit), unname(fitted(reference)), tolerance = 1e-6)
    weighted <- moe(y ~ x, d, K = 1, family = "poisson", weights = e)
    reference <- suppressWarnings(glm(y ~ x, poisson(), d, weights = e, control = list(epsilon = 1e-14)))
    expect_equal(unname(coef(weighted, "expert")[, 1]), unname(coef(reference)), tolerance = 1e-6)
  }
})

test_that("one multinomial expert is at its maximum: the score is 0", {
  fit <- moe(Species ~ Petal.Length + Sepal.Width, transform(iris, Petal.Length = Petal.Length +
    withr::with_seed(1, stats::rnorm(150, sd = 1))), K = 1, family = multinomial())
  expect_equal(colSums(residuals(fit)), c(setosa = 0, versicolor = 0, virginica = 0), tolerance = 1e-6)
  expect_equal(dim(coef(fit, "expert")), c(3, 2))
  expect_equal(attr(logLik(fit), "df"), 6)
  expect_equal(unname(rowSums(fitted(fit))), rep(1, 150))
})

for (family in list(poisson(), multinomial())) {
  test_that(paste("mixtures of", family$family, "experts: fit, predict, aggregate, print, plot"), {
    sim <- moe_simulate(6000, K = 2, d = 2, seed = 12, family = family)
    set.seed(1)
    fit <- moe(y ~ ., sim$data, K = 2, family = family)
    expect_true(fit$record$converged)
    expect_rising(fit$record$objective, fit$record$steps)
    expect_gt(fit$log_lik, as.numeric(logLik(sim$model, sim$data)))
    many <- family$family == "multinomial"
    gate <- predict(fit, sim$data, "gate")
    expert <- predict(fit, sim$data, "expert")
    response <- predict(fit, sim$data)
    if (many) {
      expect_equal(dim(expert), c(6000, 2, 3))
      expect_equal(dimnames(expert)[[3]], levels(sim$data$y))
      expect_equal(response[, "b"], rowSums(gate * expert[, , "b"]))
      expect_equal(range(rowSums(response)), c(1, 1))
      expect_equal(as.character(predict(fit, sim$data, "label")),
        colnames(response)[max.col(response, "first")])
      own <- vapply(1:2, function(k) expert[cbind(1:6000, k, as.integer(sim$data$y))], numeric(6000))
    } else {
      expect_equal(response, rowSums(gate * expert))
      own <- vapply(1:2, function(k) stats::dpois(sim$data$y, expert[, k]), numeric(6000))
      expect_error(predict(fit, sim$data, "label"), "poisson")
    }
    expect_equal(predict(fit, sim$data, "density"), rowSums(gate * own), tolerance = 1e-10)
    expect_equal(fitted(fit), response)
    # Labels of experts are arbitrary.
    swapped <- relabel(fit, 2:1)
    expect_equal(predict(swapped, sim$data), response)
    expect_equal(colnames(coef(swapped, "expert")), colnames(coef(fit, "expert")))
    # Missing rows, no rows, blocks.
    holes <- sim$data
    holes$x1[3] <- NA
    expect_true(all(is.na(as.matrix(predict(fit, holes))[3, ])))
    expect_equal(NROW(predict(fit, holes[0, ])), 0)
    expect_equal(predict_rows(fit, sim$data, "expert", 999), predict_rows(fit, sim$data, "expert", 1e6))
    # Sites.
    set.seed(2)
    all <- moe_distributed(y ~ ., sim$data, K = 2, sites = 3, family = family)
    expect_lt(moe_metrics(fit, sim$data)$loglik - moe_metrics(all, sim$data)$loglik, 0.01)
    for (method in c("middle", "average")) {
      other <- moe_aggregate(all$sites, moe_support(sim$data[1:500, ]), method = method)
      expect_lt(moe_metrics(fit, sim$data)$loglik - moe_metrics(other, sim$data)$loglik, 0.1)
    }
    metrics <- moe_metrics(fit, sim$data, sim$model)
    if (many) expect_equal(metrics$error, mean(predict(fit, sim$data, "label") != sim$data$y))
    expect_output(print(fit), if (many) "multinomial logistic" else "Poisson")
    expect_output(print(summary(fit)), "Gates")
    grDevices::pdf(NULL)
    on.exit(grDevices::dev.off())
    expect_silent(plot(fit, data = sim$data))
    expect_silent(plot(all))
  })
}

test_that("responses that do not fit the family are refused", {
  d <- data.frame(y = c(1, 2, 0, 4), x = 1:4)
  expect_error(moe(y - 2 ~ x, d, K = 1, family = poisson()), "counts.*-1 in row 1")
  expect_error(moe(y / 2 ~ x, d, K = 1, family = poisson()), "counts.*0.5")
  expect_error(moe(y ~ x, d, K = 1, family = multinomial()), "factor or text")
  three <- data.frame(y = factor(rep(c("a", "b", "c"), 20)), x = seq_len(60))
  expect_error(moe(y ~ x, three, K = 1, family = binomial()), "multinomial")
  fit <- moe(y ~ x, three, K = 1, family = multinomial())
  expect_error(predict(fit, data.frame(x = 1, y = "d"), "density"), "level.*d.*knows")
  expect_error(moe(y ~ x, three, K = 1, family = poisson(link = "sqrt")), "canonical")
  # Levels are matched by name, whatever their order.
  other <- transform(three, y = factor(y, c("c", "a", "b")))
  expect_equal(predict(fit, other, "density"), predict(fit, three, "density"))
  expect_error(moe_simulate(10, K = 1, d = 1, family = multinomial(), classes = 1), "classes")
})

test_that("the rows of the table agree with R's own family objects", {
  asked <- c("link", "words", "make", "check", "classes", "dispersion", "range", "top_variance", "moments",
    "closed_form", "costs")
  for (name in names(known_families)) expect_identical(setdiff(asked, names(known_families[[name]])), character())
  eta <- matrix(c(-1.5, -0.2, 0.3, 1.1, 0.7, 2), 3)
  response <- list(gaussian = c(-0.4, 2, 0.1), binomial = c(0, 1, 1), poisson = c(0, 3, 1))
  for (name in names(response)) {
    row <- known_families[[name]]
    own <- row$make()
    mean <- own$linkinv(eta)
    dim(mean) <- dim(eta)
    expect_equal(row$slope(mean), matrix(own$mu.eta(eta), 3), tolerance = 1e-12, info = name)
    unit <- matrix(own$variance(mean), 3)
    spread <- if (row$dispersion) c(2, 5) else c(1, 1)
    expect_equal(matrix(row$variance(mean, spread), 3), unit * rep(spread, each = 3), tolerance = 1e-12, info = name)
    expect_true(all(unit <= row$top_variance + 1e-12), info = name)
    y <- response[[name]]
    expect_equal(row$deviance(y, mean[, 1]), own$dev.resids(y, mean[, 1], 1), tolerance = 1e-12, info = name)
    expect_true(all(mean >= row$range[1] & mean <= row$range[2]), info = name)
  }
})
