# Keys, registry, signed messages: what is honest works as without, and every attack is refused by site and reason.

pilot_model <- function() {
  withr::with_seed(1, moe(y ~ x, crossing_lines(300, seed = 99)[c("x", "y")], K = 2))
}

test_that("the secret file is its owner's alone, and no key is lost by mistake", {
  skip_if_not_installed("openssl")
  file <- file.path(withr::local_tempdir(), "own.key")
  keys <- moe_keys(file)
  expect_true(keys$made)
  bytes <- readLines(file)
  again <- moe_keys(file)
  expect_false(again$made)
  expect_identical(again$public, keys$public)
  expect_identical(readLines(file), bytes)
  expect_match(keys$fingerprint, "^([0-9a-f]{4}-){7}[0-9a-f]{4}$")
  printed <- paste(utils::capture.output(print(keys)), collapse = "")
  for (secret in sub(".* ", "", bytes[2:3])) expect_false(grepl(secret, printed))
  if (.Platform$OS.type == "unix") {
    expect_identical(format(file.info(file)$mode), "600")
    link <- paste0(file, ".link")
    file.symlink(file, link)
    expect_error(moe_keys(link), "symbolic link", class = "moe_input_error")
    Sys.chmod(file, "640")
    expect_error(moe_keys(file), "others.*640|640.*others", class = "moe_input_error")
    Sys.chmod(file, "600")
  }
  writeLines(c(bytes, ""), file)
  expect_error(moe_keys(file), "changed", class = "moe_input_error")
  expect_error(moe_keys(file.path(file, "nowhere", "a.key")), "no folder")
  # A slip of the pen is told, and a key has one text.
  letters <- strsplit(keys$public, "")[[1]]
  for (i in c(10, 40, 92)) {
    other <- paste(replace(letters, i, if (letters[i] == "A") "B" else "A"), collapse = "")
    expect_null(public_parts(other))
  }
  expect_null(public_parts(paste0(keys$public, "=")))
})

test_that("signatures are those of RFC 8032, pairs of agreement those of RFC 7748", {
  skip_if_not_installed("openssl")
  secret <- "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
  key <- openssl::read_ed25519_key(hex_bytes(secret))
  expect_identical(hex_text(public_bytes(key)), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
  mine <- openssl::read_x25519_key(hex_bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
  expect_identical(hex_text(public_bytes(mine)), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
  s <- list(sign = key)
  public <- public_text(public_bytes(key), public_bytes(mine))
  signature <- sign_text("text", s)
  expect_true(is_signed("text", signature, public))
  expect_false(is_signed("texts", signature, public))
  # S + L is the other solution of the same equation: taken, a message would have two texts.
  order <- "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
  bytes <- hex_bytes(signature)
  carry <- 0L
  for (i in 1:32) {
    sum <- as.integer(bytes[32 + i]) + as.integer(hex_bytes(order)[i]) + carry
    bytes[32 + i] <- as.raw(sum %% 256L)
    carry <- sum %/% 256L
  }
  expect_false(is_signed("text", hex_text(bytes), public))
})

test_that("a registry is read as it was signed, and every fault is one clear error", {
  s <- signed_study()
  file <- s$registry("centre")
  r <- moe_registry(file)
  expect_identical(r$members$site, c("centre", s$sites))
  expect_identical(r$members$rows, c(NA, 1000, 1000, 1000))
  expect_identical(r$edition, 4L)
  expect_match(r$study, "^trial#[0-9a-f]{8}$")
  expect_output(print(r), "3 sites")
  expect_s3_class(moe_registry(file, centre = moe_keys(s$key("centre"))$fingerprint), "moe_registry")
  expect_error(moe_registry(file, centre = moe_keys(s$key("north"))$fingerprint), "another|not the one",
    class = "moe_message_error")
  new <- moe_keys(s$at("new.key"))$public
  add <- function(site, public = new, rows = 10, key = s$key("centre")) moe_register(file, site, public, rows, key)
  expect_error(add("North"), "look alike")
  expect_error(add("nor\u200bth"), "look alike")
  expect_error(add("east", s$public$north), "one key")
  expect_error(add("east", s$public$centre), "one key")
  # Another's key of agreement under an own one that signs.
  mixed <- public_text(public_parts(new)$sign, public_parts(s$public$north)$agree)
  expect_error(add("east", mixed), "one key")
  expect_error(add("east", "dm1-abc"), "public")
  expect_error(add("east", rows = 0.5), "rows")
  expect_error(add("east", key = s$key("north")), "not the key of the registry's centre")
  expect_error(add("", new))
  expect_identical(moe_registry(file)$edition, 4L)
  expect_identical(add("east")$members$site, c("centre", s$sites, "east"))
  expect_identical(registry_sites(moe_unregister(file, "east", s$key("centre"))), s$sites)
  expect_error(moe_unregister(file, "centre", s$key("centre")), "no site")
  expect_error(moe_registry(file, "trial", s$key("centre")), "already")
})

test_that("a changed or forged registry is refused", {
  s <- signed_study()
  file <- s$registry("centre")
  forged <- s$at("forged.json")
  fault <- function(change, key = NULL) {
    tryCatch({
      moe_registry(resigned(file, change, key, forged))
      "none"
    }, moe_message_error = function(e) paste(e$field, e$reason))
  }
  own <- s$key("centre")
  expect_identical(fault(identity), "none")
  expect_match(fault(function(t) { t$members$rows[[2]] <- 1e6; t }), "signature")
  expect_match(fault(function(t) { t$members$rows[[2]] <- 1e6; t }, s$key("north")), "signature.*forged")
  expect_match(fault(function(t) { t$members$key[[2]] <- moe_keys(s$at("x.key"))$public; t }), "signature")
  expect_match(fault(function(t) { t$signature <- NULL; t }), "signature is missing")
  # Also what the centre itself signs is checked.
  expect_match(fault(function(t) { t$members$site[[3]] <- "NORTH"; t }, own), "look alike")
  expect_match(fault(function(t) { t$members$role[[3]] <- "centre"; t }, own), "one member")
  expect_match(fault(function(t) { t$members$key[[3]] <- t$members$key[[2]]; t }, own), "one key")
  expect_match(fault(function(t) { t$members$rows[[3]] <- -1; t }, own), "members.rows")
  expect_match(fault(function(t) { t$members$rows[3] <- list(NULL); t }, own), "registered rows")
  expect_match(fault(function(t) { t$site <- "north"; t }, own), "site")
  expect_match(fault(function(t) { t$edition <- 0; t }, own), "edition")
  expect_match(fault(function(t) c(t, list(extra = 1)), own), "extra")
  # Not the exact text: what two parsers may read differently is not read at all.
  text <- readChar(file, file.size(file))
  writeChar(sub("\"study\": ", "\"study\":  ", text, fixed = TRUE), forged, eos = NULL)
  expect_error(moe_registry(forged), "exact text", class = "moe_message_error")
  writeChar(sub("trial", "tri\\u0061l", text, fixed = TRUE), forged, eos = NULL)
  expect_error(moe_registry(forged), "exact text", class = "moe_message_error")
  # A whole registry of a false centre is in order by itself; who knows the centre or has seen it refuses.
  other <- signed_study()
  expect_s3_class(moe_registry(other$registry("centre")), "moe_registry")
  expect_error(moe_registry(other$registry("centre"), centre = s$public$centre), "not the one",
    class = "moe_message_error")
  start <- send_start(s, pilot_model())
  read_moe(start, registry = s$registry("north"))
  file.copy(other$registry("centre"), s$registry("north"), overwrite = TRUE)
  expect_error(read_moe(start, registry = s$registry("north")), "another key", class = "moe_message_error")
  # An earlier edition too, in which a site stands that is out by now.
  old <- s$at("old.json")
  file.copy(file, old)
  moe_unregister(file, "west", own)
  share_registry(s)
  read_moe(start, registry = s$registry("south"))
  file.copy(old, s$registry("south"), overwrite = TRUE)
  expect_error(read_moe(start, registry = s$registry("south")), "edition 4.*edition 5", class = "moe_message_error")
})

test_that("signed messages give the aggregate and the rounds of unsigned ones", {
  s <- signed_study()
  rows <- signed_rows(s$sites)
  pilot <- pilot_model()
  start <- send_start(s, pilot)
  for (m in s$sites) answer_start(s, m, start, rows[[m]])
  found <- read_moe(s$box, registry = s$registry("centre"))
  expect_identical(found$table$status, rep("fitted", 3))
  expect_output(print(found), "signed by members of the registry, study trial#.*, exchange 1")
  plain <- withr::local_tempdir()
  write_moe(moe_sites(y ~ x, rows, start = pilot), plain, information = FALSE)
  bare <- read_moe(plain)
  expect_output(print(bare), "not authenticated")
  expect_identical(lapply(found$models, coef), lapply(bare$models, coef))
  expect_output(print(found$models$north), "signed by site \"north\"")
  expect_output(print(summary(read_moe(start))), "not authenticated")
  # Who has no registry reads them too.
  expect_identical(lapply(read_moe(s$box)$models, coef), lapply(bare$models, coef))
  model <- pilot
  plain <- pilot
  for (round in 0:2) {
    file <- send_start(s, model, paste0("model-", round, ".json"))
    for (m in s$sites) answer_round(s, m, file, rows[[m]])
    model <- moe_update(read_moe(file, registry = s$registry("centre")), s$box, registry = s$registry("centre"))
    plain <- moe_update(plain, lapply(s$sites, function(m) moe_statistics(plain, rows[[m]], site = m)))
  }
  expect_equal(coef(model), coef(plain), tolerance = 1e-13)
  expect_identical(model$rounds$number, 3L)
  log <- moe_log(s$at("centre", "registry.log"))
  expect_length(attr(log, "faults"), 0)
  expect_identical(sum(log$event == "received"), 12L)
  expect_equal(log$exchange[log$event == "sent"], 1:4)
  expect_output(print(log), "Whole")
})

test_that("a site's model answers the centre's last one, without a word", {
  s <- signed_study(c("north", "south"))
  rows <- signed_rows(s$sites)
  write <- function(m) {
    start <- if (file.exists(s$at("centre", "start.json"))) {
      read_moe(s$at("centre", "start.json"), registry = s$registry(m))
    }
    fit <- withr::with_seed(1, moe(y ~ x, rows[[m]], K = 2, start = start))
    write_moe(fit, file.path(s$box, paste0(m, ".json")), key = s$key(m), registry = s$registry(m), overwrite = TRUE)
  }
  status <- function() read_moe(s$box, registry = s$registry("centre"))$table$status
  # Where the centre has asked nothing, sites send what they have.
  for (m in s$sites) write(m)
  expect_identical(status(), c("fitted", "fitted"))
  start <- send_start(s, pilot_model(), exchange = 2)
  expect_identical(status(), c("refused", "refused", "missing", "missing"))
  for (m in s$sites) write(m)
  expect_identical(status(), c("fitted", "fitted"))
  # The centre's sizes come with the registry.
  expect_identical(read_moe(s$box, registry = s$registry("centre"))$registered, c(north = 1000, south = 1000))
  # A site's message, or one of another study, is no question.
  of <- function(answers) read_moe(s$box, registry = s$registry("centre"), answers = answers)
  expect_error(of(file.path(s$box, "north.json")), "role is site")
  other <- signed_study("a")
  asked <- read_moe(send_start(other, pilot_model()), registry = other$registry("a"))
  expect_error(of(asked), "this `registry`")
})

test_that("hierarchies go by signed files", {
  s <- signed_study()
  rows <- signed_rows(s$sites)
  sites <- moe_sites(y ~ x, rows, K = 1, information = TRUE)
  h <- suppressWarnings(moe_hierarchy(sites))
  file <- send_start(s, h, "population.json")
  for (m in s$sites) answer_round(s, m, file, rows[[m]])
  signed <- moe_update(h, s$box, registry = s$registry("centre"))
  plain <- moe_update(h, lapply(s$sites, function(m) moe_statistics(h, rows[[m]], site = m)))
  expect_equal(coef(signed), coef(plain), tolerance = 1e-12)
})

test_that("what is not signed is byte for byte what it was", {
  pilot <- pilot_model()
  tree <- jsonlite::parse_json(moe_message(pilot, "north")$text)
  expect_identical(tree$schema, "distmoe/1.1")
  expect_false(any(names(signature_fields) %in% names(tree)))
  file <- withr::local_tempfile(fileext = ".json")
  write_moe(pilot, file, site = "north")
  expect_identical(readChar(file, file.size(file)), moe_message(pilot, "north")$text)
  # Half a signature is none.
  tree$schema <- signed_schema
  tree$study <- "a"
  expect_error(read_moe(forge(tree, file)), "beside", class = "moe_message_error")
})

test_that("arguments that go together are asked for together", {
  s <- signed_study()
  pilot <- pilot_model()
  file <- s$at("a.json")
  expect_error(write_moe(pilot, file, key = s$key("centre")), "registry")
  expect_error(write_moe(pilot, file, registry = s$registry("centre")), "key")
  expect_error(write_moe(pilot, file, key = s$registry("centre"), registry = s$registry("centre")), "secret|others")
  expect_error(write_moe(pilot, file, site = "south", key = s$key("north"), registry = s$registry("north")),
    "signs for")
  moe_keys(s$at("stranger.key"))
  expect_error(write_moe(pilot, file, key = s$at("stranger.key"), registry = s$registry("north")), "no member")
  expect_error(write_moe(pilot, file, key = s$key("centre"), registry = s$registry("centre"), log = FALSE), "exchange")
  # A site that answers what it has not checked.
  start <- send_start(s, pilot)
  expect_error(write_moe(pilot, file, key = s$key("north"), registry = s$registry("north"), answers = read_moe(start)),
    "signed message")
  answer <- moe_statistics(read_moe(start), signed_rows("north")$north, site = "north")
  expect_error(write_moe(answer, file, key = s$key("north"), registry = s$registry("north")), "not read as the")
  expect_false(file.exists(file))
  expect_error(read_moe(start, from = "site"), "go with")
  expect_error(read_moe(start, log = "a.log"), "goes with")
  expect_error(moe_update(pilot, list(moe_statistics(pilot, signed_rows("north")$north)),
    registry = s$registry("centre")), "files")
})
