# Bounded influence: what a site may do to an aggregate, whatever it claims. Who counts is said by the centre's own list
# of sites, how much by their registered rows, and how far by the usual distance between sites.

bound_settings <- list(
  least_sites = 3,  # of fewer no usual distance is known
  reach = 2,        # of these distances that a site's parameter may be away from the middle one
  typical = 1.5,    # root mean square of its distances beyond which a site counts less
  largest = 10,     # distances beyond count as this in it: with few sites some usual distance is small by chance
  named = 0.2       # a site that counts less than this is named
)

# Of messages that were read with a registry the centre knows.
centre_knows <- function(registered, sites) {
  if (is.null(registered) && inherits(sites, "moe_sites")) sites$registered else registered
}

# What the centre knows of the sites: list(names, rows), or NULL where it said nothing. `registered`: rows by name;
# `expected_sites`: names.
known_sites <- function(registered, expected_sites) {
  if (is.null(registered) && is.null(expected_sites)) return(NULL)
  if (!is.null(registered)) {
    ok <- is.numeric(registered) && length(registered) && !is.null(names(registered)) && all(names(registered) != "") &&
      !anyDuplicated(names(registered)) && all(is.finite(registered)) && all(registered > 0)
    if (!ok) input_error("{.arg registered} must be numbers of rows above 0, named by site, each once.")
  }
  if (!is.null(expected_sites)) {
    ok <- is.character(expected_sites) && length(expected_sites) && !anyNA(expected_sites) &&
      !anyDuplicated(expected_sites)
    if (!ok) input_error("{.arg expected_sites} must be the names of sites, each once.")
  }
  names <- if (is.null(expected_sites)) names(registered)
           else if (is.null(registered)) expected_sites
           else intersect(expected_sites, names(registered))
  if (!length(names)) input_error("No site is both in {.arg registered} and {.arg expected_sites}.")
  list(names = names, rows = registered[names])
}

# The sites that the centre knows, their rows and weights brought down to what it knows: list(sites, known, claims).
# `claims`: data frame with site, claimed and counted weight of those that were, and status.
bound_claims <- function(sites, registered, expected_sites, max_share) {
  known <- known_sites(registered, expected_sites)
  if (!is.null(max_share)) max_share <- check_number(max_share, "max_weight_share", strict = TRUE, most = 1)
  claimed <- vapply(sites$models, function(m) m$weight, 0)
  counted <- claimed
  if (!is.null(known)) {
    strange <- setdiff(names(sites$models), known$names)
    lacks <- setdiff(known$names, names(sites$models))
    sites$models <- sites$models[!names(sites$models) %in% strange]
    sites$table$status[sites$table$site %in% strange] <- "unknown"
    sites$table$n[sites$table$site %in% strange] <- NA
    sites$schema <- if (length(sites$models)) sites$models[[1]]$schema
    if (!length(sites$models)) {
      input_error("None of the sites is known to the centre: {.val {shown_names(strange)}} {?is/are} not among
        {.val {shown_names(known$names)}}.")
    }
    warn_strangers(strange, lacks)
    counted <- known_weights(sites$models, known$rows)
  }
  # Who is known by name alone may claim any size.
  if (is.null(max_share) && !is.null(known) && is.null(known$rows)) max_share <- 0.5
  counted <- capped_weights(counted, max_share)
  sites$models <- Map(scale_claim, sites$models, counted / claimed[names(counted)])
  less <- counted < claimed[names(counted)] * (1 - 1e-9)
  claims <- data.frame(site = names(claimed), claimed = unname(claimed), counted = unname(counted[names(claimed)]),
    stringsAsFactors = FALSE)
  claims$counted[is.na(claims$counted)] <- 0
  sites$table$n[match(names(counted)[less], sites$table$site)] <- vapply(sites$models[less], function(m) m$n, 0)
  list(sites = sites, known = !is.null(known), claims = claims[!claims$site %in% names(counted)[!less], ])
}

warn_strangers <- function(strange, lacks) {
  if (length(strange)) {
    cli::cli_warn(c("{length(strange)} site{?s} {?is/are} not among those that the centre knows, and left out:
      {.val {shown_names(utils::head(strange, 5))}}."), class = "moe_stranger_warning")
  }
  if (length(lacks)) cli::cli_warn("Site{?s} that {?is/are} expected sent no model: {.val {shown_names(lacks)}}.")
}

# Rows are at most those registered; weights a row at most the usual ones.
known_weights <- function(models, rows) {
  weight <- vapply(models, function(m) m$weight, 0)
  if (is.null(rows)) return(weight)
  n <- vapply(models, function(m) m$n, 0)
  usual <- lower_median(weight / n)
  pmin(weight * pmin(1, rows[names(models)] / n), rows[names(models)] * usual)
}

# Of two the smaller, which one site alone can't raise.
lower_median <- function(x) sort(x)[(length(x) + 1) %/% 2]

# Shares of at most `most` (NULL: any), those that are more brought down together. Fewer sites than 1 / most: all alike.
capped_weights <- function(weight, most) {
  if (is.null(most)) return(weight)
  if (most * length(weight) <= 1) return(pmin(weight, min(weight)))
  out <- weight
  for (round in seq_along(weight)) {
    over <- out > most * sum(out) * (1 + 1e-12)
    if (!any(over)) break
    capped <- over | out < weight
    out[capped] <- most * sum(out[!capped]) / (1 - most * sum(capped))
    out <- pmin(out, weight)
  }
  out
}

# A model as if it were of fewer rows: all that are sums over them count less.
scale_claim <- function(model, by) {
  if (by >= 1) return(model)
  model$n <- max(1, floor(model$n * by))
  model$weight <- model$weight * by
  if (!is.null(model$information)) {
    model$information$curvature <- model$information$curvature * by
    model$information$rows <- max(1, floor(model$information$rows * by))
    model$information$weight <- model$information$weight * by
  }
  s <- model$shared
  if (!is.null(s$x)) s$x$n <- s$x$n * by
  if (!is.null(s$moments)) {
    s$moments$mass <- s$moments$mass * by
    s$moments$factor <- s$moments$factor * sqrt(by)
  }
  for (name in intersect(c("own", "expected", "curvature"), names(s$gates))) s$gates[[name]] <- s$gates[[name]] * by
  model$shared <- s
  model
}

# ---- parameters ---------------------------------------------------------------------------------

# Every model's parameters within reach of the middle ones, on columns standardised at the support: list(models, table,
# notes). `table`: data frame with site, `away` (root mean square of its distances in usual ones) and `counts`, by how
# much its weight was multiplied: Hampel's idea, that what is far away has no say at all.
bound_parameters <- function(models, points) {
  settings <- bound_settings
  all <- models
  models <- of_usual_size(models)
  left <- bounds_table(setdiff(names(all), names(models)), NA_real_, 0)
  if (length(models) < settings$least_sites) {
    return(list(models = models, table = left, notes = "parameters are not bounded with fewer than three sites"))
  }
  design <- take_evenly(design_at(points), 500)
  scaling <- cpp_scaling(design, models[[1]]$family$family, moe_threads())
  order <- middle_order(models, design)
  internal <- lapply(seq_along(models), function(m) {
    relabel_parameters(cpp_to_internal(core_model(models[[m]]), scaling), order[, m])
  })
  theta <- vapply(internal, as_coordinates, as_coordinates(internal[[1]]))
  theta <- matrix(theta, ncol = length(models))
  theta[!known_coordinates(models, order, internal[[1]])] <- NA
  centre <- apply(theta, 1, stats::median, na.rm = TRUE)
  # Two thirds of normal distances are smaller than 0.967 standard deviations.
  usual <- apply(abs(theta - centre), 1, stats::quantile, 2 / 3, na.rm = TRUE, names = FALSE) / 0.967
  enough <- rowSums(!is.na(theta)) >= settings$least_sites & is.finite(usual)
  away <- abs(theta - centre) / pmax(usual, 1e-12)
  away[!enough, ] <- NA
  reach <- ifelse(enough, settings$reach * usual, Inf)
  size <- sqrt(colMeans(pmin(away, settings$largest)^2, na.rm = TRUE))
  counts <- pmin(1, settings$typical / pmax(size, 1e-12))^2
  counts[is.na(counts)] <- 1
  bounded <- lapply(seq_along(models), function(m) {
    far <- which(away[, m] > settings$reach)
    models[[m]] <- replace(scale_claim(models[[m]], counts[m]), "n", models[[m]]$n)
    if (!length(far)) return(models[[m]])
    value <- as_coordinates(internal[[m]])
    value[far] <- centre[far] + sign(value[far] - centre[far]) * reach[far]
    with_coordinates(models[[m]], value, internal[[m]], order[, m], scaling)
  })
  list(models = stats::setNames(bounded, names(models)), table = rbind(left, bounds_table(names(models), size, counts)))
}

# After the screening, which left in `kept`: the bounded ones in their place.
bound_kept <- function(bound, kept, points) {
  bound$kept <- kept
  if (!bound$known) return(bound)
  bound$away <- bound_parameters(kept, points)
  bound$kept <- bound_information(bound$away$models)
  bound$sites$models[names(kept)] <- bound$kept[names(kept)]  # NULL: of another number of experts
  bound$sites$models <- Filter(Negate(is.null), bound$sites$models)
  bound
}

# Information a row is at most 4 times the usual one, parameter by parameter: more would be a few sites' standard errors
# for all.
bound_information <- function(models) {
  if (any(vapply(models, function(m) is.null(m$information), NA))) return(models)
  each <- vapply(models, function(m) diag(m$information$curvature) / m$information$weight,
    diag(models[[1]]$information$curvature))
  each <- matrix(each, ncol = length(models))
  each[each <= 0] <- NA
  usual <- apply(each, 1, stats::median, na.rm = TRUE)
  Map(function(m, over) {
    if (over > 1) m$information$curvature <- m$information$curvature / over
    m
  }, models, apply(each / (4 * usual), 2, function(v) max(1, v, na.rm = TRUE)))
}

bounds_table <- function(site, away, counts) {
  data.frame(site = site, away = rep_len(away, length(site)), counts = rep_len(counts, length(site)),
    stringsAsFactors = FALSE)
}

# Models of another number of experts than most have can't be compared parameter by parameter.
of_usual_size <- function(models) {
  counts <- vapply(models, function(m) m$K, 0L)
  K <- as.integer(names(which.max(table(counts))))
  other <- names(models)[counts != K]
  if (length(other)) {
    cli::cli_warn(c("Site{?s} {.val {shown_names(other)}} {?is/are} left out: {?its model has/their models have} another
      number of experts than most, and can't be bounded."))
  }
  models[counts == K]
}

# Experts in the order of those of the middle model: the one whose median divergence from the others is least, which a
# minority can't decide.
middle_order <- function(models, design) {
  pairs <- cpp_pairwise_divergence(lapply(unname(models), core_model), take_evenly(design, 200), "kl")
  pairs[!is.finite(pairs)] <- Inf
  diag(pairs) <- NA
  match_all(models[[which.min(apply(pairs, 2, stats::median, na.rm = TRUE))]], models, design)
}

as_coordinates <- function(p) c(p$beta, p$alpha, log(p$dispersion))

# Back to a model on the user's scale with its own labels.
with_coordinates <- function(model, value, like, order, scaling) {
  take <- function(part, from) {
    like[[part]][] <- value[from + seq_along(like[[part]])]
    like[[part]]
  }
  p <- list(beta = take("beta", 0), alpha = take("alpha", length(like$beta)),
    dispersion = exp(take("dispersion", length(like$beta) + length(like$alpha))))
  own <- relabel_parameters(p, order(order))
  user <- cpp_to_user(c(list(family = model$family$family), own), scaling, core_model(model))
  for (part in names(p)) model$parameters[[part]][] <- user[[part]]
  model
}

# Which coordinates each site's own rows determine, coordinates x sites.
known_coordinates <- function(models, order, like) {
  schema <- models[[1]]$schema
  out <- vapply(models, function(m) {
    beta <- rep(!schema$expert$columns %in% m$record$aliased$expert, ncol(like$beta))
    alpha <- rep(!schema$gate$columns %in% m$record$aliased$gate, ncol(like$alpha))
    c(beta, alpha, rep(has_dispersion(m), length(like$dispersion)))
  }, logical(length(as_coordinates(like))))
  matrix(out, ncol = length(models))
}

# What an aggregate keeps of it: a row a site that claimed too much, or counts less.
bounds_record <- function(bound) {
  if (!bound$known && !nrow(bound$claims)) return(NULL)
  table <- bound$away$table
  less <- table[table$counts < bound_settings$named, ]
  sites <- union(bound$claims$site, less$site)
  claim <- match(sites, bound$claims$site)
  at <- match(sites, table$site)
  value <- function(v) if (is.null(v)) rep(NA_real_, length(sites)) else v
  data.frame(site = sites, claimed = bound$claims$claimed[claim], counted = bound$claims$counted[claim],
    away = value(table$away[at]), counts = value(table$counts[at]), stringsAsFactors = FALSE)
}

# For prints: "North counts 0.06 (its parameters are 6.1 usual distances away)".
print_bounds <- function(bounds) {
  if (!NROW(bounds)) return(invisible())
  claim <- ifelse(is.na(bounds$claimed), "", paste0("claims ", shown_claim(bounds$claimed), ", counts as ",
    shown_claim(bounds$counted)))
  far <- ifelse(is.na(bounds$counts) | bounds$counts >= bound_settings$named, "",
    paste0("counts by ", shown_claim(signif(bounds$counts, 2)), ", ", shown_claim(signif(bounds$away, 2)),
      " usual distances away"))
  words <- paste0(shown_names(bounds$site), " (", claim, ifelse(claim != "" & far != "", "; ", ""), far, ")")
  cat(strwrap(paste0("Bounded: ", paste(words, collapse = ", ")), 100, exdent = 2), sep = "\n")
}

shown_claim <- function(x) vapply(x, function(v) format(signif(v, 4), big.mark = ","), "")
