# Models as data frames, for the generics that broom and its relatives share.

#' @importFrom generics tidy
#' @export
generics::tidy

#' @importFrom generics glance
#' @export
generics::glance

#' @importFrom generics augment
#' @export
generics::augment

#' Coefficients of a mixture of experts as a data frame
#'
#' @param x A model of class `moe`, or the models of several sites (class
#'   `moe_sites`).
#' @param conf.int TRUE: add the columns `conf.low` and `conf.high`.
#' @param conf.level Probability of the intervals, between 0 and 1.
#' @param exponentiate TRUE: exponentials of coefficients and intervals (rate and odds ratios), with
#'   standard errors by the delta method; not for Gaussian experts.
#' @param vcov NULL: standard errors are those of [vcov()][vcov.moe]. Else its `type`, a function of the
#'   model, or a covariance matrix with the names of `coef()`; intervals then use normal quantiles.
#' @param ... Arguments of other models' tidiers are ignored.
#' @return A data frame with one row a coefficient, in the order of
#'   [coef()][coef.moe]:
#'   * `site`: name of the site (`moe_sites` only).
#'   * `component`: `"expert"`, `"gate"` or `"dispersion"` (variances of Gaussian
#'     experts).
#'   * `expert`: the number of the expert or gate.
#'   * `class` ([multinomial()] only): the class of the response whose log odds
#'     against the first one it is; NA for gates.
#'   * `column`: the column's name; `"(variance)"` or `"(dispersion)"` for these.
#'   * `term`: all of these in words, such as `"expert 1: x"` or `"gate 1: x"`, one a row: what tables show and
#'     packages such as modelsummary go by.
#'   * `estimate`, `std.error`, `statistic` (of the z-test against 0, or of the t-test where
#'     [summary()][summary.moe] has that), `p.value`:
#'     the last three NA where standard errors cannot be had; dispersions have
#'     no test.
#' @seealso [glance.moe()], [augment.moe()]
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' tidy(moe(y ~ ., sim$data, K = 2))
#' @export
tidy.moe <- function(x, conf.int = FALSE, conf.level = 0.95, exponentiate = FALSE, vcov = NULL, ...) {
  check_dots(..., known = tidier_arguments)
  conf.int <- check_flag(conf.int, "conf.int")
  conf.level <- check_number(conf.level, "conf.level", strict = TRUE, most = 1)
  exponentiate <- check_flag(exponentiate, "exponentiate")
  if (exponentiate && family_traits(x)$link == "identity") {
    input_error("{.code exponentiate = TRUE} is for experts with a log or logit link; the family is
      {.val {x$family$family}}.")
  }
  out <- tidy_table(x)
  names <- names(coef(x))
  covariance <- if (is.null(vcov)) covariance_of(x) else given_covariance(x, vcov)
  error <- sqrt(diag(covariance)[match(names, rownames(covariance))])
  test <- ifelse(out$component == "dispersion", NA_real_, out$estimate / error)
  out$std.error <- as.numeric(error)
  out$statistic <- as.numeric(test)
  # As in summary(): t where the standard errors have degrees of freedom.
  df <- if (is.null(vcov)) tryCatch(standard_errors(x)$df, moe_input_error = function(e) Inf) else Inf
  out$p.value <- 2 * stats::pt(-abs(out$statistic), df)
  if (conf.int) {
    ends <- if (all(is.na(error))) matrix(NA_real_, length(names), 2, dimnames = list(names))
            else if (is.null(vcov)) stats::confint(x, level = conf.level)
            else interval_of(coef(x), error, stats::qnorm((1 + conf.level) / 2))
    at <- match(names, rownames(ends))
    out$conf.low <- unname(ends[at, 1])
    out$conf.high <- unname(ends[at, 2])
  }
  if (!exponentiate) return(out)
  shown <- intersect(c("estimate", "conf.low", "conf.high"), names(out))
  out[shown] <- lapply(out[shown], exp)
  out$std.error <- out$std.error * out$estimate  # delta method
  out
}

# Arguments that other tidiers have and that callers of several pass to all.
tidier_arguments <- c("vcov", "vcov_type", "conf.int", "conf.level", "conf_int", "conf_level",
  "exponentiate", "effects", "component", "parametric", "quick", "se_fit", "interval", "type.predict",
  "type.residuals")

# A covariance that the caller gives: a matrix named by coefficients, a function of the model, or a type of vcov(),
# with further arguments of those two.
given_covariance <- function(x, given, arguments = list()) {
  if (is.function(given)) given <- do.call(given, c(list(x), arguments), quote = TRUE)
  else if (is.character(given) && length(given) == 1) {
    given <- do.call(stats::vcov, c(list(x, type = given), arguments), quote = TRUE)
  }
  names <- names(coef(x))
  if (is.matrix(given) && is.null(rownames(given)) && nrow(given) == length(names)) rownames(given) <- names
  if (!is.matrix(given) || !is.numeric(given) || nrow(given) != ncol(given) || !any(names %in% rownames(given))) {
    input_error("{.arg vcov} must be NULL, a type of {.fn vcov}, a function of the model, or a covariance matrix
      named by coefficients, not {.obj_type_friendly {given}}.")
  }
  out <- matrix(NA_real_, length(names), length(names), dimnames = list(names, names))
  known <- intersect(names, rownames(given))
  out[known, known] <- given[match(known, rownames(given)), match(known, rownames(given))]
  out
}

# What coef() is a vector of, without errors and tests.
tidy_table <- function(x) {
  beta <- coef(x, "expert")
  alpha <- coef(x, "gate")
  parts <- count_parts(x$schema)
  dispersed <- if (has_dispersion(x)) x$K else 0L
  experts <- rep(rep(seq_len(x$K), each = parts), each = nrow(beta))
  out <- data.frame(
    component = rep(c("expert", "gate", "dispersion"), c(length(beta), length(alpha), dispersed)),
    expert = c(experts, rep(seq_len(ncol(alpha)), each = nrow(alpha)), seq_len(dispersed)))
  if (has_many_classes(x)) {
    class <- rep(rep(x$schema$labels[-1], each = nrow(beta)), x$K)
    out$class <- c(class, rep(NA_character_, length(alpha)))
  }
  out$column <- c(rep(rownames(beta), ncol(beta)), rep(rownames(alpha), ncol(alpha)),
    rep(if (has_location_scale(x)) "(variance)" else "(dispersion)", dispersed))
  class <- if (is.null(out$class)) "" else ifelse(is.na(out$class), "", paste0(", ", out$class))
  out$term <- paste0(sub("dispersion", "expert", out$component), " ", out$expert, class, ": ", out$column)
  out$estimate <- unname(coef(x))
  out
}

# The covariance matrix of the coefficients; one of NAs for a model that has none.
covariance_of <- function(x) {
  names <- names(coef(x))
  none <- matrix(NA_real_, length(names), length(names), dimnames = list(names, names))
  if (is.null(utils::getS3method("vcov", class(x)[1], optional = TRUE)) &&
        is.null(utils::getS3method("vcov", "moe", optional = TRUE))) {
    return(none)
  }
  tryCatch(stats::vcov(x), moe_input_error = function(e) none)
}

#' @rdname tidy.moe
#' @export
tidy.moe_sites <- function(x, conf.int = FALSE, conf.level = 0.95, ...) {
  if (!length(x$models)) input_error("No site has a model.", i = "{.code $table} tells why.")
  tables <- lapply(unname(x$models), tidy.moe, conf.int = conf.int, conf.level = conf.level, ...)
  # Column by column: binding thousands of data frames takes long.
  fields <- names(tables[[1]])
  columns <- lapply(stats::setNames(fields, fields), function(f) unlist(lapply(tables, `[[`, f)))
  site <- rep(names(x$models), vapply(tables, nrow, 0L))
  data.frame(site = site, columns, stringsAsFactors = FALSE)
}

#' A mixture of experts in one row
#'
#' @param x A model of class `moe`.
#' @param newdata NULL, or rows with the response at which log-likelihood, AIC and
#'   BIC are worked out: an aggregate has seen no rows and has none of its own.
#' @param ... Arguments of other models' tidiers are ignored.
#' @return A data frame with one row: `family`, `K`, `nobs` (rows, with case weights their sum, that the model
#'   was fitted to, or those of `newdata` that are complete), `df` (free
#'   parameters), `logLik`, `AIC`, `BIC`, `ICL` (BIC plus twice the entropy of the rows' posteriors; R's scale: smaller
#'   is better; NA for an aggregate without `newdata`, ICL also for a model that keeps no rows), `converged`,
#'   `iterations` (EM and Newton steps; an aggregate: MM steps), `runs` (starts and moves that were run) and
#'   `reached` (how often they led to the best maximum; NA where nothing was searched), `dropped` (rows left out because
#'   of missing values). Aggregates have instead of the last three: `method`, `plan`, `weights`, `sites`
#'   (used), `sites_left_out`, `support` (points) and `objective` (transport
#'   divergence (11) at the end; NA for `method = "middle"` and `"average"`).
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' glance(moe(y ~ ., sim$data, K = 2))
#' @export
glance.moe <- function(x, newdata = NULL, ...) {
  check_dots(..., known = tidier_arguments)
  record <- x$record
  steps <- c(record$em_iterations, record$newton_iterations)
  data.frame(likelihood_row(x, newdata),
    converged = if (is.null(record$converged)) NA else record$converged,
    iterations = if (length(steps)) as.integer(sum(steps)) else NA_integer_,
    runs = search_count(record, "runs"), reached = search_count(record, "reached"),
    dropped = as.integer(x$dropped))
}

#' @rdname glance.moe
#' @export
glance.moe_aggregate <- function(x, newdata = NULL, ...) {
  check_dots(..., known = tidier_arguments)
  a <- x$aggregation
  used <- x$sites$table$status == "fitted"
  reduced <- a$method == "reduction"
  data.frame(likelihood_row(x, newdata), converged = if (reduced) a$converged else NA,
    iterations = if (reduced) length(a$objective) - 1L else NA_integer_, method = a$method,
    plan = if (reduced) a$plan else NA_character_, weights = a$weights, sites = sum(used),
    sites_left_out = sum(!used), support = a$support,
    objective = if (reduced) a$objective[length(a$objective)] else NA_real_)
}

# NA where nothing was searched.
search_count <- function(record, what) {
  if (is.null(record$search)) NA_integer_ else as.integer(record$search[[what]])
}

likelihood_row <- function(x, newdata) {
  value <- if (!is.null(newdata) || !is.na(x$log_lik)) stats::logLik(x, newdata = newdata)
  number <- function(f) if (is.null(value)) NA_real_ else as.numeric(f(value))
  data.frame(family = x$family$family, K = x$K, nobs = if (is.null(value)) x$weight else attr(value, "nobs"),
    df = count_free(x), logLik = number(identity), AIC = number(stats::AIC),
    BIC = number(stats::BIC), ICL = integrated_likelihood(x, newdata, number(stats::BIC)))
}

# BIC plus twice the entropy of the posteriors (Biernacki, Celeux and Govaert 2000), NA where there are no rows.
integrated_likelihood <- function(x, newdata, bic) {
  if (is.na(bic)) return(NA_real_)
  if (!is.null(newdata)) design <- design_new(x$schema, newdata, need_response = TRUE)
  else if (is.null(kept_frame(x))) return(NA_real_)
  else design <- kept_design(x)
  bic + 2 * posterior_entropy(x, design)
}

#' Rows with what a mixture of experts says of them
#'
#' @param x A model of class `moe`.
#' @param data Rows: a data frame, or what [predict()][predict.moe] takes for a
#'   model fitted to matrices. NULL: the model frame of the fit, where the model keeps it (`model` of [moe()]).
#' @param newdata The same, under the name that it has for other models; one of
#'   both.
#' @param se_fit TRUE: standard errors of the fitted values, `.se.fit`.
#' @param interval,conf.level `"prediction"` or `"confidence"`: the ends of such intervals
#'   ([predict()][predict.moe]), `.lower` and `.upper`.
#' @param ... Arguments of other models' tidiers are ignored.
#' @return The rows as a data frame with more columns:
#'   * `.fitted`: E(y | x), P(y = 1 | x) for logistic experts; for [multinomial()]
#'     one column a class, `.fitted.<class>`.
#'   * `.class`: the most probable class; logistic and multinomial experts only.
#'   * `.resid` (`.resid.<class>`): response less fitted value, where the response
#'     is among the rows; of classes 1 or 0 less their probability.
#'   * `.expert`: the most probable expert, given the response where it is known
#'     (posterior), else given x alone (gates).
#'   * `.probability`: its probability.
#'
#'   NA where a variable that is needed is missing.
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data, K = 2)
#' head(augment(fit, sim$data))
#' @export
augment.moe <- function(x, data = NULL, newdata = NULL, se_fit = FALSE,
                        interval = c("none", "confidence", "prediction"), conf.level = 0.95, ...) {
  check_dots(..., known = tidier_arguments)
  se_fit <- check_flag(se_fit, "se_fit")
  interval <- check_choice(interval, c("none", "confidence", "prediction"), "interval")
  if (!is.null(data) && !is.null(newdata)) {
    input_error("{.fn augment} takes one of {.arg data} and {.arg newdata}, not both.")
  }
  if (is.null(data)) data <- newdata
  if (is.null(data)) data <- rows_of_fit(x, "augment(model)")
  if (inherits(data, "moe_support")) {
    data <- if (x$schema$kind == "matrix") data[c("x", "y")] else support_data(data, x$schema)
  }
  augmented(x, data, function(...) predict(x, data, ...), se_fit, interval, conf.level)
}

# `by`: predictions of the rows.
augmented <- function(x, data, by, se_fit, interval, conf.level) {
  fitted <- by()
  out <- as_rows(x, data)
  out <- add_columns(out, ".fitted", fitted)
  if (se_fit) out <- add_columns(out, ".se.fit", by(se.fit = TRUE)$se.fit)
  if (interval != "none") {
    ends <- by(interval = interval, level = conf.level)
    out[c(".lower", ".upper")] <- list(ends[, "lwr"], ends[, "upr"])
  }
  if (has_classes(x$schema)) out$.class <- by(type = "label")
  probability <- by(type = "gate")
  if (holds_response(x, data)) {
    y <- known_response(x, data)
    posterior <- by(type = "posterior")
    known <- !is.na(posterior[, 1])
    probability[known, ] <- posterior[known, ]
    indicators <- response_indicators(ifelse(is.na(y), 0, y), x$schema)
    out <- add_columns(out, ".resid", indicators + ifelse(is.na(y), NA, 0) - fitted)
  }
  complete <- !is.na(probability[, 1])
  out$.expert <- rep(NA_integer_, nrow(out))
  out$.expert[complete] <- max.col(probability[complete, , drop = FALSE], "first")
  out$.probability <- probability[cbind(seq_len(nrow(out)), out$.expert)]
  out
}

# One column, or one a class.
add_columns <- function(out, name, value) {
  if (!is.matrix(value)) out[[name]] <- value
  else for (class in colnames(value)) out[[paste0(name, ".", class)]] <- value[, class]
  out
}

as_rows <- function(x, data) {
  if (is.data.frame(data)) return(data)
  if (!is.list(data)) data <- list(x = data)
  named <- function(m, part) {
    if (is.null(colnames(m))) colnames(m) <- x$schema[[part]]$columns[-1]
    as.data.frame(m)
  }
  out <- named(data$x, "expert")
  if (!x$schema$same) out <- cbind(out, named(data$z, "gate"))
  if (!is.null(data$y)) out[[x$schema$response]] <- data$y
  out
}

holds_response <- function(x, data) {
  if (x$schema$kind == "matrix") return(is.list(data) && !is.data.frame(data) && !is.null(data$y))
  if (is_kept_frame(data, x$schema)) return(TRUE)
  all(x$schema$response_variables %in% names(data))
}

# The response as numbers; NA where it or x is missing.
known_response <- function(x, data) {
  design <- design_new(x$schema, data, need_response = TRUE)
  out <- rep(NA_real_, length(design$complete))
  if (any(design$complete)) out[design$complete] <- design$y
  out
}
