# Residuals of rows by the sites' models, and rows with what the sites' models say of them.

#' @rdname fitted.moe
#' @param site,allow_new_sites Of a hierarchy, which needs `newdata`: whose rows they are, as for
#'   [predict.moe_hierarchy()]. Rows of new sites have residuals of type `"response"`; other types take the
#'   population's model.
#' @export
residuals.moe_hierarchy <- function(object, type = c("response", "pearson", "deviance", "quantile"), newdata = NULL,
                                    site = NULL, allow_new_sites = FALSE, ...) {
  check_dots(...)
  type <- check_choice(type, c("response", "pearson", "deviance", "quantile"), "type")
  if (is.null(newdata)) input_error("{.arg newdata} is needed: a hierarchy holds no rows.")
  check_newdata(object, newdata)
  groups <- site_groups(object, newdata, site, allow_new_sites)
  parts <- Map(function(name, rows) {
    part <- if (length(groups) > 1) some_rows_of(object, newdata, rows) else newdata
    if (!is.na(name)) return(residuals.moe(bare_site_model(object, name), type, part))
    if (type != "response") return(residuals.moe(population(object), type, part))
    check_has_response(object, part, TRUE, type)
    y <- design_response(object$schema, part)
    response_indicators(ifelse(is.na(y), 0, y), object$schema) + ifelse(is.na(y), NA, 0) - predict(object, part)
  }, names_or_na(groups), groups)
  if (length(parts) == 1) parts[[1]] else together(parts, groups, count_rows(newdata))
}

#' @rdname fitted.moe
#' @export
fitted.moe_hierarchy <- function(object, ...) {
  input_error("A hierarchy holds no rows, and so no fitted values.", i = "{.code predict(h, newdata, site = )}")
}

#' @export
drop1.moe_hierarchy <- function(object, ...) {
  input_error("{.fn drop1} fits again without each term, and a hierarchy holds no rows.",
    i = "{.code summary(h)} has tests of single coefficients.")
}

#' @rdname augment.moe
#' @param site,allow_new_sites Of a hierarchy: whose rows they are, as for [predict.moe_hierarchy()].
#' @export
augment.moe_hierarchy <- function(x, data = NULL, newdata = NULL, se_fit = FALSE,
                                  interval = c("none", "confidence", "prediction"), conf.level = 0.95, site = NULL,
                                  allow_new_sites = FALSE, ...) {
  check_dots(..., known = tidier_arguments)
  se_fit <- check_flag(se_fit, "se_fit")
  interval <- check_choice(interval, c("none", "confidence", "prediction"), "interval")
  if (is.null(data) == is.null(newdata)) {
    input_error("{.fn augment} of a hierarchy, which holds no rows, takes one of {.arg data} and {.arg newdata}.")
  }
  if (is.null(data)) data <- newdata
  check_newdata(x, data)
  by <- function(...) predict(x, data, site = site, allow_new_sites = allow_new_sites, ...)
  augmented(x, data, by, se_fit, interval, conf.level)
}
