# Hierarchies by the command line: files alone, nothing kept between calls.
cli_run_of <- function(...) {
  out <- capture.output(status <- moe_cli(c(...)))
  list(status = status, out = paste(out, collapse = "\n"))
}

# `sources`' rows as files, and the messages of their models.
hierarchy_files <- function(found) {
  folder <- tempfile("hierarchy")
  for (part in c("rows", "messages", "round-1", "round-2", "models")) {
    dir.create(file.path(folder, part), recursive = TRUE)
  }
  for (site in names(found$sources)) {
    data <- found$sources[[site]]
    data[] <- lapply(data, function(v) sprintf("%.17g", v))
    write.csv(data, file.path(folder, "rows", paste0(site, ".csv")), row.names = FALSE, quote = FALSE)
    write_moe(found$sites$models[[site]], file.path(folder, "messages", paste0(site, ".json")), site = site,
      information = TRUE)
  }
  function(...) file.path(folder, ...)
}

answer_all <- function(at, population, round, sites) {
  for (site in sites) {
    run <- cli_run_of("refine", "--model", at(population), "--data", at("rows", paste0(site, ".csv")), "--site", site,
      "--out", at(round, paste0(site, ".json")))
    expect_equal(run$status, 0L)
    expect_match(run$out, "no row is in it")
  }
}

test_that("rounds by the command line are those in memory", {
  skip_if_not_installed("optparse")
  found <- hierarchy_of(shifted_sites())
  sites <- names(found$sources)
  at <- hierarchy_files(found)
  first <- cli_run_of("hierarchy", "--messages", at("messages"), "--effects", "all", "--out", at("p0.json"))
  expect_equal(first$status, 0L)
  expect_match(first$out, "Hierarchy of mixtures of experts")
  answer_all(at, "p0.json", "round-1", sites)
  second <- cli_run_of("hierarchy", "--messages", at("messages"), "--rounds", at("round-1"), "--out", at("p1.json"))
  expect_equal(second$status, 0L)
  answer_all(at, "p1.json", "round-2", sites)
  last <- cli_run_of("hierarchy", "--messages", at("messages"), "--rounds",
    paste(at("round-1"), at("round-2"), sep = ","), "--out", at("p2.json"), "--models", at("models"))
  expect_equal(last$status, 0L)
  expect_match(last$out, "Written: 4 models")
  memory <- moe_refine(found$h, found$sources, rounds = 2)
  for (site in sites) {
    model <- read_moe(at("models", paste0(site, ".json")))
    expect_equal(coef(model), coef(site_model(memory, site)), tolerance = 1e-8)
  }
  expect_equal(coef(read_moe(at("p2.json"))), fixef(memory), tolerance = 1e-8)
  expect_output(cli_run_of("inspect", at("p1.json")), NA)
  expect_equal(cli_run_of("predict", "--model", at("models", "A.json"), "--data", at("rows", "A.csv"))$status, 0L)

  # A late answer, a bad one, one that is missing: told, and nothing is written.
  refused <- function(folder, words) {
    said <- capture.output(run <- cli_run_of("hierarchy", "--messages", at("messages"), "--rounds", at(folder), "--out",
      at("bad.json")), type = "message")
    expect_equal(run$status, 1L)
    expect_false(file.exists(at("bad.json")))
  }
  dir.create(at("late"))
  file.copy(dir(at("round-2"), full.names = TRUE), at("late"))
  refused("late")
  dir.create(at("missing"))
  file.copy(dir(at("round-1"), full.names = TRUE)[1:3], at("missing"))
  refused("missing")
  dir.create(at("bad"))
  file.copy(dir(at("round-1"), full.names = TRUE), at("bad"))
  text <- readLines(at("bad", "B.json"))
  writeLines(sub("\"log_lik\": ?-?[0-9.]+", "\"log_lik\": 5", text), at("bad", "B.json"))
  refused("bad")
  refused("nowhere")
  expect_equal(cli_run_of("hierarchy", "--messages", at("messages"))$status, 2L)
  asked <- c("hierarchy", "--messages", at("messages"), "--out", at("x.json"))
  expect_equal(cli_run_of(asked, "--effects", "zz")$status, 1L)
  expect_equal(cli_run_of(asked, "--method", "zz")$status, 2L)
  expect_equal(cli_run_of("hierarchy", "--messages", at("messages"), "--models", at("models"))$status, 1L)
  expect_match(cli_run_of("hierarchy", "--help")$out, "--rounds")
})
