# Answers of sites and the state of rounds as trees, and back.

sums_sizes <- function(shape) {
  P <- shape_size(shape)
  gates <- shape$K - 1L
  list(rows = 1, weight = 1, log_lik = 1, score = P, hessian = c(P, P), mass = shape$K,
    expert_score = c(shape$p, shape$K * shape$parts), 
    expert_gram = c(shape$K * shape$parts * (shape$parts + 1) / 2, shape$p * (shape$p + 1) / 2),
    deviation = shape$K, gate_score = c(shape$q, gates),
    gate_gram = c(gates * (gates + 1) / 2, shape$q * (shape$q + 1) / 2))
}

# null: the log-likelihood was not finite there.
sums_tree <- function(sums) {
  if (is.null(sums) || !all(is.finite(unlist(sums)))) return(NULL)
  single <- c("rows", "weight", "log_lik")
  lapply(stats::setNames(nm = names(sums)), function(name) {
    v <- sums[[name]]
    if (is.matrix(v)) by_column(v) else if (name %in% single) v else I(as.vector(v))
  })
}

take_sums <- function(x, at, shape) {
  sizes <- sums_sizes(shape)
  x <- take_object(x, at, names(sizes))
  out <- lapply(stats::setNames(nm = names(sizes)), function(name) {
    size <- sizes[[name]]
    here <- field_at(at, name)
    if (length(size) == 2) return(take_matrix(x[[name]], here, size[1], size[2]))
    if (name == "rows") return(take_row_count(x[[name]], here))
    if (name == "weight") return(take_weight(x[[name]], here))
    if (name == "log_lik") return(take_number(x[[name]], here))
    take_numbers(x[[name]], here, size, if (name %in% c("mass", "deviation")) 0 else -Inf)
  })
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

# The log-likelihood is not finite there. The sums have a size only where that of a model is known.
not_finite <- list(log_lik = -Inf)

nothing_finite <- function(shape) {
  lapply(sums_sizes(shape), function(size) {
    if (length(size) == 2) matrix(-Inf, size[1], size[2]) else rep(-Inf, size)
  })
}

# ---- statistics ------------------------------------------------------------------------------

statistics_tree <- function(s) {
  check_tree_sizes(s$columns, weight = c(s$moments$moments$weight, s$sums$weight, 1)[1])
  out <- list(schema = message_schema, kind = "statistics",
    package = as.character(utils::packageVersion("distmoe")), site = s$site, round = s$round, model = s$model,
    family = s$family, K = s$K, parts = s$parts, columns = lapply(s$columns, I), n = s$counts$n)
  out["moments"] <- list(if (!is.null(s$moments)) {
    m <- s$moments
    c(list(x_intercept = m$x_intercept, z_intercept = m$z_intercept, n = m$n, dropped = m$dropped),
      lapply(m$moments, function(v) if (is.matrix(v)) by_column(v) else if (length(v) > 1) I(v) else v))
  })
  out["sums"] <- list(sums_tree(s$sums))
  check_tree_texts(out)
  out
}

tree_statistics <- function(x) {
  x <- take_object(x, "", c("schema", "kind", "package", "site", "round", "model", "family", "K", "parts",
    "columns", "n", "moments", "sums", "checksum"))
  take_text(x$package, "package", 50L)
  columns <- take_object(x$columns, "columns", c("expert", "gate"))
  columns <- lapply(list(expert = "expert", gate = "gate"), function(part) {
    take_texts(columns[[part]], paste0("columns.", part), unique = TRUE, most = most_columns)
  })
  family <- take_text(x$family, "family", among = names(known_families))
  shape <- list(p = length(columns$expert), q = length(columns$gate), K = take_count(x$K, "K", 1, 1000),
    parts = take_count(x$parts, "parts", 1, if (has_many_classes(family)) 1000 else 1), family = family)
  round <- take_count(x$round, "round")
  if ((round == 0) == is.null(x$moments)) bad_field("moments", "must be there in exchange 0, and only then")
  if (round == 0 && !is.null(x$sums)) bad_field("sums", "must be null in exchange 0")
  moments <- if (round == 0) take_moments(x$moments, "moments", shape)
  sums <- if (round > 0) if (is.null(x$sums)) not_finite else take_sums(x$sums, "sums", shape)
  n <- take_row_count(x$n, "n")
  if (round == 0 && moments$n != n) bad_field("moments.n", "must be `n`, ", format(n, digits = 15))
  if (!is.null(x$sums) && sums$rows < n) bad_field("sums.rows", "must be `n` or more, ", format(n, digits = 15))
  share <- if (!is.null(x$sums)) sums$mass / sum(sums$mass)
  site <- take_site(x$site)
  out <- structure(list(site = site, round = round, model = take_text(x$model, "model", 64L), family = family,
    K = shape$K, columns = columns, parts = shape$parts, moments = moments, sums = sums,
    counts = list(n = n, share = share, parameters = shape_size(shape))), class = "moe_statistics")
  list(site = site, statistics = out)
}

take_moments <- function(x, at, shape) {
  both <- c(mean_x = "p", mean_z = "q", centre_x = "p", centre_z = "q", gram_x = "p", gram_z = "q", cross_y = "p")
  single <- c("weight", "mean_y", "centre_y", "square_y")
  counts <- c("x_intercept", "z_intercept", "n", "dropped")
  x <- take_object(x, at, c(counts, single, names(both)))
  moments <- lapply(stats::setNames(nm = c("weight", names(both), single[-1])), function(name) {
    here <- field_at(at, name)
    if (name == "weight") return(take_weight(x[[name]], here))
    if (name %in% single) return(take_number(x[[name]], here, if (name == "square_y") 0 else -Inf))
    size <- shape[[both[[name]]]]
    # Not known where the site's version did not send it.
    if (name == "cross_y" && is.null(x[[name]])) return(NULL)
    if (startsWith(name, "gram")) return(take_gram(x[[name]], here, size))
    if (size == 1) take_number(x[[name]], here) else take_numbers(x[[name]], here, size)
  })
  most <- c(shape$p, shape$q, .Machine$integer.max, .Machine$integer.max)
  counts <- Map(function(name, most) take_count(x[[name]], field_at(at, name), most = most), counts, most)
  c(list(moments = moments), counts)
}

# ---- the state of rounds ---------------------------------------------------------------------

rounds_tree <- function(r, state) {
  out <- list(number = r$number, settings = settings_tree(r$settings), scaling = scaling_tree(r$scaling),
    sites = lapply(as.list(r$sites), I), tried = by_parameters(r$tried), stop = r$stop)
  out["state"] <- list(if (state && !is.null(r$state)) {
    s <- r$state
    list(model = by_parameters(s$model), sums = sums_tree(s$sums), halvings = s$halvings, accepted = s$accepted,
      change = s$change, newton_below = s$newton_below)
  })
  out["table"] <- list(if (!is.null(r$table)) lapply(as.list(r$table), I))
  out
}

take_rounds <- function(x, at, shape) {
  x <- take_object(x, at, c("number", "settings", "scaling", "sites", "tried", "stop", "state", "table"))
  in_at <- function(name) field_at(at, name)
  settings <- take_object(x$settings, in_at("settings"), round_settings)
  settings <- lapply(stats::setNames(nm = round_settings), function(name) {
    here <- in_at(paste0("settings.", name))
    if (name == "lambda") take_lambda(settings[[name]], here)
    else take_number(settings[[name]], here, 0, most = if (name == "l1_share") 1 else Inf)
  })
  sites <- take_object(x$sites, in_at("sites"), c("site", "n", "dropped"))
  site <- take_texts(sites$site, in_at("sites.site"), unique = TRUE)
  internal <- function(p, at) c(list(family = shape$family), take_parameters(p, at, shape))
  number <- take_count(x$number, in_at("number"), 1)
  if (number == 1 && !(is.null(x$state) && is.null(x$table))) {
    bad_field(in_at("state"), "must be null after one exchange")
  }
  state <- if (!is.null(x$state)) {
    s <- take_object(x$state, in_at("state"), c("model", "sums", "halvings", "accepted", "change", "newton_below"))
    list(model = internal(s$model, in_at("state.model")), sums = take_sums(s$sums, in_at("state.sums"), shape),
      halvings = take_number(s$halvings, in_at("state.halvings"), 0, most = 1000, whole = TRUE),
      accepted = take_flag(s$accepted, in_at("state.accepted")),
      change = take_number(s$change, in_at("state.change"), 0, gaps = TRUE),
      newton_below = take_number(s$newton_below, in_at("state.newton_below")))
  }
  list(number = number, settings = settings, scaling = take_scaling(x$scaling, in_at("scaling"), shape),
    sites = data.frame(site = site,
      n = take_numbers(sites$n, in_at("sites.n"), length(site), 1, most = most_rows, whole = TRUE),
      dropped = take_numbers(sites$dropped, in_at("sites.dropped"), length(site), 0, whole = TRUE)),
    tried = internal(x$tried, in_at("tried")),
    stop = take_text(x$stop, in_at("stop"), among = c("rounds", "newton", "small gain")), state = state,
    table = if (!is.null(x$table)) take_round_table(x$table, in_at("table")))
}

take_round_table <- function(x, at) {
  numbers <- c("objective", "gradient", "change", "promise", "seconds")
  x <- take_object(x, at, c("round", "step", "accepted", numbers))
  step <- take_texts(x$step, field_at(at, "step"), among = c("start", "EM", "Newton"))
  n <- length(step)
  out <- data.frame(round = as.integer(take_numbers(x$round, field_at(at, "round"), n, 0, most = 1e6, whole = TRUE)),
    step = step, accepted = take_flags(x$accepted, field_at(at, "accepted"), n))
  for (name in numbers) out[[name]] <- take_numbers(x[[name]], field_at(at, name), n, gaps = TRUE)
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
