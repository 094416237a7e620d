# A hierarchy when a site joins or leaves, and what single sites do to it.

#' A site joins a hierarchy, or leaves it
#'
#' Population, spread and all sites' models are found anew from what the hierarchy holds, with a new site's message or
#' without a site's. No site is asked again.
#'
#' Before rounds the result is that of [moe_hierarchy()] on the changed set of sites. After rounds ([moe_refine()]) the
#' sites that stay keep their last answers, and a new one counts by its own model until the next round; that of a
#' hierarchy of an aggregate keeps the aggregate's labels. The aggregate itself, and what a new site got by it, is gone:
#' it was made of other sites.
#'
#' @param object A model made by [moe_hierarchy()].
#' @param add NULL, or the new sites' models with information: a `moe_sites` object, a named list, or a folder or file
#'   of messages that [read_moe()] reads.
#' @param drop NULL, or names of sites to be left out. To replace a site's model name it here and add the new one.
#' @param ... Not used.
#' @return A hierarchy with the settings of `object`, see [moe_hierarchy()].
#' @examples
#' sim <- moe_simulate(1600, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C", "D"), each = 400))
#' sites <- moe_sites(y ~ ., sources, start = sim$model, information = TRUE)
#' h <- moe_hierarchy(sites$models[1:3])
#' update(h, add = sites$models["D"])
#' update(h, add = sites$models["D"], drop = "A")
#' @export
update.moe_hierarchy <- function(object, add = NULL, drop = NULL, ...) {
  check_dots(..., hint = "To change its settings call {.fn moe_hierarchy} with the sites, {.code h$sites}.")
  h <- object$hierarchy
  drop <- dropped_sites(drop, h$table$site)
  new <- added_models(add, setdiff(h$table$site, drop), object)
  if (!length(drop) && !length(new)) {
    input_error("Neither {.arg add} nor {.arg drop} names a site: nothing is to be changed.")
  }
  sites <- changed_sites(object$sites, new, drop)
  if (is.null(object$refinement) && is.null(object$aggregate)) {
    out <- moe_hierarchy(sites, h$effects, h$covariance, h$method, h$new_site, h$control)
    out$call <- object$call
    return(out)
  }
  changed_hierarchy(object, sites, new, drop)
}

dropped_sites <- function(drop, known) {
  if (is.null(drop)) return(character())
  if (!is.character(drop) || anyNA(drop)) input_error("{.arg drop} must hold names of sites, not {show_value(drop)}.")
  unknown <- setdiff(drop, known)
  if (length(unknown)) {
    near <- nearest_names(unknown[1], known)
    input_error("{.arg drop} names {.val {shown_names(unknown)}}, which {cli::qty(unknown)}{?is/are} no site{?s} of the
      hierarchy.", i = "Do you mean {.or {.val {shown_names(near)}}}?")
  }
  unique(drop)
}

added_models <- function(add, kept, object) {
  if (is.null(add)) return(list())
  if (is.character(add)) add <- read_moe(add)
  if (inherits(add, "moe")) input_error("{.arg add} must name its sites: {.code add = list(A = model)}.")
  found <- as_sites(add)
  warn_refused(found$table)
  twice <- intersect(names(found$models), kept)
  if (length(twice)) {
    input_error("{cli::qty(twice)}Site{?s} {.val {shown_names(twice)}} {?is/are} in the hierarchy already.",
      i = "{.arg drop} {cli::qty(twice)}{?it/them} too, to replace {?it/them}.")
  }
  for (name in names(found$models)) {
    check_same_model(found$models[[name]], paste("site", name), object$schema, object$family)
  }
  found$models
}

changed_sites <- function(sites, new, drop) {
  models <- c(sites$models[setdiff(names(sites$models), drop)], new)
  out <- as_sites(models)
  out$schema <- sites$schema
  out
}

# From quadratics and labels as they are.
changed_hierarchy <- function(object, sites, new, drop) {
  h <- object$hierarchy
  setting <- hierarchy_setting(object)
  kept <- setdiff(h$table$site, drop)
  check_hierarchy_models(c(list(object), new))
  order <- vapply(new, function(m) {
    if (m$K == 1) 1L else cpp_assign(match_costs(site_quadratic(m, h$scaling, seq_len(m$K)), h$mean, m))
  }, integer(object$K))
  order <- matrix(order, object$K, dimnames = list(NULL, names(new)))
  check_order(order, object)
  come <- Map(function(m, k) site_quadratic(m, h$scaling, order[, k]), new, names(new))
  take <- function(list) {
    out <- c(list[intersect(kept, names(list))], come)
    out[order(names(out))]
  }
  quadratics <- take(h$quadratics)
  table <- rbind(h$table[h$table$site %in% kept, ], data.frame(site = names(new), n = vapply(new, function(m) m$n, 0),
    weight = vapply(new, function(m) m$weight, 0), own = rep(TRUE, length(new))))
  table <- table[order(table$site), ]
  row.names(table) <- NULL
  if (nrow(table) < 2) input_error("A hierarchy needs two sites or more; {nrow(table)} would be left.")
  solved <- solve_population(quadratics, setting, if (h$covariance == "diagonal") h$spread)
  out <- new_hierarchy(solved, quadratics, setting, table, sites, object$call)
  out$hierarchy$own <- take(h$own)
  out$hierarchy$order <- cbind(h$order[, intersect(kept, colnames(h$order)), drop = FALSE], order)
  out$hierarchy$new_site <- if (h$new_site == "aggregate") "average" else h$new_site
  out$hierarchy$exchanges <- h$exchanges
  if (h$new_site == "aggregate") {
    cli::cli_inform(c(i = "A new site now gets the average of all sites' models: the aggregate was made of other
      sites."))
  }
  out
}

# ---- influence -------------------------------------------------------------------------------------

#' @rdname moe_influence
#' @export
moe_influence.moe_hierarchy <- function(object, ...) {
  check_dots(...)
  h <- object$hierarchy
  if (nrow(h$table) < 3) {
    input_error("Leaving sites out needs three or more; the hierarchy has {nrow(h$table)}.")
  }
  setting <- hierarchy_setting(object)
  precision <- pseudo_inverse(h$mean_covariance)
  parameters <- sum(diag(h$mean_covariance) > 0)
  rows <- lapply(h$table$site, function(site) {
    without <- h$quadratics[h$table$site != site]
    solved <- solve_population(without, setting, if (h$covariance == "diagonal") h$spread)
    gap <- solved$mean - h$mean
    seen <- seen_from_others(h$quadratics[[site]], solved, setting)
    data.frame(site = site, n = h$table$n[h$table$site == site],
      change = sum(gap * (precision %*% gap)) / parameters, loglik = seen$log_lik, distance = seen$distance,
      df = seen$df, p = stats::pchisq(seen$distance, seen$df, lower.tail = FALSE), stringsAsFactors = FALSE)
  })
  out <- do.call(rbind, rows)
  structure(out[order(-out$change), ], class = c("moe_influence", "data.frame"), row.names = seq_len(nrow(out)))
}

# What the other sites' population says of a site's quadratic: its marginal log-likelihood, and how far its estimate is
# from the population in units of what is expected, spread between sites and errors of both.
seen_from_others <- function(quadratic, solved, setting) {
  lift <- setting$index$lift
  gap <- quadratic$at - solved$mean
  slope <- quadratic$slope + drop(quadratic$curvature %*% gap)
  root <- lift %*% cpp_covariance_root(solved$spread)
  pulled <- explained_by(quadratic$curvature, slope, root)
  there <- quadratic$value - sum(gap * quadratic$slope) - sum(gap * (quadratic$curvature %*% gap)) / 2
  wide <- lift %*% cpp_covariance_root(solved$spread + solved$effect_mean_covariance)
  own <- own_estimate(list(at = solved$mean, slope = slope, curvature = quadratic$curvature))
  list(log_lik = there + pulled$square / 2 - pulled$size / 2,
    distance = sum(slope * (own$covariance %*% slope)) - explained_by(quadratic$curvature, slope, wide)$square,
    df = own$rank)
}

# (R's)' (I + R'LR)^-1 (R's) and log |I + R'LR|.
explained_by <- function(curvature, slope, root) {
  if (!ncol(root)) return(list(square = 0, size = 0))
  factor <- chol(diag(ncol(root)) + crossprod(root, curvature %*% root))
  pulled <- backsolve(factor, crossprod(root, slope), transpose = TRUE)
  list(square = sum(pulled^2), size = 2 * sum(log(diag(factor))))
}
