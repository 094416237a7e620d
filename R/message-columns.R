# Do the columns that a message names follow from its formulas, levels and bases? One made-up row tells.

take_part <- function(x, at, terms, made, schema, columns) {
  part <- design_part(terms, made)
  contrasts <- x$contrasts
  if (!is.null(contrasts)) {
    contrasts <- take_map(contrasts, field_at(at, "contrasts"))
    contrasts <- lapply(stats::setNames(nm = names(contrasts)), function(name) {
      take_contrasts(contrasts[[name]], field_at(at, paste0("contrasts.", shown_text(name))), schema$levels[[name]])
    })
  }
  part$contrasts <- contrasts
  part$columns <- columns
  found <- columns_of(part, made, schema, at)
  if (!identical(found, columns)) {
    wrong <- c(setdiff(columns, found), setdiff(found, columns), columns[1])[1]
    bad_field(field_at(at, "columns"), "are not those that formula, levels and bases make; look at \"",
      shown_text(wrong), "\"")
  }
  part
}

# A name, or the numbers of a factor's own, a row a level.
take_contrasts <- function(x, at, levels) {
  if (!is.list(x) || is.null(levels)) return(take_text(x, at, among = known_contrasts))
  x <- take_object(x, at, c("columns", "values"))
  # Of levels by levels at most; beyond that they could not be contrasts.
  columns <- length(take_list(x$values, field_at(at, "values"), most = min(length(levels), most_columns)))
  names <- if (!is.null(x$columns)) take_texts(x$columns, field_at(at, "columns"), columns)
  out <- take_matrix(x$values, field_at(at, "values"), length(levels), columns)
  dimnames(out) <- list(levels, names)
  out
}

columns_of <- function(part, made, schema, at) {
  frame <- attr(made, "terms")
  calls <- as.list(attr(frame, "predvars"))[-1]
  names(calls) <- vapply(as.list(attr(frame, "variables"))[-1], deparse_one, "")
  names <- all_columns(part)
  classes <- attr(frame, "dataClasses")
  row <- lapply(stats::setNames(names, names), function(name) {
    made_up_value(calls[[name]], classes[[name]], schema$levels[[name]], environment(frame),
      field_at(at, "columns"))
  })
  count <- vapply(row, function(v) if (is.factor(v)) nlevels(v) else if (is.logical(v)) 2L else NCOL(v), 0L)
  if (any(count < 1)) bad_field(field_at(at, "columns"), "hold a factor without levels")
  # Contrasts are a matrix of levels by levels.
  if (any(count > most_columns)) {
    bad_field(field_at(at, "columns"), "hold a factor of more than ", most_columns, " levels")
  }
  factors <- attr(part$terms, "factors")
  wide <- if (length(factors)) sum(apply(factors > 0, 2, function(used) prod(count[used]))) else 0
  if (wide > 1e5) bad_field(field_at(at, "columns"), "would be more than 100,000")
  row <- structure(row, class = "data.frame", row.names = .set_row_names(1L), terms = frame)
  tryCatch(suppressWarnings(colnames(stats::model.matrix(part$terms, row, contrasts.arg = part$contrasts))),
    error = function(e) {
      bad_field(field_at(at, "columns"), "can't be made: ", shown_text(conditionMessage(e), 200))
    })
}

# A value of a variable such that the columns have the right names; which value does not matter.
made_up_value <- function(call, class, levels, env, at) {
  if (!is.null(levels)) return(factor(levels[1], levels, ordered = class == "ordered"))
  if (class == "logical") return(TRUE)
  if (!grepl("^nmatrix", class)) return(1)
  width <- as.integer(sub("nmatrix.", "", class, fixed = TRUE))
  if (!is_basis(call)) return(matrix(1, 1, width))
  # The variable itself; all else are numbers, by now.
  for (i in seq_along(call)[-1]) if (is.language(call[[i]])) call[[i]] <- 1
  value <- tryCatch(suppressWarnings(eval(call, env)), error = function(e) {
    bad_field(at, "can't be made: ", shown_text(conditionMessage(e), 200))
  })
  if (NCOL(value) != width) bad_field(at, "have a basis of ", NCOL(value), " functions where `classes` says ", width)
  value
}

# Every name that new data are asked for is a variable, a constant, or known.
check_variable_names <- function(schema, at, terms, constants) {
  response <- all.vars(terms$calls[[1]])
  if (!identical(schema$response, deparse_one(terms$calls[[1]]))) {
    bad_field(field_at(at, "response"), "is not the left-hand side of `formula`")
  }
  if (!identical(schema$response_variables, response)) {
    bad_field(field_at(at, "response_variables"), "are not those of the left-hand side of `formula`")
  }
  calls <- as.list(attr(schema$frame, "predvars"))[-1]
  asked <- unique(unlist(lapply(calls, all.vars)))
  lacks <- setdiff(asked, c(response, schema$needs, names(constants), "pi", "T", "F"))
  if (length(lacks)) bad_field(field_at(at, "needs"), "lacks the variable \"", shown_text(lacks[1]), "\"")
  both <- intersect(names(constants), c(schema$needs, response))
  if (length(both)) {
    bad_field(field_at(at, "constants"), "holds \"", shown_text(both[1]), "\", which is a variable")
  }
  extra <- setdiff(schema$needs, unique(unlist(lapply(terms$calls, all.vars))))
  if (length(extra)) bad_field(field_at(at, "needs"), "holds \"", shown_text(extra[1]), "\", which is in no formula")
  extra <- setdiff(names(schema$variables), schema$needs)
  if (length(extra)) {
    bad_field(field_at(at, "variables"), "holds \"", shown_text(extra[1]), "\", which is in no formula")
  }
  for (name in intersect(names(schema$variables), names(schema$levels))) {
    if (!identical(schema$variables[[name]]$levels, schema$levels[[name]])) {
      bad_field(field_at(at, paste0("variables.", shown_text(name))), "has other levels than `levels` says")
    }
  }
}
