#' What does a new site get?
#'
#' Every site is left out in turn: population and spread are found without it, and what [predict.moe_hierarchy()]
#' would give it as a new site is compared on its rows, which stay where they are. The candidate with the largest
#' log-likelihood over all rows becomes the hierarchy's `new_site`.
#'
#' The others' quadratics (their models, or their answers of the last round) are used as they are: a site that is left
#' out had a part in where they were made, but none in the population without it.
#'
#' @param object A model made by [moe_hierarchy()], refined or not.
#' @param sources,weights,sites,timeout,retries As in [moe_refine()]; sites of the hierarchy alone.
#' @param draws Number of models that are drawn for `"integrated"`.
#' @return `object`, with `hierarchy$new_site` the best of `"average"`, `"integrated"`, `"population"` and (where the
#'   hierarchy was made of an aggregate that keeps its support) `"aggregate"`, and
#'   `hierarchy$left_out`: data frame with `site`, `n` (rows), `weight` (the sum of their weights, by which sites
#'   count) and the mean log-likelihood a row of each candidate.
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' h <- leave_sites_out(h, sources)
#' h$hierarchy$left_out
#' @export
leave_sites_out <- function(object, sources, weights = NULL, draws = 100, timeout = Inf, retries = 0, sites = NULL) {
  weights <- weights_column(substitute(weights), weights)
  check_hierarchy(object, "object")
  draws <- check_count(draws, "draws", 2)
  if (object$schema$kind != "formula") {
    input_error("{.arg object} is of models of matrices; {.fn leave_sites_out} needs a formula.")
  }
  sources <- listed_sources(sources, sites, object$schema$formula, object$schema$gating)
  known <- object$hierarchy$table$site
  check_all_asked(object, sources, "sources")
  if (length(known) < 3) {
    input_error("Leaving sites out needs three or more; the hierarchy has {length(known)}.")
  }
  task <- list(schema = object$schema, family = object$family, weights = weights, threads = moe_threads(),
    timeout = check_timeout(timeout), retries = check_count(retries, "retries", 0))
  task$formula <- object$schema$formula
  environment(task$formula) <- environment(object$schema$frame)
  task$gating <- object$schema$gating
  items <- lapply(known, function(site) list(data = sources[[site]], models = left_out_models(object, site, draws)))
  found <- at_sites(stats::setNames(items, known), task, left_out_score, at_scored_site)
  table <- data.frame(site = known, n = vapply(found, function(f) f$n, 0),
    weight = vapply(found, function(f) f$weight, 0),
    do.call(rbind, lapply(found, function(f) f$loglik)), stringsAsFactors = FALSE, row.names = NULL)
  total <- colSums(table[-(1:3)] * table$weight)
  object$hierarchy$left_out <- table
  object$hierarchy$new_site <- names(which.max(total))
  object
}

# The models over which each candidate's distribution is the mean.
left_out_models <- function(object, site, draws) {
  rest <- object
  h <- object$hierarchy
  others <- h$table$site != site
  start <- if (h$covariance == "diagonal") h$spread
  solved <- solve_population(h$quadratics[others], hierarchy_setting(object), start)
  rest$hierarchy$mean <- solved$mean
  rest$hierarchy$spread <- solved$spread
  rest$hierarchy$parameters <- solved$effects
  rest$hierarchy$table <- h$table[others, ]
  middle <- user_parameters(solved$mean, object, h$scaling)
  candidates <- list(average = new_site_models(rest, "average", draws),
    integrated = new_site_models(rest, "integrated", draws),
    population = list(list(family = object$family, parameters = middle)))
  candidates$aggregate <- left_out_aggregate(object$aggregate, site)
  lapply(candidates, function(models) lapply(models, core_model))
}

# NULL where there is none that can be made again.
left_out_aggregate <- function(aggregate, site) {
  if (is.null(aggregate$support) || aggregate$aggregation$method != "reduction") return(NULL)
  if (!site %in% names(used_models(aggregate))) return(list(aggregate))
  points <- support_points(aggregate$support, aggregate$schema, names(used_models(aggregate)))
  list(aggregate_without(aggregate, points, site))
}

at_scored_site <- function(item, task) {
  task$models <- item$models
  at_site(item$data, task)
}

left_out_score <- function(design, task) {
  w <- if (is.null(design$weight)) rep(1, design_counts(design)$rows) else design$weight
  loglik <- vapply(task$models, function(models) {
    top <- -Inf
    sum <- 0
    for (model in models) {
      one <- drop(core_predict(design, model, "log_density", task$threads))
      higher <- pmax(top, one)
      sum <- sum * exp(top - higher) + exp(one - higher)
      top <- higher
    }
    base::sum(w * (top + log(sum / length(models)))) / base::sum(w)
  }, 0)
  list(n = base::sum(w > 0), weight = base::sum(w), loglik = loglik)
}
