# Formulas and data to matrices. The only place that does so, and the only one that knows what
# prediction needs to do the same again: the schema (terms with predvars, levels, contrasts).

# ---- schema ---------------------------------------------------------------------------------

# Terms of the experts, of the gates (both with the response, for `.`), and the calls of all
# variables that occur in either.
formula_terms <- function(formula, gating, data) {
  if (!inherits(formula, "formula") || length(formula) != 3) {
    input_error("{.arg formula} must be a formula with a response, such as {.code y ~ x}.")
  }
  if (!is.null(gating) && (!inherits(gating, "formula") || length(gating) != 2)) {
    input_error("{.arg gating} must be a one-sided formula, such as {.code ~ x}.")
  }
  if (!is.null(gating) && any(all.vars(formula[[2]]) %in% all.vars(gating))) {
    input_error("{.arg gating} holds the response {.code {deparse_one(formula[[2]])}}; gates depend on
      x alone.")
  }
  env <- environment(formula)
  check_response_side(formula[[2]], env)
  check_supported(formula[[3]], "formula", env)
  if (!is.null(gating)) check_supported(gating[[2]], "gating", env)
  expert <- try_formula(stats::terms(formula, data = data))
  # Of which R's own functions only say that it was dropped.
  factors <- attr(expert, "factors")
  if (length(factors) && any(factors[attr(expert, "response"), ] > 0)) {
    input_error("{.arg formula} holds the response {.code {deparse_one(formula[[2]])}} on its right-hand side.",
      i = "Leave it out there.")
  }
  gate <- expert
  if (!is.null(gating)) {
    both <- formula
    both[[3]] <- gating[[2]]
    gate <- try_formula(stats::terms(both, data = data))
  }
  calls <- c(as.list(attr(expert, "variables"))[-1], as.list(attr(gate, "variables"))[-1])
  calls <- calls[!duplicated(vapply(calls, deparse_one, ""))]
  list(expert = expert, gate = gate, calls = calls)
}

# The formulas with `.` spelled out, so that they mean the same columns everywhere.
spell_out <- function(formula, gating, terms) {
  formula[[3]] <- stats::formula(terms$expert)[[3]]
  if (!is.null(gating)) gating[[2]] <- stats::formula(terms$gate)[[3]]
  list(formula = formula, gating = gating)
}

# What the schema keeps of a formula's environment: the functions and constants that the formula
# names, as they are now. Rows stay behind, so that a model can travel. What has as many values as
# there are rows is a variable, not a constant.
slim_environment <- function(formula, rows) {
  from <- environment(formula)
  slim <- new.env(parent = globalenv())
  if (!is.null(from)) collect_names(all.names(formula, unique = TRUE), from, slim, rows)
  slim
}

collect_names <- function(names, from, to, rows) {
  attached <- parent.env(globalenv())
  for (name in setdiff(names, ls(to, all.names = TRUE))) {
    value <- get0(name, envir = from)
    if (is.null(value) || identical(value, get0(name, envir = attached))) next
    constant <- is.atomic(value) || is.list(value) && !is.data.frame(value)
    if (constant && NROW(value) < rows && utils::object.size(value) < 1e5) {
      assign(name, value, envir = to)
    }
    if (!is.function(value) || is.primitive(value)) next
    assign(name, value, envir = to)
    home <- environment(value)
    if (isNamespace(home)) next
    # A function brings what it names itself, not all that stood where it was made.
    inside <- c(all.names(body(value), unique = TRUE),
      unlist(lapply(formals(value), all.names, unique = TRUE)))
    collect_names(setdiff(inside, names(formals(value))), home, to, rows)
    value <- utils::removeSource(value)
    environment(value) <- to
    assign(name, value, envir = to)
  }
}

# One design's part of the schema, from the terms and the model frame that was made for both.
design_part <- function(terms, frame, contrasts = NULL) {
  terms <- stats::delete.response(terms)
  names <- vapply(as.list(attr(terms, "variables"))[-1], deparse_one, "")
  all_terms <- attr(frame, "terms")
  known <- vapply(as.list(attr(all_terms, "variables"))[-1], deparse_one, "")
  attr(terms, "predvars") <- as.call(c(quote(list),
    as.list(attr(all_terms, "predvars"))[-1][match(names, known)]))
  attr(terms, "dataClasses") <- attr(all_terms, "dataClasses")[names]
  environment(terms) <- environment(all_terms)
  list(terms = terms, offset = names[attr(terms, "offset")], contrasts = contrasts)
}

part_offset <- function(part, frame) {
  if (!length(part$offset)) return(NULL)
  total <- Reduce(`+`, lapply(part$offset, function(v) frame[[v]]))
  if (!is.numeric(total)) input_error("{.code offset()} must be numeric.")
  as.numeric(total)
}

# ---- from a model frame to a design ----------------------------------------------------------

# The only constructor of a design: what the core fits and predicts from, and its schema. `x`, `z`: matrices, z the very
# object x where both are the same. `offset`, `gate_offset`, `weight`: NULL or a number a row; `trials` too, of a y that
# is the share of successes in them. `x_intercept`,
# `z_intercept`: the columns of ones (0: none); with `add_intercept` they are not among those of x and z, but the core
# puts them before these. `...`: what only some designs have, such as `frame`, `complete`, or of rows in a file
# `scratch`, `counts`, `levels` and `file`.
new_design <- function(x, z, schema, y = NULL, weight = NULL, offset = NULL, gate_offset = NULL, x_intercept = 1L,
                       z_intercept = 1L, add_intercept = FALSE, ...) {
  trials <- attr(y, "trials")
  if (!is.null(trials)) {
    y <- as.numeric(y)
    weight <- without_empty(weight, trials)
  }
  list(x = x, z = z, y = y, trials = trials, weight = weight, offset = offset, gate_offset = gate_offset,
    x_intercept = x_intercept, z_intercept = z_intercept, add_intercept = add_intercept, schema = schema, ...)
}

# Rows without a trial do not count, as in glm().
without_empty <- function(weight, trials) {
  if (is.null(trials) || all(trials > 0)) return(weight)
  (if (is.null(weight)) 1 else weight) * (trials > 0)
}

# Case weights of the rows of a frame, NULL without any. The trials of shares are none.
frame_weights <- function(frame, design) {
  weights <- stats::model.weights(frame)
  if (!is.null(design$unit)) return(weigh_units(check_weights(weights, nrow(frame)), design))
  if (!is.null(design$trials) && is.null(dim(stats::model.response(frame)))) weights <- NULL
  without_empty(check_weights(weights, nrow(frame)), design$trials)
}

# `frame`: model frame of both designs.
design_from_frame <- function(frame, schema, need_response = TRUE) {
  check_finite(frame)
  expert <- part_matrix(schema$expert, frame, "formula")
  schema$expert$contrasts <- settled_contrasts(expert$contrasts, frame)
  schema$expert$columns <- colnames(expert$x)
  gate <- expert
  if (!schema$same) {
    gate <- part_matrix(schema$gate, frame, "gating")
    schema$gate$contrasts <- settled_contrasts(gate$contrasts, frame)
  }
  schema$gate$columns <- colnames(gate$x)
  y <- NULL
  if (need_response) {
    given <- trials_of_weights(frame[[schema$response]], stats::model.weights(frame), schema$family)
    y <- check_response(given, schema$family, paste0("response `", schema$response, "`"), schema$labels)
  }
  design <- new_design(expert$x, gate$x, schema, y, offset = part_offset(schema$expert, frame),
    gate_offset = if (schema$same) NULL else part_offset(schema$gate, frame),
    x_intercept = expert$intercept, z_intercept = gate$intercept)
  with_units(design, frame[["(group)"]])
}

# The schema of a formula pair on data, and the design of the rows. `frame_call` makes the model
# frame from a formula: moe() passes the user's subset, weights and na.action through it.
# `with_frame`: the design has the frame as well.
design_build <- function(formula, gating, data, family, frame_call, schema = NULL, with_frame = FALSE, group = NULL) {
  if (!is.null(schema)) {
    terms <- schema$frame
    environment(terms) <- environment(formula)
    frame <- try_formula(frame_call(terms))
  } else {
    terms <- formula_terms(formula, gating, data)
    frame <- try_formula(frame_call(frame_formula(terms, environment(formula))))
  }
  if (!nrow(frame)) {
    lost <- missing_everywhere(as.list(attr(attr(frame, "terms"), "variables"))[-1], data, environment(formula))
    input_error("No row is left to fit: {.arg data} is empty, or every row has missing values or is outside
      {.arg subset}.", x = if (length(lost)) "Missing in every row: {.code {lost}}.")
  }
  if (is.null(schema)) schema <- new_schema(formula, gating, terms, frame, data, family)
  frame <- match_levels(frame, schema)
  design <- design_from_frame(frame, schema)
  design$weight <- frame_weights(frame, design)
  if (!is.null(group)) design$schema$group <- group
  design$na.action <- stats::na.action(frame)
  if (with_frame) design$frame <- frame_to_keep(frame, design$schema)
  design
}

new_schema <- function(formula, gating, terms, frame, data, family) {
  frame <- without_group(frame)
  environment(attr(frame, "terms")) <- slim_environment(formula, nrow(frame))
  full <- attr(frame, "terms")
  same <- is.null(gating)
  spelled <- spell_out(formula, gating, terms)
  response <- deparse_one(terms$calls[[1]])
  list(
    kind = "formula", formula = strip(spelled$formula),
    gating = if (!same) strip(spelled$gating), same = same, family = family, response = response,
    response_variables = all.vars(terms$calls[[1]]), needs = row_variables(formula, frame, data),
    labels = response_labels(frame[[response]], family), frame = full,
    levels = frame_levels(frame), expert = design_part(terms$expert, frame),
    gate = if (same) gate_without_offset(design_part(terms$expert, frame))
           else design_part(terms$gate, frame),
    variables = describe_variables(formula, frame, data, frame_levels(frame))
  )
}

# Where the gates take the experts' right-hand side, its offset stays the experts' alone.
gate_without_offset <- function(part) {
  part$offset <- character()
  part
}

strip <- function(formula) {
  environment(formula) <- globalenv()
  formula
}

frame_levels <- function(frame) {
  named <- names(frame)[vapply(frame, function(v) is.factor(v) || is.character(v), NA)]
  named <- setdiff(named, names(frame)[attr(attr(frame, "terms"), "response")])
  stats::setNames(lapply(named, function(v) {
    if (is.factor(frame[[v]])) levels(frame[[v]]) else sort(unique(frame[[v]]))
  }), named)
}
