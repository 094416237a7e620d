# What formulas of other packages may hold and those here may not: found before R evaluates it to something else.

unsupported_terms <- list(
  smooth = list(names = c("s", "te", "ti", "t2", "lo", "gp", "pspline", "pb", "cs", "sm"),
    what = "smooth terms with a penalty of their own",
    instead = "Take a basis: {.code splines::ns({inside}, 3)} or {.code poly({inside}, 2)}."),
  survival = list(names = c("Surv", "Surv2", "Hist"), what = "censored responses",
    instead = "Take the logarithm of fully observed times as response, or {.pkg survival} for censored ones."),
  strata = list(names = c("strata", "cluster", "frailty", "tt"), what = "strata, clusters and frailties",
    instead = "Name the variable itself, as a factor, for an effect of its own."),
  random = list(names = c("Error", "random", "re"), what = "random effects",
    instead = "Name the grouping variable itself, as a factor, for effects that are fixed."),
  bayes = list(names = c("mo", "me", "mi", "monotonic"), what = "terms of brms",
    instead = "Name the variable itself, or a factor of it."))

formula_joins <- c("+", "-", "*", "/", ":", "^", "%in%", "(", "~")

# Refuses such terms of one side of a formula by name. `argument`: "formula" or "gating".
check_supported <- function(side, argument, env, outermost = TRUE) {
  if (!is.call(side)) return(invisible())
  name <- if (is.call(side[[1]])) as.character(side[[1]])[length(side[[1]])] else as.character(side[[1]])
  text <- deparse_one(side)
  if (name %in% c("|", "||")) refuse_bar(side, text, argument, outermost)
  if (name %in% formula_joins) {
    for (part in as.list(side)[-1]) check_supported(part, argument, env, outermost && name != "(")
    return(invisible())
  }
  for (kind in unsupported_terms) {
    if (!name %in% kind$names || is_own_function(side[[1]], env)) next
    inside <- if (length(side) > 1) deparse_one(side[[2]]) else "x"
    what <- kind$what
    input_error("{.arg {argument}} holds {.code {text}}: {what} are not supported.", i = kind$instead)
  }
}

# Has somebody who is no package made a function of that name?
is_own_function <- function(f, env) {
  if (!is.symbol(f)) return(FALSE)
  found <- get0(as.character(f), env, mode = "function")
  !is.null(found) && !is.null(environment(found)) && !isNamespace(environment(found))
}

# A response such as `y | trials(n)`. One that is a condition, `a | b`, is a response like others.
check_response_side <- function(side, env) {
  if (is.call(side) && identical(side[[1]], quote(`|`)) && is.call(side[[3]])) {
    extra <- as.character(side[[3]][[1]])
    if (extra[length(extra)] %in% c("trials", "weights", "cens", "trunc", "se", "rate", "subset", "mi")) {
      input_error("The response {.code {deparse_one(side)}} has an addition, which is not supported.",
        i = "Case weights have an argument of their own, {.arg weights}; of counts give one row a trial.")
    }
    return(invisible())
  }
  if (!is.call(side) || !identical(side[[1]], quote(`|`))) check_supported(side, "formula", env, outermost = FALSE)
}

refuse_bar <- function(side, text, argument, outermost) {
  right <- deparse_one(side[[3]])
  if (outermost && argument == "formula") {
    left <- deparse_one(side[[2]])
    input_error("{.arg formula} has two parts, {.code {text}}.",
      i = "The gates' columns have an argument of their own: {.code ~ {left}} for the experts and
        {.code gating = ~ {right}}. A condition goes into {.code I({text})}.")
  }
  input_error("{.arg {argument}} holds {.code ({text})}: random effects are not supported.",
    i = "Name {.code {right}} itself, as a factor, for effects that are fixed; packages such as {.pkg lme4} fit random
      ones. A condition goes into {.code I({text})}.")
}

# Which of the variables are missing in all rows: the reason why none is left.
missing_everywhere <- function(calls, data, env) {
  lost <- vapply(calls, function(call) {
    v <- tryCatch(suppressWarnings(eval(call, data, env)), error = function(e) NULL)
    is.atomic(v) && length(v) > 0 && all(is.na(v))
  }, NA)
  vapply(calls[lost], deparse_one, "")
}
