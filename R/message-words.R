# Foreign names and texts as they may stand before a person: nothing that a terminal obeys or that can't be seen.

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
