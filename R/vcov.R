#' Standard errors, confidence intervals and tests
#'
#' `vcov()` is the covariance of the estimates, in the order and with the names
#' of [coef()][coef.moe]; `confint()` gives intervals. [summary()][summary.moe]
#' shows standard errors and tests.
#'
#' @section Local fits:
#' `"observed"`: the inverse of the observed information, minus the matrix of
#' second derivatives of the objective at the fit (Louis' identity), with the
#' weak priors on gates and variances as fitted. `"sandwich"`: J^-1 M J^-1 with J the same matrix
#' and M = sum_i w_i s_i s_i' of the rows' scores; it also holds where
#' the model is not quite right. Case weights count rows, so a row of weight 2
#' gives the same covariance as two rows, of either type. `"cluster"`: where rows of a patient or a school go
#' together, M = G / (G - 1) sum_g u_g u_g' over the G clusters, u_g the sum of w_i s_i over the rows of cluster g
#' (Liang and Zeger 1986), as `sandwich::vcovCL(fit, cluster)` has it; intervals and tests use t
#' quantiles with G - 1 degrees of freedom. It wants some thirty clusters or more. Sampling weights, which do not count
#' rows, need w_i^2 in M: that is `"cluster"` with the rows' numbers (or the sampling units) as clusters.
#' Where rows are in chunks or at sites, `newdata` is a source ([moe_source()]) or a named list of sources and data
#' frames, one a site: the scores are summed there, and a cluster may lie in several chunks but within one site.
#'
#' Variances of Gaussian experts are reported as variances (delta method from
#' their logarithms); their intervals are symmetric in the logarithm. Standard
#' errors of mixtures take the number of experts, and which expert is which, as
#' known: they hold where experts are told apart well.
#'
#' Coefficients that the data do not determine, and those of experts that are
#' empty or whose variance is at its floor, are NA. Where the information is not
#' positive definite there is no covariance, and `vcov()` says so.
#'
#' A fit keeps its information matrix where `moe_control(information = )` says
#' so, by default up to 100,000 rows, and what the sandwich needs up to 20,000.
#' `newdata`, the rows of the fit, computes both at any time; a warning says if
#' they can't be the rows of the fit.
#'
#' @section Aggregates:
#' `"information"` needs `moe_sites(information = TRUE)`. Every site's experts
#' are matched to the aggregate's and its matrix I_m relabelled with them. The
#' reduction weighs a local expert by its mass in x, much as I_m does, so the
#' aggregate is to first order sum_m (sum_l I_l)^-1 I_m theta_m, whose covariance
#' is (sum_m I_m)^-1; `inst/bench/coverage.R` measures what that is worth. It
#' holds where every site tells its experts apart well; where the sites' matrices
#' differ much because their own fits are rough it comes out too small, and
#' [moe_refine()] gives standard errors that do not depend on them.
#' For `method = "average"` it is sum_m lambda_m^2 I_m^-1, which is
#' what a mean with the given weights has, and for `"middle"` the one site's own.
#'
#' `"between"` needs nothing but the models. With d_m = theta_m - sum_l lambda_l
#' theta_l for the aligned estimates of M sites with K experts it is
#' sum_m lambda_m^2 d_m d_m' / (1 - lambda_m): unbiased for the variance of the
#' weighted mean where a site's variance goes with 1 / n_m, nearly so
#' otherwise, and right also where the sites' truths differ at random. The
#' reduction is that mean to first order where sites see the same x; where they
#' do not, it weighs them better, and these standard errors are too large (by 40 %
#' for the unlike sites of the benchmark).
#' Intervals use t quantiles; their degrees of freedom are M - 1 for sites of
#' equal size and fewer for unequal ones (Satterthwaite). Where M - 1 is less than the number
#' of parameters the matrix is singular; its diagonal is not affected.
#'
#' By default `"information"` where all sites sent theirs, else `"between"`.
#' `cluster = ~ id, newdata = sources` gives the sandwich over clusters, with the summed information as J and the scores
#' at the aggregate (or refined model), summed at the sites.
#' There are no likelihood-ratio tests between aggregates: an aggregate is not a maximum of
#' a likelihood. After [moe_refine()] the information is the sum of the sites' at
#' the refined model, exactly that of the pooled rows, and `type` is `"observed"`.
#'
#' @param object A model of class `moe`.
#' @param type See the sections.
#' @param cluster For `type = "cluster"`: a one-sided formula, such as `~ id`, whose variables are looked up in
#'   `newdata` or, without it, in the data that the call of the fit names; or a vector (a list of vectors:
#'   their combinations), one value for every row. Missing values are an error.
#' @param newdata NULL, or the rows of the fit: a data frame, or for models of
#'   matrices `list(x = , y = , z = )`. With `cluster`: also a source, or a list of sources and data frames, one a site.
#' @param weights NULL, or the case weights of `newdata`, one a row; of sources the name of their column.
#' @param complete FALSE: without the rows and columns that are NA.
#' @param parm Which parameters: names or numbers of [coef()][coef.moe], or names of columns, such as `"x"`: the
#'   coefficients of that column in all experts and gates. All by default.
#' @param level Confidence level, between 0 and 1.
#' @param ... `confint()`: further arguments of `vcov()`, such as `type`.
#' @return `vcov()`: a symmetric matrix. `confint()`: a matrix with a row a
#'   parameter and the two limits. Errors (class `moe_no_covariance`) say why a
#'   model has no standard errors.
#' @references Liang, K.-Y. and Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models.
#'   *Biometrika* 73, 13-22.
#' @examples
#' sim <- moe_simulate(1000, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data, K = 2)
#' sqrt(diag(vcov(fit)))
#' confint(fit, 1:3, level = 0.9)
#' confint(fit, type = "sandwich")
#' sim$data$school <- rep(1:50, 20)
#' confint(moe(y ~ x1 + x2, sim$data, K = 2), "x1", cluster = ~ school)
#' @export
vcov.moe <- function(object, type = c("observed", "sandwich", "cluster"), newdata = NULL, weights = NULL,
                     complete = TRUE, cluster = NULL, ...) {
  type <- check_vcov_type(type, cluster)
  check_dots(...)
  if (is.null(newdata) && !is.null(weights)) {
    input_error("{.arg weights} are those of {.arg newdata}, which is missing.")
  }
  refuse_sparse(object)
  found <- if (type == "cluster") clustered(object, cluster, newdata, weights)$covariance
           else rowwise_covariance(object, type == "sandwich", newdata, weights)
  warn_not_converged(object)
  known_part(found, complete)
}

rowwise_covariance <- function(object, sandwich, newdata, weights) {
  if (sandwich) warn_separated_sandwich(object)
  information <- if (is.null(newdata)) kept_information(object, sandwich)
                 else information_of_rows(object, newdata, weights, sandwich)
  named_covariance(object, information_covariance(object, information, sandwich))
}

# Of rows in a source or at sites the fit must have kept its information.
clustered <- function(object, cluster, newdata, weights) {
  whole <- is.null(newdata) || is.data.frame(newdata) || object$schema$kind == "matrix"
  bread <- if (whole) rowwise_covariance(object, FALSE, newdata, weights)
           else rowwise_covariance(object, FALSE, NULL, NULL)
  warn_separated_sandwich(object)
  cluster_covariance(object, bread, cluster, newdata, weights)
}

vcov_types <- c("observed", "sandwich", "cluster")

check_vcov_type <- function(type, cluster) {
  if (identical(type, vcov_types) && !is.null(cluster)) type <- "cluster"
  type <- check_choice(type, vcov_types, "type")
  if (type != "cluster" && !is.null(cluster)) {
    input_error("{.arg cluster} is for {.code type = \"cluster\"}, not for {.code type = \"{type}\"}.")
  }
  type
}

# Without what is not known, if so asked.
known_part <- function(covariance, complete) {
  if (check_flag(complete, "complete")) return(covariance)
  known <- !is.na(diag(covariance))
  covariance[known, known, drop = FALSE]
}

warn_not_converged <- function(object) {
  r <- object$record
  if (!isFALSE(r$converged) || isTRUE(r$promise < 0.1)) return(invisible())
  cli::cli_warn(c("The model is not at a maximum of the likelihood: its standard errors are rough.",
    i = if (is.null(object$refinement)) "Raise {.arg max_iterations} in {.fn moe_control}."
        else "Give {.fn moe_refine} more rounds."))
}

refuse_sparse <- function(object) {
  if (is_sparse(object$record)) {
    no_covariance("The model was fitted with LASSO ({.code lambda}), which has no standard errors.",
      i = "Fit again without it on the columns that are left.")
  }
}

kept_information <- function(object, sandwich) {
  information <- object$information
  if (is.null(information)) {
    no_covariance("This model keeps no information matrix.",
      i = "{.code vcov(fit, newdata = data)} computes it from the rows of the fit;
        {.code moe_control(information = TRUE)} keeps it (by default up to
        {format_big(information_rows)} rows), {.code moe_sites(information = TRUE)} at sites.")
  }
  if (sandwich && is.null(information$meat)) {
    no_covariance("This model keeps no products of its rows' scores, which the sandwich needs.",
      i = "Give {.arg newdata}, the rows of the fit, or set {.code moe_control(information = TRUE)}.")
  }
  information
}

information_of_rows <- function(object, newdata, weights, sandwich) {
  design <- design_new(object$schema, newdata, need_response = TRUE)
  if (!any(design$complete)) input_error("{.arg newdata} has no complete row.")
  weights <- check_weights(weights, length(design$complete))
  design$weight <- weights[design$complete]
  design$weight <- weigh_units(if (length(design$weight)) design$weight, design)
  settings <- unclass(moe_control(threads = moe_threads()))
  settings$variance_prior <- 0  # that of a model which does not say
  known <- intersect(c(penalty_fields, "dispersion_floor"), names(object$record))
  settings[known] <- object$record[known]
  information <- model_information(object, design, settings, sandwich)
  check_is_maximum(object, information)
  information
}

# Rows at which a Newton step would still promise much are not those of the fit.
check_is_maximum <- function(object, information) {
  free <- !is_fixed(parameter_index(object), information)
  gradient <- information$gradient[free]
  inverse <- invert_information(information$curvature[free, free, drop = FALSE])
  promise <- 0.5 * sum(gradient * (inverse %*% gradient))
  if (promise > 0.1) {
    cli::cli_warn(c("The model is not the maximum likelihood fit of {.arg newdata}: one Newton step
      promises {signif(promise, 3)} of log-likelihood.",
      i = "Give the rows (and weights) that the model was fitted to."))
  }
}

#' @rdname vcov.moe
#' @export
confint.moe <- function(object, parm, level = 0.95, ...) {
  level <- check_number(level, "level", strict = TRUE, most = 1)
  if (level == 1) input_error("{.arg level} must be below 1.")
  estimate <- coef(object)
  parm <- if (missing(parm)) names(estimate) else check_parm(parm, object)
  error <- standard_errors(object, ...)
  out <- interval_of(estimate, error$se, stats::qt((1 + level) / 2, error$df))
  colnames(out) <- interval_names(level)
  out[parm, , drop = FALSE]
}

# As R names the ends of an interval.
interval_names <- function(level) paste(format(100 * c(1 - level, 1 + level) / 2, trim = TRUE, digits = 3), "%")

interval_of <- function(estimate, se, quantile) {
  half <- quantile * se
  out <- cbind(estimate - half, estimate + half)
  # A variance is positive: its interval is made for the logarithm.
  at <- grepl("^dispersion", names(estimate))
  ratio <- exp(half[at] / estimate[at])
  out[at, ] <- cbind(estimate[at] / ratio, estimate[at] * ratio)
  out
}

# Names of coefficients. That of a column stands for its coefficients in all experts and gates.
check_parm <- function(parm, object) {
  names <- names(coef(object))
  columns <- c(rep(object$schema$expert$columns, ncol(object$parameters$beta)),
    rep(object$schema$gate$columns, ncol(object$parameters$alpha)))
  known <- if (is.character(parm)) parm %in% c(names, columns)
           else if (is.numeric(parm)) parm %in% seq_along(names)
           else FALSE
  if (!length(parm) || !all(known)) {
    input_error("{.arg parm} must hold names or numbers of coefficients, or names of columns, not
      {show_value(parm[!known])}.", i = "{.code names(coef(fit))} lists them.")
  }
  if (is.numeric(parm)) return(names[parm])
  unique(unlist(lapply(parm, function(p) if (p %in% names) p else names[which(columns %in% p)])))
}

# Standard errors with what they are: `df` of their t distribution (Inf: normal) and `words`.
standard_errors <- function(object, ...) UseMethod("standard_errors")

#' @export
standard_errors.moe <- function(object, type = c("observed", "sandwich", "cluster"), complete = TRUE, cluster = NULL,
                                newdata = NULL, weights = NULL, ...) {
  type <- check_vcov_type(type, cluster)
  if (type == "cluster") {
    check_dots(...)
    refuse_sparse(object)
    found <- clustered(object, cluster, newdata, weights)
    return(clustered_errors(found))
  }
  words <- if (type == "sandwich") "sandwich"
           else if (is.null(object$refinement)) "observed information"
           else "observed information, summed over the sites"
  list(se = sqrt(diag(vcov.moe(object, type = type, newdata = newdata, weights = weights, ...))), df = Inf,
    words = words)
}

# Degrees of freedom that intervals go by: Inf (normal) where they are not those of a few sites.
covariance_df <- function(object) {
  found <- tryCatch(standard_errors(object), moe_input_error = function(e) NULL)
  df <- found$df
  if (length(df)) min(df) else Inf
}

clustered_errors <- function(found) {
  list(se = sqrt(diag(found$covariance)), df = found$groups - 1,
    words = paste("sandwich over", format_big(found$groups), "clusters"))
}

# The table of a summary: NULL and the reason where there are no standard errors.
coefficient_table <- function(object, ...) {
  error <- tryCatch(standard_errors(object, ...), moe_no_covariance = function(e) {
    list(words = paste0("none. ", one_line(cli::ansi_strip(e$message))))
  })
  if (is.null(error$se)) return(list(table = NULL, words = error$words))
  estimate <- coef(object)
  ratio <- estimate / error$se
  # That a variance is 0 is nothing to test.
  ratio[grepl("^dispersion", names(estimate))] <- NA
  table <- cbind(Estimate = estimate, "Std. Error" = error$se, ratio,
    2 * stats::pt(-abs(ratio), error$df))
  letter <- if (all(is.finite(error$df))) "t" else "z"
  colnames(table)[3:4] <- c(paste(letter, "value"), paste0("Pr(>|", letter, "|)"))
  list(table = table, words = error$words)
}
