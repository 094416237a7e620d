# What a prediction consists of: its columns, its labels, and whether it looks at the response.

# Names of a prediction's columns, one an expert or a class; NULL where it is a vector.
prediction_columns <- function(object, type, probs = NULL) {
  experts <- as.character(seq_len(object$K))
  many <- has_many_classes(object)
  labels <- object$schema$labels
  switch(type, gate = , posterior = experts,
    expert = if (many) paste0(experts, ":", rep(labels, each = object$K)) else experts,
    response = if (many) labels, interval = c("fit", "lwr", "upr"),
    quantile = quantile_names(probs))
}

# "2.5%", as stats::quantile() names them.
quantile_names <- function(probs) paste0(vapply(100 * probs, format, "", digits = 7), "%")

check_has_response <- function(object, newdata, needs_y, type) {
  schema <- object$schema
  if (!needs_y || schema$kind == "matrix" || inherits(newdata, "moe_support") || is_kept_frame(newdata, schema)) {
    return()
  }
  lacks <- setdiff(object$schema$response_variables, names(newdata))
  if (length(lacks)) {
    input_error("{.code type = \"{type}\"} needs the response: {.arg newdata} has no column
      {.val {lacks}}.", i = "{.code type = \"gate\"} gives the experts' probabilities given x alone.")
  }
}

# Numbers of classes, from 0, as the response was given.
as_label <- function(number, schema) {
  if (is.null(schema$labels)) number else factor(schema$labels[number + 1], schema$labels)
}

# The smallest shares s / m of m trials at which F(s) >= p, by halving: a row a row, a column a probability.
trials_quantiles <- function(design, core, probs) {
  gate <- core_predict(design, core, "gate")
  mean <- core_predict(design, core, "expert")
  below <- function(s) rowSums(gate * array(stats::pbinom(s, design$trials, mean), dim(mean)))
  count <- vapply(probs, function(p) {
    low <- rep(-1, nrow(gate))  # F(low) < p, or low is -1
    high <- design$trials
    while (any(high - low > 1)) {
      middle <- floor((low + high) / 2)
      reached <- middle >= 0 & below(middle) >= p * (1 - 1e-12)
      high <- ifelse(reached, middle, high)
      low <- ifelse(reached, low, pmin(middle, high - 1))
    }
    high
  }, numeric(nrow(gate)))
  matrix(count / ifelse(design$trials > 0, design$trials, NA), nrow(gate))
}

# The number of the most probable class, from 0; `mean`: P(y = 1), or a column for every class.
most_probable <- function(mean) {
  if (NCOL(mean) == 1) as.numeric(mean > 0.5) else max.col(mean, ties.method = "first") - 1
}
