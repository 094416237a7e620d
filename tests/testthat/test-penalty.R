# The objective of the help page of moe_control(), and its optimality conditions, in plain R.

penalty_problem <- function(family, n = 400, seed = 1, K = 2) {
  withr::with_seed(seed, {
    x <- matrix(stats::rnorm(n * 6), n) %*% (diag(6) + 0.3)
    colnames(x) <- paste0("x", 1:6)
    d <- as.data.frame(x)
    label <- if (K == 2) ifelse(stats::runif(n) < stats::plogis(2 * d$x1), 1, 2)
             else max.col(cbind(2 * d$x1, -2 * d$x1 + d$x2, 0) - log(-log(matrix(stats::runif(3 * n), n))))
    slope <- c(2, -2, 0)[label]
    eta <- slope * d$x2 + c(1, -1, 4)[label] + 0.5 * d$x3
    d$y <- switch(family, gaussian = eta + stats::rnorm(n, sd = 0.5),
      binomial = as.numeric(stats::runif(n) < stats::plogis(eta)), poisson = stats::rpois(n, exp(eta / 3)),
      Gamma = stats::rgamma(n, 5, scale = exp(eta / 3) / 5),
      negative_binomial = stats::rnbinom(n, 3, mu = exp(eta / 3)))
    d$w <- sample(1:2, n, TRUE)
    d
  })
}

# Standardised columns with an intercept, and y where it is standardised.
standard_problem <- function(d, family) {
  x <- as.matrix(d[paste0("x", 1:6)])
  w <- d$w
  centre <- colSums(w * x) / sum(w)
  scale <- sqrt(colSums(w * sweep(x, 2, centre)^2) / sum(w))
  y_centre <- if (family == "gaussian") sum(w * d$y) / sum(w) else 0
  y_scale <- if (family == "gaussian") sqrt(sum(w * (d$y - y_centre)^2) / sum(w)) else 1
  list(x = cbind(1, sweep(sweep(x, 2, centre), 2, scale, "/")), y = (d$y - y_centre) / y_scale, w = w,
    centre = centre, scale = scale, y_centre = y_centre, y_scale = y_scale,
    s2 = sum(w * stats::lm.wfit(cbind(1, x), d$y, w)$residuals^2) / sum(w) / y_scale^2)
}

standard_model <- function(fit, s) {
  move <- function(b) rbind(b[1, , drop = FALSE] + s$centre %*% b[-1, , drop = FALSE],
    s$scale * b[-1, , drop = FALSE])
  beta <- move(fit$parameters$beta)
  beta[1, ] <- beta[1, ] - s$y_centre
  list(family = fit$family$family, beta = unname(beta / s$y_scale),
    alpha = unname(move(fit$parameters$alpha)), dispersion = unname(fit$parameters$dispersion) / s$y_scale^2)
}

# Minimised over c by brute force: the function is convex.
gate_part <- function(a, l1, ridge) {
  f <- function(c) l1 * sum(abs(a - c)) + ridge / 2 * sum((a - c)^2)
  best <- stats::optimise(f, range(a) + c(-1e-3, 1e-3), tol = 1e-12)
  c(best$objective, vapply(a, f, 0)) |> min()
}

# The prior on variances, s2 being the residual variance of one regression.
variance_part <- function(m, control, W, s2) {
  if (!m$family %in% dispersed || length(m$dispersion) == 1) return(0)
  if (m$family != "gaussian") s2 <- 1
  control$variance_prior / W * sum(s2 / m$dispersion + log(m$dispersion / s2) - 1)
}

penalty_value <- function(m, control, W, s2) {
  l <- control$lambda
  s <- control$l1_share
  b <- m$beta[-1, , drop = FALSE]
  a <- cbind(m$alpha, 0)[-1, , drop = FALSE]
  variance_part(m, control, W, s2) + control$expert_ridge / 2 * sum(b^2) +
    W * l[["expert"]] * sum(s * abs(b) + (1 - s) / 2 * b^2) +
    sum(apply(a, 1, gate_part, W * l[["gate"]] * s, control$gate_ridge + W * l[["gate"]] * (1 - s)))
}

controls <- list(
  ridge = moe_control(expert_ridge = 20, gate_ridge = 5),
  lasso = moe_control(lambda = 0.03, gate_ridge = 0),
  net = moe_control(lambda = c(expert = 0.05, gate = 0.02), l1_share = 0.6),
  # So strong that a term which is left out somewhere shows.
  variances = moe_control(variance_prior = 5e3),
  both = moe_control(variance_prior = 5e3, lambda = 0.03))

test_that("the objective is the one of the help page, and it rises at every step", {
  for (family in numeric_families) {
    d <- penalty_problem(family)
    for (name in names(controls)) {
      # Experts of one class alone are separated: intercepts are free.
      fit <- suppressWarnings(moe(y ~ . - w, d, K = 2, family = family, weights = w, control = controls[[name]]))
      s <- standard_problem(d, family)
      m <- standard_model(fit, s)
      value <- ref_loglik(s$x, s$x, s$y, m, s$w) - penalty_value(m, controls[[name]], sum(s$w), s$s2)
      shift <- -sum(s$w) * log(s$y_scale)
      expect_equal(fit$record$objective[length(fit$record$objective)], value + shift, tolerance = 1e-8)
      expect_rising(fit$record$objective, fit$record$steps)
      expect_true(fit$record$converged)
    }
  }
})

test_that("no coefficient can be moved to a better objective, and small ones are 0 exactly", {
  for (family in numeric_families) {
    for (K in 2:3) {
      d <- penalty_problem(family, n = 600, K = K)
      for (name in names(controls)) {
        fit <- suppressWarnings(moe(y ~ . - w, d, K = K, family = family, weights = w,
          control = controls[[name]]))
        if (any(fit$record$empty)) next  # such an expert stays where it lost its rows
        s <- standard_problem(d, family)
        m <- standard_model(fit, s)
        # Exact zeros and ties must not be lost to the change of scale.
        m$beta[-1, ][fit$parameters$beta[-1, ] == 0] <- 0
        best <- ref_loglik(s$x, s$x, s$y, m, s$w) - penalty_value(m, controls[[name]], sum(s$w), s$s2)
        theta <- ref_pack(m)
        for (j in seq_along(theta)) {
          for (h in c(-1, 1) * rep(c(1e-3, 1e-5), each = 2)) {
            there <- ref_unpack(theta + replace(numeric(length(theta)), j, h), m)
            value <- ref_loglik(s$x, s$x, s$y, there, s$w) - penalty_value(there, controls[[name]], sum(s$w), s$s2)
            expect_lte(value, best + 1e-7)
          }
        }
        if (is_sparse(controls[[name]])) {
          expect_true(any(fit$parameters$beta == 0))
          expect_lt(attr(logLik(fit), "df"), length(coef(fit)))
        }
      }
    }
  }
})

test_that("a large lambda leaves intercepts alone", {
  d <- penalty_problem("gaussian")
  fit <- suppressWarnings(moe(y ~ . - w, d, K = 2, control = moe_control(lambda = 50)))
  expect_true(all(coef(fit, "expert")[-1, ] == 0))
  expect_true(all(coef(fit, "gate")[-1, ] == 0))
  expect_equal(attr(logLik(fit), "df"), 2 + 1 + 2)
})

test_that("with one expert the LASSO is that of least squares", {
  d <- penalty_problem("gaussian")
  s <- standard_problem(transform(d, w = 1), "gaussian")
  fit <- moe(y ~ . - w, d, K = 1, control = moe_control(lambda = 0.3))
  b <- coef(fit, "expert")[-1, 1] * s$scale / s$y_scale
  sigma2 <- fit$parameters$dispersion / s$y_scale^2
  # glmnet's condition at its lambda, which is sigma^2 times ours.
  score <- drop(crossprod(s$x[, -1], s$y - s$x[, -1] %*% b)) / nrow(d)
  expect_equal(unname(score[b != 0]), unname(0.3 * sigma2 * sign(b[b != 0])), tolerance = 1e-6)
  expect_true(all(abs(score[b == 0]) <= 0.3 * sigma2 + 1e-9))
  expect_true(any(b == 0) && any(b != 0))
})

test_that("labels, scale of the columns and repeated rows do not matter", {
  d <- penalty_problem("gaussian", K = 3, n = 600)
  control <- moe_control(lambda = 0.03)
  fit <- moe(y ~ . - w, d, K = 3, control = control)
  again <- moe(y ~ . - w, d, K = 3, control = control, start = relabel(fit, c(2, 3, 1)))
  expect_equal(lapply(relabel_parameters(again$parameters, c(3, 1, 2)), unname),
    lapply(fit$parameters, unname), tolerance = 1e-6)
  expect_equal(count_free(again), count_free(fit))
  scaled <- transform(d, x2 = 100 * x2 + 5, y = 3 * y - 1)
  moved <- moe(y ~ . - w, scaled, K = 3, control = control, start = max.col(predict(fit, d, type = "posterior")))
  expect_equal(predict(moved, scaled), 3 * predict(fit, d) - 1, tolerance = 1e-5)
  twice <- moe(y ~ . - w, d[rep(seq_len(600), d$w), ], K = 3, control = control, start = fit)
  weighted <- moe(y ~ . - w, d, K = 3, weights = w, control = control, start = fit)
  expect_equal(coef(twice), coef(weighted), tolerance = 1e-5)
})

test_that("refinement under a penalty ends at the pooled fit", {
  d <- penalty_problem("gaussian", n = 900)
  for (control in list(moe_control(lambda = 0.05), moe_control(expert_ridge = 10))) {
    pooled <- moe(y ~ . - w, d, K = 2, control = control)
    sources <- split(d, rep(1:3, c(100, 200, 600)))
    start <- moe(y ~ . - w, d[1:300, ], K = 2)
    refined <- moe_refine(start, sources, rounds = Inf, control = control)
    expect_true(refined$refinement$converged)
    order <- order(coef(refined, "expert")["x2", ])
    theirs <- order(coef(pooled, "expert")["x2", ])
    expect_equal(unname(refined$parameters$beta[, order]), unname(pooled$parameters$beta[, theirs]),
      tolerance = 1e-5)
  }
})

test_that("standard errors are there under ridge and refused under LASSO", {
  d <- penalty_problem("gaussian")
  ridge <- moe(y ~ . - w, d, K = 2, control = moe_control(expert_ridge = 20))
  expect_equal(vcov(ridge, newdata = d), vcov(ridge), tolerance = 1e-8)
  plain <- moe(y ~ . - w, d, K = 2, start = ridge)
  expect_true(all(diag(vcov(ridge))[2:7] < diag(vcov(plain))[2:7]))
  lasso <- moe(y ~ . - w, d, K = 2, control = moe_control(lambda = 0.05))
  expect_error(vcov(lasso), "LASSO", class = "moe_no_covariance")
  expect_error(vcov(lasso, newdata = d), "LASSO", class = "moe_no_covariance")
  expect_output(print(summary(lasso)), "columns out of the experts")
})

test_that("a path finds the columns that matter, and its settings are checked", {
  d <- penalty_problem("gaussian", n = 800)
  set.seed(1)
  path <- moe_path(y ~ . - w, d, K = 2, n_lambda = 10)
  expect_equal(nrow(path$path), 10)
  expect_true(all(diff(path$path$lambda) > 0))
  expect_equal(path$lambda, path$path$lambda[which.min(path$path$BIC)])
  last <- path$path[10, ]
  expect_lt(last$df, path$path$df[1])
  expect_true(all(abs(coef(path$model, "expert")["x2", ]) > 1))
  expect_true(any(coef(path$model, "expert")[-1, ] == 0))
  expect_output(print(path), "by BIC")
  by_matrix <- moe_path(as.matrix(d[1:6]), d$y, K = 2, lambda = c(0.1, 0.01))
  expect_equal(by_matrix$path$lambda, c(0.01, 0.1))
  grDevices::pdf(NULL)
  for (what in c("criterion", "expert", "gate")) expect_identical(plot(path, what), path)
  grDevices::dev.off()
  expect_error(moe_path(y ~ x1, d, K = 2, lambda = -1), "`lambda` must hold numbers", class = "moe_input_error")
  expect_error(moe_path(y ~ x1, d, K = 2, control = moe_control(l1_share = 0)), "no path", class = "moe_input_error")
  expect_error(moe_path(d, K = 2), "formula or a numeric matrix", class = "moe_input_error")
  expect_error(moe_control(lambda = c(1, -1)), "`lambda` must be one number", class = "moe_input_error")
  expect_error(moe_control(lambda = c(a = 1, b = 1)), "`lambda` must be one number", class = "moe_input_error")
  expect_error(moe_control(l1_share = 2), "`l1_share` must be one number", class = "moe_input_error")
})

test_that("without columns there is no path, and the reason for no standard errors is whole", {
  d <- penalty_problem("gaussian")
  expect_error(moe_path(y ~ 1, d, K = 2), "nothing for `lambda`", class = "moe_input_error")
  lasso <- moe(y ~ . - w, d, K = 2, control = moe_control(lambda = 0.05))
  expect_match(summary(lasso)$standard_errors, "no standard errors[.]$")
})

# ---- the prior on variances --------------------------------------------------------------------

test_that("gradient and curvature of the objective are the derivatives of the help page's formula", {
  d <- penalty_problem("gaussian", n = 150)
  s <- standard_problem(d, "gaussian")
  control <- moe_control(variance_prior = 2000, gate_ridge = 0.5, expert_ridge = 3)
  fit <- suppressWarnings(moe(y ~ . - w, d, K = 2, weights = w, start = rep(1:2, 75),
    control = utils::modifyList(control, list(max_iterations = 3L, newton = FALSE))))
  m <- standard_model(fit, s)
  value <- function(theta) {
    at <- ref_unpack(theta, m)
    ref_loglik(s$x, s$x, s$y, at, s$w) - penalty_value(at, control, sum(s$w), s$s2)
  }
  design <- design_new(fit$schema, d, need_response = TRUE)
  design$weight <- as.numeric(d$w)
  settings <- utils::modifyList(unclass(control), list(threads = 1L))
  found <- model_information(fit, design, settings, FALSE)
  theta <- ref_pack(m)
  h <- 1e-5
  step <- function(j) replace(numeric(length(theta)), j, h)
  slope <- vapply(seq_along(theta), function(j) (value(theta + step(j)) - value(theta - step(j))) / (2 * h), 0)
  expect_equal(found$gradient, slope, tolerance = 1e-5)
  own <- diag(found$curvature)
  for (j in tail(seq_along(theta), 2)) {
    h <- 1e-3
    bend <- -(value(theta + step(j)) - 2 * value(theta) + value(theta - step(j))) / h^2
    expect_equal(own[j], bend, tolerance = 1e-4)
  }
  expect_equal(found$scaling$y_residual, s$s2, tolerance = 1e-10)
})

test_that("EM's update of a variance is (RSS + 2 a s^2) / (mass + 2 a)", {
  d <- penalty_problem("gaussian", n = 200)
  s <- standard_problem(d, "gaussian")
  from <- moe(y ~ x1 + x2 + x3 + x4 + x5 + x6, d, K = 2, weights = w)
  for (prior in c(0, 1, 3e4)) {
    one <- suppressWarnings(moe(y ~ x1 + x2 + x3 + x4 + x5 + x6, d, K = 2, weights = w, start = from,
      control = moe_control(variance_prior = prior, max_iterations = 1, newton = FALSE)))
    r <- predict(from, d, type = "posterior")
    a <- prior / sum(d$w)
    expected <- vapply(1:2, function(k) {
      w <- d$w * r[, k]
      rss <- sum(w * stats::lm.wfit(s$x, d$y, w)$residuals^2)
      (rss + 2 * a * s$s2 * s$y_scale^2) / (sum(w) + 2 * a)
    }, 0)
    expect_equal(unname(one$parameters$dispersion), expected, tolerance = 1e-8)
  }
})

test_that("a strong prior draws variances together, and leaves one expert and other families alone", {
  d <- penalty_problem("gaussian")
  strong <- moe_control(variance_prior = 1e9)
  fit <- moe(y ~ . - w, d, K = 2, weights = w, control = strong)
  s <- standard_problem(d, "gaussian")
  expect_equal(unname(fit$parameters$dispersion), rep(s$s2 * s$y_scale^2, 2), tolerance = 1e-3)
  one <- moe(y ~ . - w, d, K = 1, weights = w, control = strong)
  line <- stats::lm(y ~ . - w, d, weights = w)
  expect_equal(as.numeric(coef(one, "expert")), unname(coef(line)), tolerance = 1e-10)
  expect_equal(unname(one$parameters$dispersion), sum(d$w * stats::resid(line)^2) / sum(d$w), tolerance = 1e-10)
  d <- penalty_problem("poisson")
  poisson_fit <- function(control) {
    moe(y ~ . - w, d, K = 2, family = "poisson", control = control, start = 1 + (d$x1 > d$x2))
  }
  expect_equal(coef(poisson_fit(strong)), coef(poisson_fit(moe_control())), tolerance = 1e-12)
})

test_that("the log-likelihood is the plain one, and the objective lies below it by the penalty", {
  d <- penalty_problem("gaussian")
  fit <- moe(y ~ . - w, d, K = 2, weights = w, control = moe_control(gate_ridge = 0))
  s <- standard_problem(d, "gaussian")
  m <- standard_model(fit, s)
  plain <- ref_loglik(s$x, s$x, s$y, m, s$w) - sum(s$w) * log(s$y_scale)
  expect_equal(as.numeric(logLik(fit)), plain, tolerance = 1e-10)
  expect_equal(as.numeric(logLik(fit)) - utils::tail(fit$record$objective, 1),
    variance_part(m, moe_control(), sum(s$w), s$s2), tolerance = 1e-6)
})

test_that("the prior is that of all sites' rows in rounds, whose end is the pooled fit", {
  d <- penalty_problem("gaussian", n = 600)
  control <- moe_control(variance_prior = 3e4)
  pooled <- moe(y ~ . - w, d, K = 2, weights = w, control = control)
  sources <- split(d, rep(1:3, c(100, 200, 300)))
  refined <- moe_refine(moe(y ~ . - w, d[1:300, ], K = 2), sources, rounds = Inf, control = control, weights = "w")
  expect_true(refined$refinement$converged)
  order <- order(coef(refined, "expert")["x2", ])
  theirs <- order(coef(pooled, "expert")["x2", ])
  expect_equal(unname(refined$parameters$dispersion[order]), unname(pooled$parameters$dispersion[theirs]),
    tolerance = 1e-6)
  expect_equal(utils::tail(refined$record$objective, 1), utils::tail(pooled$record$objective, 1), tolerance = 1e-9)
  expect_equal(refined$record$variance_prior, 3e4)
  expect_equal(sqrt(diag(vcov(refined)))[c("dispersion.1", "dispersion.2")[order]],
    sqrt(diag(vcov(pooled)))[c("dispersion.1", "dispersion.2")[theirs]], tolerance = 1e-4, ignore_attr = TRUE)
})
