# The schema of a design as a tree, and back: what a message says of formulas, columns, levels and bases.

# Classes of numbers that plots and drawn points may be given.
known_classes <- c("Date", "POSIXct", "POSIXt", "difftime", "AsIs")

# ---- writing ---------------------------------------------------------------------------------

design_tree <- function(schema) {
  part <- function(p) {
    out <- list(columns = I(p$columns))
    if (schema$kind == "formula") out["contrasts"] <- list(contrasts_tree(p$contrasts))
    out
  }
  out <- list(kind = schema$kind, same = schema$same, response = schema$response)
  out["labels"] <- list(if (!is.null(schema$labels)) I(schema$labels))
  if (schema$kind == "formula") out <- c(out, formula_fields(schema))
  out$expert <- part(schema$expert)
  out$gate <- part(schema$gate)
  out$variables <- as_map(lapply(schema$variables, variable_tree))
  out
}

formula_fields <- function(schema) {
  env <- environment(schema$frame)
  side <- function(f) formula_tree(f[[length(f)]], env)
  calls <- as.list(attr(schema$frame, "variables"))[-1]
  names(calls) <- vapply(calls, deparse_one, "")
  for (call in calls) check_variable(call, cant_write_function)
  given <- as.list(attr(schema$frame, "predvars"))[-1]
  bases <- !mapply(identical, unname(calls), unname(given))
  constants <- formula_constants(schema, given, env)
  check_written_bases(calls, given, schema, constants)
  c(list(response_variables = I(schema$response_variables), needs = I(schema$needs)),
    if (length(schema$group)) list(group = I(schema$group)), list(
    formula = list(response = formula_tree(schema$formula[[2]], env), experts = side(schema$formula)),
    gating = if (!schema$same) side(schema$gating),
    classes = as_map(as.list(attr(schema$frame, "dataClasses"))),
    levels = as_map(lapply(schema$levels, I)),
    bases = as_map(lapply(stats::setNames(given[bases], names(calls)[bases]), formula_tree, env)),
    constants = as_map(constants)))
}

# What a reader would refuse is not written.
check_written_bases <- function(calls, given, schema, constants) {
  constants <- lapply(constants, function(v) if (is.list(v)) v$integer else v)
  classes <- attr(schema$frame, "dataClasses")
  for (i in which(vapply(calls, is_basis, NA))) tryCatch({
    check_basis(given[[i]], "", classes[[names(calls)[i]]], constants)
    check_basis_calls(calls[i], "", c(schema$needs, schema$response_variables), constants)
  }, moe_bad_field = function(e) cant_write(paste0("`", names(calls)[i], "` ", conditionMessage(e))))
}

# Single numbers that the formula takes from where it was made. All else that is neither a variable nor
# a number would have to travel along, and might be rows.
formula_constants <- function(schema, calls, env) {
  names <- unique(unlist(lapply(calls, all.vars)))
  names <- setdiff(names, c(schema$response_variables, schema$needs, "pi", "T", "F"))
  out <- lapply(stats::setNames(names, names), function(name) {
    value <- get0(name, env)
    ok <- (is.numeric(value) || is.logical(value)) && !is.object(value) && length(value) == 1 &&
      is.null(attributes(value)) && is.finite(value)
    if (!ok) {
      cant_write(paste0("`", name, "` is neither a variable of the data nor a single number"))
    }
    if (is.integer(value)) list(integer = I(value)) else value
  })
  out
}

contrasts_tree <- function(contrasts) {
  if (is.null(contrasts)) return(NULL)
  lapply(contrasts, function(own) {
    if (!is.matrix(own)) return(own)
    list(columns = if (!is.null(colnames(own))) I(colnames(own)), values = by_column(own))
  })
}

variable_tree <- function(v) {
  if (v$type == "factor") return(list(type = "factor", levels = I(v$levels), mode = v$mode))
  if (v$type == "logical") return(list(type = "logical", mode = v$mode))
  like <- v$like
  if (!all(like$class %in% known_classes)) {
    cant_write(paste0("a variable has the class <", setdiff(like$class, known_classes)[1],
      ">; as.numeric() makes a number of it"))
  }
  list(type = "numeric", mean = v$mean, sd = v$sd, like = if (length(like)) lapply(like, I))
}

# Only what goes by rows may stand within a variable; a basis alone outside. `refuse(name)`.
check_variable <- function(call, refuse, outermost = TRUE) {
  if (!is.call(call)) return(invisible())
  name <- as.character(if (is.call(call[[1]])) call[[1]][[3]] else call[[1]])
  known <- c(row_functions, value_functions, if (outermost) basis_functions)
  if (!name %in% known) refuse(name)
  for (argument in as.list(call)[-1]) check_variable(argument, refuse, FALSE)
}

# ---- reading ---------------------------------------------------------------------------------

take_design <- function(x, at, family) {
  formula <- is.list(x) && identical(x$kind, "formula")
  # Those that need not be there are a formula's; some of these not even there.
  rows <- message_objects$design
  optional <- names(rows)[vapply(rows, function(f) f$absent == "left out", NA)]
  x <- take_object(x, at, if (formula) setdiff(names(rows), optional) else needed_fields(rows), if (formula) optional)
  in_at <- function(name) field_at(at, name)
  out <- list(kind = take_text(x$kind, in_at("kind"), among = c("formula", "matrix")),
    same = take_flag(x$same, in_at("same")), family = family,
    response = take_text(x$response, in_at("response")),
    labels = take_labels(x$labels, in_at("labels"), family),
    variables = take_variables(x$variables, in_at("variables")))
  columns <- lapply(list(expert = "expert", gate = "gate"), function(part) {
    take_object(x[[part]], in_at(part), "columns", if (formula) "contrasts")
    take_texts(x[[part]]$columns, in_at(paste0(part, ".columns")), unique = TRUE, most = most_columns)
  })
  if (!all(lengths(columns))) bad_field(at, "has an expert or gate without columns")
  if (out$same && !identical(columns$expert, columns$gate)) {
    bad_field(in_at("gate.columns"), "must be those of the experts, as `same` says")
  }
  if (formula) take_formula_design(x, at, out, columns) else take_matrix_design(at, out, columns)
}

take_labels <- function(x, at, family) {
  many <- has_many_classes(family)
  if (is.null(x) && !many) return(NULL)
  if (!has_classes(family)) bad_field(at, "must be null: the response is no class")
  labels <- take_texts(x, at, if (!many) 2, unique = TRUE)
  if (length(labels) < 2) bad_field(at, "must name two classes or more")
  labels
}

take_variables <- function(x, at) {
  x <- take_map(x, at)
  out <- lapply(names(x), function(name) take_variable(x[[name]], field_at(at, shown_text(name))))
  if (!length(x)) return(list())
  stats::setNames(out, names(x))
}

take_variable <- function(v, at) {
  v <- take_object(v, at, "type", c("levels", "mode", "mean", "sd", "like"))
  type <- take_text(v$type, field_at(at, "type"), among = c("numeric", "factor", "logical"))
  if (type == "logical") {
    take_object(v, at, c("type", "mode"))
    return(list(type = type, mode = take_flag(v$mode, field_at(at, "mode"), gaps = TRUE)))
  }
  if (type == "factor") {
    take_object(v, at, c("type", "levels", "mode"))
    levels <- take_texts(v$levels, field_at(at, "levels"), unique = TRUE)
    return(list(type = type, levels = levels,
      mode = take_text(v$mode, field_at(at, "mode"), among = levels)))
  }
  take_object(v, at, c("type", "mean", "sd", "like"))
  like <- v$like
  if (!is.null(like)) {
    like <- take_object(like, field_at(at, "like"), character(), c("class", "tzone", "units"))
    like <- lapply(stats::setNames(nm = names(like)), function(name) {
      take_texts(like[[name]], field_at(at, paste0("like.", name)), most = 3L,
        among = if (name == "class") known_classes)
    })
  }
  out <- list(type = type, mean = take_number(v$mean, field_at(at, "mean"), gaps = TRUE),
    sd = take_number(v$sd, field_at(at, "sd"), 0, gaps = TRUE))
  out["like"] <- list(like)
  out
}

take_matrix_design <- function(at, out, columns) {
  for (part in names(columns)) {
    if (columns[[part]][1] != "(Intercept)") {
      bad_field(field_at(at, paste0(part, ".columns")), "must begin with \"(Intercept)\"")
    }
  }
  named <- unique(c(columns$expert[-1], if (!out$same) columns$gate[-1]))
  if (!setequal(names(out$variables), named)) {
    bad_field(field_at(at, "variables"), "must be those of the columns")
  }
  c(out[c("kind", "same", "family", "response")], list(labels = out$labels,
    expert = list(columns = columns$expert), gate = list(columns = columns$gate),
    variables = out$variables))
}

take_formula_design <- function(x, at, out, columns) {
  in_at <- function(name) field_at(at, name)
  known <- message_functions()
  f <- take_object(x$formula, in_at("formula"), c("response", "experts"))
  check_tree_size(x$formula, in_at("formula"))
  check_tree_size(x$gating, in_at("gating"))
  formula <- call("~", tree_formula(f$response, in_at("formula.response"), known),
    tree_formula(f$experts, in_at("formula.experts"), known))
  gating <- if (!is.null(x$gating)) call("~", tree_formula(x$gating, in_at("gating"), known))
  if (is.null(gating) != out$same) bad_field(in_at("same"), "must be true just where `gating` is null")
  check_formula_size(formula, in_at("formula"))
  if (!is.null(gating)) check_formula_size(gating, in_at("gating"))
  constants <- take_constants(x$constants, in_at("constants"))
  env <- safe_environment(constants)
  as_formula <- function(f, env) if (!is.null(f)) structure(f, class = "formula", .Environment = env)
  terms <- tryCatch(formula_terms(as_formula(formula, env), as_formula(gating, env), NULL),
    error = function(e) bad_field(in_at("formula"), "makes no terms: ", shown_text(conditionMessage(e), 200)))
  frame <- take_frame(x, at, terms, env, constants)
  schema <- list(kind = "formula", formula = as_formula(formula, globalenv()),
    gating = as_formula(gating, globalenv()), same = out$same, family = out$family,
    response = out$response,
    response_variables = take_texts(x$response_variables, in_at("response_variables"), unique = TRUE),
    needs = take_texts(x$needs, in_at("needs"), unique = TRUE), labels = out$labels, frame = frame,
    levels = take_levels(x$levels, in_at("levels"), attr(frame, "dataClasses"), out$response))
  if (!is.null(x$group)) schema$group <- take_texts(x$group, in_at("group"), unique = TRUE)
  check_basis_calls(terms$calls, in_at("formula"), c(schema$needs, schema$response_variables), constants)
  made <- structure(list(), terms = frame)
  schema$expert <- take_part(x$expert, in_at("expert"), terms$expert, made, schema, columns$expert)
  if (out$same && !is.null(x$gate$contrasts)) bad_field(in_at("gate.contrasts"), "must be null where `same` is true")
  schema$gate <- if (out$same) {
    part <- gate_without_offset(design_part(terms$expert, made))
    part$columns <- columns$gate
    part
  } else {
    take_part(x$gate, in_at("gate"), terms$gate, made, schema, columns$gate)
  }
  schema$variables <- out$variables
  check_variable_names(schema, at, terms, constants)
  schema
}

take_constants <- function(x, at) {
  x <- take_map(x, at, 100L)
  lapply(stats::setNames(nm = names(x)), function(name) {
    value <- take_value(x[[name]], field_at(at, shown_text(name)))
    if (length(value) != 1 || !(is.numeric(value) || is.logical(value))) {
      bad_field(field_at(at, shown_text(name)), "must be one number")
    }
    value
  })
}

# The terms of all variables, with the calls by which new data make them.
take_frame <- function(x, at, terms, env, constants) {
  names(terms$calls) <- vapply(terms$calls, deparse_one, "")
  for (i in seq_along(terms$calls)) {
    check_variable(terms$calls[[i]], function(name) {
      bad_field(field_at(at, "formula"), "calls the function \"", shown_text(name),
        "\" within a variable, where it may not stand")
    })
  }
  frame <- stats::terms(frame_formula(terms, env))
  classes <- take_map(x$classes, field_at(at, "classes"))
  if (!setequal(setdiff(names(classes), "(weights)"), names(terms$calls))) {
    bad_field(field_at(at, "classes"), "must name the variables of the formulas, ",
      shown_text(paste(names(terms$calls), collapse = ", ")))
  }
  classes <- vapply(names(classes), function(name) {
    take_text(classes[[name]], field_at(at, paste0("classes.", shown_text(name))))
  }, "")
  bad <- !grepl("^(numeric|factor|ordered|logical|character|other|nmatrix\\.[0-9]{1,4})$", classes)
  if (any(bad)) bad_field(field_at(at, "classes"), "holds \"", shown_text(classes[bad][1]), "\"")
  calls <- take_bases(x$bases, field_at(at, "bases"), terms$calls, classes, constants)
  attr(frame, "predvars") <- as.call(c(quote(list), unname(calls)))
  attr(frame, "dataClasses") <- classes
  frame
}

take_levels <- function(x, at, classes, response) {
  x <- take_map(x, at)
  asked <- setdiff(names(classes)[classes %in% c("factor", "ordered", "character")], response)
  if (!setequal(names(x), asked)) {
    bad_field(at, "must be given of the factors ", if (length(asked)) shown_text(paste(asked, collapse = ", "))
      else "(there is none)")
  }
  stats::setNames(lapply(names(x), function(name) {
    take_texts(x[[name]], field_at(at, shown_text(name)), unique = TRUE)
  }), as.character(names(x)))
}
