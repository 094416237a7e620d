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

# The families of experts: their canonical links, what they are called in prints, who makes them.
known_families <- list(
  gaussian = list(link = "identity", words = "Gaussian", make = stats::gaussian),
  binomial = list(link = "logit", words = "logistic", make = stats::binomial),
  poisson = list(link = "log", words = "Poisson", make = stats::poisson),
  multinomial = list(link = "logit", words = "multinomial logistic", make = multinomial)
)

# A family object, the function that makes one, or its name; canonical link.
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
  link <- known_families[[family$family]]$link
  if (family$link != link) {
    input_error("{.arg family} {.val {family$family}} must have its canonical link {.val {link}}, not
      {.val {family$link}}.", i = "Write {.code {family$family}()}.")
  }
  family
}

has_dispersion <- function(model) model$family$family == "gaussian"

# Is the response a class? Its levels are then the schema's labels (none for 0/1).
has_classes <- function(schema) schema$family %in% c("binomial", "multinomial")

# Predictors of an expert: one, or one for every class after the first.
count_parts <- function(schema) {
  if (schema$family == "multinomial") length(schema$labels) - 1L else 1L
}

# The levels of a response that is a factor or text; the first counts as failure, or as reference.
response_labels <- function(y, family) {
  if (!has_classes(list(family = family)) || !(is.factor(y) || is.character(y))) return(NULL)
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
    input_error("The {name} must be one column, not {ncol(y)}.",
      i = "Aggregated counts are not supported: give one row a trial.")
  }
  if (family == "binomial") return(check_binary(y, name, labels))
  if (family == "multinomial") return(check_classes(y, name, labels))
  if (!is.numeric(y)) {
    input_error("The {name} must be numeric for {.code family = {family}()}, not
      {.cls {class(y)[1]}}.",
      i = "For classes use {.code family = binomial()} (two) or {.code multinomial()} (more).")
  }
  # is.infinite() would take a vector as long as y for what is hardly ever there.
  if (bad_values(y)[1] > 0 && any(is.infinite(y))) {
    input_error("The {name} holds {sum(is.infinite(y))} infinite value{?s} (first in row
      {which(is.infinite(y))[1]}).", i = "Remove or correct these rows.")
  }
  if (family == "poisson") check_counts(y, name)
  as.numeric(y)
}

check_counts <- function(y, name) {
  bad <- which(y < 0 | y != round(y))
  if (length(bad)) {
    input_error("The {name} must be counts (whole numbers from 0 on) for {.code family = poisson()};
      found {show_value(y[bad[1]])} in row {bad[1]}.")
  }
}

check_binary <- function(y, name, labels) {
  is_label <- is.factor(y) || is.character(y)
  if (is_label && !is.null(labels)) {
    if (length(labels) != 2) {
      input_error("The {name} has {length(labels)} level{?s}; {.code family = binomial()} needs two.",
        i = if (length(labels) > 2) "For more classes use {.code family = multinomial()}."
            else "The first level counts as failure, as in {.fn glm}.")
    }
    return(match_labels(y, name, labels))
  }
  if (is_label != !is.null(labels)) {
    input_error("The {name} is {.cls {class(y)[1]}} here; the model was fitted to
      {if (is.null(labels)) '0/1' else labels}.", i = "Use the same coding everywhere.")
  }
  if (is.logical(y)) y <- as.numeric(y)
  bad <- if (is.numeric(y)) y[!y %in% c(0, 1)] else class(y)[1]
  if (length(bad)) {
    input_error("The {name} must be 0 or 1, logical or a factor with two levels for
      {.code family = binomial()}; found {show_value(bad[1])}.",
      i = "For a numeric response use {.code family = gaussian()}.")
  }
  as.numeric(y)
}

check_classes <- function(y, name, labels) {
  if (!is.factor(y) && !is.character(y)) {
    input_error("The {name} must be a factor or text for {.code family = multinomial()}, not
      {.cls {class(y)[1]}}.", i = "{.fn factor} makes one of class numbers.")
  }
  if (length(labels) < 2) {
    input_error("The {name} has {length(labels)} level{?s}; {.code family = multinomial()} needs two
      or more.")
  }
  match_labels(y, name, labels)
}

# Numbers of the labels, from 0.
match_labels <- function(y, name, labels) {
  other <- setdiff(unique(as.character(y)), c(labels, NA))
  if (length(other)) {
    input_error("The {name} has {cli::qty(other)}the level{?s} {.val {other}}; the model knows
      {.val {labels}}.")
  }
  match(as.character(y), labels) - 1
}

# What only fitting asks of a response: that it varies, and that its family is plausible.
check_varies <- function(y, family, rows = length(y)) {
  if (!length(y)) return(invisible())
  ends <- c(min(y), max(y))
  if (ends[1] == ends[2]) {
    what <- if (family == "multinomial") "of one class" else paste0("constant (", y[1], ")")
    input_error("The response is {what} in all {rows} rows: there is nothing to model.")
  }
  if (family == "gaussian" && identical(ends, c(0, 1)) && all(y == 0 | y == 1)) {
    cli::cli_warn(c("The response is 0 or 1 in every row, but {.arg family} is Gaussian.",
      i = "{.code family = binomial()} models a binary response."))
  }
}

# Names of the experts' coefficient columns: "1", "2", or with classes "1:b", "1:c", "2:b", ...
expert_columns <- function(schema, K) {
  experts <- as.character(seq_len(K))
  if (schema$family != "multinomial") return(experts)
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
  if (schema$family != "multinomial") return(y)
  out <- matrix(0, length(y), length(schema$labels), dimnames = list(NULL, schema$labels))
  out[cbind(seq_along(y), y + 1)] <- 1
  out
}

# Number of free parameters, and so the fewest rows that a fit can work with.
count_parameters <- function(schema, K) {
  K * length(schema$expert$columns) * count_parts(schema) + (K - 1L) * length(schema$gate$columns) +
    if (schema$family == "gaussian") K else 0L
}

# The family of a model to start from, where none was asked for.
family_or_start <- function(family, asked, start) {
  if (!asked && inherits(start, "moe")) start$family else check_family(family)
}
