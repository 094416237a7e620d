# The text of a message: how it is written, and what is looked at before anybody trusts it to be JSON.

# More brackets within brackets than any message has.
message_depth <- 64L

# Bytes of text for every value or array, at least, where a file is as large as may be: a parser needs some
# hundred bytes of memory for each. Numbers that were estimated take about 20.
bytes_a_value <- 16

# Different strings that may share a place in R's table of strings (3,000 columns and as many levels are about 5 at
# one), and strings whose place can't be told before they are parsed.
most_in_chain <- 500
most_escaped <- 20000

# ---- writing ---------------------------------------------------------------------------------

# The canonical text of a tree: objects are named lists, arrays are lists without names and vectors
# under I() or of another length than 1. No white space, fields in their order. (jsonlite stops at 15 digits, and
# R's own loops are too slow for trees that somebody made as large as may be.)
json_text <- function(x) cpp_json_text(x)

json_parts <- function(x) vapply(x, json_text, "", USE.NAMES = FALSE)

json_names <- function(names) vapply(names, json_text, "", USE.NAMES = FALSE)

json_object <- function(names, parts) paste0("{", paste(json_names(names), parts, sep = ":", collapse = ","), "}")

# SHA-256 of the canonical text of all fields but the checksum itself.
message_checksum <- function(tree) {
  tree$checksum <- NULL
  checksum_of(names(tree), json_parts(tree))
}

checksum_of <- function(names, parts) {
  digest::digest(charToRaw(enc2utf8(json_object(names, parts))), algo = "sha256", serialize = FALSE)
}

# The text of a file: the canonical one with a line for every field.
message_file_text <- function(tree) {
  tree$checksum <- NULL
  parts <- json_parts(tree)
  names <- c(names(tree), "checksum")
  parts <- c(parts, json_text(checksum_of(names(tree), parts)))
  paste0("{\n", paste0(json_names(names), ": ", parts, collapse = ",\n"), "\n}\n")
}

# Whole or not at all: nobody shall read half of a text.
write_text <- function(text, file, overwrite) {
  if (file.exists(file) && !overwrite) refuse_overwrite(file)
  if (!dir.exists(dirname(file))) input_error("There is no folder {.file {dirname(file)}}.")
  part <- tempfile(".part-", dirname(file))
  on.exit(unlink(part))
  written <- tryCatch({
    bytes <- charToRaw(enc2utf8(text))
    writeBin(bytes, part)
    # A full disk is not always an error.
    file.size(part) == length(bytes) && file.rename(part, file)
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!written) input_error("The file {.file {file}} can't be written.",
    i = "Is there room in the folder, and may you write there?")
}

refuse_overwrite <- function(file) {
  input_error("The file {.file {file}} is there already.", i = "{.code overwrite = TRUE} replaces it.")
}

# ---- reading ---------------------------------------------------------------------------------

# From a file to a tree of lists whose checksum is right, with all fields of today. `most`: bytes. `origin(tree, text)`
# looks at the tree and the very text of the file; what it gives is the tree's attribute of that name.
message_tree <- function(file, most, origin = function(tree, text) NULL) {
  size <- file.size(file)
  if (is.na(size) || dir.exists(file)) bad_field("(file)", "is not a file that can be read")
  if (size == 0) bad_field("(file)", "is empty, or no plain file: a pipe or a device")
  if (size > most) {
    bad_field("(file)", "has ", format_big(size), " bytes, more than the ", format_big(most),
      " that are read; `max_bytes` says how many")
  }
  text <- message_bytes(readBin(file, "raw", size), max(1e5, most / bytes_a_value))
  tree <- tryCatch(jsonlite::parse_json(text), error = identity, warning = identity)
  if (inherits(tree, "condition")) {
    bad_field("(file)", "is not JSON: ", shown_text(sub("\n.*", "", conditionMessage(tree))))
  }
  if (!is.list(tree) || is.null(names(tree))) bad_field("(file)", "holds no JSON object")
  version <- check_envelope(tree)
  attr(tree, "origin") <- origin(tree, text)
  if (version[2] == message_version[2] || !isTRUE(tree$kind %in% c("model", "statistics"))) return(tree)
  upgraded_tree(tree, tree$kind, version[2])
}

# Bytes as text: UTF-8 without NUL, not nested so deep that a parser could fall over it.
message_bytes <- function(bytes, most_values) {
  if (!length(bytes)) bad_field("(file)", "is empty")
  if (length(grepRaw(as.raw(0), bytes, fixed = TRUE))) bad_field("(file)", "holds bytes that are 0; a message is text")
  text <- rawToChar(bytes)
  if (!validUTF8(text)) bad_field("(file)", "is not UTF-8 text")
  Encoding(text) <- "UTF-8"
  if (grepl("\\u0000", text, fixed = TRUE)) bad_field("(file)", "holds the character NUL in a string")
  found <- cpp_scan_json(bytes)
  if (found$open) bad_field("(file)", "is not JSON: it ends within a string")
  if (found$strange) bad_field("(file)", "is not JSON: it holds other things than values outside its strings")
  if (found$depth > message_depth) {
    bad_field("(file)", "is nested deeper than ", message_depth, " brackets")
  }
  if (found$marks > most_values) {
    bad_field("(file)", "has more than ", format_big(most_values), " values and arrays; `max_bytes` sets that too")
  }
  if (found$crowd > most_in_chain || found$escaped > most_escaped) {
    bad_field("(file)", "holds strings that were made to keep the reader busy")
  }
  text
}

# More fields than any message has: theirs are to be named, not all to be written again for the checksum.
most_fields <- 100

# What every message has whatever it is about. Gives its version.
check_envelope <- function(tree) {
  if (length(tree) > most_fields) bad_field("(file)", "has ", format_big(length(tree)), " fields, which no message has")
  if (anyDuplicated(names(tree))) {
    bad_field(shown_text(names(tree)[anyDuplicated(names(tree))]), "stands there twice")
  }
  version <- tree_version(tree)
  given <- take_text(tree$checksum, "checksum")
  found <- message_checksum(tree)
  if (!identical(tolower(given), found)) {
    bad_field("checksum", "is not that of the content: the file was changed or damaged on its way")
  }
  version
}
