#' Fit a mixture of experts
#'
#' Fits \deqn{f(y|x) = \sum_k \pi_k(z; \alpha) \phi(y | x'\beta_k, \sigma_k^2),}
#' equation (1) of Chamroukhi and Pham, by a generalised EM algorithm (one
#' joint Newton step for all gates an iteration, with step-halving, so that the
#' objective never falls) and Newton's method at the end. The experts are
#' Gaussian, logistic, Poisson or multinomial regressions with canonical link;
#' the gates are a softmax, in which the last expert is the reference with
#' coefficients 0.
#'
#' Columns are standardised inside; coefficients come back on the scale of the
#' data. The variance of a Gaussian expert is the maximum likelihood one (no
#' division by n - p). The objective is the log-likelihood less the weak prior
#' on the gates' slopes, that on the variances of several Gaussian experts (`gate_ridge` and
#' `variance_prior` in [moe_control()]), and what other penalties are asked for there.
#'
#' Rows with missing values are treated as `na.action` says (left out by
#' default, and counted in the print); infinite values are an error. An
#' `offset()` in `formula` enters the linear predictor of every expert; one in
#' `gating` enters those of the gates 1..K-1, so it is a log odds against the
#' last expert, whose label therefore matters.
#'
#' @param formula A formula `y ~ x1 + x2`: response and the experts' columns.
#'   Factors, interactions, `poly()`, `ns()`, `scale()` and `offset()` work, and
#'   [predict()][predict.moe] on new data uses the basis of the training rows.
#'   Or, in `moe(x, y, K)`, a numeric matrix without intercept column.
#' @param data A data frame (optional: variables may be in the formula's
#'   environment), or a source of rows, [moe_source()]. A source of many rows is read chunk by
#'   chunk; see the section on large sources there.
#' @param K Number of experts. May be left out where `start` is a model.
#' @param family `gaussian()` (default; with a model as `start` that model's family), `binomial()`
#'   (response 0/1, logical, a factor with two levels, or of several trials a row `cbind(successes, failures)`; see
#'   the section on trials), `poisson()` (counts), [negative_binomial()] (counts that vary more than these),
#'   `Gamma(link = "log")` (positive) or [multinomial()] (a factor). Gaussian, Gamma and negative binomial experts
#'   have a dispersion each: a variance, 1 / shape (the variance is the mean's square by the shape), 1 / size.
#' @param gating A one-sided formula: the gates' columns. By default the right
#'   hand side of `formula` (without its offset). In `moe(x, y, K)` a matrix.
#' @param weights Case weights: a weight of 2 counts a row twice, one of 0 not at
#'   all. Evaluated in `data`; the name of a column may also be quoted. They are frequencies in all that
#'   follows: log-likelihood, [nobs()], [BIC()], standard errors. Weights that sum to less than
#'   the number of parameters leave the word to the prior, with a warning.
#' @param subset,na.action As in [lm()].
#' @param start NULL (several starts, see [moe_control()]); a model of class
#'   `moe` with the same columns, whose basis functions and factor levels are
#'   then kept; labels 1..K of the rows; or an n x K matrix of
#'   responsibilities.
#' @param control Settings made by [moe_control()], or a list of some of them: `list(starts = 50)`.
#' @param group NULL, or a one-sided formula, `~ id`: all rows with one value of it (of a patient, a school) are of one
#'   expert. See the section on groups.
#' @param keep TRUE: keep response and fitted values, so that [fitted()] and
#'   [residuals()] work. FALSE: no row stays in the object, unless `model` says so.
#' @param model TRUE (the default where `keep` is): keep the model frame (or the matrices, as they are), as
#'   [lm()] does, so that [predict()][predict.moe] of every type, [simulate()][simulate.moe],
#'   [augment()][augment.moe] and all [residuals()][residuals.moe] work on the rows of the fit. FALSE: do
#'   not; nor does a fit to a source. What a site sends never holds it.
#' @param seed NULL: R's generator as it stands. A whole number: for [set.seed()]; the generator's state is put
#'   back afterwards.
#' @param x,y Matrix and response vector of the matrix interface. `x` is not
#'   copied; an intercept is added.
#' @param ... For methods.
#' @section Successes in several trials:
#' A response `cbind(successes, failures)` of `binomial()` is, as in [glm()], that of as many trials as the two sum
#' to; or give the share of successes and the trials as `weights` (to `moe()` on a data frame alone). All trials of a
#' row are of one expert, drawn once: f(s | x) = sum_k pi_k(z) dbinom(s, m, mu_k(x)). With one expert that is the same
#' as m rows of one trial (but for the binomial coefficient in the log-likelihood), with more it is not: rows of one
#' trial each draw an expert of their own. Fitted values and residuals are shares; [nobs()] counts rows, without those
#' of no trial; quantiles, prediction intervals and [simulate()][simulate.moe] need the number of trials, so both
#' columns, in new data.
#' @section Groups of rows with one expert:
#' With `group = ~ id` the rows of a unit u, such as the visits of a patient, have one expert, drawn once by its gates:
#' f(y_u | x_u) = sum_k pi_k(z_u) prod_i phi_k(y_ui | x_ui), a latent class regression (as `flexmix(y ~ x | id)`
#' has it). The gates' columns must be constant within a unit, so `gating` is of such columns, of means made by
#' [ave()], or `~ 1`. Log-likelihood and posteriors are the units', which [predict()][predict.moe] gives at each of
#' their rows; new data need the column where the response is looked at. A unit counts once: [nobs()] and so [BIC()],
#' the gates, standard errors, [moe_bootstrap()], folds of [moe_select()], and what a site's message is checked for.
#' A unit's case weight is that of its rows, which must agree. Rows of a source must fit into memory.
#' @return A model of class `moe`; see [moe-class] for its fields.
#' @references Chamroukhi, F. and Pham, T. "Optimal Transport Aggregation for
#'   Distributed Mixture-of-Experts". Equation numbers are theirs.
#' @seealso [moe_sites()], [moe_aggregate()], [predict.moe()], [plot.moe()]
#' @examples
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' fit <- moe(y ~ x, d, K = 2)
#' fit
#' predict(fit, data.frame(x = c(-0.5, 0.5)))
#' @export
moe <- function(x, ...) UseMethod("moe")

#' @rdname moe
#' @export
moe.formula <- function(formula, data = NULL, K = NULL, family = stats::gaussian(), gating = NULL,
                        weights, subset, na.action, start = NULL, control = moe_control(),
                        ..., group = NULL, keep = TRUE, model = keep, seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  check_flag(keep, "keep")
  asked <- !missing(model) && check_flag(model, "model")
  if (!is.null(data) && !is.data.frame(data) && !is_source(data)) {
    input_error("{.arg data} must be a data frame or a source, not {.obj_type_friendly {data}}.")
  }
  call <- called_as("moe", match.call())
  asked_call <- bare_weights(call, if (is_source(data)) source_columns(data) else names(data), parent.frame())
  family <- family_or_start(family, !missing(family), start)
  asked_call$group <- group_columns_of(group, start)
  source <- data
  if (is_source(data)) {
    if (asked) input_error("{.arg model} can't be TRUE for a source: its rows stay where they are.")
    model <- FALSE
    columns <- source_wanted(source, formula, gating, asked_call)
    data <- source_read(source, columns, source$memory_rows)
    if (is.null(data)) {
      refuse_group(list(group = asked_call$group), "Sources whose rows are not held in memory")
      if (!missing(keep) && isTRUE(keep)) input_error("{.arg keep} can't be TRUE for a source of more
        than {source$memory_rows} rows: its rows are not held in memory.")
      check_stream_start(start)
      schema <- start_schema(start, formula, gating, stream_head(source, columns))
      design <- stream_formula(source, columns, asked_call, formula, gating, family, schema, parent.frame())
      on.exit(drop_scratch(design), add = TRUE)
      return(with_behind(fit_design(design, K, family, start, control, FALSE, call), design, source, asked_call))
    }
  }
  design <- formula_design(asked_call, formula, data, gating, family,
    start_schema(start, formula, gating, data), parent.frame())
  frame <- design$frame
  if (!model) design$frame <- NULL
  fit <- fit_design(design, K, family, start, control, keep, call)
  if (model && !site_has_policy(source_folder(source))) return(fit)
  design$frame <- frame
  with_behind(fit, design, source, asked_call)
}

# What the disclosure check will ask about the rows, where the fit does not keep them. (What the ledger asks is only
# known now: a model frame does not say what the variables were.)
with_behind <- function(model, design, source = NULL, call = NULL) {
  folder <- source_folder(source)
  model$behind <- rows_behind(model, design, design$frame, folder)
  weights <- if (is.symbol(call$weights)) as.character(call$weights)
  model$behind$told <- if (!is.null(source)) rows_told(model$schema, source, design$frame, weights, folder)
  model
}

# The design of a call with `data`, `subset`, `weights` and `na.action`, made from `frame`.
formula_design <- function(call, formula, data, gating, family, schema, frame, with_frame = TRUE) {
  frame_call <- frame_maker(call, data, frame, drop_levels = is.null(schema))
  design_build(formula, gating, data, family$family, frame_call, schema, with_frame, call$group)
}

#' @rdname moe
#' @export
moe.matrix <- function(x, y, K = NULL, family = stats::gaussian(), gating = NULL, weights = NULL,
                       start = NULL, control = moe_control(), ..., keep = TRUE, model = keep, seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  check_flag(keep, "keep")
  call <- called_as("moe", match.call())
  family <- family_or_start(family, !missing(family), start)
  if (missing(y)) input_error("{.arg y}, the response, is missing.")
  design <- matrix_design(x, y, gating, if (!missing(weights)) weights, family)
  if (!check_flag(model, "model")) design$frame <- NULL
  fit <- fit_design(design, K, family, start, control, keep, call)
  if (model) fit else with_behind(fit, design)
}

#' @rdname moe
#' @export
moe.default <- function(x, ...) {
  if (missing(x)) {
    # Arguments by name in another order: moe(data = d, formula = y ~ x).
    call <- match.call()
    at <- match("formula", names(call))
    if (is.na(at)) input_error("The formula is missing.", i = "Write {.code moe(y ~ x, data, K = 2)}.")
    call <- call[c(1, at, setdiff(seq_along(call)[-1], at))]
    call[[1]] <- quote(moe)
    return(eval(call, parent.frame()))
  }
  input_error("The first argument must be a formula or a numeric matrix, not
    {.obj_type_friendly {x}}.", i = "Write {.code moe(y ~ x, data, K = 2)}.")
}

# The one road from a design to a model. `neighbours`: models of one expert less or more, from which the
# search starts too.
fit_design <- function(design, K, family, start, control, keep, call, neighbours = list()) {
  control <- check_control(control)
  started <- proc.time()[[3]]
  schema <- design$schema
  if (is.null(K) && inherits(start, "moe")) K <- start$K
  if (is.null(K)) input_error("{.arg K}, the number of experts, is missing.")
  K <- check_count(K, "K")
  seen <- design_counts(design)
  n <- seen$rows
  check_few_classes(schema)
  check_enough_rows(seen$counted, schema, K)
  check_varies(seen$y, family$family, n)
  settings <- core_control(control, start)
  begin <- normalise_start(start, K, schema, family, n)
  used <- design
  counted <- design$weight > 0
  if (!all(counted)) {  # rows that do not count are not to be drawn as starts either
    used <- take_rows(design, which(counted))
    if (is.matrix(begin)) begin <- begin[counted, , drop = FALSE]
  }
  fit <- cpp_fit(used, family$family, count_parts(schema), K, begin, settings, lapply(neighbours, core_model))
  aliased <- fit$aliased
  columns <- list(x = schema$expert$columns, z = schema$gate$columns)
  check_aliased(aliased, columns, control$singular_ok)
  record <- fit[c("objective", "steps", "converged", "stop", "promise", "em_iterations",
    "newton_iterations", "halvings", "reseeds", "passes", "hessians", "empty", "at_floor",
    "degenerate")]
  record$search <- fit$search
  kept <- c(penalty_fields, "dispersion_floor")
  record[kept] <- settings[kept]
  record$aliased <- list(expert = columns$x[aliased$x], gate = columns$z[aliased$z])
  if (length(fit$separated_gates)) {
    record$separated_gates <- lapply(fit$separated_gates, function(flags) columns$z[flags])
  }
  if (length(fit$separated)) record$separated <- lapply(fit$separated, function(flags) columns$x[flags])
  # As in lm(), rows of weight 0 do not count.
  model <- new_moe(fit$model, family, schema, seen$counted, seen$weight, fit$log_lik, fit$share,
    record, call = call, dropped = seen$dropped)
  if (!has_bases_of(start, schema)) model$record$own_knots <- own_knots(schema)  # NULL: it has none
  if (keep) model <- keep_rows(model, design, settings$threads)
  model <- keep_frame(model, design$frame)
  wish <- control$information
  if (!is_sparse(settings) && (if (is.null(wish)) n <= information_rows else wish)) {
    model$information <- keep_information(model, used, settings, isTRUE(wish) || n <= sandwich_rows,
      fit$scaling)
  }
  model$record$seconds <- proc.time()[[3]] - started
  warn_about(model, settings$max_reseeds)
  model
}

# What a fit has to know of its rows as a whole: `y` is the response, or a few of its values that have
# its range.
design_counts <- function(design) {
  if (!is.null(design$scratch)) return(design$counts)
  weight <- design$weight
  n <- length(design$y)
  list(rows = n, counted = if (is.null(weight)) n else sum(weight > 0),
    weight = count_weight(design), dropped = length(design$na.action), y = design$y)
}
