# The disclosure check: is what stands behind a message enough for the policy in force? All reasons at once, in words.

# `counts`: what is known of a message, see model_counts() and moe_statistics().
check_disclosure <- function(counts, policy, what = "The model") {
  refuse_disclosure(disclosure_faults(counts, policy), policy, what)
}

refuse_disclosure <- function(found, policy, what) {
  if (!length(found)) return(invisible())
  files <- policy$files
  input_error("{what} is not written: so few rows are behind its numbers that these could tell about
    single rows, or the site's policy forbids it.", stats::setNames(escape_braces(found), rep("x", length(found))),
    i = "Fit a model with fewer experts or columns, put rare levels together, or have more rows.",
    i = if (length(files)) "The policy of the site holds: {.file {files}}."
        else "Where the rows are not secret, set the limits that {.fn write_moe} names.",
    class = "moe_disclosure_error", fields = list(reasons = found))
}

disclosure_faults <- function(counts, policy) {
  c(size_faults(counts, policy), expert_faults(counts, policy), column_faults(counts$behind, policy),
    formula_faults(counts, policy), share_faults(counts, policy))
}

shown_count <- function(x) format_big(signif(x, 3))

size_faults <- function(counts, policy) {
  per <- counts$n / counts$parameters
  least <- 1 / policy$parameters_per_row
  effective <- counts$behind$effective
  c(if (counts$n < policy$rows) {
    sprintf("It has %s rows; `min_rows` asks for %s.", format_big(counts$n), format(policy$rows))
  }, if (length(effective) && effective < policy$effective_rows) {
    sprintf("Its weights make its %s rows count as %s; `effective_rows` asks for %s.", format_big(counts$n),
      shown_count(effective), format(policy$effective_rows))
  }, if (per < least) {
    sprintf("It has %s rows for each of its %s parameters; `min_rows_per_parameter` asks for %s.",
      format(signif(per, 3)), format(counts$parameters), format(signif(least, 3)))
  })
}

expert_faults <- function(counts, policy) {
  # Of a message that was read only the shares are known.
  rows <- if (length(counts$behind$experts) && length(counts$share)) counts$behind$experts else counts$n * counts$share
  small <- which(rows < policy$expert_rows)
  floor <- if (!policy$floor_experts) which(counts$at_floor | counts$degenerate)
  c(if (length(small)) {
    sprintf("Expert %s stands on %s rows; `min_expert_rows` asks for %s.", small, format(signif(rows[small], 3)),
      format(policy$expert_rows))
  }, if (length(floor)) {
    sprintf("Expert %s is degenerate or has its variance at the floor: its rows lie on its line (`floor_experts`).",
      floor)
  })
}

column_faults <- function(behind, policy) {
  least <- policy$column_rows
  few <- function(rows) rows > 0 & rows < least
  asks <- sprintf("`column_rows` asks for %s.", format(least))
  columns <- behind$columns[few(behind$columns$rows), ]
  columns <- columns[!duplicated(columns$column), ]
  levels <- behind$levels[few(behind$levels$rows), ]
  classes <- behind$classes[few(behind$classes)]
  c(if (NROW(columns)) {
    sprintf("Column \"%s\" has another than its usual value in %s; %s", shown_names(columns$column),
      vapply(columns$rows, rows_words, ""), asks)
  }, if (NROW(levels)) {
    sprintf("Level \"%s\" of \"%s\" has %s; %s", shown_names(levels$level), shown_names(levels$variable),
      vapply(levels$rows, rows_words, ""), asks)
  }, if (length(classes)) {
    sprintf("Class \"%s\" of the response has %s; %s", shown_names(names(classes)), vapply(classes, rows_words, ""),
      asks)
  }, if (least > 1 && length(behind) && (behind$leverage > 0.99 || behind$label_leverage > 0.5)) {
    sprintf("A combination of columns is all but a single row's (leverage %s); `column_rows` asks for %s rows.",
      format(max(behind$label_leverage, if (behind$leverage > 0.99) behind$leverage), digits = 3), format(least))
  }, if (!policy$own_knots && length(behind$own_knots)) {
    paste0("Its knots are the smallest and largest value of the site's rows. Say them in the formula, or take a ",
      "start: ", behind$own_knots)
  })
}

formula_faults <- function(counts, policy) {
  allowed <- vapply(policy$formulas, function(text) {
    tryCatch(deparse_one(str2lang(text)), error = function(e) text)
  }, "")
  other <- if (!is.null(policy$formulas)) setdiff(counts$formulas, allowed)
  strange <- if (!is.null(policy$functions)) setdiff(counts$functions, c(policy$functions, "~"))
  c(if (length(other)) sprintf("The formula %s is not among those that `formulas` allows.", other),
    if (length(strange)) sprintf("The function %s() is not among those that `functions` allows.", strange))
}

share_faults <- function(counts, policy) {
  extra <- setdiff(counts$shares, policy$share)
  if (length(extra)) sprintf("It holds \"%s\", which `share` does not allow.", extra)
}

# What the check looks at. `information`: does the message have the matrix?
model_counts <- function(model, information = FALSE) {
  r <- model$record
  behind <- known_behind(model)
  if (length(r$own_knots)) behind$own_knots <- r$own_knots
  units <- length(model$schema$group) > 0
  c(list(n = if (units) min(model$n, model$weight) else model$n, share = model$share,
    parameters = count_parameters(model$schema, model$K), at_floor = isTRUE_each(r$at_floor, model$K),
    degenerate = isTRUE_each(r$degenerate, model$K), behind = behind,
    shares = c(names(Filter(length, model$shared)), if (information && !is.null(model$information)) "information")),
    formula_words(model$schema))
}

isTRUE_each <- function(flags, K) if (length(flags) == K) flags %in% TRUE else logical(K)

formula_words <- function(schema) {
  if (schema$kind != "formula") return(NULL)
  sides <- c(schema$formula, schema$gating)
  functions <- unique(unlist(lapply(sides, function(f) setdiff(all.names(f), all.vars(f)))))
  list(formulas = vapply(sides, deparse_one, ""), functions = setdiff(functions, c("(", "::", "splines", "stats")))
}

# The same of an answer in a round.
statistics_counts <- function(model, n, share, behind) {
  c(list(n = n, share = share, parameters = count_parameters(model$schema, model$K), behind = behind,
    shares = "rounds"), formula_words(model$schema))
}
