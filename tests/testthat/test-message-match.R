# Sites that name the same things in another order.

fit_sites <- function(...) {
  folder <- withr::local_tempfile(.local_envir = parent.frame())
  dir.create(folder)
  fits <- list(...)
  for (s in names(fits)) write_moe(fits[[s]], file.path(folder, paste0(s, ".json")), information = TRUE)
  read_moe(folder)
}

test_that("columns and levels in another order are matched by name; by position a sign would flip", {
  d <- two_experts(900, "gaussian")
  other <- d
  other$g <- factor(as.character(d$g), c("a", "c", "b"))
  a <- moe(y ~ x + g + v, d, K = 2)
  b <- moe(y ~ v + x + g, other, start = max.col(predict(a, d, "posterior")), K = 2)
  sites <- fit_sites(A = a, B = b)
  expect_identical(sites$table$status, c("fitted", "fitted"))
  expect_match(sites$table$message[2], "columns, levels of g")
  got <- sites$models$B
  expect_identical(rownames(coef(got, "expert")), rownames(coef(a, "expert")))
  expect_equal(coef(got), coef(a), tolerance = 1e-5)
  expect_equal(vcov(got), vcov(a), tolerance = 1e-4)
  expect_equal(predict(got, d), predict(b, other), tolerance = 1e-12)
  # x stands where v stood: its slope has the other sign.
  by_position <- b$parameters$beta
  rownames(by_position) <- rownames(a$parameters$beta)
  expect_true(any(sign(by_position["v", ]) != sign(a$parameters$beta["v", ])))
})

test_that("a binary response with its levels the other way round is turned, not misread", {
  d <- two_experts(900, "binomial")
  d$y <- factor(ifelse(d$y == 1, "yes", "no"), c("no", "yes"))
  other <- d
  other$y <- factor(as.character(d$y), c("yes", "no"))
  a <- moe(y ~ x + v, d, K = 2, family = binomial())
  b <- moe(y ~ x + v, other, K = 2, family = binomial(), start = max.col(predict(a, d, "posterior")))
  expect_equal(unname(b$parameters$beta), -unname(a$parameters$beta), tolerance = 1e-4)
  sites <- fit_sites(A = a, B = b)
  expect_equal(coef(sites$models$B), coef(a), tolerance = 1e-4)
  expect_equal(predict(sites$models$B, d), 1 - predict(b, d), tolerance = 1e-10)
  expect_equal(vcov(sites$models$B), vcov(a), tolerance = 1e-3)
})

test_that("renamed or other levels, references, bases and families are refused with their field", {
  d <- two_experts(900, "gaussian")
  a <- moe(y ~ x + g, d, K = 1)
  refuse <- function(b, field, first = a) {
    sites <- fit_sites(A = first, B = b)
    expect_identical(sites$table$status, c("fitted", "refused"))
    expect_match(sites$table$message[2], "B.json")
    expect_match(sites$table$message[2], field)
    expect_output(print(sites), "1 refused")
  }
  renamed <- transform(d, g = factor(g, labels = c("a", "b", "z")))
  refuse(moe(y ~ x + g, renamed, K = 1), "design.levels.g")
  refuse(moe(y ~ x + g, transform(d, g = stats::relevel(g, "b")), K = 1), "design.expert.columns")
  refuse(moe(y ~ x + v + g, d, K = 1), "design.classes")
  refuse(moe(y ~ x * g, d, K = 1), "design.expert.columns")
  refuse(moe(z ~ x + g, transform(d, z = y), K = 1), "design.response")
  refuse(moe(y ~ poly(x, 2), d[1:450, ], K = 1), "bases", moe(y ~ poly(x, 2), d[451:900, ], K = 1))
  refuse(moe(y ~ x + g, transform(two_experts(900, "binomial")), K = 1, family = binomial()), "design.family")
  many <- function(levels) {
    e <- two_experts(900, "multinomial")
    e$y <- factor(as.character(e$y), levels)
    moe(y ~ x, e, K = 1, family = multinomial())
  }
  refuse(many(c("b", "a", "c")), "design.labels", many(c("a", "b", "c")))
  sites <- fit_sites(A = many(c("a", "b", "c")), B = many(c("a", "c", "b")))
  expect_equal(coef(sites$models$B), coef(sites$models$A), tolerance = 1e-6)
})

test_that("one bad file does not stop the others, and a name stands for one site", {
  d <- two_experts(900, "gaussian")
  site <- rep(c("A", "B", "C"), 300)
  folder <- withr::local_tempfile()
  write_moe(moe_sites(y ~ x, split(d, site), K = 2), folder)
  writeLines("{\"schema\": ", file.path(folder, "bad.json"))
  sites <- read_moe(folder)
  expect_identical(sites$table$status, c("fitted", "fitted", "fitted", "refused"))
  expect_match(sites$table$message[4], "bad.json: field \\(file\\)")
  expect_warning(a <- moe_aggregate(sites, moe_support(d, site = site)), "bad.json")
  expect_output(print(a), "3 of 4 sites")
  file.copy(file.path(folder, "A.json"), file.path(folder, "again.json"))
  sites <- read_moe(folder)
  expect_identical(names(sites$models), c("B", "C"))
  expect_match(sites$table$message[sites$table$site == "A"], "field site is \"A\" in")
})
