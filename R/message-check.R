# What may leave the house: a few rows behind a number can be told from it.

# `counts`: list(n, share, parameters). Refuses with the numbers and the way out.
check_disclosure <- function(counts, limits, what = "The model") {
  found <- disclosure_faults(counts, limits)
  if (!length(found)) return(invisible())
  input_error("{what} is not written: so few rows are behind its numbers that these could tell about
    single rows.", stats::setNames(found, rep("x", length(found))),
    i = "Fit a model with fewer experts or columns, or have more rows. Where the rows are not secret,
    set the limits that {.fn write_moe} names.")
}

disclosure_faults <- function(counts, limits) {
  per <- counts$n / counts$parameters
  rows <- counts$n * counts$share
  small <- which(rows < limits$min_expert_rows)
  c(if (counts$n < limits$min_rows) {
    sprintf("It has %s rows; `min_rows` asks for %s.", format_big(counts$n), format(limits$min_rows))
  }, if (length(small)) {
    sprintf("Expert %s stands on %s rows; `min_expert_rows` asks for %s.", small[1],
      format(signif(rows[small[1]], 3)), format(limits$min_expert_rows))
  }, if (per < limits$min_rows_per_parameter) {
    sprintf("It has %s rows for each of its %s parameters; `min_rows_per_parameter` asks for %s.",
      format(signif(per, 3)), format(counts$parameters), format(limits$min_rows_per_parameter))
  })
}

check_limits <- function(min_rows, min_expert_rows, min_rows_per_parameter) {
  list(min_rows = check_number(min_rows, "min_rows"),
    min_expert_rows = check_number(min_expert_rows, "min_expert_rows"),
    min_rows_per_parameter = check_number(min_rows_per_parameter, "min_rows_per_parameter"))
}

model_counts <- function(model) {
  units <- length(model$schema$group) > 0
  list(n = if (units) min(model$n, model$weight) else model$n, share = model$share,
    parameters = count_parameters(model$schema, model$K))
}
