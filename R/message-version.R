# Versions of the format: `major.minor`. A reader takes every lower minor of its major: what was added since then
# has its default. A new field raises the minor; what changes the meaning of an old one, the major.

message_version <- c(1L, 2L)

version_text <- function(version) {
  paste0("distmoe/", version[1], if (version[2] > 0) paste0(".", version[2]))
}

# What is not signed has no field of 1.2, and earlier readers take it.
message_schema <- version_text(c(1L, 1L))
signed_schema <- version_text(c(1L, 2L))

# c(major, minor) of a tree that this version can read; refuses others in clear words.
tree_version <- function(tree) {
  pattern <- "^distmoe/([0-9]{1,4})([.]([0-9]{1,4}))?$"
  text <- tree$schema
  if (!is.character(text) || length(text) != 1 || !grepl(pattern, text)) {
    bad_field("schema", "must be \"", version_text(message_version), "\", not ", shown_json(text))
  }
  minor <- sub(pattern, "\\3", text)
  version <- as.integer(c(sub(pattern, "\\1", text), if (nzchar(minor)) minor else "0"))
  if (version[1] == message_version[1] && version[2] <= message_version[2]) return(version)
  known <- function(x, before, most) if (is.character(x) && length(x) == 1) paste0(before, shown_text(x, most))
  later <- version[1] > message_version[1] || version[1] == message_version[1]
  bad_field("schema", "is ", version_text(version), known(tree$site, " from site ", 60),
    known(tree$package, ", written by version ", 20), ", and ", version_text(message_version),
    " is the ", if (later) "latest" else "earliest major", " that is read here: ", if (later) "update the package here"
    else "have the site update its package", ", or have the site write with a version that both know")
}
