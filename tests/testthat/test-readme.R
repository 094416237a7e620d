# The examples of the README, as they stand there.

test_that("the README's first examples run after library(distmoe)", {
  file <- testthat::test_path("..", "..", "README.md")
  skip_if_not(file.exists(file), "the README is not beside the tests")
  lines <- readLines(file, encoding = "UTF-8")
  first <- lines[seq_len(grep("^## ", lines)[1])]
  starts <- grep("^```r$", first)
  ends <- grep("^```$", first)
  expect_length(starts, 2)
  code <- unlist(Map(function(from, to) first[(from + 1):(to - 1)], starts, ends))
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  place <- new.env(parent = globalenv())
  output <- capture.output(withr::with_preserve_seed(source(exprs = parse(text = code), local = place, echo = FALSE,
    print.eval = TRUE)))
  expect_match(output, "2 Gaussian experts", all = FALSE)
  expect_s3_class(place$refined, "moe_aggregate")
  expect_false(is.null(place$refined$refinement))
})
