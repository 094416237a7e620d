# What the sites' models say of the parameters, as quadratics in the coordinates of a hierarchy.
#
# A quadratic is list(at, slope, curvature, value): a point, the log-likelihood's gradient and negative Hessian there,
# and its value (NA where it is not known).

# Sites' models and their order: the labels of experts, matched.
hierarchy_models <- function(sites) {
  aggregate <- inherits(sites, "moe_aggregate")
  listed <- if (aggregate) sites$sites else as_sites(sites)
  warn_refused(listed$table)
  models <- if (aggregate) used_models(sites) else listed$models
  if (length(models) < 2) {
    input_error("A hierarchy needs the models of two sites or more; {.arg sites} holds {length(models)}.",
      i = "{.code sites$table} says what became of the others.")
  }
  check_hierarchy_models(models)
  list(models = models, table = listed$table, sites = listed, schema = listed$schema,
    order = if (aggregate) sites$aggregation$order, aggregate = if (aggregate) sites)
}

# Can these be sites of a hierarchy?
check_hierarchy_models <- function(models) {
  counts <- vapply(models, function(m) m$K, 0L)
  if (length(unique(counts)) > 1) {
    input_error("The sites' models have {.val {sort(unique(counts))}} experts; a hierarchy needs as many at every
      site.",
      i = "Fit all from one start, {.code moe_sites(start = aggregate)}, or with one {.arg K}; {.fn moe_aggregate}
        makes one model of unequal ones.")
  }
  lacks <- names(models)[vapply(models, function(m) is.null(m$information), NA)]
  if (length(lacks)) {
    input_error("{cli::qty(lacks)}Site{?s} {.val {shown_names(lacks)}} sent no information matrix, which says how well
      {?its/their} parameters are known.", i = "Fit with {.code moe_sites(information = TRUE)}.")
  }
  sparse <- names(models)[vapply(models, function(m) is_sparse(m$record), NA)]
  if (length(sparse)) {
    input_error("{cli::qty(sparse)}Site{?s} {.val {shown_names(sparse)}} {?was/were} fitted with LASSO
      ({.code lambda}): what it sets to 0 has no normal distribution.", i = "Fit again without it.")
  }
}

# One site's quadratic under given labels, in parameters on columns standardised by `scaling`.
site_quadratic <- function(model, scaling, order) {
  information <- model$information
  fixed <- is_fixed(parameter_index(model), information)
  information$curvature[fixed, ] <- 0
  information$curvature[, fixed] <- 0
  map <- parameter_map(scaling, information$scaling, model)
  information$curvature <- cpp_congruent(information$curvature, map)
  relabelled <- model
  if (any(order != seq_along(order))) {
    information <- relabel_information(information, order, model)
    relabelled$parameters <- relabel_parameters(model$parameters, order)
  }
  at <- scaled_parameters(relabelled, scaling)
  # A site that is not at a maximum knows nothing in the directions in which it still rises.
  curvature <- cpp_positive_part(information$curvature)
  list(at = at, slope = numeric(length(at)), curvature = curvature, value = model$log_lik)
}

# list(order, quadratics): orders of all sites' experts, K x M, and their quadratics under these. Matched to those of
# the site with the most rows at first, then to the population that results.
match_by_information <- function(models, scaling) {
  K <- models[[1]]$K
  order <- matrix(seq_len(K), K, length(models), dimnames = list(NULL, names(models)))
  own <- matched <- lapply(models, site_quadratic, scaling, seq_len(K))
  if (K == 1) return(list(order = order, quadratics = own))
  weight <- vapply(models, function(m) m$weight, 0)
  first <- order(-weight, names(models))[1]
  towards <- own[[first]]$at
  for (round in 1:10) {
    new <- vapply(seq_along(models), function(m) {
      cpp_assign(match_costs(own[[m]], towards, models[[m]]))
    }, integer(K))
    new <- matrix(new, K, dimnames = dimnames(order))
    if (round > 1 && identical(new, order)) break
    changed <- which(colSums(new != order) > 0)
    matched[changed] <- lapply(changed, function(m) site_quadratic(models[[m]], scaling, new[, m]))
    order <- new
    towards <- common_mean(matched)
  }
  list(order = order, quadratics = matched)
}

# K x K: what it costs, in log-likelihood of the site's rows, if its expert (column) had the parameters of an expert
# (row) of `towards`. Gates take no part.
match_costs <- function(quadratic, towards, model) {
  index <- parameter_index(model)
  K <- model$K
  of <- lapply(seq_len(K), function(k) which(index$kind != "gate" & index$owner == k))
  meant <- vapply(of, function(at) towards[at], numeric(length(of[[1]])))
  out <- vapply(of, function(own) {
    gap <- quadratic$at[own] - meant
    colSums(gap * (quadratic$curvature[own, own, drop = FALSE] %*% gap)) / 2
  }, numeric(K))
  matrix(out, K, K)
}

# Where all sites' quadratics together have their maximum, were nothing to vary.
common_mean <- function(quadratics) {
  total <- Reduce(`+`, lapply(quadratics, function(q) q$curvature))
  pull <- Reduce(`+`, lapply(quadratics, function(q) q$slope + q$curvature %*% q$at))
  middle <- rowMeans(vapply(quadratics, function(q) q$at, numeric(nrow(total))))
  unit <- 1 / sqrt(pmax(diag(total), 1e-300))
  unit[diag(total) <= 0] <- 0
  e <- eigen(total * outer(unit, unit), symmetric = TRUE)
  use <- e$values > 1e-11 * max(e$values)
  v <- e$vectors[, use, drop = FALSE]
  middle + unit * drop(v %*% (crossprod(v, unit * (pull - total %*% middle)) / e$values[use]))
}
