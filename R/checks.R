# All user errors that are not about formulas and data are raised here (the others in design.R), in
# words that name the argument, the value found and the way out. Checks return the normalised value.

# Shows a value in an error message, on one line.
show_value <- function(x) {
  text <- paste(utils::head(format(x), 5), collapse = ", ")
  if (length(x) > 5) text <- paste0(text, ", ...")
  if (is.null(x)) text <- "NULL"
  if (is.character(x)) text <- paste0("\"", paste(utils::head(x, 5), collapse = "\", \""), "\"")
  text
}

check_count <- function(x, name, least = 1) {
  ok <- is.numeric(x) && length(x) == 1 && is.finite(x) && x == round(x) && x >= least &&
    x <= .Machine$integer.max
  if (!ok) {
    cli::cli_abort("{.arg {name}} must be one whole number, {least} or more, not {show_value(x)}.",
      call = NULL, class = "moe_input_error")
  }
  as.integer(x)
}

check_number <- function(x, name, least = 0, strict = FALSE, most = Inf) {
  ok <- is.numeric(x) && length(x) == 1 && !is.na(x) && x >= least && x <= most &&
    !(strict && x == least)
  if (!ok) {
    range <- if (strict) paste("above", least) else paste("at least", least)
    if (is.finite(most)) range <- paste(range, "and at most", most)
    cli::cli_abort("{.arg {name}} must be one number {range}, not {show_value(x)}.",
      call = NULL, class = "moe_input_error")
  }
  as.numeric(x)
}

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) {
    cli::cli_abort("{.arg {name}} must be TRUE or FALSE, not {show_value(x)}.",
      call = NULL, class = "moe_input_error")
  }
  x
}

# One of several words; the first is the default.
check_choice <- function(x, choices, name) {
  if (identical(x, choices)) return(choices[1])
  if (!is.character(x) || length(x) != 1 || is.na(pmatch(x, choices))) {
    cli::cli_abort("{.arg {name}} must be one of {.or {.val {choices}}}, not {show_value(x)}.",
      call = NULL, class = "moe_input_error")
  }
  choices[pmatch(x, choices)]
}

# A family object, the function that makes one, or its name; canonical link.
check_family <- function(family) {
  known <- c(gaussian = "identity", binomial = "logit")
  if (is.character(family) && length(family) == 1) {
    family <- switch(family, gaussian = stats::gaussian(), binomial = stats::binomial(), family)
  }
  if (is.function(family)) family <- tryCatch(family(), error = function(e) family)
  if (!inherits(family, "family")) {
    cli::cli_abort(c("{.arg family} must be a family such as {.code gaussian()}, not
      {.obj_type_friendly {family}}.", i = "Families here: {.val {names(known)}}."),
      call = NULL, class = "moe_input_error")
  }
  if (!family$family %in% names(known)) {
    cli::cli_abort(c("{.arg family} {.val {family$family}} is not one that experts can have.",
      i = "Families here: {.val {names(known)}}."), call = NULL, class = "moe_input_error")
  }
  if (family$link != known[[family$family]]) {
    cli::cli_abort(c("{.arg family} {.val {family$family}} must have its canonical link
      {.val {known[[family$family]]}}, not {.val {family$link}}.",
      i = "Write {.code {family$family}()}."), call = NULL, class = "moe_input_error")
  }
  family
}

check_moe <- function(x, name) {
  if (!inherits(x, "moe")) {
    cli::cli_abort("{.arg {name}} must be a model made by this package (class {.cls moe}), not
      {.obj_type_friendly {x}}.", call = NULL, class = "moe_input_error")
  }
  x
}

check_control <- function(control) {
  if (!inherits(control, "moe_control")) {
    cli::cli_abort("{.arg control} must be made by {.fn moe_control}, not
      {.obj_type_friendly {control}}.", call = NULL, class = "moe_input_error")
  }
  control
}

# Case weights: finite, not negative, not all zero.
check_weights <- function(weights, n) {
  if (is.null(weights)) return(NULL)
  if (!is.numeric(weights) || length(weights) != n) {
    cli::cli_abort("{.arg weights} must be {n} numbers, one a row, not {length(weights)} of type
      {.cls {class(weights)}}.", call = NULL, class = "moe_input_error")
  }
  bad <- which(!is.finite(weights) | weights < 0)
  if (length(bad)) {
    cli::cli_abort("{.arg weights} must be finite and not negative; row {bad[1]} has
      {weights[bad[1]]}.", call = NULL, class = "moe_input_error")
  }
  if (all(weights == 0)) {
    cli::cli_abort("{.arg weights} are all zero: no row is left to fit.", call = NULL,
      class = "moe_input_error")
  }
  as.numeric(weights)
}

# The response as numbers that fit the family. `labels`: the two levels of a response that is a
# factor or text, failure first; they are matched by name, whatever the order at this site.
check_response <- function(y, family, name = "response", labels = NULL) {
  if (is.matrix(y) && ncol(y) > 1) {
    input_error("The {name} must be one column, not {ncol(y)}.",
      i = "Aggregated counts are not supported: give one row a trial.")
  }
  if (family == "binomial") return(check_binary(y, name, labels))
  if (!is.numeric(y)) {
    input_error("The {name} must be numeric for {.code family = gaussian()}, not
      {.cls {class(y)[1]}}.",
      i = "For a response with two values use {.code family = binomial()}.")
  }
  # is.infinite() would take a vector as long as y for what is hardly ever there.
  if (bad_values(y)[1] > 0 && any(is.infinite(y))) {
    input_error("The {name} holds {sum(is.infinite(y))} infinite value{?s} (first in row
      {which(is.infinite(y))[1]}).", i = "Remove or correct these rows.")
  }
  as.numeric(y)
}

check_binary <- function(y, name, labels) {
  is_label <- is.factor(y) || is.character(y)
  if (is_label && !is.null(labels)) {
    if (length(labels) != 2) {
      input_error("The {name} has {length(labels)} level{?s}; {.code family = binomial()} needs two.",
        i = "The first level counts as failure, as in {.fn glm}.")
    }
    other <- setdiff(unique(as.character(y)), labels)
    if (length(other)) {
      input_error("The {name} has {cli::qty(other)}the level{?s} {.val {other}}; the model knows
        {.val {labels}}.")
    }
    return(as.numeric(as.character(y) == labels[2]))
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

# What only fitting asks of a response: that it varies, and that its family is plausible.
check_varies <- function(y, family) {
  if (!length(y)) return(invisible())
  ends <- c(min(y), max(y))
  if (ends[1] == ends[2]) {
    cli::cli_abort("The response is constant ({y[1]} in all {length(y)} rows): there is nothing to
      model.", call = NULL, class = "moe_input_error")
  }
  if (family == "gaussian" && identical(ends, c(0, 1)) && all(y == 0 | y == 1)) {
    cli::cli_warn(c("The response is 0 or 1 in every row, but {.arg family} is Gaussian.",
      i = "{.code family = binomial()} models a binary response."))
  }
}

# Number of free parameters, and so the fewest rows that a fit can work with.
count_parameters <- function(p, q, K, family) {
  K * p + (K - 1L) * q + if (family == "gaussian") K else 0L
}

check_enough_rows <- function(n, p, q, K, family) {
  needs <- count_parameters(p, q, K, family) + 1L
  if (n >= needs) return(invisible())
  cli::cli_abort(c("{.arg K} = {K} needs at least {needs} rows, one more than the model has
    parameters; the data have {n}.", i = "Take a smaller {.arg K} or a shorter formula."),
    call = NULL, class = c("moe_too_small", "moe_input_error"), rows = n, needs = needs)
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

# Predictors of an expert: one, or one for every class after the first.
count_parts <- function(schema) {
  if (schema$family == "multinomial") length(schema$labels) - 1L else 1L
}
