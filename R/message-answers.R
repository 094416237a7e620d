# Answers of sites and the state of rounds as trees, and back.

# null: the log-likelihood was not finite there.
sums_tree <- function(sums) {
  if (is.null(sums) || !all(is.finite(unlist(sums)))) return(NULL)
  fields_tree(sums, "sums")
}

take_sums <- function(x, at, shape) {
  out <- take_fields(x, at, "sums", shape)
  check_symmetric(out$hessian, field_at(at, "hessian"))
  check_packed_grams(out$expert_gram, field_at(at, "expert_gram"), shape$p, rep(pairs_of_own(shape$parts), shape$K))
  check_packed_grams(out$gate_gram, field_at(at, "gate_gram"), shape$q, pairs_of_own(shape$K - 1L))
  if (sum(out$mass) <= 0) bad_field(field_at(at, "mass"), "must not all be 0")
  out
}

# Which of the pairs (1, 1), (2, 1), (2, 2), (3, 1), ... of so many things are of one with itself.
pairs_of_own <- function(count) {
  sequence(seq_len(count)) == rep(seq_len(count), seq_len(count))
}

# Every row a triangle (1, 1), (1, 2), ..., (1, size), (2, 2), ...; those of `own` have weights that are not negative.
check_packed_grams <- function(gram, at, size, own) {
  diagonal <- cumsum(c(1, rev(seq_len(size))[-size]))
  check_squares(gram[own, diagonal], at, max(abs(gram), 0))
}

# The log-likelihood is not finite there.
not_finite <- list(log_lik = -Inf)

# ---- statistics ------------------------------------------------------------------------------

statistics_tree <- function(s) {
  check_tree_sizes(s$columns, weight = c(s$moments$moments$weight, s$sums$weight, 1)[1])
  m <- s$moments
  moments <- c(m[c("x_intercept", "z_intercept", "n", "dropped")], m$moments)
  out <- fields_tree(list(schema = message_schema, kind = "statistics",
    package = as.character(utils::packageVersion("distmoe")), site = s$site, round = s$round, model = s$model,
    family = s$family, K = s$K, parts = s$parts, columns = fields_tree(s$columns, "columns"), n = s$counts$n,
    moments = if (!is.null(m)) fields_tree(moments, "moments"), sums = sums_tree(s$sums)), "statistics")
  if (!is.null(s$masked)) {
    out$schema <- signed_schema
    out$masked <- masked_tree(s$masked)
  }
  if (!is.null(s$maximum)) out$maximum <- fields_tree(s$maximum, "maximum")
  check_tree_texts(out)
  out
}

tree_statistics <- function(x) {
  as_is <- function(x, at) x
  out <- take_fields(x, "", "statistics", list(family = take_family(x)), list(schema = as_is, kind = as_is,
    checksum = as_is, moments = as_is, sums = as_is, maximum = as_is, masked = as_is))
  shape <- list(p = length(out$columns$expert), q = length(out$columns$gate), K = out$K, parts = out$parts,
    family = out$family)
  n <- out$n
  if (!is.null(x$maximum)) return(maximum_statistics(x, out, shape))
  first <- out$round == 0
  asked <- out[c("site", "round", "model", "family", "K", "columns", "parts")]
  if (!is.null(x$masked)) {
    if (!is.null(x$moments) || !is.null(x$sums)) bad_field("masked", "goes with neither `moments` nor `sums`")
    return(list(site = out$site, statistics = structure(c(asked, list(moments = NULL, sums = NULL,
      counts = list(n = n, share = NULL, parameters = shape_size(shape)),
      masked = take_masked(x$masked, "masked", shape, first))), class = "moe_statistics")))
  }
  if (first == is.null(x$moments)) bad_field("moments", "must be there in exchange 0, and only then")
  if (first && !is.null(x$sums)) bad_field("sums", "must be null in exchange 0")
  moments <- if (first) take_moments(x$moments, "moments", shape)
  sums <- if (!first) if (is.null(x$sums)) not_finite else take_sums(x$sums, "sums", shape)
  if (first && moments$n != n) bad_field("moments.n", "must be `n`, ", format(n, digits = 15))
  if (!is.null(x$sums) && sums$rows < n) bad_field("sums.rows", "must be `n` or more, ", format(n, digits = 15))
  share <- if (!is.null(x$sums)) sums$mass / sum(sums$mass)
  list(site = out$site, statistics = structure(c(asked, list(moments = moments, sums = sums,
    counts = list(n = n, share = share, parameters = shape_size(shape)))), class = "moe_statistics"))
}

# What sizes depend on comes first.
take_family <- function(x) take_text(x$family, "family", among = names(known_families))

take_moments <- function(x, at, shape) {
  x <- take_fields(x, at, "moments", shape)
  counts <- c("x_intercept", "z_intercept", "n", "dropped")
  c(list(moments = x[setdiff(names(x), counts)]), x[counts])
}

# ---- the state of rounds ---------------------------------------------------------------------

rounds_tree <- function(r, state) {
  s <- if (state) r$state
  if (!is.null(s)) {
    s$model <- by_parameters(s$model)
    s$sums <- sums_tree(s$sums)
    s <- fields_tree(s, "round_state")
  }
  fields_tree(list(number = r$number, settings = fields_tree(r$settings, "settings"),
    scaling = scaling_tree(r$scaling), sites = fields_tree(as.list(r$sites), "round_sites"),
    tried = by_parameters(r$tried), stop = r$stop, state = s,
    table = if (!is.null(r$table)) fields_tree(as.list(r$table), "round_table")), "rounds")
}

take_rounds <- function(x, at, shape) {
  # Of standardised columns, as the core has them.
  internal <- function(x, at) c(list(family = shape$family), take_parameters(x, at, shape))
  out <- take_fields(x, at, "rounds", shape, list(
    scaling = function(x, at) take_scaling(x, at, shape),
    sites = function(x, at) as.data.frame(take_fields(x, at, "round_sites")),
    tried = internal,
    state = function(x, at) take_fields(x, at, "round_state", shape, list(model = internal,
      sums = function(x, at) take_sums(x, at, shape))),
    table = function(x, at) {
      table <- as.data.frame(take_fields(x, at, "round_table"))
      table$round <- as.integer(table$round)
      table
    }))
  if (out$number == 1 && !(is.null(x$state) && is.null(x$table))) {
    bad_field(field_at(at, "state"), "must be null after one exchange")
  }
  out
}

# What prints and vcov() say of a refined model follows from the state.
with_rounds <- function(model, rounds) {
  model$rounds <- rounds
  if (is.null(rounds$table)) return(model)
  model$refinement <- list(rounds = rounds$table, sites = rounds$sites[c("site", "n")],
    exchanges = nrow(rounds$table) + 1L, converged = isTRUE(model$record$converged), stop = rounds$stop)
  model
}

# ---- answers that do not fit ------------------------------------------------------------------

# The site, and the file where there is one.
message_from <- function(m) {
  paste0("Site \"", shown_text(m$site), "\"", if (!is.null(m$file)) paste0(" (", m$file, ")"))
}

refuse_answers <- function(messages, faults) {
  bad <- lengths(faults) > 0
  if (!any(bad)) return(invisible())
  words <- escape_braces(paste0(vapply(messages[bad], message_from, ""), " ", unlist(faults[bad]), "."))
  input_error("{sum(bad)} of {length(messages)} message{?s} {?does/do} not go with {.arg model}; nothing was
    changed.", stats::setNames(words, rep("x", length(words))),
    i = "Send the sites the present model, and ask again.")
}
