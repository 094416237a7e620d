#' Settings of the local fit
#'
#' Everything that steers [moe()] beside the model itself. Every setting is
#' checked.
#'
#' @param starts Whole number: how many starts are tried where no `start` is
#'   given. The first is k-means on the gates' columns, the second k-means on
#'   these and y, the others regressions grown from random neighbourhoods.
#'   Each gets a short run; the best two are finished. The better one is then
#'   moved, while that helps, by splitting one expert in two and dropping
#'   another, and is continued on all rows.
#' @param start_rows Starts work on a random sample of this many rows (or 50
#'   rows a parameter if that is more). 0 uses all rows.
#' @param max_iterations Most EM iterations on all rows.
#' @param tolerance The fit has converged when one more Newton step promises
#'   to raise the log-likelihood by less than this (in units of
#'   log-likelihood; 1e-8 is a ten-thousandth of a standard error).
#' @param newton TRUE: finish by Newton's method on the log-likelihood, whose
#'   Hessian comes from Louis' identity. FALSE: EM only.
#' @param gate_ridge Precision of a weak Gaussian prior on the slopes of the
#'   gates' standardised columns, symmetric in the experts. It keeps separable
#'   gates finite. 0 turns it off.
#' @param dispersion_floor Least variance of a Gaussian expert, as a share of
#'   the variance of y. It keeps the likelihood bounded; experts held at the
#'   floor are reported.
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
#' @return A list of class `moe_control` with these settings.
#' @examples
#' moe_control(starts = 10)
#' @export
moe_control <- function(starts = 5, start_rows = 10000, max_iterations = 500, tolerance = 1e-8,
                        newton = TRUE, gate_ridge = 1e-4, dispersion_floor = 1e-6, max_reseeds = NULL,
                        singular_ok = FALSE, threads = NULL, information = NULL) {
  structure(list(
    starts = check_count(starts, "starts"),
    start_rows = check_count(start_rows, "start_rows", 0),
    max_iterations = check_count(max_iterations, "max_iterations"),
    tolerance = check_number(tolerance, "tolerance", strict = TRUE),
    newton = check_flag(newton, "newton"),
    gate_ridge = check_number(gate_ridge, "gate_ridge"),
    dispersion_floor = check_number(dispersion_floor, "dispersion_floor", strict = TRUE, most = 1),
    max_reseeds = if (!is.null(max_reseeds)) check_count(max_reseeds, "max_reseeds", 0),
    singular_ok = check_flag(singular_ok, "singular_ok"),
    threads = if (!is.null(threads)) check_count(threads, "threads"),
    information = if (!is.null(information)) check_flag(information, "information"),
    short_iterations = 15L, finalists = 2L
  ), class = "moe_control")
}

#' @export
print.moe_control <- function(x, ...) {
  cat("Settings of the local fit:\n")
  for (name in names(x)) {
    value <- if (is.null(x[[name]])) "default" else format(x[[name]])
    cat("  ", format(name, width = 18), value, "\n")
  }
  invisible(x)
}

# The settings as the core takes them.
core_control <- function(control, start) {
  control <- unclass(control)
  if (is.null(control$max_reseeds)) control$max_reseeds <- if (inherits(start, "moe")) 0L else 5L
  if (is.null(control$threads) || parallelly::isForkedChild()) control$threads <- moe_threads()
  control
}
