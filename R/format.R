# Numbers, conditions, expressions and names in words.

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

# Code points: control characters, marks of direction, and those that take no room or look like a space.
unseen_points <- c(0x00:0x1f, 0x7f:0x9f, 0xad, 0x034f, 0x061c, 0x115f:0x1160, 0x17b4:0x17b5, 0x180b:0x180f,
  0x200b:0x200f, 0x2028:0x202e, 0x2060:0x206f, 0x2800, 0x3164, 0xfe00:0xfe0f, 0xfeff, 0xffa0, 0xfff9:0xfffb,
  0x1bca0:0x1bca3, 0x1d173:0x1d17a, 0xe0000:0xe0fff)

space_points <- c(0x09:0x0d, 0x20, 0xa0, 0x1680, 0x2000:0x200a, 0x202f, 0x205f, 0x3000)

code_points <- function(text) utf8ToInt(iconv(text, "UTF-8", "UTF-8", sub = "byte"))

# One line, short, what can't be seen as <U+202E>.
shown_text <- function(x, most = 60L) {
  x <- substr(iconv(paste(as.character(x), collapse = " "), "UTF-8", "UTF-8", sub = "byte"), 1, most + 1L)
  points <- code_points(gsub("[ \t\r\n]+", " ", x))
  if (!length(points)) return("")
  unseen <- points %in% unseen_points
  letters <- intToUtf8(points, multiple = TRUE)
  letters[unseen] <- sprintf("<U+%04X>", points[unseen])
  paste0(paste(letters[seq_len(min(length(letters), most))], collapse = ""), if (length(letters) > most) "...")
}

# Names of sites and files, as many as there are.
shown_names <- function(names) vapply(as.character(names), shown_text, "", most = 250L, USE.NAMES = FALSE)

# The same for names that a person would take for one: they differ in case or in what can't be seen.
name_keys <- function(names) {
  vapply(as.character(names), function(name) {
    points <- code_points(name)
    points[points %in% space_points] <- 0x20
    points <- points[!points %in% unseen_points]
    gsub(" +", " ", trimws(tolower(intToUtf8(points))))
  }, "", USE.NAMES = FALSE)
}

# Of what was read of a message; NULL: it was read of none.
origin_line <- function(origin) {
  if (is.null(origin)) return(NULL)
  if (!isTRUE(origin$authenticated)) return("not authenticated: read without a registry")
  paste0("signed by ", origin$role, " \"", shown_names(origin$site), "\", study ", shown_names(origin$study),
    ", exchange ", origin$exchange)
}

print_origin <- function(x) {
  line <- origin_line(attr(x, "origin"))
  if (!is.null(line)) cat("Message: ", line, "\n", sep = "")
}

deparse_one <- function(x) paste(deparse(x, width.cutoff = 500L), collapse = " ")
