#' Aggregate the models of several sites into one
#'
#' `method = "reduction"` is the estimator of Chamroukhi and Pham: the K-expert
#' model with the least transport divergence (11) from the mixture of all local
#' models, found by majorisation-minimisation (section 4). Expectations are
#' means over the support sample. The gates are then fitted to the mass that
#' each expert received, (S4), (S5).
#'
#' @section Plans:
#' `"component"` (default) sends a local expert as a whole to the expert of
#' least expected cost. `"pointwise"` is the paper's plan (16): it chooses anew
#' at every x, which sends mass to the wrong expert wherever two experts' means
#' cross and flattens the gates; it stays available for comparison.
#'
#' @section Weights:
#' `"site"` asks every site's model only at that site's own points (the support
#' must carry `site`), points weighted so that sites count by their rows. It
#' holds when sites see different x, and wants many points (20,000 or so).
#' `"size"` is the paper's: every model is asked at every point, with weight
#' n_m / n; right only where all sites see the same x. The default is `"site"`
#' where the points carry their site, else `"size"`; the print says which.
#'
#' @section What must be known:
#' All models must have the same columns, made by the same basis functions, and
#' one family. The support must determine every column that some site
#' determines. A coefficient that a site's own data do not determine (a column
#' that is constant there) is harmless with `"site"` weights; with `"size"`
#' weights it counts, and a warning and the print name site and column.
#'
#' @section Costs:
#' c(a, b) of sending a local expert a to an expert b of the aggregate, at every
#' x:
#' * `"kl"` (default): KL(a || b). The means of what is sent to an expert are
#'   regressed on x, (S8), (S15).
#' * `"reverse-kl"`: KL(b || a), which lets an expert ignore wide components.
#'   Gaussian experts are least squares weighted by the components' precisions,
#'   with the mean of these as precision; for the others the components' linear
#'   predictors are fitted by Gauss-Newton steps with step-halving.
#' * `"wasserstein"`: the squared 2-Wasserstein distance of Gaussian experts,
#'   (gap of the means)^2 + (gap of the standard deviations)^2, in units of y^2.
#'   Other families are refused.
#' * `"hellinger"`: the squared Hellinger distance 1 - BC, BC the Bhattacharyya
#'   coefficient, between 0 and 1. Far components count little, so it is robust
#'   and far from convex. Its update is a majorisation of its own: the update of
#'   KL towards the components' midpoints with the expert, weighted by BC.
#'
#' Under every cost the objective never rises. KL has the fast loops; the other
#' costs go through all pairs of points, components and experts.
#'
#' @section Departures from the paper:
#' The variance update is the minimiser of (S7), not the printed (S8b), with
#' which the objective can rise. Experts of other families are updated by a
#' weighted regression of their family to convergence (logistic ones: (S15)).
#' `update = "closed-form"` takes (S14) instead, least squares of the logits of
#' the mean probabilities, which is not the minimiser: the objective may rise,
#' and the print says at how many steps it did. It is there for comparison with
#' the paper, for logistic experts and KL alone.
#'
#' @section Starts:
#' The objective is not convex in practice. The MM algorithm is run from the
#' local models with K experts that have the least objective themselves (the
#' first of them is the middle one: nearest to all others), from three sets of
#' components drawn far apart, and from k-means on the means and standard
#' deviations of all components at 64 support points; the least objective wins.
#' An expert to which nothing is sent takes over the component that costs most.
#' Starts are run under the component plan; the pointwise plan, whose steps are
#' many and dear, goes on from the few best ends.
#'
#' @param sites A `moe_sites` object, or a named list of models of class `moe`.
#' @param support The support sample: made by [moe_support()], or a data frame
#'   (matrix, for models of matrices) of points.
#' @param K Number of experts of the aggregate; by default the sites' (if they
#'   agree). Sites may have different numbers of experts.
#' @param method `"reduction"`; `"middle"`: the local model with the least
#'   weighted transport divergence (9) from the others; `"average"`: the
#'   weighted mean of the parameters after the experts were aligned to the
#'   middle model by optimal matching on expected cost.
#' @param plan,weights,cost See the sections. `cost` also serves `"middle"`.
#' @param update `"exact"`, or `"closed-form"`: (S14), see departures.
#' @param control List of settings: `starts` (local models from which the MM
#'   algorithm is run, 5), `max_iterations` (200), `gate_ridge` (1e-4), and
#'   `middle_points` (points used for the pairwise divergences of the middle
#'   estimator, 500; fewer with many sites).
#' @return A model of class `moe_aggregate` and `moe` (see [moe-class]) with two
#'   more fields. `sites`: the `moe_sites` object. `aggregation`: list with
#'   `method`, `plan`, `cost`, `update`, `descends` (is the objective bound not to
#'   rise?), `weights`, `support` (number of points), `objective` (R_c
#'   at the start and after every MM step), `rises` (steps at which it rose),
#'   `converged`, `reseeds` (experts placed anew), `start` (site from
#'   which the best run started, or NA), `runs` (final objective of every run,
#'   named by its start: a site, `"far apart"`, `"k-means"`),
#'   `baselines` (objective of the best local model and of the average), `mass`
#'   (L x K matrix: mean mass sent from each local expert to each expert; row
#'   names are `site:expert`), `lambda` (the sites' weights), `seconds`,
#'   `notes`.
#' @examples
#' sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C"), each = 1000)
#' sites <- moe_sites(y ~ ., split(sim$data, site), K = 2)
#' take <- seq(1, 3000, by = 3)
#' moe_aggregate(sites, moe_support(sim$data[take, ], site = site[take]))
#' @export
moe_aggregate <- function(sites, support, K = NULL,
                          method = c("reduction", "middle", "average"),
                          plan = c("component", "pointwise"), weights = c("site", "size"),
                          cost = c("kl", "reverse-kl", "wasserstein", "hellinger"),
                          update = c("exact", "closed-form"), control = list()) {
  started <- proc.time()[[3]]
  method <- check_choice(method, c("reduction", "middle", "average"), "method")
  plan <- check_choice(plan, c("component", "pointwise"), "plan")
  asked <- if (missing(weights)) NULL else check_choice(weights, c("site", "size"), "weights")
  control <- aggregate_control(control)
  sites <- as_sites(sites)
  models <- sites$models
  cost <- check_cost(cost, models[[1]]$family)
  update <- check_update(update, models[[1]]$family, cost, method)
  K <- aggregate_K(models, K, method)
  support <- moe_support(support)
  problem <- support_problem(models, support, asked)
  result <- switch(method,
    reduction = reduction(models, problem, K, c(control, plan = plan, cost = cost, update = update)),
    middle = middle(models, problem, control, cost),
    average = average(models, problem, control))
  first <- models[[1]]
  out <- new_moe(result$parameters, first$family, sites$schema,
    sum(vapply(models, function(m) m$n, 0)), sum(vapply(models, function(m) m$weight, 0)),
    share = result$share, call = match.call(), class = "moe_aggregate")
  out$sites <- sites
  out$aggregation <- c(list(method = method, plan = if (method == "reduction") plan,
    cost = if (method != "average") cost, update = if (method == "reduction") update,
    descends = if (method == "reduction") update == "exact",
    weights = problem$weights, support = nrow(problem$design$x)), result$aggregation,
    list(lambda = problem$lambda, seconds = proc.time()[[3]] - started, notes = problem$notes))
  if (isFALSE(out$aggregation$converged)) {
    cli::cli_warn(c("The reduction did not converge in {length(out$aggregation$objective) - 1} MM
      steps.", i = "Raise {.code control = list(max_iterations = )}."))
  }
  out
}

aggregate_control <- function(control) {
  default <- list(starts = 5L, max_iterations = 200L, gate_ridge = 1e-4, middle_points = 500L)
  unknown <- setdiff(names(control), names(default))
  if (!is.list(control) || length(unknown) || (length(control) && is.null(names(control)))) {
    found <- if (length(unknown)) unknown else class(control)[1]
    input_error("{.arg control} must be a named list with some of {.val {names(default)}}; found
      {.val {found}}.")
  }
  out <- utils::modifyList(default, control)
  list(starts = check_count(out$starts, "starts"),
    max_iterations = check_count(out$max_iterations, "max_iterations"),
    gate_ridge = check_number(out$gate_ridge, "gate_ridge"),
    middle_points = check_count(out$middle_points, "middle_points"))
}

# Sites in the order of their names, so that the order in which they came does not matter.
as_sites <- function(sites) {
  if (inherits(sites, "moe_sites")) {
    if (!length(sites$models)) {
      message <- sites$table$message[1]
      input_error("No site has a model: {nrow(sites$table)} site{?s} {?was/were} skipped or failed.",
        x = "The first says: {message}")
    }
    sites$models <- sites$models[order(names(sites$models))]
    return(sites)
  }
  if (inherits(sites, "moe")) sites <- list(site = sites)
  if (!is.list(sites) || !length(sites) || !all(vapply(sites, inherits, NA, "moe"))) {
    input_error("{.arg sites} must be made by {.fn moe_sites}, or be a named list of models.")
  }
  if (is.null(names(sites))) names(sites) <- paste0("site", seq_along(sites))
  if (any(names(sites) == "") || anyDuplicated(names(sites))) {
    input_error("{.arg sites} must have a different name for every model.")
  }
  sites <- lapply(sites[order(names(sites))], without_rows)
  first <- sites[[1]]
  # By number: looking names up would take time that grows with the square of their count.
  for (m in seq_along(sites)[-1]) {
    check_same_model(sites[[m]], paste("site", names(sites)[m]), first$schema, first$family)
  }
  table <- data.frame(site = names(sites), n = vapply(sites, function(m) m$n, 0),
    status = "fitted", stringsAsFactors = FALSE, row.names = NULL)
  structure(list(models = sites, table = table, schema = first$schema), class = "moe_sites")
}

aggregate_K <- function(models, K, method) {
  counts <- vapply(models, function(m) m$K, 0L)
  agree <- length(unique(counts)) == 1
  if (is.null(K)) {
    if (!agree) {
      input_error("The sites' models have {.val {sort(unique(counts))}} experts: say which {.arg K}
        the aggregate shall have.")
    }
    K <- counts[[1]]
  }
  K <- check_count(K, "K")
  if (method != "reduction" && (!agree || K != counts[[1]])) {
    input_error("{.code method = \"{method}\"} needs models with {.arg K} = {K} experts at every
      site.", i = "Use {.code method = \"reduction\"}.")
  }
  if (K > sum(counts)) {
    input_error("{.arg K} = {K} is more than all sites' experts together ({sum(counts)}).")
  }
  K
}

# A column that sites determine must vary over the support too, or nothing is known of it there.
check_support_columns <- function(design, models) {
  aliased <- cpp_aliased(design, models[[1]]$family$family)
  for (part in c("expert", "gate")) {
    columns <- models[[1]]$schema[[part]]$columns[aliased[[if (part == "expert") "x" else "z"]]]
    if (!length(columns)) next
    known <- lapply(models, function(m) setdiff(columns, m$record$aliased[[part]]))
    bad <- unique(unlist(known))
    if (!length(bad)) next
    input_error("The {.arg support} sample does not determine {cli::qty(bad)}column{?s} {.val {bad}}:
      constant there, or following from other columns.",
      i = "Give a support with more, or more varied, points.")
  }
}

# Sites whose data do not determine a coefficient still state one: it is harmless only where they are
# asked about their own x.
note_undetermined <- function(models, weights) {
  lost <- Filter(length, lapply(models, function(m) unique(unlist(m$record$aliased))))
  if (!length(lost) || weights == "site") return(character())
  text <- paste0(names(lost), " (", vapply(lost, paste, "", collapse = ", "), ")", collapse = "; ")
  note <- paste0("some sites' data do not determine all coefficients, and weights by size use what ",
    "they state all the same: ", text)
  cli::cli_warn(c("{note}.", i = "Use a support whose points carry their site, or a common start."))
  note
}

# The points with their weights: design (sorted by site), lambda, site of every point.
support_problem <- function(models, support, weights) {
  n <- vapply(models, function(m) m$weight, 0)
  lambda <- n / sum(n)
  notes <- character()
  if (is.null(weights)) weights <- if (is.null(support$site)) "size" else "site"
  if (weights == "site" && is.null(support$site)) {
    input_error("{.code weights = \"site\"} needs a {.arg support} whose points carry their site.",
      i = "Use {.code moe_support(x, site = )}, or {.code weights = \"size\"}.")
  }
  site <- integer()
  rows <- seq_len(nrow(support$x))
  if (weights == "site") {
    index <- match(support$site, names(models))
    without <- setdiff(names(models), support$site)
    if (length(without)) {
      input_error("The {.arg support} sample has no point of site{?s} {.val {without}}.",
        i = "Add points of every fitted site, or use {.code weights = \"size\"}.")
    }
    strange <- unique(support$site[is.na(index)])
    if (length(strange)) {
      notes <- paste0(sum(is.na(index)), " support points of sites without a model were not used (",
        paste(utils::head(strange, 5), collapse = ", "), if (length(strange) > 5) ", ...", ")")
    }
    rows <- order(index, na.last = NA)
    site <- index[rows]
  }
  kept <- support
  kept$x <- support$x[rows, , drop = FALSE]
  if (!is.null(support$y)) kept$y <- support$y[rows]
  design <- support_design(kept, models[[1]]$schema)
  check_support_columns(design, models)
  notes <- c(notes, note_undetermined(models, weights))
  if (weights == "site") {
    count <- tabulate(site, length(models))
    design$weight <- (lambda / count)[site] * length(site)
  }
  list(design = design, lambda = unname(lambda), site = site, weights = weights, notes = notes)
}

# The costs c(., .) and the families that have them.
check_cost <- function(cost, family) {
  cost <- check_choice(cost, c("kl", "reverse-kl", "wasserstein", "hellinger"), "cost")
  if (cost == "wasserstein" && family$family != "gaussian") {
    input_error("{.code cost = \"wasserstein\"} is for Gaussian experts; these are
      {.val {family$family}}.", i = "{.val kl}, {.val reverse-kl} and {.val hellinger} are for all.")
  }
  cost
}

check_update <- function(update, family, cost, method) {
  update <- check_choice(update, c("exact", "closed-form"), "update")
  fits <- family$family == "binomial" && cost == "kl" && method == "reduction"
  if (update == "closed-form" && !fits) {
    input_error("{.code update = \"closed-form\"}, (S14), is for the reduction of logistic experts under
      {.code cost = \"kl\"}; here: {.val {method}}, {.val {family$family}}, {.val {cost}}.",
      i = "Other experts have exact updates alone.")
  }
  update
}

# `options`: control, plan, cost and update.
reduction <- function(models, problem, K, options) {
  core <- lapply(unname(models), core_model)
  fit <- cpp_reduce(core, problem$lambda, problem$design, problem$site, K, NULL, options,
    moe_threads())
  counts <- vapply(models, function(m) m$K, 0L)
  rownames(fit$plan) <- paste0(rep(names(models), counts), ":", sequence(counts))
  colnames(fit$plan) <- as.character(seq_len(K))
  baselines <- c("best site" = suppressWarnings(min(fit$candidates, na.rm = TRUE)))
  if (all(counts == K) && length(models) > 1) {
    centre <- if (fit$start > 0) fit$start else 1L
    mean <- aligned_mean(models, centre, problem)
    if (!is.null(mean)) {
      baselines["average"] <- cpp_reduction_objective(core, problem$lambda, problem$design,
        problem$site, c(list(family = models[[1]]$family$family), mean), options$plan,
        moe_threads(), options$cost)
    }
  }
  names(fit$runs) <- c("k-means", "far apart", names(models))[fit$run_starts + 2L]
  list(parameters = fit$model, share = colSums(fit$plan), aggregation = list(
    objective = fit$objective, rises = fit$rises,
    converged = fit$converged && fit$gates_converged, reseeds = fit$reseeds,
    start = if (fit$start > 0) names(models)[fit$start] else NA_character_, runs = fit$runs,
    baselines = baselines[is.finite(baselines)], mass = fit$plan))
}

# Pairwise divergences cost M^2 transport problems a point: with many sites fewer points are used.
middle_index <- function(models, problem, control, cost = "kl") {
  count <- length(models)
  if (count == 1) return(list(index = 1L, score = 0))
  total <- nrow(problem$design$x)
  points <- min(total, max(50L, min(control$middle_points, as.integer(5e6 / count^2))))
  take <- unique(round(seq(1, total, length.out = points)))
  pairs <- cpp_pairwise_divergence(lapply(unname(models), core_model),
    take_rows(problem$design, take), cost)
  score <- colSums(problem$lambda * pairs)
  list(index = which.min(score), score = score)
}

take_rows <- function(design, rows) {
  same <- identical(design$schema$same, TRUE)
  design$x <- design$x[rows, , drop = FALSE]
  design$z <- if (same) design$x else design$z[rows, , drop = FALSE]
  for (v in c("y", "weight", "offset", "gate_offset")) {
    if (!is.null(design[[v]])) design[[v]] <- design[[v]][rows]
  }
  design
}

middle <- function(models, problem, control, cost) {
  found <- middle_index(models, problem, control, cost)
  model <- models[[found$index]]
  list(parameters = model$parameters, share = unname(model$share),
    aggregation = list(start = names(models)[found$index], score = found$score))
}

average <- function(models, problem, control) {
  found <- middle_index(models, problem, control)
  mean <- aligned_mean(models, found$index, problem)
  if (is.null(mean)) {
    input_error("{.code method = \"average\"} can't relabel models whose gates have an
      {.code offset()}.", i = "Use {.code method = \"reduction\"}.")
  }
  list(parameters = mean, share = NULL, aggregation = list(start = names(models)[found$index]))
}

# Mean of the parameters after every model's experts were matched to those of model `centre`. NULL
# where relabelling would move a gate offset's reference.
aligned_mean <- function(models, centre, problem) {
  order <- match_all(models[[centre]], models, problem$design)
  moved <- colSums(order != seq_len(nrow(order))) > 0
  if (any(moved) && has_gate_offset(models[[1]])) return(NULL)
  mean <- lapply(models[[1]]$parameters[c("beta", "alpha", "dispersion")], function(v) unname(v) * 0)
  for (m in seq_along(models)) {
    p <- models[[m]]$parameters
    if (moved[m]) p <- relabel_parameters(p, order[, m])
    for (part in names(mean)) {
      mean[[part]] <- mean[[part]] + problem$lambda[m] * unname(p[[part]])
    }
  }
  mean
}
