# From formulas and data to columns, and the same columns again for new data. The second route is
# lm() and glm(): with K = 1 the model is theirs, and their terms give the basis for any K.

make_data <- function(n = 240, seed = 5) {
  set.seed(seed)
  d <- data.frame(x = runif(n, -1, 1), u = rexp(n) + 0.2, h = rnorm(n) / 2)
  d$f <- factor(sample(c("low", "mid", "top"), n, TRUE), c("top", "low", "mid"))
  d$o <- factor(sample(1:4, n, TRUE), ordered = TRUE)
  d$t <- sample(c("red", "blue"), n, TRUE)
  d$l <- runif(n) > 0.4
  left <- runif(n) < plogis(5 * d$x)
  d$y <- ifelse(left, 1 + 2 * d$u, 4 - d$u) + 0.5 * (d$f == "mid") + d$h + rnorm(n, sd = 0.3)
  d$b <- rbinom(n, 1, plogis((d$y - 2) / 3))
  d$pos <- exp(d$y / 3)
  d$w <- sample(1:3, n, TRUE)
  d
}
d <- make_data()
fast <- moe_control(starts = 1, start_rows = 0)
fit_moe <- function(formula, data = d, K = 2, ...) {
  set.seed(1)
  moe(formula, data, K = K, control = fast, ...)
}
# lm() or glm() on the same data.
peer <- function(formula, family, data = d, ...) {
  if (family == "gaussian") lm(formula, data, ...) else glm(formula, binomial(), data, ...)
}
# Equal up to names, also inside a list. There are many: all.equal() takes a hundredth of the time
# of expect_equal().
same <- function(object, expected, tolerance = 1e-10) {
  found <- all.equal(object, expected, tolerance = tolerance, check.attributes = FALSE)
  expect(isTRUE(found), paste(c(deparse1(substitute(object)), found), collapse = "\n"))
}

right_sides <- list(
  poly = ~ poly(u, 2), ns = ~ splines::ns(u, df = 3), bs = ~ splines::bs(x, df = 4),
  scale = ~ scale(u) + x, factor = ~ f + x, interaction = ~ x * f, nested = ~ f + f:u,
  offset = ~ x + offset(h), I = ~ I(u^2) + x, log = ~ log(u), text = ~ t * x, logical = ~ l + l:x,
  ordered = ~ o, two_factors = ~ f * t, no_intercept = ~ x - 1, no_intercept_factor = ~ f - 1,
  cut = ~ cut(u, c(0, 0.5, 1, 50)), poly_scaled = ~ poly(x, 2):l + scale(u)
)

# New rows in other company: another order, a part, one row. Levels that a row lacks are declared by
# nobody, so they must come from the fit.
shuffles <- list(reversed = rev(seq_len(nrow(d))), part = seq(1, nrow(d), by = 7), one = 17)
by_shuffle <- function(f) lapply(shuffles, f)
plain <- function(rows) {
  new <- d[rows, ]
  new[c("f", "o")] <- lapply(new[c("f", "o")], as.character)
  new
}

for (label in names(right_sides)) for (family in c("gaussian", "binomial")) {
  formula <- update(right_sides[[label]], if (family == "gaussian") y ~ . else b ~ .)
  environment(formula) <- globalenv()

  test_that(paste("K = 1 is lm or glm, also on new data:", label, family), {
    one <- fit_moe(formula, K = 1, family = family)
    reference <- peer(formula, family)
    expect_equal(rownames(coef(one, "expert")), names(coef(reference)))
    same(coef(one, "expert")[, 1], coef(reference), 1e-6)
    expected <- by_shuffle(\(rows) predict(reference, d[rows, ], type = "response"))
    same(by_shuffle(\(rows) predict(one, d[rows, ])), expected, 1e-6)
    same(by_shuffle(\(rows) predict(one, plain(rows))), expected, 1e-6)
  })

  test_that(paste("in experts and gates, predict() on new data is fitted():", label, family), {
    # What is asked holds at any parameters, so a few iterations do.
    few <- moe_control(max_iterations = 5)
    fit <- function(...) suppressWarnings(
      moe(..., d, K = 2, family = family, start = 1 + (d$x > 0), control = few))
    both <- fit(formula)
    gates <- fit(update(formula, . ~ x), gating = right_sides[[label]])
    for (fit in list(both, gates)) {
      same(predict(fit, d), fitted(fit))
      gate <- predict(fit, d, "gate")
      density <- predict(fit, d, "density")
      for (new in list(\(rows) d[rows, ], plain)) {
        same(by_shuffle(\(rows) predict(fit, new(rows))), by_shuffle(\(rows) fitted(fit)[rows]))
        same(by_shuffle(\(rows) predict(fit, new(rows), "gate")),
          by_shuffle(\(rows) gate[rows, , drop = FALSE]))
        same(by_shuffle(\(rows) predict(fit, new(rows), "density")),
          by_shuffle(\(rows) density[rows]))
      }
    }
    # Gates by hand, from the columns of lm(). An offset in `gating` is in gate 1 alone.
    by_lm <- lm(update(formula, y ~ .), d)
    offset <- if (label == "offset") d$h else 0
    same(predict(gates, d, "gate")[, 1],
      drop(plogis(model.matrix(by_lm) %*% coef(gates, "gate") + offset)), 1e-8)
    expect_equal(rownames(coef(gates, "gate")), names(coef(by_lm)))
  })
}

test_that("the response may be transformed", {
  one <- fit_moe(log(pos) ~ x + u, K = 1)
  reference <- lm(log(pos) ~ x + u, d)
  same(fitted(one), fitted(reference), 1e-8)
  same(residuals(one), residuals(reference), 1e-8)
  two <- fit_moe(log(pos) ~ x + u)
  same(predict(two, d[3:9, ], "posterior"), predict(two, d, "posterior")[3:9, ])
})

test_that("names that R must quote work everywhere", {
  odd <- setNames(d[c("y", "x", "f")], c("the y", "an x", "a-f"))
  fit <- fit_moe(`the y` ~ `an x` + `a-f`, odd)
  same(coef(fit_moe(`the y` ~ `an x` + `a-f`, odd, 1), "expert")[, 1], coef(lm(y ~ x + f, d)), 1e-8)
  same(predict(fit, odd[5:9, ]), fitted(fit)[5:9])
  expect_length(predict(fit, odd[5:9, ], "class"), 5)
  expect_equal(moe_metrics(fit, odd)$n, 240)
})

test_that("variables may be in the formula's environment, also constants and functions", {
  by_data <- fit_moe(y ~ poly(x, 2) + f)
  no_data <- with(d, fit_moe(y ~ poly(x, 2) + f, NULL))
  same(coef(no_data), coef(by_data))
  new <- data.frame(x = c(0.1, 0.7), f = c("mid", "low"))
  same(predict(no_data, new), predict(by_data, new))
  local_names <- function() {
    # `gamma` is also a function of base R: the formula's own environment comes first.
    gamma <- 3
    power <- function(v) v^gamma
    fit_moe(y ~ I(x * gamma) + power(x), K = 1)
  }
  reference <- lm(y ~ I(x * 3) + I(x^3), d)
  fit <- local_names()
  same(coef(fit, "expert")[, 1], coef(reference), 1e-8)
  same(predict(fit, new), predict(reference, new), 1e-8)
})

test_that("a variable of the environment may also come with a start", {
  fits <- local({
    twice <- 2 * d$u
    first <- moe(y ~ x + twice, d, K = 2, start = 1 + (d$x > 0))
    list(first, moe(y ~ x + twice, d, K = 2, start = first))
  })
  expect_equal(coef(fits[[2]]), coef(fits[[1]]), tolerance = 1e-5)
})

test_that("a constant keeps the value of the fit, whatever is in the workspace later", {
  fit <- local({
    shift_by <- 2
    fit_moe(y ~ I((x + shift_by)^2), K = 1)
  })
  assign("shift_by", 7, envir = globalenv())
  on.exit(rm("shift_by", envir = globalenv()))
  same(predict(fit, d[1:5, ]), fitted(fit)[1:5])
  again <- local({
    shift_by <- 2
    fit_moe(y ~ I((x + shift_by)^2), K = 1)
  })
  same(predict(again, d[1:5, ]), fitted(again)[1:5])
  # Nor does it help the workspace that it agreed at the time of the fit.
  shift_by <- 7
  agreed <- fit_moe(y ~ I((x + shift_by)^2), K = 1)
  assign("shift_by", 1, envir = globalenv())
  same(predict(agreed, d[1:5, ]), fitted(agreed)[1:5])
})

test_that("`.` is every other column, in formula and gating", {
  few <- d[c("y", "x", "u", "f")]
  dot <- fit_moe(y ~ ., few)
  same(coef(dot), coef(fit_moe(y ~ x + u + f)))
  same(predict(dot, d[1:9, ]), fitted(dot)[1:9])
  gates <- fit_moe(y ~ x, few, gating = ~ . - u)
  expect_equal(rownames(coef(gates, "gate")), c("(Intercept)", "x", "flow", "fmid"))
  logged <- fit_moe(log(pos) ~ ., d[c("pos", "x", "u")], 1)
  same(coef(logged, "expert")[, 1], coef(lm(log(pos) ~ ., d[c("pos", "x", "u")])), 1e-8)
  expect_equal(formula(dot), y ~ x + u + f, ignore_attr = TRUE)
})

test_that("subset, weights and offset are evaluated as in lm()", {
  in_function <- function() {
    limit <- 0.5
    heavy <- d$w + 0.5
    list(lm(y ~ x + f + offset(h), d, weights = heavy * w, subset = x < limit & l),
      moe(y ~ x + f + offset(h), d, K = 1, weights = heavy * w, subset = x < limit & l))
  }
  by_lm <- in_function()[[1]]
  by_moe <- in_function()[[2]]
  expect_equal(by_moe$n, nobs(by_lm))
  expect_equal(nobs(by_moe), sum(weights(by_lm)))
  same(coef(by_moe, "expert")[, 1], coef(by_lm), 1e-8)
  same(fitted(by_moe), fitted(by_lm), 1e-8)
  # A weight that is missing takes its row along, one of 0 leaves the fit as it was without the row.
  holes <- transform(d, w = replace(w, 4:6, NA))
  by_lm <- lm(y ~ x, holes, weights = w)
  by_moe <- moe(y ~ x, holes, K = 1, weights = w)
  same(coef(by_moe, "expert")[, 1], coef(by_lm), 1e-8)
  expect_equal(by_moe$n, nobs(by_lm))
  zeros <- transform(d, w = replace(w, 4:90, 0), start = 1 + (x > 0))
  some <- zeros[-(4:90), ]
  with_zeros <- moe(y ~ x, zeros, K = 2, weights = w, start = zeros$start)
  without <- moe(y ~ x, some, K = 2, weights = w, start = some$start)
  same(coef(with_zeros), coef(without), 1e-6)
  expect_equal(logLik(with_zeros)[1], logLik(without)[1], tolerance = 1e-8)
  expect_equal(moe(y ~ x, zeros, K = 1, weights = w)$n, nobs(lm(y ~ x, zeros, weights = w)))
})

test_that("an offset in `formula` is the experts' alone", {
  fit <- fit_moe(y ~ x + offset(h), start = 1 + (d$x > 0))
  moved <- transform(d, h = h + 1)
  same(predict(fit, moved, "gate"), predict(fit, d, "gate"))
  same(predict(fit, moved, "expert"), predict(fit, d, "expert") + 1)
  # So the experts can be relabelled: with the labels turned, the average is still the model.
  turned <- fit_moe(y ~ x + offset(h), start = 2 - (d$x > 0))
  mean <- moe_aggregate(list(A = fit, B = turned), d, method = "average")
  same(predict(mean, d), fitted(fit), 1e-5)
})

test_that("levels that the subset does not hold are dropped as in lm()", {
  by_lm <- lm(y ~ x + f, d, subset = f != "mid")
  by_moe <- moe(y ~ x + f, d, K = 1, subset = f != "mid")
  same(coef(by_moe, "expert")[, 1], coef(by_lm), 1e-8)
})

test_that("rows with NA are left out and counted, and padded with na.exclude", {
  holes <- d
  holes$x[c(3, 50)] <- NA
  holes$f[7] <- NA
  holes$u[9] <- NaN
  holes$y[11] <- NA
  gone <- c(3, 7, 9, 11, 50)
  # u is in the gates alone: both designs must lose the same rows.
  dropped <- fit_moe(y ~ x + f, holes, gating = ~ u, start = 1 + (d$x > 0)[-gone])
  whole <- fit_moe(y ~ x + f, d[-gone, ], gating = ~ u, start = 1 + (d$x > 0)[-gone])
  same(coef(dropped), coef(whole))
  expect_equal(nobs(dropped), 235)
  expect_output(print(dropped), "5 rows with missing values left out")
  expect_length(fitted(dropped), 235)
  padded <- moe(y ~ x + f, holes, K = 1, na.action = na.exclude)
  reference <- lm(y ~ x + f, holes, na.action = na.exclude)
  same(fitted(padded), fitted(reference), 1e-8)
  same(residuals(padded), residuals(reference), 1e-8)
  expect_equal(which(is.na(residuals(padded))), c(3, 7, 11, 50))
  # New rows keep their places.
  same(predict(dropped, holes), replace(predict(dropped, d), c(3, 7, 9, 50), NA))
  expect_equal(which(is.na(predict(dropped, holes, "posterior")[, 1])), gone)
  expect_equal(logLik(dropped, holes), logLik(dropped, holes[-gone, ]))
})

test_that("levels of new data are matched by name", {
  fit <- fit_moe(y ~ x + f + o, gating = ~ t)
  new <- d
  new$f <- factor(as.character(d$f), c("mid", "low", "top", "never seen"))
  new$o <- factor(as.character(d$o), 4:1)
  new$t <- factor(d$t, c("red", "blue"))
  same(predict(fit, new), fitted(fit))
  new$o <- factor(d$o, ordered = TRUE, levels = c(3, 1, 2, 4))
  same(predict(fit, new), fitted(fit))
  few <- droplevels(d[d$f == "low" & d$o == "2", ])
  same(predict(fit, few), fitted(fit)[d$f == "low" & d$o == "2"])
  # The response too: failure is what it was at the fit.
  d$s <- factor(ifelse(d$b > 0, "yes", "no"))
  logistic <- fit_moe(s ~ x, d, family = binomial())
  turned <- transform(d, s = factor(s, c("yes", "no")))
  same(predict(logistic, turned, "density"), predict(logistic, d, "density"))
  same(predict(logistic, transform(d, s = as.character(s)), "class"), predict(logistic, d, "class"))
})

test_that("the response of logistic experts is coded as in glm()", {
  codings <- list(number = d$b, logical = d$b == 1, factor = factor(d$b, 0:1, c("z", "a")),
    turned = factor(d$b, 1:0), text = ifelse(d$b == 1, "yes", "no"))
  for (label in names(codings)) {
    d$s <- codings[[label]]
    reference <- glm(if (label == "text") factor(s) ~ x else s ~ x, binomial(), d)
    fit <- fit_moe(s ~ x, d, 1, family = binomial())
    same(coef(fit), coef(reference), 1e-6)
    same(sum(predict(fit, d, "density", log = TRUE)), logLik(reference)[1], 1e-6)
  }
})

test_that("contrasts are those of the fit", {
  old <- options(contrasts = c("contr.sum", "contr.helmert"))
  on.exit(options(old))
  by_option <- fit_moe(y ~ f + o, gating = ~ f)
  one <- fit_moe(y ~ f + o, K = 1)
  by_lm <- lm(y ~ f + o, d)
  options(old)
  same(coef(one, "expert")[, 1], coef(by_lm), 1e-8)
  expect_equal(rownames(coef(one, "expert")), names(coef(by_lm)))
  for (rows in shuffles) same(predict(by_option, d[rows, ]), fitted(by_option)[rows])
  # Contrasts that a factor carries itself.
  own <- d
  contrasts(own$f) <- contr.sum(3)
  carried <- fit_moe(y ~ f, own, 1)
  expect_equal(rownames(coef(carried, "expert")), names(coef(lm(y ~ f, own))))
  same(coef(carried, "expert")[, 1], coef(lm(y ~ f, own)), 1e-8)
  same(predict(carried, d), fitted(lm(y ~ f, d)), 1e-8)
  called <- fit_moe(y ~ C(f, contr.sum), d, 1)
  same(coef(called, "expert")[, 1], coef(lm(y ~ C(f, contr.sum), d)), 1e-8)
  same(predict(called, d[shuffles$part, ]), fitted(lm(y ~ f, d))[shuffles$part], 1e-8)
})

bytes <- function(x) length(serialize(x, NULL))

test_that("a schema holds no rows", {
  formula <- y ~ poly(x, 2) + f + scale(h) + t + l
  size <- function(n) {
    data <- make_data(n)
    fit <- moe(formula, data, K = 1, gating = ~ splines::ns(u, 3), keep = FALSE)
    bytes(fit$schema)
  }
  expect_lt(abs(size(3000) - size(300)), 100)
  # No value of a row is in it, as a number or in a wider vector.
  fit <- moe(y ~ x + f, d, K = 1, gating = ~ h, keep = FALSE)
  values <- function(v) {
    # The workspace and packages are named in a serialised object, not copied.
    if (identical(v, globalenv()) || is.environment(v) && isNamespace(v)) return(NULL)
    if (is.environment(v)) v <- as.list(v, all.names = TRUE)
    c(if (is.numeric(v)) v, if (is.list(v)) unlist(lapply(v, values)),
      unlist(lapply(attributes(v), values)))
  }
  expect_length(intersect(values(unclass(fit$schema)), c(d$x, d$h, d$y)), 0)
  expect_null(fit$rows)
  # Nor in the call, where do.call() has put them.
  called <- function(n) bytes(do.call(moe, list(y ~ x, make_data(n), K = 1, keep = FALSE)))
  expect_lt(abs(called(3000) - called(300)), 100)
})

test_that("nor does the environment of its formula", {
  big <- 4e5
  in_function <- function(data, ...) {
    private <- rnorm(data)
    fit_moe(y ~ x + poly(u, 2), d, keep = FALSE, ...)
  }
  expect_lt(bytes(in_function(5e4)$schema), big / 8)
  by_function <- function(data) {
    private <- rnorm(data)
    square <- function(v) v^two
    two <- 2
    fit_moe(y ~ square(x), d, start = 1 + (d$x > 0))
  }
  small <- by_function(5e4)
  expect_lt(bytes(small$schema), big / 8)
  same(predict(small, d[1:9, ]), fitted(small)[1:9])
  # The rows themselves, where they are variables of the environment and some were left out.
  by_variables <- function(n, holes) {
    x <- make_data(n)$x
    y <- 3 * x + rnorm(n)
    if (!holes) return(bytes(moe(y ~ x, K = 1, subset = x > 0)$schema))
    x[2] <- NA
    bytes(moe(y ~ x, K = 1)$schema)
  }
  expect_lt(abs(by_variables(3000, TRUE) - by_variables(300, TRUE)), 100)
  expect_lt(abs(by_variables(3000, FALSE) - by_variables(300, FALSE)), 100)
})

test_that("the matrix interface is the formula interface", {
  x <- as.matrix(d[c("x", "u")])
  z <- as.matrix(d["h"])
  start <- 1 + (d$x > 0)
  for (family in c("gaussian", "binomial")) {
    d$y <- if (family == "gaussian") d$y else d$b
    by_formula <- moe(y ~ x + u, d, K = 2, gating = ~ h, family = family, weights = w,
      start = start)
    by_matrix <- moe(x, d$y, K = 2, gating = z, family = family, weights = d$w, start = start)
    expect_equal(coef(by_matrix), coef(by_formula), tolerance = 1e-8)
    expect_equal(logLik(by_matrix), logLik(by_formula), tolerance = 1e-8)
    same(fitted(by_matrix), fitted(by_formula))
    new <- list(x = x[5:9, ], z = z[5:9, , drop = FALSE], y = d$y[5:9])
    same(predict(by_matrix, new, "posterior"), predict(by_formula, d[5:9, ], "posterior"), 1e-8)
  }
  own <- moe(x, d$h + 3 * d$x * d$u, K = 2, start = start)
  same(predict(own, x[5:9, 2:1]), fitted(own)[5:9])
  same(predict(own, as.data.frame(x)[5:9, ]), fitted(own)[5:9])
  bare <- moe(unname(x), d$h + 3 * d$x * d$u, K = 2, start = start)
  expect_equal(rownames(coef(bare, "gate")), c("(Intercept)", "x1", "x2"))
  same(predict(bare, unname(x)[5:9, ]), fitted(own)[5:9], 1e-8)
})

test_that("a model as start lends its basis to other rows", {
  first <- fit_moe(y ~ poly(u, 2) + x, start = 1 + (d$x > 0))
  other <- make_data(300, seed = 9)
  second <- moe(y ~ poly(u, 2) + x, other, K = 2, start = first)
  # Other data alone would have given another basis: the schema must be the start's own.
  same(predict(second, d[1:9, ], "expert"),
    cbind(1, poly(d$u, 2), d$x)[1:9, ] %*% coef(second, "expert"))
  reverse <- transform(other, f = factor(as.character(f), c("mid", "low", "top")))
  third <- moe(y ~ f + x, reverse, K = 2, start = fit_moe(y ~ f + x, start = 1 + (d$x > 0)))
  expect_equal(rownames(coef(third, "expert")), c("(Intercept)", "flow", "fmid", "x"))
})

test_that("no text or date of a row stays in a model", {
  n <- 200
  own <- data.frame(x = seq(-1, 1, length.out = n), id = sprintf("patient-%03d", seq_len(n)),
    day = as.Date("2020-01-01") + (37 * seq_len(n)) %% n)
  own$y <- own$x + sin(seq_len(n))
  fit <- moe(y ~ x + I(substr(id, 11, 11) == "1") + day, own, K = 1, keep = FALSE)
  text <- paste(capture.output(str(fit, vec.len = 1e4, list.len = 1e4)), collapse = " ")
  expect_no_match(text, "patient-1", fixed = TRUE)
  expect_no_match(text, "2020-03-05", fixed = TRUE)
  expect_length(predict(fit, own[1:3, ]), 3)
})

test_that("functions of a formula keep small lists that they use", {
  make <- function() {
    setting <- list(shift = 10)
    moved <- function(v) v - setting$shift
    moe(y ~ moved(x), crossing_lines(200), K = 1)
  }
  fit <- make()
  expect_equal(predict(fit, crossing_lines(200)), fitted(fit))
})
