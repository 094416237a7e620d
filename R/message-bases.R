# Basis functions of messages: poly(), ns(), bs() and scale() with numbers in the place of what the rows
# decided. How large they are is known before any is evaluated.

most_functions <- 200L

# The calls by which new data make the variables. `classes`: what each of them is, with its width.
take_bases <- function(x, at, calls, classes, constants) {
  x <- take_map(x, at)
  unknown <- setdiff(names(x), names(calls))
  if (length(unknown)) bad_field(field_at(at, shown_text(unknown[1])), "is no variable of the formulas")
  for (name in names(x)) {
    here <- field_at(at, shown_text(name))
    made <- tree_formula(x[[name]], here, c(basis_functions, row_functions, value_functions))
    asked <- calls[[name]]
    if (!is.call(made) || !is.call(asked) || !identical(made[[1]], asked[[1]])) {
      bad_field(here, "must be a call of the variable's own function")
    }
    own <- vapply(as.list(made)[-1], function(a) {
      !is.language(a) || any(vapply(as.list(asked)[-1], identical, NA, a))
    }, NA)
    if (!all(own)) bad_field(here, "must hold the variable's own arguments and numbers only")
    calls[[name]] <- made
  }
  for (name in names(calls)) {
    if (!is_basis(calls[[name]])) next
    here <- field_at(at, shown_text(name))
    check_basis(calls[[name]], here, classes[[name]], constants)
  }
  calls
}

check_basis <- function(call, at, class, constants) {
  arguments <- basis_arguments(call, at)
  values <- lapply(stats::setNames(nm = setdiff(names(arguments), "x")), function(name) {
    value <- plain_argument(arguments[[name]], constants)
    if (is.null(value)) bad_field(at, "has no number, but a call or a variable, in the place of `", name, "`")
    value[[1]]
  })
  width <- suppressWarnings(as.numeric(sub("nmatrix.", "", class, fixed = TRUE)))
  if (is.na(width)) bad_field(at, "is a basis, and `classes` says that the variable is ", shown_text(class))
  fault <- basis_fault(function_name(call), values, width)
  if (!is.null(fault)) bad_field(at, fault)
}

# Arguments by their full names. poly() takes a number without a name for its degree.
basis_arguments <- function(call, at) {
  name <- function_name(call)
  definition <- get(name, asNamespace(known_namespaces[[name]]))
  call[[1]] <- as.name(name)
  full <- tryCatch(match.call(definition, call, expand.dots = FALSE), error = function(e) {
    bad_field(at, "has arguments that ", name, "() does not take")
  })
  arguments <- as.list(full)[-1]
  more <- arguments[["..."]]
  arguments[["..."]] <- NULL
  if (length(more)) {
    if (length(more) > 1 || !is.null(arguments$degree) || any(names(more) != "")) {
      bad_field(at, "has more than one variable, or arguments that ", name, "() does not take")
    }
    arguments$degree <- more[[1]]
  }
  if (is.null(arguments$x)) bad_field(at, "lacks the variable of ", name, "()")
  arguments
}

# list(value) of what is made of numbers and constants by simple arithmetic; NULL: of something else.
plain_argument <- function(a, constants) {
  if (!is.language(a)) return(list(a))
  if (is.symbol(a)) {
    value <- c(constants, list(T = TRUE, F = FALSE, pi = pi))[[as.character(a)]]
    return(if (!is.null(value)) list(value))
  }
  name <- as.character(a[[1]])
  if (length(name) != 1 || !name %in% c("c", "+", "-", "*", "/", "(")) return(NULL)
  parts <- lapply(as.list(a)[-1], plain_argument, constants)
  if (!length(parts) || any(lengths(parts) != 1)) return(NULL)
  parts <- lapply(parts, function(part) part[[1]])
  if (!all(vapply(parts, function(v) is.numeric(v) || is.logical(v), NA))) return(NULL)
  tryCatch(list(do.call(name, unname(parts), quote = TRUE)), error = function(e) NULL, warning = function(e) NULL)
}

# What does not go together in the numbers of a basis of `width` functions; NULL: nothing.
basis_fault <- function(name, values, width) {
  for (size in intersect(c("df", "degree"), names(values))) {
    if (!is_size(values[[size]])) return(paste0("asks for a basis of other than 1 to ", most_functions, " functions"))
  }
  switch(name,
    poly = poly_fault(values, width),
    ns = spline_fault(values, width, 1),
    bs = spline_fault(values, width, if (is.null(values$degree)) 3 else values$degree),
    scale = scale_fault(values, width))
}

is_size <- function(v) is.numeric(v) && length(v) == 1 && is.finite(v) && v == round(v) && v >= 1 && v <= most_functions

are_numbers <- function(v, n) is.numeric(v) && length(v) == n && all(is.finite(v))

poly_fault <- function(values, width) {
  degree <- if (is.null(values$degree)) 1 else values$degree
  if (degree != width) return(paste0("has degree ", degree, " where `classes` says ", width, " functions"))
  coefs <- values$coefs
  if (is.null(coefs)) return(if (!isTRUE(as.logical(values$raw))) "lacks the numbers of poly(), `coefs`")
  ok <- is.list(coefs) && setequal(names(coefs), c("alpha", "norm2")) && are_numbers(coefs$alpha, width) &&
    are_numbers(coefs$norm2, width + 2) && all(coefs$norm2 > 0)
  if (!ok) paste0("must have `coefs` of ", width, " numbers `alpha` and ", width + 2, " above 0, `norm2`")
}

spline_fault <- function(values, width, degree) {
  knots <- values$knots
  ends <- values$Boundary.knots
  if (!is.numeric(knots) && length(knots) || !all(is.finite(unlist(knots)))) return("must have numbers as knots")
  if (!are_numbers(ends, 2) || ends[1] >= ends[2]) return("must have two boundary knots, the lower one first")
  intercept <- values$intercept
  if (is.null(intercept)) intercept <- FALSE
  if (!isTRUE(intercept) && !isFALSE(intercept)) return("must have true or false for `intercept`")
  makes <- length(knots) + degree + intercept
  if (makes == width) return(NULL)
  paste0("has ", length(knots), " knots, which make ", makes, " functions, where `classes` says ", width)
}

scale_fault <- function(values, width) {
  for (name in intersect(c("center", "scale"), names(values))) {
    v <- values[[name]]
    if (isTRUE(v) || isFALSE(v)) next
    if (are_numbers(v, width) && (name == "center" || all(v != 0))) next
    return(paste0("must have ", width, " number for `", name, "`"))
  }
}

# The formula's own calls, which a fit to other rows would evaluate: what says how large a basis is may not
# come from the rows.
check_basis_calls <- function(calls, at, variables, constants) {
  for (call in calls) {
    if (!is_basis(call)) next
    arguments <- basis_arguments(call, at)
    for (name in setdiff(names(arguments), "x")) {
      value <- plain_argument(arguments[[name]], constants)
      if (is.null(value) && !any(all.vars(arguments[[name]]) %in% variables)) next
      ok <- !is.null(value) && (!name %in% c("df", "degree") || is_size(value[[1]]))
      if (!ok) {
        bad_field(at, "asks for a basis of other than 1 to ", most_functions, " functions: look at `", name, "` of ",
          function_name(call), "()")
      }
    }
  }
}
