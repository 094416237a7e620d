# Covariances that allow for rows of a cluster (a patient, a school) to go together.

# Sandwich with the sums of scores by cluster, Liang and Zeger (1986), times G / (G - 1) for G clusters.
# Gives the covariance and G. `bread`: the inverse of the information, of variances of experts, not their logarithms.
cluster_covariance <- function(object, bread, cluster, newdata, weights) {
  found <- if (is.null(newdata) || is.data.frame(newdata) || object$schema$kind == "matrix") {
    rows <- cluster_rows(object, cluster, newdata, weights)
    meat_of_clusters(rowsum(weighted_scores(object, rows$design), rows$cluster))
  } else {
    cluster_meat_at_sites(object, cluster, newdata, weights)
  }
  if (found$groups < 2) no_covariance("All rows are of one cluster: there is nothing to compare.")
  known <- !is.na(diag(bread))
  out <- bread
  part <- bread[known, known, drop = FALSE]
  out[known, known] <- found$groups / (found$groups - 1) * part %*% found$meat[known, known] %*% part
  list(covariance = out, groups = found$groups)
}

# `sums`: of scores, a row a cluster.
meat_of_clusters <- function(sums) list(meat = crossprod(sums), groups = nrow(sums))

# ---- rows in chunks and at sites: a cluster lies within one site, and may lie in several chunks ------------

# `sources`: a source, or a list of sources and data frames. Each site answers with a matrix of the size of vcov()
# and the number of its clusters.
cluster_meat_at_sites <- function(object, cluster, sources, weights) {
  if (!inherits(cluster, "formula") || length(cluster) != 2) {
    input_error("{.arg cluster} must be a one-sided formula, such as {.code ~ id}, where {.arg newdata} are sources.")
  }
  if (!is.null(weights) && !(is.character(weights) && length(weights) == 1)) {
    input_error("{.arg weights} must be the name of a column where {.arg newdata} are sources.")
  }
  if (is_source(sources)) sources <- list("the source" = sources)
  if (!is.list(sources) || !length(sources)) {
    input_error("{.arg newdata} must be a data frame, a source, or a list of them, one a site.")
  }
  if (is.null(names(sources))) names(sources) <- paste("site", seq_along(sources))
  task <- list(object = bare_model(object), schema = object$schema, cluster = cluster, weights = weights,
    timeout = Inf, retries = 0)
  environment(task$cluster) <- globalenv()  # its names are columns; a caller's rows are not to travel
  answers <- site_answers(sources, task, cluster_at_site)
  seen <- sum(vapply(answers, `[[`, 0, "rows"))
  # The information is that of the fit: scores of other rows do not go with it.
  if (seen != object$n) {
    input_error("{.arg newdata} has {format_big(seen)} {cli::qty(seen)}complete row{?s}, the model rests on
      {format_big(object$n)}.",
      i = "Give the sources that the model was made of, all of them and no others.")
  }
  list(meat = Reduce(`+`, lapply(answers, `[[`, "meat")), groups = sum(vapply(answers, `[[`, 0L, "groups")))
}

cluster_at_site <- function(data, task) {
  sums <- NULL
  count <- 0
  add <- function(chunk) {
    rows <- cluster_rows(task$object, task$cluster, chunk, site_weights(chunk, task$weights), named = TRUE)
    weight <- rows$design$weight
    count <<- count + if (is.null(weight)) length(rows$cluster) else sum(weight > 0)
    if (!length(rows$cluster)) return()
    own <- rowsum(weighted_scores(task$object, rows$design), rows$cluster)
    both <- rbind(sums, own)
    sums <<- rowsum(both, rownames(both))
  }
  tryCatch({
    if (site_has_policy(source_folder(data))) {
      input_error("The site has a policy file, and none allows sums by cluster, of which some are of few rows.")
    }
    if (is_source(data)) source_visit(data, add, unique(c(site_columns(task), all.vars(task$cluster)))) else add(data)
    c(meat_of_clusters(sums), list(rows = count))
  }, error = identity)
}

# The design of the complete rows, and the cluster of each: its number, or `named` its value as text.
cluster_rows <- function(object, cluster, newdata, weights, named = FALSE) {
  own <- is.null(newdata)
  if (own) {
    rows_of_fit(object, "type = \"cluster\"")
    design <- kept_design(object)
    left <- object$na.action
    complete <- rep(TRUE, length(design$y) + length(left))
    complete[left] <- FALSE
  } else {
    design <- design_new(object$schema, newdata, need_response = TRUE)
    complete <- design$complete
    weights <- check_weights(weights, length(complete))
    design$weight <- weigh_units(if (length(weights)) weights[complete], design)
  }
  if (!any(complete)) {
    if (named) return(list(design = design, cluster = character()))
    input_error("{.arg newdata} has no complete row.")
  }
  value <- cluster_values(object, cluster, newdata)
  if (length(value) == length(complete)) value <- value[complete]
  if (length(value) != length(design$y)) {
    input_error("{.arg cluster} has {length(value)} value{?s}; the fit has {length(design$y)} rows
      ({length(complete)} with those left out).")
  }
  if (anyNA(value)) {
    input_error("{.arg cluster} is missing for {sum(is.na(value))} row{?s} of the fit.",
      i = "A row without a cluster can be one of its own: give it a name that no other has.")
  }
  check_unit_clusters(design, value)
  list(design = design, cluster = if (named) as.character(value) else match(value, unique(value)))
}

# One value a row: as given, or what a one-sided formula names in `newdata` or in the data of the fit. Several
# variables: their combinations.
cluster_values <- function(object, cluster, newdata) {
  if (is.null(cluster)) {
    input_error("{.arg cluster} is missing: {.code type = \"cluster\"} needs to know whose rows go together.",
      i = "Give {.code cluster = ~ id}, or a vector with one value a row.")
  }
  if (!inherits(cluster, "formula")) {
    if (is.list(cluster)) cluster <- combinations(cluster)
    if (!is.atomic(cluster)) {
      input_error("{.arg cluster} must be a one-sided formula or a vector, not {.obj_type_friendly {cluster}}.")
    }
    return(as.vector(cluster))
  }
  if (length(cluster) != 2) input_error("{.arg cluster} must be a one-sided formula, such as {.code ~ id}.")
  data <- if (is.null(newdata)) check_unchanged(object, data_of_call(object, environment(cluster))) else newdata
  frame <- try_formula(stats::model.frame(cluster, data, na.action = stats::na.pass),
    "{.arg cluster} can't be found.")
  if (!length(frame)) input_error("{.arg cluster} names no variable.")
  if (length(frame) == 1) as.vector(frame[[1]]) else combinations(frame)
}

combinations <- function(values) as.vector(do.call(interaction, c(unname(as.list(values)), drop = TRUE)))

# What the call of the fit named as its data, if it can still be found: from where the question was asked.
data_of_call <- function(object, where) {
  given <- object$call[["data"]]
  out <- if (is.null(given)) NULL else tryCatch(eval(given, where), error = function(e) NULL)
  if (is.data.frame(out)) {
    asked <- object$call[["subset"]]
    if (is.null(asked)) return(out)
    keep <- eval(asked, out, where)
    if (is.logical(keep)) keep <- which(keep)
    return(out[keep, , drop = FALSE])
  }
  input_error("The data of the fit can't be found again, so {.arg cluster} can't be looked up in them.",
    i = "Give it as a vector with one value a row, or give the rows as {.arg newdata} too.")
}

# The data may have been sorted, or their rows changed, since the fit: clusters would go to the wrong rows.
check_unchanged <- function(object, data) {
  left <- object$na.action
  rows <- if (length(left)) seq_len(nrow(data))[-left] else seq_len(nrow(data))
  kept <- object$model
  shared <- intersect(names(kept), names(data))
  same <- length(rows) == length(object$rows$y)
  if (same) {
    now <- tryCatch(design_response(object$schema, data)[rows], error = function(e) NULL)
    same <- identical(as.numeric(now), as.numeric(object$rows$y)) &&
      all(vapply(shared, function(v) identical(as.vector(data[[v]])[rows], as.vector(kept[[v]])), NA))
  }
  if (!same) {
    input_error("The data that the fit's call names are no longer the rows of the fit: {.arg cluster} can't be looked
      up in them.", i = "Give {.arg cluster} as a vector with one value a row of the fit, or the rows as
        {.arg newdata} too.")
  }
  data
}

# Of the rows of a design, in the order of coef(), by variances; times the case weights.
weighted_scores <- function(object, design) {
  scores <- cpp_row_scores(design, core_model(object), moe_threads())
  colnames(scores) <- names(coef(object))
  at <- parameter_index(object)$kind == "dispersion"
  scores[, at] <- scores[, at] / rep(object$parameters$dispersion, each = nrow(scores))
  if (is.null(design$weight)) scores else scores * design$weight
}
