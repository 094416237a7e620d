# Model frames: which rows and columns of the data a design is made of.

# The model frame of `data`. `weights`: NULL, or numbers, one a row. By default rows with gaps are treated as
# model.frame() would by itself.
row_frame <- function(formula, data, weights = NULL, na_action = spare_complete(default_na_action(data)),
                      group = NULL) {
  do.call(stats::model.frame, list(formula, data, weights = weights, group = group, drop.unused.levels = FALSE,
    na.action = na_action))
}

# A function of a formula: the model frame of `data` under a call's subset, weights and na.action, which are
# expressions. (All others are made by row_frame().)
frame_maker <- function(call, data, frame, drop_levels) {
  asked <- call[c(1, match(c("data", "subset", "weights", "na.action"), names(call), 0))]
  asked[[1]] <- quote(stats::model.frame)
  check_group_columns(call$group, data)
  if (!is.null(call$group)) asked$group <- unit_expression(call$group)
  # `data` is evaluated once: a call such as d[sample(n), ] must not give two sets of rows.
  caller <- new.env(parent = frame)
  caller$.moe_data <- data
  if (!is.null(asked$data)) asked$data <- quote(.moe_data)
  function(f) {
    asked$formula <- f
    action <- if ("na.action" %in% names(asked)) eval(asked$na.action, frame)
              else default_na_action(data)
    if (!is.null(action)) asked$na.action <- spare_complete(action)
    if (drop_levels) asked$drop.unused.levels <- TRUE
    eval(asked, caller)
  }
}

# response ~ every variable: one model frame for both designs, so that both lose the same rows.
frame_formula <- function(terms, environment) {
  rhs <- if (length(terms$calls) > 1) Reduce(function(a, b) call("+", a, b), terms$calls[-1]) else 1
  stats::as.formula(call("~", terms$calls[[1]], rhs), env = environment)
}

# na.omit() and na.exclude() copy all columns, even if no value is missing. This does what `action`
# does, but leaves a complete frame alone.
spare_complete <- function(action) {
  f <- if (is.character(action)) get0(action[1], globalenv(), mode = "function") else action
  if (!identical(f, stats::na.omit) && !identical(f, stats::na.exclude)) return(action)
  function(frame) {
    gaps <- vapply(frame, function(v) is.atomic(v) && anyNA(v), NA)
    if (any(gaps)) f(frame) else frame
  }
}

# The na.action that model.frame() would take by itself.
default_na_action <- function(data) {
  own <- attr(data, "na.action")
  if (is.null(own) || mode(own) == "numeric") getOption("na.action", stats::na.fail) else own
}

site_weights <- function(data, column) {
  if (is.null(column)) return(NULL)
  if (!column %in% names(data)) input_error("The source has no column {.val {column}} of weights.")
  data[[column]]
}

# Types as in the fit; factor levels by name, unseen ones refused.
match_levels <- function(frame, schema) {
  classes <- attr(schema$frame, "dataClasses")
  for (name in setdiff(names(frame), c("(weights)", "(group)", schema$response))) {
    v <- frame[[name]]
    expected <- if (!is.null(schema$levels[[name]])) "label"
                else if (classes[[name]] == "logical") "logical" else "numeric"
    if (variable_kind(v) != expected) {
      input_error("Variable {.val {name}} is {.cls {class(v)[1]}} here; the model knows it as
        {.val {classes[[name]]}}.", i = "Convert it.")
    }
    levels <- schema$levels[[name]]
    if (is.null(levels) || identical(levels(v), levels)) next
    unseen <- setdiff(as.character(unique(v)), c(levels, NA))
    if (length(unseen)) {
      input_error("Variable {.val {name}} has {cli::qty(unseen)}level{?s} {.val {unseen}} that the
        model does not know.", i = "It knows {.val {levels}}.")
    }
    frame[[name]] <- factor(v, levels = levels, ordered = is.ordered(v))
  }
  frame
}
