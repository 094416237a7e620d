# What stands in the pictures of plot(): words, axes, points. The words are read from a PDF.

d <- crossing_lines(500)
d$g <- withr::with_seed(2, factor(sample(
  c("first level", "second", "third", "the fourth one", "five", "six", "seven", "eight"),
  500, TRUE)))
d$b <- as.integer(d$y + withr::with_seed(3, rnorm(500)) > 1)
fit <- moe(y ~ x + g, d, K = 2, start = d$label)

# All text that `code` draws, page by page put together.
words_of_picture <- function(code, width = 7) {
  file <- withr::local_tempfile(fileext = ".pdf")
  grDevices::pdf(file, width = width, height = 6, compress = FALSE, useKerning = FALSE, encoding = "ISOLatin1")
  force(code)
  grDevices::dev.off()
  lines <- readLines(file, warn = FALSE)
  text <- regmatches(lines, regexpr("\\((.*)\\) Tj", lines))
  gsub("\\\\([()])", "\\1", sub("\\) Tj$", "", sub("^\\(", "", text)))
}

test_that("plot(fit) shows experts and gates, and how it converged only where asked", {
  text <- words_of_picture(plot(fit))
  expect_true(all(c("Experts' means", "Gate probabilities") %in% text))
  expect_false(any(grepl("likelihood|step", text)))
  expect_true(any(grepl("Log-likelihood", words_of_picture(plot(fit, "convergence")))))
  merged <- moe_aggregate(list(a = fit, b = fit), d)
  expect_true(all(c("Experts' means", "Where the sites' experts went") %in% words_of_picture(plot(merged))))
})

test_that("the axis of log-likelihoods shows differences", {
  text <- words_of_picture(plot(fit, "convergence"))
  path <- objective_path(fit)
  expect_equal(path$steps$objective, fit$record$objective - fit$record$objective[length(fit$record$objective)])
  expect_gt(length(unique(text)), 5)
  expect_equal(path$steps$objective[nrow(path$steps)], 0)
  expect_match(paste(text, collapse = " "), "last value")
})

test_that("it says at which values the others are held, and what the bands are", {
  text <- paste(words_of_picture(plot(fit, "experts")), collapse = " ")
  expect_match(text, "The other variables are held at x = ", fixed = TRUE)
  expect_match(text, paste("g =", fit$schema$variables$g$mode), fixed = TRUE)
  expect_match(text, "95 % intervals", fixed = TRUE)
  along_x <- paste(words_of_picture(plot(fit, "gates", variable = "x")), collapse = " ")
  expect_match(along_x, paste("Held at g =", fit$schema$variables$g$mode), fixed = TRUE)
  expect_no_match(along_x, "intervals")
  bare <- moe(y ~ x, d, K = 2, start = d$label, control = moe_control(information = FALSE))
  text <- paste(words_of_picture(plot(bare)), collapse = " ")
  expect_no_match(text, "intervals|eld at")
})

test_that("factor axes have all levels, on narrow pages too", {
  for (width in c(4, 7, 12)) {
    for (variable in list("g", NULL)) {
      text <- words_of_picture(plot(fit, "experts", variable = variable), width)
      expect_true(all(levels(d$g) %in% text))
    }
  }
  many <- transform(d, g = factor(paste0("level", 1:40))[rep_len(1:40, 500)])
  wide <- suppressWarnings(moe(y ~ x + g, many, K = 1))
  expect_true(all(levels(many$g) %in% words_of_picture(plot(wide, "experts", variable = "g"))))
})

test_that("rows of the fit are drawn where it keeps them; 0/1 responses are set apart", {
  curves <- plot_curves(fit, NULL, plot_rows(fit, NULL), "expert")
  expect_equal(curves$x$points$y, d$y)
  expect_equal(range(curves$x$value), range(d$x))
  expect_null(plot_rows(moe(y ~ x, d, K = 1, keep = FALSE), NULL))
  for (data in list(d, transform(d, b = factor(b, 0:1, c("no", "yes"))), transform(d, b = b == 1))) {
    logistic <- moe(b ~ x, data, K = 1, family = binomial())
    y <- plot_curves(logistic, NULL, plot_rows(logistic, NULL), "expert")$x$points$y
    expect_gt(length(unique(y)), 400)
    expect_equal(round(y), d$b)
    expect_lt(max(abs(y - d$b)), 0.05)
  }
  classes <- suppressWarnings(moe(Species ~ Petal.Width, iris, K = 1, family = multinomial()))
  y <- plot_curves(classes, NULL, plot_rows(classes, NULL), "expert", "versicolor")$Petal.Width$points$y
  expect_equal(round(y), as.numeric(iris$Species == "versicolor"))
})

test_that("bands are the delta method's", {
  curve <- plot_curves(fit, "x", NULL, "expert")$x
  at <- data.frame(x = curve$value, g = factor(fit$schema$variables$g$mode, levels(d$g)))
  both <- predict(fit, at, "expert", se.fit = TRUE)
  expect_equal(curve$band$high, unname(both$fit + qnorm(0.975) * both$se.fit), ignore_attr = TRUE)
  both <- predict(fit, at, se.fit = TRUE)
  expect_equal(as.vector(curve$mixture_band$low), both$fit - qnorm(0.975) * both$se.fit)
})

test_that("the residual plot shows quantile residuals, and leaves the random numbers alone", {
  shown <- residual_points(fit, fit$model, NULL)
  expect_equal(shown$fitted$y, residuals(fit, "quantile"))
  expect_equal(shown$fitted$x, fitted(fit))
  expect_equal(sort(shown$fitted$y), shown$normal$y, tolerance = 1e-8)
  counts <- moe(pmax(0, round(y)) ~ x, d, K = 2, family = poisson(), start = d$label)
  set.seed(5)
  first <- residual_points(counts, counts$model, NULL)
  after <- runif(1)
  set.seed(5)
  expect_equal(after, runif(1))
  expect_identical(residual_points(counts, counts$model, NULL), first)
  text <- words_of_picture(plot(fit, "residuals"))
  expect_true(all(c("fitted y", "normal quantiles") %in% text))
  bare <- moe(y ~ x, d, K = 1, keep = FALSE)
  expect_error(plot(bare, "residuals"), "which", class = "moe_input_error")
  expect_true("fitted y" %in% words_of_picture(plot(bare, "residuals", data = d)))
})

test_that("graphical parameters are taken, others refused", {
  text <- words_of_picture(plot(fit, "experts", variable = "x", main = "My title", xlab = "along", ylab = "up"))
  expect_true(all(c("My title", "along", "up") %in% text))
  expect_error(plot(fit, colour = 2), "Unknown argument `colour`", class = "moe_input_error")
  sites <- moe_sites(y ~ x, split(d, rep(1:4, 125)), start = moe(y ~ x, d, K = 2, start = d$label))
  objects <- list(suppressWarnings(moe_select(y ~ x, d, K = 1:2)), moe_path(y ~ x, d, K = 2, n_lambda = 3), sites,
    moe_influence(moe_aggregate(sites, d)))
  for (object in objects) {
    text <- words_of_picture(plot(object, main = "My title", xlab = "along", ylab = "up", las = 2, ylim = c(0, 5)))
    expect_true(all(c("My title", "along", "up") %in% text))
    expect_error(plot(object, colour = 2), "Unknown argument `colour`", class = "moe_input_error")
  }
  text <- words_of_picture(plot(fit, "convergence", main = "My title", ylab = "up", las = 0))
  expect_true(all(c("My title", "up") %in% text))
})

test_that("choices and influences have titles that fit", {
  choice <- suppressWarnings(moe_select(y ~ x, d, K = 1:2))
  text <- words_of_picture(plot(choice))
  expect_true(all(c(paste("Number of experts:", choice$K), "by BIC (smaller is better)", "BIC") %in% text))
  path <- moe_path(y ~ x + g, d, K = 2, n_lambda = 4)
  expect_true(any(grepl("^Path of penalties: lambda = ", words_of_picture(plot(path)))))
  expect_true(any(grepl("columns of the gates", words_of_picture(plot(path, "gate")))))
  # The axis' title stands beside the numbers, not on them.
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  for (values in list(c(1e6, 2e6), c(0.001, 0.002), c(-123456.7, 1))) {
    widest <- max(graphics::strwidth(format(pretty(values)), "inches"))
    expect_gt((left_lines(values) - 0.9) * graphics::par("csi"), widest)
  }
})

test_that("numbers that the formula takes as a factor are drawn at its levels", {
  cars <- suppressWarnings(moe(mpg ~ wt + factor(cyl), mtcars, K = 1, gating = ~ wt))
  curve <- plot_curves(cars, NULL, plot_rows(cars, NULL), "expert")
  expect_identical(curve$cyl$value, factor(c(4, 6, 8)))
  expect_equal(curve$cyl$mixture, predict(cars, data.frame(wt = mean(mtcars$wt), cyl = c(4, 6, 8))), tolerance = 1e-8)
  expect_identical(as.character(curve$cyl$points$along), as.character(mtcars$cyl))
  text <- words_of_picture(plot(cars))
  expect_true(all(c("4", "6", "8") %in% text))
  expect_match(paste(text, collapse = " "), "cyl = 6")
  expect_true(all(c("4", "6", "8") %in% words_of_picture(plot(cars, "experts", variable = "cyl", data = mtcars))))
  skip_if_not_installed("ggplot2")
  expect_no_error(words_of_picture(print(ggplot2::autoplot(cars))))
})

test_that("rows of one level and class lie apart in both directions", {
  logistic <- moe(b ~ g, d, K = 1, family = binomial())
  points <- plot_curves(logistic, NULL, plot_rows(logistic, NULL), "expert")$g$points
  aside <- split(data.frame(x = points$value, y = points$y), list(d$g, d$b))
  for (own in aside) if (nrow(own) > 9) expect_lt(abs(cor(own$x, own$y)), 0.7)
})

test_that("long names stay distinct, and within the page", {
  long <- transform(d, a_name_that_is_far_too_long_for_half_a_page_of_such_a_width = x,
    h = factor(paste("a level of a factor no.", as.integer(g))))
  wide <- moe(y ~ a_name_that_is_far_too_long_for_half_a_page_of_such_a_width + h, long, K = 1)
  text <- words_of_picture(plot(wide, "experts"))
  expect_true(all(grepl("no. [1-8]$", grep("^a le", text, value = TRUE))))
  expect_length(unique(grep("^a le.*[.]{3}", text, value = TRUE)), 8)
  expect_true(any(grepl("^a_name_that.*[.]{3}$", text)))
})

test_that("variables without a typical value stay where the rows have them, and the picture says where", {
  d$m <- cbind(p = d$x^2, q = -d$x)
  pair <- moe(y ~ x + m, d, K = 1, control = moe_control(singular_ok = TRUE))
  curve <- plot_curves(pair, "x", plot_rows(pair, NULL), "expert")$x
  at <- data.frame(x = curve$value)
  at$m <- matrix(colMeans(d$m), 101, 2, byrow = TRUE)
  expect_equal(curve$mixture, predict(pair, at))
  expect_match(paste(words_of_picture(plot(pair, "experts")), collapse = " "), "Held at m = (", fixed = TRUE)
  inner <- moe(y ~ x + relevel(g, "five"), d, K = 1)
  expect_error(plot(inner, "experts"), "typical value", class = "moe_input_error")
  most <- names(which.max(table(d$g)))
  text <- words_of_picture(plot(inner, "experts", data = d))
  expect_match(paste(text, collapse = " "), paste("Held at g =", most), fixed = TRUE)
})

test_that("every site has its name, however many and however long", {
  names <- paste("The hospital at the end of the town, no.", 1:24)
  sources <- stats::setNames(split(d, rep_len(1:24, 500)), names)
  sites <- moe_sites(y ~ x, sources, start = moe(y ~ x, d, K = 2, start = d$label))
  merged <- suppressWarnings(moe_aggregate(sites, d))
  influence <- moe_influence(merged)
  left <- setdiff(names, influence$site)
  for (text in list(words_of_picture(plot(sites)), words_of_picture(plot(influence)),
    words_of_picture(plot(merged, "plan")))) {
    seen <- unique(grep("^The h.*no. [0-9]+$", text, value = TRUE))
    expect_gte(length(seen), 24 - length(left))
    expect_lte(max(nchar(seen)), 28)
  }
})
