# The registry of a study: who takes part, by which keys, with how many rows. A message of the centre to all.

#' The registry of a study
#'
#' A text file that centre and sites share: the study, and of each member its name, role, public key
#' ([moe_keys()]) and registered rows, signed by the centre. With it [read_moe()] takes messages of registered keys
#' alone. `moe_registry()` begins one (with `study`), or reads and checks one; `moe_register()` adds a site and
#' `moe_unregister()` takes one out, both at the centre.
#'
#' Every field is checked as those of messages are: one centre, names that a person can tell apart, no key
#' twice, the signature of the centre's key over all of it. A registry that somebody else wrote as a whole is in
#' order by
#' itself: whose it is says the centre's fingerprint alone. Compare it by telephone with what the centre reads out, and
#' give it as `centre`; the log ([moe_log()]) remembers it from the first use on, and refuses a registry of
#' another centre, another study or an earlier edition.
#'
#' @param file Name of the registry's file.
#' @param study Name of the study, to begin a registry. A random number is put behind it (`trial#9f86d081`), so that
#'   studies of one name are not taken for each other.
#' @param key At the centre: the name of its secret file.
#' @param name Name of the centre as a member.
#' @param centre NULL, or the fingerprint or public key that the centre must have.
#' @param site Name of a site.
#' @param public Its public key: the text that [moe_keys()] shows.
#' @param rows Its registered number of rows.
#' @return A list of class `moe_registry`: `study`, `edition`, `centre` (the centre's name), `members` (data frame with
#'   `site`, `role`, `rows`, `key`), `checksum`, `file`. `moe_register()` and `moe_unregister()` write the next edition
#'   to the file and give it invisibly. Errors (class `moe_message_error`) name the file, the field and the reason.
#' @examplesIf requireNamespace("openssl", quietly = TRUE)
#' folder <- tempfile()
#' dir.create(folder)
#' at <- function(name) file.path(folder, name)
#' moe_keys(at("centre.key"))
#' moe_registry(at("registry.json"), study = "trial", key = at("centre.key"))
#' # A site sends its public part, and reads its fingerprint out.
#' north <- moe_keys(at("north.key"))
#' moe_register(at("registry.json"), "north", north$public, rows = 1200, key = at("centre.key"))
#' moe_registry(at("registry.json"))
#' @export
moe_registry <- function(file, study = NULL, key = NULL, name = "centre", centre = NULL) {
  check_text_argument(file, "file")
  need_openssl()
  if (is.null(study)) {
    if (!is.null(key)) input_error("{.arg key} goes with {.arg study}: to read a registry no secret is needed.")
    return(read_registry(file, centre))
  }
  check_text_argument(study, "study")
  if (nchar(study) > 100 || is_harmful(study) || grepl("#", study, fixed = TRUE)) {
    input_error("{.arg study} must be one name of at most 100 letters and without #.")
  }
  if (is.null(key)) input_error("{.arg key}, the centre's secret file, is missing: it signs the registry.")
  if (file.exists(file)) {
    input_error("The file {.file {file}} is there already.", i = "{.fn moe_register} adds sites to it.")
  }
  secret <- read_secret(key)
  number <- hex_text(openssl::rand_bytes(4))
  members <- data.frame(site = check_member_name(name), role = "centre", rows = NA_real_, key = secret$public)
  invisible(write_registry(file, paste0(study, "#", number), 1L, members, secret, FALSE))
}

#' @rdname moe_registry
#' @export
moe_register <- function(file, site, public, rows, key) {
  old <- own_registry(file, key)
  new <- data.frame(site = check_member_name(site), role = "site", rows = as.numeric(check_count(rows, "rows")),
    key = check_public(public))
  members <- rbind(old$registry$members, new)
  fault <- members_fault(members)
  if (!is.null(fault)) {
    input_error("Site {.val {shown_names(site)}} can't be registered: {fault}.",
      i = "{.fn moe_unregister} takes a site out, of which then no message is read.")
  }
  invisible(write_registry(file, old$registry$study, old$registry$edition + 1L, members, old$secret, TRUE))
}

#' @rdname moe_registry
#' @export
moe_unregister <- function(file, site, key) {
  old <- own_registry(file, key)
  members <- old$registry$members
  at <- which(members$site == check_member_name(site) & members$role == "site")
  if (!length(at)) {
    input_error("There is no site {.val {shown_names(site)}} in the registry.",
      i = "Its sites are: {shown_names(registry_sites(old$registry))}.")
  }
  invisible(write_registry(file, old$registry$study, old$registry$edition + 1L, members[-at, ], old$secret, TRUE))
}

registry_sites <- function(registry) registry$members$site[registry$members$role == "site"]

# Rows by site, as what the centre knows.
registered_rows <- function(registry) {
  members <- registry$members[registry$members$role == "site", ]
  stats::setNames(members$rows, members$site)
}

check_member_name <- function(name) {
  check_text_argument(name, "site")
  if (!nzchar(trimws(name)) || nchar(name, "bytes") > longest_name || is_harmful(name)) {
    input_error("A member's name must be readable and of at most {longest_name} bytes, not {.val {shown_names(name)}}.")
  }
  enc2utf8(name)
}

# The centre alone changes a registry: with the key by which it is signed.
own_registry <- function(file, key) {
  check_text_argument(file, "file")
  registry <- read_registry(file)
  secret <- read_secret(key)
  if (secret$public != centre_key(registry)) {
    input_error("{.arg key} is not the key of the registry's centre, {.val {shown_names(registry$centre)}}.")
  }
  list(registry = registry, secret = secret)
}

centre_key <- function(registry) registry$members$key[registry$members$role == "centre"]

# What is wrong with a table of members; NULL: nothing.
members_fault <- function(members) {
  same <- function(v) which(duplicated(v) | duplicated(v, fromLast = TRUE))
  words <- function(at) paste0("\"", shown_names(members$site[at]), "\"", collapse = " and ")
  if (sum(members$role == "centre") != 1) return("there must be one member with the role \"centre\"")
  alike <- same(name_keys(members$site))
  if (length(alike)) return(paste0("the names ", words(alike), " look alike: a person can't tell them apart"))
  unnamed <- which(!nzchar(name_keys(members$site)))
  if (length(unnamed)) return("a member has a name that can't be seen")
  parts <- lapply(members$key, public_parts)
  bad <- which(vapply(parts, is.null, NA))
  if (length(bad)) return(paste0(words(bad), " has no public key (dm1-...)"))
  for (part in c("sign", "agree")) {
    twice <- same(vapply(parts, function(p) hex_text(p[[part]]), ""))
    if (length(twice)) return(paste0(words(twice), " have one key: a key is one member's"))
  }
  lacks <- which(is.na(members$rows) != (members$role == "centre"))
  if (length(lacks)) return(paste0(words(lacks), ": sites have registered rows, and the centre has none"))
}

# ---- the file --------------------------------------------------------------------------------

# What a signature is of: all fields but itself and the checksum.
signed_text <- function(tree) {
  tree$signature <- tree$checksum <- NULL
  json_text(tree)
}

write_registry <- function(file, study, edition, members, secret, overwrite) {
  tree <- fields_tree(list(schema = signed_schema, kind = "registry",
    package = as.character(utils::packageVersion("distmoe")), site = members$site[members$role == "centre"],
    study = study, edition = edition, members = fields_tree(as.list(members), "members")), "registry")
  tree$signature <- sign_text(signed_text(tree), secret)
  write_text(message_file_text(tree), file, overwrite)
  read_registry(file)
}

read_registry <- function(file, centre = NULL) {
  if (!file.exists(file)) input_error("There is no registry {.file {file}}.")
  found <- tryCatch(take_registry(file), moe_bad_field = function(e) {
    reason <- conditionMessage(e)
    input_error("The registry {.file {shown_names(basename(file))}} is refused.",
      x = "Field {.field {e$field}} {reason}.", class = "moe_message_error",
      fields = list(file = file, field = e$field, reason = reason))
  })
  found$file <- file
  if (!is.null(centre)) check_centre(found, centre)
  found
}

take_registry <- function(file) {
  tree <- message_tree(file, 1e7, function(tree, text) check_canonical(tree, text))
  take_text(tree$kind, "kind", among = "registry")
  as_is <- function(x, at) x
  x <- take_fields(tree, "", "registry", own = list(schema = as_is, kind = as_is, checksum = as_is,
    members = function(x, at) as.data.frame(take_fields(x, at, "members"))))
  fault <- members_fault(x$members)
  if (!is.null(fault)) bad_field("members", "are not in order: ", fault)
  centre <- x$members$site[x$members$role == "centre"]
  if (!identical(x$site, centre)) bad_field("site", "must be the centre's name")
  if (!grepl("^[^#]{1,100}#[0-9a-f]{8}$", x$study)) bad_field("study", "must be a name, # and a number of 8 digits")
  out <- structure(list(study = x$study, edition = x$edition, centre = centre, members = x$members,
    checksum = tree$checksum), class = "moe_registry")
  if (is.null(x$signature)) bad_field("signature", "is missing")
  if (!is_signed(signed_text(tree), x$signature, centre_key(out))) {
    bad_field("signature", "is not that of the centre's key: the registry was changed, or is forged")
  }
  out
}

# Of what is signed the bytes are the only ones that its content can have.
check_canonical <- function(tree, text) {
  if (!identical(message_file_text(tree), text)) {
    bad_field("(file)", "is not the exact text of a signed message: it was written anew on its way")
  }
}

check_centre <- function(registry, centre) {
  if (inherits(centre, "moe_keys")) centre <- centre$public
  check_text_argument(centre, "centre")
  key <- centre_key(registry)
  if (centre %in% c(key, key_fingerprint(key))) return(invisible())
  input_error("The registry {.file {shown_names(basename(registry$file))}} is refused: its centre is not the one that
    {.arg centre} names.", x = "Its centre has the fingerprint {key_fingerprint(key)}.", class = "moe_message_error",
    fields = list(file = registry$file, field = "members", reason = "has another centre"))
}

#' @export
print.moe_registry <- function(x, ...) {
  cat("Registry of study ", shown_names(x$study), ", edition ", x$edition, ", signed by its centre\n", sep = "")
  m <- x$members
  cat("Centre: ", shown_names(x$centre), ", fingerprint ", key_fingerprint(centre_key(x)), "\n", sep = "")
  sites <- m[m$role == "site", ]
  cat(nrow(sites), if (nrow(sites) == 1) " site" else " sites", if (nrow(sites)) ":", "\n", sep = "")
  if (nrow(sites)) {
    print(data.frame(site = shown_names(sites$site), rows = format_big(sites$rows),
      fingerprint = vapply(sites$key, key_fingerprint, "")), row.names = FALSE)
  }
  invisible(x)
}
