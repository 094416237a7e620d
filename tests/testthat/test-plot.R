on_null_device <- function(code) {
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  before <- graphics::par("mfrow", "mar", "oma")
  force(code)
  expect_equal(graphics::par("mfrow", "mar", "oma"), before)
}

test_that("every kind of plot draws and puts the device's settings back", {
  d <- crossing_lines(600)
  d$g <- factor(rep_len(c("u", "v"), 600))
  fit <- moe(y ~ x + g, d, K = 2, start = d$label)
  set.seed(1)
  together <- moe_distributed(y ~ x + g, d, K = 2, sites = 3)
  on_null_device(plot(fit, "experts", data = d))
  on_null_device(plot(fit, c("gates", "convergence")))
  on_null_device(plot(together))
  on_null_device(plot(together, "plan", sites = 2))
  x <- cbind(a = d$x, b = stats::rnorm(600))
  on_null_device(plot(moe(x, d$y, K = 2)))
  on_null_device(plot(fit, "experts", variable = "x"))
})

test_that("what can't be drawn is refused with what can", {
  d <- crossing_lines(300)
  fit <- moe(y ~ x, d, K = 2, start = d$label)
  expect_error(plot(fit, "plan"), "which", class = "moe_input_error")
  expect_error(plot(fit, "experts", variable = "zz"), "zz", class = "moe_input_error")
  expect_error(plot(fit, "experts", data = 1:3), "data", class = "moe_input_error")
})

test_that("colours are one an expert", {
  for (K in c(1, 8, 20)) expect_length(unique(expert_colours(K)), K)
})

test_that("dates, logicals and logarithms can be drawn along", {
  d <- crossing_lines(200)
  d$day <- as.Date("2020-01-01") + seq_len(200)
  d$flag <- rep(c(TRUE, FALSE), 100)
  d$size <- stats::rexp(200)
  fit <- suppressWarnings(moe(y ~ x + day + flag + log(size), d, K = 2, start = d$label))
  on_null_device(plot(fit, c("experts", "gates")))
  on_null_device(plot(fit, "experts", data = d))
})
