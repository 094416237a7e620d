#' Refine a model in rounds between the sites
#'
#' Improves a model on all sites' rows together while no row moves. In a round
#' the centre sends a model, every site answers with sums over its rows at that
#' model (log-likelihood, score, information and the sums of an EM step: the same
#' functions that fit a site's own model), and the centre adds them up and takes
#' one exact EM or Newton step. Each round moves the estimate toward the pooled
#' maximum likelihood fit; in the limit it is the fit that `moe(data, start =
#' model)` finds on all rows.
#'
#' Newton steps are taken where the summed negative Hessian is positive definite and
#' they promise a gain of less than a thousandth per row, else EM
#' steps. A model can only be judged by the next round. If the objective
#' (log-likelihood less the priors) turns out to have fallen, the old
#' model is kept, that round is marked as not accepted, and the next one tries
#' an EM step, or half of it: the objective never falls.
#'
#' Two exchanges come before the first round: the sites' means and second
#' moments of columns, from which all take the pooled standardisation and so the
#' pooled fit's prior; and their sums at `model`. So `rounds` rounds cost `rounds + 2`
#' exchanges. Coefficients of columns that all rows together do not determine stay
#' at the model's values.
#'
#' @section Privacy:
#' A site's answers are sums over its rows, of sizes p x p and (number of
#' parameters)^2, and no row. Sums over few rows can tell much about them: a
#' site may want to take part only with many more rows than parameters.
#'
#' @section Masked sums:
#' With `masked = TRUE` sites send their sums as integers of 256 bits (in units of 2^-128) to which every two of them
#' have
#' added and subtracted the same random numbers (Bonawitz et al. 2017): AES-256 in counter mode, other ones in
#' every exchange. Each site's numbers are uniform modulo
#' 2^256; in the total the masks cancel, exactly, so that rounds are those without masks (to 1e-12 of the
#' sums). Sums of more than 2^112 = 5e33 are refused.
#'
#' What masks do not hide: the totals; who takes part; a site's numbers of rows, used and left out; a site's sums
#' from the centre together with all other sites, who can take theirs off the total, or from a centre that invents
#' the others. With two sites each can do so by itself. What masks cost: a site that sends what is not true
#' can't be told from the total. In memory the session makes the seeds (package `openssl`) and could undo the masks:
#' they then hide the sums from whoever sees the workers' answers. Between institutions every two sites agree on
#' seeds by their own keys (X25519, HKDF on SHA-256), and the centre has none of them: see [moe_statistics()].
#'
#' @param model A model of class `moe` that was fitted with a formula: an
#'   aggregate, or any other.
#' @param sources A named list of data frames or sources, one a site, as in [moe_sites()];
#'   evaluated in parallel through `future` (see [moe_engines]). All must be usable: a site that
#'   fails in any round, whose worker dies or that does not answer in time, is an error that
#'   names it, and nothing is changed.
#' @param rounds Whole number of rounds; fewer are used where the fit has converged.
#'   `Inf`: until convergence (at most `max_iterations` of `control`).
#' @param weights NULL, or the name of a column of every source with case weights, quoted or bare.
#' @param sites Where `sources` is a data frame: the name of its column of sites, as in [moe_sites()].
#' @param control Settings made by [moe_control()]: `tolerance` (the
#'   log-likelihood that one more Newton step may promise at convergence),
#'   `dispersion_floor`, `max_iterations`, `threads` and the penalties are used.
#' @param timeout,retries Seconds that a site may take in one exchange, and how often it is
#'   asked again where it does not answer, as in [moe_sites()].
#' @param masked TRUE: the centre sees the sum of all sites' answers alone, see the section on masked sums. Not for
#'   hierarchies.
#' @return The refined model, of the class of `model`, with its log-likelihood
#'   on all sites' rows and their summed information (so [vcov()][vcov.moe] is exact).
#'   An aggregate keeps its `sites` and `aggregation`. The new field `refinement` is a list:
#'   * `rounds`: data frame, row 0 the given model, then a row a round: `step`
#'     (`"EM"` or `"Newton"`), `accepted`, `objective` (of the model kept
#'     after it), `gradient` (Euclidean norm of the objective's gradient, in
#'     parameters of standardised columns, what is held fixed left out),
#'     `change` (largest change of such a parameter), `promise` (log-likelihood
#'     that a Newton step promises; NA where the Hessian has the wrong sign
#'     somewhere), `seconds`.
#'   * `sites`: data frame with `site` and `n`.
#'   * `exchanges`: number of times that the sites were asked.
#'   * `converged`, `stop` (`"newton"`, `"small gain"` or `"rounds"`; of a hierarchy also `"no rise"`: however
#'     short the step, the marginal likelihood fell).
#' @references Bonawitz, K. et al. (2017). Practical secure aggregation for privacy-preserving machine learning.
#'   Proceedings of CCS 2017.
#' @seealso [moe_aggregate()], [vcov.moe()]
#' @examples
#' sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C"), each = 1000)
#' sources <- split(sim$data, site)
#' sites <- moe_sites(y ~ ., sources, K = 2)
#' model <- moe_aggregate(sites, moe_support(sim$data, site = site))
#' refined <- moe_refine(model, sources, rounds = 2)
#' refined$refinement$rounds
#' @export
moe_refine <- function(model, sources, rounds = 1, weights = NULL, control = moe_control(),
                       timeout = Inf, retries = 0, sites = NULL, masked = FALSE) {
  started <- proc.time()[[3]]
  weights <- weights_column(substitute(weights), weights)
  check_moe(model, "model")
  if (model$schema$kind != "formula") {
    input_error("{.arg model} was fitted to matrices; {.fn moe_refine} needs a model of a formula.")
  }
  sources <- listed_sources(sources, sites, model$schema$formula, model$schema$gating)
  control <- check_control(control)
  endless <- identical(rounds, Inf)
  rounds <- if (endless) control$max_iterations else check_count(rounds, "rounds")
  settings <- core_control(control, model)
  task <- list(schema = model$schema, family = model$family, weights = weights,
    threads = settings$threads, timeout = check_timeout(timeout),
    retries = check_count(retries, "retries", 0))
  task$formula <- model$schema$formula
  environment(task$formula) <- environment(model$schema$frame)
  task$gating <- model$schema$gating
  sources <- sources[order(names(sources))]
  masked <- check_flag(masked, "masked")
  if (inherits(model, "moe_hierarchy")) {
    if (masked) refuse_masked_hierarchy()
    out <- refine_hierarchy(model, sources, task, rounds, control)
    out$record$seconds <- proc.time()[[3]] - started
    if (endless) warn_not_refined(out)
    return(out)
  }

  task$masks <- if (masked) call_masks(names(sources))
  found <- first_exchange(sources, task)
  first <- found[[1]]
  pooled <- attr(found, "total")
  task$scaling <- cpp_pooled_scaling(if (masked) list(pooled) else lapply(unname(found), function(f) f$moments),
    model$family$family, first$x_intercept, first$z_intercept)
  rows <- vapply(found, function(f) as.numeric(f$rows), 0)
  run <- refine_rounds(cpp_to_internal(core_model(model), task$scaling), sources, task, rounds, settings, rows)
  out <- refined_model(model, run, found, task$scaling, settings)
  out$record$seconds <- proc.time()[[3]] - started
  warn_refined(out, endless)
  out
}

# ---- a site's work ---------------------------------------------------------------------------

site_moments <- function(design, task) {
  seen <- design_counts(design)
  list(moments = cpp_site_moments(design, task$family$family, task$threads),
    x_intercept = design$x_intercept, z_intercept = design$z_intercept,
    n = seen$counted, dropped = seen$dropped, rows = seen$rows)
}

# All sites' moments; masked: their total as attribute, and of every site what is not masked.
first_exchange <- function(sources, task) {
  if (is.null(task$masks)) return(at_sites(sources, task, site_moments))
  numbers <- function(found) moment_numbers(found$moments)
  found <- masked_exchange(sources, task, site_moments, numbers, task$masks, 0)
  structure(found$open, total = total_moments(found$total, length(task$schema$expert$columns),
    length(task$schema$gate$columns)))
}

# The sum of all sites' sums at the model, and how many rows each has.
later_exchange <- function(sources, task, number) {
  if (is.null(task$masks)) {
    answers <- at_sites(sources, task, site_sums)
    return(list(sums = Reduce(function(a, b) Map(`+`, a, b), answers), rows = vapply(answers, function(s) s$rows, 0)))
  }
  found <- masked_exchange(sources, task, site_sums, sum_numbers, task$masks, number)
  list(sums = total_sums(found$total, found$open[[1]]$like), rows = vapply(found$open, function(f) f$rows, 0))
}

refuse_masked_hierarchy <- function() {
  input_error("Rounds of a hierarchy can't be masked: sites answer with estimates of their own, which do not add.")
}

site_sums <- function(design, task) cpp_site_sums(design, task$model, task$scaling, task$threads)

# ---- the centre's ----------------------------------------------------------------------------

# Rounds from a model on standardised columns. Gives the last model, what is known there, and the table.
# `rows`: of every site, when it was asked first.
refine_rounds <- function(model, sources, task, rounds, settings, rows) {
  number <- 0
  exchange <- function(model) {
    task$model <- model
    number <<- number + 1
    found <- later_exchange(sources, task, number)
    check_same_rows(found$rows, rows)
    found$sums
  }
  propose <- function(state) propose_step(state, task$scaling, settings)
  clock <- proc.time()[[3]]
  state <- first_state(model, exchange(model), propose)
  shift <- -state$sums$weight * log(task$scaling$y_scale)
  table <- list(round_line(state, 0L, "start", shift, clock))
  stop <- "rounds"
  for (round in seq_len(rounds)) {
    clock <- proc.time()[[3]]
    tried <- state$step
    state <- take_round(state, exchange, propose)
    table[[round + 1L]] <- round_line(state, round, tried$step, shift, clock)
    stop <- stop_after(tried, state)
    if (stop != "rounds") break
  }
  list(model = state$model, sums = state$sums, step = state$step, table = do.call(rbind, table),
    stop = stop, shift = shift)
}

# What a round needs of the settings of a fit.
round_settings <- c(penalty_fields, "dispersion_floor", "tolerance")

propose_step <- function(state, scaling, settings) {
  cpp_propose(state$model, scaling, state$sums,
    c(settings[round_settings], newton_below = state$newton_below,
      length = 2^-state$halvings))
}

# What is known once the sites have answered at the model that was given.
first_state <- function(model, sums, propose) {
  if (!is.finite(sums$log_lik)) {
    input_error("The log-likelihood of {.arg model} on the {.arg sources} is not finite.",
      i = "Start from a model that fits these data, such as an aggregate of their fits.")
  }
  state <- list(model = model, sums = sums, halvings = 0, accepted = TRUE, change = NA_real_,
    newton_below = 1e-3 * sums$weight)
  state$step <- propose(state)
  state
}

# "rounds": go on.
stop_after <- function(tried, state) {
  if (tried$last) "newton"
  else if (tried$step == "EM" && isTRUE(abs(state$gain) <= 10 * rounding_of(tried, state$sums))) "small gain"
  else "rounds"
}

# A step may lose this much of the objective and still count as rounding.
rounding_of <- function(step, sums) 1e-11 * (sums$weight / sums$rows + abs(step$objective))

# Tries the proposed step at the sites. Where the objective falls the old model is kept and something
# more careful is proposed from there.
take_round <- function(state, exchange, propose) {
  tried <- state$step
  there <- state
  there$model <- tried$model
  there$halvings <- 0
  there$sums <- exchange(tried$model)
  there$gain <- -Inf
  if (is.finite(there$sums$log_lik)) {
    there$step <- propose(there)
    there$gain <- there$step$objective - tried$objective
  }
  there$accepted <- isTRUE(there$gain >= -rounding_of(tried, state$sums))
  if (there$accepted) {
    there$change <- max(abs(parameter_vector(tried$model) - parameter_vector(state$model)))
    return(there)
  }
  state[c("gain", "accepted", "change")] <- list(there$gain, FALSE, 0)
  if (tried$step == "Newton") state$newton_below <- tried$promise / 10
  else state$halvings <- state$halvings + 1
  state$step <- propose(state)
  state
}

round_line <- function(state, round, kind, shift, clock) {
  step <- state$step
  data.frame(round = round, step = kind, accepted = state$accepted, objective = step$objective + shift,
    gradient = sqrt(sum(step$gradient^2)), change = state$change,
    promise = if (step$positive) step$promise else NA_real_, seconds = proc.time()[[3]] - clock)
}

refined_model <- function(model, run, found, scaling, settings) {
  sums <- run$sums
  state <- run$step
  table <- run$table
  n <- vapply(found, function(f) as.numeric(f$n), 0)
  # One more step may promise nothing though it was not taken.
  stop <- if (run$stop == "rounds" && state$last) "newton" else run$stop
  done <- table[-1, , drop = FALSE]
  record <- list(objective = table$objective[table$accepted], steps = table$step[table$accepted],
    converged = stop != "rounds", stop = stop, promise = table$promise[nrow(table)],
    em_iterations = sum(done$accepted & done$step == "EM"),
    newton_iterations = sum(done$accepted & done$step == "Newton"), halvings = sum(!done$accepted),
    reseeds = 0L, empty = state$empty, at_floor = state$at_floor, degenerate = state$degenerate,
    aliased = list(expert = model$schema$expert$columns[scaling$x$aliased],
      gate = model$schema$gate$columns[scaling$z$aliased]))
  settings_kept <- c(penalty_fields, "dispersion_floor")
  record[settings_kept] <- settings[settings_kept]
  out <- new_moe(cpp_to_user(run$model, scaling, core_model(model)), model$family, model$schema, sum(n),
    sums$weight, sums$log_lik + run$shift, drop(sums$mass) / sum(sums$mass), record, call = model$call,
    dropped = sum(vapply(found, function(f) f$dropped, 0L)), class = setdiff(class(model), "moe"))
  kept <- setdiff(names(model), c(names(out), "rows", "model", "information"))
  out[kept] <- model[kept]
  if (!is_sparse(settings)) out$information <- list(scaling = scaling, curvature = state$curvature, empty = state$empty,
    at_floor = state$at_floor, rows = sums$rows, weight = sums$weight)
  out$refinement <- list(rounds = table, sites = data.frame(site = names(found), n = unname(n)),
    exchanges = nrow(table) + 1L, converged = record$converged, stop = stop)
  out
}

warn_not_refined <- function(model, rounds = nrow(model$refinement$rounds)) {
  if (model$record$converged) return(invisible())
  hierarchy <- inherits(model, "moe_hierarchy")
  cli::cli_warn(c("The refinement did not converge in {rounds} round{?s}.",
    i = if (hierarchy) "Small sites may not tell all that varies: let fewer {.arg effects} vary."
        else "Raise {.arg max_iterations} in {.fn moe_control}, or take a smaller {.arg K}."))
}

warn_refined <- function(model, until_convergence) {
  r <- model$record
  rounds <- nrow(model$refinement$rounds) - 1
  if (until_convergence) warn_not_refined(model, rounds)
  lost <- which(r$empty | r$at_floor)
  if (length(lost)) {
    cli::cli_warn("Expert{?s} {lost} {?has/have} lost {?its/their} rows, or {?its/their} variance (dispersion) is
      at its floor.")
  }
  warn_doubtful(model)
}

# For prints.
refinement_line <- function(x) {
  f <- x$refinement
  if (is.null(f)) return(invisible())
  r <- x$record
  last <- f$rounds[nrow(f$rounds), ]
  cat("Refined at ", nrow(f$sites), if (nrow(f$sites) == 1) " site, " else " sites, ",
    format_big(sum(f$sites$n)), " rows, in ", nrow(f$rounds) - 1,
    if (nrow(f$rounds) == 2) " round" else " rounds", " (", r$em_iterations, " EM, ",
    r$newton_iterations, " Newton", if (r$halvings) paste0(", ", r$halvings, " not accepted"), "): ",
    if (f$converged) "converged" else "not yet converged", sep = "")
  cat("\nObjective ", format(round(last$objective, 2), nsmall = 2), ", gradient ",
    format(last$gradient, digits = 2), if (!is.na(last$promise)) {
      paste0(", one more Newton step promises ", format(last$promise, digits = 2))
    }, "\n", sep = "")
}
