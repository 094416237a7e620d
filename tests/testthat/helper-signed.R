# A study of a centre and some sites, each with a folder, a secret file, a copy of the registry and a log of its own.

signed_study <- function(sites = c("north", "south", "west"), study = "trial", frame = parent.frame()) {
  skip_if_not_installed("openssl")
  folder <- withr::local_tempdir(.local_envir = frame)
  at <- function(...) file.path(folder, ...)
  members <- c("centre", sites)
  for (m in members) dir.create(at(m))
  dir.create(at("box"))
  public <- lapply(stats::setNames(nm = members), function(m) moe_keys(at(m, "own.key"))$public)
  moe_registry(at("centre", "registry.json"), study, key = at("centre", "own.key"))
  for (s in sites) moe_register(at("centre", "registry.json"), s, public[[s]], 1000, at("centre", "own.key"))
  out <- list(sites = sites, public = public, at = at, key = function(m) at(m, "own.key"),
    registry = function(m) at(m, "registry.json"), box = at("box"))
  share_registry(out)
  out
}

share_registry <- function(s) {
  for (m in s$sites) file.copy(s$registry("centre"), s$registry(m), overwrite = TRUE)
}

# The rows of the sites: of crossing lines, 300 each.
signed_rows <- function(sites, n = 300) {
  stats::setNames(lapply(seq_along(sites), function(i) crossing_lines(n, seed = i)[c("x", "y")]), sites)
}

# The centre's message, and what a site writes from it: name of its file.
send_start <- function(s, model, name = "start.json", ...) {
  write_moe(model, s$at("centre", name), key = s$key("centre"), registry = s$registry("centre"), ...)
}

answer_start <- function(s, m, file, rows, to = s$box, name = paste0(m, ".json")) {
  start <- read_moe(file, registry = s$registry(m))
  sites <- moe_sites(y ~ x, stats::setNames(list(rows), m), start = start)
  write_moe(sites$models[[1]], file.path(to, name), key = s$key(m), registry = s$registry(m), answers = start)
}

answer_round <- function(s, m, file, rows, to = s$box) {
  model <- read_moe(file, registry = s$registry(m))
  write_moe(moe_statistics(model, rows, site = m), file.path(to, paste0(m, ".json")), key = s$key(m),
    registry = s$registry(m), overwrite = TRUE)
}

# A signed tree with changes, under a right checksum, and if asked for signed anew.
resigned <- function(file, change = identity, key = NULL, to = file) {
  tree <- change(jsonlite::parse_json(readChar(file, file.size(file))))
  if (!is.null(key)) tree$signature <- sign_text(signed_text(tree), read_secret(key))
  writeChar(message_file_text(tree), to, eos = NULL)
  to
}
