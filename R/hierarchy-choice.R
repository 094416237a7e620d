# Which effects vary between sites: a path of hierarchies, from none to all.

#' Choose what varies between sites
#'
#' Makes a hierarchy for every choice of `effects` and takes the best by a criterion, from the sites' messages alone.
#'
#' `"BIC"`: -2 times the marginal log-likelihood, plus the logarithm of the number of sites for each variance (and
#' covariance) between sites, which is learnt from so many, plus the logarithm of the number of rows for each
#' parameter of the population. ([BIC()] of a hierarchy takes rows for all.) `"AIC"`: plus 2 for each. `"CV"`: each
#' site is left out in turn, and its message is judged by the population of the others: the mean over all rows of
#' the log-likelihood (Laplace's) of the site's rows, larger is better. It takes as many fits as there are sites.
#'
#' @param sites As in [moe_hierarchy()]; or a hierarchy before rounds, whose sites and settings are taken.
#' @param effects The candidates: a vector, or a list of what [moe_hierarchy()] takes as `effects`. Candidates under
#'   which the same varies are taken once.
#' @param criterion `"BIC"` (default), `"AIC"` or `"CV"`.
#' @param covariance,method,new_site,control As in [moe_hierarchy()].
#' @return A list of class `moe_effects`: `effects` (the chosen ones), `model` (that hierarchy), `criterion`, `path`
#'   (data frame, a row a candidate: `effects`, `varying` (number of effects that may vary), `loglik` (marginal), `df`,
#'   `BIC`, `AIC`, with `"CV"` also `CV` and its standard error over sites `CV_se`, `converged`), `models` (all of
#'   them, in the order of `path`), `call`. `plot()` and [ggplot2::autoplot()] show the criterion.
#' @seealso [moe_hierarchy()]
#' @examples
#' sim <- moe_simulate(2000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C", "D"), each = 500)
#' sim$data$y <- sim$data$y + c(A = 0, B = 1, C = 2, D = 3)[site]
#' sites <- moe_sites(y ~ ., split(sim$data, site), start = sim$model, information = TRUE)
#' choice <- moe_effects(sites)
#' choice
#' plot(choice)
#' @export
moe_effects <- function(sites, effects = c("none", "intercepts", "gates", "experts", "all"),
                        criterion = c("BIC", "AIC", "CV"), covariance = c("diagonal", "expert"),
                        method = c("ML", "REML"), new_site = "average", control = list()) {
  criterion <- check_choice(criterion, c("BIC", "AIC", "CV"), "criterion")
  if (inherits(sites, "moe_hierarchy")) {
    if (!is.null(sites$refinement)) {
      input_error("{.arg sites} is a hierarchy after rounds: its sites were asked about what varies in it.",
        i = "Choose among hierarchies of the sites' own models, {.code h$sites}, then refine the chosen one.")
    }
    h <- sites$hierarchy
    if (missing(covariance)) covariance <- h$covariance
    if (missing(method)) method <- h$method
    if (missing(new_site)) new_site <- h$new_site
    if (missing(control)) control <- h$control
    sites <- if (is.null(sites$aggregate)) sites$sites else sites$aggregate
  }
  if (!length(effects)) input_error("{.arg effects} must hold candidates; it is empty.")
  if (inherits(sites, "moe_sites")) warn_refused(sites$table)
  models <- withCallingHandlers(
    lapply(as.list(effects), function(e) moe_hierarchy(sites, e, covariance, method, new_site, control)),
    moe_refused_warning = function(w) invokeRestart("muffleWarning"))  # once is enough
  varies <- lapply(models, function(m) which(m$hierarchy$varies))
  models <- models[order(lengths(varies))]
  models <- models[!duplicated(varies[order(lengths(varies))])]
  new_effects(models, criterion, match.call())
}

new_effects <- function(models, criterion, call) {
  path <- do.call(rbind, lapply(models, function(m) {
    l <- logLik(m)
    h <- m$hierarchy
    data.frame(effects = paste(h$effects, collapse = ", "), varying = sum(h$varies), loglik = as.numeric(l),
      df = attr(l, "df"), BIC = -2 * as.numeric(l) + effects_cost(m), AIC = stats::AIC(l),
      converged = m$record$converged, stringsAsFactors = FALSE)
  }))
  if (criterion == "CV") path[c("CV", "CV_se")] <- do.call(rbind, lapply(models, effects_cv))
  value <- if (criterion == "CV") -path$CV else path[[criterion]]
  best <- which.min(value)
  if (!length(best)) input_error("No candidate has a finite {criterion}.")
  structure(list(effects = models[[best]]$hierarchy$effects, model = models[[best]], criterion = criterion,
    path = path, models = models, call = lean_call(call)), class = "moe_effects")
}

# Variances are learnt from sites, what is common to all from rows.
effects_cost <- function(object) {
  h <- object$hierarchy
  population <- sum(diag(h$mean_covariance) > 0)
  (hierarchy_df(object) - population) * log(nrow(h$table)) + population * log(object$weight)
}

# Mean over rows of the sites' marginal log-likelihoods under the others' population, and its standard error.
effects_cv <- function(object) {
  h <- object$hierarchy
  if (nrow(h$table) < 3) input_error("{.code criterion = \"CV\"} needs three sites or more, not {nrow(h$table)}.")
  setting <- hierarchy_setting(object)
  value <- vapply(seq_along(h$quadratics), function(m) {
    solved <- solve_population(h$quadratics[-m], setting, if (h$covariance == "diagonal") h$spread)
    seen_from_others(h$quadratics[[m]], solved, setting)$log_lik
  }, 0)
  weight <- h$table$weight
  mean <- sum(value) / sum(weight)
  c(mean, stats::sd(value - mean * weight) * sqrt(length(value)) / sum(weight))
}

effects_words <- c(BIC = "BIC of sites and rows (smaller is better)", AIC = "AIC (smaller is better)",
  CV = "log-likelihood a row, sites left out (larger is better)")

#' @export
print.moe_effects <- function(x, digits = 6, ...) {
  cat("What varies between sites: ", paste(x$effects, collapse = ", "), ", by ", effects_words[[x$criterion]], "\n",
    sep = "")
  shown <- x$path
  shown$converged <- if (!all(shown$converged)) shown$converged
  best <- vapply(x$models, identical, NA, x$model)
  for (field in intersect(c("loglik", "BIC", "AIC"), names(shown))) shown[[field]] <- round(shown[[field]], 2)
  print(cbind(format(shown, digits = digits), ` ` = ifelse(best, "<-", "")), row.names = FALSE)
  cat("The model is in $model.\n")
  invisible(x)
}

effects_points <- function(x) {
  value <- x$path[[x$criterion]]
  half <- if (x$criterion == "CV") x$path$CV_se else 0
  list(points = data.frame(effects = factor(x$path$effects, x$path$effects), at = seq_along(value), value = value,
    low = value - half, high = value + half), ylab = sub(" [(].*", "", effects_words[[x$criterion]]),
    title = cut_text(paste("What varies between sites:", paste(x$effects, collapse = ", ")), 60),
    subtitle = paste0("by ", effects_words[[x$criterion]], if (any(half > 0)) "; bars: se"),
    best = match(TRUE, vapply(x$models, identical, NA, x$model)))
}

#' @rdname moe_effects
#' @param x What `moe_effects()` gives.
#' @param ... Graphical parameters.
#' @export
plot.moe_effects <- function(x, ...) {
  check_dots(..., known = graphical_parameters)
  shown <- effects_points(x)
  p <- shown$points
  old <- graphics::par(c("mar", "mgp"))
  on.exit(graphics::par(old))
  titled_frame(c(0.7, nrow(p) + 0.3), range(p$low, p$high), shown$title, shown$subtitle, "what may vary", shown$ylab,
    list(...), xaxt = "n")
  graphics::abline(v = shown$best, lty = 3)
  graphics::segments(p$at, p$low, p$at, p$high)
  graphics::points(p$at, p$value, pch = 16)
  graphics::axis(1, p$at, cut_text(as.character(p$effects), 20))
  invisible(x)
}

#' @rdname moe_effects
#' @param object What `moe_effects()` gives.
#' @exportS3Method ggplot2::autoplot
autoplot.moe_effects <- function(object, ...) {
  check_dots(...)
  shown <- effects_points(object)
  ggplot2::ggplot(shown$points, ggplot2::aes(.data$at, .data$value)) +
    ggplot2::geom_vline(xintercept = shown$best, linetype = 3) +
    ggplot2::geom_linerange(ggplot2::aes(ymin = .data$low, ymax = .data$high)) +
    ggplot2::geom_point(size = 2) +
    ggplot2::scale_x_continuous(breaks = shown$points$at, labels = cut_text(as.character(shown$points$effects), 20),
      minor_breaks = NULL) +
    ggplot2::labs(x = "what may vary", y = shown$ylab, title = shown$title, subtitle = shown$subtitle)
}
