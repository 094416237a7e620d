# Could an information matrix be that of n rows at this model?

# Whole numbers beyond are not exact, so no count is larger; rates with room above.
largest_rate <- 1e20

# By how much a matrix whose largest possible elements are 1, and whose largest is `largest`, may fail to be positive
# semi-definite: by nothing where theory says that it is, by little where the fit converged (to tolerances), and
# elsewhere by the missing information of Louis' identity, which may outweigh the rest in some directions. (Of 3,500
# fits of all families to few rows, none was below -0.008, or -0.032 without convergence.)
indefinite_slack <- function(model, largest) {
  converged <- isTRUE(model$record$converged)
  if (model$K == 1 && (converged || !has_dispersion(model))) 1e-7 * largest
  else if (converged) min(0.02, 0.2 * largest)
  else min(0.3, 2 * largest)
}

check_information <- function(model, at) {
  information <- model$information
  if (information$rows > model$n) bad_field(field_at(at, "rows"), "must be `n` or less, ", format(model$n, digits = 15))
  if (information$weight > model$weight * (1 + 1e-6)) {
    bad_field(field_at(at, "weight"), "must be that of the model or less, ", format(model$weight, digits = 7))
  }
  here <- field_at(at, "curvature")
  curvature <- information$curvature
  most <- most_information(model)
  size <- diag(curvature)
  large <- which(size > most * (1 + 1e-6))
  if (length(large)) {
    bad_field(here, "says more than ", format_big(information$rows), " rows can: element ", large[1],
      " of its diagonal is ", shown_json(size[large[1]]), ", and ", format(most[large[1]], digits = 3), " the most")
  }
  root <- sqrt(pmin(most, common_size(model, size)))
  scaled <- curvature / outer(root, root)
  check_semidefinite(scaled, here, indefinite_slack(model, max(diag(scaled))))
}

# The most that any diagonal element can be. Of Louis' identity, -H = sum_i w_i ( sum_k r_ik (-H_ik) - Cov_r(s_ik) )
# plus what the penalty adds, the covariance only takes away, and columns are standardised: sum_i w_i x_ij^2 is
# the sum of the weights W. So the elements are at most W times the largest variance of a response in units of
# the dispersion (1 / 4 for classes, times the trials of a row); for gates W / 4; and for a log variance the sum of
# the squared residuals, sum_i w_i e_i^2 <= 2 W (1 + p |b|^2), by twice the variance.
most_information <- function(model) {
  index <- parameter_index(model)
  information <- model$information
  W <- information$weight
  p <- cpp_to_internal(core_model(model), information$scaling)
  top <- family_traits(model)$top_variance * (if (is.null(information$trials)) 1 else information$trials)
  variance <- (if (is.finite(top)) top else largest_rate) / p$dispersion
  beta <- matrix(p$beta, ncol = model$K)
  residual <- if (has_location_scale(model)) (1 + nrow(p$beta) * colSums(beta^2)) / p$dispersion
              else rep(largest_rate, model$K)
  added <- penalty_information(model, p$dispersion)
  of_kind <- list(expert = W * variance + added$expert, gate = rep(W / 4 + added$gate, model$K),
    dispersion = W * residual + added$dispersion)
  vapply(seq_along(index$kind), function(i) of_kind[[index$kind[i]]][index$owner[i]], 0)
}

# What the priors and the ridge that the record tells of add, see Penalty in src/core/fit/penalty.h.
penalty_information <- function(model, dispersion) {
  r <- model$record
  value <- function(name, default) if (is.null(r[[name]]) || anyNA(r[[name]])) default else r[[name]]
  ridge <- (1 - value("l1_share", 1)) * model$information$weight * value("lambda", c(expert = 0, gate = 0))
  spread <- value("variance_prior", 0) / model$information$weight * model$information$scaling$y_residual
  list(expert = value("expert_ridge", 0) + ridge[["expert"]], gate = value("gate_ridge", 1e-4) + ridge[["gate"]],
    dispersion = spread / dispersion)
}

# Of responses whose variance has no bound (counts): the largest element that the experts have, or their dispersions.
common_size <- function(model, size) {
  out <- rep(Inf, length(size))
  if (is.finite(family_traits(model)$top_variance)) return(out)
  for (kind in c("expert", "dispersion")) {
    of_kind <- parameter_index(model)$kind == kind
    if (any(size[of_kind] != 0)) out[of_kind] <- max(abs(size[of_kind]))
  }
  out
}
