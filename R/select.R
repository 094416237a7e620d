#' Choose the number of experts
#'
#' Fits every number of experts `K` and takes the best by a criterion: on one
#' data set, or for the aggregate of several sites.
#'
#' @section One data set:
#' `"BIC"`, `"AIC"` (on R's scale: smaller is better), `"ICL"` (BIC plus twice the
#' entropy of the rows' responsibilities, which charges experts that overlap),
#' or `"CV"`: the mean log-likelihood a row of rows that were held out, larger is
#' better. Folds are drawn at random ([set.seed()] makes them repeatable) and are
#' the same for every K; bases such as `poly()` are those of all rows. A fit
#' with a degenerate expert (see [moe-class]) has found a spike, not an expert: it is shown
#' but not chosen. So is a K for which there are too few rows.
#'
#' @section Aggregates:
#' The reduction of the sites' models is computed for every K. A site with fewer
#' than K experts can't tell K experts apart: what it sends are merged experts,
#' near to none. So a candidate K is aggregated from the sites with K experts
#' or more (`able = FALSE`: from all sites).
#' * `"BIC"`, the default where the support carries y: minus twice the
#'   log-likelihood of the support points plus log(S) a parameter, S their
#'   number. Points with weights by site are weighted as in the reduction. It
#'   counts the support's rows and not all sites': differences between
#'   aggregates are known no better than S points tell.
#' * `"loglik"`: the mean log-likelihood of the support points, without penalty:
#'   for points that were held out from the sites' fits.
#' * `"transport"`, the default without y: the elbow of the reduction's objective
#'   R_c (11), the transport divergence that experts alone are to blame for. It
#'   is the least K whose R_c is above the least one by no more than `elbow` of
#'   the difference between the largest and the least, or than what the noise
#'   of the sites' fits is worth (under KL: parameters over rows, averaged over
#'   sites), if that is more. Sites with too many experts state some that are not
#'   there; where nothing else is in R_c, because one expert would do, the elbow
#'   can't tell: give y. T_c (9), the mean divergence from the sites' models (with
#'   weights by site: at their own points) with the gates bound, is in the path
#'   too but has no elbow: where experts are far apart, small differences of
#'   steep gates outweigh all else in it, and it may rise with K.
#'
#' @param x A formula; a numeric matrix; a `moe_sites` object; or a named list of
#'   models of class `moe`.
#' @param formula,data,family,gating,weights,subset,na.action,control As in
#'   [moe()]. For aggregates `weights` and `control` are those of
#'   [moe_aggregate()].
#' @param y Response vector of the matrix interface.
#' @param K Whole numbers: the candidates. NULL (aggregates): 1 to the largest
#'   number of experts of a site.
#' @param criterion See the sections; the first one is the default.
#' @param folds Number of folds of `"CV"`.
#' @param support The support sample, see [moe_support()].
#' @param able TRUE: see the section. FALSE: every K from all sites.
#' @param elbow Share of the range of R_c that counts as nothing.
#' @param ... Aggregates: further arguments of [moe_aggregate()] (`plan`,
#'   `weights`, `cost`, `update`, `control`). Else not used.
#' @return A list of class `moe_select`: `K` (the chosen number), `model` (the
#'   chosen model, of class `moe` or `moe_aggregate`), `criterion`, `path`
#'   (data frame, a row a candidate: `K`, `loglik`, `df`, `AIC`, `BIC`, `ICL`, with
#'   `"CV"` also `CV` and its standard error `CV_se`, `converged`, `usable`,
#'   `message`; of aggregates: `K`, `sites` (number used), `objective` (R_c),
#'   `transport` (T_c), with y `loglik` (mean of a support point), `df` and `BIC`,
#'   `converged`, `usable`, `message`), `models` (list of all candidates, without rows,
#'   named by K; NULL where one has failed). `usable` says which
#'   candidates may be chosen.
#' @seealso [moe()], [moe_aggregate()]
#' @examples
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' choice <- moe_select(y ~ x, d, K = 1:3)
#' choice
#' plot(choice)
#'
#' # Sites with models of 2, 3 and 2 experts.
#' sources <- split(d, rep(c("A", "B", "C"), length.out = 500))
#' models <- Map(function(data, K) suppressWarnings(moe(y ~ x, data, K = K)), sources, c(2, 3, 2))
#' moe_select(models, moe_support(d))
#' @export
moe_select <- function(x, ...) UseMethod("moe_select")

#' @rdname moe_select
#' @export
moe_select.formula <- function(formula, data = NULL, K = 1:6, criterion = c("BIC", "ICL", "AIC", "CV"),
                               family = stats::gaussian(), gating = NULL, weights, subset, na.action,
                               control = moe_control(), folds = 5, ...) {
  check_unused(...)
  if (!is.null(data) && !is.data.frame(data)) {
    input_error("{.arg data} must be a data frame, not {.obj_type_friendly {data}}.")
  }
  call <- match.call()
  family <- check_family(family)
  design <- formula_design(call, formula, data, gating, family, NULL, parent.frame())
  select_local(design, K, criterion, family, control, folds, call)
}

#' @rdname moe_select
#' @export
moe_select.matrix <- function(x, y, K = 1:6, criterion = c("BIC", "ICL", "AIC", "CV"),
                              family = stats::gaussian(), gating = NULL, weights = NULL,
                              control = moe_control(), folds = 5, ...) {
  check_unused(...)
  if (missing(y)) input_error("{.arg y}, the response, is missing.")
  family <- check_family(family)
  design <- matrix_design(x, y, gating, weights, family)
  select_local(design, K, criterion, family, control, folds, match.call())
}

#' @rdname moe_select
#' @export
moe_select.default <- function(x, support, K = NULL, criterion = NULL, able = TRUE, elbow = 0.1, ...) {
  if (missing(x) || !is.list(x) || is.data.frame(x)) {
    input_error("The first argument must be a formula, a numeric matrix, or sites' models.",
      i = "Write {.code moe_select(y ~ x, data)} or {.code moe_select(sites, support)}.")
  }
  if (missing(support)) input_error("{.arg support}, the support sample, is missing.")
  select_sites(as_sites(x), moe_support(support), K, criterion, check_flag(able, "able"),
    check_number(elbow, "elbow", 0, most = 1), match.call(), ...)
}

check_path <- function(K) {
  ok <- is.numeric(K) && length(K) && all(is.finite(K)) && all(K >= 1) && all(K == round(K))
  if (!ok) input_error("{.arg K} must hold whole numbers, 1 or more, not {show_value(K)}.")
  sort(unique(as.integer(K)))
}

# ---- one data set -----------------------------------------------------------------------------

select_local <- function(design, K, criterion, family, control, folds, call) {
  criterion <- check_choice(criterion, c("BIC", "ICL", "AIC", "CV"), "criterion")
  K <- check_path(K)
  check_control(control)
  n <- length(design$y)
  fold <- NULL
  if (criterion == "CV") {
    folds <- check_count(folds, "folds", 2)
    if (folds > n) input_error("{.arg folds} = {folds} is more than the {n} rows.")
    fold <- sample(rep_len(seq_len(folds), n))
  }
  fits <- lapply(K, function(k) {
    fit <- quiet_fit(fit_design(design, k, family, NULL, control, keep = TRUE, call = call),
      "moe_too_small")
    held_out <- if (!is.null(fold) && !is.null(fit$model)) {
      cross_validate(design, k, family, control, fold)
    }
    list(fit = fit, row = local_row(k, design, fit, held_out, criterion))
  })
  path <- do.call(rbind, lapply(fits, function(f) f$row))
  new_select(lapply(fits, function(f) f$fit$model), path, criterion, call,
    if (criterion == "CV") -path$CV else path[[criterion]])
}

# A fit with its warnings as text; errors of class `expected` too.
quiet_fit <- function(code, expected) {
  said <- character()
  keep <- function(w) {
    said <<- c(said, one_line(cli::ansi_strip(conditionMessage(w))))
    invokeRestart("muffleWarning")
  }
  model <- tryCatch(withCallingHandlers(code, warning = keep), error = function(e) {
    if (!inherits(e, expected)) stop(e)
    said <<- one_line(cli::ansi_strip(conditionMessage(e)))
    NULL
  })
  list(model = model, message = paste(said, collapse = "; "))
}

local_row <- function(k, design, fit, held_out, criterion) {
  model <- fit$model
  row <- data.frame(K = k, loglik = NA_real_, df = NA_integer_, AIC = NA_real_, BIC = NA_real_,
    ICL = NA_real_, converged = NA, usable = FALSE, message = fit$message)
  if (criterion == "CV") row[c("CV", "CV_se")] <- NA_real_
  if (is.null(model)) return(row)
  l <- stats::logLik(model)
  r <- core_predict(design, core_model(model), "posterior")
  weight <- if (is.null(design$weight)) 1 else design$weight
  entropy <- -sum(weight * r * log(pmax(r, 1e-300)))
  row[c("loglik", "df", "AIC", "BIC")] <- list(as.numeric(l), attr(l, "df"), stats::AIC(l), stats::BIC(l))
  row$ICL <- row$BIC + 2 * entropy
  row$converged <- model$record$converged
  row$usable <- !any(model$record$at_floor, model$record$degenerate)
  if (criterion == "CV") {
    row[c("CV", "CV_se")] <- held_out[c("mean", "se")]
    row$usable <- row$usable && is.finite(row$CV)
    row$message <- paste(c(row$message, held_out$message)[c(row$message, held_out$message) != ""],
      collapse = "; ")
  }
  row
}

# Mean log density of rows that the fit has not seen, and its standard error over the rows.
cross_validate <- function(design, k, family, control, fold) {
  # A column may be constant in the rows of one fold.
  control$singular_ok <- TRUE
  value <- rep(NA_real_, length(fold))
  for (f in unique(fold)) {
    fit <- quiet_fit(fit_design(take_rows(design, which(fold != f)), k, family, NULL, control,
      keep = FALSE, call = NULL), "moe_input_error")
    if (is.null(fit$model)) {
      return(list(mean = NA_real_, se = NA_real_, message = paste0("a fold: ", fit$message)))
    }
    out <- which(fold == f)
    value[out] <- core_predict(take_rows(design, out), core_model(fit$model), "log_density")
  }
  weight <- if (is.null(design$weight)) rep(1, length(value)) else design$weight
  share <- weight / sum(weight)
  mean <- sum(share * value)
  list(mean = mean, se = sqrt(sum(share^2 * (value - mean)^2)), message = "")
}

# ---- aggregates -------------------------------------------------------------------------------

select_sites <- function(sites, support, K, criterion, able, elbow, call, ...) {
  models <- sites$models
  counts <- vapply(models, function(m) m$K, 0L)
  schema <- models[[1]]$schema
  has_y <- !is.null(support$y) || schema$kind == "formula" &&
    all(schema$response_variables %in% names(support$x))
  criterion <- check_sites_criterion(criterion, has_y)
  K <- if (is.null(K)) seq_len(max(counts)) else check_path(K)
  if (able && max(K) > max(counts)) {
    input_error("{.arg K} = {max(K)} is more than any site's number of experts ({max(counts)}).",
      i = "{.code able = FALSE} aggregates every K from all sites.")
  }
  if ("K" %in% ...names() || "method" %in% ...names()) {
    input_error("{.fn moe_select} sets {.arg K} and {.arg method} of {.fn moe_aggregate} itself.")
  }
  fits <- lapply(K, function(k) {
    used <- if (able) some_sites(sites, counts >= k) else sites
    # Every K may use other sites; numbers given as weights are those of these.
    given <- if (is.numeric(list(...)$weights)) {
      given_weights(list(...)$weights, names(models))[names(used$models)]
    }
    fit <- quiet_fit(aggregate_given(given, used, support, K = k, ...), character())
    list(fit = fit, row = sites_row(k, fit, used$models, support, if (has_y) sites$table, given))
  })
  path <- do.call(rbind, lapply(fits, function(f) f$row))
  value <- switch(criterion, BIC = path$BIC, loglik = -path$loglik, transport = path$K)
  if (criterion == "transport") {
    path$usable <- below_elbow(path$objective, elbow, fit_noise(models, fits[[1]]$fit$model))
  }
  new_select(lapply(fits, function(f) f$fit$model), path, criterion, call, value)
}

# moe_aggregate() with the numbers `given` as weights, or, where they are NULL, as it is called.
aggregate_given <- function(given, sites, support, K, ..., weights = NULL) {
  if (!is.null(given)) weights <- given
  moe_aggregate(sites, support, K, weights = weights, ...)
}

check_sites_criterion <- function(criterion, has_y) {
  choices <- c("BIC", "loglik", "transport")
  if (is.null(criterion)) return(if (has_y) "BIC" else "transport")
  criterion <- check_choice(criterion, choices, "criterion")
  if (criterion != "transport" && !has_y) {
    input_error("{.code criterion = \"{criterion}\"} needs a {.arg support} with the response.",
      i = "Give {.code moe_support(x, y = )}, or use {.code criterion = \"transport\"}.")
  }
  criterion
}

some_sites <- function(sites, take) {
  lost <- sites$table$site %in% names(sites$models)[!take]
  sites$table$status[lost] <- "fewer experts"
  sites$models <- sites$models[take]
  sites
}

# `table`: of all sites, where points have y, else NULL. `given`: the sites' weights where these are numbers.
sites_row <- function(k, fit, models, support, table, given) {
  model <- fit$model
  a <- model$aggregation
  row <- data.frame(K = k, sites = length(models), objective = a$objective[length(a$objective)],
    transport = transport_from_sites(model, models, support, if (is.null(given)) a$weights else given),
    converged = a$converged, usable = TRUE,
    message = fit$message)
  if (is.null(table)) return(row)
  l <- support_log_lik(model, support, table)
  row$loglik <- l$mean
  row$df <- count_free(model)
  row$BIC <- -2 * l$n * l$mean + log(l$n) * row$df
  row
}

# Mean log density of the support points, weighted so that sites count by their rows where the
# reduction does; points of sites without any model do not count.
support_log_lik <- function(model, support, table) {
  design <- design_new(model$schema, support, need_response = TRUE)
  if (!all(design$complete)) {
    input_error("The {.arg support} sample has {sum(!design$complete)} point{?s} with missing values.",
      i = "Leave such points out.")
  }
  value <- core_predict(design, core_model(model), "log_density")
  if (model$aggregation$weights != "site") return(list(mean = mean(value), n = length(value)))
  at <- match(support$site, table$site)
  rows <- table$n[at]
  used <- !is.na(at) & table$status[at] %in% "fitted"
  count <- tabulate(at, nrow(table))[at]
  weight <- ifelse(used, rows / count, 0)
  list(mean = sum(weight * value) / sum(weight), n = sum(used))
}

# The mean of T_c (9) from every site's model; at its own points where weights are by site. At 2,000
# points at most a site: a linear program a point.
transport_from_sites <- function(model, models, support, weights) {
  problem <- support_problem(models, support, weights)
  core <- core_model(model)
  rows <- seq_len(nrow(problem$design$x))
  value <- vapply(seq_along(models), function(m) {
    own <- if (length(problem$site)) which(problem$site == m) else rows
    most <- if (length(problem$site)) 2000 else max(50, 20000 %/% length(models))
    own <- own[evenly(length(own), most)]
    design <- take_rows(problem$design, own)
    design$weight <- NULL
    cpp_divergence(core_model(models[[m]]), core, design, "exact", model$aggregation$cost)$value
  }, 0)
  sum(problem$lambda * value)
}

# What R_c (11) is worth as noise of the sites' fits: twice what maximum likelihood loses, known for KL.
fit_noise <- function(models, aggregate) {
  if (!aggregate$aggregation$cost %in% c("kl", "reverse-kl")) return(0)
  n <- vapply(models, function(m) m$weight, 0)
  df <- vapply(models, count_free, 0)
  sum(n / sum(n) * df / n)
}

# Is R_c as good as at its least, but for what counts as nothing?
below_elbow <- function(value, share, noise) {
  value <= min(value) + max(share * (max(value) - min(value)), noise)
}

# ---- the object -------------------------------------------------------------------------------

# `value`: smaller is better; the first of equals wins.
new_select <- function(models, path, criterion, call, value) {
  names(models) <- path$K
  eligible <- which(path$usable & is.finite(value))
  if (!length(eligible)) {
    first <- path$message[path$message != ""][1]
    input_error("No candidate {.arg K} can be used.", x = if (!is.na(first)) "{first}",
      i = "Try a smaller {.arg K}.")
  }
  best <- eligible[which.min(value[eligible])]
  chosen <- models[[best]]
  for (i in seq_along(models)) {
    if (!is.null(models[[i]])) models[[i]]$rows <- NULL
  }
  if (length(eligible) > 1 && best == nrow(path) && criterion != "transport") {
    cli::cli_warn(c("The largest candidate, {.arg K} = {path$K[best]}, is the best.",
      i = "Larger ones may be better."))
  }
  structure(list(K = path$K[best], model = chosen, criterion = criterion, path = path,
    models = models, call = lean_call(call)), class = "moe_select")
}

criterion_words <- c(BIC = "BIC (smaller is better)", AIC = "AIC (smaller is better)",
  ICL = "ICL (smaller is better)", CV = "cross-validated log-likelihood a row (larger is better)",
  loglik = "log-likelihood of a support point (larger is better)",
  transport = "elbow of the transport divergence R_c (11)")

#' @export
print.moe_select <- function(x, digits = 5, ...) {
  cat("Number of experts: ", x$K, ", by ", criterion_words[[x$criterion]], "\n", sep = "")
  shown <- x$path
  said <- shown$message != ""
  shown$message <- NULL
  chosen <- ifelse(shown$K == x$K, "<-", "")
  print(cbind(format(shown, digits = digits), ` ` = chosen), row.names = FALSE)
  if (any(said)) {
    cat(strtrim(paste0("K = ", x$path$K[said], ": ", x$path$message[said]), 110), sep = "\n")
  }
  cat("The model is in $model.\n")
  invisible(x)
}

#' @rdname moe_select
#' @export
plot.moe_select <- function(x, ...) {
  check_unused(...)
  value <- x$path[[if (x$criterion == "transport") "objective" else x$criterion]]
  graphics::plot(x$path$K, value, type = "b", pch = ifelse(x$path$usable, 16, 1), las = 1, xaxt = "n",
    xlab = "number of experts", ylab = sub(" [(].*", "", criterion_words[[x$criterion]]))
  graphics::axis(1, x$path$K)
  if (x$criterion == "CV") {
    bar <- x$path$CV_se
    ok <- which(is.finite(bar) & bar > 0)
    graphics::segments(x$path$K[ok], (value - bar)[ok], x$path$K[ok], (value + bar)[ok])
  }
  graphics::abline(v = x$K, lty = 3)
  invisible(x)
}
