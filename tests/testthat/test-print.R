# Prints and errors: what is cut says so, what is rounded keeps its digits.

d <- crossing_lines(300)

test_that("the whole call is printed, over several lines", {
  fit <- moe(y ~ x + I(x^2) + I(x^3) + I(sin(x)), data = d, K = 1, control = moe_control(starts = 3, tolerance = 1e-7,
    max_iterations = 400, singular_ok = TRUE, expert_ridge = 0.001), family = gaussian(), gating = ~ x + I(x^2))
  for (text in list(capture.output(print(fit)), capture.output(print(summary(fit))))) {
    expect_true(all(nchar(text) <= 110))
    whole <- gsub("\\s+", " ", paste(text, collapse = " "))
    expect_match(whole, gsub("\\s+", " ", paste(deparse(fit$call), collapse = " ")), fixed = TRUE)
  }
  long <- fit
  long$call <- as.call(c(quote(moe), lapply(1:200, function(i) as.name(paste0("variable", i)))))
  expect_match(paste(capture.output(print(long)), collapse = "\n"), "\n  ...\n", fixed = TRUE)
  expect_identical(cut_text(c("abc", strrep("x", 20)), 10), c("abc", "xxxxxxx..."))
})

test_that("lists that are cut say how many there are beside", {
  wide <- as.data.frame(matrix(rnorm(60), 3, 20))
  fit <- moe(y ~ x, d, K = 1)
  expect_error(predict(fit, wide), "\"V8\" and 12 more", class = "moe_input_error")
  expect_error(predict(fit, wide[1:3]), "The data have \"V1\", \"V2\", \"V3\"\\.$", class = "moe_input_error")
  names(wide)[1] <- "{odd}"
  expect_error(predict(fit, wide), "{odd}", fixed = TRUE, class = "moe_input_error")
  expect_identical(first_of(letters[1:3], 3), "a, b, c")
  expect_identical(first_of(letters[1:5], 3), "a, b, c and 2 more")
  expect_match(show_value(letters), "...", fixed = TRUE)
})

test_that("standard errors of summaries have their digits", {
  small <- transform(d, y = y / 100, w = 1e5 * x^2)
  fit <- moe(y ~ x + w, small, K = 2, start = d$label)
  text <- capture.output(print(summary(fit)))
  at <- grep("^Variances", text)
  shown <- function(lines, column) as.numeric(vapply(strsplit(trimws(lines), " +"), function(v) v[column], ""))
  error <- unname(sqrt(diag(vcov(fit))))
  names <- names(coef(fit))
  expect_equal(shown(text[at + 2:3], 4), error[grep("dispersion", names)], tolerance = 1e-3)
  expect_equal(shown(text[at + 2:3], 3), unname(coef(fit)[grep("dispersion", names)]), tolerance = 1e-3)
  slope <- grep("^w ", text)[1]
  expect_equal(shown(text[slope], 2), coef(fit)[["expert1:w"]], tolerance = 1e-3)
  expect_equal(shown(text[slope], 3), error[names == "expert1:w"], tolerance = 1e-3)
  expect_identical(capture.output(print(summary(fit, digits = 3))), capture.output(print(summary(fit), digits = 3)))
})
