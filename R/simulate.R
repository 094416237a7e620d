#' Simulate the paper's design
#'
#' Section S4.1 of Chamroukhi and Pham: n / K points from each of K Gaussian
#' clusters whose centres are integers in -5..5 and whose covariance is
#' 0.25^|u - v|; experts' and gates' coefficients integers in -5..5; the expert
#' of a row drawn from the gates and y from that expert. Gaussian experts have
#' variances that are integers in 1..5. Rows come in random order.
#'
#' Some draws hold an expert with a tiny share of the data: look at
#' `table(labels)`.
#'
#' @param n Number of rows.
#' @param K Number of experts, and of clusters.
#' @param d Number of covariates.
#' @param seed NULL: R's generator as it stands. A whole number: the draw that
#'   belongs to it; the generator's state is put back afterwards.
#' @param family A family, as in [moe()]. Where the link is the logarithm, slopes are 1 / (10 sqrt(d))
#'   and the intercept 1 / 5 of the design's, so that means stay small; dispersions of Gamma (negative binomial)
#'   experts are the variances of the design divided by 20 (10).
#' @param classes Number of classes of a multinomial response, `"a"`, `"b"`, ...
#' @return A list: `data` (data frame `y, x1, ..., xd`), `model` (the true model,
#'   class `moe`), `labels` (integer vector: the expert of every row).
#' @examples
#' sim <- moe_simulate(1000, K = 4, d = 20, seed = 1)
#' table(sim$labels)
#' @export
moe_simulate <- function(n, K = 4, d = 20, seed = NULL, family = stats::gaussian(), classes = 3) {
  n <- check_count(n, "n")
  K <- check_count(K, "K")
  d <- check_count(d, "d")
  family <- check_family(family)
  traits <- family_traits(family)
  classes <- if (has_many_classes(family)) check_count(classes, "classes", 2) else 2L
  if (classes > length(letters)) input_error("{.arg classes} can be {length(letters)} at most.")
  if (K > n) input_error("{.arg K} = {K} experts need at least as many rows; {.arg n} = {n}.")
  if (!is.null(seed)) {
    seed <- check_count(seed, "seed", -.Machine$integer.max)
    old <- get0(".Random.seed", globalenv(), inherits = FALSE)
    on.exit(restore_seed(old))
    set.seed(seed)
  }
  integers <- function(rows, cols) {
    matrix(sample(-5:5, rows * cols, replace = TRUE) + 0, rows, cols)
  }
  centre <- integers(K, d)
  parameters <- list(beta = integers(d + 1, K * (classes - 1)), alpha = integers(d + 1, K - 1),
    dispersion = if (traits$dispersion) traits$true_dispersion(sample(1:5, K, replace = TRUE) + 0) else rep(1, K))
  if (!is.null(traits$true_beta)) parameters$beta <- traits$true_beta(parameters$beta, d)
  cluster <- sample(rep_len(seq_len(K), n))
  root <- chol(0.25^abs(outer(seq_len(d), seq_len(d), "-")))
  x <- matrix(stats::rnorm(n * d), n, d) %*% root + centre[cluster, , drop = FALSE]
  colnames(x) <- paste0("x", seq_len(d))
  design <- new_design(x, x, NULL, add_intercept = TRUE)
  core <- c(list(family = family$family), parameters)
  labels <- draw_labels(core_predict(design, core, "gate"))
  y <- draw_responses(core_predict(design, core, "expert"), labels, family, parameters$dispersion,
    letters[seq_len(classes)])
  data <- data.frame(y = y, x)
  list(data = data, model = true_model(parameters, data, n, labels, family), labels = labels)
}

# One label a row, with the probabilities of that row.
draw_labels <- function(probabilities) {
  u <- stats::runif(nrow(probabilities))
  below <- 0
  label <- rep(1L, nrow(probabilities))
  for (k in seq_len(ncol(probabilities) - 1L)) {
    below <- below + probabilities[, k]
    label <- label + (u > below)
  }
  label
}

# The experts of rows, drawn by the gates; one for all rows of a unit.
unit_labels <- function(gate, design) {
  if (is.null(design$unit)) return(draw_labels(gate))
  number <- match(design$unit, unique(design$unit))
  draw_labels(gate[match(unique(number), number), , drop = FALSE])[number]
}

# Responses of rows whose experts are known; means as the core gives them.
draw_responses <- function(means, labels, family, dispersion, classes, trials = NULL) {
  n <- length(labels)
  rows <- seq_len(n)
  if (has_many_classes(family)) {
    all <- all_classes(means, length(dispersion), classes)
    own <- vapply(seq_along(classes), function(j) all[cbind(rows, labels, j)], numeric(n))
    return(factor(classes[draw_labels(matrix(own, n))], classes))
  }
  mean <- means[cbind(rows, labels)]
  if (!is.null(trials)) return(stats::rbinom(n, trials, mean))
  family_traits(family)$draw(mean, dispersion[labels])
}

#' Simulate responses from a mixture of experts
#'
#' For every row an expert is drawn from its gates, and the response
#' from that expert.
#'
#' @param object A model of class `moe`.
#' @param nsim Number of responses to draw for every row.
#' @param seed NULL: R's generator as it stands. A whole number: for [set.seed()];
#'   the generator's state is put back afterwards.
#' @param newdata A data frame (for a model fitted to matrices: a matrix or
#'   `list(x = , z = )`), without need of the response. Rows with missing values
#'   give NA. NULL: the rows of the fit, where the model keeps them (`model` of [moe()]).
#' @param ... Not used.
#' @return A data frame with a row for every row and the columns
#'   `sim_1`, ..., `sim_<nsim>`: what stands on the left of the formula (of
#'   `log(y) ~ x` the logarithms), as factors where the model's response is one.
#'   As in [stats::simulate()] the attribute `"seed"` is the seed, or the
#'   generator's state before.
#' @examples
#' fit <- moe(dist ~ speed, cars, K = 1)
#' head(simulate(fit, nsim = 2, seed = 1))
#' simulate(fit, seed = 1, newdata = data.frame(speed = 10))
#' @export
simulate.moe <- function(object, nsim = 1, seed = NULL, newdata = NULL, ...) {
  check_dots(...)
  nsim <- check_count(nsim, "nsim")
  own <- is.null(newdata)
  if (own) newdata <- rows_of_fit(object, "simulate(model)")
  if (!is.null(seed)) seed <- check_count(seed, "seed", -.Machine$integer.max)
  if (!exists(".Random.seed", globalenv(), inherits = FALSE)) stats::runif(1)
  state <- old <- get(".Random.seed", globalenv(), inherits = FALSE)
  if (!is.null(seed)) {
    on.exit(restore_seed(old))
    set.seed(seed)
    state <- structure(seed, kind = as.list(RNGkind()))
  }
  # Of successes in trials, how many these are.
  design <- design_new(object$schema, newdata, need_response = has_trials(if (own) object else object$schema))
  if (is.null(design$unit) && any(design$complete)) {
    design <- with_units(design, group_of_rows(object$schema, newdata)[design$complete])
  }
  draws <- lapply(seq_len(nsim), function(i) NA)
  if (any(design$complete)) draws <- draw_from(object, design, nsim)
  complete <- if (own) pad_rows(matrix(design$complete + 0), newdata)[, 1] %in% 1 else design$complete
  rows <- match(seq_along(complete), which(complete))
  out <- lapply(draws, function(y) if (is.matrix(y)) y[rows, , drop = FALSE] else y[rows])
  names(out) <- paste0("sim_", seq_len(nsim))
  named <- is.data.frame(newdata) && nrow(newdata) == length(rows)
  names <- if (named) attr(newdata, "row.names") else seq_along(rows)
  structure(out, row.names = names, class = "data.frame", seed = state)
}

# Draws for the rows of a design, a list.
draw_from <- function(object, design, nsim) {
  core <- core_model(object)
  gate <- core_predict(design, core, "gate")
  means <- core_predict(design, core, "expert")
  labels <- object$schema$labels
  lapply(seq_len(nsim), function(i) {
    y <- draw_responses(means, unit_labels(gate, design), object$family,
      unname(object$parameters$dispersion), labels, design$trials)
    if (!is.null(design$trials)) counted_trials(y, design$trials, object)
    else if (is.factor(y)) y else as_label(y, object$schema)
  })
}

# Successes as the response was given: with the failures, or as their share.
counted_trials <- function(y, trials, object) {
  given <- if (object$schema$kind == "matrix") object$rows$given$y else stats::model.response(object$model)
  if (is.null(dim(given)) && !is.null(given)) return(ifelse(trials > 0, y / trials, 0))
  cbind(y, trials - y, deparse.level = 0)
}

# The truth as a model: its schema is that of y ~ x1 + ... + xd.
true_model <- function(parameters, data, n, labels, family) {
  formula <- stats::reformulate(names(data)[-1], "y")
  environment(formula) <- globalenv()
  terms <- formula_terms(formula, NULL, data)
  schema <- new_schema(formula, NULL, terms, row_frame(frame_formula(terms, globalenv()), data), data,
    family$family)
  schema$expert$columns <- schema$gate$columns <- c("(Intercept)", names(data)[-1])
  new_moe(parameters, family, schema, n, share = tabulate(labels, length(parameters$dispersion)) / n)
}
