# Units: rows that are of one expert together, such as those of a patient.

# The names of the columns that a formula such as ~ id tells units by; NULL without one.
unit_columns <- function(group) {
  group <- tryCatch(group, error = function(e) {
    input_error("{.arg group} must be a one-sided formula such as {.code ~ id}.", x = "{conditionMessage(e)}")
  })
  if (is.null(group)) return(NULL)
  if (is.character(group)) names <- group
  else if (inherits(group, "formula") && length(group) == 2) names <- all.vars(group)
  else {
    input_error("{.arg group} must be a one-sided formula such as {.code ~ id}, or names of columns, not
      {.obj_type_friendly {group}}.")
  }
  plain <- is.character(group) || length(setdiff(all.names(group[[2]]), c(names, "+", ":", "*"))) == 0
  if (!length(names) || anyNA(names) || !plain) {
    input_error("{.arg group} must name columns, not {.code {deparse_one(group)}}.",
      i = "Make a column of what tells the units apart.")
  }
  names
}

# Those asked for, or those of the model to start from.
group_columns_of <- function(group, start) {
  columns <- unit_columns(group)
  if (is.null(columns) && inherits(start, "moe")) start$schema$group else columns
}

check_group_columns <- function(columns, data) {
  lacks <- setdiff(columns, names(data))
  if (!is.data.frame(data) || !length(lacks)) return(invisible())
  input_error("{.arg group} names {cli::qty(lacks)}column{?s} {.val {lacks}} that {.arg data} do{?es/} not have.",
    i = "It has {first_of(names(data), 8)}.")
}

# The expression that model.frame() evaluates for the column "(group)" of its frame.
unit_expression <- function(columns) {
  if (length(columns) == 1) return(as.name(columns))
  as.call(c(list(quote(interaction)), lapply(columns, as.name), list(drop = TRUE)))
}

# A model frame without the column of groups, which is no variable of the formulas.
without_group <- function(frame) {
  if (is.null(frame[["(group)"]])) return(frame)
  terms <- attr(frame, "terms")
  classes <- attr(terms, "dataClasses")
  attr(terms, "dataClasses") <- classes[names(classes) != "(group)"]
  frame[["(group)"]] <- NULL
  attr(frame, "terms") <- terms
  frame
}

# A design whose rows are grouped: `unit` numbers from 0, `unit_size` the number of rows in each row's unit, weights
# that make a unit count once. `group`: a value a row.
with_units <- function(design, group) {
  if (is.null(group)) return(design)
  if (anyNA(group)) {
    input_error("{.arg group} is missing for {sum(is.na(group))} row{?s}.", i = "A row without a unit can be one of
      its own: give it a name that no other has.")
  }
  if (!is.null(design$trials)) {
    input_error("{.arg group} goes with one response a row, not with {.code cbind(successes, failures)}.",
      i = "Give a row for each trial, with its {.arg group}.")
  }
  number <- match(group, unique(group))
  design$unit <- number - 1
  design$unit_size <- as.numeric(tabulate(number)[number])
  check_unit_gates(design, number, group)
  design$weight <- weigh_units(NULL, design)
  design
}

# Weights of rows, given case weights (NULL: ones), which a unit has once.
weigh_units <- function(weight, design) {
  if (is.null(design$unit)) return(weight)
  if (is.null(weight)) return(1 / design$unit_size)
  number <- design$unit + 1
  first <- match(number, number)
  other <- which(weight != weight[first])
  if (length(other)) {
    input_error("The rows of a unit must have one and the same weight; rows {first[other[1]]} and {other[1]} have
      {weight[first[other[1]]]} and {weight[other[1]]}.")
  }
  weight / design$unit_size
}

# A cluster holds units whole: what they tell is not a sum over their rows.
check_unit_clusters <- function(design, cluster) {
  if (is.null(design$unit)) return(invisible())
  first <- match(design$unit, design$unit)
  other <- which(cluster != cluster[first])
  if (!length(other)) return(invisible())
  input_error("Rows {first[other[1]]} and {other[1]} are of one unit, by {.arg group}, but of two clusters.",
    i = "A cluster must hold its units whole.")
}

# One expert for all rows of a unit: so its gates must be the same in all.
check_unit_gates <- function(design, number, group) {
  z <- design$z
  first <- match(number, number)
  for (j in seq_len(ncol(z))) {
    other <- which(z[, j] != z[first, j])
    if (!length(other)) next
    column <- design$schema$gate$columns[j + design$add_intercept]
    input_error("The gates' column {.val {column}} varies within the group {.val {as.character(group[other[1]])}}
      (rows {first[other[1]]} and {other[1]}), whose rows have one expert.",
      i = "Let {.arg gating} have columns that are constant in a group, such as means made by {.fn ave}, or
        {.code gating = ~ 1}.")
  }
}

# The values by which new rows are grouped.
group_of_rows <- function(schema, newdata) {
  if (is.null(schema$group)) return(NULL)
  lacks <- setdiff(schema$group, names(newdata))
  if (length(lacks)) {
    input_error("The data have no column {.val {lacks}}, by which the rows are grouped: all rows of a group have
      one expert.")
  }
  eval(unit_expression(schema$group), newdata)
}

# Case weights as they were given: a row's, where `weight` has its share of its unit's. NULL where all are 1.
case_weights <- function(design) {
  if (is.null(design$unit)) return(design$weight)
  weight <- signif(design$weight * design$unit_size, 12)  # 49 times 1 / 49 is not 1
  if (any(weight != 1)) weight
}

# The sum of the case weights, a unit's once.
count_weight <- function(design) {
  weight <- case_weights(design)
  if (is.null(weight)) weight <- rep(1, length(design$y))
  if (!is.null(design$unit)) weight <- weight[!duplicated(design$unit)]
  sum(weight)
}

# The number of rows in each row's unit.
unit_sizes <- function(design) if (is.null(design$unit)) 1 else design$unit_size

# Sums over the rows of every unit, in the order in which these first occur; the rows themselves where they are not
# grouped. `x`: a matrix.
sum_units <- function(x, design) if (is.null(design$unit)) x else rowsum(x, design$unit, reorder = FALSE)

refuse_group <- function(schema, what) {
  if (is.null(schema$group)) return(invisible())
  input_error("{what} can't be grouped ({.arg group}: {.val {schema$group}}): the rows of a unit must be seen
    together.",
    i = "{.code moe_source(memory_rows = )} says how many rows may be held.")
}
