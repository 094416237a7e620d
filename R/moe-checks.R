# What is checked of a fit's data and start before it, and what must be said of it afterwards.

# Every expert needs a matrix of its coefficients by its coefficients.
check_few_classes <- function(schema) {
  count <- length(schema$expert$columns) * count_parts(schema)
  if (!has_many_classes(schema) || count <= most_made_columns) return(invisible())
  input_error("The response {.code {schema$response}} has {format_big(length(schema$labels))} levels: every expert would
    have {format_big(count)} coefficients.", i = "Put rare levels together: is it the number of a row or a person?")
}

check_enough_rows <- function(n, schema, K) {
  needs <- count_parameters(schema, K) + 1
  if (n >= needs) return(invisible())
  input_error("{.arg K} = {K} needs at least {format_big(needs)} rows, one more than the model has
    parameters; the data have {n}.", i = "Take a smaller {.arg K} or a shorter formula.",
    class = "moe_too_small", fields = list(rows = n, needs = needs))
}

# Columns that the data do not determine.
check_aliased <- function(aliased, columns, singular_ok) {
  bad <- list(formula = columns$x[aliased$x], gating = columns$z[aliased$z])
  if (singular_ok || !length(unlist(bad))) return(invisible())
  where <- if (length(bad$formula)) "formula" else "gating"
  names <- bad[[where]]
  input_error("{cli::qty(names)}Column{?s} {.val {names}} of {.arg {where}}
    {cli::qty(names)}{?is/are} constant or follow{?s/} from the other columns.",
    i = "Leave {cli::qty(names)}{?it/them} out, or set {.code moe_control(singular_ok = TRUE)}:
    coefficients that the data do not determine then stay at the start's value.")
}

# Of functions that fit: what is unknown may be a setting.
check_unused <- function(...) {
  check_dots(..., hint = "Settings of the fit go into {.code control = moe_control()}.",
    of = formals(sys.function(sys.parent())))
}

# Do a model's columns and family fit a schema? `name` is the argument or the site at fault.
check_same_model <- function(model, name, schema, family) {
  if (model$family$family != family$family) {
    input_error("{.arg {name}} has family {.val {model$family$family}}; {.val {family$family}}
      is expected.")
  }
  if (identical(model$schema, schema)) return(invisible())
  if (!identical(model$schema$labels, schema$labels)) {
    input_error("{.arg {name}} has the classes {.val {model$schema$labels}} of the response, in this order;
      {.val {schema$labels}} are expected.", i = "The first counts as failure, or as reference.")
  }
  for (part in c("expert", "gate")) {
    ours <- schema[[part]]$columns
    theirs <- model$schema[[part]]$columns
    if (identical(ours, theirs)) {
      if (same_basis(schema[[part]], model$schema[[part]])) next
      input_error("{.arg {name}} has the same {part} columns made by other basis functions.",
        i = "Bases such as {.fn poly} or {.fn scale} depend on the rows they were made on: fit all
        models through {.fn moe_sites}, or from one common {.arg start}.")
    }
    lacks <- setdiff(ours, theirs)
    extra <- setdiff(theirs, ours)
    input_error("{.arg {name}} has other {part} columns.",
      x = if (length(lacks)) "Missing: {.val {lacks}}.",
      x = if (length(extra)) "Unexpected: {.val {extra}}.",
      x = if (!length(lacks) && !length(extra)) "The same columns in another order.",
      i = "All models must be fitted with the same formulas and factor levels.")
  }
}

# The basis functions behind the columns: columns of the same name mean the same only if these agree.
# Deparsing is slow, and with thousands of sites most pairs are the very same calls.
same_basis <- function(a, b) {
  calls <- list(attr(a$terms, "predvars"), attr(b$terms, "predvars"))
  identical(a$contrasts, b$contrasts) &&
    (identical(calls[[1]], calls[[2]]) || identical(deparse_one(calls[[1]]), deparse_one(calls[[2]])))
}

# A start as the core takes it: NULL, a model, or responsibilities.
normalise_start <- function(start, K, schema, family, n) {
  if (is.null(start)) return(NULL)
  if (inherits(start, "moe")) {
    check_same_model(start, "start", schema, family)
    if (start$K != K) input_error("{.arg start} has {start$K} experts, {.arg K} is {K}.")
    return(core_model(start))
  }
  if (is.matrix(start) && is.numeric(start)) {
    if (!identical(dim(start), c(n, K)) || anyNA(start) || min(start) < 0 || max(start) == Inf ||
          any(rowSums(start) == 0)) {
      input_error("A matrix {.arg start} must hold {n} x {K} responsibilities: finite, not negative,
        some in every row; found {nrow(start)} x {ncol(start)}.")
    }
    return(start / rowSums(start))
  }
  labels <- if (is.factor(start)) as.integer(start) else start
  if (!is.numeric(labels) || length(labels) != n || anyNA(labels) || !all(labels %in% seq_len(K))) {
    input_error("{.arg start} must be a model, {n} labels out of 1..{K}, or a matrix of
      responsibilities.")
  }
  out <- matrix(0, n, K)
  out[cbind(seq_len(n), as.integer(labels))] <- 1
  out
}

# A model given as start lends its schema where its formulas are those asked for.
start_schema <- function(start, formula, gating, data) {
  if (!inherits(start, "moe") || start$schema$kind != "formula") return(NULL)
  asked <- spell_out(formula, gating, formula_terms(formula, gating, data))
  text <- function(f) if (is.null(f)) "" else deparse_one(strip(f))
  same <- text(asked$formula) == text(start$schema$formula) &&
    text(asked$gating) == text(start$schema$gating)
  if (same) start$schema
}

# What the user must hear about a fit. `max_reseeds`: how often its experts could be placed anew.
warn_about <- function(model, max_reseeds) {
  r <- model$record
  if (!r$converged) {
    cli::cli_warn(c("The fit did not converge in {r$em_iterations} EM iterations.",
      i = "Raise {.arg max_iterations} in {.fn moe_control}, or take a smaller {.arg K}."))
  }
  if (any(r$empty)) {
    which <- as.character(which(r$empty))
    cli::cli_warn(c("Expert{?s} {which} lost {?its/their} rows: fewer are left than {?it has/they
      have} coefficients.", i = "A smaller {.arg K} would do.",
      i = if (max_reseeds == 0) "{.code moe_control(max_reseeds = 5)} would place {cli::qty(which)}{?it/them} anew."))
  }
  if (any(r$at_floor)) {
    which <- as.character(which(r$at_floor))
    held <- family_traits(model)$held
    cli::cli_warn(c("The {held[1]} of {cli::qty(which)}expert{?s} {which} is held at its floor: {held[2]}.",
      i = if (model$K > 1 && !is.null(family_traits(model)$spread)) "Take a smaller {.arg K}.", i = held["instead"]))
  }
  warn_doubtful(model)
  warn_separated(model)
  if (model$weight < length(coef(model))) {
    cli::cli_warn(c("The weights sum to {signif(model$weight, 3)}, less than the number of parameters:
      the priors rule.", i = "Weights count rows: rescale them."))
  }
}
