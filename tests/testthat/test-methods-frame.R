# What R's own tools ask a model for.

d <- two_experts(300, "gaussian")
start <- 1 + (d$x < 0)
fit <- moe(y ~ x + g, d, K = 2, gating = ~ x + v, start = start)

test_that("terms, columns, degrees of freedom, names", {
  expect_identical(attr(terms(fit, "expert"), "term.labels"), c("x", "g"))
  expect_identical(attr(terms(fit, "gate"), "term.labels"), c("x", "v"))
  expect_identical(all.vars(terms(fit)), c("y", "x", "g", "v"))
  x <- model.matrix(~ x + g, d)
  expect_equal(unname(model.matrix(fit)), unname(x), ignore_attr = TRUE)
  expect_identical(colnames(model.matrix(fit)), variable.names(fit))
  expect_equal(unname(model.matrix(fit, "gate", newdata = d[1:3, ])), unname(model.matrix(~ x + v, d[1:3, ])),
    ignore_attr = TRUE)
  expect_identical(df.residual(fit), 300 - attr(logLik(fit), "df"))
  expect_identical(case.names(fit), row.names(d))
  expect_identical(extractAIC(fit), c(attr(logLik(fit), "df"), AIC(fit)))
  expect_identical(extractAIC(fit, k = log(300))[2], BIC(fit))
  by_matrix <- moe(as.matrix(d[c("x", "v")]), d$y, K = 1)
  expect_equal(unname(model.matrix(by_matrix)), unname(cbind(1, as.matrix(d[c("x", "v")]))))
  expect_error(terms(by_matrix), "matrices", class = "moe_input_error")
  holes <- d
  holes$x[3] <- NA
  left <- moe(y ~ x, holes, K = 1)
  expect_identical(as.integer(na.action(left)), 3L)
  expect_identical(case.names(left), row.names(d)[-3])
})

test_that("anova() at one expert is the likelihood ratio of glm()", {
  counts <- two_experts(300, "poisson")
  small <- moe(y ~ x, counts, K = 1, family = poisson())
  large <- moe(y ~ x + g, counts, K = 1, family = poisson())
  table <- anova(large, small)
  theirs <- anova(glm(y ~ x, poisson, counts), glm(y ~ x + g, poisson, counts), test = "Chisq")
  expect_identical(row.names(table), c("small", "large"))
  expect_equal(table$Chisq[2], theirs$Deviance[2], tolerance = 1e-6)
  expect_equal(table[["Pr(>Chisq)"]][2], theirs[["Pr(>Chi)"]][2], tolerance = 1e-6)
  expect_equal(table[["Chi Df"]][2], 2)
  expect_output(print(table), "Chisq")
  expect_null(anova(large, small, test = "none")$Chisq)
})

test_that("no test between numbers of experts; what can't be compared is refused", {
  line <- moe(y ~ x + g, d, K = 1)
  table <- anova(line, fit)
  expect_true(is.na(table[["Pr(>Chisq)"]][2]))
  wrong <- function(code, words) expect_error(code, words, class = "moe_input_error")
  wrong(anova(fit), "two models")
  wrong(anova(fit, moe(y ~ x, d[-1, ], K = 1)), "same responses.*300 rows.*299")
  wrong(anova(fit, lm(y ~ x, d)), "moe")
  merged <- moe_aggregate(list(a = line, b = line, c = line), d)
  wrong(anova(line, merged), "aggregate")
  # A maximum that was not found.
  poor <- moe(y ~ x + g + v, d, K = 2, start = start, control = moe_control(max_iterations = 1)) |> suppressWarnings()
  good <- moe(y ~ x + g, d, K = 2, start = start)
  poor$log_lik <- good$log_lik - 5
  expect_warning(anova(good, poor), "not found")
})

test_that("drop1() fits again without each term, of experts and gates", {
  set.seed(1)
  table <- drop1(fit)
  expect_identical(row.names(table), c("<none>", "x", "g", "gate: x", "gate: v"))
  without <- moe(y ~ x + g, d, K = 2, gating = ~ x)
  expect_equal(table["gate: v", "logLik"], as.numeric(logLik(without)), tolerance = 1e-4)
  expect_equal(table["gate: v", "Chi Df"], 1)
  expect_equal(table["g", "Chi Df"], 4)
  expect_equal(table["gate: v", "Pr(>Chisq)"],
    pchisq(2 * (as.numeric(logLik(fit)) - table["gate: v", "logLik"]), 1, lower.tail = FALSE))
  expect_identical(row.names(drop1(fit, "g")), c("<none>", "g"))
  expect_error(drop1(fit, "nonsense"), "nonsense", class = "moe_input_error")
  # One formula for both: a term leaves both; at one expert glm()'s.
  counts <- two_experts(300, "poisson")
  theirs <- drop1(glm(y ~ x + g, poisson, counts), test = "Chisq")
  ours <- drop1(moe(y ~ x + g, counts, K = 1, family = poisson()))
  expect_equal(ours$Chisq[-1], theirs$LRT[-1], tolerance = 1e-6)
  expect_equal(ours[["Pr(>Chisq)"]][-1], theirs[["Pr(>Chi)"]][-1], tolerance = 1e-6)
})

test_that("drop1() keeps the rows where the term left out has gaps, and says that matrices have no terms", {
  holes <- two_experts(300, "gaussian")
  holes$v[c(3, 50, 200)] <- NA
  fit <- moe(y ~ x + v, holes, K = 2, gating = ~x)
  table <- drop1(fit)
  without <- moe(y ~ x, holes[-c(3, 50, 200), ], K = 2, gating = ~x)
  expect_equal(table["v", "logLik"], as.numeric(logLik(without)), tolerance = 1e-4)
  expect_equal(drop1(fit, k = log(297))$AIC, -2 * table$logLik + log(297) * table$Df)
  x <- cbind(a = holes$x, b = rnorm(300))
  expect_error(drop1(moe(x, holes$y, K = 1)), "matrices", class = "moe_input_error")
})

test_that("hat values of one expert are those of lm() and glm(); formulas of experts and gates", {
  one <- moe(y ~ x + g, d, K = 1, weights = w)
  expect_equal(hatvalues(one), hatvalues(lm(y ~ x + g, d, weights = w)), tolerance = 1e-6)
  counts <- two_experts(300, "poisson")
  one <- moe(y ~ x + g, counts, K = 1, family = poisson())
  expect_equal(hatvalues(one), hatvalues(glm(y ~ x + g, poisson, counts)), tolerance = 1e-5)
  expect_error(hatvalues(fit), "one expert", class = "moe_input_error")
  expect_equal(formula(fit), y ~ x + g, ignore_attr = TRUE)
  expect_equal(formula(fit, "gate"), ~ x + v, ignore_attr = TRUE)
  expect_equal(formula(moe(y ~ x, d, K = 1), "gate"), ~ x, ignore_attr = TRUE)
})
