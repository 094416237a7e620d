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
#'     `bytes` (of the site's message, with its information matrix if asked for, see
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
                      cache = NULL, sites = NULL, seed = NULL) {
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
  task <- list(formula = schema$formula, gating = schema$gating, K = K, family = family,
    weights = weights, start = without_rows(start), control = control, schema = schema,
    min_rows = min_rows, share = share)
  environment(task$formula) <- environment(schema$frame)
  # A site that took a worker with it, or all the time, would do so again.
  lost <- Filter(function(site) inherits(site, "moe_lost"), seen)
  # By name, so that a site's random numbers do not depend on the order of the list.
  results <- fit_sites(sources[order(names(sources))], task, timeout, retries, cache, lost)
  new_sites(results[names(sources)], schema)
}

# Only models travel: a start goes to the workers without its rows and its call.
without_rows <- function(model) {
  if (is.null(model)) return(NULL)
  model[c("rows", "model", "support", "call")] <- NULL
  model
}

new_sites <- function(results, schema) {
  # Column by column: binding thousands of one-row data frames would take longer than many fits.
  fields <- names(results[[1]]$row)
  columns <- lapply(stats::setNames(fields, fields), function(field) {
    unlist(lapply(results, function(r) r$row[[field]]), use.names = FALSE)
  })
  table <- data.frame(site = names(results), columns, stringsAsFactors = FALSE)
  models <- lapply(results, function(r) r$model)
  models <- lapply(models[!vapply(models, is.null, NA)], function(m) {
    m$schema <- schema
    m
  })
  structure(list(models = models, table = table, schema = schema), class = "moe_sites")
}

# One site's work, on its worker: a model without rows and a row of the table, never an error.
fit_site <- function(data, task) {
  warned <- NULL
  started <- proc.time()[[3]]
  outcome <- tryCatch(withCallingHandlers(fit_source(data, task), warning = function(w) {
    warned <<- c(warned, cli::ansi_strip(conditionMessage(w)))
    invokeRestart("muffleWarning")
  }), error = function(e) e)
  row <- site_row(if (is_source(data)) known_rows(data) else NROW(data), "fitted",
    if (is.null(warned)) "" else one_line(warned), proc.time()[[3]] - started)
  if (inherits(outcome, "moe")) {
    outcome$information$meat <- NULL
    row$n <- outcome$n
    row$loglik <- outcome$log_lik / outcome$weight
    row$iterations <- outcome$record$em_iterations + outcome$record$newton_iterations
    row$converged <- outcome$record$converged
    size <- message_size(outcome)
    row$bytes <- size$bytes
    lost <- unique(unlist(outcome$record$aliased))
    row$message <- paste(c(if (row$message != "") row$message, size$why,
      if (length(lost)) paste("not determined:", paste(lost, collapse = ", "))), collapse = "; ")
    return(list(model = outcome, row = row))
  }
  row$status <- "failed"
  row$message <- one_line(cli::ansi_strip(conditionMessage(outcome)))
  if (inherits(outcome, "moe_too_small")) {
    row$status <- "skipped"
    row$n <- outcome$rows
    row$needs <- outcome$needs
  }
  list(model = NULL, row = row)
}

fit_source <- function(data, task) {
  data <- rows_in_memory(data, task)
  schema <- task$schema
  K <- task$K
  floor_rows <- max(task$min_rows, count_parameters(schema, K) + 1L)
  too_small <- function(rows) {
    cli::cli_abort("It has {rows} usable row{?s} and needs {floor_rows}.", call = NULL,
      class = c("moe_too_small", "moe_input_error"), rows = rows, needs = floor_rows)
  }
  if (is.data.frame(data) && nrow(data) < floor_rows) too_small(nrow(data))
  if (is_source(data) && length(task$share)) {
    input_error("{.arg share} needs the site's rows in memory: raise {.arg memory_rows} of its source.")
  }
  design <- site_design(data, task)
  on.exit(drop_scratch(design))
  rows <- design_counts(design)$rows
  if (rows < floor_rows) too_small(rows)
  model <- fit_design(design, K, task$family, task$start, task$control, keep = FALSE, call = NULL)
  if (length(task$share)) {
    model$shared <- site_shares(model, design, data, task$share, task$start, task$control)
  }
  model
}

# A site's rows under the common schema.
site_design <- function(data, task) {
  data <- rows_in_memory(data, task)
  if (is_source(data)) return(stream_site(data, task))
  check_columns(task$schema, data)
  weights <- site_weights(data, task$weights)
  frame_call <- function(f) {
    do.call(stats::model.frame, list(f, data, weights = weights, drop.unused.levels = FALSE,
      na.action = spare_complete(default_na_action(data))))
  }
  design_build(task$formula, task$gating, data, task$family$family, frame_call, task$schema)
}

# One exchange: what `work(design, task)` gives at every site, in the order of the sites. A site that
# fails is an error that names it.
at_sites <- function(sources, task, work) {
  task$work <- work
  results <- run_at_sites(sources, at_site, task, timeout = task$timeout, retries = task$retries,
    batches = workers_in_all())
  failed <- vapply(results, inherits, NA, c("error", "moe_lost"))
  if (any(failed)) {
    site <- names(sources)[failed]
    first <- results[failed][[1]]
    first <- if (inherits(first, "error")) said(first) else paste0(first$status, ": ", first$message)
    input_error("{cli::qty(site)}Site{?s} {.val {shown_names(site)}} can't take part; nothing was changed.",
      x = "The first says: {first}", i = "Leave such sites out of {.arg sources}.")
  }
  results
}

at_site <- function(data, task) {
  tryCatch({
    design <- site_design(data, task)
    on.exit(drop_scratch(design))
    task$work(design, task)
  }, error = identity)
}

site_weights <- function(data, column) {
  if (is.null(column)) return(NULL)
  if (!column %in% names(data)) input_error("The source has no column {.val {column}} of weights.")
  data[[column]]
}

check_sources <- function(sources) {
  if (is.data.frame(sources) || !is.list(sources) || !length(sources)) {
    input_error("{.arg sources} must be a named list of data frames or sources, one a site.",
      i = "Of one data frame {.arg sites} says which column holds the site.")
  }
  if (!any(vapply(sources, function(s) is.data.frame(s) || is_source(s), NA))) {
    input_error("No element of {.arg sources} is a data frame or a source.")
  }
  if (is.null(names(sources)) || any(names(sources) == "") || anyDuplicated(names(sources))) {
    input_error("{.arg sources} must have a different name for every site.")
  }
  sources
}

# ---- a common design for all sites ------------------------------------------------------------

# The schema on the variables of all sites that hold them in the same type. A site that does not is
# left for its own fit to refuse.
site_schema <- function(formula, gating, sources, family) {
  found <- site_variables(formula, gating, sources)
  all <- found$all
  frame_call <- function(f) {
    do.call(stats::model.frame, list(f, all, na.action = spare_complete(default_na_action(all))))
  }
  design_build(found$formula, found$gating, all, family$family, frame_call)$schema
}

# The variables of all such sites, and the formulas with `.` spelled out.
site_variables <- function(formula, gating, sources) {
  frames <- Filter(is.data.frame, sources)
  if (!length(frames)) {
    why <- if (inherits(sources[[1]], "error")) said(sources[[1]]) else sources[[1]]$message
    input_error("None of the {.arg sources} can be opened.", x = "The first says: {why}")
  }
  # `.` means the columns that most sites have.
  columns <- vapply(frames, function(d) paste(sort(names(d)), collapse = "\r"), "")
  typical <- frames[[which(columns == names(which.max(table(columns))))[1]]]
  terms <- formula_terms(formula, gating, typical)
  spelled <- spell_out(formula, gating, terms)
  wanted <- unique(unlist(lapply(terms$calls, all.vars)))
  holders <- Filter(function(d) nrow(d) > 0 && any(wanted %in% names(d)), frames)
  if (!length(holders)) input_error("No source holds the variables {.val {wanted}}.")
  names_in <- lapply(holders, function(d) intersect(wanted, names(d)))
  common <- names(which.max(table(vapply(names_in, paste, "", collapse = "\r"))))
  holders <- holders[vapply(names_in, paste, "", collapse = "\r") == common]
  kinds <- vapply(holders, function(d) {
    paste(vapply(d[intersect(wanted, names(d))], variable_kind, ""), collapse = "\r")
  }, "")
  holders <- holders[kinds == names(which.max(table(kinds)))]
  c(spelled, list(all = bind_variables(holders, intersect(wanted, names(holders[[1]]))), terms = terms))
}

# The schema that a common start brings along, if it is a start for these formulas.
site_start_schema <- function(start, formula, gating, sources, family) {
  if (start$family$family != family$family) {
    input_error("{.arg start} has family {.val {start$family$family}}, {.arg family} is
      {.val {family$family}}.")
  }
  schema <- start_schema(start, formula, gating, Find(is.data.frame, sources))
  if (is.null(schema)) {
    input_error("{.arg start} was fitted with other formulas than {.arg formula} and {.arg gating}.",
      i = "Its formula is {.code {deparse_one(start$schema$formula)}}.")
  }
  schema
}

bind_variables <- function(frames, names) {
  out <- lapply(stats::setNames(names, names), function(name) {
    v <- bind_column(unname(lapply(frames, function(d) d[[name]])), name)
    if (is.character(v)) factor(v, levels = sort(unique(v))) else v
  })
  out <- as.data.frame(out, optional = TRUE, stringsAsFactors = FALSE)
  # One site's infinite values must not spoil the basis of all; that site's own fit will refuse them.
  finite <- rep(TRUE, nrow(out))
  for (v in out) if (is.numeric(v) && bad_values(v)[1] > 0) finite <- finite & is.finite(v)
  if (all(finite)) out else out[finite, , drop = FALSE]
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
  invisible(x)
}

