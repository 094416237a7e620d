#' Fit at many sites and aggregate, in one call
#'
#' Splits `data` into sites, draws the support sample, fits a pilot model on it
#' as common start, fits the sites in parallel ([moe_sites()]) and aggregates
#' them ([moe_aggregate()]). The support sample holds its rows' sites and is
#' drawn from every site in proportion to its rows (small sites give at least
#' `support_least` rows, or all they have).
#'
#' A common start matters on real data: sites that start on their own may land
#' in different modes, which no aggregation can undo. Small sites may go apart even
#' from a common start: where the aggregate fits the support points worse than the
#' start, by more than three standard errors, a warning and the print say so.
#' One round of [moe_refine()] from the start (`pilot`) is then close to the pooled fit.
#'
#' @param formula,gating,K,family,seed As in [moe()]. K and family are by default those of a model as `pilot`.
#' @param data A data frame; or a named list of data frames, one a site, as [moe_sites()] takes it.
#' @param sites Of one data frame. A whole number: rows are split at random into that many sites of
#'   equal size (every row is used). Or the name of a column of `data` that
#'   holds the site (`.` in a formula then leaves it out), or a vector with the
#'   site of every row.
#' @param weights NULL, or the name of a column with case weights, quoted or bare.
#' @param support NULL (drawn from `data`), a number of points to draw, or a
#'   support sample made by [moe_support()]. By default a
#'   sixteenth of the rows, but at least 20,000 (all if there are fewer).
#' @param pilot TRUE: fit a model on the support sample and start every site
#'   from it. FALSE: every site finds its own start. Or a model of class `moe`
#'   to start from.
#' @param support_least Fewest support points of a site.
#' @param control Settings of the local fits, made by [moe_control()].
#' @param method,plan,cost,update Passed to [moe_aggregate()].
#' @param aggregate_weights,aggregate_control `weights` and `control` of
#'   [moe_aggregate()]; NULL: its default weights.
#' @param information,timeout,retries,cache,share Passed to [moe_sites()]. With `information = TRUE` the print also says
#'   whether sites differ, and [moe_hierarchy()] can go on from the result. By default sites share
#'   their `"moments"` (Gaussian experts) and, with a pilot, the sums for `"gates"`, so that the aggregate is
#'   that of all rows and not of the support alone; `share = NULL`: nothing but their models.
#' @param min_sites,min_share Passed to [moe_aggregate()].
#' @return A model of class `moe_aggregate`, see [moe_aggregate()], with two more
#'   fields: `pilot` (the common start or NULL) and `seconds` (named vector:
#'   `pilot`, `slowest_site`, `aggregation`).
#' @examples
#' sim <- moe_simulate(4000, K = 2, d = 2, seed = 1)
#' fit <- moe_distributed(y ~ ., sim$data, K = 2, sites = 4)
#' fit
#' @export
moe_distributed <- function(formula, data, K = NULL, sites, family = stats::gaussian(), gating = NULL,
                            weights = NULL, support = NULL, pilot = TRUE, support_least = 200,
                            control = moe_control(singular_ok = TRUE), method = "reduction",
                            plan = "component", aggregate_weights = NULL,
                            aggregate_control = list(), cost = "kl", update = "exact",
                            information = FALSE, share = c("moments", "gates"), timeout = Inf,
                            retries = 0, cache = NULL, min_sites = NULL, min_share = NULL, seed = NULL) {
  call <- match.call()
  weights <- weights_column(substitute(weights), weights)
  family <- family_or_start(family, !missing(family), pilot)
  if (!is.list(data) || is_source(data)) {
    input_error("{.arg data} must be a data frame or a list of data frames, not {.obj_type_friendly {data}}.")
  }
  back <- use_seed(seed)
  on.exit(back())
  if (is.null(K) && inherits(pilot, "moe")) K <- pilot$K
  if (is.null(K)) input_error("{.arg K}, the number of experts, is missing.")
  K <- check_count(K, "K")
  control <- check_control(control, list(singular_ok = TRUE))
  listed <- !is.data.frame(data)
  if (missing(sites) != listed) {
    input_error(if (listed) "{.arg data} must be a data frame where {.arg sites} is given; the names of a list are the
      sites."
                else "{.arg sites} is missing: a number of sites, or a column's name.")
  }
  by_site <- if (listed) join_sites(data) else split_sites(data, sites, formula, gating)
  data <- by_site$data
  rows <- by_site$rows
  if (!inherits(support, "moe_support")) {
    support <- draw_support(data, formula, gating, rows, support, support_least)
  }
  start <- pilot_model(pilot, formula, gating, data, support, K, family, weights, control)
  sources <- by_site$sources
  if (missing(share)) {
    share <- c(if (family_traits(family)$moments) "moments", if (!is.null(start)) "gates")
  }
  fitted <- moe_sites(formula, sources, K, family, gating, weights, start, control, share = share,
    information = information, timeout = timeout, retries = retries, cache = cache)
  points <- support_points(support, fitted$models[[1]]$schema, names(fitted$models))
  arguments <- list(fitted, points, K, method = method, plan = plan, control = aggregate_control,
    cost = cost, update = update, min_sites = min_sites, min_share = min_share)
  if (!is.null(aggregate_weights)) arguments$weights <- aggregate_weights
  out <- do.call(moe_aggregate, arguments)
  out$call <- call
  out$pilot <- start
  out$pilot[c("rows", "na.action", "model")] <- NULL
  out$seconds <- c(pilot = if (isTRUE(pilot)) start$record$seconds else 0,
    slowest_site = max(fitted$table$seconds[fitted$table$status == "fitted"]),
    aggregation = out$aggregation$seconds)
  note <- start_is_better(out, start, points, isTRUE(pilot))
  if (is.null(note)) return(out)
  cli::cli_warn(c("{note}.", i = "{.fn moe_refine} from the start, {.code moe_refine(fit$pilot, ...)}, or
    from the aggregate comes closer to the pooled fit."))
  out$aggregation$notes <- c(out$aggregation$notes, note)
  out
}

# Small sites may end in modes of their own, and their aggregate fit worse than the start they had.
# Judged at the support points with y; `own`: the start was fitted to these, which flatters it by its
# number of parameters (as in AIC).
start_is_better <- function(fit, start, points, own) {
  if (is.null(start) || fit$aggregation$method != "reduction" || !has_support_y(points, fit$schema)) return(NULL)
  design <- design_at(points, with_y = TRUE)
  density <- lapply(list(start, fit), function(m) core_predict(design, core_model(m), "log_density")[, 1])
  gap <- density[[1]] - density[[2]]
  n <- length(gap)
  ahead <- mean(gap) - if (own) count_free(start) / n else 0
  if (!is.finite(ahead) || ahead <= 3 * stats::sd(gap) / sqrt(n)) return(NULL)
  shown <- format(vapply(density, mean, 0), digits = 5)
  paste0("the common start fits the support points better than the aggregate (mean log-likelihood ", shown[1],
    " against ", shown[2], "): the sites' fits went apart")
}

# Rows of all sites in proportion to their size, complete in the variables of the formulas.
draw_support <- function(data, formula, gating, rows, size, least) {
  terms <- formula_terms(formula, gating, data)
  used <- intersect(unlist(lapply(terms$calls, all.vars)), names(data))
  complete <- stats::complete.cases(data[used])
  rows <- lapply(rows, function(i) i[complete[i]])
  count <- lengths(rows)
  n <- sum(count)
  if (!n) input_error("No row of {.arg data} is complete.")
  size <- if (is.null(size)) max(20000, ceiling(n / 16)) else as.numeric(check_count(size, "support"))
  least <- check_count(least, "support_least", 0)
  wanted <- pmin(count, pmax(least, ceiling(min(size, n) * count / n)))
  take <- unlist(Map(function(i, k) i[sample.int(length(i), k)], rows, wanted), use.names = FALSE)
  moe_support(data[take, , drop = FALSE], site = rep(names(rows), wanted))
}

pilot_model <- function(pilot, formula, gating, data, support, K, family, weights, control) {
  if (inherits(pilot, "moe")) return(pilot)
  if (!check_flag(pilot, "pilot")) return(NULL)
  points <- support$x
  # The design is that of all rows: the pilot and a pooled fit have the same columns and bases.
  schema <- site_schema(formula, gating, list(all = data), family)
  if (!all(schema$response_variables %in% names(points)) && !is.null(support$y)) {
    points[[schema$response]] <- support$y
  }
  frame_call <- function(f) row_frame(f, points, site_weights(points, weights))
  formula <- schema$formula
  environment(formula) <- environment(schema$frame)
  design <- tryCatch(design_build(formula, schema$gating, points, family$family, frame_call, schema),
    moe_input_error = function(e) {
      text <- conditionMessage(e)
      input_error("The pilot can't be fitted on the {.arg support} sample.", x = "{text}",
        i = "Give a support with y, or {.code pilot = FALSE}.")
    })
  control$information <- FALSE
  fit_design(design, K, family, NULL, control, keep = FALSE, call = NULL)
}
