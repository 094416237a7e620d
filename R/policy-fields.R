# The fields of policies: what each may be, and which of two values is the stricter.

policy_shares <- c("x", "moments", "gates", "information", "rounds")

# Of each field: `check`, which gives its value or NULL for what it may not be; `must`, that in words; `stricter` of
# two values; `words` for the print.
policy_fields <- local({
  number <- function(least = 0, whole = FALSE) function(v) {
    ok <- is.numeric(v) && length(v) == 1 && !is.na(v) && v >= least && (!whole || v == round(v))
    if (ok) as.numeric(v)
  }
  flag <- function(v) if (isTRUE(v) || isFALSE(v)) v
  texts <- function(v) if (is.character(v) && !anyNA(v)) v
  text <- function(v) if (is.character(v) && length(v) == 1 && !is.na(v) && nzchar(trimws(v))) v
  shares <- function(v) if (is.character(v) && all(v %in% policy_shares)) unique(v)
  # NULL: no bound.
  both <- function(a, b) if (is.null(a)) b else if (is.null(b)) a else intersect(a, b)
  either <- function(a, b) if (is.null(a)) b else a
  field <- function(check, must, stricter, words, default, none = is.null(default)) {
    list(check = check, must = must, stricter = stricter, words = words, default = default, none = none)
  }
  count <- "one number, 0 or more"
  list(
    rows = field(number(), count, max, "fewest rows", 50),
    effective_rows = field(number(), count, max, "fewest effective rows under weights", 30),
    expert_rows = field(number(), count, max, "fewest rows behind an expert", 10),
    column_rows = field(number(), count, max, "fewest rows behind a column, level or class", 10),
    parameters_per_row = field(number(), count, min, "most parameters a row", 0.33),
    floor_experts = field(flag, "true or false", `&&`, "degenerate experts allowed", FALSE),
    own_knots = field(flag, "true or false", `&&`, "boundary knots of the site's rows allowed", FALSE),
    rare_levels = field(text, "\"refuse\" or the name of a level", function(a, b) if (a == "refuse") a else b,
      "rare levels", "refuse"),
    round_rows = field(number(1, TRUE), "a whole number, 1 or more", max, "numbers of rows rounded to", 1),
    formulas = field(texts, "null or formulas as text", both, "formulas allowed", NULL),
    functions = field(texts, "null or names of functions", both, "functions allowed", NULL),
    share = field(shares, "some of x, moments, gates, information, rounds", intersect, "may go with a model",
      policy_shares),
    exchanges = field(number(), count, min, "most messages about the same rows", 100),
    ledger = field(text, "null or the name of a file", either, "ledger", "distmoe-ledger.txt", TRUE),
    id = field(text, "null or the name of a column", either, "a person's column", NULL),
    ask = field(flag, "true or false", `||`, "a person must say yes", FALSE))
})

# `from`: words for errors.
new_policy <- function(values, from, files = character()) {
  for (name in names(policy_fields)) {
    f <- policy_fields[[name]]
    value <- values[[name]]
    if (is.null(value) && f$none) next
    checked <- f$check(value)
    must <- f$must
    if (is.null(checked)) {
      input_error("Field {.field {name}} of the policy ({from}) must be {must}, not {show_value(value)}.")
    }
    values[[name]] <- checked
  }
  out <- lapply(stats::setNames(nm = names(policy_fields)), function(name) values[[name]])
  structure(c(out, list(files = files)), class = "moe_policy")
}

# With some fields changed.
default_policy <- function(...) {
  values <- lapply(policy_fields, function(f) f$default)
  changes <- list(...)
  values[names(changes)] <- changes
  new_policy(values, "the defaults")
}

# Nothing is asked: for rows that are not secret.
open_policy <- function() {
  default_policy(rows = 0, effective_rows = 0, expert_rows = 0, column_rows = 0, parameters_per_row = Inf,
    floor_experts = TRUE, own_knots = TRUE, exchanges = Inf, ledger = NULL)
}

# Of each field the stricter value of two policies.
stricter_policy <- function(a, b) {
  for (name in names(policy_fields)) a[name] <- list(policy_fields[[name]]$stricter(a[[name]], b[[name]]))
  a$files <- union(a$files, b$files)
  a
}
