# Covariances that allow for rows of a cluster (a patient, a school) to go together.

# Sandwich with the sums of scores by cluster, Liang and Zeger (1986), times G / (G - 1) for G clusters.
# Gives the covariance and G. `bread`: the inverse of the information, of variances of experts, not their logarithms.
cluster_covariance <- function(object, bread, cluster, newdata, weights) {
  rows <- cluster_rows(object, cluster, newdata, weights)
  sums <- rowsum(weighted_scores(object, rows$design), rows$cluster)
  groups <- nrow(sums)
  if (groups < 2) no_covariance("All rows are of one cluster: there is nothing to compare.")
  known <- !is.na(diag(bread))
  out <- bread
  part <- bread[known, known, drop = FALSE]
  meat <- crossprod(sums[, known, drop = FALSE])
  out[known, known] <- groups / (groups - 1) * part %*% meat %*% part
  list(covariance = out, groups = groups)
}

# The design of the complete rows, and the cluster of each.
cluster_rows <- function(object, cluster, newdata, weights) {
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
    if (length(weights)) design$weight <- weights[complete]
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
  list(design = design, cluster = match(value, unique(value)))
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
  data <- if (is.null(newdata)) data_of_call(object, environment(cluster)) else newdata
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

# Of the rows of a design, in the order of coef(), by variances; times the case weights.
weighted_scores <- function(object, design) {
  scores <- cpp_row_scores(design, core_model(object), moe_threads())
  colnames(scores) <- names(coef(object))
  at <- parameter_index(object)$kind == "dispersion"
  scores[, at] <- scores[, at] / rep(object$parameters$dispersion, each = nrow(scores))
  if (is.null(design$weight)) scores else scores * design$weight
}
