# Information matrices: where they are made, and how they move between scales, labels and sites.
#
# A model's `information` is list(scaling, curvature, meat, empty, at_floor, rows, weight): the negative
# Hessian of log-likelihood less prior in the parameters of standardised columns, ordered as in coef()
# with log dispersions. On the user's scale a column of large mean would cost most of its digits.

# Fits of more rows do without, unless asked: the matrix costs some four EM passes, the products of
# scores, for the sandwich, ten or more.
information_rows <- 1e5
sandwich_rows <- 2e4

# What a model keeps: all but the gradient. `scaling`: that of its fit.
keep_information <- function(model, design, settings, meat, scaling) {
  out <- model_information(model, design, settings, meat, scaling)
  out$gradient <- NULL
  out
}

# From the rows of a design. `meat`: with the sum of products of the rows' scores. `scaling`: of these rows; NULL: it
# is found.
model_information <- function(model, design, settings, meat, scaling = NULL) {
  out <- cpp_model_information(design, core_model(model), settings, meat, scaling)
  out$gradient <- drop(out$gradient)
  # Up to the next power of 2: what a row can tell is bounded by it, and it travels.
  most <- if (is.null(design$scratch)) c(design$trials, design$unit_size) else design$counts$trials
  if (length(most)) out$trials <- 2^ceiling(log2(max(1, most)))
  out
}

# ---- scales ---------------------------------------------------------------------------------

# The scale of the data, for columns like those of `columns`.
user_columns <- function(columns) {
  p <- length(columns$scale)
  list(centre = numeric(p), scale = rep(1, p), intercept = columns$intercept, aliased = logical(p))
}

user_scaling <- function(scaling) {
  list(x = user_columns(scaling$x), z = user_columns(scaling$z), y_scale = 1)
}

# p x p: coefficients on columns standardised as `from` says to those standardised as `to` says. What
# `to` says of aliased columns goes to the columns that they are made of.
coefficient_map <- function(from, to) {
  p <- length(from$scale)
  out <- diag(to$scale / from$scale, p)
  if (from$intercept > 0) {
    out[from$intercept, ] <- (to$centre - from$centre) / from$scale
    out[from$intercept, from$intercept] <- 1
  }
  if (!any(to$aliased)) return(out)
  carry <- diag(p)
  carry[, to$aliased] <- to$combination[, to$aliased]
  carry %*% out
}

# The same for all parameters. A Gaussian expert's coefficients are in units of y_scale.
parameter_map <- function(from, to, model) {
  experts <- ncol(model$parameters$beta)
  units <- if (has_dispersion(model)) from$y_scale / to$y_scale else 1
  do.call(block_diagonal, c(rep(list(units * coefficient_map(from$x, to$x)), experts),
    rep(list(coefficient_map(from$z, to$z)), model$K - 1L), list(if (has_dispersion(model)) diag(model$K))))
}

block_diagonal <- function(...) {
  blocks <- Filter(length, list(...))
  size <- vapply(blocks, nrow, 0L)
  out <- matrix(0, sum(size), sum(size))
  end <- cumsum(size)
  for (i in seq_along(blocks)) {
    at <- end[i] - size[i] + seq_len(size[i])
    out[at, at] <- blocks[[i]]
  }
  out
}

# ---- labels ---------------------------------------------------------------------------------

# The parameters of a model whose experts were relabelled (new expert j is old expert order[j]) as a
# linear map of the old ones. Gates are taken relative to the new last one.
relabel_map <- function(order, model) {
  K <- length(order)
  own <- nrow(model$parameters$beta) * count_parts(model$schema)
  move <- diag(K)[order, , drop = FALSE]
  block_diagonal(kronecker(move, diag(own)),
    kronecker(gate_relabel_map(order), diag(nrow(model$parameters$alpha))), if (has_dispersion(model)) move)
}

# For one column's gates, (K - 1) x (K - 1).
gate_relabel_map <- function(order) {
  K <- length(order)
  gates <- diag(1, K, K - 1L)[order, , drop = FALSE]
  (gates - rep(gates[K, ], each = K))[-K, , drop = FALSE]
}

relabel_information <- function(information, order, model) {
  if (is.null(information)) return(NULL)
  back <- relabel_map(order(order), model)
  for (part in c("curvature", "meat")) {
    if (!is.null(information[[part]])) {
      information[[part]] <- t(back) %*% information[[part]] %*% back
    }
  }
  information$empty <- information$empty[order]
  information$at_floor <- information$at_floor[order]
  information
}

# ---- which parameters are known ---------------------------------------------------------------

# For every parameter the expert (gates: whose gate) that it belongs to, its kind, and its column.
parameter_index <- function(model) {
  p <- nrow(model$parameters$beta)
  q <- nrow(model$parameters$alpha)
  K <- model$K
  list(
    kind = rep(c("expert", "gate", "dispersion"),
      c(length(model$parameters$beta), length(model$parameters$alpha), if (has_dispersion(model)) K else 0)),
    owner = c(rep(seq_len(K), each = p * count_parts(model$schema)), rep(seq_len(K - 1), each = q),
      if (has_dispersion(model)) seq_len(K)),
    column = c(rep(seq_len(p), ncol(model$parameters$beta)), rep(seq_len(q), K - 1),
      if (has_dispersion(model)) rep(0L, K)))
}

# The parameters that coef() would give as `theta`.
parameters_at <- function(model, theta) {
  kind <- parameter_index(model)$kind
  p <- model$parameters
  p$beta[] <- theta[kind == "expert"]
  p$alpha[] <- theta[kind == "gate"]
  if (has_dispersion(model)) p$dispersion[] <- theta[kind == "dispersion"]
  p
}

# Coefficients of columns that the data do not determine. `aliased`: list of two logical vectors.
of_aliased <- function(index, aliased) {
  index$kind == "expert" & c(FALSE, aliased$x)[index$column + 1] |
    index$kind == "gate" & c(FALSE, aliased$z)[index$column + 1]
}

# What the data say nothing about: the inverse is taken without it.
is_fixed <- function(index, information) {
  aliased <- list(x = information$scaling$x$aliased, z = information$scaling$z$aliased)
  of_aliased(index, aliased) | is_lost(index, information$empty, FALSE) |
    index$kind == "dispersion" & information$at_floor[index$owner]
}

# What has no standard error because of experts without rows or with no variance.
is_lost <- function(index, empty, at_floor) {
  K <- length(empty)
  index$kind != "gate" & (empty | at_floor)[index$owner] |
    index$kind == "gate" & (empty[index$owner] | empty[K])
}

# ---- from information to covariance -------------------------------------------------------------

no_covariance <- function(...) {
  input_error(..., class = "moe_no_covariance", .envir = parent.frame())
}

# The inverse, after every parameter was brought to the same scale. A matrix that is not clearly
# positive definite has no inverse that means anything.
invert_information <- function(m) {
  if (!length(m)) return(m)
  size <- diag(m)
  bad <- !all(is.finite(m)) || any(size <= 0)
  if (!bad) {
    root <- sqrt(size)
    scaled <- m / outer(root, root)
    values <- eigen(scaled, symmetric = TRUE, only.values = TRUE)$values
    bad <- min(values) <= 1e-12 * max(values)
  }
  if (bad) {
    no_covariance("The observed information is not positive definite: the model has no standard errors.",
      i = "The fit may not be at a maximum of the likelihood, or the data do not determine all
        parameters: see {.code print(fit)}; a smaller {.arg K} may do.")
  }
  chol2inv(chol(scaled)) / outer(root, root)
}

# Covariance of a model's parameters (log dispersions) on the user's scale, NA where unknown.
information_covariance <- function(model, information, sandwich = FALSE) {
  index <- parameter_index(model)
  unknown <- is_fixed(index, information) | is_lost(index, information$empty, information$at_floor)
  empty <- information$empty
  back <- NULL
  if (empty[model$K] && !all(empty)) {
    # Gates against an expert without rows are not determined, but those against another one are.
    order <- order(!empty)
    information <- relabel_information(information, order, model)
    back <- relabel_map(order(order), model)
  }
  free <- !is_fixed(index, information)
  covariance <- invert_information(information$curvature[free, free, drop = FALSE])
  if (sandwich) covariance <- covariance %*% information$meat[free, free] %*% covariance
  map <- parameter_map(information$scaling, user_scaling(information$scaling), model)
  map <- map[, free, drop = FALSE]
  out <- map %*% covariance %*% t(map)
  if (!is.null(back)) out <- back %*% out %*% t(back)
  out[unknown, ] <- NA
  out[, unknown] <- NA
  (out + t(out)) / 2
}

# With names, and variances in place of their logarithms (delta method).
named_covariance <- function(model, covariance) {
  index <- parameter_index(model)
  by <- rep(1, length(index$kind))
  by[index$kind == "dispersion"] <- model$parameters$dispersion
  out <- covariance * outer(by, by)
  names <- names(coef(model))
  dimnames(out) <- list(names, names)
  out
}

# Parameters that the data determine: those of aliased columns are not free, and those that LASSO has
# set to 0 neither.
count_free <- function(model) {
  count <- count_coefficients(model)
  sum(count$expert, count$gate) + if (has_dispersion(model)) model$K else 0L
}

# Free coefficients of every column of experts and gates. Of a column's K gates, the last of which is 0,
# LASSO makes some equal to each other.
count_coefficients <- function(model) {
  p <- model$parameters
  lambda <- if (is_sparse(model$record)) model$record$lambda else c(expert = 0, gate = 0)
  out <- list(expert = rep(ncol(p$beta), nrow(p$beta)), gate = rep(ncol(p$alpha), nrow(p$alpha)))
  if (lambda[["expert"]] > 0) out$expert <- rowSums(p$beta != 0)
  if (lambda[["gate"]] > 0) {
    out$gate <- apply(cbind(p$alpha, 0), 1, function(v) model$K - max(table(match(v, v))))
  }
  for (part in names(out)) {
    columns <- model$schema[[part]]$columns
    names(out[[part]]) <- columns
    out[[part]][columns %in% model$record$aliased[[part]]] <- 0
  }
  out
}
