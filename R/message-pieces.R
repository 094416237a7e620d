# Pieces that several kinds of messages have: parameters, settings, scalings, sizes. As trees, and back.

as_map <- function(x) {
  if (is.null(names(x))) names(x) <- rep("", length(x))
  x
}

scaling_tree <- function(scaling) {
  part <- function(s) {
    s$combination <- by_column(s$combination[, s$aliased, drop = FALSE])
    fields_tree(s[names(message_objects$column_scaling)], "column_scaling")
  }
  scaling[c("x", "z")] <- lapply(scaling[c("x", "z")], part)
  fields_tree(scaling[names(message_objects$scaling)], "scaling")
}

# What a reader would refuse is not written.
check_tree_sizes <- function(columns, levels = list(), weight = 1) {
  most <- c(columns = max(lengths(columns)), levels = max(0L, lengths(levels)))
  large <- most > most_columns
  if (any(large)) {
    input_error("A message can't hold {format_big(most[large][1])} {names(most)[large][1]} of experts, gates or a
      factor: {format_big(most_columns)} are the most.", i = "Take a shorter formula, or put rare levels together.")
  }
  if (!is.finite(weight) || weight > most_rows) {
    input_error("A message can't hold a sum of weights of {format(weight)}: {format(most_rows)} is the most.",
      i = "Divide the weights by a number.")
  }
}

check_tree_texts <- function(tree) {
  texts <- c(unlist(rapply(tree, function(v) v, "character", how = "list")), tree_names(tree))
  bad <- is_harmful(texts) | nchar(texts, "bytes") > longest_text | !validUTF8(enc2utf8(texts))
  if (any(bad)) {
    input_error("A message can't hold the text {.val {shown_text(texts[bad][1])}}: it has control
      characters or more than {longest_text} bytes.", i = "Rename that column, level or site.")
  }
}

tree_names <- function(tree) {
  if (!is.list(tree)) return(character())
  c(names(tree), unlist(lapply(tree, tree_names), use.names = FALSE))
}

take_parameters <- function(x, at, shape) {
  out <- take_fields(x, at, "parameters", shape)
  if (!has_dispersion(shape) && any(out$dispersion != 1)) {
    bad_field(field_at(at, "dispersion"), "must be 1: the family has none")
  }
  out
}

take_scaling <- function(x, at, shape) {
  of <- function(size) function(x, at) take_column_scaling(x, at, as.integer(size))
  take_fields(x, at, "scaling", own = list(x = of(shape$p), z = of(shape$q)))
}

take_column_scaling <- function(x, at, size) {
  out <- take_fields(x, at, "column_scaling", list(size = size), list(combination = function(x, at) x))
  combination <- matrix(0, size, size)
  combination[, out$aliased] <- take_matrix(out$combination, field_at(at, "combination"), size, sum(out$aliased))
  out$combination <- combination
  out
}

by_parameters <- function(p) fields_tree(p[names(message_objects$parameters)], "parameters")
