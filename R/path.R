#' Fits along a path of penalties
#'
#' Fits one mixture of experts for many values of `lambda`, the LASSO or elastic
#' net penalty of [moe_control()], and chooses one by BIC or AIC. The path
#' begins with a fit without that penalty (no part of the result), whose starts are searched as in [moe()], and
#' goes up: each fit starts from the one before, so that experts keep their
#' labels. (From the other end there would be nothing to start from: where all
#' slopes are 0, experts can't be told apart.) Then each is started from the one after it
#' too, and again from the one before where that has changed, and the better one by the
#' objective at its own lambda is kept, until none improves.
#'
#' `df`, the number of coefficients that are not 0 (and of variances), is what BIC
#' and AIC charge for. The log-likelihood is that of the penalised estimates, which are
#' shrunken: a fit on the columns that are left, without penalty, has a larger one.
#'
#' @param x,formula A formula, or a numeric matrix.
#' @param data,K,family,gating,weights,subset,na.action,start,y,seed As in [moe()].
#' @param lambda NULL, or numbers: the experts' penalties, taken in increasing order. By default `n_lambda` values,
#'   evenly spaced on the log scale, up to the least one that makes all slopes 0 at
#'   the responsibilities of the first fit, from `ratio` times that.
#' @param gate The gates' `lambda` as a multiple of the experts'. 0: gates are not penalised.
#' @param n_lambda,ratio See `lambda`.
#' @param group NULL, or a one-sided formula, `~ id`: rows that have one expert together; see [moe()].
#' @param criterion `"BIC"` (default) or `"AIC"`; smaller is better.
#' @param control Settings made by [moe_control()], among them `l1_share` (above 0); its
#'   `lambda` is not used.
#' @param ... Not used.
#' @return A list of class `moe_path`: `lambda` (the chosen one), `model` (its model),
#'   `criterion`, `path` (data frame, a row a fit: `lambda`, `loglik`, `df`, `expert_columns`
#'   and `gate_columns` (numbers of columns, intercepts aside, with a coefficient that is not 0
#'   in some expert or gate), `AIC`, `BIC`, `converged`, `message`), `models` (all of them, in
#'   the order of `path`, without rows), `call`. `plot()` shows the criterion, or with
#'   `what = "expert"` or `"gate"` how often the columns have coefficients that are not 0.
#' @seealso [moe_control()] for the objective.
#' @examples
#' set.seed(1)
#' d <- as.data.frame(matrix(rnorm(6000), 1000))
#' d$y <- ifelse(runif(1000) < plogis(3 * d$V1), 2 * d$V2, -2 * d$V2) + rnorm(1000, sd = 0.5)
#' path <- moe_path(y ~ ., d, K = 2, n_lambda = 8)
#' path
#' coef(path$model, "expert")
#' plot(path)
#' @export
moe_path <- function(x, ...) UseMethod("moe_path")

#' @rdname moe_path
#' @export
moe_path.formula <- function(formula, data = NULL, K = NULL, lambda = NULL, family = stats::gaussian(),
                             gating = NULL, weights, subset, na.action, start = NULL,
                             control = moe_control(), gate = 1, n_lambda = 20, ratio = 1e-3,
                             criterion = c("BIC", "AIC"), ..., group = NULL, seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  if (!is.null(data) && !is.data.frame(data)) {
    input_error("{.arg data} must be a data frame, not {.obj_type_friendly {data}}.")
  }
  call <- called_as("moe_path", match.call())
  family <- family_or_start(family, !missing(family), start)
  asked <- bare_weights(call, names(data), parent.frame())
  asked$group <- group_columns_of(group, start)
  design <- formula_design(asked, formula, data, gating, family, start_schema(start, formula, gating, data),
    parent.frame())
  fit_path(design, K, lambda, family, start, control, gate, n_lambda, ratio, criterion, call)
}

#' @rdname moe_path
#' @export
moe_path.matrix <- function(x, y, K = NULL, lambda = NULL, family = stats::gaussian(), gating = NULL,
                            weights = NULL, start = NULL, control = moe_control(), gate = 1,
                            n_lambda = 20, ratio = 1e-3, criterion = c("BIC", "AIC"), ..., seed = NULL) {
  check_unused(...)
  back <- use_seed(seed)
  on.exit(back())
  if (missing(y)) input_error("{.arg y}, the response, is missing.")
  family <- family_or_start(family, !missing(family), start)
  design <- matrix_design(x, y, gating, weights, family)
  fit_path(design, K, lambda, family, start, control, gate, n_lambda, ratio, criterion,
    called_as("moe_path", match.call()))
}

#' @rdname moe_path
#' @export
moe_path.default <- function(x, ...) {
  input_error("The first argument must be a formula or a numeric matrix, not {.obj_type_friendly {x}}.",
    i = "Write {.code moe_path(y ~ x, data, K = 2)}.")
}

fit_path <- function(design, K, lambda, family, start, control, gate, n_lambda, ratio, criterion, call) {
  control <- check_control(control)
  criterion <- check_choice(criterion, c("BIC", "AIC"), "criterion")
  gate <- check_number(gate, "gate", most = .Machine$double.xmax)
  if (control$l1_share == 0) {
    input_error("{.arg l1_share} in {.arg control} is 0: ridge sets no coefficient to 0, so there is no path.",
      i = "Fit {.fn moe} with several {.arg lambda} instead.")
  }
  if (!is.null(lambda)) lambda <- check_lambdas(lambda)
  check_slopes(design$schema)
  n_lambda <- check_count(n_lambda, "n_lambda", 2)
  ratio <- check_number(ratio, "ratio", strict = TRUE, most = 1)
  control$information <- FALSE
  rows <- design
  design$frame <- NULL
  step <- function(start, value = 0) {
    control$lambda <- c(expert = value, gate = gate * value)
    quiet_fit(fit_design(design, K, family, start, control, keep = FALSE, call = call), character())
  }
  fit <- step(start)
  if (is.null(lambda)) {
    top <- largest_lambda(design, fit$model, gate) / control$l1_share
    lambda <- top * exp(seq(log(ratio), 0, length.out = n_lambda))
  }
  fits <- list()
  for (value in lambda) {
    fit <- step(fit$model, value)
    fits[[length(fits) + 1]] <- fit
  }
  fits <- improve_by_neighbours(fits, function(i, neighbour) step(neighbour, lambda[i]))
  out <- new_path(fits, lambda, criterion, call)
  out$model <- keep_rows(out$model, rows)
  out$model <- keep_frame(out$model, rows$frame)
  out
}

check_slopes <- function(schema) {
  columns <- unlist(lapply(schema[c("expert", "gate")], function(part) part$columns))
  if (all(columns == "(Intercept)")) {
    input_error("There is no column beside the intercepts, and so nothing for {.arg lambda} to penalise.",
      i = "Fit {.fn moe} instead.")
  }
}

check_lambdas <- function(lambda) {
  if (!is.numeric(lambda) || !length(lambda) || !all(is.finite(lambda)) || any(lambda < 0)) {
    input_error("{.arg lambda} must hold numbers at least 0, not {show_value(lambda)}.")
  }
  sort(unique(as.numeric(lambda)))
}

# The least lambda that makes all slopes 0 under the model's responsibilities: where the score of the
# experts and gates that are intercepts alone is nowhere larger.
largest_lambda <- function(design, model, gate) {
  r <- core_predict(design, core_model(model), "posterior")
  weight <- if (is.null(design$weight)) rep(1, nrow(r)) else design$weight
  total <- sum(weight)
  weight <- weight * count_trials(design) * unit_sizes(design)
  response <- response_indicators(design$y, design$schema)
  response <- if (is.matrix(response)) response[, -1, drop = FALSE] else as.matrix(response)
  if (has_location_scale(model)) {
    response <- response - if (is.null(design$offset)) 0 else design$offset
    response <- standardised_columns(response, weight)
  }
  x <- standardised_columns(design$x, weight)
  traits <- family_traits(model)
  expert <- vapply(seq_len(model$K), function(k) {
    share <- weight * r[, k]
    mean <- colSums(share * response) / sum(share)
    gap <- sweep(response, 2, mean)
    if (!has_many_classes(model)) {  # of several classes the link is canonical
      dispersion <- 1
      if (has_dispersion(model)) dispersion <- traits$best_dispersion(response[, 1], mean, share / sum(share))
      gap <- gap * drop(traits$slope(as.matrix(mean))) / drop(traits$variance(as.matrix(mean), dispersion))
    }
    max(abs(crossprod(x, share * gap)))
  }, 0)
  gap <- weight * sweep(r, 2, colSums(weight * r) / total)
  gates <- max(abs(crossprod(standardised_columns(design$z, weight), gap)))
  max(expert, if (gate > 0) gates / gate) / total
}

# Constant columns become 0.
standardised_columns <- function(x, weight) {
  x <- sweep(x, 2, colSums(weight * x) / sum(weight))
  size <- sqrt(colSums(weight * x^2) / sum(weight))
  sweep(x, 2, ifelse(size > 1e-12, size, Inf), "/")
}

new_path <- function(fits, lambda, criterion, call) {
  rows <- Map(function(fit, value) {
    l <- stats::logLik(fit$model)
    used <- lapply(count_coefficients(fit$model), function(n) sum(n[names(n) != "(Intercept)"] > 0))
    data.frame(lambda = value, loglik = as.numeric(l), df = attr(l, "df"),
      expert_columns = used$expert, gate_columns = used$gate, AIC = stats::AIC(l), BIC = stats::BIC(l),
      converged = fit$model$record$converged, message = fit$message)
  }, fits, lambda)
  path <- do.call(rbind, rows)
  best <- which.min(path[[criterion]])
  models <- lapply(fits, function(f) f$model)
  structure(list(lambda = path$lambda[best], model = models[[best]], criterion = criterion, path = path,
    models = models, call = lean_call(call)), class = "moe_path")
}

#' @export
print.moe_path <- function(x, digits = 5, ...) {
  cat("Path of penalties: lambda = ", format(x$lambda, digits = digits), ", by ",
    criterion_words[[x$criterion]], "\n", sep = "")
  shown <- x$path
  shown$message <- NULL
  chosen <- ifelse(shown$lambda == x$lambda, "<-", "")
  print(cbind(format(shown, digits = digits), ` ` = chosen), row.names = FALSE)
  said <- x$path$message != ""
  if (any(said)) {
    cat(cut_text(paste0("lambda = ", format(x$path$lambda[said], digits = digits), ": ",
      x$path$message[said]), 110), sep = "\n")
  }
  cat("The model is in $model.\n")
  invisible(x)
}
