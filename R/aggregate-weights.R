# Which site's model counts how much at which support point.

# A column that sites determine must vary over the support too, or nothing is known of it there.
check_support_columns <- function(scaling, models) {
  for (part in c("expert", "gate")) {
    columns <- models[[1]]$schema[[part]]$columns[scaling[[if (part == "expert") "x" else "z"]]$aliased]
    if (!length(columns)) next
    known <- lapply(models, function(m) setdiff(columns, m$record$aliased[[part]]))
    bad <- unique(unlist(known))
    if (!length(bad)) next
    input_error("The {.arg support} sample does not determine {cli::qty(bad)}column{?s} {.val {bad}}:
      constant there, or following from other columns.",
      i = "Give a support with more, or more varied, points.")
  }
}

# Sites whose data do not determine a coefficient still state one: it is harmless only where they are
# asked about their own x.
note_undetermined <- function(models, weights) {
  lost <- Filter(length, lapply(models, function(m) unique(unlist(m$record$aliased))))
  if (!length(lost) || weights %in% c("site", "density")) return(character())
  text <- paste0(shown_names(names(lost)), " (", vapply(lost, paste, "", collapse = ", "), ")", collapse = "; ")
  note <- paste0("some sites' data do not determine all coefficients, and weights by size use what ",
    "they state all the same: ", text)
  cli::cli_warn(c("{note}.", i = "Use a support whose points carry their site, or a common start."))
  note
}

# What the user asked for (NULL: nothing), or what the evidence allows: list(kind, lambda).
choose_weights <- function(weights, models, support) {
  n <- vapply(models, function(m) m$weight, 0)
  if (is.numeric(weights)) {
    return(list(kind = "given", lambda = given_weights(weights, names(models))))
  }
  with_x <- !vapply(models, function(m) is.null(m$shared$x), NA)
  many <- nrow(support$x) >= min(20000, sum(n))
  kind <- if (!is.null(weights)) check_choice(weights, c("site", "density", "size"), "weights")
          else if (!is.null(support$site) && (many || !all(with_x))) "site"
          else if (all(with_x)) "density"
          else "size"
  if (kind == "site" && is.null(support$site)) {
    input_error("{.code weights = \"site\"} needs a {.arg support} whose points carry their site.",
      i = "Use {.code moe_support(x, site = )}, or {.code weights = \"size\"}.")
  }
  if (kind == "density" && !all(with_x)) {
    lacks <- names(models)[!with_x]
    input_error("{.code weights = \"density\"} needs every site's summary of x; {.val {shown_names(lacks)}}
      share{?s/} none.", i = "Fit the sites with {.code moe_sites(..., share = \"x\")}.")
  }
  list(kind = kind, lambda = n / sum(n))
}

given_weights <- function(weights, sites) {
  if (!setequal(names(weights), sites) || length(weights) != length(sites)) {
    lacks <- setdiff(sites, names(weights))
    extra <- setdiff(names(weights), sites)
    input_error("{.arg weights} must have one number for every site, named by it.",
      x = if (length(lacks)) "Missing: {.val {shown_names(lacks)}}.",
      x = if (length(extra)) "Not a fitted site: {.val {shown_names(extra)}}.")
  }
  if (!all(is.finite(weights)) || any(weights < 0) || sum(weights) == 0) {
    input_error("{.arg weights} must be finite, not negative, and not all 0.")
  }
  weights[sites] / sum(weights)
}

# The sites' moments where they are to be used, else NULL.
shared_moments <- function(models, moments, method, plan, cost) {
  given <- lapply(unname(models), function(m) m$shared$moments)
  lacks <- vapply(given, is.null, NA)
  fits <- method == "reduction" && plan == "component" && cost == "kl"
  use <- fits && !any(lacks)
  if (is.null(moments)) return(if (use) given)
  if (!check_flag(moments, "moments")) return(NULL)
  if (use) return(given)
  if (any(lacks)) {
    lacking <- names(models)[lacks]
    input_error("{.code moments = TRUE} needs every site's moments; {.val {shown_names(lacking)}} share{?s/} none.",
      i = "Fit the sites with {.code moe_sites(..., share = \"moments\")}.")
  }
  input_error("{.code moments = TRUE} goes with {.code method = \"reduction\"},
    {.code plan = \"component\"} and {.code cost = \"kl\"}.")
}

# The sites' sums for gates where they are to be used, all taken at the same start's, and the sum of all rows' weights;
# else NULL.
shared_gates <- function(models, moments, method, plan) {
  given <- lapply(unname(models), function(m) m$shared$gates)
  fits <- method == "reduction" && plan == "component" && !isFALSE(moments)
  if (!fits || any(vapply(given, is.null, NA))) return(NULL)
  same <- vapply(given, function(g) identical(g$reference, given[[1]]$reference), NA)
  if (all(same)) list(sites = given, total = sum(vapply(models, function(m) m$weight, 0)))
}

# The points with their weights: design (sorted by site) and its scaling, site of every point, lambda, and lambda_at,
# the models' weights at the points (the same for all, or S x M).
support_problem <- function(models, points, weights) {
  chosen <- choose_weights(weights, models, points)
  weights <- chosen$kind
  lambda <- chosen$lambda
  notes <- character()
  site <- integer()
  rows <- seq_len(nrow(points$x))
  if (weights == "site") {
    index <- match(points$site, names(models))
    without <- setdiff(names(models), points$site)
    if (length(without)) {
      input_error("The {.arg support} sample has no point of site{?s} {.val {shown_names(without)}}.",
        i = "Add points of every fitted site, or use {.code weights = \"size\"}.")
    }
    strange <- unique(points$site[is.na(index)])
    if (length(strange)) {
      notes <- paste0(sum(is.na(index)), " support points of sites without a model were not used (",
        paste(shown_names(utils::head(strange, 5)), collapse = ", "), if (length(strange) > 5) ", ...", ")")
    }
    rows <- order(index, na.last = NA)
    site <- index[rows]
  }
  design <- design_at(points, rows)
  if (weights == "site") {
    count <- tabulate(site, length(models))
    design$weight <- (lambda / count)[site] * length(site)
  }
  scaling <- cpp_scaling(design, models[[1]]$family$family, moe_threads())
  check_support_columns(scaling, models)
  notes <- c(notes, note_undetermined(models, weights))
  lambda_at <- if (weights == "density") density_weights(models, points$x) else unname(lambda)
  list(design = design, scaling = scaling, lambda = unname(lambda), lambda_at = lambda_at, site = site,
    weights = weights, notes = notes)
}
