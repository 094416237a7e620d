# Three well separated lines, each where its gate says.
three_lines <- function(n) {
  x <- stats::rnorm(n)
  label <- 1 + (x + stats::rnorm(n, sd = 0.3) > -0.5) + (x + stats::rnorm(n, sd = 0.3) > 0.5)
  mean <- cbind(4 + x, -4 - x, 3 * x)[cbind(seq_len(n), label)]
  data.frame(y = mean + stats::rnorm(n, sd = 0.4), x = x)
}

test_that("the path holds every criterion, from the models it holds", {
  withr::local_seed(1)
  d <- three_lines(600)
  s <- moe_select(y ~ x, d, K = 4:1)
  expect_s3_class(s, "moe_select")
  expect_identical(s$path$K, 1:4)
  expect_identical(s$K, 3L)
  expect_identical(s$model$K, 3L)
  for (k in 1:4) {
    fit <- s$models[[k]]
    expect_null(fit$rows)
    expect_equal(s$path$loglik[k], as.numeric(logLik(fit, d)), tolerance = 1e-8)
    expect_equal(s$path$BIC[k], stats::BIC(logLik(fit, d)), tolerance = 1e-8)
    expect_equal(s$path$AIC[k], stats::AIC(logLik(fit, d)), tolerance = 1e-8)
    r <- predict(fit, d, "posterior")
    expect_equal(s$path$ICL[k] - s$path$BIC[k], -2 * sum(ifelse(r > 0, r * log(r), 0)), tolerance = 1e-6)
  }
  expect_equal(fitted(s$model), predict(s$model, d), tolerance = 1e-8, ignore_attr = TRUE)
  expect_output(print(s), "Number of experts: 3, by BIC")
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  expect_identical(plot(s), s)
})

test_that("criteria, families, weights and the matrix interface", {
  withr::local_seed(2)
  d <- three_lines(500)
  for (criterion in c("ICL", "CV")) {
    s <- suppressWarnings(moe_select(y ~ x, d, K = 2:4, criterion = criterion))
    expect_identical(s$K, 3L)
  }
  expect_true(all(s$path$CV_se > 0))
  expect_output(print(s), "cross-validated")
  grDevices::pdf(NULL)
  plot(s)
  grDevices::dev.off()
  # Weights count rows: twice the rows is every weight 2 (but for log n).
  set.seed(3)
  once <- suppressWarnings(moe_select(y ~ x, rbind(d, d), K = 1:2, control = moe_control(gate_ridge = 0)))
  d$w <- 2
  set.seed(3)
  twice <- suppressWarnings(moe_select(y ~ x, d, K = 1:2, weights = w, control = moe_control(gate_ridge = 0)))
  expect_equal(twice$path$loglik, once$path$loglik, tolerance = 1e-6)
  expect_equal(twice$path$ICL - twice$path$BIC, once$path$ICL - once$path$BIC, tolerance = 1e-4)
  set.seed(4)
  by_matrix <- suppressWarnings(moe_select(cbind(x = d$x), d$y, K = 1:2))
  expect_equal(by_matrix$path$loglik, twice$path$loglik / 2, tolerance = 1e-6)
  counts <- moe_simulate(300, K = 1, d = 2, seed = 1, family = stats::poisson())
  expect_identical(suppressWarnings(moe_select(y ~ ., counts$data, K = 1:2, family = stats::poisson()))$K, 1L)
  classes <- moe_simulate(400, K = 1, d = 1, seed = 1, family = multinomial())
  expect_identical(suppressWarnings(moe_select(y ~ ., classes$data, K = 1:2, family = multinomial()))$K, 1L)
})

test_that("cross-validation is that of its folds, and set.seed() repeats it", {
  d <- withr::with_seed(5, three_lines(120))
  run <- function(K) {
    withr::with_seed(6, suppressWarnings(moe_select(y ~ x, d, K = K, criterion = "CV", folds = 3)))
  }
  a <- run(1)
  expect_identical(a$path, run(1)$path)
  fold <- withr::with_seed(6, sample(rep_len(1:3, 120)))
  held <- numeric(120)
  for (f in 1:3) {
    fit <- stats::lm(y ~ x, d[fold != f, ])
    sd <- sqrt(mean(stats::residuals(fit)^2))
    out <- d[fold == f, ]
    held[fold == f] <- stats::dnorm(out$y, stats::predict(fit, out), sd, log = TRUE)
  }
  expect_equal(a$path$CV, mean(held), tolerance = 1e-8)
  expect_equal(a$path$CV_se, stats::sd(held) / sqrt(120) * sqrt(119 / 120), tolerance = 1e-8)
})

test_that("a K with too few rows is listed, not chosen; spikes are not chosen", {
  withr::local_seed(7)
  d <- data.frame(x = 1:9 + 0, y = c(3, 1, 4, 1, 5, 9, 2, 6, 5))
  s <- suppressWarnings(moe_select(y ~ x, d, K = c(1, 9)))
  expect_identical(s$K, 1L)
  expect_match(s$path$message[2], "rows")
  expect_null(s$models[["9"]])
  expect_output(print(s), "K = 9: ")
  expect_error(moe_select(y ~ x, d, K = 9), "No candidate", class = "moe_input_error")
  # Half of the rows lie on a line exactly: an expert of them is found, or two that are none.
  e <- data.frame(x = stats::runif(200))
  e$y <- ifelse(e$x < 0.5, 1, stats::rnorm(200))
  spiked <- suppressWarnings(moe(y ~ x, e, K = 2, start = 1 + (e$x < 0.5)))
  expect_true(any(spiked$record$degenerate))
  for (seed in 1:4) {
    set.seed(seed)
    s <- suppressWarnings(moe_select(y ~ x, e, K = 1:2))
    expect_false(any(s$models[[as.character(s$K)]]$record$degenerate))
  }
})

test_that("bad input of the local path is refused", {
  d <- data.frame(x = 1:20 + 0, y = c(1:10, 10:1) + 0)
  bad <- function(...) expect_error(moe_select(...), class = "moe_input_error")
  bad(y ~ x, d, K = 0)
  bad(y ~ x, d, K = 1.5)
  bad(y ~ x, d, K = "two")
  bad(y ~ x, d, K = integer())
  bad(y ~ x, d, criterion = "DIC")
  bad(y ~ x, d, K = 1, criterion = "CV", folds = 1)
  bad(y ~ x, d, K = 1, criterion = "CV", folds = 21)
  bad(y ~ x, d, starts = 3)
  bad(y ~ x, 1:3)
  bad(y ~ x, d, control = 5)
  bad(cbind(d$x))
  bad(d)
  bad(1:3)
  bad()
  expect_warning(moe_select(y ~ x, withr::with_seed(1, three_lines(300)), K = 1:2), "largest candidate")
})

select_sites_case <- local({
  made <- NULL
  function() {
    if (!is.null(made)) return(made)
    withr::with_seed(8, {
      sources <- lapply(c(a = 2, b = 3, c = 4, d = 5, e = 3, f = 2), function(k) three_lines(500))
      models <- suppressWarnings(Map(function(s, k) moe(y ~ x, s, K = k), sources, c(2:5, 3, 2)))
      take <- do.call(rbind, lapply(sources, function(s) s[1:100, ]))
      site <- rep(names(sources), each = 100)
    })
    made <<- list(models = models, points = take, site = site,
      with_y = moe_support(take, site = site), without = moe_support(take["x"], site = site))
    made
  }
})

test_that("the centre finds 3 experts although sites have 2 to 5, with y and without", {
  case <- select_sites_case()
  for (weights in c("site", "size")) {
    s <- moe_select(case$models, case$with_y, weights = weights)
    expect_identical(s$K, 3L)
    expect_identical(s$criterion, "BIC")
    expect_identical(s$path$sites, c(6L, 6L, 4L, 2L, 1L))
    expect_output(print(s$model), "4 of 6 sites")
    expect_output(print(s$model), "a (fewer experts, 500 rows, 17 %)", fixed = TRUE)
    fit <- moe_aggregate(case$models[c("b", "c", "d", "e")], case$with_y, K = 3, weights = weights)
    expect_equal(s$path$objective[3], tail(fit$aggregation$objective, 1), tolerance = 1e-6)
    value <- predict(s$model, case$points, "density", log = TRUE)
    # Sites are alike in size and in points, so weights by site are equal.
    expect_equal(s$path$loglik[3], mean(value), tolerance = 1e-10)
    expect_equal(s$path$BIC[3], -2 * sum(value) + log(600) * length(coef(s$model)), tolerance = 1e-10)
  }
  blind <- moe_select(case$models, case$without)
  expect_identical(blind$criterion, "transport")
  expect_identical(blind$K, 3L)
  expect_null(blind$path$BIC)
  expect_output(print(blind), "elbow")
  expect_identical(moe_select(case$models, case$with_y, criterion = "transport")$K, 3L)
  grDevices::pdf(NULL)
  on.exit(grDevices::dev.off())
  plot(blind)
  plot(moe_select(case$models, case$with_y, K = 2:5, criterion = "loglik"))
})

test_that("sites without a model do not count, and unequal sites count by their rows", {
  case <- select_sites_case()
  sites <- as_sites(case$models[c("b", "c", "d")])
  sites$models$c$n <- sites$models$c$weight <- 1500
  sites$table$n[2] <- 1500
  sites$table <- rbind(sites$table, list(site = "a", n = 500, status = "failed"))
  s <- moe_select(sites, case$with_y, K = 3)
  value <- predict(s$model, case$points, "density", log = TRUE)
  by_site <- tapply(value, case$site, mean)
  expect_equal(s$path$loglik, sum(by_site[c("b", "c", "d")] * c(1, 3, 1)) / 5, tolerance = 1e-10)
  expect_equal(s$path$BIC, -2 * 300 * s$path$loglik + log(300) * s$path$df, tolerance = 1e-10)
})

test_that("T_c of the path is that of the sites' models at their own points", {
  case <- select_sites_case()
  s <- moe_select(case$models, case$with_y, K = 3, able = FALSE)
  each <- vapply(names(case$models), function(m) {
    transport_divergence(case$models[[m]], s$model, case$points[case$site == m, ])
  }, 0)
  expect_equal(s$path$transport, mean(each), tolerance = 1e-8)
  expect_identical(s$path$sites, 6L)
  expect_gte(s$path$transport, s$path$objective - 1e-10)
})

test_that("with y one expert for all is found where there is one", {
  withr::local_seed(9)
  line <- function(n) {
    x <- stats::rnorm(n)
    data.frame(y = 1 + 2 * x + stats::rnorm(n), x = x)
  }
  sources <- lapply(1:4, function(m) line(500))
  models <- suppressWarnings(Map(function(s, k) moe(y ~ x, s, K = k), sources, c(1, 2, 2, 3)))
  names(models) <- letters[1:4]
  points <- do.call(rbind, sources)
  expect_identical(moe_select(models, moe_support(points))$K, 1L)
})

test_that("bad input of the centre's path is refused", {
  case <- select_sites_case()
  bad <- function(...) expect_error(moe_select(...), class = "moe_input_error")
  bad(case$models)
  bad(case$models, case$without, criterion = "BIC")
  bad(case$models, case$without, criterion = "AIC")
  bad(case$models, case$without, K = 6)
  bad(case$models, case$without, K = 0)
  bad(case$models, case$without, method = "middle")
  bad(case$models, case$without, able = 1)
  bad(case$models, case$without, elbow = 2)
  bad(case$models, case$without, cost = "euclid")
  gaps <- case$with_y
  gaps$x$y[3] <- NA
  bad(case$models, gaps)
  expect_identical(nrow(moe_select(case$models, case$without, K = 6, able = FALSE)$path), 1L)
})

test_that("weights given as numbers are those of the sites that each K uses", {
  sim <- moe_simulate(2400, K = 2, d = 2, seed = 1)
  sources <- split(sim$data, rep(c("A", "B", "C"), 800))
  set.seed(1)
  models <- Map(function(data, K) suppressWarnings(moe(y ~ ., data, K = K)), sources, c(2, 1, 2))
  support <- moe_support(sim$data[1:600, ])
  w <- c(C = 1, A = 3, B = 6)
  choice <- suppressWarnings(moe_select(models, support, weights = w))
  two <- suppressWarnings(moe_aggregate(models[c("A", "C")], support, K = 2, weights = w[c("A", "C")]))
  expect_equal(choice$models[["2"]]$parameters, two$parameters)
  expect_equal(choice$path$loglik[2], mean(predict(two, sim$data[1:600, ], "density", log = TRUE)))
  expect_true(all(is.finite(choice$path$transport)))
  expect_error(moe_select(models, support, weights = w[1:2]), "one number for every site",
    class = "moe_input_error")
  # Numbers in proportion to the sites' rows are the weights by size.
  size <- suppressWarnings(moe_select(models, support, weights = "size"))
  same <- suppressWarnings(moe_select(models, support, weights = c(A = 1, B = 1, C = 1)))
  expect_equal(same$path, size$path, tolerance = 1e-8)
})

test_that("the criteria are finite under weights by density", {
  sim <- moe_simulate(1600, K = 2, d = 2, seed = 1)
  sites <- moe_sites(y ~ ., split(sim$data, rep(1:2, 800)), K = 2, share = "x")
  choice <- suppressWarnings(moe_select(sites, moe_support(sim$data[1:400, ]), weights = "density"))
  expect_equal(choice$path$loglik[2],
    mean(predict(choice$models[["2"]], sim$data[1:400, ], "density", log = TRUE)))
  expect_true(all(is.finite(choice$path$BIC)))
})

test_that("the objective does not fall with K where the search works on samples", {
  for (seed in c(5, 1)) {
    set.seed(seed)
    x <- runif(3000, -2, 2)
    z <- rnorm(3000)
    y <- rpois(3000, exp(ifelse(x + rnorm(3000) > 0, 0.3 * x, 1 - 0.5 * z)))
    choice <- suppressWarnings(moe_select(y ~ x + z, data.frame(x, z, y), K = 1:4, family = poisson(),
      control = moe_control(start_rows = 200)))
    expect_gt(min(diff(choice$path$objective)), -0.1)
  }
})
