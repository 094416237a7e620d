# Who can write into a folder, or is a member that lies about who it is, gets nothing read that is not its own.

# A study whose first exchange was answered, and how the centre reads a folder of it: site, status, message by file.
attacked <- function(frame = parent.frame()) {
  s <- signed_study(frame = frame)
  s$rows <- signed_rows(s$sites)
  s$pilot <- withr::with_seed(1, moe(y ~ x, crossing_lines(300, seed = 99)[c("x", "y")], K = 2))
  s$start <- send_start(s, s$pilot)
  for (m in s$sites) answer_start(s, m, s$start, s$rows[[m]])
  s$read <- function(...) read_moe(s$box, registry = s$registry("centre"), ...)$table
  s$file <- function(m) file.path(s$box, paste0(m, ".json"))
  s
}

# What is said of the file `name` of the folder; and no model is read of `site` but its own.
refusal <- function(s, name, read = s$read()) {
  line <- read[basename(read$file) %in% name, ]
  expect_identical(line$status, "refused")
  line$message
}

test_that("changed and re-keyed messages are refused", {
  s <- attacked()
  resigned(s$file("north"), function(t) { t$parameters$beta[[1]][[1]] <- 5; t })
  said <- refusal(s, "north.json")
  expect_match(said, "north.json: field signature is not by the registered key of \"north\"")
  # Who is missing then is listed too.
  t <- s$read()
  expect_identical(t$status[t$site == "north" & is.na(t$file)], "missing")
  expect_identical(sort(t$site[t$status == "fitted"]), c("south", "west"))
  # With a key that is nobody's, and with another member's.
  moe_keys(s$at("stranger.key"))
  resigned(s$file("north"), key = s$at("stranger.key"))
  expect_match(refusal(s, "north.json"), "changed, or signed with another key")
  resigned(s$file("north"), key = s$key("south"))
  expect_match(refusal(s, "north.json"), "signature is by \"south\", another member")
  # The registry gives the site a new key: what the old one signed is no longer read.
  resigned(s$file("north"), key = s$key("north"))
  moe_unregister(s$registry("centre"), "north", s$key("centre"))
  moe_register(s$registry("centre"), "north", moe_keys(s$at("new.key"))$public, 1000, s$key("centre"))
  expect_match(refusal(s, "north.json"), "registered key of \"north\"")
})

test_that("messages of an earlier exchange, another request and another study are refused", {
  s <- attacked()
  dir.create(s$at("old"))
  file.copy(s$file("north"), s$at("old", "north.json"))
  again <- send_start(s, s$pilot, "again.json")
  for (m in c("south", "west")) {
    unlink(s$file(m))
    answer_start(s, m, again, s$rows[[m]])
  }
  expect_match(refusal(s, "north.json"), "exchange is 1, an earlier one than 2")
  # Without a log, by what the others answer; and by the message that is named.
  expect_match(refusal(s, "north.json", s$read(log = FALSE)), "an earlier one than 2")
  expect_match(refusal(s, "north.json", s$read(log = FALSE, answers = again)), "an earlier one")
  # The same exchange, and another message of the centre's in it.
  twin <- send_start(s, withr::with_seed(2, moe(y ~ x, s$rows$south, K = 2)), "twin.json", exchange = 2)
  other <- s$at("other.log")
  start <- read_moe(twin, registry = s$registry("north"), log = other)
  unlink(s$file("north"))
  write_moe(s$pilot, s$file("north"), key = s$key("north"), registry = s$registry("north"), answers = start,
    log = other)
  t <- s$read(log = FALSE, answers = again)
  expect_match(refusal(s, "north.json", t), "answers is another message")
  # Who asked both may mean both.
  expect_identical(sum(s$read()$status == "fitted"), 3L)
  expect_true(all(grepl("answers is not the same", s$read(log = FALSE)$message[1:3])))
  # Another study with the same members and keys.
  second <- signed_study("a")
  file.copy(second$key("centre"), second$at("moved.key"))
  r <- second$at("second.json")
  moe_registry(r, "trial", key = s$key("centre"))
  for (m in s$sites) moe_register(r, m, s$public[[m]], 1000, s$key("centre"))
  t <- read_moe(s$box, registry = r, log = FALSE)$table
  expect_match(t$message[basename(t$file) %in% "south.json"], "study is \"trial#.*another study")
})

test_that("messages under another site's name, unknown and look-alike names are refused", {
  s <- attacked()
  # North's message as south's: its text says whose it is, and two of one site are none.
  file.copy(s$file("north"), s$file("south"), overwrite = TRUE)
  t <- s$read()
  expect_match(refusal(s, "north.json", t), "\"north\" in")
  expect_match(refusal(s, "south.json", t), "\"north\" in")
  expect_identical(t$status[is.na(t$file)], c("missing", "missing"))
  resigned(s$file("north"), function(x) { x$site <- "south"; x }, to = s$file("south"))
  expect_match(refusal(s, "south.json"), "signature is not by the registered key of \"south\"")
  resigned(s$file("north"), function(x) { x$site <- "south"; x }, s$key("north"), s$file("south"))
  expect_match(refusal(s, "south.json"), "signature is by \"north\", another member")
  # North itself is still read.
  expect_identical(s$read()$status[s$read()$site == "north"], "fitted")
  for (name in c("North", "nor\u200bth", "north ")) {
    resigned(s$file("north"), function(x) { x$site <- name; x }, s$key("north"), s$file("south"))
    expect_match(refusal(s, "south.json"), "looks like the registered \"north\"")
  }
  resigned(s$file("north"), function(x) { x$site <- "east"; x }, s$key("north"), s$file("south"))
  expect_match(refusal(s, "south.json"), "site is \"east\", which is not registered")
  # The centre is no site, however it signs.
  resigned(s$file("north"), function(x) { x$site <- "centre"; x }, s$key("centre"), s$file("south"))
  expect_match(refusal(s, "south.json"), "role is centre")
})

test_that("unsigned messages among signed ones are refused, also those whose signature was taken off", {
  s <- attacked()
  write_moe(s$pilot, s$file("east"), site = "east")
  expect_match(refusal(s, "east.json"), "signature is missing")
  resigned(s$file("north"), function(t) { t[names(signature_fields)] <- NULL; t$schema <- "distmoe/1.1"; t })
  expect_match(refusal(s, "north.json"), "signature is missing")
  # A forged file in a site's name takes nothing away from the site.
  s <- attacked()
  write_moe(s$pilot, file.path(s$box, "a.json"), site = "north")
  t <- s$read()
  expect_identical(t$status[basename(t$file) %in% c("a.json", "north.json")], c("refused", "fitted"))
  expect_identical(sum(t$status == "fitted"), 3L)
  # Each of the fields of a signature alone.
  for (name in c("study", "exchange", "answers")) {
    resigned(s$file("south"), function(x) { x[[name]] <- NULL; x }, s$key("south"), s$file("west"))
    expect_match(refusal(s, "west.json"), paste0(name, " is missing"))
  }
})

test_that("a start that is not the centre's is refused at the site", {
  s <- attacked()
  fault <- function(file, m = "north", ...) {
    tryCatch({
      read_moe(file, registry = s$registry(m), ...)
      "none"
    }, moe_message_error = function(e) paste(e$field, e$reason))
  }
  forged <- s$at("forged.json")
  change <- function(t) { t$parameters$dispersion[[1]] <- 1e-9; t }
  expect_identical(fault(s$start), "none")
  expect_match(fault(resigned(s$start, change, to = forged)), "signature is not by the registered key of \"centre\"")
  # A member's own start, in its own name and in the centre's.
  expect_match(fault(s$file("south")), "role is site.*the centre's alone")
  expect_match(fault(resigned(s$start, change, s$key("south"), forged)), "signature is by \"south\"")
  write_moe(s$pilot, forged, site = "centre", overwrite = TRUE)
  expect_match(fault(forged), "signature is missing")
  # An earlier one than has come, and another one under the same number.
  second <- send_start(s, s$pilot, "second.json")
  expect_identical(fault(second), "none")
  expect_match(fault(s$start), "exchange is 1, and the centre's message of exchange 2 has come")
  expect_identical(fault(s$start, log = FALSE), "none")
  twin <- send_start(s, withr::with_seed(2, moe(y ~ x, s$rows$south, K = 2)), "twin.json", exchange = 2)
  expect_match(fault(twin), "another message of the centre has come")
  expect_identical(fault(second), "none")
})

test_that("rounds take the answers of registered sites alone, and say whom they lack", {
  s <- signed_study()
  rows <- signed_rows(s$sites)
  pilot <- withr::with_seed(1, moe(y ~ x, crossing_lines(300, seed = 99)[c("x", "y")], K = 2))
  first <- send_start(s, pilot, "model-0.json")
  for (m in s$sites) answer_round(s, m, first, rows[[m]])
  at_centre <- function(file) read_moe(file, registry = s$registry("centre"))
  update <- function(file) moe_update(at_centre(file), s$box, registry = s$registry("centre"))
  model <- update(first)
  second <- send_start(s, model, "model-1.json")
  old <- s$at("old.json")
  file.copy(file.path(s$box, "north.json"), old)
  for (m in s$sites) answer_round(s, m, second, rows[[m]])
  good <- update(second)
  # An invented site, a forged answer and one of the exchange before beside the true ones: they take no place.
  file.copy(old, file.path(s$box, "zz-old.json"))
  write_moe(moe_statistics(read_moe(second), rows$north, site = "south"), file.path(s$box, "aa.json"))
  expect_warning(again <- update(second), "aa.json.*signature is missing.*zz-old.json.*exchange is 1",
    class = "moe_refused_warning")
  expect_identical(coef(again), coef(good))
  # In the place of the true one they stop the round, with site and reason.
  file.copy(old, file.path(s$box, "north.json"), overwrite = TRUE)
  expect_error(suppressWarnings(update(second)), "Missing.*north")
  expect_warning(try(update(second), silent = TRUE), "No message was read of north", class = "moe_refused_warning")
  unlink(list.files(s$box, full.names = TRUE))
  write_moe(moe_statistics(read_moe(second), rows$north, site = "south"), file.path(s$box, "aa.json"))
  expect_error(update(second), "signature is missing", class = "moe_input_error")
})

test_that("the log shows what was changed, removed, moved, put in and cut off", {
  s <- attacked()
  file <- s$at("centre", "registry.log")
  s$read()
  lines <- readLines(file)
  head <- tail(moe_log(file)$hash, 1)
  expect_gt(length(lines), 4)
  faults <- function(new) {
    writeLines(new, file)
    attr(moe_log(file, head), "faults")
  }
  expect_length(faults(lines), 0)
  expect_match(faults(lines[-3]), "line 3 \\(numbered 4\\) does not follow.*removed")
  expect_match(faults(lines[-1])[1], "line 1 .*removed")
  expect_match(faults(lines[c(1, 3, 2, 4:length(lines))])[1], "line 2 \\(numbered 3\\)")
  expect_match(faults(lines[c(1, 2, 2, 3:length(lines))])[1], "line 3 \\(numbered 2\\).*moved, put in")
  expect_match(faults(sub("south", "nowhere", lines)), "line [0-9]+ was changed")
  expect_match(faults(sub(",", ", ", lines, fixed = TRUE))[1], "line 1 was changed")
  # The end alone the log itself can't tell.
  expect_match(faults(utils::head(lines, -1)), "noted line is not in it")
  expect_length(attr(moe_log(file), "faults"), 0)
  # All that reads it refuses a broken one.
  writeLines(lines[-3], file)
  expect_error(s$read(), "log .*is broken", class = "moe_input_error")
  expect_error(send_start(s, s$pilot, "more.json"), "broken", class = "moe_input_error")
  expect_false(file.exists(s$at("centre", "more.json")))
  writeLines("", file)
  expect_error(s$read(), "broken", class = "moe_input_error")
  file.create(file)
  expect_error(s$read(), "log", class = "moe_input_error")
  # Nor is a line written to another file through a link.
  skip_on_os("windows")
  unlink(file)
  writeLines("precious", s$at("precious"))
  file.symlink(s$at("precious"), file)
  expect_error(s$read(), class = "moe_input_error")
  expect_identical(readLines(s$at("precious")), "precious")
})

test_that("none of 1,000 mutants of signed messages is read", {
  s <- attacked()
  withr::local_seed(1)
  trust <- open_trust(s$registry("centre"), FALSE)
  read_as <- list(
    list(file = s$start, reader = list(trust = trust, from = "centre"), key = s$key("south")),
    list(file = s$file("north"), reader = list(trust = trust, from = "site", asked = asked_of(trust, s$start)),
      key = s$key("south")))
  file <- withr::local_tempfile(fileext = ".json")
  count <- 0
  accepted <- character()
  try_file <- function(what, reader) {
    count <<- count + 1
    found <- try_message(file, 5e7, reader)
    if (is.null(found$reason)) accepted <<- c(accepted, what)
    else if (grepl("can't be read", found$reason)) accepted <<- c(accepted, found$reason)
  }
  for (case in read_as) {
    text <- readChar(case$file, file.size(case$file))
    bytes <- charToRaw(text)
    file.copy(case$file, file, overwrite = TRUE)
    expect_null(try_message(file, 5e7, case$reader)$reason)
    # Bytes: changed, put in, taken out.
    for (i in 1:240) {
      at <- sample(length(bytes), 1)
      other <- as.raw(sample(c(32:126), 1))
      new <- switch(1 + i %% 3, replace(bytes, at, if (bytes[at] == other) as.raw(33) else other),
        append(bytes, other, at), bytes[-at])
      writeBin(new, file)
      try_file(paste("byte", at), case$reader)
    }
    # Fields, under a right checksum; every fourth one signed by another member.
    tree <- jsonlite::parse_json(text)
    places <- Filter(length, tree_places(tree))
    places <- Filter(function(at) names(tree)[at[[1]]] != "checksum", places)
    for (i in 1:180) {
      at <- places[[sample(length(places), 1)]]
      was <- tree_get(tree, at)
      value <- if (is.numeric(was)) was + 1 else if (is.character(was)) paste0(was, "a") else if (is.logical(was)) !was
        else if (i %% 2) was[-1] else c(was, was[1])
      if (identical(value, was)) value <- "x"
      new <- tree_set(tree, at, value)
      if (i %% 4 == 0) new$signature <- sign_text(signed_text(new), read_secret(case$key))
      writeChar(message_file_text(new), file, eos = NULL)
      try_file(paste(unlist(at), collapse = "."), case$reader)
    }
    # Signatures of other texts, and whole fields in another order or twice.
    for (i in 1:80) {
      new <- tree
      if (i %% 2) new$signature <- hex_text(as.raw(sample(0:255, 64, TRUE)))
      else new <- tree[sample(length(tree))]
      if (i %% 10 == 0) new <- c(tree, tree[sample(length(tree), 1)])
      if (identical(new, tree)) next
      writeChar(message_file_text(new), file, eos = NULL)
      try_file("signature or order", case$reader)
    }
  }
  expect_gte(count, 1000)
  expect_identical(accepted, character())
})
