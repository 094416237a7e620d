random_model <- function(seed) {
  family <- all_families[1 + seed %% 6]
  withr::local_seed(seed)
  d <- two_experts(200, family, seed)
  d$when <- as.Date("2020-01-01") + seq_len(200)
  side <- sample(list(quote(x + v), quote(poly(x, 2) + g), quote(x * g + log(w)), quote(splines::ns(v, 3) + scale(x)),
    quote(0 + g + I(x^2)), quote(x + offset(v / 7)), quote(splines::bs(x, 4) + (x > 0.25)),
    quote(when + ifelse(x > 0, v, -1e-3))), 2)
  f <- stats::as.formula(call("~", quote(y), side[[1]]), env = asNamespace("splines"))
  gating <- if (seed %% 3 == 0) stats::as.formula(call("~", side[[2]]), env = asNamespace("splines"))
  K <- 1 + seed %% 3
  control <- moe_control(starts = 1, max_iterations = 3, newton = FALSE, information = seed %% 2 == 0,
    singular_ok = TRUE)
  if (seed %% 10 == 9) {
    x <- as.matrix(d[c("x", "v")])
    return(suppressWarnings(moe(x, d$y, K = K, family = family, control = control)))
  }
  fit <- function(...) suppressWarnings(moe_sites(f, list(A = d), K = K, family = family, gating = gating,
    control = control, min_rows = 1, ...))
  sites <- fit(start = fit()$models$A, share = c("x", "gates", if (family == "gaussian") "moments"),
    information = seed %% 2 == 0)
  if (!length(sites$models)) stop(sites$table$message)
  sites$models$A
}

test_that("100 random models of all families come back to the last bit", {
  file <- withr::local_tempfile(fileext = ".json")
  gates <- 0
  for (seed in 1:100) {
    fit <- random_model(seed)
    gates <- gates + !is.null(fit$shared$gates)
    write_moe(fit, file, "A", information = TRUE, policy = FALSE, overwrite = TRUE)
    again <- read_moe(file)
    fit$record$search <- NULL  # what the search saw stays at home
    expect_identical(without_environments(again), without_environments(fit), info = paste("seed", seed))
    expect_identical(again$family$family, fit$family$family)
    expect_false(any(c("rows", "call") %in% names(Filter(length, again))))
  }
  expect_gt(gates, 40)
})

test_that("numbers keep their last bit and their sign", {
  withr::local_seed(1)
  v <- c(0, -0.0, 1, -1, .Machine$double.xmax, .Machine$double.xmin, 5e-324, 1 / 3, 2^53 + 2, 1e22,
    stats::rnorm(1e4) * 10^stats::runif(1e4, -300, 300))
  back <- unlist(lapply(jsonlite::parse_json(json_text(I(v))), as.numeric))
  expect_identical(back, v)
  expect_identical(1 / back[2], -Inf)
})

test_that("a model that was read works as the original", {
  d <- two_experts(900, "gaussian")
  site <- rep(c("A", "B", "C"), 300)
  sites <- moe_sites(y ~ poly(x, 2) + v + g, split(d, site), gating = ~x, share = c("x", "moments", "gates"),
    information = TRUE, start = moe(y ~ poly(x, 2) + v + g, d[1:500, ], K = 2, gating = ~x))
  folder <- withr::local_tempfile()
  files <- write_moe(sites, folder)
  expect_setequal(basename(files), c("A.json", "B.json", "C.json"))
  read <- read_moe(folder)
  for (type in c("response", "expert", "gate", "density")) {
    expect_identical(predict(read$models$B, d, type), predict(sites$models$B, d, type))
  }
  expect_identical(vcov(read$models$A), vcov(sites$models$A))
  support <- moe_support(d, site = site)
  a <- moe_aggregate(sites, support)
  b <- moe_aggregate(read, support)
  expect_true(a$aggregation$gates_from_sums)
  expect_identical(b$parameters, a$parameters)
  expect_identical(vcov(b, "information"), vcov(a, "information"))
  expect_equal(coef(moe_refine(b, split(d, site), 1)), coef(moe_refine(a, split(d, site), 1)), tolerance = 1e-10)
  again <- moe_sites(y ~ poly(x, 2) + v + g, split(d, site), start = read$models$A, gating = ~x)
  expect_true(all(again$table$status == "fitted"))
  expect_output(print(read), "3 fitted")
  one <- withr::local_tempfile(fileext = ".json")
  write_moe(a, one)
  expect_identical(class(read_moe(one)), "moe")
  expect_identical(read_moe(one)$parameters, a$parameters)
})

test_that("no row and nothing of the rows is in a message", {
  d <- two_experts(600, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2)
  text <- moe_message(fit, "A", TRUE)$text
  small <- moe(y ~ x + v, two_experts(5000, "gaussian"), K = 2)
  expect_lt(nchar(moe_message(small, "A", TRUE)$text), 1.1 * nchar(text) + 500)
  numbers <- sprintf("%.17g", c(d$x, d$y, d$v))
  expect_false(any(vapply(numbers, grepl, NA, x = text, fixed = TRUE)))
  expect_output(print(moe_message(fit, "A")), "no row is in it")
  expect_output(print(moe_message(fit, "A")), "information .* none")
})

test_that("formulas with users' functions, or values from elsewhere, are refused by name", {
  d <- two_experts(300, "gaussian")
  twist <- function(x) x^2
  cut <- 0.25
  knots <- c(0, 1)
  many <- c(0.5, 1, 2)
  file <- withr::local_tempfile(fileext = ".json")
  expect_error(write_moe(moe(y ~ twist(x), d, K = 1), file), "twist\\(\\)", class = "moe_input_error")
  expect_error(write_moe(moe(y ~ I(x * sum(many)), d, K = 1), file), "sum\\(\\)")
  expect_error(write_moe(moe(y ~ I(x > many[1]), d, K = 1), file), "\\[")
  log <- function(x) x
  expect_error(write_moe(moe(y ~ log(x), d, K = 1), file), "log\\(\\)")
  rm(log)
  fit <- moe(y ~ I(x > cut) + splines::ns(v, knots = knots, Boundary.knots = c(-4, 4)), d, K = 1)
  write_moe(fit, file)
  rm(cut, knots)
  expect_identical(predict(read_moe(file), d), predict(fit, d))
  expect_identical(moe_sites(y ~ twist(x), list(A = d), K = 1)$table$bytes, NA_real_)
  expect_error(write_moe(moe(y ~ poly(x, v, degree = 2), d, K = 1), file, overwrite = TRUE), "more than one variable")
  large <- moe(y ~ x, d, K = 1)
  large$weight <- 1e17
  expect_error(write_moe(large, file, overwrite = TRUE), "weights", class = "moe_input_error")
  large <- moe(y ~ x, d, K = 1)
  large$schema$expert$columns <- as.character(1:3001)
  expect_error(write_moe(large, file, overwrite = TRUE), "3,001 columns", class = "moe_input_error")
})

test_that("few rows do not leave the house", {
  d <- two_experts(120, "gaussian")
  fit <- moe(y ~ x + v, d, K = 2)
  file <- withr::local_tempfile(fileext = ".json")
  expect_error(write_moe(fit, file, min_rows = 121), "120 rows; `min_rows` asks for 121", class = "moe_input_error")
  expect_error(write_moe(fit, file, min_expert_rows = 100), "Expert . stands on")
  expect_error(write_moe(fit, file, min_rows_per_parameter = 20), "parameters")
  expect_false(file.exists(file))
  write_moe(fit, file)
  expect_error(write_moe(fit, file), "there already")
  sites <- moe_sites(y ~ x, list(big = d[1:90, ], small = d[91:120, ]), K = 1)
  folder <- withr::local_tempfile()
  expect_error(write_moe(sites, folder), "small")
  expect_false(dir.exists(folder))
  answer <- moe_statistics(fit, d[1:20, ])
  expect_error(write_moe(answer, file, overwrite = TRUE), "20 rows")
})

test_that("files get safe names", {
  expect_identical(safe_file_names(c("a/b", "a b", "..", "A", "a", "ok")),
    c("a_b.json", "a_b-1.json", "site.json", "A.json", "a-1.json", "ok.json"))
})

test_that("arguments are checked", {
  d <- two_experts(300, "gaussian")
  fit <- moe(y ~ x, d, K = 1)
  expect_error(write_moe(fit, 1), "file")
  expect_error(write_moe(fit, "/nowhere/at/all.json"), "folder")
  expect_error(write_moe(1, "a.json"), "fit")
  expect_error(moe_message(fit, ""), "site")
  expect_error(moe_message(fit, "a\nb"), "control characters")
  expect_error(read_moe("/nowhere.json"), "no file")
  expect_error(read_moe(1), "path")
  expect_error(read_moe(withr::local_tempdir()), "json")
})
