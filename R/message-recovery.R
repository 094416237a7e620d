# What is asked and told where sites are missing from a masked exchange.

#' Where sites are missing from a masked exchange
#'
#' The masks of sites that did not answer are left in the total. `moe_recovery()` writes at the centre which sites are
#' missing; every site that has answered writes with `moe_reveal()` the seeds that it shared with these for this one
#' exchange; [moe_update()] takes their masks off, from the folder that holds answers and seeds, and goes on with the
#' sites
#' that are left. (Of rounds under way the model is judged anew on their rows.)
#'
#' @section What a site reveals:
#' Seeds of this exchange, from which nothing of another follows. They lay open what a missing site sent in it, if it
#' did: so a site whose answer the centre holds back could be seen through, if the others believe that it is
#' missing. Ask it: its own log shows whether it answered. A site therefore reveals for one set of missing sites
#' in an exchange, and only to a message that the centre signed and that its own log shows to have been answered; there
#' must be two sites left, and half of all.
#'
#' @param messages The folder (or the files) with the masked answers that came.
#' @param request The centre's message that `moe_recovery()` wrote: a file's name.
#' @param file File to write.
#' @param key,registry,log The own secret file, the study's registry and the log, as in [write_moe()].
#' @param answers At the centre, as in [moe_update()].
#' @param overwrite TRUE: an existing file is replaced.
#' @param max_bytes As in [read_moe()].
#' @return The names of the missing sites, invisibly.
#' @seealso [moe_statistics()] for masked rounds.
#' @export
moe_recovery <- function(messages, file, key, registry, answers = NULL, log = NULL, overwrite = FALSE,
                         max_bytes = 5e7) {
  check_text_argument(file, "file")
  reader <- open_reader(registry, "site", answers, log, TRUE, max_bytes)
  found <- withCallingHandlers(signed_answers(files_of_messages(messages), max_bytes, reader)$statistics,
    moe_refused_warning = function(w) invokeRestart("muffleWarning"))
  names(found) <- vapply(found, function(m) m$site, "")
  among <- agreed_among(found)
  missing <- setdiff(among, names(found))
  if (!length(missing)) input_error("No site is missing: {.fn moe_update} has all that it needs.")
  check_left(among, missing)
  origin <- attr(found[[1]], "origin")
  sender <- open_sender(NULL, key, registry, log, origin$exchange, NULL)
  if (sender$role != "centre") input_error("What is missing the centre asks for, and {.arg key} is a site's.")
  tree <- fields_tree(list(schema = signed_schema, kind = "recovery",
    package = as.character(utils::packageVersion("distmoe")), site = sender$site, request = origin$answers,
    among = among, missing = missing), "recovery")
  send_tree(tree, file, sender, overwrite)
  invisible(missing)
}

#' @rdname moe_recovery
#' @export
moe_reveal <- function(request, file, key, registry, log = NULL, overwrite = FALSE, max_bytes = 5e7) {
  check_text_argument(request, "request")
  check_text_argument(file, "file")
  if (isFALSE(log)) input_error("To reveal seeds the log is needed, which knows what was answered.")
  found <- read_moe(request, max_bytes, registry, "centre", log = log)
  if (!inherits(found, "moe_recovery")) input_error("{.arg request} is not what {.fn moe_recovery} wrote.")
  origin <- attr(found, "origin")
  sender <- open_sender(structure(list(), asked = origin), key, registry, log, NULL, NULL)
  check_revealable(found, sender)
  check_left(found$among, found$missing)
  origin$request <- found$request
  seeds <- seeds_with(sender$secret, sender$trust$registry, sender$site, found$missing,
    mask_context(origin, found$among))
  tree <- fields_tree(list(schema = signed_schema, kind = "seeds",
    package = as.character(utils::packageVersion("distmoe")), site = sender$site, request = found$request,
    shared = fields_tree(list(site = found$missing, seed = vapply(seeds, hex_text, "", USE.NAMES = FALSE)),
      "shared_seeds")), "seeds")
  send_tree(tree, file, sender, overwrite)
  invisible(found$missing)
}

send_tree <- function(tree, file, sender, overwrite) {
  message <- signed_message(list(tree = tree), sender)
  write_text(message$text, file, check_flag(overwrite, "overwrite"))
  log_sent(sender, list(message), file)
}

check_left <- function(among, missing) {
  left <- length(among) - length(missing)
  if (left >= 2 && left >= length(among) / 2) return(invisible())
  input_error("Of {length(among)} sites {left} {?is/are} left: the total would tell too much of {?it/them}.",
    i = "Two sites and half of all are the least. Have the centre send the model anew.")
}

check_revealable <- function(request, sender) {
  site <- sender$site
  unknown <- setdiff(request$among, registry_sites(sender$trust$registry))
  if (length(unknown)) input_error("The registry has no sites {.val {shown_names(unknown)}}.")
  if (site %in% request$missing || !site %in% request$among) {
    input_error("The centre says that {.val {shown_names(site)}} itself is missing: nothing is revealed.")
  }
  lines <- sender$trust$lines
  own <- lines[lines$event == "sent" & lines$site == shown_text(site, 300L), ]
  if (!any(own$kind == "statistics" & own$answers == request$request)) {
    input_error("The log has no answer of {.val {shown_names(site)}} to the message in question: nothing is revealed.")
  }
  if (any(own$kind == "seeds" & own$exchange == sender$exchange & own$answers != sender$answers)) {
    input_error("Seeds of this exchange were revealed before, for another request: nothing more is revealed.",
      i = "With two sets of missing sites the centre could see one of them through.")
  }
}
