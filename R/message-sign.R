# Who sent a message, and to what it answers: what a sender adds to a tree, and what a reader with a registry asks for.

#' Signed messages
#'
#' With a registry ([moe_registry()]) messages are signed by who writes them ([write_moe()], `key`), and read only if
#' they are what a registered key signed, in this study, as an answer to what was asked ([read_moe()],
#' [moe_update()], `registry`). Without one nothing of this is done, and prints say "not authenticated".
#'
#' @section What a signed message has:
#' `study`; `exchange`, a number that the centre counts up with what it sends; `answers`, the checksum of
#' the message that it answers (empty of what the centre sends, and of models that had no start); `signature`, Ed25519
#' over `distmoe signature 1`, a line feed and the canonical text of all other fields but the checksum. The bytes of the
#' file must be those that its content has: one message has one text.
#'
#' @section What is refused:
#' At the centre, of every file with site and reason: what is not signed; names that are not registered, or look
#' like one that is; what was changed, was signed by another key or stands under another site's name; what is of
#' another study, an earlier exchange, or answers another message than the centre's last; two messages of one site. A
#' refused file takes no place: the site's own message beside it is read.
#'
#' At a site: starts and models that the registry's centre has not signed, of an earlier exchange than
#' the last that came, or different from what came under the same number.
#'
#' @section What the centre asked:
#' What messages must answer is `answers` (a file or a model read from one); without it what the log has as sent last.
#' Where there is neither, they must agree among themselves: the newest exchange counts.
#'
#' @section What remains:
#' A member may sign what is not true; who holds its secret file is that member. A site that answers one message
#' twice has
#' signed both: the centre takes the one that it finds. Messages are signed, not encrypted. The first registry is
#' to be trusted by the centre's fingerprint.
#' @name moe_signed
NULL

# ---- what both sides know ----------------------------------------------------------------------

# list(registry, log, lines): what was read before. NULL: no registry. `log`: NULL is beside the registry, FALSE none.
open_trust <- function(registry, log = NULL) {
  if (is.null(registry)) {
    if (is.character(log)) input_error("{.arg log} goes with {.arg registry}: only signed messages are logged.")
    return(NULL)
  }
  need_openssl()
  if (is.character(registry)) registry <- read_registry(check_text_argument(registry, "registry"))
  if (!inherits(registry, "moe_registry")) {
    input_error("{.arg registry} must be a registry ({.fn moe_registry}) or its file, not {show_value(registry)}.")
  }
  file <- if (is.null(log)) log_beside(registry$file)
    else if (!isFALSE(log)) check_text_argument(log, "log")
  lines <- if (is.null(file)) empty_log() else whole_log(file)
  known <- check_known_registry(registry, lines)
  if (!known) {
    add_to_log(file, list(list(event = "registry", study = registry$study, site = registry$centre, kind = "registry",
      exchange = registry$edition, answers = key_fingerprint(centre_key(registry)), checksum = registry$checksum,
      file = basename(registry$file))))
  }
  list(registry = registry, log = file, lines = lines)
}

# Is this edition in the log? Refuses what does not go on from there.
check_known_registry <- function(registry, lines) {
  seen <- lines[lines$event == "registry", ]
  if (!nrow(seen)) return(FALSE)
  last <- seen[nrow(seen), ]
  refuse <- function(...) {
    reason <- paste0(...)
    input_error("The registry {.file {shown_names(basename(registry$file))}} is refused: {reason}.",
      i = "Line {last$line} of the log knows another one. Ask the centre, by telephone; {.arg log} names another log, to
        begin anew.", class = "moe_message_error",
      fields = list(file = registry$file, field = "signature", reason = reason))
  }
  if (last$answers != key_fingerprint(centre_key(registry))) refuse("its centre has another key than before")
  if (last$study != registry$study) refuse("it is of another study than before")
  if (last$exchange > registry$edition) {
    refuse("it is of edition ", registry$edition, ", and edition ", last$exchange, " was seen")
  }
  if (last$exchange < registry$edition) return(FALSE)
  if (last$checksum != registry$checksum) refuse("it differs from what was seen as edition ", registry$edition)
  TRUE
}

# ---- sending -----------------------------------------------------------------------------------

# Who signs `fit`, and what stands beside the signature. NULL without a key. `answers`: what is answered, a file or what
# was read.
open_sender <- function(fit, key, registry, log, exchange, answers) {
  if (is.null(key)) {
    if (!is.null(registry) || !is.null(exchange) || !is.null(answers) || is.character(log)) {
      input_error("{.arg registry}, {.arg exchange}, {.arg answers} and {.arg log} go with {.arg key}, the secret file
        that signs.")
    }
    return(NULL)
  }
  if (is.null(registry)) input_error("{.arg key} needs {.arg registry}, which says of which study and member it is.")
  trust <- open_trust(registry, log)
  secret <- read_secret(key)
  at <- own_member(secret, trust$registry, key)
  sender <- list(trust = trust, secret = secret, site = at$site, role = at$role)
  asked <- if (is.null(answers)) attr(fit, "asked") else answered_origin(answers, trust)
  if (is.null(asked) && inherits(fit, "moe_statistics")) refuse_unasked()
  c(sender, sent_place(sender, exchange, asked))
}

# The member whose key it is.
own_member <- function(secret, registry, key) {
  members <- registry$members
  at <- match(secret$public, members$key)
  if (is.na(at)) {
    input_error("The key {.file {key}} is no member's of the registry.",
      i = "Send the public part that {.fn moe_keys} shows to the centre, and take its next edition.")
  }
  as.list(members[at, ])
}

# list(exchange, answers) of what is to be sent.
sent_place <- function(sender, exchange, origin) {
  if (!is.null(exchange)) exchange <- check_count(exchange, "exchange")
  study <- sender$trust$registry$study
  if (sender$role == "site") {
    if (is.null(origin)) origin <- received_last(sender$trust)
    if (is.null(origin)) return(list(exchange = if (is.null(exchange)) 1L else exchange, answers = ""))
    ok <- isTRUE(origin$authenticated) && identical(origin$study, study) && identical(origin$role, "centre")
    if (!ok) refuse_unasked()
    return(list(exchange = origin$exchange, answers = origin$checksum))
  }
  last <- sent_last(sender$trust)$exchange
  if (is.null(exchange)) {
    if (is.null(sender$trust$log)) input_error("Without a log {.arg exchange}, the number of this exchange, is needed.")
    exchange <- if (is.null(last)) 1L else as.integer(last) + 1L
  }
  if (!is.null(last) && exchange < last) {
    input_error("{.arg exchange} is {exchange}, and exchange {last} was sent: sites would refuse it.")
  }
  list(exchange = exchange, answers = "")
}

# At a site, where the centre's last model came from; NULL: none is known.
received_last <- function(trust) {
  lines <- trust$lines
  came <- lines[lines$event == "received" & lines$site == shown_text(trust$registry$centre, 300L) &
    lines$study == trust$registry$study & lines$kind == "model", ]
  if (!nrow(came)) return(NULL)
  last <- came[nrow(came), ]
  list(authenticated = TRUE, study = last$study, role = "centre", exchange = as.integer(last$exchange),
    checksum = last$checksum)
}

refuse_unasked <- function() {
  input_error("What this answers was not read as the centre's message of this study.",
    i = "Read the model with {.code read_moe(file, registry = )}, which checks whose it is, and answer that.")
}

# list(exchange, checksums) of the centre's last messages; NULL: none is known.
sent_last <- function(trust, exchange = NULL) {
  lines <- trust$lines
  sent <- lines[lines$event == "sent" & lines$site == shown_text(trust$registry$centre, 300L) &
    lines$study == trust$registry$study & lines$kind != "registry", ]
  if (!is.null(exchange)) sent <- sent[sent$exchange == exchange, ]
  if (!nrow(sent)) return(NULL)
  list(exchange = max(sent$exchange), checksums = sent$checksum[sent$exchange == max(sent$exchange)])
}

# The message as its sender signs it.
signed_message <- function(message, sender) {
  if (is.null(sender)) return(message)
  tree <- message$tree
  if (!is.null(tree$signature)) input_error("This message is signed already.", i = "Sign what it was made of.")
  tree$schema <- signed_schema
  tree$study <- sender$trust$registry$study
  tree$exchange <- sender$exchange
  tree$answers <- sender$answers
  tree$signature <- sign_text(signed_text(tree), sender$secret)
  message$tree <- tree
  message$text <- message_file_text(tree)
  message
}

log_sent <- function(sender, messages, files) {
  if (is.null(sender)) return(invisible())
  add_to_log(sender$trust$log, Map(function(message, file) {
    c(list(event = "sent", checksum = message_checksum(message$tree), file = basename(file)),
      message$tree[c("study", "site", "kind", "exchange", "answers")])
  }, messages, files))
}

# ---- reading -----------------------------------------------------------------------------------

# What a reader asks of messages. `from`: "centre" or "site"; `asked`: list(exchange, checksums) or NULL.
message_origin <- function(tree, text, trust, from, asked) {
  there <- intersect(names(signature_fields), names(tree))
  if (is.null(trust)) {
    if (length(there) && length(there) < length(signature_fields)) {
      bad_field(setdiff(names(signature_fields), there)[1], "is missing beside `", there[1], "`")
    }
    return(list(authenticated = FALSE))
  }
  if (!"signature" %in% there) bad_field("signature", "is missing: what members of the registry send is signed")
  if (length(there) < length(signature_fields)) bad_field(setdiff(names(signature_fields), there)[1], "is missing")
  site <- take_site(tree$site)
  study <- take_text(tree$study, "study")
  exchange <- take_count(tree$exchange, "exchange", 1)
  answers <- take_text(tree$answers, "answers", 64L)
  signature <- take_text(tree$signature, "signature", 128L)
  check_canonical(tree, text)
  role <- check_member(site, trust$registry, from)
  check_signature(tree, site, signature, trust$registry)
  if (study != trust$registry$study) {
    bad_field("study", "is \"", shown_text(study), "\", another study than the registry's")
  }
  if (from == "site") check_asked(exchange, answers, asked) else check_fresh(tree$kind, exchange, tree$checksum, trust)
  list(authenticated = TRUE, kind = tree$kind, checksum = tree$checksum, site = site, role = role, study = study,
    exchange = exchange, answers = answers, edition = trust$registry$edition)
}

check_member <- function(site, registry, from) {
  members <- registry$members
  at <- match(site, members$site)
  if (is.na(at)) {
    alike <- match(name_keys(site), name_keys(members$site))
    bad_field("site", "is \"", shown_names(site), "\", ", if (is.na(alike)) "which is not registered"
      else paste0("which looks like the registered \"", shown_names(members$site[alike]), "\" and is another name"))
  }
  if (members$role[at] != from) {
    bad_field("site", "is \"", shown_names(site), "\", whose role is ", members$role[at],
      if (from == "centre") ": what sites start from is the centre's alone" else ": a site's message is needed")
  }
  members$role[at]
}

check_signature <- function(tree, site, signature, registry) {
  members <- registry$members
  text <- signed_text(tree)
  if (is_signed(text, signature, members$key[match(site, members$site)])) return(invisible())
  # Of a large registry not all are tried: each costs a millisecond.
  others <- utils::head(members$site[members$site != site], 100)
  by <- Filter(function(other) is_signed(text, signature, members$key[match(other, members$site)]), others)
  bad_field("signature", if (length(by)) paste0("is by \"", shown_names(by[1]), "\", another member")
    else paste0("is not by the registered key of \"", shown_names(site),
      "\": the message was changed, or signed with another key"))
}

check_asked <- function(exchange, answers, asked) {
  if (is.null(asked)) return(invisible())
  if (exchange != asked$exchange) {
    bad_field("exchange", "is ", exchange, ", ", if (exchange < asked$exchange) "an earlier one" else "a later one",
      " than ", asked$exchange, ", which was asked for")
  }
  if (!answers %in% asked$checksums) {
    bad_field("answers", if (answers == "") "is empty, and a message was sent to be answered"
      else "is another message than the one that was sent in this exchange")
  }
}

# At a site: the log knows the centre's messages that came before. The centre reads its own again.
check_fresh <- function(kind, exchange, checksum, trust) {
  lines <- trust$lines
  if (checksum %in% lines$checksum[lines$event == "sent"]) return(invisible())
  came <- lines[lines$event == "received" & lines$study == trust$registry$study &
    lines$site == shown_text(trust$registry$centre, 300L), ]
  if (!nrow(came)) return(invisible())
  last <- max(came$exchange)
  if (exchange < last) {
    bad_field("exchange", "is ", exchange, ", and the centre's message of exchange ", last, " has come")
  }
  now <- came[came$exchange == last & came$kind == kind, ]
  if (exchange == last && nrow(now) && !checksum %in% now$checksum) {
    bad_field("exchange", "is ", exchange, ", under which another message of the centre has come")
  }
}

# What messages must answer. `answers`: file names or what was read of them.
asked_of <- function(trust, answers = NULL, max_bytes = 5e7) {
  if (is.null(trust)) {
    if (!is.null(answers)) input_error("{.arg answers} goes with {.arg registry}.")
    return(NULL)
  }
  if (is.null(answers)) return(sent_last(trust))
  origins <- lapply(if (is.character(answers)) answers else list(answers), answered_origin, trust, max_bytes)
  exchange <- unique(vapply(origins, function(o) o$exchange, 0L))
  if (length(exchange) > 1) input_error("{.arg answers} are of several exchanges: {exchange}.")
  checksums <- vapply(origins, function(o) o$checksum, "")
  list(exchange = exchange, checksums = c(checksums, sent_last(trust, exchange)$checksums))
}

# Where a message came from, of its file or of what was read of it.
answered_origin <- function(answers, trust, max_bytes = 5e7) {
  origin <- if (is.character(answers)) {
    trust$lines <- empty_log()
    tryCatch(attr(message_tree(check_text_argument(answers, "answers"), max_bytes, function(tree, text) {
      message_origin(tree, text, trust, "centre", NULL)
    }), "origin"), moe_bad_field = function(e) {
      input_error("{.arg answers}, {.file {shown_names(basename(answers))}}, is refused.",
        x = "Field {.field {e$field}} {conditionMessage(e)}.", class = "moe_message_error",
        fields = list(file = answers, field = e$field, reason = conditionMessage(e)))
    })
  } else attr(answers, "origin")
  ok <- isTRUE(origin$authenticated) && origin$role == "centre" && origin$study == trust$registry$study
  if (!ok) {
    input_error("{.arg answers} must be the centre's signed message: its file, or what {.fn read_moe} gave of it with
      this {.arg registry}.")
  }
  origin
}

# Without knowledge of what was asked the newest exchange counts, and all must answer one message. Faults by file,
# "" where there is none.
newest_alone <- function(origins, asked) {
  out <- character(length(origins))
  ok <- !vapply(origins, is.null, NA)
  if (!is.null(asked) || sum(ok) < 2) return(out)
  exchange <- vapply(origins[ok], function(o) as.integer(o$exchange), 0L)
  old <- exchange < max(exchange)
  out[ok][old] <- paste0("field exchange is ", exchange[old], ", an earlier one than ", max(exchange),
    ", of which there are others")
  answers <- vapply(origins[ok], function(o) o$answers, "")
  if (length(unique(answers[!old])) > 1) {
    out[ok][!old] <- "field answers is not the same as of the others: `answers` says what was asked"
  }
  out
}

# What was read again is in the log already. `refused`: reasons, NULL where there is none.
log_read <- function(trust, origins, files, refused) {
  if (is.null(trust)) return(invisible())
  lines <- trust$lines
  known <- lines$checksum[lines$event %in% c("received", "sent")]
  before <- paste(lines$file, lines$words)[lines$event == "refused"]
  events <- Map(function(origin, file, reason) {
    file <- basename(file)
    if (is.null(reason)) {
      if (!origin$checksum %in% known) {
        c(list(event = "received", file = file), origin[c("study", "site", "kind", "exchange", "answers", "checksum")])
      }
    } else if (!paste(shown_text(file, 300L), shown_text(reason, 300L)) %in% before) {
      list(event = "refused", study = trust$registry$study, file = file, words = reason)
    }
  }, origins, files, refused)
  add_to_log(trust$log, Filter(Negate(is.null), unname(events)))
}
