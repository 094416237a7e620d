#' Influence of single sites on an aggregate
#'
#' Aggregates again without each site in turn, the algorithm going on from the
#' aggregate itself, and says how far the result moves.
#'
#' Of a hierarchy ([moe_hierarchy()]) population and spread are found without each site in turn, from what the centre
#' holds, and the site is looked at from there.
#'
#' @param object A model made by [moe_aggregate()] with `method = "reduction"`, or by [moe_hierarchy()].
#' @param support The support sample, as for [moe_aggregate()]; NULL: the one that the aggregate keeps. Where it
#'   holds the response, the change of the log-likelihood is given too.
#' @return A data frame of class `moe_influence` with a row a site, the most
#'   influential first: `site`, `n` (its rows), `transport` (T_c (9) from the
#'   aggregate to that without the site), `loglik` (mean log-likelihood a
#'   support point without the site, less that with it; NA without y) and `score`
#'   (of the screening, see [moe_aggregate()]; NA where there was none).
#'   Of a hierarchy instead of `transport` and `score`: `change` (how far the population's mean moves without the
#'   site: squared distance by its covariance, a parameter; as Cook's), `loglik` (the marginal log-likelihood of the
#'   site's rows under the others' population, by Laplace's approximation), `distance`, `df` and `p`: how far the
#'   site's own estimate is from the others' population, by the spread between sites and the errors of both, chi-square
#'   if the site is one of them. Small p: it is not (where sites are few their spread is hardly known, and p too
#'   small).
#'   `plot()` draws the transport (the change) of every site.
#' @examples
#' sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C"), each = 1000)
#' sites <- moe_sites(y ~ ., split(sim$data, site), K = 2)
#' support <- moe_support(sim$data, site = site)
#' moe_influence(moe_aggregate(sites, support))
#' @export
moe_influence <- function(object, ...) UseMethod("moe_influence")

#' @export
moe_influence.default <- function(object, ...) {
  input_error("{.arg object} must be an aggregate or a hierarchy, not {.obj_type_friendly {object}}.")
}

#' @rdname moe_influence
#' @export
moe_influence.moe_aggregate <- function(object, support = NULL, ...) {
  check_dots(...)
  if (object$aggregation$method != "reduction") {
    input_error("{.arg object} must be an aggregate made with {.code method = \"reduction\"}.")
  }
  a <- object$aggregation
  models <- used_models(object)
  if (length(models) < 2) input_error("The aggregate has one site only: nothing is left without it.")
  if (is.null(support)) support <- object$support
  if (is.null(support)) {
    input_error("{.arg support} is needed: this aggregate does not keep its support sample.",
      i = "{.code moe_aggregate(..., keep = TRUE)}, the default, keeps it.")
  }
  points <- support_points(moe_support(support), object$schema, names(models))
  with_y <- has_support_y(points, object$schema)
  at <- design_at(points, with_y = with_y)
  value <- function(model) if (with_y) mean(core_predict(at, core_model(model), "log_density")) else NA_real_
  whole <- value(object)
  rows <- lapply(seq_along(models), function(m) {
    other <- aggregate_without(object, points, names(models)[m])
    data.frame(site = names(models)[m], n = models[[m]]$n,
      transport = cpp_divergence(core_model(object), core_model(other), at, "exact")$value,
      loglik = value(other) - whole)
  })
  out <- do.call(rbind, rows)
  score <- a$screening$table
  out$score <- if (is.null(score)) NA_real_ else score$score[match(out$site, score$site)]
  structure(out[order(-out$transport), ], class = c("moe_influence", "data.frame"), row.names = seq_len(nrow(out)))
}

# The aggregate of the other sites' models, from this one on. `points`: support_points().
aggregate_without <- function(object, points, site) {
  a <- object$aggregation
  models <- used_models(object)
  m <- match(site, names(models))
  without <- models[-m]
  weights <- if (a$weights == "given") stats::setNames(a$lambda, names(models))[-m] else a$weights
  problem <- support_problem(without, points, weights)
  problem$moments <- shared_moments(without, a$moments, "reduction", a$plan, a$cost)
  problem$gate_shares <- shared_gates(without, if (!a$gates_from_sums) FALSE, "reduction", a$plan)
  less <- reduction(without, problem, object$K, c(a$control, a[c("plan", "cost", "update")]), start = object)
  replace(object, "parameters", list(less$parameters))
}
