#' The support sample of an aggregation
#'
#' The reduction compares the sites' models at points x. A support sample holds
#' these points: rows that the sites may share, a public sample, or points
#' drawn from what the sites tell of their x. If points carry the site that they came from, a site's model is
#' asked only about its own x (`weights = "site"` in [moe_aggregate()]).
#'
#' @param x A data frame with the variables of the formulas, or a numeric
#'   matrix for models that were fitted to matrices. Or the sites' models
#'   (`moe_sites`, or a named list) fitted with `share = "x"`: points are then
#'   drawn from every site's summary, in proportion to its rows, and carry the
#'   site. Numeric variables are drawn from a normal distribution with the
#'   site's means and covariance, factors and logicals independently with the
#'   site's frequencies.
#' @param site NULL, or the name of the site of every point (one a row; factor,
#'   character or whole numbers), or, quoted, of the column of `x` that holds it.
#' @param y NULL, or the response of every point. A data frame `x` may instead
#'   hold it as a column under its own name.
#' @param n Number of points that are drawn from the sites' summaries.
#' @return A list of class `moe_support` with `x`, `site` (character or NULL)
#'   and `y` (or NULL).
#' @examples
#' sim <- moe_simulate(300, K = 2, d = 2, seed = 1)
#' moe_support(sim$data[1:100, ], site = rep(c("A", "B"), 50))
#' # No row leaves a site: points drawn from means and covariances.
#' sources <- split(sim$data, rep(c("A", "B"), 150))
#' moe_support(moe_sites(y ~ ., sources, K = 2, share = "x"), n = 1000)
#' @export
moe_support <- function(x, site = NULL, y = NULL, n = 20000) {
  if (inherits(x, "moe_support")) return(x)
  if (inherits(x, "moe_sites") || is_model_list(x)) {
    if (!is.null(site) || !is.null(y)) {
      input_error("{.arg site} and {.arg y} go with rows; points drawn from sites' summaries carry their
        site and have no y.")
    }
    drawn <- draw_points(x, n)
    return(moe_support(drawn$x, drawn$site))
  }
  if (is.matrix(x)) x <- check_matrix(x, "x")
  else if (!is.data.frame(x)) {
    input_error("{.arg x} must be a data frame or a numeric matrix, not {.obj_type_friendly {x}}.")
  }
  if (!nrow(x)) input_error("{.arg x} has no row: a support sample needs points.")
  # As in moe_sites(); a single row may have its site's name instead.
  if (is.data.frame(x) && is.character(site) && length(site) == 1 && site %in% names(x)) site <- x[[site]]
  check_length <- function(v, name) {
    if (is.null(v)) return(invisible())
    if (length(v) != nrow(x)) {
      input_error("{.arg {name}} has {length(v)} value{?s}; {.arg x} has {nrow(x)} row{?s}.")
    }
    if (anyNA(v)) input_error("{.arg {name}} holds {sum(is.na(v))} missing value{?s}.")
  }
  check_length(site, "site")
  check_length(y, "y")
  structure(list(x = x, site = if (!is.null(site)) as.character(site), y = y),
    class = "moe_support")
}

is_model_list <- function(x) {
  is.list(x) && !is.data.frame(x) && length(x) && all(vapply(x, inherits, NA, "moe"))
}

#' @export
print.moe_support <- function(x, ...) {
  cat("Support sample: ", format_big(nrow(x$x)), " points, ", ncol(x$x), " columns",
    if (!is.null(x$y)) ", with y", "\n", sep = "")
  if (!is.null(x$site)) {
    count <- table(x$site)
    text <- first_of(paste0(shown_names(names(count)), " (", count, ")"), 8)
    cat(strwrap(paste0(length(count), " sites: ", text), exdent = 2), sep = "\n")
  }
  invisible(x)
}

# The design of the points under a schema, without y. A point with missing values has no place in a mean over
# points, so it is an error and not left out.
support_design <- function(support, schema) {
  design <- fits_models(design_new(schema, support))
  refuse_gaps(!design$complete)
  design
}

# y of the points, as numbers.
support_response <- function(support, schema) {
  y <- fits_models(design_response(schema, support))
  refuse_gaps(is.na(y))
  y
}

fits_models <- function(what) {
  tryCatch(what, moe_input_error = function(e) {
    text <- conditionMessage(e)
    input_error("The {.arg support} sample does not fit the models.", x = "{text}")
  })
}

refuse_gaps <- function(gaps) {
  gaps <- which(gaps)
  if (!length(gaps)) return(invisible())
  input_error("The {.arg support} sample has {length(gaps)} point{?s} with missing values
    (first: row {gaps[1]}).", i = "Leave such points out.")
}

# Shares of trials are left aside.
has_support_y <- function(support, schema) {
  if (has_trials(schema)) return(FALSE)
  if (!is.null(support$y)) return(TRUE)
  schema$kind == "formula" && all(schema$response_variables %in% names(support$x))
}

take_points <- function(support, rows) {
  support$x <- support$x[rows, , drop = FALSE]
  support$site <- support$site[rows]
  support$y <- support$y[rows]
  support
}

# A support sample with the design of its points, made once for all that is asked of them. `rows`: the points of the
# design, those of `sites` where points carry their site. What others hold nobody may ask for.
support_points <- function(support, schema, sites) {
  if (inherits(support, "moe_points")) return(support)
  rows <- seq_len(nrow(support$x))
  if (!is.null(support$site) && any(support$site %in% sites)) rows <- which(support$site %in% sites)
  all <- length(rows) == nrow(support$x)
  structure(c(unclass(support), list(rows = rows, schema = schema,
    design = support_design(if (all) support else take_points(support, rows), schema))),
    class = c("moe_points", class(support)))
}

# The support sample alone.
without_design <- function(points) {
  structure(unclass(points)[c("x", "site", "y")], class = setdiff(class(points), "moe_points"))
}

# The design of some points; `with_y`: and their y.
design_at <- function(points, rows = seq_len(nrow(points$x)), with_y = FALSE) {
  at <- match(rows, points$rows)
  design <- if (anyNA(at)) support_design(take_points(without_design(points), rows), points$schema)
            else if (length(at) == length(points$rows) && !is.unsorted(at)) points$design
            else take_rows(points$design, at)
  if (with_y) design$y <- support_response(take_points(without_design(points), rows), points$schema)
  design
}
