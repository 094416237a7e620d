# update(): the call again, with changes.

d <- crossing_lines(300)
d$u <- withr::with_seed(2, stats::rnorm(300))
d$b <- as.numeric(d$y > 0)
fit <- moe(y ~ x + u, d, K = 2, start = d$label)

test_that("an update is the fit of the changed call", {
  expect_equal(coef(update(fit, . ~ . - u)), coef(moe(y ~ x, d, K = 2, start = d$label)))
  expect_equal(coef(update(fit, log(y + 50) ~ .)),
    coef(moe(log(y + 50) ~ x + u, d, K = 2, start = d$label)))
  expect_equal(coef(update(fit, data = d[1:200, ], start = d$label[1:200])),
    coef(moe(y ~ x + u, d[1:200, ], K = 2, start = d$label[1:200])))
  expect_equal(coef(update(fit, K = 1, start = NULL)), coef(moe(y ~ x + u, d, K = 1)))
  more <- update(fit, K = 3, start = rep_len(1:3, 300))
  expect_equal(more$K, 3L)
  expect_equal(coef(update(fit, gating = ~ x)), coef(moe(y ~ x + u, d, K = 2, gating = ~ x, start = d$label)))
  counts <- transform(d, y = round(abs(y)), f = factor(rep_len(c("a", "b", "c"), 300)))
  expect_equal(coef(update(fit, data = counts, family = poisson())),
    coef(moe(y ~ x + u, counts, K = 2, family = poisson(), start = d$label)))
  logistic <- moe(b ~ x, d, K = 1, family = binomial())
  expect_equal(coef(update(logistic, . ~ . + u)), coef(moe(b ~ x + u, d, K = 1, family = binomial())))
  classes <- moe(f ~ x, counts, K = 1, family = multinomial())
  expect_equal(coef(update(classes, . ~ u)), coef(moe(f ~ u, counts, K = 1, family = multinomial())))
  # An update can be updated, and a dot in the formula means what it meant.
  twice <- update(update(fit, . ~ . - u), . ~ . + u)
  expect_equal(coef(twice), coef(fit))
  dotted <- moe(y ~ ., d[c("y", "x", "u")], K = 1)
  expect_equal(rownames(coef(update(dotted, . ~ . - x), "expert")), c("(Intercept)", "u"))
})

test_that("the call can be had instead of the model", {
  call <- update(fit, . ~ x, K = 4, start = NULL, evaluate = FALSE)
  expect_equal(call$K, 4)
  expect_equal(call$formula, y ~ x, ignore_attr = TRUE)
  expect_null(call$start)
  expect_equal(call$data, quote(d))
})

test_that("variables are found where the update is asked for", {
  inside <- function() {
    v <- d$x
    w <- d$y
    double <- function(a) 2 * a
    local <- moe(w ~ v, K = 1)
    list(update(local, . ~ double(v)), moe(w ~ double(v), K = 1))
  }
  both <- inside()
  expect_equal(coef(both[[1]]), coef(both[[2]]))
  # A constant that the formula names comes along from where the model was fitted.
  fitted_elsewhere <- local({
    degree <- 2
    moe(y ~ poly(x, degree) + u, d, K = 1)
  })
  expect_equal(coef(update(fitted_elsewhere, . ~ . - u)), coef(moe(y ~ poly(x, 2), d, K = 1)),
    ignore_attr = TRUE)
})

test_that("no row comes along with the call of an updated model", {
  inside <- function(extra) {
    force(extra)
    rows <- d
    fit <- moe(y ~ x + u, rows, K = 1, keep = FALSE)
    list(update(fit, . ~ . - u), do.call(moe, list(y ~ x, data = quote(rows), K = 1, keep = FALSE)))
  }
  sizes <- lapply(list(1, stats::runif(1e5)), function(extra) {
    vapply(inside(extra), function(fit) length(serialize(fit, NULL)), 0)
  })
  expect_equal(sizes[[1]], sizes[[2]], tolerance = 0.02)
  expect_lt(max(sizes[[2]]), 1e5)
})

test_that("models of matrices and aggregates can be updated", {
  x <- cbind(x = d$x, u = d$u)
  y <- d$y
  by_matrix <- moe(x, y, K = 2, start = d$label)
  expect_equal(coef(update(by_matrix, K = 1, start = NULL)), coef(moe(x, y, K = 1)))
  expect_error(update(by_matrix, . ~ . - u), "no formula", class = "moe_input_error")
  pair <- list(a = fit, b = update(fit, data = d[1:250, ], start = d$label[1:250]))
  together <- moe_aggregate(pair, d)
  points <- d[1:100, ]
  expect_equal(coef(update(together, support = points)), coef(moe_aggregate(pair, points)))
  expect_equal(update(together, method = "average")$aggregation$method, "average")
  expect_error(update(together, . ~ x), "formula from the sites", class = "moe_input_error")
  set.seed(1)
  at_once <- moe_distributed(y ~ x + u, d, K = 2, sites = 2)
  set.seed(1)
  again <- update(at_once, . ~ . - u)
  set.seed(1)
  expect_equal(coef(again), coef(moe_distributed(y ~ x, d, K = 2, sites = 2)))
})

test_that("what can't be updated says why", {
  bad <- function(code, words) expect_error(code, words, class = "moe_input_error")
  sites <- moe_sites(y ~ x, list(A = d, B = d[1:200, ]), K = 2)
  bad(update(sites$models$A, K = 3), "no call")
  bad(update(moe_simulate(100, K = 2, d = 1, seed = 1)$model, K = 1), "no call")
  inline <- do.call(moe, list(y ~ x, data = d, K = 1))
  bad(update(inline, . ~ x + u), "data.*models keep no data")
  expect_equal(coef(update(inline, . ~ x + u, data = d)), coef(moe(y ~ x + u, d, K = 1)))
  bad(update(fit, . ~ ., 3), "name")
  bad(update(fit, "y + "), "formula")
  bad(update(fit, K = 3, evaluate = NA), "evaluate")
  bad(update(fit, colour = "red"), "colour")
  bad(update(fit, . ~ . + nowhere), "nowhere")
})
