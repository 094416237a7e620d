# A model as a tree, and back.

# ---- writing ---------------------------------------------------------------------------------

# `unit`: numbers of rows are rounded to multiples of it.
model_tree <- function(model, site, information = FALSE, state = TRUE, unit = 1) {
  if (unit > 1) model <- rounded_rows(model, unit)
  if (information && inherits(model, "moe_of_site")) {
    input_error("The standard errors of a site's model out of a hierarchy rest on all sites' rows, and a message holds
      those of its own rows alone.", i = "Write it with {.code information = FALSE}.")
  }
  p <- model$parameters
  schema <- model$schema
  check_tree_sizes(list(schema$expert$columns, schema$gate$columns), schema$levels, model$weight)
  fields <- fields_tree(list(schema = message_schema, kind = "model",
    package = as.character(utils::packageVersion("distmoe")), site = site,
    family = model$family$family, K = model$K, n = model$n, weight = model$weight,
    dropped = model$dropped, design = design_tree(model$schema), parameters = by_parameters(model$parameters),
    log_lik = if (is.finite(model$log_lik)) model$log_lik, share = model$share,
    record = if (length(model$record)) record_tree(model$record),
    information = if (information && !is.null(model$information)) information_tree(model$information),
    shared = if (length(model$shared)) shared_tree(model$shared),
    rounds = if (!is.null(model$rounds)) rounds_tree(model$rounds, state)), "model")
  if (!is.null(model$prior)) fields$prior <- prior_tree(model$prior)
  check_tree_texts(fields)
  fields
}

# Upwards, so that no sum says more than these rows can. Sums of weights are numbers of rows where there are no weights.
rounded_rows <- function(model, unit) {
  up <- function(x) unit * ceiling(x / unit)
  plain <- isTRUE(model$weight == model$n)
  model$n <- up(model$n)
  model$dropped <- as.integer(up(model$dropped))
  if (plain) model$weight <- model$n
  if (!is.null(model$information)) {
    model$information$rows <- up(model$information$rows)
    if (plain) model$information$weight <- model$information$rows
  }
  if (plain && !is.null(model$shared$x)) model$shared$x$n <- model$n
  model
}

# Without what stays at home.
record_tree <- function(record) {
  out <- unclass(record)[intersect(names(record), names(message_objects$record))]
  if (!is.null(out$starts)) out$starts <- fields_tree(as.list(out$starts), "starts")
  for (name in c("aliased", "separated", "separated_gates")) {
    if (!is.null(out[[name]])) out[[name]] <- lapply(out[[name]], I)
  }
  fields_tree(out, "record")
}

information_tree <- function(information) {
  information$scaling <- scaling_tree(information$scaling)
  fields_tree(information[intersect(names(message_objects$information), names(information))], "information")
}

shared_tree <- function(shared) {
  out <- list()
  x <- shared$x
  if (!is.null(x)) {
    out$x <- fields_tree(list(n = x$n, mean = as_map(as.list(x$mean)),
      covariance = if (length(x$mean)) packed(unname(x$covariance)) else I(numeric()),
      frequencies = as_map(lapply(x$frequencies, as.list))), "shared_x")
  }
  m <- shared$moments
  if (!is.null(m)) {
    upper <- upper.tri(m$factor[, , 1], TRUE)
    if (!length(dim(upper))) upper <- matrix(TRUE)
    factor <- vapply(seq_along(m$mass), function(k) m$factor[, , k][upper], numeric(sum(upper)))
    out$moments <- fields_tree(list(mass = m$mass, factor = matrix(factor, sum(upper))), "shared_moments")
  }
  g <- shared$gates
  if (!is.null(g)) {
    out$gates <- fields_tree(g, "shared_gates")
  }
  fields_tree(out, "shared")
}

# ---- reading ---------------------------------------------------------------------------------

# A model with its site's name as attribute-free field `site` beside it: list(site, model).
tree_model <- function(x) {
  as_is <- function(x, at) x
  # Those that depend on the design come after it.
  later <- c("design", "parameters", "share", "record", "information", "shared", "rounds", "prior")
  own <- lapply(stats::setNames(nm = c("schema", "kind", later, "checksum")), function(name) as_is)
  x <- take_fields(x, "", "model", own = own)
  schema <- take_design(x$design, "design", x$family)
  shape <- list(p = length(schema$expert$columns), q = length(schema$gate$columns), K = x$K,
    parts = count_parts(schema), family = x$family)
  parameters <- take_parameters(x$parameters, "parameters", shape)
  share <- if (!is.null(x$share)) take_field(message_objects$model$share, x$share, "share", shape)
  if (!is.null(share) && abs(sum(share) - 1) > 1e-6) bad_field("share", "must sum to 1")
  record <- if (is.null(x$record)) list() else take_record(x$record, "record", shape, schema)
  out <- new_moe(parameters, known_families[[x$family]]$make(), schema, x$n, x$weight, x$log_lik, share, record,
    dropped = x$dropped)
  if (!is.null(x$information)) {
    out$information <- take_information(x$information, "information", shape)
    check_information(out, "information")
  }
  if (!is.null(x$shared)) out$shared <- take_shared(x$shared, "shared", shape, schema)
  if (!is.null(x$rounds)) out <- with_rounds(out, take_rounds(x$rounds, "rounds", shape))
  if (!is.null(x$prior)) out$prior <- take_prior(x$prior, "prior", shape)
  list(site = x$site, model = out)
}

take_record <- function(x, at, shape, schema) {
  take_fields(x, at, "record", shape, list(
    separated = function(x, at) take_separated(x, at, shape, schema$expert),
    separated_gates = function(x, at) take_separated(x, at, shape, schema$gate),
    starts = function(x, at) as.data.frame(take_fields(x, at, "starts")),
    aliased = function(x, at) take_aliased(x, at, schema)))
}

take_separated <- function(x, at, shape, part) {
  lapply(take_list(x, at, shape$K), take_texts, at, unique = TRUE, among = part$columns)
}

take_aliased <- function(x, at, schema) {
  x <- take_object(x, at, c("expert", "gate"))
  lapply(stats::setNames(nm = names(x)), function(part) {
    take_texts(x[[part]], field_at(at, part), unique = TRUE, among = schema[[part]]$columns)
  })
}

take_information <- function(x, at, shape) {
  out <- take_fields(x, at, "information", shape, list(scaling = function(x, at) take_scaling(x, at, shape)))
  out[c("curvature", "scaling", "empty", "at_floor", "rows", "weight", if (!is.null(out$trials)) "trials")]
}

take_shared <- function(x, at, shape, schema) {
  take_fields(x, at, "shared", shape, list(
    x = function(x, at) take_x_summary(x, at, schema),
    moments = function(x, at) take_shared_moments(x, at, shape),
    gates = function(x, at) take_gate_shares(x, at, shape)))
}

take_shared_moments <- function(x, at, shape) {
  if (!family_traits(shape)$moments) bad_field(at, "are for Gaussian experts only")
  out <- take_fields(x, at, "shared_moments", shape)
  packed <- out$factor
  out$factor <- array(0, c(shape$p, shape$p, shape$K))
  upper <- upper.tri(matrix(0, shape$p, shape$p), TRUE)
  for (k in seq_len(shape$K)) out$factor[, , k][upper] <- packed[, k]
  out
}

take_gate_shares <- function(x, at, shape) {
  # Those of the start, which may have another number of experts.
  shape$start_gates <- if (is.list(x)) length(take_list(x$reference, field_at(at, "reference"), most = 1000L))
  out <- take_fields(x, at, "shared_gates", shape)
  check_semidefinite(out$curvature, field_at(at, "curvature"))
  out
}

take_x_summary <- function(x, at, schema) {
  as_is <- function(x, at) x
  x <- take_fields(x, at, "shared_x", own = list(mean = as_is, covariance = as_is, frequencies = as_is))
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
  list(n = x$n, mean = if (length(mean)) mean,
    covariance = if (length(mean)) covariance, frequencies = frequencies)
}
