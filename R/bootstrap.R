# Bootstrap of one fit, with the experts of every replicate matched to those of the fit.

#' Bootstrap of a mixture of experts
#'
#' Fits the model again to rows drawn with replacement, to clusters of rows, or to responses drawn from it.
#' Every replicate starts from the fit, so that it stays in its maximum, and its experts are then matched to the
#' fit's by optimal transport (the component plan), so that labels do not switch.
#'
#' @param object A model of [moe()] that keeps its rows.
#' @param R Number of replicates.
#' @param type `"cases"`: rows are drawn (with case weights: as many as the weights count); `"cluster"`: whole
#'   clusters; `"parametric"`: responses are drawn from the model, columns stay.
#' @param cluster As in [vcov()][vcov.moe]; then `type` is `"cluster"`.
#' @param newdata NULL, or the rows of the fit where the model does not keep them.
#' @return `moe_bootstrap()`: a list of classes `moe_bootstrap` and `boot` (so that [boot::boot.ci()] takes it)
#'   with
#'   \describe{
#'     \item{`t0`}{The coefficients of the fit.}
#'     \item{`t`}{A matrix with a row for each of the R replicates and the columns of `t0`; NA where a fit failed.}
#'     \item{`matched`}{R x K: which expert of a replicate, as it came out of the fit, plays the part of each of
#'       the fit's.}
#'     \item{`moved`}{For every replicate: was the order of the experts changed by matching?}
#'     \item{`messages`}{For every replicate what its fit had to say, or "".}
#'     \item{`R`, `type`, `seed`, `call`, `sim`, `stype`, `statistic`, `data`}{As in [boot::boot()];
#'       `data` is empty.}
#'   }
#'   `vcov()`: the covariance of the replicates. `confint()`: a matrix with two limits. `summary()`: a data
#'   frame with estimate, bias, standard error and median of the replicates.
#' @details Replicates are spread over [future::plan()], with random numbers of their own: [set.seed()] repeats
#'   them, whatever the plan. Where the maxima of replicates and fit are of different kinds (an expert that a sample
#'   does not have) the distribution has several modes: look at `hist()` of a column of `t`.
#' @examples
#' fit <- moe(dist ~ speed, cars, K = 1)
#' set.seed(1)
#' b <- moe_bootstrap(fit, R = 50)
#' summary(b)
#' confint(b, "expert1:speed")
#' @export
moe_bootstrap <- function(object, R = 200, type = c("cases", "cluster", "parametric"), cluster = NULL,
                          newdata = NULL) {
  check_moe(object, "object")
  R <- check_count(R, "R", 2)
  if (missing(type) && !is.null(cluster)) type <- "cluster"
  type <- check_choice(type, c("cases", "cluster", "parametric"), "type")
  if (type != "cluster" && !is.null(cluster)) {
    input_error("{.arg cluster} is for {.code type = \"cluster\"}, not for {.code type = \"{type}\"}.")
  }
  refuse_sparse(object)
  task <- list(object = bare_model(object), type = type)
  task$design <- if (type == "cluster") {
    rows <- cluster_rows(object, cluster, newdata, NULL)
    task$cluster <- rows$cluster
    rows$design
  } else {
    design_of_fit(object, newdata)
  }
  task$design$frame <- NULL
  check_whole_weights(case_weights(task$design), type)
  task$control <- control_of(object)
  seed <- draw_state()
  fits <- run_replicates(R, task)
  new_bootstrap(object, fits, R, type, seed, lean_call(match.call()))
}

# The rows of a fit, kept or given.
design_of_fit <- function(object, newdata) {
  if (is.null(newdata)) {
    rows_of_fit(object, "moe_bootstrap(model)")
    return(kept_design(object))
  }
  design <- design_new(object$schema, newdata, need_response = TRUE)
  if (!any(design$complete)) input_error("{.arg newdata} has no complete row.")
  design
}

# Rows can be drawn one by one only if weights count them.
check_whole_weights <- function(weight, type) {
  if (type != "cases" || is.null(weight) || all(weight == round(weight))) return(invisible())
  bad <- weight[weight != round(weight)][1]
  input_error("Rows can't be drawn where case weights are not whole numbers, such as {bad}.",
    i = "{.code type = \"cluster\"} draws rows or clusters with their weights: {.code cluster} may be the rows'
      numbers.")
}

# The settings of the fit for its replicates: no information matrix, columns that a sample lacks are held.
control_of <- function(object) {
  control <- moe_control(information = FALSE, singular_ok = TRUE)
  known <- intersect(c(penalty_fields, "dispersion_floor"), names(object$record))
  control[known] <- object$record[known]
  control
}

# The state of R's generator before the replicates, as boot::boot() keeps it.
draw_state <- function() {
  if (!exists(".Random.seed", globalenv(), inherits = FALSE)) stats::runif(1)
  get(".Random.seed", globalenv(), inherits = FALSE)
}

# In batches, by the engine that fits sites.
run_replicates <- function(R, task) {
  numbers <- seq_len(R)
  batches <- split(numbers, ceiling(numbers * min(R, 64) / R))
  names(batches) <- paste("replicates", vapply(batches, function(b) paste(range(b), collapse = " to "), ""))
  results <- run_at_sites(batches, replicate_batch, task, seeds = site_seeds(length(batches)))
  lost <- vapply(results, inherits, NA, "moe_lost")
  if (any(lost)) {
    input_error("{names(results)[lost][1]} were {results[[which(lost)[1]]]$status}.",
      x = "{results[[which(lost)[1]]]$message}")
  }
  unlist(unname(results), recursive = FALSE)
}

replicate_batch <- function(numbers, task) lapply(numbers, function(number) one_replicate(task))

one_replicate <- function(task) {
  design <- replicate_rows(task)
  fit <- quiet_fit(fit_design(design, task$object$K, task$object$family, task$object, task$control, keep = FALSE,
    call = NULL), "moe_input_error")
  if (is.null(fit$model)) return(list(message = fit$message))
  order <- match_experts(task$object, fit$model, take_evenly(task$design, 2000))
  list(estimate = coef(relabel(fit$model, order)), order = order, message = fit$message)
}

replicate_rows <- function(task) {
  design <- task$design
  n <- length(design$y)
  if (task$type == "parametric") {
    core <- core_model(task$object)
    labels <- unit_labels(core_predict(design, core, "gate"), design)
    y <- draw_responses(core_predict(design, core, "expert"), labels, task$object$family,
      unname(task$object$parameters$dispersion), task$object$schema$labels, design$trials)
    design$y <- if (is.factor(y)) as.numeric(y) - 1 else as.numeric(y) / pmax(count_trials(design), 1)
    return(design)
  }
  if (!is.null(design$unit) && task$type == "cases") return(drawn_units(design))
  weight <- if (is.null(design$weight)) rep(1, n) else design$weight
  design$weight <- if (task$type == "cases") {
    size <- sum(weight)
    as.numeric(stats::rmultinom(1, size, weight))
  } else {
    groups <- max(task$cluster)
    weight * tabulate(sample.int(groups, groups, TRUE), groups)[task$cluster]
  }
  take_rows(design, which(design$weight > 0))
}

# Units drawn with replacement: one that was drawn twice has twice the weight.
drawn_units <- function(design) {
  number <- match(design$unit, unique(design$unit))
  weight <- case_weights(design)
  weight <- if (is.null(weight)) rep(1, max(number)) else weight[match(seq_len(max(number)), number)]
  drawn <- stats::rmultinom(1, sum(weight), weight)[, 1]
  design$weight <- drawn[number] / design$unit_size
  take_rows(design, which(design$weight > 0))
}

new_bootstrap <- function(object, fits, R, type, seed, call) {
  t0 <- coef(object)
  failed <- vapply(fits, function(f) is.null(f$estimate), NA)
  if (all(failed)) input_error("Every replicate failed.", x = "{fits[[1]]$message}")
  t <- t(vapply(fits, function(f) if (is.null(f$estimate)) NA * t0 else f$estimate, t0))
  if (length(t0) == 1) t <- t(t)
  dimnames(t) <- list(NULL, names(t0))
  matched <- t(vapply(fits, function(f) if (is.null(f$order)) rep(NA_integer_, object$K) else as.integer(f$order),
    integer(object$K)))
  if (object$K == 1) matched <- t(matched)
  moved <- apply(matched, 1, function(o) !anyNA(o) && any(o != seq_along(o)))
  if (any(failed)) {
    cli::cli_warn(c("{sum(failed)} of {R} replicates could not be fitted; they are NA.",
      x = "{fits[[which(failed)[1]]]$message}"))
  }
  structure(list(t0 = t0, t = t, R = R, data = NULL, seed = seed, statistic = coef,
    sim = if (type == "parametric") "parametric" else "ordinary", call = call, stype = "i", strata = NULL,
    weights = NULL, type = type, matched = matched, moved = moved,
    messages = vapply(fits, function(f) f$message, "")), class = c("moe_bootstrap", "boot"), boot_type = "boot")
}

#' @rdname moe_bootstrap
#' @param x,... A `moe_bootstrap`; further arguments are not used.
#' @export
print.moe_bootstrap <- function(x, ...) {
  words <- c(cases = "rows", cluster = "clusters", parametric = "responses from the model")
  cat("Bootstrap of a mixture of experts: ", format_big(x$R), " replicates (", words[[x$type]], ")\n", sep = "")
  if (any(x$moved)) cat("Experts were put back in order in ", format_big(sum(x$moved)), " replicates\n", sep = "")
  said <- sum(x$messages != "")
  if (said) cat(format_big(said), " replicates with a warning: see $messages\n", sep = "")
  print(summary(x), digits = 4)
  invisible(x)
}

#' @rdname moe_bootstrap
#' @export
summary.moe_bootstrap <- function(object, ...) {
  check_dots(...)
  t <- object$t
  data.frame(estimate = object$t0, bias = colMeans(t, na.rm = TRUE) - object$t0,
    std.error = apply(t, 2, stats::sd, na.rm = TRUE), median = apply(t, 2, stats::median, na.rm = TRUE),
    row.names = names(object$t0))
}

#' @rdname moe_bootstrap
#' @export
coef.moe_bootstrap <- function(object, ...) object$t0

#' @rdname moe_bootstrap
#' @export
vcov.moe_bootstrap <- function(object, ...) {
  check_dots(...)
  stats::cov(object$t, use = "complete.obs")
}

#' @rdname moe_bootstrap
#' @param parm Names or numbers of coefficients; all by default.
#' @param level Confidence level, between 0 and 1.
#' @param method Of intervals: `"percentile"` (quantiles of the replicates), `"basic"` (2 estimate - quantiles) or
#'   `"normal"` (estimate less bias, plus and minus standard errors). See Davison and Hinkley (1997), chapter 5.
#' @references Davison, A. C. and Hinkley, D. V. (1997). *Bootstrap Methods and their Application*. Cambridge.
#' @export
confint.moe_bootstrap <- function(object, parm, level = 0.95, method = c("percentile", "basic", "normal"), ...) {
  check_dots(...)
  method <- check_choice(method, c("percentile", "basic", "normal"), "method")
  level <- check_number(level, "level", strict = TRUE, most = 1)
  if (level == 1) input_error("{.arg level} must be below 1.")
  names <- names(object$t0)
  if (missing(parm)) parm <- names
  known <- if (is.character(parm)) parm %in% names else is.numeric(parm) & parm %in% seq_along(names)
  if (!length(parm) || !all(known)) {
    input_error("{.arg parm} must hold names or numbers of coefficients, not {show_value(parm[!known])}.")
  }
  ends <- c(1 - level, 1 + level) / 2
  t <- object$t[, parm, drop = FALSE]
  t0 <- object$t0[parm]
  if (method == "normal") {
    out <- (2 * t0 - colMeans(t, na.rm = TRUE)) + outer(apply(t, 2, stats::sd, na.rm = TRUE), stats::qnorm(ends))
  } else {
    out <- t(apply(t, 2, stats::quantile, probs = ends, na.rm = TRUE, type = 6))
    if (method == "basic") out <- 2 * t0 - out[, 2:1, drop = FALSE]
  }
  dimnames(out) <- list(names(t0), interval_names(level))
  out
}
