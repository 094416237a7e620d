# Errors about a source, which name it.

source_error <- function(source, ..., .envir = parent.frame()) {
  label <- escape_braces(source_label(source))
  message <- c(...)
  message[1] <- paste0("The source (", label, "): ", message[1])
  input_error(message, .envir = .envir)
}

# Runs what may fail in a file, a data base or a user's function, and names the source. `hint` is only
# looked for where it failed.
try_source <- function(code, source, what, hint = NULL) {
  tryCatch(code, moe_input_error = function(e) stop(e), error = function(e) {
    text <- one_line(conditionMessage(e))
    source_error(source, what, x = "{text}", hint)
  })
}

lacks_columns <- function(source, lacks, has, place = "it", hint = NULL) {
  has <- escape_braces(first_of(dQuote(has, FALSE), 8))
  source_error(source, "{place} has no {cli::qty(lacks)}column{?s} {.val {lacks}}.",
    i = paste0("It has ", has, "."), hint)
}

# What a source is, in words: for prints and errors.
source_label <- function(source) UseMethod("source_label")

table_name <- function(table) {
  if (is.null(attr(table, "name"))) return(as.character(table))
  paste(attr(table, "name"), collapse = ".")
}
