test_that("one expert has the covariance of lm and glm", {
  d <- two_experts(400, "gaussian")
  d$x <- d$x + 1000
  fit <- moe(y ~ x + g, d, K = 1)
  line <- stats::lm(y ~ x + g, d)
  # The maximum likelihood variance: no division by n - p.
  expect_equal(unname(vcov(fit)[1:4, 1:4]), unname(vcov(line)) * (400 - 4) / 400, tolerance = 1e-9)
  variance <- mean(stats::residuals(line)^2)
  expect_equal(vcov(fit)["dispersion1", "dispersion1"], 2 * variance^2 / 400, tolerance = 1e-9)
  for (family in c("binomial", "poisson")) {
    d <- two_experts(400, family)
    fit <- moe(y ~ x + g, d, K = 1, family = family, weights = w)
    line <- stats::glm(y ~ x + g, family, d, weights = w, control = list(epsilon = 1e-14, maxit = 50))
    expect_equal(unname(vcov(fit)), unname(vcov(line)), tolerance = 1e-5)
    expect_equal(names(coef(fit)), rownames(vcov(fit)))
  }
})

test_that("two experts have the covariance of numerical derivatives", {
  control <- moe_control(gate_ridge = 0, variance_prior = 0)
  for (family in setdiff(numeric_families, "binomial")) {
    d <- two_experts(200, family)
    d$o <- d$v / 3
    fit <- moe(y ~ x + offset(o), d, K = 2, family = family, weights = w, control = control)
    x <- cbind(1, d$x)
    model <- c(list(family = family), lapply(fit$parameters, unname))
    inverse <- solve(-ref_hessian(x, x, d$y, model, d$w, d$o))
    by <- c(rep(1, 6), if (family %in% dispersed) unname(fit$parameters$dispersion))
    expect_equal(unname(vcov(fit)), inverse * outer(by, by), tolerance = 1e-5)
    scores <- t(vapply(seq_len(200), function(i) {
      ref_score(x[i, , drop = FALSE], x[i, , drop = FALSE], d$y[i], model, 1, d$o[i])
    }, 0 * by))
    sandwich <- inverse %*% crossprod(scores * sqrt(d$w)) %*% inverse
    expect_equal(unname(vcov(fit, "sandwich")), sandwich * outer(by, by), tolerance = 1e-5)
  }
})

test_that("a weight of 2 is two rows, of either type", {
  d <- two_experts(300, "gaussian")
  weighted <- moe(y ~ x + v, d, K = 2, weights = w)
  copied <- moe(y ~ x + v, d[rep(1:300, d$w), ], start = weighted)
  for (type in c("observed", "sandwich")) {
    expect_equal(vcov(weighted, type), vcov(copied, type), tolerance = 1e-6)
  }
})

test_that("labels, shifts and units change what they must and nothing else", {
  d <- two_experts(400, "multinomial")
  fit <- moe(y ~ x + v, d, K = 2, family = multinomial(), start = 1 + (d$x < 0))
  expect_null(fit$record$separated)
  swapped <- relabel(fit, 2:1)
  expect_equal(vcov(swapped), vcov(moe(y ~ x + v, d, start = swapped, family = multinomial())),
    tolerance = 1e-5)
  expect_equal(unname(vcov(swapped)[1:6, 1:6]), unname(vcov(fit)[7:12, 7:12]), tolerance = 1e-9)
  expect_equal(vcov(swapped, "sandwich"), vcov(swapped, "sandwich", newdata = d), tolerance = 1e-5)

  d <- two_experts(400, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2)
  far <- transform(d, x = 1e6 + 10 * x, y = 3 * y)
  moved <- moe(y ~ x + v, far, K = 2, start = max.col(predict(fit, d, "posterior")))
  se <- function(f) sqrt(diag(vcov(f)))
  at <- c("expert1:x", "expert2:x", "expert1:v", "gate1:x", "gate1:v", "dispersion2")
  expect_equal(se(moved)[at], se(fit)[at] * c(0.3, 0.3, 3, 0.1, 1, 9), tolerance = 1e-5)
})

test_that("the information is kept, computed from rows, or missed in words", {
  d <- two_experts(300, "gaussian")
  d$x[5] <- NA
  fit <- moe(y ~ x, d, K = 2, weights = w)
  bare <- moe(y ~ x, d, start = fit, weights = w, control = moe_control(information = FALSE))
  expect_null(bare$information)
  expect_error(vcov(bare), "newdata", class = "moe_no_covariance")
  for (type in c("observed", "sandwich")) {
    expect_equal(vcov(bare, type, newdata = d, weights = d$w), vcov(fit, type), tolerance = 1e-6)
  }
  expect_match(summary(bare)$standard_errors, "^none")
  expect_output(print(summary(bare)), "Standard errors: none")
  expect_warning(vcov(fit, newdata = d[1:150, ]), "Newton step")
  expect_error(vcov(fit, newdata = d["x"]), "y")
  expect_error(vcov(fit, newdata = d, weights = 1:3), "weights")
  expect_error(vcov(fit, weights = d$w), "newdata")
  expect_error(vcov(fit, "robust"), "sandwich")
  expect_error(vcov(fit, typ = "observed", level = 3), "level")
  withr::local_seed(1)
  big <- data.frame(x = stats::rnorm(information_rows + 1))
  big$y <- big$x + stats::rnorm(nrow(big))
  large <- moe(y ~ x, big, K = 1)
  expect_null(large$information)
  expect_equal(unname(vcov(large, newdata = big)[1:2, 1:2]),
    unname(vcov(stats::lm(y ~ x, big))) * (nrow(big) - 2) / nrow(big), tolerance = 1e-8)
  expect_false(is.null(moe(y ~ x, big, K = 1, control = moe_control(information = TRUE))$information$meat))
  middling <- moe(y ~ x, big[seq_len(sandwich_rows + 1), ], K = 1)
  expect_equal(dim(vcov(middling)), c(3L, 3L))
  expect_error(vcov(middling, "sandwich"), "information = TRUE", class = "moe_no_covariance")
  expect_error(moe_control(information = 3), "information")
})

test_that("matrix models have standard errors too", {
  d <- two_experts(300, "gaussian")
  x <- as.matrix(d[c("x", "v")])
  fit <- moe(x, d$y, K = 2)
  same <- moe(y ~ x + v, d, K = 2, start = max.col(predict(fit, list(x = x, y = d$y), "posterior")))
  expect_equal(unname(vcov(fit)), unname(vcov(same)), tolerance = 1e-5)
  expect_equal(vcov(fit, newdata = list(x = x, y = d$y)), vcov(fit), tolerance = 1e-8)
})

test_that("what the data do not determine has no standard error, the rest is not affected", {
  d <- two_experts(300, "gaussian")
  d$twice <- 2 * d$x + 1
  fit <- moe(y ~ x + v, d, K = 2)
  more <- moe(y ~ x + twice + v, d, K = 2, control = moe_control(singular_ok = TRUE),
    start = max.col(predict(fit, d, "posterior")))
  lost <- grepl("twice", names(coef(more)))
  expect_equal(unname(is.na(diag(vcov(more)))), lost)
  expect_equal(vcov(more)[!lost, !lost], vcov(fit), tolerance = 1e-5)
  expect_equal(unname(is.na(confint(more)[, 1])), lost)
  expect_output(print(summary(more)), "NA: not determined")
})

test_that("experts without rows or variance have no standard errors", {
  d <- two_experts(300, "gaussian")
  fit <- moe(y ~ x, d, K = 2)
  far <- fit
  far$parameters$alpha["(Intercept)", ] <- 500
  expect_warning(lost <- moe(y ~ x, d, start = far), "lost")
  # Expert 2 is the gates' reference: nothing is known about them either.
  known <- grepl("1:|dispersion1", names(coef(lost))) & !grepl("gate", names(coef(lost)))
  expect_equal(unname(!is.na(diag(vcov(lost)))), known)
  expect_equal(unname(vcov(lost)[known, known]), unname(vcov(moe(y ~ x, d, K = 1))), tolerance = 1e-4)

  # Of three experts the reference is lost: the other two are known as they are without it.
  three <- moe(y ~ x + v, two_experts(400, "gaussian"), K = 2)
  more <- three
  more$K <- 3L
  more$parameters$beta <- cbind(three$parameters$beta, "3" = 0)
  more$parameters$alpha <- cbind(three$parameters$alpha, 0) + c(500, 0, 0)
  more$parameters$dispersion <- c(three$parameters$dispersion, 1)
  more <- new_moe(more$parameters, more$family, more$schema, more$n)
  expect_warning(lost <- moe(y ~ x + v, two_experts(400, "gaussian"), start = more), "lost")
  known <- names(coef(three))[c(1:6, 10:11)]
  expect_equal(vcov(lost)[known, known], vcov(three)[known, known], tolerance = 1e-4)
  expect_true(all(is.na(diag(vcov(lost))[setdiff(names(coef(lost)), known)])))

  exact <- d[1:100, ]
  exact$y <- 1 + exact$x
  expect_warning(floor <- moe(y ~ x, exact, K = 1), "floor")
  expect_true(all(is.na(vcov(floor))))
  expect_output(print(summary(floor)), "Variance held at its floor")
})

test_that("no standard errors come from a matrix that is not positive definite", {
  d <- two_experts(300, "gaussian")
  one <- moe(y ~ x, d, K = 1)
  # Two equal experts: a saddle point, whose gates are not determined.
  twin <- suppressWarnings(moe(y ~ x, d, K = 2, control = moe_control(max_iterations = 1, newton = FALSE,
    gate_ridge = 0)))
  twin$parameters$beta[] <- one$parameters$beta
  twin$parameters$alpha[] <- 0
  twin$parameters$dispersion[] <- one$parameters$dispersion
  expect_error(vcov(twin, newdata = d), "not positive definite", class = "moe_no_covariance")
  rough <- suppressWarnings(moe(y ~ x, d, K = 2, control = moe_control(max_iterations = 3, newton = FALSE)))
  rough$information <- moe(y ~ x, d, K = 2)$information
  expect_warning(vcov(rough), "not at a maximum")
})

test_that("intervals follow from the covariance", {
  d <- two_experts(300, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2)
  se <- sqrt(diag(vcov(fit)))
  plain <- names(coef(fit))[1:9]
  out <- confint(fit, level = 0.9)
  expect_equal(out[plain, 1], (coef(fit) - stats::qnorm(0.95) * se)[plain])
  expect_equal(out[plain, 2], (coef(fit) + stats::qnorm(0.95) * se)[plain])
  expect_equal(colnames(out), c("5 %", "95 %"))
  variances <- out[10:11, ]
  expect_true(all(variances > 0))
  expect_equal(sqrt(variances[, 1] * variances[, 2]), coef(fit)[10:11])
  expect_equal(log(variances[, 2] / coef(fit)[10:11]), stats::qnorm(0.95) * (se / coef(fit))[10:11])
  expect_equal(confint(fit, c(2, 10)), confint(fit, names(coef(fit))[c(2, 10)]))
  expect_equal(confint(fit, 2, type = "sandwich")[2] - coef(fit)[[2]],
    stats::qnorm(0.975) * sqrt(vcov(fit, "sandwich")[2, 2]))
  expect_error(confint(fit, "x9"), "x9")
  expect_error(confint(fit, 99), "parm")
  expect_error(confint(fit, level = 1), "level")
  expect_error(confint(fit, level = 95), "level")
})

test_that("summaries test every coefficient, and no variance", {
  for (family in c("gaussian", "multinomial")) {
    d <- two_experts(1500, family)
    fit <- moe(y ~ x + v, d, K = 2, family = family)
    table <- summary(fit)$coefficients
    expect_equal(table[, 1], coef(fit))
    expect_equal(table[, 2], sqrt(diag(vcov(fit))))
    z <- table[, 1] / table[, 2]
    z[grepl("dispersion", names(z))] <- NA
    expect_equal(table[, "z value"], z)
    expect_equal(table[, 4], 2 * stats::pnorm(-abs(z)))
    text <- paste(capture.output(print(summary(fit))), collapse = "\n")
    expect_match(text, "observed information")
    expect_match(text, if (family == "gaussian") "Variances" else "expert 2:c")
  }
  expect_match(summary(fit, type = "sandwich")$standard_errors, "sandwich")
})
