# The columns that a fit sees are those of model.matrix(), whichever way they were made.

set.seed(3)
n <- 130
d <- data.frame(y = rnorm(n), x = rnorm(n), u = runif(n, 1, 2), i = sample(5L, n, TRUE))
d$`odd name` <- rnorm(n)
# A level that only the last rows hold: the first block has never seen it.
d$f <- factor(rep(c("b", "c", "a"), c(60, 60, 10)), levels = c("a", "b", "c"))
d$g <- factor(sample(c("u", "v"), n, TRUE))
d$o <- factor(sample(3, n, TRUE), ordered = TRUE)
d$l <- d$x > 0 | seq_len(n) < 60
d$t <- ifelse(d$x > 1, "red", "blue")
d$m <- cbind(p = rnorm(n), q = rnorm(n))

part_of <- function(formula, gating = NULL, data = d) {
  frame_call <- function(f) model.frame(f, data)
  terms <- formula_terms(formula, gating, data)
  frame <- frame_call(frame_formula(terms, environment(formula)))
  schema <- new_schema(formula, gating, terms, frame, data, "gaussian")
  list(part = schema$expert, frame = match_levels(frame, schema))
}

plain <- list(y ~ x + u, y ~ u + x, y ~ x - 1, y ~ i + x, y ~ i - 1, y ~ i + 0, y ~ 1, y ~ log(u) + x,
  y ~ I(x^2) + `odd name` + x, y ~ x + offset(u) + i, y ~ offset(u), y ~ exp(x) + I(2 * u) - 1)
general <- list(y ~ f + x, y ~ x + f - 1, y ~ f - 1, y ~ x:u, y ~ x * f, y ~ f:u + g, y ~ f * g * x,
  y ~ o + i, y ~ l, y ~ l:x - 1, y ~ t * x, y ~ m + x, y ~ m:f, y ~ poly(x, 3) + f, y ~ scale(u) + x,
  y ~ splines::ns(x, 3) * g, y ~ splines::bs(u, df = 4) - 1, y ~ C(f, contr.sum) + x,
  y ~ x + offset(u) + g, y ~ cut(x, c(-9, 0, 9)))

for (formula in c(plain, general)) {
  test_that(paste("columns are those of model.matrix():", deparse1(formula)), {
    made <- part_of(formula)
    expected <- model.matrix(formula, model.frame(formula, d))
    expect_equal(is.null(plain_columns(made$part, made$frame)), !list(formula) %in% plain)
    for (size in c(1000, n, n - 1, 59, 7)) {
      found <- part_matrix(made$part, made$frame, "formula", size)
      expect_type(found$x, "double")
      expect_identical(dim(found$x), dim(expected))
      expect_identical(dimnames(found$x), list(NULL, colnames(expected)))
      expect_identical(c(found$x), as.double(expected))
      expect_identical(found$contrasts, attr(expected, "contrasts"))
      expect_identical(found$intercept, as.integer("(Intercept)" %in% colnames(expected)))
    }
  })
}

test_that("contrasts that the schema holds are those of every block", {
  made <- part_of(y ~ f + o)
  made$part$contrasts <- list(f = "contr.sum", o = contr.helmert(3))
  expected <- model.matrix(y ~ f + o, d, contrasts.arg = made$part$contrasts)
  for (size in c(n, 11)) {
    expect_identical(c(part_matrix(made$part, made$frame, "formula", size)$x), as.double(expected))
  }
})

test_that("a complete frame goes through na.omit() as it is, another as R does it", {
  holes <- d
  holes$x[c(4, 90)] <- NA
  holes$m[7, 2] <- NA
  holes$f[9] <- NA
  for (action in list(na.omit, na.exclude, "na.omit", "na.exclude")) {
    lean <- function(data) model.frame(y ~ x + m + f, data, na.action = spare_complete(action))
    full <- function(data) model.frame(y ~ x + m + f, data, na.action = action)
    expect_identical(lean(holes), full(holes))
    expect_equal(lean(d), full(d))
    expect_equal(nrow(lean(holes)), n - 4)
  }
  mine <- function(frame) frame[1:50, ]
  expect_identical(spare_complete(mine), mine)
  expect_identical(spare_complete("na.fail"), "na.fail")
  expect_identical(spare_complete("no such function"), "no such function")
  expect_error(moe(y ~ x, holes, K = 1, na.action = na.fail), "missing values",
    class = "moe_input_error")
  expect_error(moe(y ~ x, holes, K = 1, na.action = na.pass), "row 4", class = "moe_input_error")
  expect_equal(nobs(moe(y ~ x, d, K = 1, na.action = mine)), 50)
  # The action that the data bring along, and that of the options.
  padded <- moe(y ~ x, structure(holes, na.action = na.exclude), K = 1)
  expect_equal(which(is.na(fitted(padded))), c(4, 90))
  old <- options(na.action = "na.exclude")
  on.exit(options(old))
  expect_equal(which(is.na(fitted(moe(y ~ x, holes, K = 1)))), c(4, 90))
})

test_that("scans find what is not finite or too large", {
  for (bad in list(NA, NaN, Inf, -Inf, 1e151, -1e200)) {
    x <- matrix(1e150, 4, 3)
    x[c(6, 11)] <- bad
    expect_equal(cpp_first_bad(x), c(6, 2))
  }
  expect_equal(cpp_first_bad(c(1L, NA, 3L)), c(2, 1))
  expect_equal(cpp_first_bad(c(-1e150, 0, 1e150)), c(0, 0))
  expect_equal(cpp_first_bad(numeric()), c(0, 0))
  expect_equal(bad_values(c("a", NA, NA)), c(2, 2))
})

test_that("summaries of variables are mean() and sd() of the finite values", {
  x <- cbind(rnorm(50, 1e6), rexp(50), 0.1, c(NA, Inf, NaN, 1:47))
  finite <- function(f) apply(x, 2, function(v) f(v[is.finite(v)]))
  expect_equal(cpp_describe(x), unname(rbind(finite(mean), finite(sd))), tolerance = 1e-12)
  expect_equal(cpp_describe(x[, 3])[2], 0)
  expect_equal(cpp_describe(c(2L, NA, 4L))[, 1], c(3, sqrt(2)))
  expect_equal(cpp_describe(7)[, 1], c(7, 0))
  f <- factor(c("b", "c", "c", NA), levels = c("c", "b"))
  expect_equal(describe_variable(f, c("b", "c"))$mode, "c")
  expect_equal(describe_variable(c("z", "z", "a", "other"), c("a", "z"))$mode, "z")
})

test_that("nothing of a matrix is copied", {
  x <- as.matrix(d[c("x", "u")])
  address <- function(v) sub(" .*", "", capture.output(.Internal(inspect(v)))[1])
  expect_identical(address(check_matrix(x, "x")), address(x))
  schema <- moe(x, d$y, K = 1)$schema
  expect_identical(address(design_new_matrix(schema, x, FALSE)$x), address(x))
  expect_identical(address(design_new_matrix(schema, list(x = x, y = d$y), TRUE)$y), address(d$y))
})

test_that("a fit needs little memory beside its data", {
  rows <- 50000
  x <- matrix(rnorm(rows * 40), rows)
  y <- rnorm(rows)
  data <- data.frame(y = y, x)
  # What R allocates at most, in columns. There is little to free, so garbage does not count for much.
  columns <- function(code) {
    before <- gc(reset = TRUE)["Vcells", "used"]
    force(code)
    (gc()["Vcells", "max used"] - before) / rows
  }
  labels <- 1 + (y > 0)
  once <- function(...) {
    suppressWarnings(moe(..., K = 2, start = labels, control = moe_control(max_iterations = 1)))
  }
  once(y ~ ., data)
  expect_lt(columns(once(x, y)), 20)
  expect_lt(columns(once(y ~ ., data)), 41 + 20)
})

test_that("factors of very many levels are named before room is asked for their columns", {
  withr::local_seed(1)
  n <- 30000
  d <- data.frame(g = factor(seq_len(n)), x = stats::rnorm(n), y = stats::rnorm(n))
  d$text <- as.character(d$g)
  d$a <- factor(seq_len(n) %% 200)
  d$b <- factor(seq_len(n) %% 201)
  expect_error(moe(y ~ g, d, K = 1), "\"g\" in `formula` has 30,000 levels", class = "moe_input_error")
  expect_error(moe(y ~ x * text, d, K = 1), "\"text\".*30,000 levels.*columns", class = "moe_input_error")
  expect_error(moe(y ~ x, d, K = 2, gating = ~ g), "\"g\" in `gating`", class = "moe_input_error")
  expect_error(moe(y ~ a * b, d, K = 1), "\"b\".*201 levels.*40,601 columns", class = "moe_input_error")
  expect_error(moe_sites(y ~ g, list(A = d, B = d), K = 1), "\"g\".*30,000 levels", class = "moe_input_error")
  # One that no term uses does not matter, nor one of few levels among many columns.
  expect_no_error(moe(y ~ x + a, d[1:2000, ], K = 1))
})
