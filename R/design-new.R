# The design of new rows, under the schema of a model.

check_columns <- function(schema, data, with_response = TRUE) {
  missing <- setdiff(c(if (with_response) schema$response_variables, schema$needs), names(data))
  if (length(missing)) {
    has <- escape_braces(first_of(dQuote(names(data), FALSE), 8))
    input_error("{cli::qty(missing)}Column{?s} {.val {missing}} of the formula {?is/are} not in the
      data.", i = paste0("The data have ", has, "."))
  }
}

# The design of new rows under a model's schema: of those that are complete, which `complete` lists.
# Without any there is no design but that list.
design_new <- function(schema, newdata, need_response = FALSE) {
  if (schema$kind == "matrix") return(design_new_matrix(schema, newdata, need_response))
  if (inherits(newdata, "moe_support")) newdata <- support_data(newdata, schema)
  if (!is.data.frame(newdata)) {
    input_error("{.arg newdata} must be a data frame, not {.obj_type_friendly {newdata}}.")
  }
  if (is_kept_frame(newdata, schema)) {
    return(c(design_from_frame(newdata, schema, need_response), list(complete = rep(TRUE, nrow(newdata)))))
  }
  check_columns(schema, newdata, need_response)
  terms <- if (need_response) schema$frame else stats::delete.response(schema$frame)
  # Rows with missing values are set aside before basis functions see them.
  used <- newdata[intersect(all.vars(terms), names(newdata))]
  complete <- complete_rows(used)
  if (!any(complete)) return(list(complete = complete))
  if (!all(complete)) newdata <- newdata[complete, , drop = FALSE]
  frame <- try_formula(row_frame(terms, newdata, na_action = stats::na.pass),
    "The formulas can't be evaluated on {.arg newdata}.")
  design <- design_from_frame(match_levels(frame, schema), schema, need_response)
  if (need_response) design <- with_units(design, group_of_rows(schema, newdata))
  design$complete <- complete
  design
}

# The response of new rows alone, as numbers; NA where it is missing.
design_response <- function(schema, newdata) {
  if (schema$kind == "matrix") y <- newdata$y
  else {
    data <- if (inherits(newdata, "moe_support")) support_data(newdata, schema) else newdata
    check_columns(list(needs = NULL, response_variables = schema$response_variables), data)
    at <- attr(schema$frame, "response")
    y <- try_formula(eval(attr(schema$frame, "predvars")[[1 + at]], data, environment(schema$frame)),
      "The response can't be evaluated on {.arg newdata}.")
  }
  known <- complete_rows(as.matrix(y))
  given <- if (is.matrix(y)) y[known, , drop = FALSE] else y[known]
  check_finite(stats::setNames(list(given), schema$response))
  out <- rep(NA_real_, NROW(y))
  out[known] <- check_response(given, schema$family, paste0("response `", schema$response, "`"), schema$labels)
  out
}

# The points as a data frame that also holds y under the response's name.
support_data <- function(support, schema) {
  data <- as.data.frame(support$x)
  if (!is.null(support$y)) data[[schema$response]] <- support$y
  data
}
