# What a model answers: coefficients, likelihood, predictions, print, plots. With one expert the
# model is lm() or glm(), and all of their numbers must come back.

set.seed(21)
d <- data.frame(x = runif(300, -1, 1), u = rnorm(300), f = factor(rep_len(c("a", "b", "c"), 300)))
d$h <- rnorm(300)
d$y <- ifelse(runif(300) < plogis(4 * d$x), 2 - d$u, 3 * d$u - 1) + rnorm(300, sd = 0.4)
d$b <- rbinom(300, 1, plogis(0.5 + d$x - d$u))
d$w <- sample(0:3, 300, TRUE)
start <- 1 + (d$y > 0)
two <- moe(y ~ x + u, d, K = 2)
three <- moe(y ~ u, d, K = 3, gating = ~ x + f, start = rep_len(1:3, 300))
logistic <- moe(b ~ x, d, K = 2, family = binomial(), start = start)

test_that("one Gaussian expert is lm, with the maximum likelihood variance", {
  one <- moe(y ~ x + u + f, d, K = 1)
  reference <- lm(y ~ x + u + f, d)
  expect_equal(coef(one, "expert")[, 1], coef(reference), tolerance = 1e-8)
  expect_equal(one$parameters$dispersion[["1"]], mean(residuals(reference)^2), tolerance = 1e-8)
  expect_equal(logLik(one), logLik(reference), tolerance = 1e-6, ignore_attr = TRUE)
  expect_equal(attributes(logLik(one))[c("df", "nobs")], list(df = 6L, nobs = 300))
  expect_equal(AIC(one), AIC(reference), tolerance = 1e-6)
  expect_equal(BIC(one), BIC(reference), tolerance = 1e-6)
  expect_equal(fitted(one), unname(fitted(reference)), tolerance = 1e-8)
  expect_equal(residuals(one), unname(residuals(reference)), tolerance = 1e-8)
  expect_equal(predict(one, d, "density"),
    dnorm(d$y, fitted(reference), sqrt(mean(residuals(reference)^2))), tolerance = 1e-6)
})

test_that("so it is far from the origin and with columns of unlike size", {
  far <- transform(d, x = 1e5 + x, u = 1e-6 * u, y = 1e3 * y - 1e6)
  reference <- lm(y ~ x + u, far)
  one <- moe(y ~ x + u, far, K = 1)
  expect_equal(coef(one, "expert")[-1, 1], coef(reference)[-1], tolerance = 1e-8)
  expect_equal(logLik(one)[1], logLik(reference)[1], tolerance = 1e-8)
  # More experts: a change of units changes nothing but the units.
  moved <- moe(y ~ x + u, far, K = 2, start = start)
  plain <- moe(y ~ x + u, d, K = 2, start = start)
  expect_equal(fitted(moved), 1e3 * fitted(plain) - 1e6, tolerance = 1e-6)
  expect_equal(logLik(moved)[1], logLik(plain)[1] - 300 * log(1e3), tolerance = 1e-6)
})

test_that("a weight of 2 is a row that comes twice", {
  long <- d[rep(seq_len(300), d$w), ]
  one <- moe(y ~ x + offset(h), d, K = 1, weights = w)
  reference <- lm(y ~ x + offset(h), d, weights = w)
  repeated <- lm(y ~ x + offset(h), long)
  expect_equal(coef(one, "expert")[, 1], coef(reference), tolerance = 1e-8)
  expect_equal(one$parameters$dispersion[["1"]], mean(residuals(repeated)^2), tolerance = 1e-8)
  expect_equal(logLik(one)[1], logLik(repeated)[1], tolerance = 1e-6)
  weighted <- moe(y ~ u, d, K = 2, weights = w, start = start)
  twice <- moe(y ~ u, long, K = 2, start = start[rep(seq_len(300), d$w)])
  expect_equal(coef(weighted), coef(twice), tolerance = 1e-5)
  expect_equal(logLik(weighted)[1], logLik(twice)[1], tolerance = 1e-8)
})

test_that("one logistic expert is glm", {
  for (formula in list(b ~ x + u, b ~ x + f + offset(h))) {
    reference <- glm(formula, binomial(), d)
    one <- moe(formula, d, K = 1, family = binomial())
    expect_equal(coef(one, "expert")[, 1], coef(reference), tolerance = 1e-6)
    expect_equal(logLik(one), logLik(reference), tolerance = 1e-6, ignore_attr = TRUE)
    expect_equal(AIC(one), AIC(reference), tolerance = 1e-6)
    expect_equal(BIC(one), BIC(reference), tolerance = 1e-6)
    expect_equal(fitted(one), unname(fitted(reference)), tolerance = 1e-6)
    weighted <- moe(formula, d, K = 1, family = binomial, weights = w)
    reference <- glm(formula, binomial(), d, weights = w)
    expect_equal(coef(weighted, "expert")[, 1], coef(reference), tolerance = 1e-6)
    expect_equal(logLik(weighted)[1], logLik(reference)[1], tolerance = 1e-6)
  }
})

test_that("coefficients come in a fixed order: experts, gates, dispersions", {
  all <- coef(three)
  beta <- coef(three, "expert")
  alpha <- coef(three, "gate")
  expect_equal(dimnames(beta), list(c("(Intercept)", "u"), c("1", "2", "3")))
  expect_equal(dimnames(alpha), list(c("(Intercept)", "x", "fb", "fc"), c("1", "2")))
  expect_equal(unname(all), unname(c(beta, alpha, three$parameters$dispersion)))
  expect_equal(names(all), c(paste0("expert", rep(1:3, each = 2), ":", rownames(beta)),
    paste0("gate", rep(1:2, each = 4), ":", rownames(alpha)), paste0("dispersion", 1:3)))
  expect_equal(all[["expert3:u"]], beta["u", "3"])
  expect_equal(all[["gate2:fc"]], alpha["fc", "2"])
  # Logistic experts have no dispersion, one expert has no gate.
  expect_equal(names(coef(logistic)), c("expert1:(Intercept)", "expert1:x", "expert2:(Intercept)",
    "expert2:x", "gate1:(Intercept)", "gate1:x"))
  one <- moe(b ~ x, d, K = 1, family = binomial())
  expect_equal(names(coef(one)), c("expert1:(Intercept)", "expert1:x"))
  expect_equal(dim(coef(one, "gate")), c(2L, 0L))
})

test_that("log-likelihood, AIC and BIC are on R's scale", {
  for (fit in list(two, three, logistic)) {
    value <- logLik(fit)
    df <- length(coef(fit))
    expect_s3_class(value, "logLik")
    expect_equal(value[1], sum(predict(fit, d, "density", log = TRUE)), tolerance = 1e-8)
    expect_equal(logLik(fit, d), value, tolerance = 1e-8)
    expect_equal(attributes(value)[c("df", "nobs")], list(df = df, nobs = 300))
    expect_equal(AIC(fit), 2 * df - 2 * value[1])
    expect_equal(BIC(fit), log(300) * df - 2 * value[1])
  }
  expect_equal(length(coef(three)), 3 * 2 + 2 * 4 + 3)
  # More experts can only fit better.
  expect_gt(logLik(two)[1], logLik(moe(y ~ x + u, d, K = 1))[1])
})

test_that("an aggregate has AIC and BIC at rows that are given, and says so", {
  merged <- moe_aggregate(list(a = two, b = two), d)
  expect_error(AIC(merged), "seen no rows", class = "moe_input_error")
  expect_error(BIC(merged), "seen no rows", class = "moe_input_error")
  value <- logLik(merged, d)
  expect_equal(AIC(value), 2 * length(coef(merged)) - 2 * sum(predict(merged, d, "density", log = TRUE)))
  expect_equal(BIC(value), AIC(value) + (log(300) - 2) * length(coef(merged)))
  expect_equal(AIC(value), AIC(two), tolerance = 1e-4)
  # Families without dispersion count no variances.
  set.seed(2)
  counts <- data.frame(u = d$u, y = rpois(300, exp(d$u / 2)))
  one <- moe(y ~ u, counts, K = 1, family = poisson())
  reference <- glm(y ~ u, poisson(), counts)
  expect_equal(c(AIC(one), BIC(one)), c(AIC(reference), BIC(reference)), tolerance = 1e-8)
  classes <- suppressWarnings(moe(Species ~ Petal.Length, iris, K = 1, family = multinomial()))  # separated
  expect_equal(AIC(classes), 2 * 4 - 2 * logLik(classes)[1])
  expect_equal(BIC(classes), log(150) * 4 - 2 * logLik(classes)[1])
})

test_that("a coefficient that the data do not determine is not counted", {
  doubled <- transform(d, x2 = 2 * x)
  one <- moe(y ~ x + x2, doubled, K = 1, control = moe_control(singular_ok = TRUE))
  reference <- lm(y ~ x + x2, doubled)
  expect_equal(fitted(one), unname(fitted(reference)), tolerance = 1e-8)
  expect_equal(logLik(one)[1], logLik(reference)[1], tolerance = 1e-6)
  expect_equal(AIC(one), AIC(reference), tolerance = 1e-6)
})

test_that("small answers", {
  expect_equal(nobs(two), 300)
  expect_equal(formula(two), y ~ x + u, ignore_attr = TRUE)
  expect_equal(family(two)$family, "gaussian")
  expect_equal(family(logistic)$link, "logit")
  expect_equal(fitted(two), predict(two))
  expect_equal(fitted(two) + residuals(two), d$y)
  expect_equal(residuals(logistic), d$b - predict(logistic, d))
  expect_equal(names(two$share), c("1", "2"))
  expect_equal(two$share, colMeans(predict(two, d, "posterior")), tolerance = 1e-4)
})

test_that("predictions obey the model's equations", {
  for (fit in list(two, three, logistic)) {
    ask <- function(type, ...) predict(fit, d, type, ...)
    gate <- ask("gate")
    expert <- ask("expert")
    posterior <- ask("posterior")
    expect_equal(dim(gate), c(300L, fit$K))
    expect_equal(colnames(gate), as.character(seq_len(fit$K)))
    expect_equal(rowSums(gate), rep(1, 300), tolerance = 1e-12)
    expect_equal(rowSums(posterior), rep(1, 300), tolerance = 1e-12)
    expect_true(all(gate >= 0 & posterior >= 0))
    expect_equal(ask("response"), rowSums(gate * expert), tolerance = 1e-12)
    density <- vapply(seq_len(fit$K), function(k) {
      if (fit$family$family == "binomial") return(dbinom(d$b, 1, expert[, k]))
      dnorm(d$y, expert[, k], sqrt(fit$parameters$dispersion[[k]]))
    }, numeric(300))
    expect_equal(ask("density"), rowSums(gate * density), tolerance = 1e-10)
    expect_equal(ask("density", log = TRUE), log(ask("density")), tolerance = 1e-10)
    expect_equal(unname(posterior), unname(gate * density / rowSums(gate * density)),
      tolerance = 1e-8)
    expect_equal(ask("class"), apply(posterior, 1, which.max), ignore_attr = TRUE)
    expect_equal(unname(predict(fit, d[4, ], "gate")), unname(gate[4, , drop = FALSE]))
  }
  # Experts and gates by hand: the last gate is the reference.
  expect_equal(unname(predict(two, d, "expert")),
    unname(cbind(1, d$x, d$u) %*% coef(two, "expert")), tolerance = 1e-10)
  score <- exp(cbind(model.matrix(~ x + f, d) %*% coef(three, "gate"), 0))
  expect_equal(unname(predict(three, d, "gate")), unname(score / rowSums(score)), tolerance = 1e-10)
})

test_that("densities integrate to 1", {
  y <- seq(-60, 60, by = 0.01)
  for (x in c(-0.9, 0.3)) {
    rows <- data.frame(x = x, u = 1, f = "b", y = y)
    for (fit in list(two, three)) {
      expect_equal(sum(predict(fit, rows, "density")) * 0.01, 1, tolerance = 1e-6)
      expect_equal(sum(y * predict(fit, rows, "density")) * 0.01, predict(fit, rows[1, ]),
        tolerance = 1e-6)
    }
    both <- predict(logistic, data.frame(x = x, b = 0:1), "density")
    expect_equal(sum(both), 1, tolerance = 1e-12)
    expect_equal(both[2], predict(logistic, data.frame(x = x)), tolerance = 1e-12)
  }
})

test_that("far rows give finite gates and log densities", {
  far <- data.frame(x = c(-1e4, 1e4), u = c(1e4, -1e4), y = 0, b = 1)
  for (fit in list(two, logistic)) {
    expect_equal(rowSums(predict(fit, far, "gate")), c(1, 1))
    expect_equal(rowSums(predict(fit, far, "posterior")), c(1, 1))
    expect_true(all(is.finite(predict(fit, far, "density", log = TRUE))))
  }
})

test_that("keep = FALSE keeps no row, and nothing else changes", {
  lean <- moe(y ~ x + u, d, K = 2, start = start, keep = FALSE)
  full <- moe(y ~ x + u, d, K = 2, start = start)
  expect_null(lean$rows)
  expect_equal(coef(lean), coef(full))
  expect_equal(logLik(lean), logLik(full))
  expect_equal(predict(lean, d), fitted(full), tolerance = 1e-10)
})

test_that("print and summary fit on a screen and hold what matters", {
  sim <- moe_simulate(3000, K = 4, d = 20, seed = 3)
  set.seed(1)
  fit <- moe(y ~ ., sim$data, K = 4)
  log_lik <- sprintf("log-likelihood = %.2f", logLik(fit)[1])
  printed <- capture.output(print(fit))
  expect_lt(length(printed), 40)
  for (text in list(printed, capture.output(summary(fit)))) {
    expect_true(all(nchar(text) <= 120))
    whole <- paste(text, collapse = "\n")
    expect_match(whole, "4 Gaussian experts")
    expect_match(whole, "n = 3,000")
    expect_match(whole, log_lik, fixed = TRUE)
    expect_match(whole, "Converged")
  }
  for (fit in list(two, three, logistic)) {
    text <- paste(capture.output(summary(fit)), collapse = "\n")
    expect_match(text, paste0("Gates (log odds against expert ", fit$K, ")"), fixed = TRUE)
    for (name in c(rownames(coef(fit, "expert")), rownames(coef(fit, "gate")))) {
      expect_match(text, name, fixed = TRUE)
    }
  }
  expect_output(print(logistic), "2 logistic experts, softmax gates")
  invisible(capture.output(returned <- withVisible(print(two))))
  expect_false(returned$visible)
  expect_identical(returned$value, two)
})

test_that("one expert can be printed and summarised too", {
  one <- moe(y ~ x, d, K = 1)
  expect_output(print(one), "1 Gaussian expert\n")
  expect_output(print(summary(one)), "1 Gaussian expert\n")
  expect_equal(dim(summary(one)$gate), c(2L, 0L))
})

test_that("a summary holds tables of coefficients", {
  s <- summary(three)
  expect_equal(s$expert[c("(Intercept)", "u"), ], coef(three, "expert"), ignore_attr = TRUE)
  expect_equal(s$expert["(sigma)", ], sqrt(three$parameters$dispersion), ignore_attr = TRUE)
  expect_equal(sum(s$expert["(share)", ]), 1, tolerance = 1e-10)
  expect_equal(s$gate, coef(three, "gate"), ignore_attr = TRUE)
})

test_that("a fit that has not converged says so", {
  short <- moe_control(max_iterations = 1, newton = FALSE, starts = 1)
  expect_warning(fit <- moe(y ~ x, d, K = 2, start = rep_len(1:2, 300), control = short),
    "did not converge in 1 EM iteration")
  expect_false(fit$record$converged)
  expect_output(print(fit), "NOT CONVERGED")
  expect_output(print(summary(fit)), "NOT CONVERGED")
  expect_true(two$record$converged)
  expect_equal(grep("NOT CONV", capture.output(print(two))), integer())
})

test_that("the objective never falls", {
  for (fit in list(two, three, logistic)) {
    objective <- fit$record$objective
    reseeds <- fit$record$steps %in% c("re-seed", "restore")
    rise <- diff(objective)[!reseeds[-1]]
    expect_true(all(rise >= -1e-8 * abs(objective[1])))
  }
})

test_that("plots are drawn, and put the device back as it was", {
  pdf(NULL)
  on.exit(dev.off())
  # Before it is stored, a plot sets the device's own defaults.
  plot(1)
  before <- par(c("mfrow", "mar", "oma"))
  aggregate <- moe_aggregate(list(a = two, b = two), d)
  by_matrix <- moe(as.matrix(d[c("x", "u")]), d$y, K = 2, start = start)
  models <- list(two, three, logistic, moe(y ~ x, d, K = 1), aggregate, by_matrix,
    moe(y ~ f, d, K = 2, start = start, gating = ~ poly(x, 2)))
  for (fit in models) {
    expect_identical(withVisible(plot(fit))$visible, FALSE)
    for (which in c("experts", if (fit$K > 1) "gates", "convergence",
      if (inherits(fit, "moe_aggregate")) "plan")) {
      expect_identical(plot(fit, which), fit)
    }
    expect_error(plot(fit, "leverage"), class = "moe_input_error")
  }
  expect_identical(plot(two, c("experts", "gates"), variable = "u", data = d), two)
  expect_error(plot(two, "plan"), "which", class = "moe_input_error")
  expect_error(plot(models[[4]], "gates"), "which", class = "moe_input_error")
  expect_equal(par(c("mfrow", "mar", "oma")), before)
})

test_that("rows that are not complete give NA, and no rows give none", {
  d <- crossing_lines(200)
  fit <- moe(y ~ poly(x, 2), d, K = 2, start = d$label)
  holes <- transform(d[1:4, ], x = replace(x, 2, NA))
  expect_equal(is.na(predict(fit, holes)), c(FALSE, TRUE, FALSE, FALSE))
  expect_equal(predict(fit, holes)[-2], fitted(fit)[c(1, 3, 4)])
  for (type in c("response", "gate", "class")) {
    expect_true(all(is.na(predict(fit, holes[2, ], type))))
    expect_equal(NROW(predict(fit, d[0, ], type)), 0)
  }
  x <- cbind(d$x, d$x^2)
  by_matrix <- moe(x, d$y, K = 2, start = d$label)
  x[2, 1] <- NA
  expect_equal(is.na(predict(by_matrix, x[1:3, ])), c(FALSE, TRUE, FALSE))
})

test_that("sigma() is that of the experts, and there is no deviance", {
  sim <- moe_simulate(300, K = 2, d = 2, seed = 1)
  expect_equal(sigma(sim$model), sqrt(sim$model$parameters$dispersion))
  expect_equal(sigma(moe(dist ~ speed, cars, K = 1))[[1]], sqrt(mean(residuals(lm(dist ~ speed, cars))^2)))
  counts <- moe(breaks ~ wool, warpbreaks, K = 1, family = poisson())
  expect_error(sigma(counts), "follows from", class = "moe_input_error")
  expect_error(deviance(sim$model), "no deviance", class = "moe_input_error")
})
