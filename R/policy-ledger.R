# The site's ledger: what has left it, and about which rows.

#' The ledger of a site
#'
#' Where a policy names a `ledger` (see [moe_policy()]), each message that leaves is a line there: when, what, how many
#' rows, and fingerprints of these rows. A message about nearly the rows of an earlier one is refused: where fewer than
#' `column_rows` rows are in one and not in the other, the difference of the two is about these. The same rows may be
#' told about `exchanges` times.
#'
#' A fingerprint is made of keyed hashes (SipHash-2-4) of the rows' values, added up in 512 sums. Two sets of rows
#' differ in as many sums as there are rows in one of them alone, if these are few. Nothing can be told from the sums
#' without the key, and with it values that can be guessed, so the ledger and its key (`<ledger>.key`) are for their
#' owner alone (file mode 0600). There is one of all variables that
#' the formulas name (and the weights), one of each variable most of whose values are different, so that other formulas
#' are compared too, and one of the policy's `id`. Formulas that share no such variable can't be compared.
#'
#' @param file Name of the ledger; NULL: that of the policy in force.
#' @return A data frame with a row a message: `time`, `what`, `site`, `rows`, `exchange` (of these rows the which).
#' @examples
#' folder <- tempfile()
#' dir.create(folder)
#' moe_policy(rows = 50, write = file.path(folder, "distmoe-policy.json"))
#' old <- options(distmoe.policy = file.path(folder, "distmoe-policy.json"))
#' sim <- moe_simulate(500, K = 1, d = 2, seed = 1)
#' write_moe(moe(y ~ ., sim$data, K = 1), file.path(folder, "first.json"))
#' # One patient less: what is new is this patient alone.
#' try(write_moe(moe(y ~ ., sim$data[-1, ], K = 1), file.path(folder, "second.json")))
#' moe_ledger()
#' options(old)
#' @export
moe_ledger <- function(file = NULL) {
  if (is.null(file)) file <- policy_in_force()$ledger
  if (is.null(file)) input_error("There is no ledger here: {.arg file} names none, and no policy does.")
  if (!file.exists(file)) input_error("There is no ledger {.file {file}} yet: nothing has left.")
  entries <- read_ledger(file)
  text <- function(name) vapply(entries, function(e) as.character(e[[name]]), "")
  count <- function(name) vapply(entries, function(e) as.numeric(e[[name]]), 0)
  data.frame(time = text("time"), what = text("what"), site = text("site"), rows = count("rows"),
    exchange = count("exchange"), stringsAsFactors = FALSE)
}

read_ledger <- function(file) {
  if (!file.exists(file)) return(list())
  lines <- readLines(file, warn = FALSE)
  lapply(seq_along(lines), function(i) {
    tryCatch({
      e <- jsonlite::parse_json(lines[i])
      # Rows that stood there before have their fingerprints there.
      if (is.null(e$as)) {
        e$told <- list(names = as.character(unlist(e$names)), whole = text_print(e$whole),
          by = lapply(e$by, text_print))
      }
      for (name in c("time", "what", "site", "rows", "exchange")) if (length(e[[name]]) != 1) stop("a field lacks")
      e
    }, error = function(err) {
      input_error("Line {i} of the ledger {.file {file}} can't be read: it was changed or damaged.",
        i = "Nothing leaves until the ledger is in order; a copy of it is the way back.")
    })
  })
}

# Are these rows nearly those of an earlier message, or told about too often? Reasons in words.
ledger_faults <- function(counts, policy) {
  if (is.null(policy$ledger) || is.null(counts$behind)) return(character())
  told <- counts$behind$told
  if (is.null(told)) {
    return("What rows it is about was not noted when it was fitted, as the ledger needs: fit it again.")
  }
  seen <- ledger_sight(told, read_ledger(policy$ledger))
  near <- which(seen$apart > 0.5 & seen$apart < policy$column_rows)
  c(if (length(near)) {
    sprintf("Its rows differ by %s from those of the %s of %s: that difference is theirs; `column_rows` asks for %s.",
      rows_words(round(seen$apart[near[1]])), seen$what[near[1]], seen$time[near[1]], format(policy$column_rows))
  }, if (seen$same >= policy$exchanges) {
    sprintf("These rows were told about %s times; `exchanges` allows %s.", format_big(seen$same),
      format(policy$exchanges))
  })
}

# By how many rows each entry of its own differs, and how many entries are of the same rows.
ledger_sight <- function(told, entries) {
  own <- Filter(function(e) is.null(e$as), entries)
  apart <- vapply(own, function(e) rows_apart(told, e$told), 0)
  same <- which(apart <= 0.5)
  numbers <- vapply(own, function(e) as.numeric(e$number), 0)
  repeats <- vapply(entries, function(e) as.numeric(if (is.null(e$as)) e$number else e$as), 0)
  list(apart = ifelse(is.na(apart), Inf, apart), what = vapply(own, function(e) e$what, ""),
    time = vapply(own, function(e) e$time, ""), same = sum(repeats %in% numbers[same]),
    as = if (length(same)) numbers[same[1]], number = length(entries) + 1)
}

# Appends a line. `what`: "model" or the like.
note_in_ledger <- function(counts, policy, what, site) {
  told <- counts$behind$told
  if (is.null(policy$ledger) || is.null(told)) return(invisible())
  seen <- ledger_sight(told, read_ledger(policy$ledger))
  entry <- list(number = seen$number, time = format(Sys.time(), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"), what = what,
    site = site, rows = told$rows, exchange = seen$same + 1)
  # The very rows under the same formula need no second fingerprint.
  again <- !is.null(seen$as) && identical(told$names, entry_names(policy$ledger, seen$as))
  entry <- c(entry, if (again) list(as = seen$as)
    else list(names = I(told$names), whole = print_text(told$whole), by = lapply(told$by, print_text)))
  line <- as.character(jsonlite::toJSON(entry, auto_unbox = TRUE, digits = NA))
  written <- tryCatch({
    own_file(policy$ledger)
    cat(line, "\n", file = policy$ledger, sep = "", append = TRUE)
    TRUE
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!written) input_error("The ledger {.file {policy$ledger}} can't be written, so nothing leaves.")
}

entry_names <- function(file, number) read_ledger(file)[[number]]$told$names

# Makes a file that only its owner may read, if it is not there.
own_file <- function(file) {
  if (file.exists(file)) return(invisible())
  mask <- Sys.umask("077")
  on.exit(Sys.umask(mask))
  file.create(file)
}

# 16 random bytes beside the ledger. They are not R's random numbers, which must not be guessed or moved on.
ledger_key <- function(ledger) {
  file <- paste0(ledger, ".key")
  if (!file.exists(file)) {
    made <- tryCatch({
      own_file(file)
      writeLines(paste(random_bytes(), collapse = ""), file)
      TRUE
    }, error = function(e) FALSE, warning = function(w) FALSE)
    if (!made) input_error("The key of the ledger, {.file {file}}, can't be written.")
  }
  text <- readLines(file, 1, warn = FALSE)
  if (!length(text) || !grepl("^[0-9a-f]{32}$", text)) input_error("The key of the ledger, {.file {file}}, is damaged.")
  as.raw(strtoi(substring(text, seq(1, 31, 2), seq(2, 32, 2)), 16))
}

random_bytes <- function() {
  device <- "/dev/urandom"
  if (file.exists(device)) {
    from <- file(device, "rb", raw = TRUE)
    on.exit(close(from))
    return(readBin(from, "raw", 16))
  }
  seed <- paste(Sys.time(), format(as.numeric(Sys.time()), digits = 20), Sys.getpid(), tempfile(), proc.time()[[3]])
  utils::head(digest::digest(seed, "sha256", serialize = FALSE, raw = TRUE), 16)
}
