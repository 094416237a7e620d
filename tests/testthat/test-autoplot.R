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
  plot <- ggplot2::autoplot(fit, variable = "x", data = d)
  layers <- layers_of(plot)
  expect_length(layers, 4)  # points, bands, experts, mixture
  rows <- plot$data
  expect_equal(unique(as.character(rows$variable)), "x")
  expect_equal(range(rows$value), range(d$x))
  at <- data.frame(x = rows$value, g = factor(fit$schema$variables$g$mode, levels(d$g)))
  pick <- cbind(seq_len(nrow(rows)), as.integer(rows$expert))
  expect_equal(rows$y, predict(fit, at, "expert")[pick])
  expect_equal(rows$gate, predict(fit, at, "gate")[pick])
  expect_equal(rows$mixture, predict(fit, at))
  expect_equal(layers[[1]]$y, d$y)
  error <- predict(fit, at, "expert", se.fit = TRUE)$se.fit[pick]
  expect_equal(rows$high - rows$y, qnorm(0.975) * error)
  expect_equal(rows$y - rows$low, qnorm(0.975) * error)
  gates <- ggplot2::autoplot(fit, "gates", variable = "g")
  at <- data.frame(x = fit$schema$variables$x$mean, g = gates$data$value)
  expect_equal(gates$data$y, predict(fit, at, "gate")[cbind(1:6, as.integer(gates$data$expert))])
  expect_equal(nrow(layers_of(gates)[[1]]), 6)
})

test_that("the convergence and the plan are the model's", {
  steps <- ggplot2::autoplot(fit, "convergence")
  expect_equal(layers_of(steps)[[1]]$y, fit$record$objective - rev(fit$record$objective)[1])
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
  logistic <- suppressWarnings(moe(flag ~ x + g, transform(d, flag = y > 0), K = 2, family = binomial(),
    start = d$label))
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

test_that("variables of all kinds are drawn together, each with its own axis", {
  mixed <- moe(y ~ x + g + flag + day, transform(d, x = 1000 * x), K = 2, start = d$label)
  for (which in c("experts", "gates")) {
    plot <- ggplot2::autoplot(mixed, which)
    layers_of(plot)
    expect_equal(levels(plot$data$variable), c("x", "g", "flag", "day"))
    built <- ggplot2::ggplot_build(plot)
    axis <- function(panel) {
      scale <- built$layout$panel_scales_x[[panel]]
      known <- is.finite(scale$get_breaks())
      scale$get_labels()[known]
    }
    expect_equal(axis(2), c("u", "v", "w"))
    expect_equal(axis(3), c("FALSE", "TRUE"))
    expect_true(all(grepl("^20(19|20|21)-", axis(4))))
    expect_true(all(abs(as.numeric(axis(1))) <= 1500))
    # Where a level stands is what predict() says of it.
    rows <- plot$data[plot$data$variable == "g" & plot$data$expert == 2, ]
    at <- data.frame(x = mixed$schema$variables$x$mean, g = rows$label, flag = mixed$schema$variables$flag$mode,
      day = as.Date(mixed$schema$variables$day$mean, origin = "1970-01-01"))
    expect_equal(rows$y, unname(predict(mixed, at, if (which == "experts") "expert" else "gate")[, 2]),
      tolerance = 1e-6)
  }
  expect_match(ggplot2::autoplot(mixed)$labels$caption, "held at x = ")
})

test_that("choices, influences and sites have their plots", {
  choice <- suppressWarnings(moe_select(y ~ x, d, K = 1:3))
  plot <- ggplot2::autoplot(choice)
  expect_equal(layers_of(plot)[[2]]$y, choice$path$BIC)
  expect_match(plot$labels$title, paste("experts:", choice$K))
  cross <- suppressWarnings(moe_select(y ~ x, d, K = 1:2, criterion = "CV"))
  bars <- layers_of(ggplot2::autoplot(cross))[[3]]
  expect_equal(bars$ymax - bars$ymin, 2 * cross$path$CV_se)
  path <- moe_path(y ~ x + g, d, K = 2, n_lambda = 4)
  expect_equal(layers_of(ggplot2::autoplot(path))[[2]]$y, path$path$BIC)
  for (what in c("expert", "gate")) {
    steps <- layers_of(ggplot2::autoplot(path, what))[[2]]
    expect_equal(max(round(steps$y)), if (what == "expert") 2 else 1)
  }
  site <- rep(c("A", "B", "C", "D"), 125)
  sites <- moe_sites(y ~ x, split(d, site), K = 2, start = moe(y ~ x, d, K = 2, start = d$label), information = TRUE)
  plot <- ggplot2::autoplot(sites)
  layers_of(plot)
  x <- plot$data[plot$data$column == "x", ]
  expect_equal(x$estimate, unname(as.vector(coef(sites)[c("expert1:x", "expert2:x"), ])))
  expect_equal(x$low[1], confint(sites$models$A)["expert1:x", 1], tolerance = 1e-8)
  expect_match(ggplot2::autoplot(sites, sites = 2)$labels$subtitle, "2 more sites")
  support <- moe_support(d, site = site)
  influence <- moe_influence(moe_aggregate(sites, support), support)
  expect_equal(layers_of(ggplot2::autoplot(influence))[[2]]$x, influence$transport)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (object in list(choice, path, sites, influence)) {
    before <- graphics::par("mfrow", "mar", "oma", "mgp")
    expect_identical(plot(object), object)
    expect_equal(graphics::par("mfrow", "mar", "oma", "mgp"), before)
  }
  expect_error(plot(sites, "zz"), "zz", class = "moe_input_error")
})

test_that("what can't be drawn is refused", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  bad(ggplot2::autoplot(fit, "plan"), "which.*plan")
  bad(ggplot2::autoplot(fit, c("experts", "gates")), "which")
  bad(ggplot2::autoplot(moe(y ~ x, d, K = 1), "gates"), "which")
  bad(ggplot2::autoplot(fit, variable = "zz"), "zz")
  bad(ggplot2::autoplot(fit, data = 1:3), "data")
  bad(ggplot2::autoplot(fit, class = "u"), "class")
  bad(ggplot2::autoplot(merged, "plan", sites = 0), "sites")
  bad(ggplot2::autoplot(fit, colour = 2), "colour")
})

test_that("rows of one level lie side by side; a single maximum leaves room for its words", {
  both <- ggplot2::autoplot(fit, variable = c("x", "g"), data = d)
  alone <- ggplot2::autoplot(fit, variable = "g", data = d)
  points <- layers_of(both)[[1]]
  expect_equal(points$x[points$PANEL == 1], d$x)
  expect_gt(length(unique(points$x[points$PANEL == 2])), 100)
  beside <- layers_of(alone)[[1]]$x
  expect_gt(length(unique(beside)), 100)
  expect_equal(round(as.numeric(beside)), as.integer(d$g))
  one <- list(runs = 9, rows = 500, reached = 9, maxima = data.frame(objective = -1, reached = 9, kinds = "boxes 9",
    degenerate = FALSE))
  plot <- ggplot_search(one)
  expect_gte(ggplot2::ggplot_build(plot)$layout$panel_params[[1]]$x.range[2], 1)
})
