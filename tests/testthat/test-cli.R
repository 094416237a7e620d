# The command line, in this process; and the program itself in processes of its own.

cli_case <- local({
  made <- NULL
  function() {
    if (!is.null(made)) return(made)
    folder <- tempfile("the sites")
    sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
    data <- transform(sim$data, group = rep(c("b", "a", "c"), length.out = 3000))
    site <- rep(c("north", "south", "west"), each = 1000)
    parts <- split(data, site)
    for (name in names(parts)) {
      dir.create(file.path(folder, name), recursive = TRUE)
      write_exact(parts[[name]], file.path(folder, name, "rows.csv"))
    }
    shared <- cbind(data, hospital = site)[seq(1, 3000, by = 10), ]
    write_exact(shared, file.path(folder, "shared.csv"))
    dir.create(file.path(folder, "messages"))
    made <<- list(folder = folder, data = data, parts = parts, shared = shared,
      at = function(...) file.path(folder, ...))
    made
  }
})

# All digits of a double.
write_exact <- function(data, file, ...) {
  data[] <- lapply(data, function(v) if (is.double(v)) sprintf("%.17g", v) else v)
  write.csv(data, file, row.names = FALSE, quote = FALSE, ...)
}

cli <- function(...) {
  out <- capture.output(status <- moe_cli(c(...)))
  list(status = status, out = out)
}

# What was said on standard error by cat() is not seen by capture.output(): asked of the program.
program <- function(..., wd = tempdir()) {
  words <- shQuote(c(moe_cli_path(), ...))
  err <- tempfile()
  env <- paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))
  out <- withr::with_dir(wd, suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), words, stdout = TRUE,
    stderr = err, env = env)))
  status <- attr(out, "status")
  list(status = if (is.null(status)) 0L else status, out = out, err = readLines(err, warn = FALSE))
}

test_that("sites in folders and processes of their own give the model of one process", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  at <- case$at
  formula <- "y ~ poly(x1, 2) + x2 + group"
  expect_equal(program("fit", "--data", "shared.csv", "--formula", formula, "-K", "2", "--seed", "1",
    "--out", "pilot.json", wd = case$folder)$status, 0L)
  for (name in names(case$parts)) {
    file.copy(at("pilot.json"), at(name))
    run <- program("fit", "--data", "rows.csv", "--start", "pilot.json", "--site", name, "--share",
      "gates,moments", "--information", "--out", "my message.json", wd = at(name))
    expect_equal(run$status, 0L)
    file.copy(at(name, "my message.json"), at("messages", paste0(name, ".json")))
  }
  run <- program("aggregate", "--messages", "messages", "--support", "shared.csv", "--support-site", "hospital",
    "--out", "model.json", wd = case$folder)
  expect_equal(run$status, 0L)
  expect_true(any(grepl("3 fitted", run$out)))
  expect_true(any(grepl("Std. Error", run$out)))

  set.seed(1)
  pilot <- moe_sites(as.formula(formula), list(pilot = case$shared), K = 2)$models$pilot
  expect_equal(coef(read_moe(at("pilot.json"))), coef(pilot), tolerance = 1e-10)
  sites <- moe_sites(formula(pilot), case$parts, start = pilot, share = c("gates", "moments"))
  model <- moe_aggregate(sites, moe_support(case$shared, site = case$shared$hospital))
  expect_equal(coef(read_moe(at("model.json"))), coef(model), tolerance = 1e-8)

  current <- at("model.json")
  for (round in 0:2) {
    folder <- at(paste0("round", round))
    dir.create(folder)
    for (name in names(case$parts)) {
      expect_equal(cli("refine", "--model", current, "--data", at(name, "rows.csv"), "--site", name, "--out",
        file.path(folder, paste0(name, ".json")))$status, 0L)
    }
    after <- at(paste0("model", round, ".json"))
    run <- cli("refine", "--model", current, "--messages", folder, "--out", after, "--send", at(paste0("send", round)))
    expect_equal(run$status, 0L)
    expect_true(any(grepl(paste("Exchange", round + 1, "is done"), run$out)))
    expect_lte(file.size(at(paste0("send", round))), file.size(after))
    current <- after
  }
  same <- program("refine", "--model", current, "--messages", folder, "--out", at("one.json"), "--send",
    file.path(case$folder, ".", "one.json"), "--overwrite")
  expect_equal(same$status, 2L)
  expect_match(same$err, "name the same file", all = FALSE)
  expect_false(file.exists(at("one.json")))
  refined <- moe_refine(model, case$parts, rounds = 1)
  expect_equal(coef(read_moe(current)), coef(refined), tolerance = 1e-8)
  rough <- function(model) suppressWarnings(vcov(model))  # after one round
  expect_equal(rough(read_moe(current)), rough(refined), tolerance = 1e-6)
  expect_true(any(grepl("Std. Error", run$out)))

  new <- case$parts$north[-1]
  new$x1[3] <- NA
  write_exact(new, at("new.csv"), na = "")
  run <- program("predict", "--model", current, "--data", "new.csv", "--interval", "prediction", wd = case$folder)
  expect_equal(unname(as.matrix(read.csv(text = run$out))),
    unname(predict(refined, new, interval = "prediction")), tolerance = 1e-8)
})

test_that("the program refuses in words, with its exit status, and writes nothing", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  at <- case$at
  expect_match(program("--help")$out, "aggregate", all = FALSE)
  # Not in the library that R looks into, and without a language: names are UTF-8 all the same.
  write.csv(transform(case$parts$north, group = ifelse(group == "a", "M\u00e9decine", "A")), at("utf8.csv"),
    row.names = FALSE, fileEncoding = "UTF-8")
  withr::with_envvar(c(LC_ALL = "C", R_LIBS = "", R_LIBS_USER = ""), {
    system2(file.path(R.home("bin"), "Rscript"), shQuote(c(moe_cli_path(), "fit", "--data", at("utf8.csv"),
      "--formula", "y ~ group", "--experts", "1", "--out", at("utf8.json"))), stdout = FALSE, stderr = FALSE)
  })
  expect_equal(rownames(read_moe(at("utf8.json"))$parameters$beta), c("(Intercept)", "groupM\u00e9decine"))
  none <- program()
  expect_equal(none$status, 2L)
  expect_match(none$err, "Usage: distmoe COMMAND", all = FALSE)
  unknown <- program("fitt")
  expect_equal(unknown$status, 2L)
  expect_match(unknown$err, "no command \"fitt\" \\(did you mean fit", all = FALSE)
  missing <- program("fit", "--data", at("north", "rows.csv"))
  expect_equal(missing$status, 2L)
  expect_match(missing$err, "--out is missing", all = FALSE)
  gone <- program("fit", "--data", at("gone.csv"), "--formula", "y ~ x1", "--experts", "2", "--out", at("x.json"))
  expect_equal(gone$status, 1L)
  expect_match(gone$err, "gone.csv", all = FALSE)
  writeLines("{}", at("bad.json"))
  bad <- program("inspect", at("bad.json"))
  expect_equal(bad$status, 1L)
  expect_match(bad$err, "bad.json", all = FALSE)
  # Few rows: the disclosure check, in the words of the command line.
  write_exact(case$parts$north[1:30, ], at("few.csv"))
  few <- program("fit", "--data", at("few.csv"), "--formula", "y ~ x1", "--experts", "1", "--out", at("x.json"))
  expect_equal(few$status, 1L)
  expect_match(few$err, "30 rows; --min-rows asks for 50", all = FALSE)
  expect_false(file.exists(at("x.json")))
})

test_that("words that are not understood have status 2, what fails status 1", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  at <- case$at
  fit <- function(...) cli("fit", "--data", at("north", "rows.csv"), "--out", at("x.json"), ...)$status
  expect_equal(fit("--nonsense", "1"), 2L)
  expect_equal(fit("--experts", "2"), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts", "two"), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts"), 2L)
  expect_equal(fit("--formula", "y ~", "--experts", "2"), 2L)
  expect_equal(fit("--formula", "stop('evaluated')", "--experts", "2"), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts", "2", "--family", "normal"), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts", "2", "--site", " "), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts", "2", "more"), 2L)
  expect_equal(fit("--formula", "y ~ x1", "--experts", "2.5"), 1L)
  expect_equal(fit("--formula", "y ~ nothing", "--experts", "2"), 1L)
  expect_equal(cli("refine", "--model", "a", "--out", at("x.json"))$status, 2L)
  expect_equal(cli("refine", "--model", "a", "--data", "b", "--out", at("x.json"))$status, 2L)
  expect_equal(cli("aggregate", "--messages", at("messages"), "--out", at("x.json"))$status, 2L)
  expect_equal(cli("predict", "--model", at("gone.json"), "--data", at("north", "rows.csv"))$status, 1L)
  expect_equal(cli("inspect")$status, 2L)
  dir.create(at("empty"))
  expect_equal(cli("inspect", at("empty"))$status, 1L)
  expect_equal(cli("aggregate", "--messages", at("empty"), "--draw", "100", "--out", at("x.json"))$status, 1L)
  # What could not be written is said before the work.
  writeLines("", at("there.json"))
  expect_equal(cli("predict", "--model", at("gone.json"), "--data", "b", "--out", at("there.json"))$status, 1L)
  expect_equal(readLines(at("there.json")), "")
  expect_error(check_out(list(out = at("there.json"))), "is there already")
  expect_error(check_out(list(out = at("no", "x.json"))), "no folder")
  expect_error(check_out(list(out = at("messages"))), "is a folder")
  expect_silent(check_out(list(out = at("there.json"), overwrite = TRUE)))
  expect_false(file.exists(at("x.json")))
  expect_match(parse_words("no such option: --k", list()), "the number of experts is --experts")
})

test_that("a folder with bad messages: the others are used, inspect says which", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  folder <- withr::local_tempdir()
  sites <- moe_sites(y ~ x1, case$parts, K = 2)
  write_moe(sites, folder)
  expect_equal(cli("inspect", folder)$status, 0L)
  shown <- cli("inspect", "--coefficients", file.path(folder, "west.json"))
  expect_match(shown$out, "site \"west\"", all = FALSE)
  expect_match(shown$out, "Gates", all = FALSE)
  write_moe(sites$models$north, file.path(folder, "second.json"), site = "north")
  writeLines("{", file.path(folder, "bad.json"))
  expect_equal(cli("inspect", folder)$status, 1L)
  out <- tempfile(fileext = ".json")
  aggregate <- function(...) {
    cli("aggregate", "--messages", folder, "--support", case$at("shared.csv"), "--out", out, ...)
  }
  expect_equal(aggregate("--min-sites", "3")$status, 1L)
  expect_false(file.exists(out))
  expect_equal(aggregate()$status, 0L)
  expect_equal(read_moe(out)$n, 2000)
})

test_that("text as spreadsheets write it is read with the options for it", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  north <- case$parts$north
  north$group[5] <- "unknown"
  north$ward <- rep_len(1:3, 1000)
  folder <- withr::local_tempdir()
  semicolons <- file.path(folder, "rows of the north.csv")
  write.csv2(transform(north, x1 = ifelse(seq_along(x1) == 7, NA, x1)), semicolons, row.names = FALSE, na = "")
  model <- moe(y ~ x1 + group, case$data, K = 2)
  rows <- function(..., schema = model$schema) cli_rows(semicolons, list(...), c("y", "x1", "group", "ward"), schema)
  read <- rows(sep = ";", dec = ",", na = "unknown,NA", text = "ward")
  north$x1[7] <- NA
  north$group[5] <- NA
  north$ward <- as.character(north$ward)
  expect_equal(read, north[c("y", "x1", "group", "ward")], ignore_attr = "row.names")
  expect_error(rows(), "sep = \";\"")
  expect_error(rows(sep = ";"), "must hold numbers.*Row 1 has.*dec = \",\"")
  expect_warning(expect_warning(rows(sep = ";", schema = NULL), "\"y\".* is text with 1000"), "\"x1\"")
  # A column that has but one value, T or F, is still text where the model says so.
  model <- moe(y ~ group, transform(case$data, group = ifelse(group == "a", "F", "M")), K = 1)
  file <- file.path(folder, "f.csv")
  write.csv(transform(north, group = "F"), file, row.names = FALSE)
  expect_equal(unique(cli_rows(file, list(), c("y", "group"), model$schema)$group), "F")
  model <- moe(y ~ x1, case$data, K = 1)
  words <- function(v) {
    write.csv(transform(north, x1 = v), file, row.names = FALSE)
    cli_rows(file, list(dec = ","), c("y", "x1"), model$schema)
  }
  expect_error(words("1.5"), "decimal commas")
  write.csv(transform(north, x1 = "1,234,567"), file, row.names = FALSE)
  expect_error(cli_rows(file, list(), c("y", "x1"), model$schema), "thousands")
  expect_error(cli_rows(file, list(na = "?"), c("y", "x1", "nothing")), "nothing")
  expect_error(cli_source(file, list(sep = ";;")), class = "moe_usage_error")
})

test_that("errors of the package are said in the words of the command line", {
  say <- function(text) in_cli_words(text, c("min_rows", "format", "type"))
  expect_equal(say("`K` must be 1; `min_rows` asks"), "--experts must be 1; --min-rows asks")
  expect_equal(say(c("Bad.", "i `format = \"csv\"` or `overwrite = TRUE`")),
    "Bad.\n  --format \"csv\" or --overwrite")
  expect_equal(say("It failed. i It knows \"a\"."), "It failed.\n  It knows \"a\".")
  expect_equal(say("`other` stays"), "`other` stays")
})
