# Rounds of a hierarchy by file: the population's message and the sites' answers as trees, and back.

# What sites are asked about: the population's model, with the prior that it is for them. No site's parameters.
asked_population <- function(object) {
  h <- object$hierarchy
  out <- population(object)
  asked <- rounds_state(object)$asked
  out$parameters <- user_parameters(asked$mean, object, h$scaling)
  out$prior <- c(list(number = h$exchanges, tolerance = mode_tolerance, scaling = h$scaling),
    population_prior(hierarchy_setting(object), asked))
  out$information <- NULL
  out
}

prior_tree <- function(prior) {
  prior$scaling <- scaling_tree(prior$scaling)
  prior$root <- by_column(prior$root)
  fields_tree(prior, "prior")
}

take_prior <- function(x, at, shape) {
  own <- list(scaling = function(x, at) take_scaling(x, at, shape), root = function(x, at) {
    columns <- length(take_list(x, at, most = 2 * shape_size(shape)))
    take_matrix(x, at, shape_size(shape), columns)
  })
  take_fields(x, at, "prior", shape, own)
}

prior_key <- function(model) message_checksum(list(prior = prior_tree(model$prior)))

maximum_statistics <- function(x, out, shape) {
  if (!is.null(x$moments) || !is.null(x$sums)) bad_field("maximum", "goes with neither `moments` nor `sums`")
  maximum <- take_fields(x$maximum, "maximum", "maximum", shape)
  if (maximum$rows < out$n) bad_field("maximum.rows", "must be `n` or more, ", format(out$n, digits = 15))
  if (sum(maximum$mass) <= 0) bad_field("maximum.mass", "must not all be 0")
  asked <- out[c("site", "round", "model", "family", "K", "columns", "parts")]
  list(site = out$site, statistics = structure(c(asked, list(moments = NULL, sums = NULL, maximum = maximum,
    counts = list(n = out$n, share = maximum$mass / sum(maximum$mass), parameters = shape_size(shape)))),
    class = "moe_statistics"))
}
