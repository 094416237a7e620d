# Standard errors of aggregates: from what the sites sent, after their experts were matched to the
# aggregate's.

#' @rdname vcov.moe
#' @export
vcov.moe_aggregate <- function(object, type = NULL, complete = TRUE, cluster = NULL, newdata = NULL, weights = NULL,
                               ...) {
  check_dots(...)
  found <- if (asks_for_clusters(type, cluster, newdata, weights)) {
    clustered_aggregate(object, type, cluster, newdata, weights)$covariance
  } else {
    named_covariance(object, aggregate_covariance(object, type)$covariance)
  }
  known_part(found, complete)
}

asks_for_clusters <- function(type, cluster, newdata, weights) {
  if (!is.null(cluster) || identical(type, "cluster")) return(TRUE)
  if (!is.null(newdata) || !is.null(weights)) {
    input_error("{.arg newdata} and {.arg weights} of an aggregate go with {.arg cluster}: its other covariances come
      from what the sites sent.")
  }
  FALSE
}

# The sum of the sites' information matrices is the bread; scores at the aggregate.
clustered_aggregate <- function(object, type, cluster, newdata, weights) {
  if (!is.null(type)) check_choice(type, "cluster", "type")
  if (is.null(newdata)) {
    input_error("{.arg newdata} is missing: an aggregate keeps no rows.",
      i = "Give the sources of the sites, a named list as for {.fn moe_sites}: the scores are summed there.")
  }
  bread <- aggregate_covariance(object, if (is.null(object$refinement)) "information")$covariance
  cluster_covariance(object, named_covariance(object, bread), cluster, newdata, weights)
}

#' @export
standard_errors.moe_aggregate <- function(object, type = NULL, complete = TRUE, cluster = NULL, newdata = NULL,
                                          weights = NULL, ...) {
  check_dots(...)
  if (asks_for_clusters(type, cluster, newdata, weights)) {
    return(clustered_errors(clustered_aggregate(object, type, cluster, newdata, weights)))
  }
  found <- aggregate_covariance(object, type)
  list(se = sqrt(diag(named_covariance(object, found$covariance))), df = found$df,
    words = found$words)
}

aggregate_covariance <- function(object, type) {
  refined <- !is.null(object$refinement)
  choices <- c("information", "between", if (refined) "observed")
  if (is.null(type)) type <- if (refined) "observed" else default_type(object)
  type <- check_choice(type, choices, "type")
  if (refined) {
    if (type != "observed") {
      input_error("This aggregate was refined: it is no longer the mean of its sites' estimates.",
        i = "Leave out {.arg type}: its standard errors come from the sites' information at the
          refined model.")
    }
    warn_not_converged(object)
    return(list(covariance = information_covariance(object, kept_information(object, FALSE)),
      df = Inf, words = "observed information, summed over the sites"))
  }
  if (type == "between") between_covariance(object) else summed_covariance(object)
}

default_type <- function(object) {
  sent <- vapply(used_models(object), function(m) !is.null(m$information), NA)
  if (all(sent)) "information" else "between"
}

# The sites whose experts can be matched one to one: their names, relabellings (K x M) and weights that
# sum to 1, and a note about the others.
aligned_sites <- function(object) {
  models <- used_models(object)
  order <- object$aggregation$order
  usable <- colSums(is.na(order)) == 0
  if (has_gate_offset(object)) usable <- usable & colSums(order != seq_len(object$K)) == 0
  if (!any(usable)) {
    no_covariance("No site's experts can be matched to those of the aggregate, which has
      {object$K}.", i = "Standard errors need sites with as many experts, in the same order where
      gates have an {.code offset()}.")
  }
  left <- names(models)[!usable]
  lambda <- object$aggregation$lambda[usable]
  list(models = models[usable], order = order[, usable, drop = FALSE],
    lambda = lambda / sum(lambda), note = if (length(left)) {
      paste0(" (without ", length(left), " whose experts can't be matched one to one)")
    })
}

# ---- by the sites' information -------------------------------------------------------------------

summed_covariance <- function(object) {
  used <- aligned_sites(object)
  lacks <- names(used$models)[vapply(used$models, function(m) is.null(m$information), NA)]
  if (length(lacks)) {
    no_covariance("{cli::qty(lacks)}Site{?s} {.val {shown_names(lacks)}} sent no information matrix.",
      i = "Fit with {.code moe_sites(information = TRUE)}, or use {.code type = \"between\"}.")
  }
  method <- object$aggregation$method
  count <- length(used$models)
  if (method == "middle") {
    at <- match(object$aggregation$start, names(used$models))
    words <- paste("information of site", object$aggregation$start, "whose model it is")
    return(list(covariance = information_covariance(object, used$models[[at]]$information), df = Inf,
      words = words))
  }
  covariance <- if (method == "average") averaged_covariance(object, used)
                else pooled_covariance(object, used)
  words <- if (method == "average") "information of %d sites, squared weights%s"
           else "information of %d sites, summed%s"
  list(covariance = covariance, df = Inf,
    words = sprintf(words, count, if (is.null(used$note)) "" else used$note))
}

# Every site's matrix is brought to the first one's standardisation, where columns of large mean cost no
# digits, and relabelled there. What a site does not determine adds nothing.
pooled_covariance <- function(object, used) {
  index <- parameter_index(object)
  reference <- used$models[[1]]$information$scaling
  reference$x$aliased[] <- FALSE
  reference$z$aliased[] <- FALSE
  total <- 0
  at_floor <- rep(FALSE, object$K)
  aliased <- list(x = TRUE, z = TRUE)
  for (m in seq_along(used$models)) {
    information <- used$models[[m]]$information
    fixed <- is_fixed(index, information)
    information$curvature[fixed, ] <- 0
    information$curvature[, fixed] <- 0
    map <- parameter_map(reference, information$scaling, object)
    information$curvature <- t(map) %*% information$curvature %*% map
    aliased$x <- aliased$x & information$scaling$x$aliased
    aliased$z <- aliased$z & information$scaling$z$aliased
    information <- relabel_information(information, used$order[, m], object)
    total <- total + information$curvature
    at_floor <- at_floor | information$at_floor
  }
  lost <- is_lost(index, never_seen(used), at_floor)
  free <- !of_aliased(index, aliased) & !(lost & index$kind != "gate")
  covariance <- invert_information(total[free, free, drop = FALSE])
  map <- parameter_map(reference, user_scaling(reference), object)[, free, drop = FALSE]
  out <- map %*% covariance %*% t(map)
  out[!free | lost, ] <- NA
  out[, !free | lost] <- NA
  out
}

# Experts of the aggregate that are empty at every site.
never_seen <- function(used) {
  empty <- vapply(seq_along(used$models), function(m) {
    used$models[[m]]$information$empty[used$order[, m]]
  }, logical(nrow(used$order)))
  rowSums(matrix(empty, nrow(used$order))) == length(used$models)
}

averaged_covariance <- function(object, used) {
  total <- 0
  unknown <- FALSE
  for (m in seq_along(used$models)) {
    own <- information_covariance(object, used$models[[m]]$information)
    map <- relabel_map(used$order[, m], object)
    gaps <- is.na(diag(own))
    own[is.na(own)] <- 0
    total <- total + used$lambda[m]^2 * map %*% own %*% t(map)
    unknown <- unknown | drop(abs(map) %*% gaps) > 0
  }
  total[unknown, ] <- NA
  total[, unknown] <- NA
  total
}

# ---- by the spread between sites -----------------------------------------------------------------

between_covariance <- function(object) {
  if (object$aggregation$method == "middle") {
    no_covariance("The middle estimator is one site's model: the spread between sites is not its
      variance.", i = "Use {.code type = \"information\"}, with {.code moe_sites(information = TRUE)}.")
  }
  used <- aligned_sites(object)
  count <- length(used$models)
  if (count < 2) {
    no_covariance("One site has no spread between sites.",
      i = "Use {.code type = \"information\"}, with {.code moe_sites(information = TRUE)}.")
  }
  theta <- vapply(seq_len(count), function(m) {
    p <- relabel_parameters(used$models[[m]]$parameters, used$order[, m])
    c(p$beta, p$alpha, if (has_dispersion(object)) log(p$dispersion))
  }, numeric(length(coef(object))))
  theta <- matrix(theta, ncol = count)
  lambda <- used$lambda
  gap <- theta - drop(theta %*% lambda)
  factor <- lambda^2 / (1 - lambda)
  covariance <- gap %*% (factor * t(gap))
  # An estimate that stayed where the site started tells nothing about the spread.
  unknown <- rowSums(vapply(seq_len(count), function(m) kept_at_site(object, used, m),
    logical(nrow(theta)))) > 0
  covariance[unknown, ] <- NA
  covariance[, unknown] <- NA
  df <- between_df(lambda)
  list(covariance = covariance, df = df, words = sprintf("spread between %d sites, t with %s df%s",
    count, format(df, digits = 3), if (is.null(used$note)) "" else used$note))
}

# Satterthwaite's: those of the chi-square with the mean and variance that the estimate has where a
# site's variance goes with 1 / lambda. M - 1 for equal sites.
between_df <- function(lambda) {
  root <- sqrt(lambda^2 / (1 - lambda))
  m <- diag(root^2 / lambda, length(lambda)) - outer(root, root)
  sum(diag(m))^2 / sum(m^2)
}

kept_at_site <- function(object, used, m) {
  record <- used$models[[m]]$record
  order <- used$order[, m]
  index <- parameter_index(object)
  columns <- object$schema[c("expert", "gate")]
  out <- of_aliased(index, list(x = columns$expert$columns %in% record$aliased$expert,
    z = columns$gate$columns %in% record$aliased$gate))
  if (any(record$empty)) out <- out | is_lost(index, record$empty[order], rep(FALSE, object$K))
  out
}
