# The only constructor of class moe. Every model, however it was made, has these fields.

#' Fields of a fitted model
#'
#' Models are lists of class `moe`, whoever made them: [moe()], a site of
#' [moe_sites()], [moe_aggregate()] or [moe_simulate()]. Use the methods
#' ([coef()][coef.moe], [predict()][predict.moe], [summary()][summary.moe],
#' `logLik()`, `nobs()`, `formula()`, `family()`) rather than the fields.
#'
#' \describe{
#'   \item{`parameters`}{List with `beta` (p x K matrix, experts;
#'     [multinomial()]: p x K (C - 1), expert by expert), `alpha` (q x (K - 1)
#'     matrix, gates; the last gate is 0), `dispersion` (K variances, of Gamma
#'     experts 1 / shape, of negative binomial ones 1 / size; ones where
#'     the family has none).}
#'   \item{`K`}{Number of experts.}
#'   \item{`family`}{The family object.}
#'   \item{`schema`}{What it takes to build the same design from new data:
#'     formulas, terms, levels, contrasts, summaries of the variables. No row.}
#'   \item{`n`, `weight`}{Rows used (of weight above 0) and the sum of their
#'     weights.}
#'   \item{`log_lik`}{Log-likelihood at the parameters, or NA where no rows
#'     were seen (aggregates).}
#'   \item{`share`}{K mean responsibilities: each expert's share of the data.}
#'   \item{`record`}{How the fit went: `converged`, `stop`, `objective` (after
#'     every step, with the priors), `steps` (what led to each: "EM", "Newton",
#'     "trust region", "re-seed", "restore"), `em_iterations`,
#'     `newton_iterations` (trust region included), `passes` (over the rows on which the last
#'     run went, of any kind; a sample's Hessian counts by its share of the rows), `hessians`
#'     (those among them that made a Hessian of all rows, some three times as dear), `promise` (log-likelihood
#'     that one more Newton step promises), `halvings` (shortened steps), `reseeds` (experts placed anew),
#'     `empty` and `at_floor` (which experts have lost their rows, or are held at
#'     the least variance), `degenerate` (which experts no one wants; see below), `separated` (NULL, or
#'     for every expert the columns whose coefficients run to infinity), `separated_gates` (the same of its
#'     gate, against the expert of the largest share: the regions do not overlap, the gate is a step, and but for
#'     `gate_ridge` it would run to infinity), `aliased` (columns that the data do not determine),
#'     `search` (what the search for the best maximum saw: see the section; NULL where there was
#'     none, as in aggregates and in models from messages),
#'     `gate_ridge`, `expert_ridge`, `lambda`, `l1_share`, `variance_prior`, `dispersion_floor` (settings of
#'     the fit), `seconds`. Models read from messages of version 0.2 also have `starts` (data frame),
#'     `start_rows` and `moves`.}
#'   \item{`information`}{NULL, or what standard errors are made of (see
#'     [vcov.moe()]): `curvature` (negative Hessian of the objective in the
#'     parameters of standardised columns, with log dispersions), `meat` (sum of
#'     products of the rows' scores, or NULL), `scaling` (means and spreads of the
#'     columns), `empty`, `at_floor`, `rows`, `weight`.}
#'   \item{`refinement`}{Of models made by [moe_refine()]; see there.}
#'   \item{`rows`, `na.action`}{List with `y`, `fitted`, `weight`; the rows that were left out as missing, as
#'     in [stats::na.action()]. NULL with `keep = FALSE` and at sites.}
#'   \item{`model`}{The model frame, or NULL: see `model` of [moe()]. Of matrices `rows` has `given`, a list of
#'     `x`, `y`, `z` and `weights`. Never of what a site sends.}
#'   \item{`behind`}{NULL, or the numbers of rows that the disclosure check looks at (see [moe_policy()]), of models
#'     that keep no rows. It stays at the site: no message has it.}
#'   \item{`dropped`}{Number of rows left out because of missing values.}
#'   \item{`call`}{The call, without data.}
#' }
#' @section What the search saw:
#' A list with
#' \describe{
#'   \item{`runs`}{Number of starts and moves that were run.}
#'   \item{`reached`}{How many finished runs ended in the best maximum, from starts or by moves. Once says
#'     little: another one may be better.}
#'   \item{`rounds`}{Number of rounds of starts; they know nothing of each other.}
#'   \item{`ended_best`}{How many of these ended in the best maximum (to 0.05 of the objective, at weights of
#'     mean 1): what the stopping rule of [moe_control()] counts.}
#'   \item{`ends`}{The objective at the end of every round.}
#'   \item{`stop`}{Why it ended: `"reached often enough"`, `"most effort"` or `"fixed number of starts"`.}
#'   \item{`rows`}{Number of rows of the sample on which it searched.}
#'   \item{`maxima`}{Data frame, a row for each distinct maximum, best first: `objective` (on those
#'     rows), `log_lik`, `reached` (how often), `kinds` (of start, with their numbers),
#'     `degenerate` (does an expert there fit a few rows exactly?). A degenerate one is not
#'     taken while there is another.}
#' }
#' `plot(fit, "search")` shows them ([plot.moe()]).
#' @section Degenerate experts:
#' The rows of an expert are the sum of its responsibilities, in units of the mean weight (`share * n`). Of
#' several experts one is degenerate if its rows are no more than its parameters and one, or, Gaussian, if its
#' variance is at the floor, if the prior on variances (`variance_prior` in [moe_control()]) makes up
#' half of a variance whose root is less than a tenth of one regression's, so that its rows alone would have
#' it collapse (equal values do), or if its standard
#' deviation is less than a twentieth of the largest and its rows are fewer than five for each of its parameters,
#' or less than a fifth and fewer than three.
#' [moe_select()] does not choose such a fit. A warning and the print name these experts with their
#' rows, and also those with fewer than three rows for each parameter, and those whose standard deviation is
#' less than a twentieth of the largest, however many their rows.
#'
#' @section Separation:
#' Coefficients of experts of classes and counts run to infinity where the fitted probabilities (rates) of
#' their rows are numerically 0 or 1 along some direction of the columns, as in [stats::glm()]. The fit then names
#' the expert and the columns that take part. The criterion is the information that the expert's rows hold about
#' such a direction: less than a thousandth of a row's.
#' @name moe-class
NULL

new_moe <- function(parameters, family, schema, n, weight = n, log_lik = NA_real_, share = NULL,
                    record = list(), rows = NULL, call = NULL, dropped = 0L, class = character()) {
  K <- length(parameters$dispersion)
  experts <- as.character(seq_len(K))
  dimnames(parameters$beta) <- list(schema$expert$columns, expert_columns(schema, K))
  dimnames(parameters$alpha) <- list(schema$gate$columns, experts[-K])
  names(parameters$dispersion) <- experts
  if (!is.null(share)) names(share) <- experts
  structure(list(
    parameters = parameters[c("beta", "alpha", "dispersion")], K = K, family = family,
    schema = schema, n = as.numeric(n), weight = as.numeric(weight), log_lik = log_lik,
    share = share, record = record, rows = rows, dropped = dropped, call = lean_call(call)
  ), class = c(class, "moe"))
}

# A call without the data that do.call() may have put into it, in a formula's environment too.
lean_call <- function(call) {
  for (i in seq_along(call)[-1]) {
    argument <- call[[i]]
    if (inherits(argument, "formula")) {
      attributes(argument) <- NULL
      call[[i]] <- argument
    }
    small <- is.null(argument) || is.atomic(argument) && length(argument) <= 10
    if (is.language(argument) || small) next
    call[[i]] <- as.name(paste0("<", class(argument)[1], ">"))
  }
  call
}

# Relabels the experts: new expert j is old expert order[j].
relabel <- function(model, order) {
  if (identical(as.integer(order), seq_len(model$K))) return(model)
  out <- new_moe(relabel_parameters(model$parameters, order), model$family, model$schema, model$n,
    model$weight, model$log_lik, model$share[order], model$record, model$rows, model$call,
    model$dropped, setdiff(class(model), "moe"))
  out$information <- relabel_information(model$information, order, model)
  out$model <- model$model
  out$na.action <- model$na.action
  out
}

# Gates are taken relative to the new last one, so the density does not change. Names of experts move
# with them.
relabel_parameters <- function(p, order) {
  K <- length(order)
  parts <- ncol(p$beta) / K
  columns <- rep((order - 1) * parts, each = parts) + seq_len(parts)
  list(beta = p$beta[, columns, drop = FALSE], alpha = relabel_gates(p$alpha, order),
    dispersion = p$dispersion[order])
}

relabel_gates <- function(alpha, order) {
  K <- length(order)
  alpha <- cbind(alpha, 0)[, order, drop = FALSE]
  (alpha - alpha[, K])[, -K, drop = FALSE]
}

# Does the model's last gate carry an offset-free reference that relabelling would move?
has_gate_offset <- function(model) length(model$schema$gate$offset) > 0
