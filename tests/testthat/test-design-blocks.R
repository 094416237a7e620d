# Predictions in blocks of rows are those in one go.

set.seed(4)
n <- 90
d <- data.frame(x = rnorm(n), u = runif(n, 1, 2), i = sample(5L, n, TRUE), h = rnorm(n))
d$f <- factor(rep(c("b", "c", "a"), c(40, 40, 10)))
d$l <- rep(c(TRUE, FALSE), c(60, 30))
d$t <- ifelse(d$x > 1, "red", "blue")
d$y <- d$x * d$u + rnorm(n)
d$b <- ifelse(d$y > 0, "yes", "no")
few <- moe_control(max_iterations = 3)
start <- 1 + (d$x > 0)
fit_few <- function(...) suppressWarnings(moe(..., K = 2, start = start, control = few))
types <- c("response", "expert", "gate", "posterior", "class", "density", "log_density")

# `apart`: is this data set really taken apart?
expect_same_in_blocks <- function(fit, new, apart = TRUE) {
  for (type in types) {
    whole <- predict_block(fit, new, type)
    for (size in c(7, 30, 89)) {
      expect_identical(comes_apart(fit$schema, new, type, size), apart)
      expect_equal(predict_rows(fit, new, type, size), whole, tolerance = 1e-12)
    }
  }
}

right_sides <- list(~ x + u, ~ f * x + i - 1, ~ poly(x, 2) + l, ~ splines::ns(u, 3) + t,
  ~ scale(u) + offset(h), ~ log(u) + I(x^2 * two), ~ 1)
two <- 2
for (right in right_sides) {
  test_that(paste("blocks are one go:", deparse1(right)), {
    fit <- fit_few(update(right, y ~ .), d, gating = ~ x + f)
    expect_same_in_blocks(fit, d)
    # Missing rows: some, all rows of a block, and in the first block.
    holes <- d
    holes$x[c(3, 31:44)] <- NA
    holes$f[80] <- NA
    holes$y[50] <- NA
    expect_same_in_blocks(fit, holes)
    expect_equal(which(is.na(predict_rows(fit, holes, "class", 7))), c(3, 31:44, 50, 80))
    holes$u <- NA_real_
    holes$x <- NA_real_
    expect_true(all(is.na(predict_rows(fit, holes, "gate", 7))))
    # Without the response.
    expect_true(comes_apart(fit$schema, d[setdiff(names(d), "y")], "gate", 7))
    expect_equal(predict_rows(fit, d[setdiff(names(d), "y")], "gate", 7), predict_block(fit, d, "gate"))
  })
}

test_that("a response that is text or transformed goes in blocks", {
  expect_same_in_blocks(fit_few(b ~ x + f, d, family = binomial()), d)
  expect_same_in_blocks(fit_few(exp(y / 9) ~ x + f, d), d)
})

test_that("what looks at other rows goes in one go", {
  shift <- function(v) v - mean(v)
  three <- c(1, 2, 3)
  for (right in c(~ shift(x), ~ I(x - mean(x)), ~ I(x * three), ~ cumsum(x), ~ x + I(rank(u)),
                  ~ I(scale(x)^2), ~ abs(poly(x, 2)[, 1]))) {
    environment(right) <- environment()
    fit <- fit_few(update(right, y ~ .), d)
    expect_same_in_blocks(fit, d, apart = FALSE)
    expect_equal(predict_rows(fit, d, "response", 7)[, 1], fitted(fit), tolerance = 1e-10)
  }
  log <- function(v) v - max(v)
  fit <- fit_few(y ~ log(u), d)
  expect_same_in_blocks(fit, d, apart = FALSE)
})

test_that("errors and warnings speak of all rows", {
  fit <- fit_few(y ~ log(u) + f, d)
  bad <- d
  bad$u[c(17, 71)] <- Inf
  for (size in c(7, 1000)) {
    expect_error(predict_rows(fit, bad, "gate", size), "holds 2 values.*row 17",
      class = "moe_input_error")
  }
  bad <- transform(d, f = replace(as.character(f), c(20, 70), c("new", "newer")))
  expect_error(predict_rows(fit, bad, "gate", 7), "new.*newer", class = "moe_input_error")
  steep <- fit_few(y ~ splines::bs(u, df = 4), d)
  beyond <- transform(d, u = u * 1.01)
  expect_length(capture_warnings(predict_rows(steep, beyond, "gate", 7)), 1)
})

test_that("matrices are taken apart where one go would copy them", {
  x <- as.matrix(d[c("x", "u")])
  z <- as.matrix(d["h"])
  shared <- fit_few(x, d$y)
  own <- fit_few(x, d$y, gating = z)
  expect_false(comes_apart(shared$schema, x, "gate", 7))
  expect_true(comes_apart(shared$schema, list(x = x, y = d$y), "class", 7))
  holes <- x
  holes[c(2, 30:40), 2] <- NA
  gone <- c(2, 30:40)
  for (type in types) for (size in c(7, 89)) {
    whole <- predict_block(shared, list(x = x, y = d$y), type)
    expect_equal(predict_rows(shared, list(x = x, y = d$y), type, size), whole)
    expect_equal(predict_rows(shared, list(x = x[, 2:1], y = d$y), type, size), whole)
    expect_equal(predict_rows(shared, list(x = as.data.frame(x), y = d$y), type, size), whole)
    expect_equal(predict_rows(shared, list(x = holes, y = d$y), type, size),
      replace(whole, cbind(rep(gone, ncol(whole)), rep(seq_len(ncol(whole)), each = length(gone))), NA))
    new <- list(x = x, z = replace(z, 5, NA), y = d$y)
    expect_equal(predict_rows(own, new, type, size), predict_block(own, new, type))
  }
  expect_equal(predict_rows(shared, as.data.frame(x), "gate", 7), predict_block(shared, x, "gate"))
  expect_error(predict(shared, list(x = x, y = d$y[1:5]), "class"), "5 values",
    class = "moe_input_error")
  expect_error(predict_rows(own, list(x = x, z = z[1:5, , drop = FALSE]), "gate", 7),
    class = "moe_input_error")
  expect_error(predict_rows(shared, list(x = x[, 1, drop = FALSE]), "gate", 7), "1 column",
    class = "moe_input_error")
})
