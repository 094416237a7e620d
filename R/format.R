# Numbers and conditions in words.

format_big <- function(x) format(x, big.mark = ",", scientific = FALSE, trim = TRUE)

one_line <- function(text) paste(gsub("[[:space:]]+", " ", text), collapse = "; ")

said <- function(condition) {
  text <- one_line(cli::ansi_strip(conditionMessage(condition)))
  # What the package future adds on the post mortem is long.
  if (nchar(text) > 300) paste0(substr(text, 1, 297), "...") else text
}

# Text of so many letters at most, with a sign where it was cut.
cut_text <- function(text, width) {
  ifelse(nchar(text) > width, paste0(substr(text, 1, width - 3), "..."), text)
}

# The first few, and how many there are beside these.
first_of <- function(x, most) {
  more <- length(x) - most
  text <- paste(utils::head(x, most), collapse = ", ")
  if (more > 0) paste0(text, " and ", format_big(more), " more") else text
}
