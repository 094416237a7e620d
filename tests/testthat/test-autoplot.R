# autoplot(): the data in the layers are what predict() says.

skip_if_not_installed("ggplot2")

d <- crossing_lines(500)
d$g <- factor(rep_len(c("u", "v", "w"), 500))
d$flag <- d$x > 0.2
d$day <- as.Date("2020-01-01") + seq_len(500)
fit <- moe(y ~ x + g, d, K = 2, start = d$label)
merged <- moe_aggregate(list(a = fit, b = fit, c = fit), d)

# Builds the plot without a screen, and gives the data of its layers.
layers_of <- function(plot) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_s3_class(plot, "ggplot")
  expect_silent(print(plot))
  ggplot2::ggplot_build(plot)$data
}

test_that("experts and gates are those of predict()", {
  plot <- ggplot2::autoplot(fit, data = d)
  layers <- layers_of(plot)
  expect_length(layers, 3)
  rows <- plot$data
  expect_equal(unique(as.character(rows$variable)), "x")
  expect_equal(range(rows$value), range(d$x))
  at <- data.frame(x = rows$value, g = factor(fit$schema$variables$g$mode, levels(d$g)))
  pick <- cbind(seq_len(nrow(rows)), as.integer(rows$expert))
  expect_equal(rows$y, predict(fit, at, "expert")[pick])
  expect_equal(rows$gate, predict(fit, at, "gate")[pick])
  expect_equal(rows$mixture, predict(fit, at))
  expect_equal(layers[[1]]$y, d$y)
  gates <- ggplot2::autoplot(fit, "gates", variable = "g")
  at <- data.frame(x = fit$schema$variables$x$mean, g = gates$data$value)
  expect_equal(gates$data$y, predict(fit, at, "gate")[cbind(1:6, as.integer(gates$data$expert))])
  expect_equal(nrow(layers_of(gates)[[1]]), 6)
})

test_that("the convergence and the plan are the model's", {
  steps <- ggplot2::autoplot(fit, "convergence")
  expect_equal(layers_of(steps)[[1]]$y, fit$record$objective)
  expect_equal(layers_of(ggplot2::autoplot(merged, "convergence"))[[1]]$y, merged$aggregation$objective)
  plan <- ggplot2::autoplot(merged, "plan")
  layers_of(plan)
  # Every bar runs from 0 to 1, and its parts are the shares of the site's mass.
  parts <- plan$data
  mass <- merged$aggregation$mass
  for (i in seq_len(nrow(parts))) {
    own <- paste0(parts$site[i], ":", parts$local[i])
    site <- startsWith(rownames(mass), paste0(parts$site[i], ":"))
    expect_equal(parts$right[i] - parts$left[i], mass[own, parts$expert[i]] / sum(mass[site, ]))
  }
  expect_equal(as.numeric(tapply(parts$right, parts$site, max)), c(1, 1, 1))
  few <- ggplot2::autoplot(merged, "plan", sites = 2)
  expect_equal(levels(few$data$site), c("a", "b"))
  expect_match(few$labels$caption, "1 more site")
})

test_that("every family, factors, logicals, dates and matrices can be drawn", {
  counts <- moe(round(abs(y)) ~ x + day, d, K = 2, family = poisson(), start = d$label)
  classes <- suppressWarnings(moe(g ~ x + flag, d, K = 2, family = multinomial(), start = d$label))
  logistic <- suppressWarnings(moe(flag ~ x + g, transform(d, flag = y > 0), K = 2, family = binomial(), start = d$label))
  by_matrix <- moe(cbind(a = d$x, b = d$x^2), d$y, K = 2, start = d$label)
  for (model in list(counts, classes, logistic, by_matrix, merged, fit)) {
    for (which in plot_kinds(model)) layers_of(ggplot2::autoplot(model, which))
  }
  layers_of(ggplot2::autoplot(fit, variable = "g", data = d))
  layers_of(ggplot2::autoplot(counts, variable = "day"))
  layers_of(ggplot2::autoplot(classes, variable = "flag"))
  expect_equal(ggplot2::autoplot(classes, class = "u")$labels$y, "P(g = u)")
  expect_equal(levels(ggplot2::autoplot(by_matrix)$data$variable), c("a", "b"))
})

test_that("what can't be drawn is refused", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  bad(ggplot2::autoplot(fit, "plan"), "which.*plan")
  bad(ggplot2::autoplot(fit, c("experts", "gates")), "which")
  bad(ggplot2::autoplot(moe(y ~ x, d, K = 1), "gates"), "which")
  bad(ggplot2::autoplot(fit, variable = c("x", "g")), "one type.*numeric.*factor")
  bad(ggplot2::autoplot(fit, variable = "zz"), "zz")
  bad(ggplot2::autoplot(fit, data = 1:3), "data")
  bad(ggplot2::autoplot(fit, class = "u"), "class")
  bad(ggplot2::autoplot(merged, "plan", sites = 0), "sites")
  bad(ggplot2::autoplot(fit, colour = 2), "colour")
})
