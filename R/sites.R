#' Fit one model at every site
#'
#' Fits [moe()] to every element of `sources`, in parallel through `future`:
#' say `future::plan(multisession)` before, or another engine (see
#' [moe_engines]). A site that is too small is skipped; one that fails, whose
#' worker dies, or that does not answer in time is recorded with what happened;
#' the other sites are not affected. What comes back is models, not rows.
#'
#' All sites must mean the same by a coefficient. Factor levels are therefore
#' the union over the sites, a factor's own contrasts (`contrasts(f) <- `) those of the sites that have set
#' some (the same everywhere), and data-dependent bases (`poly()`, `ns()`,
#' `scale()`) are computed once, on all sites' variables, or taken from `start`
#' where a model is given. Random numbers are drawn from streams that
#' [set.seed()] fixes, one a site by the order of the sites' names, so results
#' depend neither on the engine, nor on the number of workers, nor on the order
#' of the sites. Progress is reported through `progressr`. Workers load the
#' package from their own library paths (`.libPaths()`, `R_LIBS`).
#'
#' @param formula,gating,K,family,seed As in [moe()]. K and family are by default those of `start`.
#' @param sources A named list of data frames or sources ([moe_source()]), one a site. A source is opened
#'   by the worker that fits its site. Without `start`, sources are first asked for the types of
#'   their columns, the levels of factors, and means and standard deviations, which is all that
#'   comes back of them; a data-dependent basis then can't be made, and asks for a `start`.
#'   Or a data frame of all rows, with `sites`.
#' @param weights NULL, or the name of a column of every source with case
#'   weights, quoted or bare.
#' @param sites Where `sources` is a data frame: the name of its column of sites, and what else
#'   [moe_distributed()] takes.
#' @param start NULL, or a model of class `moe` from which every site starts: a
#'   common start keeps the sites in the same mode (see [moe_distributed()]).
#' @param control Settings made by [moe_control()], or a list of some of them; by default with
#'   `singular_ok = TRUE`, since a column may be constant at one site.
#' @param min_rows Fewest rows of a site that is fitted: at least (and by
#'   default) one more than the model has parameters, which is very few: fits of such sites are
#'   rough, and count little only because their weight is small.
#' @param group NULL, or a one-sided formula, `~ id`: rows that have one expert together; see [moe()].
#' @param share NULL, or what every site tells beside its model, without rows:
#'   `"x"`: means and covariance of its numeric variables and frequencies of its
#'   factors, from which [moe_support()] draws points and by which
#'   `weights = "density"` of [moe_aggregate()] weighs models; `"moments"`
#'   (Gaussian experts): for each expert the p x p sums of products of columns
#'   over all rows, weighted by its gate, by which [moe_aggregate()] finds the
#'   experts on all rows; `"gates"` (with a `start`): sums of the gates' columns weighted by the
#'   site's gates and by those of the start (q x K numbers each), and the second derivatives at
#'   the latter ((q (K - 1))^2), by which it finds the gates on all rows. In the models' field
#'   `shared`. Not for sources of more rows than are read whole (`memory_rows` of [moe_source()]).
#' @param information TRUE: every site also sends its information matrix (the
#'   `information` of [moe_control()] is not used), so that the aggregate has
#'   standard errors by `vcov(type = "information")`. The matrix has a row and a column for
#'   every parameter and holds sums over the site's rows, beside it stand the
#'   means and spreads of its columns; no row is in it. Where a site has hardly more rows
#'   than parameters, or a column that is not 0 for a few rows only, such sums can tell
#'   about these rows.
#' @param timeout Seconds that a site may take; `Inf` (default): any time. A site
#'   that takes longer is stopped and has the status `"timed out"`. See
#'   [moe_engines].
#' @param retries How often a site is tried again whose worker died or that
#'   took too long; a site whose data can't be fitted is not.
#' @param cache NULL, or the path of a folder where every fitted site is kept
#'   as a text file. A further run takes from there the sites that were fitted
#'   with the same name, data, formulas, settings, start and random numbers
#'   ([set.seed()] with the same number before both runs), and fits the others.
#'   The files hold what a site sends, not rows.
#' @return A list of class `moe_sites`:
#'   * `models`: named list of the fitted models.
#'   * `table`: data frame, a row a site in the order of `sources`: `site`, `n`
#'     (rows used; NA where the site did not tell), `status` (`"fitted"`; `"skipped"`:
#'     too small; `"failed"`: refused, with an error; `"timed out"`; `"lost"`: its
#'     worker died, or none was left for it), `needs` (rows needed), `loglik` (mean per row),
#'     `iterations`, `converged`, `seconds`,
#'     `bytes` (about what the site's message has, with its information matrix if asked for, see
#'     [write_moe()]; NA where its formula can't be written),
#'     `message` (why a site is not fitted, a warning, why its formula can't be written, or the columns that its
#'     data do not determine), `cached` (was it taken from `cache`?).
#'   * `schema`: the common design.
#' @seealso [moe_aggregate()], [moe_engines] (where sites are fitted, and faults)
#' @examples
#' sim <- moe_simulate(900, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 300))
#' moe_sites(y ~ ., sources, K = 2)
#' @export
moe_sites <- function(formula, sources, K = NULL, family = stats::gaussian(), gating = NULL,
                      weights = NULL, start = NULL, control = moe_control(singular_ok = TRUE),
                      min_rows = NULL, share = NULL, information = FALSE, timeout = Inf, retries = 0,
                      cache = NULL, sites = NULL, group = NULL, seed = NULL) {
  weights <- weights_column(substitute(weights), weights)
  family <- family_or_start(family, !missing(family), start)
  share <- check_share(share)
  sources <- listed_sources(sources, sites, formula, gating)
  back <- use_seed(seed)
  on.exit(back())
  control <- check_control(control, list(singular_ok = TRUE))
  timeout <- check_timeout(timeout)
  retries <- check_count(retries, "retries", 0)
  cache <- check_cache(cache)
  if (!is.null(start)) {
    check_moe(start, "start")
    start$information <- NULL
    if (is.null(K)) K <- start$K
  }
  if ("gates" %in% share && is.null(start)) {
    input_error("{.code share = \"gates\"} needs a {.arg start}: the sums are taken at its gates.")
  }
  if (is.null(K)) input_error("{.arg K}, the number of experts, is missing.")
  K <- check_count(K, "K")
  if (!is.null(min_rows)) min_rows <- check_count(min_rows, "min_rows")
  control$information <- check_flag(information, "information")
  seen <- sketch_sources(sources, formula, gating, is.null(start), timeout, retries)
  schema <- if (!is.null(start)) site_start_schema(start, formula, gating, seen, family)
            else if (!any(vapply(sources, is_source, NA))) site_schema(formula, gating, sources, family)
            else sketched_schema(formula, gating, seen, family)
  schema$group <- group_columns_of(group, start)
  task <- list(formula = schema$formula, gating = schema$gating, K = K, family = family,
    weights = weights, start = without_rows(start), control = control, schema = schema,
    min_rows = min_rows, share = share, caller = this_process())
  environment(task$formula) <- environment(schema$frame)
  # A site that took a worker with it, or all the time, would do so again.
  lost <- Filter(function(site) inherits(site, "moe_lost"), seen)
  # By name, so that a site's random numbers do not depend on the order of the list.
  results <- fit_sites(sources[order(names(sources))], task, timeout, retries, cache, lost)
  new_sites(results[names(sources)], schema)
}

#' @export
print.moe_sites <- function(x, ...) {
  t <- x$table
  # Always the first three, the others where there are any.
  count <- table(factor(t$status, unique(c("fitted", "skipped", "failed", "timed out", "lost", t$status))))
  count <- count[count > 0 | seq_along(count) <= 3]
  cat("Sites: ", paste(count, names(count), collapse = ", "), sep = "")
  cached <- sum(t$cached %in% TRUE)
  cat(if (cached) paste0(" (", cached, " from the cache)"), "\n", sep = "")
  shown <- utils::head(t[names(t) != "file"], 20)
  if (!cached) shown$cached <- NULL
  if (all(is.na(t$needs))) shown$needs <- NULL
  if (all(t$message == "")) shown$message <- NULL
  else shown$message <- vapply(shown$message, shown_text, "")
  shown$site <- shown_names(shown$site)
  print(shown, digits = 4, row.names = FALSE)
  if (nrow(t) > 20) cat("...", nrow(t) - 20, "more sites: see $table\n")
  if (!is.null(x$origin)) cat("Messages: ", x$origin, "\n", sep = "")
  invisible(x)
}
