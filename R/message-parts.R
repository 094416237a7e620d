# Pieces that several kinds of messages have: parameters, settings, scalings, sizes. As trees, and back.

by_column <- function(m) lapply(seq_len(ncol(m)), function(j) I(unname(m[, j])))

as_map <- function(x) {
  if (is.null(names(x))) names(x) <- rep("", length(x))
  x
}

# Settings with the two numbers of `lambda` by their names.
settings_tree <- function(settings) {
  if (!is.null(settings$lambda)) settings$lambda <- as.list(settings$lambda)
  settings
}

scaling_tree <- function(scaling) {
  part <- function(s) {
    list(centre = I(s$centre), scale = I(s$scale), intercept = s$intercept, aliased = I(s$aliased),
      combination = by_column(s$combination[, s$aliased, drop = FALSE]))
  }
  list(x = part(scaling$x), z = part(scaling$z), y_centre = scaling$y_centre, y_scale = scaling$y_scale,
    y_residual = scaling$y_residual)
}

packed <- function(m) I(m[lower.tri(m, TRUE)])

# What a reader would refuse is not written.
check_tree_sizes <- function(columns, levels = list(), weight = 1) {
  most <- c(columns = max(lengths(columns)), levels = max(0L, lengths(levels)))
  large <- most > most_columns
  if (any(large)) {
    input_error("A message can't hold {format_big(most[large][1])} {names(most)[large][1]} of experts, gates or a factor:
      {format_big(most_columns)} are the most.", i = "Take a shorter formula, or put rare levels together.")
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

take_site <- function(x) {
  site <- take_text(x, "site", longest_name)
  if (!nzchar(trimws(site))) bad_field("site", "must be a name")
  site
}

take_parameters <- function(x, at, shape) {
  x <- take_object(x, at, c("beta", "alpha", "dispersion"))
  dispersion <- take_numbers(x$dispersion, field_at(at, "dispersion"), shape$K, 0, strict = TRUE)
  if (!has_dispersion(shape) && any(dispersion != 1)) {
    bad_field(field_at(at, "dispersion"), "must be 1: the family has none")
  }
  list(beta = take_matrix(x$beta, field_at(at, "beta"), shape$p, shape$K * shape$parts),
    alpha = take_matrix(x$alpha, field_at(at, "alpha"), shape$q, shape$K - 1L), dispersion = dispersion)
}

take_lambda <- function(x, at) {
  parts <- c("expert", "gate")
  x <- take_object(x, at, parts)
  vapply(parts, function(part) take_number(x[[part]], field_at(at, part), 0), 0)
}

# As a number that may be larger than R's integers.
shape_size <- function(shape) {
  shape <- lapply(shape, function(v) if (is.numeric(v)) as.numeric(v) else v)
  shape$p * shape$K * shape$parts + shape$q * (shape$K - 1) + if (has_dispersion(shape)) shape$K else 0
}

take_scaling <- function(x, at, shape) {
  x <- take_object(x, at, c("x", "z", "y_centre", "y_scale", "y_residual"))
  part <- function(s, at, size) {
    s <- take_object(s, at, c("centre", "scale", "intercept", "aliased", "combination"))
    aliased <- take_flags(s$aliased, field_at(at, "aliased"), size)
    combination <- matrix(0, size, size)
    combination[, aliased] <- take_matrix(s$combination, field_at(at, "combination"), size, sum(aliased))
    list(centre = take_numbers(s$centre, field_at(at, "centre"), size),
      scale = take_numbers(s$scale, field_at(at, "scale"), size, 0, strict = TRUE),
      intercept = take_count(s$intercept, field_at(at, "intercept"), 0, size), aliased = aliased,
      combination = combination)
  }
  list(x = part(x$x, field_at(at, "x"), shape$p), z = part(x$z, field_at(at, "z"), shape$q),
    y_centre = take_number(x$y_centre, field_at(at, "y_centre")),
    y_scale = take_number(x$y_scale, field_at(at, "y_scale"), 0, strict = TRUE),
    y_residual = take_number(x$y_residual, field_at(at, "y_residual"), 0, strict = TRUE, most = 1))
}

by_parameters <- function(p) {
  list(beta = by_column(p$beta), alpha = by_column(p$alpha), dispersion = I(unname(p$dispersion)))
}
