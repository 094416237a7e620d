# Checks of the fields of a parsed message. Each takes a piece of the tree and the name of its place,
# gives the value as R knows it, and refuses what is not exactly as it must be.

field_at <- function(at, name) if (at == "") name else paste0(at, ".", name)

# Names are short and harmless; levels of factors may be longer.
longest_text <- 1000L
longest_name <- 256L

# Of experts and of gates: what is read needs matrices of columns by columns.
most_columns <- 3000L

# Whole numbers beyond are not exact.
most_rows <- 2^53

# Of variables: larger ones are refused in rows too (cpp_first_bad).
largest_value <- 1e150

take_object <- function(x, at, fields, optional = character()) {
  if (!is.list(x) || is.null(names(x))) bad_field(at, "must be an object, not ", shown_json(x))
  names <- names(x)
  twice <- anyDuplicated(names)
  if (twice) bad_field(field_at(at, shown_text(names[twice])), "stands there twice")
  unknown <- setdiff(names, c(fields, optional))
  if (length(unknown)) bad_field(field_at(at, shown_text(unknown[1])), "is no field of a message")
  lacks <- setdiff(fields, names)
  if (length(lacks)) bad_field(field_at(at, lacks[1]), "is missing")
  x
}

# An object whose names are the sender's: those of variables, levels, columns.
take_map <- function(x, at, most = 10000L) {
  if (!is.list(x) || is.null(names(x))) bad_field(at, "must be an object, not ", shown_json(x))
  if (length(x) > most) bad_field(at, "has ", length(x), " entries, more than ", most)
  check_texts(names(x), at, "names", longest_text)
  if (anyDuplicated(names(x))) {
    bad_field(at, "has \"", shown_text(names(x)[anyDuplicated(names(x))]), "\" twice")
  }
  x
}

take_list <- function(x, at, n = NULL, most = 10000L) {
  if (!is.list(x) || !is.null(names(x))) bad_field(at, "must be an array, not ", shown_json(x))
  if (!is.null(n) && length(x) != n) bad_field(at, "must have ", n, " elements, not ", length(x))
  if (length(x) > most) bad_field(at, "has ", length(x), " elements, more than ", most)
  x
}

# ---- numbers ---------------------------------------------------------------------------------

# `gaps`: null stands for a number that is not known.
take_numbers <- function(x, at, n = NULL, least = -Inf, strict = FALSE, most = Inf, whole = FALSE,
                         gaps = FALSE, longest = 1e7) {
  x <- take_list(x, at, n, longest)
  empty <- if (gaps) vapply(x, is.null, NA) else logical(length(x))
  x[empty] <- NA_real_
  if (!all(vapply(x, is.numeric, NA))) {
    bad <- which(!vapply(x, is.numeric, NA))[1]
    bad_field(at, "must hold numbers; element ", bad, " is ", shown_json(x[[bad]]))
  }
  v <- as.numeric(unlist(x))
  known <- v[!empty]
  ok <- is.finite(known) & known >= least & known <= most
  if (strict) ok <- ok & known > least
  if (whole) ok <- ok & known == round(known)
  if (!all(ok)) {
    bad_field(at, "must hold ", number_words(least, strict, most, whole), "; element ",
      which(!empty)[!ok][1], " is ", shown_json(known[!ok][1]))
  }
  v
}

take_number <- function(x, at, least = -Inf, strict = FALSE, most = Inf, whole = FALSE, gaps = FALSE) {
  if (gaps && is.null(x)) return(NA_real_)
  ok <- is.numeric(x) && length(x) == 1 && is.finite(x) && x >= least && x <= most &&
    !(strict && x == least) && !(whole && x != round(x))
  if (!ok) {
    bad_field(at, "must be ", number_words(least, strict, most, whole, ""), ", not ", shown_json(x))
  }
  as.numeric(x)
}

number_words <- function(least, strict, most, whole, many = "s") {
  kind <- if (whole) "whole" else "finite"
  range <- c(if (is.finite(least)) paste(if (strict) "above" else "of at least", least),
    if (is.finite(most)) paste("of at most", most))
  paste0(if (many == "") "one ", kind, " number", many, if (length(range)) " ",
    paste(range, collapse = " and "))
}

take_count <- function(x, at, least = 0, most = .Machine$integer.max) {
  as.integer(take_number(x, at, least, most = most, whole = TRUE))
}

# `columns` arrays of `rows` numbers: a matrix, as it is stored.
take_matrix <- function(x, at, rows, columns, ...) {
  x <- take_list(x, at, columns, Inf)
  # Before room is made for them.
  short <- which(lengths(x) != rows)
  if (length(short)) {
    bad_field(paste0(at, "[", short[1], "]"), "must have ", rows, " elements, not ", length(x[[short[1]]]))
  }
  out <- vapply(seq_along(x), function(j) take_numbers(x[[j]], paste0(at, "[", j, "]"), rows, ...),
    numeric(rows))
  matrix(out, rows, columns)
}

# The lower triangle of a symmetric matrix, by column.
take_symmetric <- function(x, at, size) {
  v <- take_numbers(x, at, size * (size + 1) / 2)
  out <- matrix(0, size, size)
  out[lower.tri(out, TRUE)] <- v
  out[upper.tri(out)] <- t(out)[upper.tri(out)]
  out
}

# A matrix of sums of squares and products, all of its numbers.
take_gram <- function(x, at, size) {
  out <- take_matrix(x, at, size, size)
  check_symmetric(out, at)
  check_semidefinite(out, at)
  out
}

check_symmetric <- function(m, at) {
  if (max(abs(m - t(m))) > 1e-6 * max(abs(m))) bad_field(at, "must be symmetric")
}

# Sums of squares, up to rounding.
check_squares <- function(v, at, scale) {
  if (any(v < -1e-10 * scale)) bad_field(at, "must have no negative number on its diagonal, of sums of squares")
}

# No direction has a negative value, up to rounding or up to `slack` (in the units of m).
check_semidefinite <- function(m, at, slack = NULL) {
  largest <- max(abs(m), 0)
  if (largest == 0) return(invisible())
  m <- m / largest
  shift <- if (is.null(slack)) 1e-8 * sum(pmax(diag(m), 0)) else slack / largest
  diag(m) <- diag(m) + shift
  if (any(diag(m) <= 0) || is.null(tryCatch(chol(m), error = function(e) NULL))) {
    bad_field(at, "is not positive semi-definite, as sums of squares and products are")
  }
}

take_row_count <- function(x, at) take_number(x, at, 1, most = most_rows, whole = TRUE)

take_weight <- function(x, at) take_number(x, at, 0, strict = TRUE, most = most_rows)

# ---- flags and text --------------------------------------------------------------------------

take_flag <- function(x, at, gaps = FALSE) {
  if (gaps && is.null(x)) return(NA)
  if (!is.logical(x) || length(x) != 1) bad_field(at, "must be true or false, not ", shown_json(x))
  x
}

take_flags <- function(x, at, n) {
  x <- take_list(x, at, n)
  if (!all(vapply(x, is.logical, NA))) bad_field(at, "must hold true and false only")
  as.logical(unlist(x))
}

take_text <- function(x, at, most = longest_text, among = NULL) {
  if (!is.character(x) || length(x) != 1) bad_field(at, "must be a string, not ", shown_json(x))
  check_texts(x, at, "text", most)
  if (!is.null(among) && !x %in% among) {
    bad_field(at, "must be one of ", paste0("\"", among, "\"", collapse = ", "), ", not ", shown_json(x))
  }
  x
}

take_texts <- function(x, at, n = NULL, most = 10000L, unique = FALSE, among = NULL) {
  x <- take_list(x, at, n, most)
  if (!all(vapply(x, is.character, NA))) bad_field(at, "must hold strings only")
  x <- as.character(unlist(x))
  check_texts(x, at, "strings", longest_text)
  if (unique && anyDuplicated(x)) bad_field(at, "has \"", shown_text(x[anyDuplicated(x)]), "\" twice")
  unknown <- if (!is.null(among)) setdiff(x, among)
  if (length(unknown)) bad_field(at, "holds \"", shown_text(unknown[1]), "\", which is not known here")
  x
}

# `kind` says what is checked.
check_texts <- function(x, at, kind, most) {
  long <- nchar(x, "bytes") > most
  if (any(long)) bad_field(at, "holds ", kind, " of more than ", most, " bytes")
  if (any(is_harmful(x))) bad_field(at, "holds ", kind, " with control characters")
  if (kind == "names" && any(x == "")) bad_field(at, "holds an empty name")
}

# Control characters and those that change the direction of text.
harmful <- "[\\x00-\\x1f\\x7f]|\\xc2[\\x80-\\x9f]|\\xe2\\x80[\\xaa-\\xae]|\\xe2\\x81[\\xa6-\\xa9]"

is_harmful <- function(x) grepl(harmful, x, perl = TRUE, useBytes = TRUE)

shown_json <- function(x) {
  if (is.null(x)) "nothing"
  else if (is.list(x)) if (is.null(names(x))) paste("an array of", length(x)) else "an object"
  else if (is.character(x)) paste0("\"", shown_text(x), "\"")
  else tolower(format(x, digits = 7))
}

# A file's fault is a condition of class moe_bad_field until somebody knows the file's name.
bad_field <- function(at, ...) {
  stop(structure(class = c("moe_bad_field", "error", "condition"),
    list(message = paste0(...), call = NULL, field = at)))
}
