# Tables by modelsummary and texreg, tidy frames by broom, simulated residuals by DHARMa, bootstraps by boot.

fit <- suppressWarnings(moe(mpg ~ wt + hp, mtcars, K = 2, gating = ~ wt, seed = 1))
one <- moe(mpg ~ wt, mtcars, K = 1)

test_that("broom's generics find the methods", {
  skip_if_not_installed("broom")
  expect_identical(broom::tidy(fit), tidy(fit))
  expect_identical(broom::glance(fit), glance(fit))
  expect_identical(broom::augment(fit), augment(fit))
  expect_identical(tidy(fit)$term[c(2, 5, 8, 9)],
    c("expert 1: wt", "expert 2: wt", "gate 1: wt", "expert 1: (variance)"))
  line <- broom::tidy(lm(mpg ~ wt, mtcars))
  expect_equal(tidy(one)$estimate[1:2], line$estimate, tolerance = 1e-6)
  expect_equal(tidy(one)$std.error[1:2], line$std.error * sqrt(30 / 32), tolerance = 1e-6)
})

test_that("modelsummary makes a table", {
  skip_if_not_installed("modelsummary")
  table <- modelsummary::modelsummary(list(two = fit, one = one), output = "data.frame", coef_rename = TRUE,
    fmt = 3)
  estimate <- table[table$part == "estimates" & table$statistic == "estimate", ]
  expect_identical(estimate$term, tidy(fit)$term)
  expect_identical(estimate$two, sprintf("%.3f", coef(fit)))
  error <- table[table$part == "estimates" & table$statistic == "std.error", ]
  expect_identical(error$two, sprintf("(%.3f)", sqrt(diag(vcov(fit)))))
  gof <- table[table$part == "gof", ]
  expect_identical(gof$two[gof$term == "K"], "2")
  expect_equal(as.numeric(gof$one[gof$term == "BIC"]), BIC(one), tolerance = 1e-3)
  robust <- modelsummary::modelsummary(fit, output = "data.frame", vcov = vcov(fit, "sandwich"), fmt = 3)
  error <- robust[robust$part == "estimates" & robust$statistic == "std.error", ]
  expect_identical(error[[ncol(error)]], sprintf("(%.3f)", sqrt(diag(vcov(fit, "sandwich")))))
  starred <- modelsummary::modelsummary(fit, output = "data.frame", stars = TRUE, coef_rename = TRUE)
  variances <- starred[grepl("variance", starred$term), ]
  expect_no_match(variances[[ncol(variances)]], "*", fixed = TRUE)
})

test_that("texreg makes a table", {
  skip_if_not_installed("texreg")
  table <- texreg::extract(fit)
  expect_identical(table@coef.names, tidy(fit)$term)
  expect_equal(table@se, tidy(fit)$std.error)
  expect_equal(table@gof[c(1, 4)], c(2, BIC(fit)))
  expect_identical(nrow(tidy(fit)) - 2L, length(texreg::extract(fit, include.variances = FALSE)@coef))
  robust <- texreg::extract(fit, vcov = "sandwich")
  expect_equal(robust@se, unname(sqrt(diag(vcov(fit, "sandwich")))))
  text <- as.character(texreg::screenreg(list(fit, one)))
  expect_match(text, "expert 1: wt +-?[0-9]")
  expect_match(text, "Num. obs. +32 +32")
  merged <- moe_aggregate(list(a = one, b = one, c = one), mtcars)
  expect_identical(texreg::extract(merged)@gof.names, c("Experts", "Num. obs."))
})

test_that("what DHARMa asks for", {
  expect_identical(as.numeric(getObservedResponse.moe(fit)), mtcars$mpg)
  expect_identical(getFitted.moe(fit), unname(fitted(fit)))
  draws <- withr::with_seed(1, getSimulations.moe(fit, 3))
  expect_identical(dim(draws), c(32L, 3L))
  expect_equal(draws, unname(as.matrix(simulate(fit, 3, seed = 1))), ignore_attr = TRUE)
  grouped <- moe(factor(am) ~ wt, mtcars, K = 1, family = binomial())
  expect_setequal(getSimulations.moe(grouped, 5), c(0, 1))
  expect_identical(getObservedResponse.moe(grouped), mtcars$am)
  skip_if_not_installed("DHARMa")
  found <- suppressWarnings(DHARMa::simulateResiduals(fit, n = 500, seed = 1))
  exact <- pnorm(residuals(fit, "quantile"))
  expect_lt(max(abs(found$scaledResiduals - exact)), 0.1)
  expect_gt(DHARMa::testUniformity(found, plot = FALSE)$p.value, 1e-6)
})
