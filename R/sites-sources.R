# Sites whose rows are sources: what the centre hears of them before they are fitted, and their design.

# The columns that a site's fit reads.
site_columns <- function(task) {
  c(task$schema$response_variables, task$schema$needs, task$weights, task$schema$group)
}

# A site's rows, if there are not too many for memory; else the source.
rows_in_memory <- function(data, task) {
  if (!is_source(data)) {
    if (is.data.frame(data)) return(data)
    input_error("The source must be a data frame or made by {.fn moe_source}, not
      {.obj_type_friendly {data}}.")
  }
  rows <- source_read(data, unique(site_columns(task)), data$memory_rows)
  if (is.null(rows)) data else rows
}

# The design of a large source under the common schema.
stream_site <- function(source, task) {
  schema <- task$schema
  refuse_group(schema, "Sources whose rows are not held in memory")
  environment(schema$frame) <- environment(task$formula)
  frame_of <- function(chunk, terms) row_frame(terms, chunk, site_weights(chunk, task$weights))
  stream_rows(source, unique(site_columns(task)), schema, frame_of)
}

# ---- what the centre hears --------------------------------------------------------------------

# The sites with every source replaced by a sketch of its columns: a data frame without any of its
# rows. One that can't be opened is left for its own fit to report; one that was lost or timed out is of
# class moe_lost. `full`: not only for `.`.
sketch_sources <- function(sources, formula, gating, full, timeout = Inf, retries = 0L) {
  is <- vapply(sources, is_source, NA)
  names <- unique(unlist(lapply(c(formula, gating), all.vars)))
  if (!any(is) || !(full || "." %in% names)) return(sources)
  sketches <- run_at_sites(sources[is], sketch_at_site, list(names = if (!"." %in% names) names),
    timeout = timeout, retries = retries, batches = workers_in_all())
  sources[is] <- sketches
  sources
}

sketch_at_site <- function(source, task) {
  tryCatch(sketch_source(source, task$names), error = identity)
}

# A data frame with a row for every level of the largest factor: levels as they are, numbers at their
# mean. In the attribute `described` what add_descriptions() sums up.
sketch_source <- function(source, names) {
  columns <- source_columns(source)
  if (!is.null(names)) columns <- intersect(columns, names)
  head <- stream_head(source, columns)
  if (is.null(head)) return(NULL)
  labels <- columns[vapply(head, function(v) variable_kind(v) == "label", NA)]
  labelled <- stream_labels(source, labels)
  levels <- lapply(labelled, label_levels)
  as_schema <- list(needs = columns, levels = levels)
  known <- NULL
  source_visit(source, function(chunk) known <<- add_descriptions(known, chunk, as_schema), columns)
  rows <- max(2L, lengths(levels))
  out <- lapply(stats::setNames(columns, columns), function(name) {
    v <- head[[name]]
    if (name %in% labels) {
      text <- rep_len(levels[[name]], rows)
      if (!is.factor(v)) return(text)
      return(with_contrasts(factor(text, levels[[name]], ordered = is.ordered(v)), attr(labelled[[name]], "contrasts")))
    }
    if (is.logical(v)) return(rep_len(c(TRUE, FALSE), rows))
    if (is.matrix(v) || is.null(known[[name]])) return(rep_len(0, rows))
    mean <- known[[name]]$mean
    typical <- rep(if (abs(mean) >= 0.5) round(mean) else mean, rows)
    attributes(typical) <- known[[name]]$like
    typical
  })
  structure(out, class = "data.frame", row.names = .set_row_names(rows), described = known)
}

# The schema of sites of which some are only sketched.
sketched_schema <- function(formula, gating, seen, family) {
  found <- site_variables(formula, gating, seen)
  terms <- formula_terms(found$formula, found$gating, found$all)
  for (call in terms$calls[-1]) {
    if (stream_by_row(call, found$all, environment(formula))) next
    input_error("{.code {deparse_one(call)}} depends on the rows of all sites, which are not in one place.",
      i = "Give a {.arg start}: a model of the same formula, fitted to a sample of rows or at one site,
      whose basis functions and levels all sites then use.")
  }
  frame <- try_formula(row_frame(frame_formula(terms, environment(formula)), found$all,
    na_action = stats::na.pass))
  schema <- new_schema(found$formula, found$gating, terms, frame, found$all, family$family)
  schema <- design_from_frame(match_levels(frame, schema), schema, need_response = FALSE)$schema
  known <- NULL
  for (site in Filter(is.data.frame, seen)) {
    described <- attr(site, "described")
    known <- if (is.null(described)) add_descriptions(known, site, schema)
             else join_descriptions(known, described, schema)
  }
  schema$variables <- finish_descriptions(known, schema)
  schema
}
