# Reader and writer of the objects that the table of fields (message-table.R) describes.

# ---- writing ---------------------------------------------------------------------------------

by_column <- function(m) lapply(seq_len(ncol(m)), function(j) I(unname(m[, j])))

packed <- function(m) I(m[lower.tri(m, TRUE)])

# A list by name as a tree. Those of "own" kinds and objects are trees already.
fields_tree <- function(values, of) {
  rows <- message_objects[[of]]
  wrong <- c(setdiff(needed_fields(rows), names(values)), setdiff(names(values), names(rows)))
  wrong <- setdiff(wrong, "checksum")
  if (length(wrong)) stop("fields of ", of, " that are missing or not in the table: ", toString(wrong))
  names <- intersect(needed_first(rows, names(values)), names(values))
  out <- list()
  for (name in names) out[name] <- list(field_tree(rows[[name]]$kind, values[[name]]))
  out
}

field_tree <- function(kind, v) {
  if (is.null(v)) return(NULL)
  switch(kind,
    matrix = , gram = by_column(v),
    symmetric = packed(v),
    numbers = , flags = , texts = , names = I(as.vector(unname(v))),
    # As it was at first: a single one is no array.
    vector = if (length(v) > 1) I(v) else v,
    lambda = as.list(v),
    v)
}

# Bytes of text of a number with its comma, of other values, and of what every message has.
number_bytes <- 20.5
word_bytes <- 6
envelope_bytes <- 260

# About how many bytes an object has as text: nearly all are those of numbers, and how many these are the table says.
fields_bytes <- function(values, of, shape) {
  rows <- message_objects[[of]]
  rows <- rows[intersect(names(rows), names(values))]
  shape$lines <- shape$size <- length(values[[1]])
  if (of == "shared_gates") shape$start_gates <- ncol(values$reference)
  field_bytes <- function(f) {
    v <- values[[f$name]]
    if (is.null(v)) return(4)
    if (!is.null(f$of)) return(fields_bytes(as.list(v), f$of, shape))
    size <- shape_number(f$size, shape)
    count <- if (is.null(size)) length(unlist(v)) else if (f$kind == "symmetric") size * (size + 1) / 2 else prod(size)
    count * if (is.double(unlist(v))) number_bytes else word_bytes
  }
  sum(nchar(names(rows)) + 4, vapply(rows, field_bytes, 0))
}

needed_fields <- function(rows) {
  names(rows)[vapply(rows, function(f) f$absent %in% c("no", "null"), NA)]
}

# Those that must be there in the table's order, then the others as they stand.
needed_first <- function(rows, names) {
  needed <- needed_fields(rows)
  c(needed, setdiff(intersect(names, names(rows)), needed))
}

# ---- reading ---------------------------------------------------------------------------------

# `own`: functions of (piece, place) by the names of fields that are read otherwise than by their kind.
take_fields <- function(x, at, of, shape = list(), own = list()) {
  rows <- message_objects[[of]]
  needed <- needed_fields(rows)
  x <- take_object(x, at, needed, setdiff(names(rows), needed))
  shape$lines <- length(x[[names(rows)[1]]])
  out <- list()
  for (name in needed_first(rows, names(x))) {
    here <- field_at(at, name)
    value <- x[[name]]
    taken <- if (is.null(value) && rows[[name]]$absent == "null") empty_field(rows[[name]])
    else if (!is.null(own[[name]])) own[[name]](value, here)
    else take_field(rows[[name]], value, here, shape)
    out[name] <- list(taken)
  }
  out
}

empty_field <- function(f) if (f$kind == "number") NA_real_

# A number of the table in terms of what the message is about.
shape_number <- function(of, shape) {
  if (is.null(of)) return(NULL)
  known <- c(shape, list(gates = shape$K - 1, P = if (!is.null(shape$family)) shape_size(shape)))
  eval(of, known, environment(shape_number))
}

# As numbers that may be larger than R's integers.
shape_size <- function(shape) {
  shape <- lapply(shape, function(v) if (is.numeric(v)) as.numeric(v) else v)
  shape$p * shape$K * shape$parts + shape$q * (shape$K - 1) + if (has_dispersion(shape)) shape$K else 0
}

take_field <- function(f, x, at, shape) {
  size <- shape_number(f$size, shape)
  most <- shape_number(f$most, shape)
  among <- shape_number(f$among, shape)
  up_to <- function(otherwise) if (is.finite(most)) most else otherwise
  switch(f$kind,
    text = take_text(x, at, up_to(longest_text), among),
    texts = take_texts(x, at, size, up_to(10000L), among = among),
    names = take_texts(x, at, size, up_to(10000L), unique = TRUE),
    site = take_site(x),
    flag = take_flag(x, at),
    flags = take_flags(x, at, size),
    count = take_count(x, at, max(f$least, 0), up_to(.Machine$integer.max)),
    rows = take_row_count(x, at),
    weight = take_weight(x, at),
    number = take_number(x, at, f$least, f$strict, most, f$whole, gaps = f$gaps),
    numbers = take_numbers(x, at, size, f$least, f$strict, most, f$whole, f$gaps, if (is.null(size)) 1e5 else 1e7),
    vector = if (size == 1) take_number(x, at) else take_numbers(x, at, size),
    matrix = take_matrix(x, at, size[1], size[2]),
    symmetric = take_symmetric(x, at, size),
    gram = take_gram(x, at, size),
    lambda = unlist(take_fields(x, at, f$of)),
    object = take_fields(x, at, f$of, shape),
    stop("a field of the kind ", f$kind, " has a reader of its own: ", at))
}

take_site <- function(x) {
  site <- take_text(x, "site", longest_name)
  if (!nzchar(trimws(site))) bad_field("site", "must be a name")
  site
}

# Sums of which nothing is finite, of their sizes.
nothing_finite <- function(shape) {
  lapply(message_objects$sums, function(f) {
    size <- shape_number(f$size, shape)
    if (length(size) == 2) matrix(-Inf, size[1], size[2]) else rep(-Inf, max(size, 1))
  })
}

# ---- earlier versions ------------------------------------------------------------------------

# A tree as today's version would have written it: what was added since the minor version `minor` has its default.
upgraded_tree <- function(tree, of, minor) {
  rows <- message_objects[[of]]
  if (!is.list(tree) || is.null(names(tree))) return(tree)
  for (f in rows) {
    there <- f$name %in% names(tree)
    if (!there && f$since > minor && f$name %in% needed_fields(rows)) tree[f$name] <- list(f$default)
    if (there && !is.null(f$of)) tree[f$name] <- list(upgraded_tree(tree[[f$name]], f$of, minor))
  }
  tree
}
