# The commands of signed exchange: keys, registry, checks, log.

cli_keys <- function(o) print(moe_keys(o$key))

keys_options <- function() list(cli_option("key", "FILE", "secret file, for nobody else; made if it is not there"))

cli_register <- function(o) {
  does <- c("study", "site", "remove")[!vapply(o[c("study", "site", "remove")], is.null, NA)]
  if (length(does) != 1) usage_error("Give --study (to begin), --site (to add one) or --remove (to take one out)")
  if (does == "study") {
    moe_registry(o$registry, o$study, o$key, o$name)
  } else if (does == "remove") {
    moe_unregister(o$registry, o$remove, o$key)
  } else {
    if (is.null(o$public) || is.null(o$rows)) usage_error("--site needs --public and --rows")
    moe_register(o$registry, o$site, o$public, o$rows, o$key)
  }
  print(moe_registry(o$registry))
  cat("Give the new edition to all members: ", o$registry, "\n", sep = "")
}

register_options <- function() {
  list(
    cli_option("registry", "FILE", "registry to begin or to change"),
    cli_option("key", "FILE", "the centre's secret file (distmoe keys)"),
    cli_option("study", "NAME", "begin the registry of this study"),
    cli_option("name", "NAME", "with --study: name of the centre [%default]", "centre"),
    cli_option("site", "NAME", "add this site"),
    cli_option("public", "TEXT", "with --site: its public part, as distmoe keys shows it"),
    cli_option("rows", "N", "with --site: its registered rows"),
    cli_option("remove", "NAME", "take this site out"))
}

cli_check <- function(o) {
  registry <- moe_registry(o$registry, centre = o$centre)
  print(registry)
  if (is.null(o$centre)) cat("Compare the centre's fingerprint by telephone; --centre does it from then on.\n")
  bad <- 0
  for (file in o$files) {
    cat("\n", shown_names(file), "\n", sep = "")
    found <- tryCatch(check_file(file, registry, o), moe_input_error = identity)
    if (inherits(found, "error")) {
      say_error(in_cli_words(conditionMessage(found), character()))
      bad <- bad + 1
    } else if (inherits(found, "moe_sites")) {
      print_sites_table(found)
      if (say_refused(found)) bad <- bad + 1
    } else {
      print_origin(found)
    }
  }
  if (bad) input_error("{bad} of {length(o$files)} {?is/are} not in order.")
}

# A file may be the centre's or a site's; its name says whose, and the signature whether that is true.
check_file <- function(file, registry, o) {
  if (dir.exists(file)) return(read_moe(file, registry = registry, answers = o$answers, log = o$log))
  role <- if (file.exists(file)) tryCatch({
    site <- message_tree(file, 5e7)$site
    registry$members$role[match(site, registry$members$site)]
  }, moe_bad_field = function(e) NULL)
  from <- if (identical(role, "site")) "site" else "centre"
  read_moe(file, registry = registry, from = from, answers = if (from == "site") o$answers, log = o$log)
}

check_options <- function() {
  c(list(cli_option("centre", "TEXT", "fingerprint (or public key) that the registry's centre must have")),
    trust_options(FALSE, TRUE))
}

cli_log <- function(o) {
  if (is.null(o$log) == is.null(o$registry)) usage_error("Give --registry, whose log it is, or --log")
  log <- moe_log(if (is.null(o$log)) log_beside(o$registry) else o$log, o$head)
  print(log)
  if (length(attr(log, "faults"))) input_error("The log is not whole.")
}

log_options <- function() {
  list(cli_option("registry", "FILE", "registry beside which the log is"), cli_option("log", "FILE", "the log itself"),
    cli_option("head", "HASH", "last line's hash as noted before: must be in it"))
}

# Where sites are missing from a masked exchange: at the centre who, at a site the seeds that it shares with them.
cli_unmask <- function(o) {
  if (is.null(o$messages) == is.null(o$request)) usage_error("At the centre give --messages, at a site --request")
  missing <- if (is.null(o$request)) {
    moe_recovery(o$messages, o$out, o$key, o$registry, o$answers, o$log, o$overwrite)
  } else moe_reveal(o$request, o$out, o$key, o$registry, o$log, o$overwrite)
  cat("Missing: ", paste(shown_names(missing), collapse = ", "), "\n", sep = "")
  if (!is.null(o$request)) cat("If one of them has answered, do not send this: tell the site.\n")
  say_written(o$out, format_big(file.size(o$out)), "bytes")
}

unmask_options <- function() {
  c(list(
    cli_option("messages", "FOLDER", "at the centre: the masked answers that came"),
    cli_option("request", "FILE", "at a site: what the centre wrote"),
    cli_option("out", "FILE", "file to write; the sites' go to the folder of the answers"), overwrite_option()),
    trust_options(answers = TRUE))
}
