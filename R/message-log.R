# The log of what was sent and received: lines of text, each of which holds the hash of the one before.

#' The log of an exchange
#'
#' Reads the log that is kept of signed messages, and checks it: every line holds the SHA-256 of the line before, so
#' that
#' a line that was changed, removed, put in or moved is seen and named. What is sent with a key
#' ([write_moe()]) and what is read with a registry ([read_moe()]) is written there by itself.
#'
#' The log is also what knows of earlier exchanges: which centre and which edition of the registry were seen, what was
#' sent last, what came last. A broken log is therefore refused by all that would read it.
#'
#' Lines cut off at the end, or a log that was written anew as a whole, can't be told from the log alone. `head` can:
#' note
#' the last line's hash, which the print shows, where others can't change it, and give it later.
#'
#' @param file Name of the log. By default it is beside the registry, with its name and the ending `.log`.
#' @param head NULL, or the hash of a last line noted before: the log must hold it.
#' @return A data frame of class `moe_log`, a line each, with `line`, `time` (UTC), `event` (`"registry"`: first use of
#'   this edition; `"sent"`; `"received"`; `"refused"`), `study`, `site` (whose message), `kind`, `exchange` (of a
#'   registry its edition), `answers` (checksum of the message that it answers; of a registry the centre's
#'   fingerprint), `checksum`, `file`, `words` (why refused), `before` and `hash`. Attribute `faults`: what is
#'   wrong, a text a fault; none if the log is whole.
#' @examplesIf requireNamespace("openssl", quietly = TRUE)
#' folder <- tempfile()
#' dir.create(folder)
#' at <- function(name) file.path(folder, name)
#' moe_keys(at("centre.key"))
#' moe_registry(at("registry.json"), study = "trial", key = at("centre.key"))
#' fit <- moe(dist ~ speed, cars, K = 1)
#' write_moe(fit, at("start.json"), min_rows = 10, key = at("centre.key"), registry = at("registry.json"))
#' moe_log(at("registry.log"))
#' @export
moe_log <- function(file, head = NULL) {
  check_text_argument(file, "file")
  if (!file.exists(file)) input_error("There is no log {.file {file}}.")
  found <- log_table(file)
  if (!is.null(head) && !head %in% found$hash) {
    attr(found, "faults") <- c(attr(found, "faults"),
      "the noted line is not in it: lines were cut off at the end, or the log was written anew")
  }
  found
}

check_text_argument <- function(x, name) {
  if (!is.character(x) || length(x) != 1 || is.na(x) || !nzchar(x)) {
    input_error("{.arg {name}} must be one text, not {show_value(x)}.")
  }
  x
}

#' @export
print.moe_log <- function(x, ...) {
  faults <- attr(x, "faults")
  count <- table(factor(x$event, unique(x$event)))
  cat("Log of ", nrow(x), if (nrow(x) == 1) " line" else " lines", if (nrow(x)) ": ",
    paste(count, names(count), collapse = ", "), "\n", sep = "")
  shown <- utils::tail(x[c("line", "time", "event", "site", "kind", "exchange", "file", "words")], 20)
  shown[c("site", "file", "words")] <- lapply(shown[c("site", "file", "words")], shown_names)
  if (all(shown$words == "")) shown$words <- NULL
  print.data.frame(shown, row.names = FALSE)
  cat(if (length(faults)) paste0("BROKEN: ", faults, "\n") else "Whole: no line was changed, removed or moved.\n",
    sep = "")
  if (nrow(x)) cat("Hash of the last line, to be noted: ", x$hash[nrow(x)], "\n", sep = "")
  invisible(x)
}

log_beside <- function(registry) paste0(sub("[.]json$", "", registry, ignore.case = TRUE), ".log")

log_fields <- c("line", "time", "event", "study", "site", "kind", "exchange", "answers", "checksum", "file", "words",
  "before")

first_before <- strrep("0", 64)

empty_log <- function() {
  out <- as.data.frame(c(list(line = integer()), lapply(stats::setNames(nm = log_fields[-1]), function(name) {
    if (name == "exchange") numeric() else character()
  }), list(hash = character())))
  structure(out, class = c("moe_log", "data.frame"), faults = character())
}

# All lines that can be read, with what is wrong as attribute `faults`.
log_table <- function(file) {
  if (!file.exists(file)) return(empty_log())
  text <- tryCatch(message_bytes(readBin(file, "raw", file.size(file)), 1e7), moe_bad_field = function(e) {
    input_error("The log {.file {file}} can't be read: it {conditionMessage(e)}.")
  })
  lines <- strsplit(text, "\n", fixed = TRUE)[[1]]
  rows <- lapply(lines, log_row)
  bad <- vapply(rows, is.null, NA)
  faults <- if (any(bad)) paste0("line ", which(bad), " was changed: it is not what its hash says")
  if (!endsWith(text, "\n")) faults <- c(faults, paste0("line ", length(lines), " has no end"))
  before <- first_before
  number <- 0
  for (i in which(!bad)) {
    row <- rows[[i]]
    number <- number + 1
    if (i > 1 && bad[i - 1]) {
      before <- row$before
      number <- row$line
    }
    if (row$before != before) {
      faults <- c(faults, paste0("line ", i, " (numbered ", row$line, ") does not follow the line before: ",
        if (row$line > number) "lines before it were removed" else "lines were moved, put in or removed"))
    } else if (row$line != number) {
      faults <- c(faults, paste0("line ", i, " has the number ", row$line))
    }
    before <- row$hash
    number <- row$line
  }
  out <- do.call(rbind, c(list(empty_log()), lapply(rows[!bad], as.data.frame)))
  structure(out, class = c("moe_log", "data.frame"), faults = as.character(faults))
}

# A line whose hash is right and whose text is the only one that it can have; NULL: of any other.
log_row <- function(text) {
  tree <- tryCatch(jsonlite::parse_json(text), error = function(e) NULL, warning = function(w) NULL)
  if (!is.list(tree) || !identical(names(tree), c(log_fields, "hash"))) return(NULL)
  numbers <- names(tree) %in% c("line", "exchange")
  ok <- all(vapply(tree[numbers], is.numeric, NA)) && all(vapply(tree[!numbers], is.character, NA)) &&
    all(lengths(tree) == 1)
  if (!ok || !identical(log_text(tree[log_fields]), text)) return(NULL)
  tree
}

log_text <- function(row) {
  row$hash <- log_hash(row)
  json_text(row)
}

log_hash <- function(row) checksum_of(names(row), json_parts(row))

whole_log <- function(file) {
  found <- log_table(file)
  faults <- attr(found, "faults")
  if (length(faults)) {
    input_error("The log {.file {file}} is broken; nothing is read or sent by it.",
      stats::setNames(escape_braces(utils::head(faults, 5)), rep("x", min(5, length(faults)))),
      i = "Find out who changed it. {.fn moe_log} shows it; {.arg log} names another one, to begin anew.")
  }
  found
}

# ---- writing ---------------------------------------------------------------------------------

# `events`: lists of fields, of which those that are not there are empty.
add_to_log <- function(file, events) {
  if (is.null(file) || !length(events)) return(invisible())
  with_log_lock(file, {
    there <- whole_log(file)
    before <- if (nrow(there)) there$hash[nrow(there)] else first_before
    lines <- character()
    for (event in events) {
      row <- list(line = nrow(there) + length(lines) + 1L, time = format(Sys.time(), "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"))
      for (name in setdiff(log_fields, c("line", "time", "before"))) {
        v <- event[[name]]
        row[[name]] <- if (name == "exchange") if (is.null(v)) 0 else as.numeric(v)
          else if (is.null(v)) "" else shown_text(v, 300L)
      }
      row$before <- before
      lines <- c(lines, log_text(row))
      before <- log_hash(row)
    }
    append_lines(file, lines)
  })
}

append_lines <- function(file, lines) {
  if (is_link(file)) input_error("The log {.file {file}} is a symbolic link.", i = "Name the file itself.")
  bytes <- charToRaw(enc2utf8(paste0(lines, "\n", collapse = "")))
  size <- if (file.exists(file)) file.size(file) else 0
  written <- tryCatch({
    out <- file(file, "ab")
    tryCatch(writeBin(bytes, out), finally = close(out))
    file.size(file) == size + length(bytes)
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!written) {
    input_error("The log {.file {file}} can't be written.",
      i = "{.arg log} names another file; {.code log = FALSE} keeps none, and then replays are not seen.")
  }
}

# One writer at a time. A folder is made by one alone.
with_log_lock <- function(file, code) {
  lock <- paste0(file, ".lock")
  if (!dir.exists(dirname(file))) input_error("There is no folder {.file {dirname(file)}} for the log.")
  until <- Sys.time() + 10
  while (!dir.create(lock, showWarnings = FALSE)) {
    if (Sys.time() > until) {
      input_error("The log {.file {file}} is in use by another process, or can't be written.",
        i = "If no other is at work, remove the folder {.file {lock}}.")
    }
    Sys.sleep(0.05)
  }
  on.exit(unlink(lock, recursive = TRUE))
  code
}
