# Keys of an institution: an Ed25519 pair that signs, an X25519 pair for what two agree on. All that needs the
# package openssl is here and in mask.R.

need_openssl <- function() {
  if (requireNamespace("openssl", quietly = TRUE)) return(invisible())
  input_error("Signed and masked messages need the package {.pkg openssl}, which is not installed.",
    i = "{.code install.packages(\"openssl\")}, or r-cran-openssl on Debian; without keys nothing needs it.")
}

#' Keys that sign messages
#'
#' Makes the pair of keys by which an institution signs its messages ([write_moe()]) and masks its sums
#' ([moe_refine()]), or reads one that is there. The secret part stays in its file, which its owner alone may read; the
#' public part is a line of text for the registry ([moe_registry()]).
#'
#' A file that is there is never written to: to have another pair, choose another name. A secret file that others may
#' read, that is a symbolic link, or that is not exactly as it was written is refused.
#'
#' @section What they are:
#' Two pairs on Curve25519 from random numbers of OpenSSL (package `openssl`, which is needed): Ed25519 signs (RFC
#' 8032),
#' X25519 agrees on secrets (RFC 7748). The public text is `dm1-` and base 64 of the two public keys of 32 bytes
#' and of two bytes of their SHA-256, which tell a slip of the pen. The fingerprint is the first half of the
#' SHA-256 of the keys: compare it by telephone, when a registry comes, with the one that the centre reads out.
#'
#' @param file Name of the secret file. Where it is not there it is made.
#' @return A list of class `moe_keys`: `file`, `public` (text), `fingerprint` (text), `made` (TRUE: just now). No secret
#'   is in it.
#' @examplesIf requireNamespace("openssl", quietly = TRUE)
#' keys <- moe_keys(tempfile(fileext = ".key"))
#' keys
#' keys$public
#' @export
moe_keys <- function(file) {
  need_openssl()
  if (!is.character(file) || length(file) != 1 || is.na(file) || file == "") {
    input_error("{.arg file} must be the name of a file, not {show_value(file)}.")
  }
  made <- !file.exists(file) && !is_link(file)
  if (made) write_secret(file)
  public <- read_secret(file)$public
  structure(list(file = file, public = public, fingerprint = key_fingerprint(public), made = made),
    class = "moe_keys")
}

#' @export
print.moe_keys <- function(x, ...) {
  cat("Pair of keys", if (x$made) ", made now", ". Secret part, for nobody else: ", x$file, "\n", sep = "")
  cat("Public part, for the registry:\n  ", x$public, "\n", sep = "")
  cat("Fingerprint, to be compared by voice:\n  ", x$fingerprint, "\n", sep = "")
  invisible(x)
}

is_link <- function(file) {
  to <- Sys.readlink(file)
  !is.na(to) && nzchar(to)
}

# ---- the secret file ---------------------------------------------------------------------------

secret_title <- "distmoe secret key 1: for its owner alone"

write_secret <- function(file) {
  if (!dir.exists(dirname(file))) input_error("There is no folder {.file {dirname(file)}}.")
  bytes <- list(signing = openssl::rand_bytes(32), agreement = openssl::rand_bytes(32))
  lines <- c(secret_title, paste(names(bytes), vapply(bytes, hex_text, "")))
  old <- Sys.umask("077")
  on.exit(Sys.umask(old))
  part <- tempfile(".part-", dirname(file))
  on.exit(unlink(part), add = TRUE)
  written <- tryCatch({
    writeBin(charToRaw(paste0(lines, "\n", collapse = "")), part)
    Sys.chmod(part, "600", use_umask = FALSE)
    # Unlike a renaming, a second name of a file takes nobody's place.
    file.link(part, file) || (!file.exists(file) && file.rename(part, file))
  }, error = function(e) FALSE, warning = function(w) !file.exists(file) && file.rename(part, file))
  if (!written) input_error("The secret file {.file {file}} can't be written, or is there already.")
}

# list(sign, agree, public): keys of openssl, and the public text.
read_secret <- function(file) {
  need_openssl()
  if (!is.character(file) || length(file) != 1 || is.na(file)) {
    input_error("{.arg key} must be the name of a secret file ({.fn moe_keys}), not {show_value(file)}.")
  }
  info <- file.info(file, extra_cols = FALSE)
  if (is_link(file)) input_error("The secret file {.file {file}} is a symbolic link.", i = "Name the file itself.")
  if (is.na(info$size) || info$isdir) {
    input_error("There is no secret file {.file {file}}.", i = "{.fn moe_keys} makes one.")
  }
  open <- .Platform$OS.type == "unix" && bitwAnd(as.integer(info$mode), 63L) != 0
  if (open) {
    input_error("The secret file {.file {file}} may be read or written by others: its mode is {format(info$mode)}.",
      i = "{.code chmod 600 {file}}; if others may have read it, make new keys and have them registered.")
  }
  hex <- "[0-9a-f]{64}"
  text <- if (info$size < 1000) rawToChar(readBin(file, "raw", 1000))
  pattern <- paste0("^", secret_title, "\nsigning (", hex, ")\nagreement (", hex, ")\n$")
  found <- if (!is.null(text)) regmatches(text, regexec(pattern, text))[[1]]
  if (length(found) != 3) input_error("The file {.file {file}} is no secret key of {.fn moe_keys}, or was changed.")
  sign <- openssl::read_ed25519_key(hex_bytes(found[2]))
  agree <- openssl::read_x25519_key(hex_bytes(found[3]))
  list(sign = sign, agree = agree, public = public_text(public_bytes(sign), public_bytes(agree)))
}

public_bytes <- function(key) as.list(as.list(key)$pubkey)$data

# ---- the public text ---------------------------------------------------------------------------

public_text <- function(sign, agree) {
  bytes <- c(sign, agree)
  paste0("dm1-", openssl::base64_encode(c(bytes, sha256_bytes(bytes)[1:2])))
}

# list(sign, agree): bytes; NULL where the text is not exactly that of a key. One key has one text.
public_parts <- function(text) {
  if (!is.character(text) || length(text) != 1 || is.na(text) || !grepl("^dm1-[A-Za-z0-9+/]{88}$", text)) return(NULL)
  need_openssl()
  bytes <- openssl::base64_decode(substring(text, 5))
  if (length(bytes) != 66) return(NULL)
  parts <- list(sign = bytes[1:32], agree = bytes[33:64])
  if (public_text(parts$sign, parts$agree) == text) parts
}

key_fingerprint <- function(public) {
  half <- hex_text(sha256_bytes(unlist(public_parts(public), use.names = FALSE))[1:16])
  paste(substring(half, seq(1, 29, 4), seq(4, 32, 4)), collapse = "-")
}

check_public <- function(text, name = "public") {
  if (inherits(text, "moe_keys")) text <- text$public
  if (is.null(public_parts(text))) {
    input_error("{.arg {name}} must be the public part that {.fn moe_keys} shows (dm1-...), not
      {show_value(substr(text, 1, 100))}.", i = "Copy it whole: it tells slips of the pen.")
  }
  text
}

# ---- signatures --------------------------------------------------------------------------------

# What is signed says what it is for: no signature of this package is one of anything else.
signed_bytes <- function(text) charToRaw(paste0("distmoe signature 1\n", enc2utf8(text)))

sign_text <- function(text, secret) hex_text(openssl::ed25519_sign(signed_bytes(text), secret$sign))

is_signed <- function(text, signature, public) {
  if (!grepl("^[0-9a-f]{128}$", signature)) return(FALSE)
  tryCatch({
    key <- openssl::read_ed25519_pubkey(public_parts(public)$sign)
    isTRUE(openssl::ed25519_verify(signed_bytes(text), hex_bytes(signature), key))
  }, error = function(e) FALSE)
}

# ---- bytes ---------------------------------------------------------------------------------------

sha256_bytes <- function(bytes) digest::digest(bytes, "sha256", serialize = FALSE, raw = TRUE)

hex_text <- function(bytes) paste(as.character(bytes), collapse = "")

hex_bytes <- function(text) {
  v <- utf8ToInt(text)
  v <- ifelse(v < 58L, v - 48L, v - 87L)
  odd <- seq(1, length(v), 2)
  as.raw(v[odd] * 16L + v[odd + 1])
}
