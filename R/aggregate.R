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
#' `"density"` asks every model at every point x, with a weight proportional to
#' n_m p_m(x), p_m being the density of the site's x as its summary tells
#' (normal in the numeric variables; sites fitted with `share = "x"`). It holds
#' when sites see different x too, and needs points that carry no site.
#' `"size"` is the paper's: every model is asked at every point, with weight
#' n_m / n; right only where all sites see the same x. Numbers, named by site,
#' are used as `"size"` uses n_m / n.
#'
#' The default is `"site"` where the points carry their site and are 20,000 or
#' as many as the sites have rows, or the sites share no summary of x; else
#' `"density"` where they do; else `"size"`. The print says which.
#'
#' @section Moments:
#' Gaussian experts under the component plan depend on the data only through
#' each local expert's matrix of sums of products of columns. Where all sites
#' share theirs (`share = "moments"` in [moe_sites()]), costs and experts come
#' from these, that is from all rows with each site asked about its own;
#' the support and its weights then serve the gates alone.
#'
#' The gates (all families, component plan) come from all rows too where all sites share the sums for
#' them (`share = "gates"`, taken at the gates of the sites' common start). In the gates'
#' score equations \eqn{\sum_i z_i (a_{ik} - \pi_k(z_i; \alpha)) = 0} the first sum, of what
#' the sites send (S4), is then exact, and the second is known at the start's gates, with its
#' derivative; only how it differs from there on, beyond that, is taken from the support. It is not used where
#' the start has another number of experts.
#'
#' @section Screening:
#' With five sites or more each local model is scored, and one that stands out
#' (a fit in a poor mode, nonsense) is left out, with a warning and a line in the
#' print. Where the support holds the response: by how much the model of the
#' usual other site (the median) explains the site's points better than its own
#' does, in log-likelihood a point; a site is left out if that is above 0 by 4
#' standard errors, and 5 median absolute deviations above the median score. So
#' a site that sees other x than the rest is not left out for it. Without
#' response: the median transport divergence (9) from the site's model to the
#' others' at its points; left out if 3 times the median score and 5 median
#' absolute deviations above it on the log scale. A site's points are its own
#' where points carry their site; else all, weighted as `"density"` does where
#' sites share summaries of x. At most 300 of its points and 12 other sites are looked at.
#' If more than half stand out none is left out. See also [moe_influence()].
#'
#' @section Influence:
#' By default a site counts as it says: a message that claims 1e15 rows decides the aggregate, and so do twenty messages
#' of invented sites. Where the centre says what it knows, by `registered` or `expected_sites`, no site can:
#' * Sites that it does not know are left out, with a warning (status `"unknown"`).
#' * A site counts by its registered rows at most, and by weights a row of at most their median; its
#'   information and sums are scaled with it, and information a row is at most 4 times the usual one. Without registered
#'   rows no site has more than half of the weights.
#' * Parameters are bounded, whatever passes the screening. On columns standardised at the support, experts in the order
#'   of the middle model's (that of least median divergence (9) from the others), each parameter of a site is brought
#'   within 2 usual distances of the median over the sites that determine it; two thirds of these are within 0.967 usual
#'   distances. And a site whose root mean square distance d is above 1.5 counts by \eqn{(1.5 / d)^2} (distances above
#'   10 count as 10). With fewer than three sites nothing is known of usual distances.
#' * Sums of columns (`share = "moments"`, `"gates"`) can't be checked against anything, and are used with
#'   `moments = TRUE` alone. Sites whose number of experts is not that of most are left out.
#'
#' What remains is what a site that lies little may do: shift each parameter by 2 usual distances, times its share of
#' the rows. Sites that differ in earnest are bounded as well; [moe_hierarchy()] gives each its own model (of
#' a bounded aggregate, from the bounded models). The support must be the centre's own: points drawn from summaries
#' that the sites sent ([moe_support()]) are theirs.
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
#' Under every cost the objective never rises. KL has the fast loops (but of Gamma and negative binomial experts);
#' the other costs go through all pairs of points, components and experts.
#'
#' Gamma experts have all but `"wasserstein"`: KL and BC are closed forms, under reverse KL shapes are
#' averaged. Negative binomial experts have `"kl"`, whose expectations are integrals, to 1e-10; its update of the
#' sizes is a step of EM.
#'
#' @section Homogeneity:
#' Where two sites or more sent their information (`moe_sites(information = TRUE)`) the field `homogeneity` and the
#' print say whether one model for all is what the sites say: Cochran's
#' \eqn{Q = \sum_m (\hat\theta_m - \bar\theta)' \Lambda_m (\hat\theta_m - \bar\theta)} with the information matrices
#' \eqn{\Lambda_m} and the mean that makes it least, chi-square without difference. Sites take part whose every expert
#' has ten rows a column (and no units, `group`); each counts with at most the 95 % quantile of its distance, so that
#' one site in a poor mode is no difference between sites. \eqn{(Q - df) / 2} a row (all of every site's distance)
#' estimates what models of their own would gain in log-likelihood. [moe_hierarchy()] goes on from there.
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
#' @param plan,weights,cost,moments See the sections. `cost` also serves
#'   `"middle"`. `moments`: NULL (used where all
#'   sites share them, the plan is `"component"` and the cost `"kl"`; sums for gates under any cost),
#'   TRUE (an error where the experts' can't be), or FALSE (neither is used).
#' @param screen TRUE: leave out sites whose models stand out, see the section.
#' @param min_sites,min_share NULL, or the fewest sites, and the least share (0 to 1) of the sites' rows,
#'   that must be in the aggregate; with less there is an error that names the missing. Rows of
#'   sites that did not tell how many they have are not counted in the share; the error and
#'   the print say so.
#' @param registered NULL (of messages read with a registry: its rows), or what the centre knows of the sites' sizes:
#'   numbers of rows, named by site. See the section
#'   on influence.
#' @param expected_sites NULL, or the names of the sites that take part.
#' @param max_weight_share NULL, or the largest share (0 to 1) of the weights that one site may have; what is above
#'   counts no more.
#' @param update `"exact"`, or `"closed-form"`: (S14), see departures.
#' @param control List of settings: `starts` (local models from which the MM
#'   algorithm is run, 5), `max_iterations` (200), `gate_ridge` (1e-4), and
#'   `middle_points` (points used for the pairwise divergences of the middle
#'   estimator, 500; fewer with many sites).
#' @param seed NULL: R's generator as it stands. A whole number: for [set.seed()]; the generator's state is put
#'   back afterwards.
#' @param keep TRUE: keep the support sample in the object, so that [moe_influence()] need not be given it
#'   again. It never travels in messages.
#' @return A model of class `moe_aggregate` and `moe` (see [moe-class]) with three
#'   more fields. `sites`: the `moe_sites` object. `support`: the support sample, with `keep`. `aggregation`: list with
#'   `method`, `plan`, `cost`, `update`, `descends` (is the objective bound not to
#'   rise?), `weights`, `moments` (were they used?), `gates_from_sums` (likewise, for the gates),
#'   `support` (number of points),
#'   `objective` (R_c at the start and after every MM step), `rises` (steps at which
#'   it rose), `converged` and `gates_converged` (of the MM algorithm, of the gates'
#'   regression), `reseeds` (experts placed anew), `start` (site from
#'   which the best run started, or NA), `runs` (final objective of every run,
#'   named by its start: a site, `"far apart"`, `"k-means"`),
#'   `baselines` (objective of the best local model and of the average, whose experts are here
#'   matched at 5,000 points at most), `mass`
#'   (L x K matrix: mean mass sent from each local expert to each expert; row
#'   names are `site:expert`), `lambda` (the sites' weights), `order` (K x M
#'   matrix: which expert of every site plays the part of each expert; NA where
#'   a site has another number of experts), `screening`
#'   (list with `table`: data frame with `site`, `score` and `outlying`, and `by`:
#'   `"response"` or `"transport"`; or `why` there is none; NULL with
#'   `screen = FALSE`), `bounds` (NULL, or data frame of the sites that were bounded: `site`, `claimed` and
#'   `counted` weight, `away`: distance d, `counts`: by how much the weight was multiplied), `control`, `seconds`,
#'   `notes`. Where sites are bounded the models in `sites` are the bounded ones. And `homogeneity`, see the section:
#'   NULL where it can't be told, or a list of `sites` (that took part), `Q`, `df`, `p`, `gain` (a row) and `differ` (is
#'   p below 0.005).
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
                          plan = c("component", "pointwise"),
                          weights = c("site", "density", "size"),
                          cost = c("kl", "reverse-kl", "wasserstein", "hellinger"),
                          update = c("exact", "closed-form"), moments = NULL, screen = TRUE,
                          control = list(), min_sites = NULL, min_share = NULL, keep = TRUE, seed = NULL,
                          registered = NULL, expected_sites = NULL, max_weight_share = NULL) {
  back <- use_seed(seed)
  on.exit(back())
  started <- proc.time()[[3]]
  method <- check_choice(method, c("reduction", "middle", "average"), "method")
  plan <- check_choice(plan, c("component", "pointwise"), "plan")
  asked <- if (!missing(weights)) weights
  control <- aggregate_control(control)
  bound <- bound_claims(as_sites(sites), centre_knows(registered, sites), expected_sites, max_weight_share)
  sites <- bound$sites
  warn_refused(sites$table)
  cost <- check_cost(cost, sites$models[[1]]$family)
  update <- check_update(update, sites$models[[1]]$family, cost, method)
  K <- aggregate_K(sites$models, K, method)
  points <- support_points(moe_support(support), sites$models[[1]]$schema, names(sites$models))
  kept <- screen_sites(sites$models, points, screen)
  bound <- bound_kept(bound, kept$models, points)
  sites$models <- bound$sites$models
  models <- bound$kept
  if (bound$known && is.null(moments)) moments <- FALSE
  # Numbers are asked for every site, also for those that screening leaves out.
  if (is.numeric(asked)) asked <- given_weights(asked, names(sites$models))[names(models)]
  check_floor(sites$table, names(models), min_sites, min_share)
  problem <- support_problem(models, points, asked)
  problem$moments <- shared_moments(models, moments, method, plan, cost)
  problem$gate_shares <- shared_gates(models, moments, method, plan)
  result <- switch(method,
    reduction = reduction(models, problem, K, c(control, plan = plan, cost = cost, update = update)),
    middle = middle(models, problem, control, cost),
    average = average(models, problem, control))
  first <- models[[1]]
  out <- new_moe(result$parameters, first$family, sites$schema,
    sum(vapply(models, function(m) m$n, 0)), sum(vapply(models, function(m) m$weight, 0)),
    share = result$share, call = match.call(), class = "moe_aggregate")
  out$sites <- sites
  if (check_flag(keep, "keep")) out$support <- without_design(points)
  if (method == "reduction") {
    result$aggregation$baselines <- baselines(models, problem, result, plan, cost)
  }
  out$aggregation <- c(list(method = method, plan = if (method == "reduction") plan,
    cost = if (method != "average") cost, update = if (method == "reduction") update,
    descends = if (method == "reduction") update == "exact",
    weights = problem$weights, moments = !is.null(problem$moments),
    support = nrow(problem$design$x)), result$aggregation,
    list(lambda = problem$lambda,
      order = if (is.null(result$order)) matched_order(out, models, problem) else result$order,
      screening = kept$screening, bounds = bounds_record(bound),
      control = control, seconds = proc.time()[[3]] - started,
      notes = c(problem$notes, bound$away$notes)))
  out$homogeneity <- test_homogeneity(models, out$aggregation$order)
  warn_about_aggregate(out$aggregation)
  out
}

# Who reads a folder of messages may not have looked at its table.
warn_refused <- function(table) {
  out <- table$status == "refused"
  if (!any(out)) return(invisible())
  shown <- utils::head(table$message[out], 5)
  shown <- escape_braces(vapply(shown, shown_text, "", most = 200L, USE.NAMES = FALSE))
  cli::cli_warn(c("{sum(out)} of {nrow(table)} message{?s} {cli::qty(sum(out))}{?is/are} refused and not in the
    aggregate.", stats::setNames(shown, rep("x", length(shown))), i = "See {.code read_moe(folder)$table}."),
    class = "moe_refused_warning")
}

warn_about_aggregate <- function(aggregation) {
  if (isFALSE(aggregation$converged)) {
    cli::cli_warn(c("The reduction did not converge in {length(aggregation$objective) - 1} MM steps.",
      i = "Raise {.code control = list(max_iterations = )}."))
  }
  if (isFALSE(aggregation$gates_converged)) {
    cli::cli_warn(c("The aggregate's gates did not converge: they may be far from the best.",
      i = "Look at {.code predict(type = \"gate\")}, or raise {.code control = list(gate_ridge = )}."))
  }
}

# order[k, m]: the expert of site m that plays the part of the aggregate's expert k; NA where a site has
# another number of experts. Matching takes few points.
matched_order <- function(object, models, problem) {
  out <- matrix(NA_integer_, object$K, length(models), dimnames = list(NULL, names(models)))
  same <- vapply(models, function(m) m$K == object$K, NA)
  if (any(same)) out[, same] <- match_all(object, models[same], take_evenly(problem$design, 1000))
  out
}

# `options`: control, plan, cost and update.
reduction <- function(models, problem, K, options, start = NULL) {
  fit <- cpp_reduce(lapply(unname(models), core_model), problem$lambda_at, problem$design, problem$site, K,
    if (!is.null(start)) core_model(start), options, moe_threads(), problem$moments, problem$gate_shares,
    problem$scaling)
  counts <- vapply(models, function(m) m$K, 0L)
  rownames(fit$plan) <- paste0(rep(names(models), counts), ":", sequence(counts))
  colnames(fit$plan) <- as.character(seq_len(K))
  names(fit$runs) <- c("k-means", "far apart", names(models))[fit$run_starts + 2L]
  list(parameters = fit$model, share = colSums(fit$plan), aggregation = list(
    objective = fit$objective, rises = fit$rises, converged = fit$converged,
    gates_converged = fit$gates_converged, reseeds = fit$reseeds,
    start = if (fit$start > 0) names(models)[fit$start] else NA_character_, runs = fit$runs,
    gates_from_sums = fit$gates_from_sums, baselines = NULL, mass = fit$plan),
    best_site = suppressWarnings(min(fit$candidates, na.rm = TRUE)))
}

# What the objective is of simpler models: the best local one, and the average of all, their experts matched to those of
# the model that the best run started from. (Matched to the aggregate's they would make a worse average.)
baselines <- function(models, problem, result, plan, cost) {
  out <- c("best site" = result$best_site)
  K <- length(result$share)
  if (length(models) > 1 && all(vapply(models, function(m) m$K, 0L) == K)) {
    centre <- match(result$aggregation$start, names(models), 1L)
    mean <- aligned_mean(models, match_all(models[[centre]], models, take_evenly(problem$design, 5000)), problem$lambda)
    if (!is.null(mean)) {
      out["average"] <- cpp_reduction_objective(lapply(unname(models), core_model), problem$lambda_at, problem$design,
        problem$site, c(list(family = models[[1]]$family$family), mean), plan, moe_threads(), cost, problem$moments,
        problem$scaling)
    }
  }
  out[is.finite(out)]
}

# Pairwise divergences cost M^2 transport problems a point: with many sites fewer points are used.
middle_index <- function(models, problem, control, cost = "kl") {
  count <- length(models)
  if (count == 1) return(list(index = 1L, score = 0))
  points <- max(50L, min(control$middle_points, as.integer(5e6 / count^2)))
  pairs <- cpp_pairwise_divergence(lapply(unname(models), core_model),
    take_evenly(problem$design, points), cost)
  score <- colSums(problem$lambda * pairs)
  list(index = which.min(score), score = score)
}

middle <- function(models, problem, control, cost) {
  found <- middle_index(models, problem, control, cost)
  model <- models[[found$index]]
  list(parameters = model$parameters, share = unname(model$share),
    aggregation = list(start = names(models)[found$index], score = found$score))
}

average <- function(models, problem, control) {
  found <- middle_index(models, problem, control)
  order <- match_all(models[[found$index]], models, problem$design)
  colnames(order) <- names(models)
  mean <- aligned_mean(models, order, problem$lambda)
  if (is.null(mean)) {
    input_error("{.code method = \"average\"} can't relabel models whose gates have an
      {.code offset()}.", i = "Use {.code method = \"reduction\"}.")
  }
  list(parameters = mean, share = NULL, order = order, aggregation = list(start = names(models)[found$index]))
}

# Mean of the parameters after every model's experts were put in order: order[k, m] plays the part of k. NULL where
# relabelling would move a gate offset's reference.
aligned_mean <- function(models, order, lambda) {
  moved <- colSums(order != seq_len(nrow(order))) > 0
  if (any(moved) && has_gate_offset(models[[1]])) return(NULL)
  mean <- lapply(models[[1]]$parameters[c("beta", "alpha", "dispersion")], function(v) unname(v) * 0)
  for (m in seq_along(models)) {
    p <- models[[m]]$parameters
    if (moved[m]) p <- relabel_parameters(p, order[, m])
    for (part in names(mean)) mean[[part]] <- mean[[part]] + lambda[m] * unname(p[[part]])
  }
  mean
}
