# The commands of signed exchange, in this process.

said_by <- function(...) {
  out <- utils::capture.output(status <- suppressMessages(moe_cli(c(...))))
  list(status = status, out = paste(out, collapse = "\n"))
}

test_that("a study runs by signed files from the command line", {
  skip_if_not_installed("optparse")
  skip_if_not_installed("openssl")
  folder <- withr::local_tempdir()
  at <- function(...) file.path(folder, ...)
  sites <- c("north", "south")
  for (m in c("centre", sites, "box", "round")) dir.create(at(m))
  rows <- signed_rows(sites, 400)
  for (m in sites) utils::write.csv(rows[[m]], at(m, "rows.csv"), row.names = FALSE)
  utils::write.csv(crossing_lines(300, seed = 9)[c("x", "y")], at("centre", "shared.csv"), row.names = FALSE)
  ok <- function(...) {
    found <- said_by(...)
    expect_identical(found$status, 0L)
    found$out
  }
  for (m in c("centre", sites)) ok("keys", "--key", at(m, "own.key"))
  public <- lapply(stats::setNames(nm = sites), function(m) {
    regmatches(out <- ok("keys", "--key", at(m, "own.key")), regexpr("dm1-[A-Za-z0-9+/]{88}", out))
  })
  registry <- at("centre", "trial.json")
  centre <- c("--registry", registry, "--key", at("centre", "own.key"))
  ok("register", centre, "--study", "trial")
  for (m in sites) ok("register", centre, "--site", m, "--public", public[[m]], "--rows", "400")
  for (m in sites) file.copy(registry, at(m, "trial.json"))
  own <- function(m) c("--registry", at(m, "trial.json"), "--key", at(m, "own.key"))
  ok("fit", "--data", at("centre", "shared.csv"), "--formula", "y ~ x", "-K", "2", "--seed", "1", "--out",
    at("centre", "pilot.json"), centre)
  print <- moe_keys(at("centre", "own.key"))$fingerprint
  check <- ok("check", "--registry", at("north", "trial.json"), "--centre", print, at("centre", "pilot.json"))
  expect_match(check, "signed by centre \"centre\"")
  for (m in sites) ok("fit", "--data", at(m, "rows.csv"), "--start", at("centre", "pilot.json"), "--out",
    at("box", paste0(m, ".json")), own(m))
  out <- ok("aggregate", "--messages", at("box"), "--support", at("centre", "shared.csv"), "--out",
    at("centre", "model.json"), centre)
  expect_match(out, "signed by members")
  # What the centre keeps and what it sends are of one exchange.
  model <- at("centre", "model.json")
  for (round in 0:1) {
    for (m in sites) ok("refine", "--model", model, "--data", at(m, "rows.csv"), "--out",
      at("round", paste0(m, ".json")), "--overwrite", own(m))
    kept <- at("centre", paste0("kept-", round, ".json"))
    ok("refine", "--model", if (round == 0) model else at("centre", "kept-0.json"), "--messages", at("round"), "--out",
      kept, "--send", at("centre", paste0("sent-", round, ".json")), centre)
    model <- at("centre", paste0("sent-", round, ".json"))
  }
  expect_identical(attr(read_moe(model, registry = registry), "origin")$exchange, 4L)
  # Masked: one of two sites is not enough to go on without the other.
  for (m in sites) ok("refine", "--model", model, "--data", at(m, "rows.csv"), "--out", at("round", paste0(m, ".json")),
    "--masked", "--overwrite", own(m))
  kept <- at("centre", "kept-1.json")
  ok("refine", "--model", kept, "--messages", at("round"), "--out", at("centre", "kept-2.json"), centre)
  expect_match(ok("inspect", at("round", "north.json")), "masked")
  unlink(at("round", "north.json"))
  expect_identical(said_by("refine", "--model", kept, "--messages", at("round"), "--out", at("no.json"), centre)$status,
    1L)
  expect_identical(said_by("unmask", "--messages", at("round"), "--out", at("no.json"), centre)$status, 1L)
  expect_false(file.exists(at("no.json")))
  expect_identical(read_moe(at("centre", "kept-1.json"))$rounds$number, 2L)
  expect_match(ok("log", "--registry", registry), "Whole")
  expect_identical(said_by("check", "--registry", registry, at("round"))$status, 1L)
  # Refused: an unsigned start at a site, a name that is not the key's, another centre, a broken log.
  write_moe(read_moe(at("centre", "pilot.json")), at("bare.json"), site = "centre")
  fit <- function(start, ...) said_by("fit", "--data", at("north", "rows.csv"), "--start", start, "--out",
    at("new.json"), own("north"), ...)$status
  expect_identical(fit(at("bare.json")), 1L)
  expect_identical(fit(model, "--site", "south"), 2L)
  expect_identical(said_by("check", "--registry", registry, "--centre", public$north)$status, 1L)
  log <- readLines(at("north", "trial.log"))
  writeLines(log[-2], at("north", "trial.log"))
  expect_identical(said_by("log", "--registry", at("north", "trial.json"))$status, 1L)
  expect_identical(fit(model), 1L)
  expect_false(file.exists(at("new.json")))
  expect_identical(said_by("register", centre)$status, 2L)
  expect_identical(said_by("fit", "--data", at("north", "rows.csv"), "--start", model, "--out", at("new.json"),
    "--key", at("north", "own.key"))$status, 2L)
})
