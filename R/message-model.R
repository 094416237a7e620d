# A model as a tree, and back.

record_counts <- c("em_iterations", "newton_iterations", "halvings", "reseeds", "hessians", "moves")
record_numbers <- c("promise", "passes", "start_rows", "gate_ridge", "expert_ridge", "l1_share", "variance_prior",
  "dispersion_floor", "seconds")
record_fields <- c(record_counts, record_numbers, "objective", "steps", "converged", "stop", "empty",
  "at_floor", "degenerate", "separated", "starts", "aliased", "lambda")

# ---- writing ---------------------------------------------------------------------------------

model_tree <- function(model, site, information = FALSE, state = TRUE) {
  p <- model$parameters
  schema <- model$schema
  check_tree_sizes(list(schema$expert$columns, schema$gate$columns), schema$levels, model$weight)
  fields <- list(schema = message_schema, kind = "model",
    package = as.character(utils::packageVersion("distmoe")), site = site,
    family = model$family$family, K = model$K, n = model$n, weight = model$weight,
    dropped = model$dropped, design = design_tree(model$schema),
    parameters = list(beta = by_column(p$beta), alpha = by_column(p$alpha),
      dispersion = I(unname(p$dispersion))))
  fields["log_lik"] <- list(if (is.finite(model$log_lik)) model$log_lik)
  fields["share"] <- list(if (!is.null(model$share)) I(unname(model$share)))
  fields["record"] <- list(if (length(model$record)) record_tree(model$record))
  fields["information"] <- list(if (information && !is.null(model$information)) {
    information_tree(model$information)
  })
  fields["shared"] <- list(if (length(model$shared)) shared_tree(model$shared))
  fields["rounds"] <- list(if (!is.null(model$rounds)) rounds_tree(model$rounds, state))
  check_tree_texts(fields)
  fields
}

record_tree <- function(record) {
  out <- unclass(record)[intersect(names(record), record_fields)]
  many <- intersect(names(out), c("objective", "steps", "empty", "at_floor", "degenerate"))
  out[many] <- lapply(out[many], I)
  out <- settings_tree(out)
  if (!is.null(out$starts)) out$starts <- lapply(as.list(out$starts), I)
  for (name in c("aliased", "separated")) if (!is.null(out[[name]])) out[[name]] <- lapply(out[[name]], I)
  out
}

information_tree <- function(information) {
  list(rows = information$rows, weight = information$weight, empty = I(information$empty),
    at_floor = I(information$at_floor), scaling = scaling_tree(information$scaling),
    curvature = packed(information$curvature))
}

shared_tree <- function(shared) {
  out <- list()
  x <- shared$x
  if (!is.null(x)) {
    out$x <- list(n = x$n, mean = as_map(as.list(x$mean)),
      covariance = if (length(x$mean)) packed(unname(x$covariance)) else I(numeric()),
      frequencies = as_map(lapply(x$frequencies, as.list)))
  }
  m <- shared$moments
  if (!is.null(m)) {
    upper <- upper.tri(m$factor[, , 1], TRUE)
    if (!length(dim(upper))) upper <- matrix(TRUE)
    out$moments <- list(mass = I(m$mass),
      factor = lapply(seq_along(m$mass), function(k) I(m$factor[, , k][upper])))
  }
  g <- shared$gates
  if (!is.null(g)) {
    out$gates <- list(reference = by_column(g$reference), own = by_column(g$own),
      expected = by_column(g$expected), curvature = packed(g$curvature))
  }
  out
}

# ---- reading ---------------------------------------------------------------------------------

model_fields <- c("schema", "kind", "package", "site", "family", "K", "n", "weight", "dropped", "design",
  "parameters", "log_lik", "share", "record", "information", "shared", "rounds", "checksum")

# A model with its site's name as attribute-free field `site` beside it: list(site, model).
tree_model <- function(x) {
  x <- take_object(x, "", model_fields)
  take_text(x$package, "package", 50L)
  family <- take_text(x$family, "family", among = names(known_families))
  K <- take_count(x$K, "K", 1, 1000)
  schema <- take_design(x$design, "design", family)
  shape <- list(p = length(schema$expert$columns), q = length(schema$gate$columns), K = K,
    parts = count_parts(schema), family = family)
  parameters <- take_parameters(x$parameters, "parameters", shape)
  share <- if (!is.null(x$share)) take_numbers(x$share, "share", K, 0, most = 1 + 1e-6)
  if (!is.null(share) && abs(sum(share) - 1) > 1e-6) bad_field("share", "must sum to 1")
  record <- if (is.null(x$record)) list() else take_record(x$record, "record", shape, schema)
  out <- new_moe(parameters, known_families[[family]]$make(), schema, take_row_count(x$n, "n"),
    take_weight(x$weight, "weight"), take_number(x$log_lik, "log_lik", gaps = TRUE),
    share, record, dropped = take_count(x$dropped, "dropped"))
  if (!is.null(x$information)) {
    out$information <- take_information(x$information, "information", shape)
    check_information(out, "information")
  }
  if (!is.null(x$shared)) out$shared <- take_shared(x$shared, "shared", shape, schema)
  if (!is.null(x$rounds)) out <- with_rounds(out, take_rounds(x$rounds, "rounds", shape))
  list(site = take_site(x$site), model = out)
}

take_record <- function(x, at, shape, schema) {
  x <- take_object(x, at, character(), record_fields)
  lapply(stats::setNames(nm = names(x)), function(name) {
    here <- field_at(at, name)
    v <- x[[name]]
    if (name %in% record_counts) return(take_count(v, here))
    if (name %in% record_numbers) return(take_number(v, here, if (name == "promise") -Inf else 0, gaps = TRUE))
    switch(name,
      lambda = take_lambda(v, here),
      objective = take_numbers(v, here, gaps = TRUE, longest = 1e5), steps = take_texts(v, here, most = 1e5),
      converged = take_flag(v, here), stop = take_text(v, here),
      empty = , at_floor = , degenerate = take_flags(v, here, shape$K),
      separated = take_separated(v, here, shape, schema),
      starts = take_starts(v, here), aliased = take_aliased(v, here, schema))
  })
}

take_starts <- function(x, at) {
  x <- take_object(x, at, c("kind", "objective", "finished"))
  kind <- take_texts(x$kind, field_at(at, "kind"))
  data.frame(kind = kind, objective = take_numbers(x$objective, field_at(at, "objective"), length(kind), gaps = TRUE),
    finished = take_numbers(x$finished, field_at(at, "finished"), length(kind), gaps = TRUE))
}

take_separated <- function(x, at, shape, schema) {
  lapply(take_list(x, at, shape$K), take_texts, at, unique = TRUE, among = schema$expert$columns)
}

take_aliased <- function(x, at, schema) {
  x <- take_object(x, at, c("expert", "gate"))
  lapply(stats::setNames(nm = names(x)), function(part) {
    take_texts(x[[part]], field_at(at, part), unique = TRUE, among = schema[[part]]$columns)
  })
}

take_information <- function(x, at, shape) {
  x <- take_object(x, at, c("rows", "weight", "empty", "at_floor", "scaling", "curvature"))
  list(curvature = take_symmetric(x$curvature, field_at(at, "curvature"), shape_size(shape)),
    scaling = take_scaling(x$scaling, field_at(at, "scaling"), shape),
    empty = take_flags(x$empty, field_at(at, "empty"), shape$K),
    at_floor = take_flags(x$at_floor, field_at(at, "at_floor"), shape$K),
    rows = take_row_count(x$rows, field_at(at, "rows")), weight = take_weight(x$weight, field_at(at, "weight")))
}

take_shared <- function(x, at, shape, schema) {
  x <- take_object(x, at, character(), c("x", "moments", "gates"))
  out <- list()
  if (!is.null(x$x)) out$x <- take_x_summary(x$x, field_at(at, "x"), schema)
  if (!is.null(x$moments)) {
    if (!family_traits(shape)$moments) bad_field(field_at(at, "moments"), "are for Gaussian experts only")
    m <- take_object(x$moments, field_at(at, "moments"), c("mass", "factor"))
    here <- field_at(at, "moments.factor")
    mass <- take_numbers(m$mass, field_at(at, "moments.mass"), shape$K, 0)
    packed <- take_matrix(m$factor, here, shape$p * (shape$p + 1) / 2, shape$K)
    factor <- array(0, c(shape$p, shape$p, shape$K))
    upper <- upper.tri(matrix(0, shape$p, shape$p), TRUE)
    for (k in seq_len(shape$K)) factor[, , k][upper] <- packed[, k]
    out$moments <- list(mass = mass, factor = factor)
  }
  if (!is.null(x$gates)) out$gates <- take_gate_shares(x$gates, field_at(at, "gates"), shape)
  out
}

take_gate_shares <- function(x, at, shape) {
  x <- take_object(x, at, c("reference", "own", "expected", "curvature"))
  in_at <- function(name) field_at(at, name)
  gates <- length(take_list(x$reference, in_at("reference"), most = 1000L))
  curvature <- take_symmetric(x$curvature, in_at("curvature"), shape$q * gates)
  check_semidefinite(curvature, in_at("curvature"))
  list(reference = take_matrix(x$reference, in_at("reference"), shape$q, gates),
    own = take_matrix(x$own, in_at("own"), shape$q, shape$K),
    expected = take_matrix(x$expected, in_at("expected"), shape$q, gates + 1),
    curvature = curvature)
}

take_x_summary <- function(x, at, schema) {
  x <- take_object(x, at, c("n", "mean", "covariance", "frequencies"))
  types <- vapply(schema$variables, function(v) v$type, "")
  mean <- take_map(x$mean, field_at(at, "mean"))
  check_known <- function(names, kinds, at) {
    unknown <- setdiff(names, names(types)[types %in% kinds])
    if (length(unknown)) bad_field(at, "holds \"", shown_text(unknown[1]), "\", which is no such variable")
  }
  check_known(names(mean), "numeric", field_at(at, "mean"))
  mean <- vapply(names(mean), function(v) take_number(mean[[v]], field_at(at, paste0("mean.", shown_text(v)))), 0)
  if (length(mean) > most_columns) bad_field(field_at(at, "mean"), "holds more than ", most_columns, " variables")
  covariance <- take_symmetric(x$covariance, field_at(at, "covariance"), length(mean))
  if (length(mean)) {
    check_semidefinite(covariance, field_at(at, "covariance"))
    # What rows may not hold, no summary of rows can say.
    far <- which(pmax(abs(mean), sqrt(pmax(diag(covariance), 0))) > largest_value)
    if (length(far)) {
      bad_field(at, "says that \"", shown_text(names(mean)[far[1]]), "\" is larger than ", largest_value,
        ", which no data may hold")
    }
    dimnames(covariance) <- list(names(mean), names(mean))
  }
  frequencies <- take_map(x$frequencies, field_at(at, "frequencies"))
  check_known(names(frequencies), c("factor", "logical"), field_at(at, "frequencies"))
  frequencies <- lapply(stats::setNames(nm = names(frequencies)), function(v) {
    here <- field_at(at, paste0("frequencies.", shown_text(v)))
    given <- take_map(frequencies[[v]], here)
    if (!identical(names(given), variable_levels(schema$variables[[v]]))) {
      bad_field(here, "must name the variable's levels")
    }
    p <- take_numbers(unname(given), here, least = 0, most = 1 + 1e-6)
    if (abs(sum(p) - 1) > 1e-6) bad_field(here, "must sum to 1")
    stats::setNames(p, names(given))
  })
  list(n = take_weight(x$n, field_at(at, "n")), mean = if (length(mean)) mean,
    covariance = if (length(mean)) covariance, frequencies = frequencies)
}
