#' Multinomial experts
#'
#' The family of a response with three classes or more: every expert is a
#' softmax regression over the classes, the first level of the response being
#' the reference. With two classes it is [stats::binomial()].
#'
#' An expert's coefficients are one column a class after the first: those of
#' expert 2 for class `"c"` are the column `"2:c"` of `coef(fit, "expert")`, log
#' odds of that class against the first.
#'
#' @return An object of class `family` with `family = "multinomial"` and
#'   `link = "logit"` (the generalised logit), for the argument `family` of
#'   [moe()].
#' @examples
#' moe(Species ~ Petal.Length, iris, K = 1, family = multinomial())
#' @export
multinomial <- function() {
  structure(list(family = "multinomial", link = "logit"), class = "family")
}

# A family object, the function that makes one, or its name; with the link of the table.
check_family <- function(family) {
  known <- names(known_families)
  if (is.character(family) && length(family) == 1 && family %in% known) {
    family <- known_families[[family]]$make()
  }
  if (is.function(family)) family <- tryCatch(family(), error = function(e) family)
  if (!inherits(family, "family")) {
    input_error("{.arg family} must be a family such as {.code gaussian()}, not
      {.obj_type_friendly {family}}.", i = "Families here: {.val {known}}.")
  }
  if (!family$family %in% known) {
    input_error("{.arg family} {.val {family$family}} is not one that experts can have.",
      i = "Families here: {.val {known}}.")
  }
  traits <- known_families[[family$family]]
  if (family$link != traits$link) {
    canonical <- if (isTRUE(traits$log_only)) "the" else "its canonical"
    argument <- if (isTRUE(traits$log_only)) "link = \"log\""
    input_error("{.arg family} {.val {family$family}} must have {canonical} link {.val {traits$link}}, not
      {.val {family$link}}.", i = "Write {.code {family$family}({argument})}.")
  }
  family
}

# The row of the table for a family: of a model, a schema, a family object, or by name.
family_traits <- function(x) {
  name <- if (is.character(x)) x else if (is.list(x$family)) x$family$family else x$family
  known_families[[name]]
}

has_dispersion <- function(x) family_traits(x)$dispersion

# May y be shifted and scaled, and the coefficients with it? It is then standardised, and a dispersion is a variance.
has_location_scale <- function(x) family_traits(x)$location_scale

# Is the response a class? Its levels are then the schema's labels (none for 0/1).
has_classes <- function(x) family_traits(x)$classes > 0

# Rows that are not all seen at once can't tell by themselves whether weights are trials.
refuse_shares <- function(design, frame) {
  if (!is.null(design$trials) && is.null(dim(stats::model.response(frame)))) {
    input_error("The response holds shares of successes with the numbers of trials as weights, which only {.fn moe} on a
      data frame takes.", i = "Give {.code cbind(successes, failures)} as the response.")
  }
  design
}

# Is a response the successes in several trials? x: a model or a schema.
has_trials <- function(x) {
  schema <- if (is.null(x$schema)) x else x$schema
  !is.null(x$rows$trials) || schema$kind == "formula" && is.call(schema$formula[[2]]) &&
    identical(schema$formula[[2]][[1]], quote(cbind))
}

# Has an expert a predictor for every class after the first, and not one?
has_many_classes <- function(x) family_traits(x)$classes > 2

# Predictors of an expert: one, or one for every class after the first.
count_parts <- function(schema) if (has_many_classes(schema)) length(schema$labels) - 1L else 1L

# The levels of a response that is a factor or text; the first counts as failure, or as reference.
response_labels <- function(y, family) {
  if (!has_classes(family) || !(is.factor(y) || is.character(y))) return(NULL)
  if (is.factor(y)) levels(y) else sort(unique(y))
}

# The response as numbers that fit the family. `labels`: the levels of a response that is a factor or
# text; they are matched by name, whatever the order at this site.
check_response <- function(y, family, name = "response", labels = NULL) {
  if (inherits(y, c("Surv", "Surv2"))) {
    input_error("The {name} is a {.cls Surv}: censored responses are not supported.",
      i = unsupported_terms$survival$instead)
  }
  if (is.matrix(y) && ncol(y) > 1) {
    if (isTRUE(known_families[[family]]$trials)) return(check_trials(y, name))
    input_error("The {name} must be one column, not {ncol(y)}.",
      i = "{.code cbind(successes, failures)} is for {.code family = binomial()}.")
  }
  known_families[[family]]$check(y, name, labels, family)
}

# Counts of successes and failures as their share, with the number of trials as an attribute, which new_design() takes
# off at once.
check_trials <- function(y, name) {
  if (ncol(y) != 2) {
    input_error("The {name} has {ncol(y)} columns; {.code cbind(successes, failures)} has two.")
  }
  if (!is.numeric(y)) input_error("The {name} must be counts, not {.cls {class(y[1])}}.")
  bad <- which(!is.finite(y) | y < 0 | y != round(y) | y > 1e9)
  if (length(bad)) {
    input_error("The {name} must hold counts of successes and failures; found {show_value(y[bad[1]])} in row
      {(bad[1] - 1) %% nrow(y) + 1}.")
  }
  trials <- y[, 1] + y[, 2]
  structure(unname(ifelse(trials > 0, y[, 1] / trials, 0)), trials = unname(trials))
}

# As glm() has it: shares of successes, with the trials as weights. Gives counts, or the response as it is.
trials_of_weights <- function(y, weights, family) {
  of_trials <- isTRUE(known_families[[family]]$trials) && is.numeric(y) && is.null(dim(y)) && is.numeric(weights)
  if (!of_trials || anyNA(y) || !all(y >= 0 & y <= 1) || all(y == 0 | y == 1)) return(y)
  successes <- y * weights
  bad <- which(is.na(weights) | abs(successes - round(successes)) > 1e-6 * pmax(1, weights) | weights != round(weights))
  if (length(bad)) {
    input_error("The response holds shares of successes, so that {.arg weights} must be the numbers of trials; row
      {bad[1]} has {show_value(y[bad[1]])} of {show_value(weights[bad[1]])}, which are no counts.",
      i = "Give {.code cbind(successes, failures)} as the response.")
  }
  cbind(round(successes), weights - round(successes))
}

# What only fitting asks of a response: that it varies, and that its family is plausible.
check_varies <- function(y, family, rows = length(y)) {
  if (!length(y)) return(invisible())
  ends <- c(min(y), max(y))
  if (ends[1] == ends[2]) {
    what <- if (has_many_classes(family)) "of one class" else paste0("constant (", y[1], ")")
    input_error("The response is {what} in all {rows} rows: there is nothing to model.")
  }
  notice <- family_traits(family)$notice
  if (!is.null(notice)) notice(y, ends)
}

notice_binary <- function(y, ends) {
  if (identical(ends, c(0, 1)) && all(y == 0 | y == 1)) {
    cli::cli_warn(c("The response is 0 or 1 in every row, but {.arg family} is Gaussian.",
      i = "{.code family = binomial()} models a binary response."))
  }
}

# Names of the experts' coefficient columns: "1", "2", or with classes "1:b", "1:c", "2:b", ...
expert_columns <- function(schema, K) {
  experts <- as.character(seq_len(K))
  if (!has_many_classes(schema)) return(experts)
  paste0(rep(experts, each = count_parts(schema)), ":", schema$labels[-1])
}

# From the core's columns (expert by expert, the classes after the first) to all classes: an array
# n x K x C.
all_classes <- function(means, K, labels) {
  parts <- length(labels) - 1L
  out <- array(1, c(nrow(means), K, parts + 1L), list(NULL, as.character(seq_len(K)), labels))
  for (j in seq_len(parts)) {
    out[, , j + 1L] <- means[, (seq_len(K) - 1L) * parts + j]
    out[, , 1] <- out[, , 1] - out[, , j + 1L]
  }
  out[, , 1] <- pmax(out[, , 1], 0)
  out
}

# The response as it compares with response_means(): itself, or an indicator of every class.
response_indicators <- function(y, schema) {
  if (!has_many_classes(schema)) return(y)
  out <- matrix(0, length(y), length(schema$labels), dimnames = list(NULL, schema$labels))
  out[cbind(seq_along(y), y + 1)] <- 1
  out
}

# Number of free parameters, and so the fewest rows that a fit can work with.
count_parameters <- function(schema, K) {
  K <- as.numeric(K)  # whole numbers have an end
  K * length(schema$expert$columns) * count_parts(schema) + (K - 1) * length(schema$gate$columns) +
    if (has_dispersion(schema)) K else 0
}

# The family of a model to start from, where none was asked for.
family_or_start <- function(family, asked, start) {
  if (!asked && inherits(start, "moe")) start$family else check_family(family)
}

# ---- the table -------------------------------------------------------------------------------

# The families of experts, a row each. What differs between families is asked of their row, and stands in no other
# place:
#   link, words, make  the link, what they are called in prints, who makes the family object
#   log_only           is the link not the canonical one, nor the one that R's function has by default?
#   check              of a response: function(y, name, labels, family) that gives the numbers which the core takes
#   notice             NULL, or function(y, ends): what to say where the response would rather have another family
#   classes            0: the response is a number; 2: one of two classes; Inf: of any number of them
#   trials             may a response be counts of successes and failures, all of one expert?
#   dispersion         has an expert a dispersion of its own? Then also
#     shown              what prints show of it: list(name, of), of a function of the dispersion
#     spread             in words, what its root is; NULL where a small one is no sign of few rows or equal values
#     held               what a dispersion at its floor is called, what it means, and what there is `instead`
#     true_dispersion    of moe_simulate(), from a whole number between 1 and 5
#     dispersion_slope   of log f in log dispersion: function(y, mean, dispersion), n x K
#     best_dispersion    by maximum likelihood, of responses of one mean with weights that sum to 1
#   location_scale     may y be shifted and scaled, and the coefficients with it?
#   range              of the means
#   top_variance       the most that a response's variance can be, in units of the dispersion (Inf: no bound)
#   moments            do means and covariances at a site tell all of its rows (`share = "moments"`)?
#   closed_form        has the reduction the update (S14)?
#   costs              of the transport between experts
#   slope              of the means in the linear predictors (of a family with one predictor an expert)
#   variance           of a response, from the experts' means (n x K) and dispersions
#   deviance           what a response adds to it, given its mean (and dispersion)
#   log_tail           of a continuous response: log P(Y <= y) or log P(Y > y) of every expert, n x K
#   around             of counts: P(Y < y), P(Y = y), P(Y > y) of every expert, vectors as long as the means
#   draw               responses of rows whose mean and dispersion are known (classes are drawn by probability)
#   true_beta          coefficients that make reasonable data of whole numbers, in moe_simulate() of d columns
#   extreme            what separation makes of fitted values, in words
known_families <- list(
  gaussian = list(
    link = "identity", words = "Gaussian", make = stats::gaussian, check = check_numeric, notice = notice_binary,
    shown = list(name = "sigma", of = sqrt), spread = "standard deviation",
    held = c("variance", "it fits its rows exactly"), true_dispersion = identity,
    dispersion_slope = function(y, mean, dispersion) ((y - mean)^2 / rep(dispersion, each = nrow(mean)) - 1) / 2,
    best_dispersion = function(y, mean, weight) sum(weight * (y - mean)^2),
    classes = 0, dispersion = TRUE, location_scale = TRUE, range = c(-Inf, Inf), top_variance = 1, moments = TRUE,
    closed_form = FALSE,
    costs = c("kl", "reverse-kl", "wasserstein", "hellinger"),
    slope = function(mean) array(1, dim(mean)),
    variance = function(mean, dispersion) rep(dispersion, each = nrow(mean)),
    deviance = function(y, mean, dispersion) (y - mean)^2,
    log_tail = function(y, mean, dispersion, lower) {
      stats::pnorm((y - mean) / rep(sqrt(dispersion), each = length(y)), lower.tail = lower, log.p = TRUE)
    },
    draw = function(mean, dispersion) mean + sqrt(dispersion) * stats::rnorm(length(mean))),
  binomial = list(
    link = "logit", words = "logistic", make = stats::binomial, check = check_binary,
    classes = 2, trials = TRUE, dispersion = FALSE, location_scale = FALSE, range = c(0, 1), top_variance = 0.25,
    moments = FALSE, closed_form = TRUE,
    costs = c("kl", "reverse-kl", "hellinger"),
    slope = function(mean) mean * (1 - mean),
    variance = function(mean, dispersion) mean * (1 - mean),
    deviance = function(y, mean, dispersion) {
      part <- function(a, b) ifelse(a == 0, 0, a * log(a / b))
      2 * (part(y, mean) + part(1 - y, 1 - mean))
    },
    draw = function(mean, dispersion) as.numeric(stats::runif(length(mean)) < mean),
    extreme = "Fitted probabilities numerically 0 or 1"),
  poisson = list(
    link = "log", words = "Poisson", make = stats::poisson, check = check_counts,
    classes = 0, dispersion = FALSE, location_scale = FALSE, range = c(0, Inf), top_variance = Inf, moments = FALSE,
    closed_form = FALSE,
    costs = c("kl", "reverse-kl", "hellinger"),
    slope = function(mean) mean,
    variance = function(mean, dispersion) mean,
    deviance = function(y, mean, dispersion) 2 * (ifelse(y == 0, 0, y * log(y / mean)) - (y - mean)),
    around = function(y, mean, dispersion) {
      list(below = stats::ppois(y - 1, mean), here = stats::dpois(y, mean),
        above = stats::ppois(y, mean, lower.tail = FALSE))
    },
    draw = function(mean, dispersion) as.numeric(stats::rpois(length(mean), mean)),
    true_beta = function(beta, d) beta / c(5, rep(10 * sqrt(d), d)),
    extreme = "Fitted rates numerically 0"),
  multinomial = list(
    link = "logit", words = "multinomial logistic", make = multinomial, check = check_classes,
    classes = Inf, dispersion = FALSE, location_scale = FALSE, range = c(0, 1), top_variance = 0.25, moments = FALSE,
    closed_form = FALSE,
    costs = c("kl", "reverse-kl", "hellinger"),
    extreme = "Fitted probabilities numerically 0 or 1"),
  Gamma = gamma_traits,
  negative_binomial = negative_binomial_traits
)
