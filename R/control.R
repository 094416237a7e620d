#' Settings of the local fit
#'
#' Everything that steers [moe()] beside the model itself. Every setting is
#' checked.
#'
#' @param starts How much is searched where no `start` is given. `"auto"`: until the best maximum was reached
#'   often enough, see the section on the search. A whole number: so many starts, and no stopping rule.
#' @param start_rows The search works on a random sample of this many rows (or 50
#'   rows a parameter if that is more). 0 uses all rows.
#' @param max_iterations Most EM iterations on all rows.
#' @param tolerance The fit has converged when one more Newton step promises
#'   to raise the log-likelihood by less than this (in units of
#'   log-likelihood; 1e-8 is a ten-thousandth of a standard error). Where the
#'   Hessian is not clearly positive definite, as with coefficients on their way to
#'   infinity, steps converge slowly, and 1e-4, a hundredth of a standard error, is enough.
#' @param newton TRUE: finish by Newton's method on the log-likelihood, whose
#'   Hessian comes from Louis' identity. Where it is not positive definite, as
#'   where experts overlap, or a full step fails, steps stay within a trust region (More and
#'   Sorensen 1983), measured by the information of rows whose experts were known, so that
#'   short steps are those of EM; between Hessians it is kept up to date by rank-one
#'   updates. No step lets the objective fall. FALSE: EM only.
#' @param gate_ridge Precision of a weak Gaussian prior on the slopes of the
#'   gates' standardised columns, symmetric in the experts. It keeps separable
#'   gates finite. 0 turns it off.
#' @param expert_ridge Precision of such a prior on the slopes of the experts'
#'   standardised columns (and standardised y, for Gaussian experts). 0: none.
#' @param lambda,l1_share The elastic net: see the section. `lambda` is one number, or
#'   two: `c(expert = , gate = )`. 0: none.
#' @param variance_prior A number, at least 0: strength of a weak prior that draws the variances of several
#'   Gaussian experts to that of one regression (dispersions of Gamma and negative binomial ones to 1), see the
#'   section. Without it the likelihood has no upper
#'   bound: an expert that fits a few rows exactly raises it without end. It fades as rows come, and costs an
#'   honest fit next to nothing (below 0.1 of log-likelihood on the data it was tried on). 0: none.
#' @param dispersion_floor Least variance of a Gaussian expert, as a share of
#'   the variance of y, or least dispersion of Gamma and negative binomial experts. It keeps the likelihood bounded
#'   without `variance_prior`; experts held at the   floor are reported.
#' @param max_reseeds How often an expert that lost its rows (fewer are left
#'   than it has coefficients) may be placed anew, on the rows that the others
#'   explain worst. A fit that this does not improve is put back. NULL: 5, but 0
#'   where `start` is a model: its experts keep their places, and one without
#'   rows, as at a small site, keeps its coefficients.
#' @param singular_ok FALSE: constant and collinear columns are an error. TRUE:
#'   coefficients that the data do not determine stay at the start's value (0
#'   without one) and are listed in the fit. The default at sites
#'   ([moe_sites()]), where a column may be constant at one site only.
#' @param threads NULL, or a whole number: how many threads a fit may use at
#'   most. NULL is [moe_threads()] at the time of the fit. No result depends on
#'   it. Predictions and aggregations go by [moe_threads()] alone.
#' @param information TRUE: the fit keeps its information matrix (a row and a
#'   column for every parameter) and the products of its rows' scores, from which
#'   [vcov()][vcov.moe] and [summary()][summary.moe] have standard errors. FALSE: it does
#'   not, and `vcov(fit, newdata = data)` computes them when asked. NULL: the
#'   information (which costs some four EM passes) up to 100,000 rows, the products for
#'   `vcov(type = "sandwich")` (ten passes or more) up to 20,000.
#' @section The search:
#' The likelihood has many maxima, and EM ends in the one near its start. With `starts = "auto"` the search
#' goes in rounds that know nothing of each other. A round makes twelve starts of different kinds: k-means on
#' x and on (x, y), regressions fitted to a few random rows or grown one after the other, slices and boxes of
#' the data, the residuals of one regression, random labels. Each gets a short run and is finished; where a
#' pass over the rows is dear the better half go on after the short run, and the best three of these are finished.
#' In the first round and every eighth (where passes are dear in all) the best end is then moved, while that helps: one
#' expert is split or grown anew and two others are merged or one dropped (Ueda et al. 2000), or rows get random
#' weights for a few iterations. From the fifth on, every such round is followed by an excursion from the best
#' maxima known: moves, or shakes, in which the rows get random weights, the fit to them is taken to its end, and
#' from there the fit to the rows as they are. An excursion may find a better maximum but is no evidence for the
#' one that it starts from.
#'
#' The search stops when five rounds have ended in the best maximum known, if these are all; else eight, if these
#' are half of them, or twenty-four (the rarer it is, the likelier there is a still rarer one); where a pass over the
#' rows is dear, fewer are enough, down to one round and two finished runs. The best maximum must also have
#' withstood six shakes, and more on a sample of more than a thousand rows, up to thirty-six. It stops at the
#' latest after 300 rounds and excursions, or as many passes as cost about a second, a few on a sample of more
#' than a thousand rows (by a formula, not by the clock), but not before two rounds. With a number of starts there
#' is one round of so many, half of which are finished. `record$search` of the fit (see
#' [moe-class]) holds what was found; the print says how often the best maximum was reached. A maximum with a
#' degenerate expert ranks by its objective less what such an expert gains by chance.
#'
#' With more rows than `start_rows` the best maxima, three to eight by the size of the data, are continued on a
#' sample three times as large, three at most on the next. Before that they are judged by its rows, of which
#' they have seen a part at most: those that are worse there by more than chance (four times the standard error
#' of the difference in log-likelihood, Vuong 1989) are left behind. With the best, moves are tried again (an
#' expert with few rows shows there first). The better one on all rows, of the last two, is fitted to these.
#'
#' Rounds have random generators of their own, whose seeds come from R's. So [set.seed()] reproduces a fit, on any
#' number of threads.
#' @section Penalties:
#' With standardised columns (mean 0, mean square 1; y too for Gaussian experts) the
#' objective is the log-likelihood less
#' \deqn{\frac{r_e}{2} \sum_k \|\beta_k\|^2 + W \lambda_e \sum_k P(\beta_k) +
#'   \sum_j \min_c \sum_k \left\{ \frac{r_g}{2} (\alpha_{jk} - c)^2 +
#'   W \lambda_g P(\alpha_{jk} - c) \right\},}
#' \eqn{P(b) = s |b| + (1 - s) b^2 / 2}, r_e and r_g being `expert_ridge` and
#' `gate_ridge`, s `l1_share` (1: LASSO, 0: ridge, between: elastic net), W the sum of the
#' weights, so that `lambda` means the same at sites of different sizes, while the
#' priors fade as rows come. Intercepts are free. All K gates are treated alike
#' (\eqn{\alpha_{jK} = 0}): with LASSO gates that agree on column j do so exactly, and the
#' column is out of the gates if all do. The experts of [multinomial()] are penalised
#' in their contrasts to the first class.
#'
#' From the log-likelihood of several Gaussian experts is also taken
#' \deqn{\frac{v}{W} \sum_k \left\{ \frac{s^2}{\sigma_k^2} + \log \frac{\sigma_k^2}{s^2} - 1 \right\},}
#' v being `variance_prior` and \eqn{s^2} the residual variance of one regression of y on the experts'
#' columns (with the weights, over all rows; in rounds, over those of all sites). It is 0 where
#' \eqn{\sigma_k = s}, grows without bound as \eqn{\sigma_k} falls to 0, and with the factor 1 / W the
#' estimates are consistent (Ciuperca, Ridolfi and Idier, 2003; Chen, Tan and Zhang, 2008). An EM
#' iteration sets \eqn{\sigma_k^2 = (RSS_k + 2 s^2 v / W) / (n_k + 2 v / W)}, where RSS_k and n_k are the
#' residual sum of squares and the number of rows of expert k, both weighted by responsibilities.
#' `logLik()` is the plain log-likelihood, without any of these terms. As it is written for weights that
#' count rows, a common factor of the weights changes the prior's share.
#'
#' With `s > 0` an EM iteration solves the penalised quadratic of experts and gates by
#' coordinate ascent, and Newton's method works among the coefficients that are not
#' 0. Coefficients are then 0 exactly, `df` of [logLik()][logLik.moe] counts
#' the others, and there are no standard errors. [moe_path()] tries many values of
#' `lambda`.
#' @references
#' Chen, J., Tan, X. and Zhang, R. (2008). Inference for normal mixtures in mean and variance.
#' *Statistica Sinica* 18, 443-465.
#'
#' Ciuperca, G., Ridolfi, A. and Idier, J. (2003). Penalized maximum likelihood estimator for normal
#' mixtures. *Scandinavian Journal of Statistics* 30, 45-59.
#'
#' Ueda, N., Nakano, R., Ghahramani, Z. and Hinton, G. E. (2000). SMEM algorithm for mixture models. *Neural
#' Computation* 12, 2109-2128.
#'
#' Vuong, Q. H. (1989). Likelihood ratio tests for model selection and non-nested hypotheses. *Econometrica* 57,
#' 307-333.
#' @return A list of class `moe_control` with these settings (`lambda` as two numbers).
#' @examples
#' moe_control(starts = 200)
#' moe_control(lambda = c(expert = 0.01, gate = 0.02))
#' @export
moe_control <- function(starts = "auto", start_rows = 10000, max_iterations = 500, tolerance = 1e-8,
                        newton = TRUE, gate_ridge = 1e-4, expert_ridge = 0, lambda = 0,
                        l1_share = 1, variance_prior = 0.1, dispersion_floor = 1e-6,
                        max_reseeds = NULL, singular_ok = FALSE, threads = NULL, information = NULL) {
  structure(list(
    starts = check_starts(starts),
    start_rows = check_count(start_rows, "start_rows", 0),
    max_iterations = check_count(max_iterations, "max_iterations"),
    tolerance = check_number(tolerance, "tolerance", strict = TRUE),
    newton = check_flag(newton, "newton"),
    gate_ridge = check_number(gate_ridge, "gate_ridge", most = .Machine$double.xmax),
    expert_ridge = check_number(expert_ridge, "expert_ridge", most = .Machine$double.xmax),
    lambda = check_lambda(lambda),
    l1_share = check_number(l1_share, "l1_share", most = 1),
    variance_prior = check_number(variance_prior, "variance_prior", most = .Machine$double.xmax),
    dispersion_floor = check_number(dispersion_floor, "dispersion_floor", strict = TRUE, most = 1),
    max_reseeds = if (!is.null(max_reseeds)) check_count(max_reseeds, "max_reseeds", 0),
    singular_ok = check_flag(singular_ok, "singular_ok"),
    threads = if (!is.null(threads)) check_count(threads, "threads"),
    information = if (!is.null(information)) check_flag(information, "information")
  ), class = "moe_control")
}

# Settings, also as a list of some of them: the others are those of `default`.
check_control <- function(control, default = list()) {
  if (inherits(control, "moe_control")) return(control)
  if (!is.list(control) || is.data.frame(control) || length(control) && is.null(names(control))) {
    input_error("{.arg control} must be made by {.fn moe_control}, or be a list of settings by name, not
      {.obj_type_friendly {control}}.")
  }
  unknown <- setdiff(names(control), names(formals(moe_control)))
  if (length(unknown)) {
    meant <- unlist(lapply(unknown, near_name, names(formals(moe_control))))
    input_error("{.arg control} has no setting {.val {unknown}}.",
      i = if (length(meant)) "Do you mean {.arg {meant}}?", i = "{.fn moe_control} has them all.")
  }
  do.call(moe_control, c(default[setdiff(names(default), names(control))], control))
}

check_starts <- function(starts) {
  if (is.numeric(starts)) return(check_count(starts, "starts"))
  if (!identical(starts, "auto")) {
    input_error("{.arg starts} must be {.val auto} or one whole number, 1 or more, not {show_value(starts)}.")
  }
  starts
}

# Two numbers, those of the experts and of the gates.
check_lambda <- function(lambda) {
  parts <- c("expert", "gate")
  named <- is.null(names(lambda)) || length(lambda) == 2 && setequal(names(lambda), parts)
  ok <- is.numeric(lambda) && length(lambda) %in% 1:2 && all(is.finite(lambda)) && all(lambda >= 0)
  if (!ok || !named) {
    input_error("{.arg lambda} must be one number at least 0, or two, {.code c(expert = , gate = )}, not
      {show_value(lambda)}.")
  }
  if (is.null(names(lambda))) stats::setNames(rep_len(as.numeric(lambda), 2), parts) else lambda[parts]
}

# What makes the penalty, as the core takes it and as a fit records it.
penalty_fields <- c("gate_ridge", "expert_ridge", "lambda", "l1_share", "variance_prior")

# Can coefficients be exactly 0 under these settings (those of a control or of a fit's record)?
is_sparse <- function(settings) isTRUE(any(settings$lambda > 0) && settings$l1_share > 0)

#' @export
print.moe_control <- function(x, ...) {
  cat("Settings of the local fit:\n")
  for (name in names(x)) {
    value <- if (is.null(x[[name]])) "default" else paste(format(x[[name]]), collapse = ", ")
    cat("  ", format(name, width = 18), value, "\n")
  }
  invisible(x)
}

# The settings as the core takes them.
core_control <- function(control, start) {
  control <- unclass(control)
  if (identical(control$starts, "auto")) control$starts <- 0L
  if (is.null(control$max_reseeds)) control$max_reseeds <- if (inherits(start, "moe")) 0L else 5L
  if (is.null(control$threads) || parallelly::isForkedChild()) control$threads <- moe_threads()
  control
}
