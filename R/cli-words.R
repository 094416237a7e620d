# Words of the command line: its errors, its options, and what R users' words are called there.

say_error <- function(...) cat(paste0("distmoe: ", ..., "\n"), file = stderr())

# The words of the command line are not understood, or do not go together.
usage_error <- function(...) {
  stop(structure(class = c("moe_usage_error", "error", "condition"), list(message = paste0(...), call = NULL)))
}

# What a known word that is near is called.
did_you_mean <- function(word, known) {
  distance <- ifelse(startsWith(known, word), 0, utils::adist(word, known))
  if (min(distance) <= 2) paste0(" (did you mean ", known[which.min(distance)], "?)") else ""
}

# The package speaks to R users: here arguments are options. The first line stands by itself, the others
# are indented under it.
in_cli_words <- function(text, known) {
  text <- cli::ansi_strip(paste(text, collapse = "\n"))
  fixed <- c("`K`" = "--experts", "`screen = FALSE`" = "--no-screen", "`overwrite = TRUE`" = "--overwrite",
    "the limits that `write_moe()` names" = "--min-rows, --min-expert-rows and --min-rows-per-parameter")
  for (word in names(fixed)) text <- gsub(word, fixed[[word]], text, fixed = TRUE)
  for (name in known) {
    option <- paste0("--", gsub("_", "-", name))
    text <- gsub(paste0("`", name, "`"), option, text, fixed = TRUE)
    text <- gsub(paste0("`", name, " = ([^`]*?)(\\(\\))?`"), paste(option, "\\1"), text, perl = TRUE)
  }
  # Bullets, also those of messages that were brought to one line.
  text <- gsub("(?<=[.]) [xi] (?=[A-Z`])", "\n", text, perl = TRUE)
  paste(sub("^[xi!*] ", "", strsplit(text, "\n")[[1]]), collapse = "\n  ")
}

# `type`: FILE, TEXT, NAME, COLUMN, ... for words, N for numbers, NULL for a flag.
cli_option <- function(name, type, help, default = NULL, short = NULL) {
  words <- c(short, paste0("--", gsub("_", "-", name)))
  if (is.null(type)) return(optparse::make_option(words, action = "store_true", default = FALSE, help = help))
  optparse::make_option(words, type = if (type == "N") "double" else "character", default = default, help = help,
    metavar = type)
}
