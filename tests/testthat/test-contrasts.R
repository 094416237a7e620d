# A factor's own contrasts, wherever its rows lie.

d <- withr::with_seed(1, {
  n <- 240
  f <- factor(sample(c("low", "mid", "high"), n, TRUE), c("low", "mid", "high"))
  g <- factor(sample(letters[1:4], n, TRUE), ordered = TRUE)
  data.frame(f, g, x = rnorm(n), y = rnorm(n) + 2 * (f == "mid") - as.integer(g), site = rep(c("A", "B", "C"), n / 3))
})
sum_to_zero <- function(levels) contr.sum(levels)
own_contrasts <- list(
  name = "contr.sum", matrix = contr.helmert(3), named = cbind(low = c(1, 0, 0), high = c(0, 0, 1)),
  one = matrix(c(-1, 0, 1)), mine = sum_to_zero)

with_own <- function(kind) {
  out <- d
  contrasts(out$f, NCOL(if (kind == "one") own_contrasts$one else contr.sum(3))) <- own_contrasts[[kind]]
  out
}

sources_of <- function(data) split(data[names(data) != "site"], data$site)

test_that("sites have the coefficients of moe(), for contrasts of every kind", {
  for (kind in names(own_contrasts)) {
    own <- with_own(kind)
    by_moe <- moe(y ~ f + x, own, K = 1)
    expect_equal(coef(by_moe, "expert")[, 1], coef(lm(y ~ f + x, own)), tolerance = 1e-6)
    sites <- moe_sites(y ~ f + x, sources_of(own), K = 1)
    expect_identical(names(coef(sites$models$B)), names(coef(by_moe)))
    expect_equal(unname(coef(sites$models$B, "expert")[, 1]), unname(coef(lm(y ~ f + x, own, own$site == "B"))),
      tolerance = 1e-6)
    expect_true(all(sites$table$bytes > 0))
    expect_identical(sites$schema$expert$contrasts, by_moe$schema$expert$contrasts)
    parts <- moe_distributed(y ~ f + x, own, K = 1, sites = "site")
    expect_identical(names(coef(parts)), names(coef(by_moe)))
  }
})

test_that("gates and ordered factors keep theirs too", {
  own <- d
  contrasts(own$g) <- "contr.treatment"
  contrasts(own$f) <- contr.sum(3)
  by_moe <- moe(y ~ x, own, K = 2, gating = ~ f * g)
  sites <- moe_sites(y ~ x, sources_of(own), K = 2, gating = ~ f * g, start = by_moe)
  alone <- moe_sites(y ~ x, sources_of(own), K = 2, gating = ~ f * g)
  expect_identical(rownames(coef(sites$models$A, "gate")), rownames(coef(by_moe, "gate")))
  expect_identical(rownames(coef(alone$models$A, "gate")), rownames(coef(by_moe, "gate")))
})

test_that("sources and chunks keep them", {
  for (kind in names(own_contrasts)) {
    own <- with_own(kind)
    whole <- moe(y ~ f + x, own, K = 1)
    chunk <- function(i) if (i <= 4) own[60 * (i - 1) + 1:60, ]
    expect_equal(coef(moe(y ~ f + x, moe_source(chunk), K = 1)), coef(whole))
    expect_equal(coef(moe(y ~ f + x, moe_source(chunk, memory_rows = 0), K = 1)), coef(whole), tolerance = 1e-8)
    sources <- lapply(sources_of(own), moe_source)
    expect_identical(names(coef(moe_sites(y ~ f + x, sources, K = 1)$models$C)), names(coef(whole)))
  }
})

test_that("levels that differ between sites: by name, or with the matrix of all levels; else an error", {
  parts <- sources_of(with_own("name"))
  parts$A$f <- droplevels(parts$A$f[parts$A$f != "mid"][rep(1:5, length.out = 80)])
  contrasts(parts$A$f) <- "contr.sum"
  sites <- moe_sites(y ~ f + x, parts, K = 1)
  expect_identical(rownames(coef(sites$models$B, "expert")), c("(Intercept)", "f1", "f2", "x"))
  parts <- sources_of(with_own("matrix"))
  # droplevels() loses contrasts: this site says nothing.
  parts$A$f <- droplevels(parts$A$f[parts$A$f != "mid"][rep(1:5, length.out = 80)])
  sites <- moe_sites(y ~ f + x, parts, K = 1)
  expect_identical(sites$schema$expert$contrasts$f, contrasts(with_own("matrix")$f))
  expect_identical(sites$schema$levels$f, levels(d$f))  # not in the order in which they are met
  contrasts(parts$A$f) <- contr.helmert(2)
  expect_error(moe_sites(y ~ f + x, parts, K = 1), "different contrasts", class = "moe_input_error")
  few <- lapply(sources_of(d), function(s) {
    s$f <- factor(as.character(s$f))
    s
  })
  few$A$f <- factor("low", levels = c("low", "other"))[rep(1, 80)]
  contrasts(few$A$f) <- contr.helmert(2)
  expect_error(moe_sites(y ~ f + x, few, K = 1), "matrix of contrasts for 2 levels", class = "moe_input_error")
})

test_that("contrasts travel in messages, and are checked there", {
  for (kind in names(own_contrasts)) {
    model <- moe_sites(y ~ f + x, sources_of(with_own(kind)), K = 1)$models$A
    file <- withr::local_tempfile(fileext = ".json")
    write_moe(model, file, "A", overwrite = TRUE)
    back <- read_moe(file)
    expect_identical(back$schema$expert$contrasts, model$schema$expert$contrasts)
    expect_equal(predict(back, d), predict(model, d), tolerance = 1e-12)
  }
  text <- moe_message(moe(y ~ f, with_own("named"), K = 1, keep = FALSE), "A")$text
  forge <- function(from, to) {
    tree <- jsonlite::fromJSON(text, simplifyVector = FALSE)
    tree$design$expert$contrasts$f[[from]] <- to
    tree
  }
  schema <- moe(y ~ f, with_own("named"), K = 1)$schema
  read <- function(tree) take_design(tree$design, "design", "gaussian")
  expect_identical(read(forge("columns", list("low", "high")))$expert$contrasts, schema$expert$contrasts)
  expect_error(read(forge("columns", list("low", "mid"))), class = "moe_bad_field")
  expect_error(read(forge("values", list(list(1, 0, 0)))), class = "moe_bad_field")
  expect_error(read(forge("values", list(list(1, 0), list(0, 0)))), class = "moe_bad_field")
  expect_error(read(forge("values", rep(list(list(1, 0, 0)), 4))), class = "moe_bad_field")
})

test_that("a site whose model can't be written says why", {
  mine <- function(x) x^2
  table <- moe_sites(y ~ mine(x), sources_of(d), K = 1)$table
  expect_true(all(is.na(table$bytes)))
  expect_match(table$message, "can't be written to a message: `mine()`", fixed = TRUE)
})
