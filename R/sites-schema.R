# A common design for all sites.

# The schema on the variables of all sites that hold them in the same type. A site that does not is
# left for its own fit to refuse.
site_schema <- function(formula, gating, sources, family) {
  found <- site_variables(formula, gating, sources)
  all <- found$all
  design_build(found$formula, found$gating, all, family$family, function(f) row_frame(f, all))$schema
}

# The variables of all such sites, and the formulas with `.` spelled out.
site_variables <- function(formula, gating, sources) {
  frames <- Filter(is.data.frame, sources)
  if (!length(frames)) {
    why <- if (inherits(sources[[1]], "error")) said(sources[[1]]) else sources[[1]]$message
    input_error("None of the {.arg sources} can be opened.", x = "The first says: {why}")
  }
  # `.` means the columns that most sites have.
  columns <- vapply(frames, function(d) paste(sort(names(d)), collapse = "\r"), "")
  typical <- frames[[which(columns == names(which.max(table(columns))))[1]]]
  terms <- formula_terms(formula, gating, typical)
  spelled <- spell_out(formula, gating, terms)
  wanted <- unique(unlist(lapply(terms$calls, all.vars)))
  holders <- Filter(function(d) nrow(d) > 0 && any(wanted %in% names(d)), frames)
  if (!length(holders)) input_error("No source holds the variables {.val {wanted}}.")
  names_in <- lapply(holders, function(d) intersect(wanted, names(d)))
  common <- names(which.max(table(vapply(names_in, paste, "", collapse = "\r"))))
  holders <- holders[vapply(names_in, paste, "", collapse = "\r") == common]
  kinds <- vapply(holders, function(d) {
    paste(vapply(d[intersect(wanted, names(d))], variable_kind, ""), collapse = "\r")
  }, "")
  holders <- holders[kinds == names(which.max(table(kinds)))]
  c(spelled, list(all = bind_variables(holders, intersect(wanted, names(holders[[1]]))), terms = terms))
}

# The schema that a common start brings along, if it is a start for these formulas.
site_start_schema <- function(start, formula, gating, sources, family) {
  if (start$family$family != family$family) {
    input_error("{.arg start} has family {.val {start$family$family}}, {.arg family} is
      {.val {family$family}}.")
  }
  schema <- start_schema(start, formula, gating, Find(is.data.frame, sources))
  if (is.null(schema)) {
    input_error("{.arg start} was fitted with other formulas than {.arg formula} and {.arg gating}.",
      i = "Its formula is {.code {deparse_one(start$schema$formula)}}.")
  }
  schema
}

bind_variables <- function(frames, names) {
  out <- lapply(stats::setNames(names, names), function(name) {
    v <- bind_column(unname(lapply(frames, function(d) d[[name]])), name)
    if (is.character(v)) factor(v, levels = sort(unique(v))) else v
  })
  out <- as.data.frame(out, optional = TRUE, stringsAsFactors = FALSE)
  # One site's infinite values must not spoil the basis of all; that site's own fit will refuse them.
  finite <- rep(TRUE, nrow(out))
  for (v in out) if (is.numeric(v) && bad_values(v)[1] > 0) finite <- finite & is.finite(v)
  if (all(finite)) out else out[finite, , drop = FALSE]
}
