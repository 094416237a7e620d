# What the models of sites say side by side.

#' The models of several sites side by side
#'
#' Experts are numbered as every site has them: the same number is the same expert where sites had a common
#' start ([moe_sites()]), else [moe_aggregate()] finds which is which (`aggregation$order`).
#'
#' @param object,x A `moe_sites` object with a model at some site.
#' @param which,... `coef()`: see [coef.moe()]. `predict()`: further arguments of [predict.moe()]. Else not used.
#' @param newdata,type See [predict.moe()]: the same rows for all sites' models.
#' @param digits Significant digits.
#' @return `coef()`: for `"all"` a matrix with a row a coefficient and a column a site (NA where a site has
#'   fewer experts), else a list of matrices, named by site. `predict()`: a matrix with a column a site, where a
#'   model's prediction is a vector; else a list of these, named by site. `nobs()`: rows in all (the sum of
#'   their weights). `summary()`: a list of class `summary.moe_sites` with `table` (of the object),
#'   `coefficients` (as of `coef()`), `spread` (matrix: least, median and largest of each coefficient
#'   over the sites), `family`, `K` and `n`. `plot()`
#'   draws the experts' coefficients at the sites, with 95 % intervals where sites sent their information.
#' @examples
#' sim <- moe_simulate(900, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 300))
#' sites <- moe_sites(y ~ ., sources, start = sim$model)
#' coef(sites)
#' summary(sites)
#' predict(sites, head(sim$data, 3))
#' @name moe_sites-methods
NULL

site_models <- function(object) {
  if (length(object$models)) return(object$models)
  input_error("No site has a model.", i = "{.code $table} tells why.")
}

#' @rdname moe_sites-methods
#' @export
coef.moe_sites <- function(object, which = c("all", "expert", "gate"), ...) {
  which <- check_choice(which, c("all", "expert", "gate"), "which")
  found <- lapply(site_models(object), coef, which = which)
  if (which != "all") return(found)
  widest <- found[[which.max(lengths(found))]]
  names <- unique(c(names(widest), unlist(lapply(found, names))))
  vapply(found, function(v) stats::setNames(v[names], names), stats::setNames(numeric(length(names)), names))
}

#' @rdname moe_sites-methods
#' @export
predict.moe_sites <- function(object, newdata, type = "response", ...) {
  if (missing(newdata) || is.null(newdata)) {
    input_error("{.arg newdata} is needed: sites' models hold no rows.")
  }
  found <- lapply(site_models(object), predict, newdata = newdata, type = type, ...)
  if (!all(vapply(found, function(v) is.null(dim(v)) && !is.list(v), NA))) return(found)
  if (any(vapply(found, is.factor, NA))) found <- lapply(found, as.character)
  matrix(unlist(found, use.names = FALSE), ncol = length(found), dimnames = list(NULL, names(found)))
}

#' @rdname moe_sites-methods
#' @export
nobs.moe_sites <- function(object, ...) sum(vapply(site_models(object), function(m) m$weight, 0))

#' @rdname moe_sites-methods
#' @export
family.moe_sites <- function(object, ...) site_models(object)[[1]]$family

#' @rdname moe_sites-methods
#' @export
formula.moe_sites <- function(x, ...) stats::formula(site_models(x)[[1]])

#' @rdname moe_sites-methods
#' @export
summary.moe_sites <- function(object, ...) {
  check_dots(...)
  models <- site_models(object)
  values <- coef(object)
  ends <- function(v) stats::quantile(v, c(0, 0.5, 1), na.rm = TRUE, names = FALSE)
  spread <- matrix(apply(values, 1, ends), ncol = 3, byrow = TRUE,
    dimnames = list(rownames(values), c("least", "median", "largest")))
  structure(list(table = object$table, coefficients = values, spread = spread, family = models[[1]]$family$family,
    K = sort(unique(vapply(models, function(m) m$K, 0L))), n = sum(vapply(models, function(m) m$n, 0))),
    class = "summary.moe_sites")
}

#' @rdname moe_sites-methods
#' @export
print.summary.moe_sites <- function(x, digits = 4, ...) {
  t <- x$table
  count <- table(factor(t$status, unique(c("fitted", t$status))))
  cat("Models of sites: ", paste(count, names(count), collapse = ", "), "\n", sep = "")
  cat(format_big(x$n), " rows, ", paste(x$K, collapse = " or "), " ", family_traits(x)$words,
    if (identical(x$K, 1L)) " expert" else " experts", " a site\n", sep = "")
  if (!all(is.na(t$loglik))) {
    cat("Mean log-likelihood of a row: ", paste(format(range(t$loglik, na.rm = TRUE), digits = digits),
      collapse = " to "), "\n", sep = "")
  }
  odd <- t$site[t$converged %in% FALSE]
  if (length(odd)) cat("NOT CONVERGED:", first_of(odd, 8), "\n")
  cat("\nCoefficients over the sites (experts as every site numbers them):\n")
  print(format(x$spread, digits = digits), quote = FALSE, right = TRUE)
  invisible(x)
}
