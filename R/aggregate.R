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
#' @section Departures from the paper:
#' The variance update is the minimiser of (S7), not the printed (S8b), with
#' which the objective can rise. Experts of other families are updated by a
#' weighted regression of their family to convergence (logistic ones: (S15)),
#' not by (S14). Several starts are
#' tried (local models, components drawn far apart) as the objective is not
#' convex in practice. Starts are run under the component plan; the pointwise
#' plan, whose steps are many and dear, goes on from the few best ends.
#'
#' @param sites A `moe_sites` object, or a named list of models of class `moe`.
#' @param support The support sample: made by [moe_support()], or a data frame
#'   (matrix, for models of matrices) of points.
#' @param K Number of experts of the aggregate; by default the sites' (if they
#'   agree).
#' @param method `"reduction"`; `"middle"`: the local model with the least
#'   weighted transport divergence (9) from the others; `"average"`: the
#'   weighted mean of the parameters after the experts were aligned to the
#'   middle model by optimal matching on expected cost.
#' @param plan,weights See the sections.
#' @param control List of settings: `starts` (local models from which the MM
#'   algorithm is run, 5), `max_iterations` (200), `gate_ridge` (1e-4), and
#'   `middle_points` (points used for the pairwise divergences of the middle
#'   estimator, 500; fewer with many sites).
#' @return A model of class `moe_aggregate` and `moe` (see [moe-class]) with two
#'   more fields. `sites`: the `moe_sites` object. `aggregation`: list with
#'   `method`, `plan`, `weights`, `support` (number of points), `objective` (R_c
#'   at the start and after every MM step), `converged`, `start` (site from
#'   which the best run started, or NA), `runs` (final objective of every run),
#'   `baselines` (objective of the best local model and of the average), `mass`
#'   (L x K matrix: mean mass sent from each local expert to each expert; row
#'   names are `site:expert`), `lambda` (the sites' weights), `order` (K x M
#'   matrix: which expert of every site plays the part of each expert; NA where
#'   a site has another number of experts), `seconds`,
#'   `notes`.
#' @seealso [vcov.moe()] for standard errors, [moe_refine()] for more rounds.
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
                          control = list()) {
  started <- proc.time()[[3]]
  method <- check_choice(method, c("reduction", "middle", "average"), "method")
  plan <- check_choice(plan, c("component", "pointwise"), "plan")
  asked <- if (missing(weights)) NULL else check_choice(weights, c("site", "size"), "weights")
  control <- aggregate_control(control)
  sites <- as_sites(sites)
  models <- sites$models
  K <- aggregate_K(models, K, method)
  support <- moe_support(support)
  problem <- support_problem(models, support, asked)
  result <- switch(method,
    reduction = reduction(models, problem, K, plan, control),
    middle = middle(models, problem, control),
    average = average(models, problem, control))
  first <- models[[1]]
  out <- new_moe(result$parameters, first$family, sites$schema,
    sum(vapply(models, function(m) m$n, 0)), sum(vapply(models, function(m) m$weight, 0)),
    share = result$share, call = match.call(), class = "moe_aggregate")
  out$sites <- sites
  out$aggregation <- c(list(method = method, plan = if (method == "reduction") plan,
    weights = problem$weights, support = nrow(problem$design$x)), result$aggregation,
    list(lambda = problem$lambda, order = matched_order(out, models, problem),
      seconds = proc.time()[[3]] - started, notes = problem$notes))
  if (isFALSE(out$aggregation$converged)) {
    cli::cli_warn(c("The reduction did not converge in {length(out$aggregation$objective) - 1} MM
      steps.", i = "Raise {.code control = list(max_iterations = )}."))
  }
  out
}

# order[k, m]: the expert of site m that plays the part of the aggregate's expert k; NA where a site has
# another number of experts. Matching takes few points.
matched_order <- function(object, models, problem) {
  out <- matrix(NA_integer_, object$K, length(models), dimnames = list(NULL, names(models)))
  same <- vapply(models, function(m) m$K == object$K, NA)
  total <- nrow(problem$design$x)
  points <- unique(round(seq(1, total, length.out = min(total, 1000))))
  if (any(same)) out[, same] <- match_all(object, models[same], take_rows(problem$design, points))
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

reduction <- function(models, problem, K, plan, control) {
  core <- lapply(unname(models), core_model)
  fit <- cpp_reduce(core, problem$lambda, problem$design, problem$site, K, NULL,
    c(control, plan = plan), moe_threads())
  counts <- vapply(models, function(m) m$K, 0L)
  rownames(fit$plan) <- paste0(rep(names(models), counts), ":", sequence(counts))
  colnames(fit$plan) <- as.character(seq_len(K))
  baselines <- c("best site" = suppressWarnings(min(fit$candidates, na.rm = TRUE)))
  if (all(counts == K) && length(models) > 1) {
    centre <- if (fit$start > 0) fit$start else 1L
    mean <- aligned_mean(models, centre, problem)
    if (!is.null(mean)) {
      baselines["average"] <- cpp_reduction_objective(core, problem$lambda, problem$design,
        problem$site, c(list(family = models[[1]]$family$family), mean), plan, moe_threads())
    }
  }
  list(parameters = fit$model, share = colSums(fit$plan), aggregation = list(
    objective = fit$objective, converged = fit$converged && fit$gates_converged,
    start = if (fit$start > 0) names(models)[fit$start] else NA_character_, runs = fit$runs,
    baselines = baselines[is.finite(baselines)], mass = fit$plan))
}

# Pairwise divergences cost M^2 transport problems a point: with many sites fewer points are used.
middle_index <- function(models, problem, control) {
  count <- length(models)
  if (count == 1) return(list(index = 1L, score = 0))
  total <- nrow(problem$design$x)
  points <- min(total, max(50L, min(control$middle_points, as.integer(5e6 / count^2))))
  take <- unique(round(seq(1, total, length.out = points)))
  pairs <- cpp_pairwise_divergence(lapply(unname(models), core_model),
    take_rows(problem$design, take))
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

middle <- function(models, problem, control) {
  found <- middle_index(models, problem, control)
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
