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
      binomial = as.numeric(stats::runif(n) < stats::plogis(eta)), poisson = stats::rpois(n, exp(eta / 3)))
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
    centre = centre, scale = scale, y_centre = y_centre, y_scale = y_scale)
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

penalty_value <- function(m, control, W) {
  l <- control$lambda
  s <- control$l1_share
  b <- m$beta[-1, , drop = FALSE]
  a <- cbind(m$alpha, 0)[-1, , drop = FALSE]
  control$expert_ridge / 2 * sum(b^2) + W * l[["expert"]] * sum(s * abs(b) + (1 - s) / 2 * b^2) +
    sum(apply(a, 1, gate_part, W * l[["gate"]] * s, control$gate_ridge + W * l[["gate"]] * (1 - s)))
}

controls <- list(
  ridge = moe_control(expert_ridge = 20, gate_ridge = 5),
  lasso = moe_control(lambda = 0.03, gate_ridge = 0),
  net = moe_control(lambda = c(expert = 0.05, gate = 0.02), l1_share = 0.6))

test_that("the objective is the one of the help page, and it rises at every step", {
  for (family in c("gaussian", "binomial", "poisson")) {
    d <- penalty_problem(family)
    for (name in names(controls)) {
      fit <- moe(y ~ . - w, d, K = 2, family = family, weights = w, control = controls[[name]])
      s <- standard_problem(d, family)
      m <- standard_model(fit, s)
      value <- ref_loglik(s$x, s$x, s$y, m, s$w) - penalty_value(m, controls[[name]], sum(s$w))
      shift <- -sum(s$w) * log(s$y_scale)
      expect_equal(fit$record$objective[length(fit$record$objective)], value + shift, tolerance = 1e-8)
      expect_rising(fit$record$objective, fit$record$steps)
      expect_true(fit$record$converged)
    }
  }
})

test_that("no coefficient can be moved to a better objective, and small ones are 0 exactly", {
  for (family in c("gaussian", "binomial", "poisson")) {
    for (K in 2:3) {
      d <- penalty_problem(family, n = 600, K = K)
      for (name in names(controls)) {
        fit <- suppressWarnings(moe(y ~ . - w, d, K = K, family = family, weights = w,
          control = controls[[name]]))
        s <- standard_problem(d, family)
        m <- standard_model(fit, s)
        # Exact zeros and ties must not be lost to the change of scale.
        m$beta[-1, ][fit$parameters$beta[-1, ] == 0] <- 0
        best <- ref_loglik(s$x, s$x, s$y, m, s$w) - penalty_value(m, controls[[name]], sum(s$w))
        theta <- ref_pack(m)
        for (j in seq_along(theta)) {
          for (h in c(-1, 1) * rep(c(1e-3, 1e-5), each = 2)) {
            there <- ref_unpack(theta + replace(numeric(length(theta)), j, h), m)
            value <- ref_loglik(s$x, s$x, s$y, there, s$w) - penalty_value(there, controls[[name]], sum(s$w))
            expect_lte(value, best + 1e-7)
          }
        }
        if (name != "ridge") {
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
