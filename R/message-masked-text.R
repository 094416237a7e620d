# Masked answers, and what is asked and told where sites are missing, as trees, and back.

numbers_a_text <- 15

masked_tree <- function(masked) {
  hex <- hex_text(masked$values)
  from <- seq(1, nchar(hex), 64 * numbers_a_text)
  masked$values <- substring(hex, from, pmin(from + 64 * numbers_a_text - 1, nchar(hex)))
  fields_tree(masked, "masked")
}

take_masked <- function(x, at, shape, first) {
  out <- take_fields(x, at, "masked")
  like <- if (first) moment_sizes(shape$p, shape$q) else lengths(summed_fields(nothing_finite(shape)))
  hex <- paste(out$values, collapse = "")
  count <- sum(like)
  if (nchar(hex) != 64 * count || !grepl("^[0-9a-f]*$", hex)) {
    bad_field(field_at(at, "values"), "must be ", count, " numbers of 64 hexadecimal digits")
  }
  out$values <- hex_bytes(hex)
  out
}

tree_recovery <- function(x) {
  as_is <- function(x, at) x
  out <- take_fields(x, "", "recovery", own = list(schema = as_is, kind = as_is, checksum = as_is))
  if (!all(out$missing %in% out$among)) bad_field("missing", "must be sites of `among`")
  list(site = out$site, recovery = structure(out[c("request", "among", "missing")], class = "moe_recovery"))
}

tree_seeds <- function(x) {
  as_is <- function(x, at) x
  out <- take_fields(x, "", "seeds", own = list(schema = as_is, kind = as_is, checksum = as_is))
  if (!all(grepl("^[0-9a-f]{64}$", out$shared$seed))) bad_field("shared.seed", "must be 64 hexadecimal digits each")
  list(site = out$site, seeds = structure(list(site = out$site, request = out$request,
    seeds = stats::setNames(as.list(out$shared$seed), out$shared$site)), class = "moe_seeds"))
}

#' @export
print.moe_recovery <- function(x, ...) {
  cat("Of ", length(x$among), " sites of a masked exchange these are said to be missing: ",
    paste(shown_names(x$missing), collapse = ", "), "\n", sep = "")
  print_origin(x)
  invisible(x)
}

#' @export
print.moe_seeds <- function(x, ...) {
  cat("Seeds of one exchange that site \"", shown_names(x$site), "\" shared with ",
    paste(shown_names(names(x$seeds)), collapse = ", "), "\n", sep = "")
  print_origin(x)
  invisible(x)
}
