# Responses as numbers that the core takes, by kind: function(y, name, labels, family), see the table in R/family.R.

check_numeric <- function(y, name, labels, family) {
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
  as.numeric(y)
}

check_counts <- function(y, name, labels, family) {
  y <- check_numeric(y, name, labels, family)
  bad <- which(y < 0 | y != round(y))
  if (length(bad)) {
    input_error("The {name} must be counts (whole numbers from 0 on) for {.code family = {family}()};
      found {show_value(y[bad[1]])} in row {bad[1]}.")
  }
  y
}

check_positive <- function(y, name, labels, family) {
  y <- check_numeric(y, name, labels, family)
  bad <- which(!(y > 0))
  bad <- bad[!is.na(y[bad])]
  if (length(bad)) {
    input_error("The {name} must be positive for {.code family = {family}(link = \"log\")}; found
      {show_value(y[bad[1]])} in row {bad[1]} ({length(bad)} such row{?s}).",
      i = if (all(y[bad] == 0)) "Where 0 is a value of its own, model {.code y > 0} by {.code binomial()} experts and
        the rows with {.code y > 0} by these; for counts there are {.code poisson()} and {.code negative_binomial()}."
          else "{.code family = gaussian()} takes negative values.")
  }
  # Reciprocals and logarithms must have room.
  bad <- which(y < 1e-200 | y > 1e200)
  if (length(bad)) {
    input_error("The {name} must lie between 1e-200 and 1e200 for {.code family = {family}(link = \"log\")}; found
      {show_value(y[bad[1]])} in row {bad[1]}.", i = "Take other units.")
  }
  y
}

check_binary <- function(y, name, labels, family) {
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
      i = "Of several trials a row give {.code cbind(successes, failures)}, or the share of successes with the
        trials as {.arg weights}. For a numeric response use {.code family = gaussian()}.")
  }
  as.numeric(y)
}

check_classes <- function(y, name, labels, family) {
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
