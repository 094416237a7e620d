# A site's row of the table, and all of them with their models: an object of class moe_sites.

new_sites <- function(results, schema) {
  # Column by column: binding thousands of one-row data frames would take longer than many fits.
  fields <- names(results[[1]]$row)
  columns <- lapply(stats::setNames(fields, fields), function(field) {
    unlist(lapply(results, function(r) r$row[[field]]), use.names = FALSE)
  })
  table <- data.frame(site = names(results), columns, stringsAsFactors = FALSE)
  models <- lapply(results, function(r) r$model)
  models <- lapply(models[!vapply(models, is.null, NA)], function(m) {
    m$schema <- schema
    m
  })
  structure(list(models = models, table = table, schema = schema), class = "moe_sites")
}

site_row <- function(n, status, message = "", seconds = NA_real_) {
  list(n = n, status = status, needs = NA_integer_, loglik = NA_real_, iterations = NA_integer_,
    converged = NA, seconds = seconds, bytes = NA_real_, message = message)
}

# With one value for every column of the table: a row that lacked one would shift the others'.
is_site_row <- function(row) {
  like <- site_row(NA_integer_, "")
  is.list(row) && identical(names(row), names(like)) && all(lengths(row) == 1) &&
    all(vapply(row, is.numeric, NA) == vapply(like, is.numeric, NA))
}

is_site_result <- function(result) {
  is.list(result) && (is.null(result$model) || inherits(result$model, "moe")) && is_site_row(result$row)
}

# Rows of a site that did not tell: known here where its data are.
known_rows <- function(source) {
  if (is.data.frame(source)) return(nrow(source))
  rows <- if (is_source(source)) tryCatch(source_rows(source), error = function(e) NA) else NA
  as.integer(rows)
}
