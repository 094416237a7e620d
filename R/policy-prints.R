# Fingerprints of the rows behind a message: keyed, and of sums, so that no row can be told from them. The key stays in
# a file of the site.

print_buckets <- 512L

# Of the rows of weight above 0: list(rows, names, whole, by). `whole` (of all variables), `by` (of each that has
# mostly different values, and of `id`).
prints_of <- function(data, names, weights, id, key) {
  if (!is.null(id) && !id %in% names(data)) {
    input_error("The policy's {.field id}, the column {.val {id}}, is not in the data.")
  }
  names <- intersect(names, names(data))
  names <- names[!vapply(data[names], is.matrix, NA)]
  used <- complete_rows(data[names])
  if (!is.null(weights)) used <- used & data[[weights]] > 0
  columns <- lapply(data[unique(c(names, id))], function(v) {
    v <- v[used]
    if (is.factor(v) || is.character(v)) as.character(v) else as.numeric(v)
  })
  prints <- cpp_row_prints(unname(columns[names]), key, print_buckets)
  differs <- vapply(columns, function(v) length(unique(v)) > length(v) / 2, NA)
  by <- stats::setNames(prints[-1], names)[differs[names]]
  if (!is.null(id)) by[[paste0("id ", id)]] <- cpp_row_prints(list(columns[[id]]), key, print_buckets)[[1]]
  list(rows = sum(used), names = names, whole = prints[[1]], by = by)
}

add_prints <- function(a, b) {
  if (is.null(a)) return(b)
  add <- function(u, v) (u + v) %% 2^32
  both <- intersect(names(a$by), names(b$by))
  list(rows = a$rows + b$rows, names = a$names, whole = add(a$whole, b$whole), by = Map(add, a$by[both], b$by[both]))
}

# How many rows one of two sets has and not the other, by the buckets that differ. 0: all fingerprints that both have
# are the same; else the smallest number that any tells, as one variable may have changed in few rows and others in
# none or all. NA: they have none in common.
rows_apart <- function(a, b) {
  count <- function(u, v) {
    x <- mean(u != v)
    if (x < 1) -length(u) * log1p(-x) else Inf
  }
  both <- intersect(names(a$by), names(b$by))
  apart <- unlist(Map(count, a$by[both], b$by[both]))
  if (identical(a$names, b$names)) apart <- c(apart, count(a$whole, b$whole))
  if (!length(apart)) return(NA_real_)
  if (any(apart > 0)) min(apart[apart > 0]) else 0
}

# ---- as text -----------------------------------------------------------------------------------

print_text <- function(sums) {
  paste(sprintf("%04x%04x", as.integer(sums %/% 65536), as.integer(sums %% 65536)), collapse = "")
}

text_print <- function(text) {
  ok <- is.character(text) && length(text) == 1 && grepl("^[0-9a-f]+$", text) && nchar(text) == 8 * print_buckets
  if (!ok) stop("not a fingerprint")
  halves <- strtoi(substring(text, seq(1, nchar(text), 4), seq(4, nchar(text), 4)), 16)
  halves[c(TRUE, FALSE)] * 65536 + halves[c(FALSE, TRUE)]
}
