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
#' The more experts, the larger the maximum of the objective, as one expert can be split in
#' two. So the search for K is started from the solutions of K - 1 (an expert split) and K + 1
#' (two merged) too, where these are among the candidates, until none gets better. Where the
#' objective falls with K all the same, a maximum was not found, and the print says so. Fits to
#' folds are started from the fold's solution of K - 1 alone.
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
#' @param formula,data,family,gating,weights,subset,na.action,control,seed As in
#'   [moe()]. For aggregates `weights` and `control` are those of
#'   [moe_aggregate()].
#' @param y Response vector of the matrix interface.
#' @param K Whole numbers: the candidates. NULL (aggregates): 1 to the largest
#'   number of experts of a site.
#' @param criterion See the sections; the first one is the default.
#' @param group NULL, or a one-sided formula, `~ id`: rows that have one expert together; see [moe()].
#' @param folds Number of folds of `"CV"`.
#' @param support The support sample, see [moe_support()].
#' @param able TRUE: see the section. FALSE: every K from all sites.
#' @param elbow Share of the range of R_c that counts as nothing.
#' @param ... Aggregates: further arguments of [moe_aggregate()] (`plan`,
#'   `weights`, `cost`, `update`, `control`). Else not used.
#' @return A list of class `moe_select`: `K` (the chosen number), `model` (the
#'   chosen model, of class `moe` or `moe_aggregate`), `criterion`, `path`
#'   (data frame, a row a candidate: `K`, `objective` (the maximum that was found: with the
#'   priors), `loglik`, `df`, `AIC`, `BIC`, `ICL`, with
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
#' @order 1
#' @export
moe_select <- function(x, ...) UseMethod("moe_select")

#' @rdname moe_select
#' @order 2
#' @export
moe_select.formula <- function(formula, data = NULL, K = 1:6, criterion = c("BIC", "ICL", "AIC", "CV"),
                               family = stats::gaussian(), gating = NULL, weights, subset, na.action,
                               control = moe_control(), folds = 5, ..., group = NULL, seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  if (!is.null(data) && !is.data.frame(data)) {
    input_error("{.arg data} must be a data frame, not {.obj_type_friendly {data}}.")
  }
  call <- called_as("moe_select", match.call())
  family <- check_family(family)
  asked <- bare_weights(call, names(data), parent.frame())
  asked$group <- unit_columns(group)
  design <- formula_design(asked, formula, data, gating, family, NULL, parent.frame())
  select_local(design, K, criterion, family, control, folds, call)
}

#' @rdname moe_select
#' @order 3
#' @export
moe_select.matrix <- function(x, y, K = 1:6, criterion = c("BIC", "ICL", "AIC", "CV"),
                              family = stats::gaussian(), gating = NULL, weights = NULL,
                              control = moe_control(), folds = 5, ..., seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  if (missing(y)) input_error("{.arg y}, the response, is missing.")
  family <- check_family(family)
  design <- matrix_design(x, y, gating, weights, family)
  select_local(design, K, criterion, family, control, folds, called_as("moe_select", match.call()))
}

#' @export
print.moe_select <- function(x, digits = 5, ...) {
  cat("Number of experts: ", x$K, ", by ", criterion_words[[x$criterion]], "\n", sep = "")
  shown <- x$path
  said <- shown$message != ""
  shown$message <- NULL
  if (is.null(shown$sites)) shown$objective <- NULL  # near the log-likelihood
  chosen <- ifelse(shown$K == x$K, "<-", "")
  print(cbind(format(shown, digits = digits), ` ` = chosen), row.names = FALSE)
  if (any(said)) {
    cat(cut_text(paste0("K = ", x$path$K[said], ": ", x$path$message[said]), 110), sep = "\n")
  }
  cat("The model is in $model.\n")
  invisible(x)
}
