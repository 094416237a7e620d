# Formulas and basis functions as JSON trees, and back. Nothing of a message is ever parsed or evaluated
# as R before it was rebuilt here from functions that are known to be harmless.
#
# A name is {"name": "x"}; a call ["poly", argument, ...], in which {"argument": "degree", "is": 2} has a
# name of its own; numbers, true, false and strings stand for themselves; vectors are {"double": [...]},
# {"integer": [...]}, {"logical": [...]}, {"text": [...]}, lists {"list": [...]}, all with "names" if they
# have some. Sums are flat: ["+", a, b, c].

# What may stand in a variable, beside what goes by rows; and between variables.
value_functions <- c("factor", "as.factor", "as.character", "as.integer", "as.logical", "c", "-",
  "%in%", "pmin", "pmax")
formula_operators <- c("+", "-", ":", "*", "^", "%in%", "(")

# Where a namespace may be named.
known_namespaces <- c(poly = "stats", ns = "splines", bs = "splines", scale = "base", plogis = "stats",
  qlogis = "stats", offset = "stats")

message_functions <- function() unique(c(basis_functions, row_functions, value_functions, formula_operators))

# ---- the environment of a formula that came from elsewhere --------------------------------------

safe <- new.env(parent = emptyenv())

# Holds the known functions and constants of that name, and has no parent. One for all models, so that
# their terms are identical.
safe_environment <- function(constants = list()) {
  if (is.null(safe$functions)) safe$functions <- known_functions()
  if (!length(constants)) return(safe$functions)
  list2env(constants, parent = safe$functions)
}

known_functions <- function() {
  out <- new.env(parent = emptyenv())
  for (name in c(message_functions(), "list", "::", "~", "pi")) {
    home <- known_namespaces[name]
    home <- if (is.na(home)) "base" else home
    if (requireNamespace(home, quietly = TRUE)) assign(name, get(name, asNamespace(home)), envir = out)
  }
  assign("T", TRUE, envir = out)
  assign("F", FALSE, envir = out)
  lockEnvironment(out, bindings = TRUE)
  out
}

# ---- writing ---------------------------------------------------------------------------------

# `env`: where a user's own functions would be found.
formula_tree <- function(x, env, depth = 0) {
  if (depth > 30) cant_write("it is nested too deep")
  if (is.symbol(x)) return(list(name = as.character(x)))
  if (!is.call(x)) return(value_tree(x))
  name <- call_name(x, env)
  arguments <- as.list(x)[-1]
  if (name == "+" && length(arguments) == 2) arguments <- flat_sum(x)
  given <- names(arguments)
  parts <- lapply(seq_along(arguments), function(i) {
    if (identical(arguments[[i]], quote(expr = ))) cant_write("an argument is empty")  # nolint
    tree <- formula_tree(arguments[[i]], env, depth + 1)
    if (is.null(given) || given[i] == "") tree else list(argument = given[i], is = tree)
  })
  c(list(name), parts)
}

flat_sum <- function(x) {
  out <- list()
  while (is.call(x) && identical(x[[1]], quote(`+`)) && length(x) == 3) {
    out <- c(list(x[[3]]), out)
    x <- x[[2]]
  }
  c(list(x), out)
}

# The name of a known function, with its namespace if it was called by it.
call_name <- function(x, env) {
  f <- x[[1]]
  if (is.call(f) && identical(f[[1]], quote(`::`))) {
    name <- as.character(f[[3]])
    full <- paste0(as.character(f[[2]]), "::", name)
    if (!full %in% qualified_names()) cant_write_function(full)
    return(full)
  }
  if (!is.symbol(f)) cant_write("it calls what has no name")
  name <- as.character(f)
  home <- environment(get0(name, env, mode = "function"))
  if (!name %in% message_functions() || !is.null(home) && !isNamespace(home)) cant_write_function(name)
  name
}

qualified_names <- function() paste0(known_namespaces, "::", names(known_namespaces))

cant_write <- function(why) {
  input_error("The model's formula can't be written to a message: {why}.",
    i = "Make such columns in the data before the fit, and name them in the formula.")
}

cant_write_function <- function(name) {
  cant_write(paste0("`", name, "()` is not among the functions that a message may name"))
}

value_tree <- function(x) {
  if (is.null(x)) return(NULL)
  if (is.list(x)) return(with_names(list(list = lapply(unname(x), value_tree)), names(x)))
  kind <- if (is.double(x)) "double" else if (is.integer(x)) "integer"
          else if (is.logical(x)) "logical" else if (is.character(x)) "text"
  if (is.null(kind) || is.object(x) || !is.null(dim(x)) || anyNA(x) || is.numeric(x) && !all(is.finite(x))) {
    cant_write("it holds a value that is neither a number nor text")
  }
  if (length(x) == 1 && is.null(names(x)) && kind != "integer") return(x)
  with_names(stats::setNames(list(I(unname(x))), kind), names(x))
}

with_names <- function(tree, names) {
  if (!is.null(names)) tree$names <- I(names)
  tree
}

# ---- reading ---------------------------------------------------------------------------------

# `known`: the functions that may be called here.
tree_formula <- function(x, at, known) {
  if (!is.list(x)) return(take_value(x, at))
  if (is.null(names(x))) return(tree_call(x, at, known))
  if ("name" %in% names(x)) {
    x <- take_object(x, at, "name")
    name <- take_text(x$name, field_at(at, "name"), longest_name)
    if (name %in% c("", ".", "...") || grepl("^\\.\\.[0-9]+$", name)) {
      bad_field(at, "holds the name \"", name, "\", which is none of a variable")
    }
    return(as.name(name))
  }
  take_value(x, at)
}

tree_call <- function(x, at, known) {
  if (!length(x) || !is.character(x[[1]])) bad_field(at, "must be a call: a function's name, then arguments")
  name <- take_text(x[[1]], at, longest_name)
  bare <- sub("^[^:]+::", "", name)
  if (!bare %in% known || name != bare && !name %in% qualified_names()) {
    bad_field(at, "calls the function \"", shown_text(name), "\", which may not stand here")
  }
  if (length(x) > 5001) bad_field(at, "has more than 5000 arguments")
  f <- as.name(bare)
  if (name != bare) f <- call("::", as.name(sub("::.*", "", name)), f)
  arguments <- lapply(seq_along(x)[-1], function(i) {
    place <- paste0(at, "[", i, "]")
    named <- is.list(x[[i]]) && "argument" %in% names(x[[i]])
    if (named) {
      piece <- take_object(x[[i]], place, "argument", "is")
      label <- take_text(piece$argument, place, longest_name)
      return(list(label = label, value = list(tree_formula(piece$is, place, known))))
    }
    list(label = "", value = list(tree_formula(x[[i]], place, known)))
  })
  labels <- vapply(arguments, function(a) a$label, "")
  values <- lapply(arguments, function(a) a$value[[1]])
  if (name == "+" && length(values) > 2) {
    if (any(labels != "")) bad_field(at, "names the parts of a sum")
    return(Reduce(function(a, b) call("+", a, b), values))
  }
  if (any(labels != "")) names(values) <- labels
  as.call(c(list(f), values))
}

value_kinds <- c("double", "integer", "logical", "text", "list")

take_value <- function(x, at) {
  if (is.null(x)) return(NULL)
  if (is.character(x)) return(take_text(x, at))
  if (is.logical(x)) return(take_flag(x, at))
  if (is.numeric(x)) return(take_number(x, at))
  kind <- intersect(names(x), value_kinds)
  if (length(kind) != 1) bad_field(at, "is neither a name, a call nor a value")
  x <- take_object(x, at, kind, "names")
  inside <- field_at(at, kind)
  out <- switch(kind,
    double = take_numbers(x$double, inside, longest = 1e4),
    integer = as.integer(take_numbers(x$integer, inside, whole = TRUE, longest = 1e4,
      least = -.Machine$integer.max, most = .Machine$integer.max)),
    logical = take_flags(x$logical, inside, NULL),
    text = take_texts(x$text, inside),
    list = {
      parts <- take_list(x$list, inside, most = 1000L)
      lapply(seq_along(parts), function(i) take_value(parts[[i]], paste0(inside, "[", i, "]")))
    })
  if (!is.null(x$names)) names(out) <- take_texts(x$names, field_at(at, "names"), length(out))
  out
}

# How many terms a right-hand side may have when it is multiplied out, at most: that of (a + b)^30 would
# keep terms() busy for ever.
count_terms <- function(x) {
  if (!is.call(x)) return(1)
  name <- as.character(x[[1]])[1]
  parts <- as.list(x)[-1]
  if (!name %in% formula_operators) return(1)
  if (length(parts) == 1) return(count_terms(parts[[1]]))
  a <- count_terms(parts[[1]])
  if (name == "^") {
    power <- parts[[2]]
    if (!is.numeric(power) || power < 1 || power > 20) return(Inf)
    return(sum(choose(a, seq_len(min(power, a)))))
  }
  b <- count_terms(parts[[2]])
  switch(name, "+" = , "-" = a + b, "*" = a + b + a * b, a * b)
}

# Brackets and commas; 3000 columns have 10,000. Each name and call takes time.
most_in_formula <- 50000

check_tree_size <- function(x, at) {
  if (cpp_scan_json(charToRaw(json_text(x)))$marks > most_in_formula) {
    bad_field(at, "is larger than a formula of ", format_big(most_columns), " columns")
  }
}

check_formula_size <- function(f, at) {
  if (count_terms(f[[length(f)]]) > 3000) bad_field(at, "has more than 3000 terms, multiplied out")
}
