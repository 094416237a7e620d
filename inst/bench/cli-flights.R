# The flights demo by the command line: every carrier a folder with a file of its rows and processes of its
# own, the centre another; against the same by the R functions in this process.
#
#   Rscript cli-flights.R [quick] [flights, all]

source(system.file("bench/tools.R", package = "distmoe"))
for (package in c("nycflights13", "optparse")) {
  if (!requireNamespace(package, quietly = TRUE)) stop("the benchmark needs package ", package)
}

# ---- data, as in the demo, but with text in place of factors: a file has no levels ---------------

flights <- as.data.frame(nycflights13::flights)
flights$season <- c("winter", "spring", "summer", "autumn")[flights$month %% 12 %/% 3 + 1]
flights$miles <- flights$distance / 1000
arrived <- flights[!is.na(flights$arr_delay),
  c("arr_delay", "dep_delay", "miles", "hour", "season", "origin", "carrier")]
set.seed(2013)
arrived <- arrived[sort(sample(nrow(arrived), size(1, nrow(arrived), 60000))), ]
header(paste0("cli-flights: ", count(nrow(arrived)), " flights of ", length(unique(arrived$carrier)),
  " carriers, K = 3, one folder and processes of its own for each"))
test_rows <- sample(nrow(arrived), round(0.2 * nrow(arrived)))
held_out <- arrived[test_rows, ]
sites <- split(arrived[-test_rows, ], arrived$carrier[-test_rows])
give <- function(n) min(n, max(50, round(0.02 * n)))
given <- do.call(rbind, lapply(sites, function(d) d[sample(nrow(d), give(nrow(d))), ]))
formula <- "arr_delay ~ dep_delay + miles + poly(hour, 2) + season + origin"

folder <- tempfile("flights by carrier ")
at <- function(...) file.path(folder, ...)
write_rows <- function(rows, ...) {
  dir.create(at(...), recursive = TRUE)
  rows[] <- lapply(rows, function(v) if (is.double(v)) sprintf("%.17g", v) else v)
  utils::write.csv(rows, at(..., "rows.csv"), row.names = FALSE, quote = FALSE)
}
write_rows(given, "centre")
write_rows(held_out, "held out")
for (carrier in names(sites)) write_rows(sites[[carrier]], carrier)

# ---- the program ------------------------------------------------------------------------------

Sys.setenv(R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep))
program <- moe_cli_path()
processes <- 0

# Runs in the folder of a place; gives what it said on standard error, with its exit status.
run <- function(place, ...) {
  processes <<- processes + 1
  old <- setwd(at(place))
  on.exit(setwd(old))
  said <- tempfile()
  words <- shQuote(c(program, ...))
  status <- system2(file.path(R.home("bin"), "Rscript"), words, stdout = FALSE, stderr = said)
  structure(readLines(said, warn = FALSE), status = status)
}
must <- function(said) if (attr(said, "status")) stop(paste(said, collapse = "\n"))
# A file goes from one place to another.
send <- function(from, file, to, as = file) {
  dir.create(dirname(at(to, as)), showWarnings = FALSE, recursive = TRUE)
  stopifnot(file.copy(at(from, file), at(to, as)))
}
# The flights are public: what the disclosure check refuses is sent all the same, and noted.
no_limits <- "--no-check"

cli_seconds <- elapsed({
  must(run("centre", "fit", "--data", "rows.csv", "--formula", formula, "--experts", "3", "--seed", "1",
    "--out", "pilot.json"))
  outcome <- vapply(names(sites), function(carrier) {
    send("centre", "pilot.json", carrier)
    fit <- c("fit", "--data", "rows.csv", "--start", "pilot.json", "--site", carrier, "--out", "model.json")
    said <- run(carrier, fit)
    refused <- attr(said, "status") != 0 && any(grepl("is not written", said))
    if (refused) said <- run(carrier, fit, no_limits)
    if (attr(said, "status")) return(paste(said, collapse = " "))
    send(carrier, "model.json", "centre", file.path("messages", paste0(carrier, ".json")))
    if (refused) "sent; refused with the default limits" else "sent"
  }, "")
  must(run("centre", "aggregate", "--messages", "messages", "--support", "rows.csv", "--support-site", "carrier",
    "--seed", "2", "--out", "model-0.json"))
  for (exchange in 1:3) {
    now <- paste0("model-", exchange - 1, ".json")
    round <- paste0("round-", exchange)
    for (carrier in names(sites)) {
      send("centre", now, carrier)
      answer <- paste0("answer-", exchange, ".json")
      must(run(carrier, "refine", "--model", now, "--data", "rows.csv", "--site", carrier, "--out", answer,
        no_limits))
      send(carrier, answer, "centre", file.path(round, paste0(carrier, ".json")))
    }
    must(run("centre", "refine", "--model", now, "--messages", round, "--out", paste0("model-", exchange, ".json")))
  }
  send("centre", "model-3.json", "held out")
  must(run("held out", "predict", "--model", "model-3.json", "--data", "rows.csv", "--out", "predicted.csv"))
})

# ---- the same in this process -----------------------------------------------------------------

r_seconds <- elapsed({
  set.seed(1)
  pilot <- moe_sites(as.formula(formula), list(pilot = given), K = 3)$models$pilot
  fitted <- moe_sites(formula(pilot), sites, start = pilot)
  set.seed(2)
  aggregate <- moe_aggregate(fitted, moe_support(given, site = given$carrier))
  refined <- moe_refine(aggregate, sites, rounds = 1)
  predicted <- predict(refined, held_out)
})

# ---- compared ----------------------------------------------------------------------------------

bytes <- function(place, file) if (file.exists(at(place, file))) file.size(at(place, file)) else NA
show_table(data.frame(carrier = names(sites), rows = vapply(sites, nrow, 0L),
  csv = vapply(names(sites), bytes, 0, "rows.csv"), model = vapply(names(sites), bytes, 0, "model.json"),
  moments = vapply(names(sites), bytes, 0, "answer-1.json"), sums = vapply(names(sites), bytes, 0, "answer-3.json"),
  outcome = substr(outcome, 1, 100)), "Bytes of each carrier's rows and messages")
cat("Bytes of the pilot: ", count(bytes("centre", "pilot.json")), ", of the aggregate: ",
  count(bytes("centre", "model-0.json")), ", of the refined model with the state of its rounds: ",
  count(bytes("centre", "model-3.json")), "\n", sep = "")
cat("Processes: ", processes, ", ", round(cli_seconds), " s, one after the other; in one process: ",
  round(r_seconds, 1), " s\n\n", sep = "")

from_file <- function(place, file) coef(read_moe(at(place, file)))
difference <- c(
  pilot = max(abs(from_file("centre", "pilot.json") - coef(pilot))),
  sites = max(vapply(names(fitted$models), function(s) {
    max(abs(from_file(s, "model.json") - coef(fitted$models[[s]])))
  }, 0)),
  aggregate = max(abs(from_file("centre", "model-0.json") - coef(aggregate))),
  "one round" = max(abs(from_file("centre", "model-3.json") - coef(refined))),
  predictions = max(abs(utils::read.csv(at("held out", "predicted.csv"))[[1]] - predicted)))
cat("Largest difference between command line and R functions (coefficients to ",
  format(max(abs(coef(refined))), digits = 4), ", predictions to ", format(max(abs(predicted)), digits = 4),
  "):\n", sep = "")
print(difference, digits = 2)
stopifnot(identical(sort(names(fitted$models)), sort(names(sites)[startsWith(outcome, "sent")])))
target("largest difference of a coefficient, aggregate", difference[["aggregate"]], most = 1e-8)
target("largest difference of a coefficient, refined by one round", difference[["one round"]], most = 1e-8)
target("largest difference of a prediction", difference[["predictions"]], most = 1e-8)
unlink(folder, recursive = TRUE)
finish()
