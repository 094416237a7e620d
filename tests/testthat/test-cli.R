# The command line, in this process; and the program itself in processes of its own.

cli_case <- local({
  made <- NULL
  function() {
    if (!is.null(made)) return(made)
    folder <- tempfile("cli")
    sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
    site <- rep(c("north", "south", "west"), each = 1000)
    parts <- split(sim$data, site)
    for (name in names(parts)) {
      dir.create(file.path(folder, name), recursive = TRUE)
      write_exact(parts[[name]], file.path(folder, name, "rows.csv"))
    }
    shared <- cbind(sim$data, hospital = site)[seq(1, 3000, by = 10), ]
    write_exact(shared, file.path(folder, "shared.csv"))
    dir.create(file.path(folder, "messages"))
    made <<- list(folder = folder, data = sim$data, site = site, parts = parts, shared = shared,
      at = function(...) file.path(folder, ...))
    made
  }
})

# All digits of a double.
write_exact <- function(data, file) {
  data[] <- lapply(data, function(v) if (is.double(v)) sprintf("%.17g", v) else v)
  write.csv(data, file, row.names = FALSE, quote = FALSE)
}

cli <- function(...) {
  out <- NULL
  err <- capture.output(out <- capture.output(status <- moe_cli(c(...))), type = "message")
  list(status = status, out = out, err = err)
}

# What was said on standard error by cat() is not seen by capture.output(): asked of the program.
program <- function(...) {
  words <- shQuote(c(moe_cli_path(), ...))
  err <- tempfile()
  env <- paste0("R_LIBS=", paste(.libPaths(), collapse = .Platform$path.sep))
  out <- suppressWarnings(system2(file.path(R.home("bin"), "Rscript"), words, stdout = TRUE, stderr = err, env = env))
  status <- attr(out, "status")
  list(status = if (is.null(status)) 0L else status, out = out, err = readLines(err, warn = FALSE))
}

test_that("fit, aggregate, refine and predict give what the functions give", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  at <- case$at
  expect_equal(cli("fit", "--data", at("shared.csv"), "--formula", "y ~ x1 + x2", "--experts", "2", "--seed", "1",
    "--out", at("pilot.json"))$status, 0L)
  for (name in names(case$parts)) {
    run <- cli("fit", "--data", at(name, "rows.csv"), "--start", at("pilot.json"), "--site", name, "--share",
      "gates,moments", "--out", at("messages", paste0(name, ".json")))
    expect_equal(run$status, 0L)
  }
  run <- cli("aggregate", "--messages", at("messages"), "--support", at("shared.csv"), "--support-site", "hospital",
    "--out", at("model.json"))
  expect_equal(run$status, 0L)
  expect_true(any(grepl("3 fitted", run$out)))

  pilot <- read_moe(at("pilot.json"))
  sites <- moe_sites(y ~ x1 + x2, case$parts, start = pilot, share = c("gates", "moments"))
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
    expect_equal(cli("refine", "--model", current, "--messages", folder, "--out", after)$status, 0L)
    current <- after
  }
  expect_equal(coef(read_moe(current)), coef(moe_refine(model, case$parts, rounds = 1)), tolerance = 1e-6)

  expect_equal(cli("predict", "--model", at("model.json"), "--data", at("north", "rows.csv"), "--interval",
    "prediction", "--out", at("out.csv"))$status, 0L)
  expect_equal(unname(as.matrix(read.csv(at("out.csv")))),
    unname(predict(model, case$parts$north, interval = "prediction")), tolerance = 1e-6)
})

test_that("the program refuses in words, with its exit status, and writes nothing", {
  skip_if_not_installed("optparse")
  case <- cli_case()
  at <- case$at
  expect_match(program("--help")$out, "aggregate", all = FALSE)
  unknown <- program("fitt")
  expect_equal(unknown$status, 2L)
  expect_match(unknown$err, "no command \"fitt\"", all = FALSE)
  missing <- program("fit", "--data", at("north", "rows.csv"))
  expect_equal(missing$status, 2L)
  expect_match(missing$err, "--out is missing", all = FALSE)
  expect_equal(cli("fit", "--nonsense", "1")$status, 2L)
  expect_equal(cli("fit", "--data", "x.csv", "--out", at("x.json"), "--experts", "two")$status, 2L)
  gone <- program("fit", "--data", at("gone.csv"), "--formula", "y ~ x1", "--experts", "2", "--out", at("x.json"))
  expect_equal(gone$status, 1L)
  expect_match(gone$err, "gone.csv", all = FALSE)
  expect_equal(cli("fit", "--data", at("north", "rows.csv"), "--formula", "y ~", "--experts", "2", "--out",
    at("x.json"))$status, 1L)
  writeLines("{}", at("bad.json"))
  bad <- program("inspect", at("bad.json"))
  expect_equal(bad$status, 1L)
  expect_match(bad$err, "bad.json", all = FALSE)
  # Few rows: the disclosure check.
  write_exact(case$parts$north[1:30, ], at("few.csv"))
  few <- program("fit", "--data", at("few.csv"), "--formula", "y ~ x1", "--experts", "1", "--out", at("x.json"))
  expect_equal(few$status, 1L)
  expect_match(few$err, "min_rows", all = FALSE)
  expect_false(file.exists(at("x.json")))
})
