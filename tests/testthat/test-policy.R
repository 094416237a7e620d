# The site's own policy and its ledger.

# A folder with a policy, in force until the test ends; gives the folder.
local_policy <- function(..., by = "option", env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  file <- file.path(folder, "distmoe-policy.json")
  moe_policy(..., rows = 50, write = file)
  if (by == "option") withr::local_options(distmoe.policy = file, .local_envir = env)
  if (by == "variable") withr::local_envvar(DISTMOE_POLICY = file, .local_envir = env)
  folder
}

some_rows_of <- function(n, seed = 1) {
  d <- two_experts(n, "gaussian", seed)
  d$w <- NULL
  d
}

reasons <- function(code) expect_error(code, class = "moe_disclosure_error")$reasons

expect_reason <- function(code, reason) {
  found <- reasons(code)
  expect_match(found, reason, all = FALSE)
}

# Who answers where a person is asked.
local_person <- function(answer, env = parent.frame()) {
  put <- function(f) utils::assignInNamespace("person_says", f, "distmoe")
  old <- person_says
  put(function(question) answer)
  withr::defer(put(old), env)
}

test_that("a policy is written, read and printed, field by field", {
  file <- withr::local_tempfile(fileext = ".json")
  made <- moe_policy(rows = 70, formulas = c("y ~ x", "y ~ x + g"), share = character(), ask = TRUE, write = file)
  expect_identical(made$formulas, c("y ~ x", "y ~ x + g"))
  again <- moe_policy(file)
  expect_identical(again, made)
  expect_identical(again$share, character())
  expect_identical(dirname(again$ledger), normalizePath(dirname(file)))
  expect_output(print(again), "rows .* 70")
  expect_error(moe_policy(rows = 60, write = file), "there already", class = "moe_input_error")
  expect_error(moe_policy("/nowhere.json"), "no policy file")
  open <- moe_policy(parameters_per_row = Inf, exchanges = Inf, write = file, overwrite = TRUE)
  expect_gt(open$exchanges, 1e8)
  expect_output(print(moe_policy()), "no file")
})

test_that("the defaults of the arguments are those of the fields", {
  shown <- lapply(formals(moe_policy)[names(policy_fields)], eval)
  expect_identical(shown, lapply(policy_fields, function(f) f$default))
  expect_identical(moe_policy(rows = 50), default_policy())
})

test_that("what is wrong in a policy file is named", {
  file <- withr::local_tempfile(fileext = ".json")
  moe_policy(rows = 50, write = file)
  lines <- readLines(file)
  with_line <- function(from, to) {
    writeLines(sub(from, to, lines), file)
    conditionMessage(expect_error(moe_policy(file), class = "moe_input_error"))
  }
  expect_match(with_line("\"rows\": 50", "\"rows\": \"many\""), "rows.*one number, 0 or more")
  expect_match(with_line("\"rows\": 50", "\"rows\": -1"), "rows.*one number, 0 or more, not -1")
  expect_match(with_line("\"rows\"", "\"row\""), "row\\b.*which no policy has")
  expect_match(with_line("\"ask\": false", "\"ask\": 1"), "ask.*true or false")
  expect_match(with_line("\"expert_rows\"", "\"rows\""), "rows.*twice")
  expect_match(with_line("policy/1", "policy/9"), "schema")
  expect_match(with_line("^\\{", "["), "no JSON object")
  expect_match(with_line("\"moments\"", "\"everything\""), "share.*some of x")
  expect_match(with_line("\"functions\": null", "\"functions\": [[1]]"), "functions")
})

test_that("whoever calls can be stricter than a policy file, and not less strict", {
  d <- some_rows_of(200)
  fit <- moe(y ~ x, d, K = 1)
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(fit, file, min_rows = 0)
  small <- moe(y ~ x, d[1:100, ], K = 1)
  for (by in c("option", "variable")) local({
    local_policy(by = by, expert_rows = 150, ledger = NULL)
    expect_reason(write_moe(small, file, min_expert_rows = 0, overwrite = TRUE), "asks for 150")
    expect_reason(write_moe(small, file, policy = moe_policy(expert_rows = 1), overwrite = TRUE), "asks for 150")
    expect_error(write_moe(small, file, policy = FALSE, overwrite = TRUE), "can't turn off", class = "moe_input_error")
    expect_length(reasons(write_moe(small, file, min_rows = 400, overwrite = TRUE)), 2)
    # Named by both, a looser policy of the caller's does not help.
    withr::local_options(distmoe.policy = file.path(local_policy(by = "none", expert_rows = 1), "distmoe-policy.json"))
    if (by == "variable") expect_reason(write_moe(small, file, overwrite = TRUE), "asks for 150")
  })
})

test_that("of two policies the strictest fields hold", {
  a <- moe_policy(rows = 100, parameters_per_row = 0.1, functions = c("log", "+"), exchanges = 5, rare_levels = "other")
  b <- moe_policy(rows = 60, parameters_per_row = 0.5, functions = c("+", "I"), formulas = "y ~ x", ask = TRUE)
  both <- stricter_policy(a, b)
  expect_identical(stricter_policy(b, a), both)
  expect_identical(both[c("rows", "parameters_per_row", "functions", "formulas", "exchanges", "ask", "rare_levels")],
    list(rows = 100, parameters_per_row = 0.1, functions = "+", formulas = "y ~ x", exchanges = 5, ask = TRUE,
      rare_levels = "refuse"))
})

test_that("formulas, functions and shares that are not allowed are all named at once", {
  local_policy(formulas = "y ~ x", functions = c("+", "log"), share = "x", ledger = NULL)
  d <- some_rows_of(300)
  expect_match(moe_sites(y ~ I(x^2), list(A = d), K = 1)$table$message,
    "formula y ~ I.x.2. is not.*function I.*function ")
  expect_identical(moe_sites(y ~ x, list(A = d), K = 1, share = "x")$table$status, "fitted")
  expect_match(moe_sites(y ~ x, list(A = d), K = 1, share = "moments")$table$message, "\"moments\"")
  expect_match(moe_sites(y ~ x, list(A = d), K = 1, information = TRUE)$table$message, "\"information\"")
  fit <- moe(y ~ x, d, K = 1)
  expect_error(moe_refine(fit, list(A = d, B = d)), "\"rounds\"")
  expect_reason(write_moe(moe_statistics(fit, d), tempfile()), "rounds")
})

test_that("a policy beside the data holds for sources and the command line", {
  skip_if_not_installed("optparse")
  folder <- local_policy(by = "none", expert_rows = 250)
  d <- some_rows_of(200)
  utils::write.csv(d, file.path(folder, "rows.csv"), row.names = FALSE)
  source <- moe_source(file.path(folder, "rows.csv"))
  sites <- moe_sites(y ~ x, list(A = source), K = 1)
  expect_match(sites$table$message, "min_expert_rows. asks for 250")
  fit <- moe(y ~ x, source, K = 1)
  expect_reason(write_moe(fit, tempfile()), "asks for 250")
  expect_error(moe_refine(moe(y ~ x, d, K = 1), list(A = source)), "asks for 250")
  out <- withr::local_tempfile(fileext = ".json")
  said <- capture.output(status <- moe_cli(c("fit", "--data", file.path(folder, "rows.csv"), "--formula", "y ~ x",
    "--experts", "1", "--out", out, "--min-expert-rows", "0")), type = "message")
  expect_identical(status, 1L)
  expect_match(paste(said, collapse = " "), "asks for 250")
  expect_false(file.exists(out))
})

test_that("rare levels go into the level that the policy names", {
  d <- some_rows_of(300)
  d$g <- factor(replace(as.character(d$g), 1:4, "z"), c("a", "b", "c", "other", "z"))
  d$g[5:20] <- "other"
  local_policy(rare_levels = "other", ledger = NULL)
  start <- moe(y ~ g, transform(d, g = factor(rep_len(levels(d$g), 300), levels(d$g))), K = 1)
  got <- moe_sites(y ~ g, list(A = d), start = start)$models$A
  merged <- d
  merged$g[1:4] <- "other"
  direct <- moe(y ~ g, merged, K = 1, start = start, control = moe_control(singular_ok = TRUE))
  expect_equal(coef(got)[1:4], coef(direct)[1:4])
  expect_equal(got$behind$levels$rows[4:5], c(20, 0))
  plain <- d[d$g != "other", ]
  plain$g <- droplevels(plain$g)
  expect_match(moe_sites(y ~ g, list(A = plain), K = 1)$table$message, "does not have")
})

test_that("numbers of rows are rounded on wish", {
  d <- some_rows_of(317)
  d$x[1:3] <- NA
  local_policy(round_rows = 50, ledger = NULL)
  fit <- moe_sites(y ~ x + v, list(A = d), K = 1, share = "x", information = TRUE)$models$A
  text <- moe_message(fit, "A", information = TRUE)$text
  expect_no_match(text, "\"(n|rows|weight)\": ?31")
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(fit, file, information = TRUE)
  expect_equal(read_moe(file)$n, 350)
  expect_equal(read_moe(file)$information$rows, 350)
  expect_equal(coef(read_moe(file)), coef(fit))
})

test_that("a person's yes is asked for, and nothing else will do", {
  d <- some_rows_of(200)
  file <- withr::local_tempfile(fileext = ".json")
  local_policy(ask = TRUE)
  fit <- moe(y ~ x, d, K = 1)
  local_person(NULL)
  expect_error(capture.output(write_moe(fit, file)), "person's yes", class = "moe_input_error")
  local_person("no")
  expect_error(capture.output(write_moe(fit, file)), "did not say yes")
  expect_false(file.exists(file))
  local_person("yes")
  expect_output(write_moe(fit, file), "Disclosure check .the site's policy.: passed")
  expect_true(file.exists(file))
  expect_match(moe_sites(y ~ x, list(A = d), K = 1)$table$message, "by files alone")
})

# ---- the ledger --------------------------------------------------------------------------------

test_that("the hash is SipHash-2-4", {
  # The test vectors of Aumasson and Bernstein: key 00 01 .. 0f, messages of the first bytes of 00 01 02 ...
  key <- as.raw(0:15)
  expect_identical(cpp_keyed_hash(key, raw()), as.raw(c(0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72)))
  expect_identical(cpp_keyed_hash(key, as.raw(0)), as.raw(c(0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74)))
  expect_identical(cpp_keyed_hash(key, as.raw(0:7)), as.raw(c(0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93)))
  expect_identical(cpp_keyed_hash(key, as.raw(0:14)), as.raw(c(0xe5, 0x45, 0xbe, 0x49, 0x61, 0xca, 0x29, 0xa1)))
})

test_that("rows that two sets do not share are counted, whatever their order and their chunks", {
  withr::local_seed(1)
  key <- as.raw(1:16)
  d <- data.frame(x = stats::qnorm(stats::ppoints(2000)), g = rep_len(c("a", "b"), 2000))
  prints <- function(d) prints_of(d, c("g", "x"), NULL, NULL, key)
  all <- prints(d)
  expect_equal(rows_apart(all, prints(d[sample(2000), ])), 0)
  expect_equal(add_prints(prints(d[1:700, ]), prints(d[701:2000, ]))$whole, all$whole)
  for (lost in c(1, 2, 5, 9)) {
    apart <- vapply(1:20, function(i) rows_apart(all, prints(d[-sample(2000, lost), ])), 0)
    # Rows may share a bucket, of 512, but hardly ever more than two do.
    expect_true(all(apart > lost - 2.5 & apart > 0.9 & apart < lost + 0.2), info = lost)
  }
  moved <- d
  moved$x[7] <- 99
  expect_equal(rows_apart(all, prints(moved)), 2, tolerance = 0.01)
  expect_gt(rows_apart(all, prints(d[-(1:300), ])), 200)
  expect_identical(text_print(print_text(all$whole)), all$whole)
  # Another formula with one variable in common, most of whose values are different.
  other <- prints_of(transform(d[-3, ], z = g), c("x", "z"), NULL, NULL, key)
  expect_equal(rows_apart(all, other), 1, tolerance = 0.01)
  expect_identical(rows_apart(prints_of(d, "g", NULL, NULL, key), prints_of(d, "x", NULL, NULL, key)), NA_real_)
})

test_that("one row more or less: the difference is the row, and the second exchange is refused", {
  d <- some_rows_of(300)
  row <- 17
  first <- moe_message(moe_statistics(moe(y ~ x + v, d, K = 1), d))
  second <- moe_message(moe_statistics(moe(y ~ x + v, d, K = 1), d[-row, ]))
  mean_of <- function(m) unlist(jsonlite::parse_json(m$text)$moments$mean_x)
  expect_equal((300 * mean_of(first) - 299 * mean_of(second))[2:3], as.numeric(d[row, c("x", "v")]), tolerance = 1e-8)
  folder <- local_policy()
  out <- function(name) file.path(folder, name)
  model <- moe(y ~ x + v, d, K = 1)
  expect_identical(nrow(tryCatch(moe_ledger(), error = function(e) data.frame())), 0L)
  write_moe(moe_statistics(model, d), out("a.json"))
  expect_reason(write_moe(moe_statistics(model, d[-row, ]), out("b.json")), "differ by 1 row from")
  # By another formula, from a model that keeps its rows, with a weight of 0, with a value changed.
  expect_reason(write_moe(moe(y ~ v, d[-row, ], K = 1), out("b.json")), "differ by 1 row from")
  d$w <- replace(rep(1, 300), row, 0)
  expect_reason(write_moe(moe(y ~ v, d, K = 1, weights = w), out("b.json")), "differ by 1 row from")
  changed <- d
  changed$y[row] <- 0
  expect_reason(write_moe(moe_statistics(model, changed), out("b.json")), "differ by 1 row from|2 rows")
  expect_match(moe_sites(y ~ x, list(A = d[-row, ]), K = 1)$table$message, "differ by 1 row from")
  expect_false(file.exists(out("b.json")))
  # The same rows, or clearly others, may be told about.
  write_moe(moe_statistics(model, d), out("b.json"))
  write_moe(moe_statistics(model, d[1:250, ]), out("c.json"))
  told <- moe_ledger()
  expect_identical(told$rows, c(300L, 300L, 250L) + 0)
  expect_identical(told$exchange, c(1, 2, 1))
  if (.Platform$OS.type == "unix") {
    expect_identical(format(file.mode(out("distmoe-ledger.txt"))), "600")
    expect_identical(format(file.mode(out("distmoe-ledger.txt.key"))), "600")
  }
})

test_that("messages about the same rows are counted", {
  folder <- local_policy(exchanges = 2)
  d <- some_rows_of(200)
  model <- moe(y ~ x, d, K = 1)
  file <- file.path(folder, "a.json")
  for (i in 1:2) write_moe(moe_statistics(model, d), file, overwrite = TRUE)
  expect_reason(write_moe(moe_statistics(model, d), file, overwrite = TRUE), "told about 2 times")
  expect_reason(write_moe(moe(y ~ x, d, K = 1), file, overwrite = TRUE), "told about 2 times")
})

test_that("a ledger that was changed stops what would leave", {
  folder <- local_policy()
  d <- some_rows_of(200)
  file <- file.path(folder, "a.json")
  write_moe(moe(y ~ x, d, K = 1), file)
  ledger <- file.path(folder, "distmoe-ledger.txt")
  cat("{\"number\":2}\n", file = ledger, append = TRUE)
  fit <- moe(y ~ x, d, K = 1)
  expect_error(write_moe(fit, file, overwrite = TRUE), "Line 2 of the ledger", class = "moe_input_error")
  writeLines("zz", paste0(ledger, ".key"))
  expect_error(moe(y ~ x, d, K = 1), "key of the ledger")
})

test_that("a person's column finds rows whose values were changed", {
  local_policy(id = "person")
  d <- some_rows_of(200)
  d$person <- sprintf("p%03d", 1:200)
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(moe(y ~ x, d, K = 1), file)
  d[c("x", "y")] <- d[c("x", "y")] * 1.0001
  expect_reason(write_moe(moe(y ~ x, d[-1, ], K = 1), file, overwrite = TRUE), "differ by 1 row from")
  expect_error(moe(y ~ x, d[c("x", "y")], K = 1), "person.*not in the data")
})

test_that("rounds of moe_refine() are exchanges of the site", {
  folder <- local_policy(exchanges = 5)
  d <- some_rows_of(400)
  fit <- moe(y ~ x, d, K = 2)
  sources <- list(A = d[1:200, ], B = d[201:400, ])
  moe_refine(fit, sources, rounds = 1)
  expect_identical(max(moe_ledger()$exchange), 3)
  expect_error(moe_refine(fit, sources, rounds = 3), "told about 5 times")
})

test_that("the article goes through every field of a message", {
  file <- file.path("..", "..", "vignettes", "leaves.Rmd")
  skip_if_not(file.exists(file), "no checkout")
  text <- readLines(file)
  table <- paste(text[startsWith(text, "| ")], collapse = "\n")
  said <- regmatches(table, gregexpr("`[a-z_0-9A-Z]+`", table))[[1]]
  names <- unique(unlist(lapply(message_objects, names)))
  containers <- c("design", "parameters", "record", "columns", "dispersion")
  expect_identical(setdiff(names, c(gsub("`", "", said), containers)), character())
})

test_that("who fits from another process is not told how few rows are behind what", {
  local_policy()
  d <- some_rows_of(200)
  here <- moe_sites(y ~ x + g, list(A = d), K = 1)$models$A
  expect_false(is.null(here$behind$told))
  calls <- 0
  old <- this_process
  put <- function(f) utils::assignInNamespace("this_process", f, "distmoe")
  withr::defer(put(old))
  put(function() calls <<- calls + 1)
  there <- moe_sites(y ~ x + g, list(A = d), K = 1)$models$A
  expect_null(there$behind)
  expect_equal(coef(there), coef(here))
  # It is in the ledger of the site all the same.
  expect_identical(moe_ledger()$exchange, c(1, 2))
})
