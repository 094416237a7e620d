# The coordinates of a hierarchy. A site's parameters are those of coef(), log variances in place of variances, on
# columns standardised alike for all sites. Random effects are on these, but for the gates: alpha_k = a_k - a_K of
# K effects a, so that no expert, and no choice of the one whose gate is 0, is special.

# For every effect its kind, the expert that it belongs to, and its column; `lift` gives parameters from effects.
effect_index <- function(model) {
  p <- nrow(model$parameters$beta)
  q <- nrow(model$parameters$alpha)
  K <- model$K
  gates <- if (K > 1) K else 0L
  disp <- if (has_dispersion(model)) K else 0L
  experts <- ncol(model$parameters$beta)
  list(
    kind = rep(c("expert", "gate", "dispersion"), c(p * experts, q * gates, disp)),
    owner = c(rep(seq_len(K), each = p * count_parts(model$schema)), rep(seq_len(gates), each = q), seq_len(disp)),
    column = c(rep(seq_len(p), experts), rep(seq_len(q), gates), rep(0L, disp)),
    lift = gate_lift(p * experts, q, K, disp))
}

gate_lift <- function(first, q, K, last) {
  if (K == 1) return(diag(first + last))
  gates <- kronecker(cbind(diag(K - 1), -1), diag(q))
  at <- first + seq_len(q * (K - 1))
  out <- matrix(0, first + nrow(gates) + last, first + ncol(gates) + last)
  out[cbind(seq_len(first), seq_len(first))] <- 1
  out[at, first + seq_len(q * K)] <- gates
  out[cbind(nrow(out) - last + seq_len(last), ncol(out) - last + seq_len(last))] <- 1
  out
}

# Effects of least size that give these parameters.
effects_of <- function(parameters, index) drop(crossprod(index$lift, solve(tcrossprod(index$lift), parameters)))

# Which effects vary between sites: a logical vector. `effects`: one of the words, or names of columns, terms or
# coefficients.
varying_effects <- function(effects, model, index) {
  words <- c("all", "experts", "gates", "intercepts", "none")
  if (identical(effects, words[1:4])) effects <- "all"
  if (!is.character(effects) || !length(effects) || anyNA(effects)) {
    input_error("{.arg effects} must be one of {.or {.val {words}}}, or names of terms, not {show_value(effects)}.")
  }
  columns <- list(expert = model$schema$expert$columns, gate = model$schema$gate$columns)
  if (length(effects) == 1 && effects %in% words) {
    first <- vapply(columns, function(names) match("(Intercept)", names, 0L), 0L)
    at <- ifelse(index$kind == "expert", first[["expert"]], first[["gate"]])
    return(switch(effects, all = rep(TRUE, length(index$kind)), none = rep(FALSE, length(index$kind)),
      experts = index$kind != "gate", gates = index$kind == "gate",
      intercepts = index$kind != "dispersion" & index$column == at))
  }
  out <- lapply(effects, named_effects, model, index, columns)
  known <- vapply(out, any, NA)
  if (!all(known)) {
    input_error("{.arg effects} names {.val {effects[!known]}}, which {?is/are} neither a term nor a coefficient of
      the sites' models.", i = "Columns: {.val {unique(unlist(columns))}}; or one of {.or {.val {words}}}.")
  }
  Reduce(`|`, out)
}

# "x": that column, or all of that term, in experts and gates; "expert:x", "gate:x", "expert1:x": there alone;
# "dispersion": the experts' variances.
named_effects <- function(name, model, index, columns) {
  if (name == "dispersion") return(index$kind == "dispersion")
  of <- "^(expert|gate)([0-9]*):(.+)$"
  kind <- c("expert", "gate")
  owner <- seq_len(model$K)
  if (grepl(of, name)) {
    kind <- sub(of, "\\1", name)
    if (nzchar(sub(of, "\\2", name))) owner <- as.integer(sub(of, "\\2", name))
    name <- sub(of, "\\3", name)
  }
  out <- logical(length(index$kind))
  for (part in kind) {
    named <- c(FALSE, of_term(columns[[part]], name))
    out <- out | index$kind == part & index$owner %in% owner & named[index$column + 1]
  }
  out
}

# A factor's columns begin with its name.
of_term <- function(columns, name) {
  if (name %in% columns) return(columns == name)
  startsWith(columns, name) & nchar(columns) > nchar(name) & !grepl(":", substring(columns, nchar(name) + 1))
}

# The number of the covariance block of every effect, from 0; -1: common to all sites.
effect_blocks <- function(varies, covariance, index) {
  out <- rep(-1L, length(varies))
  if (covariance == "diagonal") out[varies] <- seq_len(sum(varies)) - 1L
  else out[varies] <- match(index$owner[varies], unique(index$owner[varies])) - 1L
  out
}

# ---- scales ---------------------------------------------------------------------------------

# The standardisation of all sites' rows together, from that of every site and its weight: of means and spreads alone.
common_scaling <- function(scalings, weight) {
  share <- weight / sum(weight)
  columns <- function(part) {
    of <- function(field) vapply(scalings, function(s) s[[part]][[field]], scalings[[1]][[part]][[field]])
    out <- scalings[[1]][[part]]
    pooled <- pool_spreads(rbind(of("centre")), spread_of(scalings, part), share)
    out$centre <- pooled$centre
    out$scale <- ifelse(pooled$scale > 1e-10 * abs(pooled$centre) & pooled$scale > 0, pooled$scale, 1)
    if (out$intercept > 0) {
      out$centre[out$intercept] <- 0
      out$scale[out$intercept] <- 1
    }
    out$aliased[] <- FALSE
    out$combination[] <- 0
    out
  }
  number <- function(field) vapply(scalings, function(s) s[[field]], 0)
  y <- pool_spreads(rbind(number("y_centre")), rbind(number("y_scale")), share)
  standard <- any(number("y_scale") != 1)
  scale <- if (standard) y$scale else 1
  residual <- sum(share * number("y_residual") * number("y_scale")^2) / scale^2
  list(x = columns("x"), z = columns("z"), y_centre = if (standard) y$centre else 0, y_scale = scale,
    y_residual = min(1, residual))
}

# A column that is constant at a site has no spread there, whatever its standardisation says.
spread_of <- function(scalings, part) {
  rbind(vapply(scalings, function(s) {
    s <- s[[part]]
    constant <- s$aliased & s$scale == 1 & colSums(s$combination != 0) == 0
    ifelse(constant, 0, s$scale)
  }, scalings[[1]][[part]]$scale))
}

pool_spreads <- function(centre, spread, share) {
  mean <- drop(centre %*% share)
  list(centre = mean, scale = sqrt(drop((spread^2 + (centre - mean)^2) %*% share)))
}

# A model's parameters in one vector, on standardised columns, and back. `kept`: a model on the user's scale.
scaled_parameters <- function(model, scaling) unname(parameter_vector(cpp_to_internal(core_model(model), scaling)))

shaped_parameters <- function(vector, model) {
  p <- model$parameters
  size <- c(length(p$beta), length(p$alpha))
  list(family = model$family$family, beta = matrix(vector[seq_len(size[1])], nrow(p$beta)),
    alpha = matrix(vector[size[1] + seq_len(size[2])], nrow(p$alpha)),
    dispersion = if (has_dispersion(model)) exp(vector[-seq_len(sum(size))]) else rep(1, model$K))
}

user_parameters <- function(vector, model, scaling) {
  cpp_to_user(shaped_parameters(vector, model), scaling, core_model(model))
}

# Parameters on the user's scale (variances as logarithms) from those of standardised columns: `map` %*% and a shift.
scaling_map <- function(scaling, model) parameter_map(scaling, user_scaling(scaling), model)
