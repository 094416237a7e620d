# Standard errors of predictions, by the delta method: the exact derivatives of a prediction in the coefficients
# are columns of the design times a weight for each expert and gate. Variances matter to posteriors only.

# For every prediction (a column of `type`) the standard errors of the complete rows: n x columns.
prediction_errors <- function(object, design, type, covariance) {
  covariance <- with_aliased_held(object, covariance)
  vapply(prediction_gradients(object, design, type), function(gradient) {
    used <- colSums(gradient != 0) > 0  # so that what is NA matters only where it is looked at
    part <- gradient[, used, drop = FALSE]
    sqrt(pmax(rowSums((part %*% covariance[used, used, drop = FALSE]) * part), 0))
  }, numeric(nrow(design$x)))
}

# What the data do not determine is held, as in lm().
with_aliased_held <- function(object, covariance) {
  aliased <- !names(coef(object)) %in% names(coef(object, complete = FALSE))
  aliased <- aliased & is.na(diag(covariance))
  covariance[aliased, ] <- covariance[, aliased] <- 0
  covariance
}

# For every prediction its derivatives in coef(), n x parameters.
prediction_gradients <- function(object, design, type) {
  ones <- function(m) if (isTRUE(design$add_intercept)) cbind(1, m) else m
  x <- ones(design$x)
  z <- ones(design$z)
  parts <- if (type == "posterior") posterior_weights(object, design)
           else prediction_weights(object, core_predict(design, core_model(object), "gate"),
             core_predict(design, core_model(object), "expert"), type)
  dispersion <- if (has_dispersion(object)) matrix(0, nrow(x), object$K)
  lapply(parts, function(weight) {
    blocks <- c(lapply(seq_len(ncol(weight$expert)), function(j) weight$expert[, j] * x),
      lapply(seq_len(ncol(weight$gate)), function(j) weight$gate[, j] * z))
    cbind(do.call(cbind, blocks), if (is.null(weight$dispersion)) dispersion else weight$dispersion)
  })
}

# Of the posteriors r_k the derivatives in the linear predictors and variances: with the scores of log(pi_j f_j),
# d r_k = r_k (score_k - sum_j r_j score_j).
posterior_weights <- function(object, design) {
  core <- core_model(object)
  K <- object$K
  r <- core_predict(design, core, "posterior")
  means <- core_predict(design, core, "expert")
  y <- response_indicators(design$y, object$schema)
  if (has_many_classes(object)) y <- y[, -1, drop = FALSE]
  parts <- count_parts(object$schema)
  own <- rep(seq_len(K), each = parts)
  precision <- 1 / unname(object$parameters$dispersion)
  gap <- (if (is.matrix(y)) y[, rep(seq_len(parts), K), drop = FALSE] else y) - means
  score <- gap * rep(precision[own], each = nrow(r))
  spread <- if (has_dispersion(object)) {
    (gap^2 * rep(precision, each = nrow(r)) - 1) / 2 * rep(precision, each = nrow(r))
  }
  lapply(seq_len(K), function(k) {
    share <- r[, k] * (rep(seq_len(K) == k, each = nrow(r)) - r)  # d r_k / d log(pi_j f_j)
    list(expert = share[, own, drop = FALSE] * score, gate = share[, -K, drop = FALSE],
      dispersion = if (!is.null(spread)) share * spread)
  })
}

# Of every prediction the derivatives in the linear predictors: `expert` (n x K (C - 1)) and `gate` (n x (K - 1)).
prediction_weights <- function(object, gate, means, type) {
  K <- object$K
  none <- matrix(0, nrow(gate), K - 1L)
  of_gate <- function(value) {
    if (K == 1) return(none)
    gate[, -K, drop = FALSE] * (value[, -K, drop = FALSE] - rowSums(gate * value))
  }
  flat <- matrix(0, nrow(gate), ncol(object$parameters$beta))
  if (type == "gate") {
    return(lapply(seq_len(K), function(k) {
      list(expert = flat, gate = of_gate(matrix(as.numeric(col(gate) == k), nrow(gate))))
    }))
  }
  slopes <- mean_slopes(object, means)
  out <- list()
  for (value in slopes) {
    one <- function(k) {
      weight <- flat
      own <- (k - 1L) * count_parts(object$schema) + seq_len(count_parts(object$schema))
      weight[, own] <- value$slope[, own]
      list(expert = weight, gate = none)
    }
    if (type == "expert") out <- c(out, lapply(seq_len(K), one))
    else {
      parts <- rep(seq_len(K), each = count_parts(object$schema))
      out <- c(out, list(list(expert = gate[, parts, drop = FALSE] * value$slope, gate = of_gate(value$mean))))
    }
  }
  out
}

# Of y, or of every class's indicator: the experts' means (n x K) and their derivatives in the linear predictors.
mean_slopes <- function(object, means) {
  if (has_many_classes(object)) {
    labels <- object$schema$labels
    all <- all_classes(means, object$K, labels)
    return(lapply(seq_along(labels), function(j) {
      slope <- lapply(seq_len(object$K), function(k) {
        vapply(seq_along(labels)[-1], function(b) all[, k, j] * ((b == j) - all[, k, b]), numeric(nrow(means)))
      })
      list(mean = matrix(all[, , j], nrow(means)), slope = matrix(unlist(slope), nrow(means)))
    }))
  }
  list(list(mean = means, slope = family_traits(object)$slope(means)))
}

# Means of counts are positive, those of classes also below 1.
within_range <- function(object, v) {
  ends <- family_traits(object)$range
  pmin(pmax(v, ends[1]), ends[2])
}

# list(fit, se.fit), as stats::predict.lm() gives it. Rows that are not complete: NA.
with_errors <- function(object, newdata, type, fit, own, covariance, size = block_rows) {
  interval <- type == "interval"
  if (interval) type <- "response"
  if (!type %in% c("response", "expert", "gate", "posterior")) {
    input_error("{.code se.fit = TRUE} is for {.code type = \"response\"}, {.val expert}, {.val gate} and
      {.val posterior}, not for {.code type = \"{type}\"}.")
  }
  covariance <- if (is.null(covariance)) stats::vcov(object) else given_covariance(object, covariance)
  design <- design_new(object$schema, newdata, type == "posterior")
  errors <- matrix(NA_real_, length(design$complete), max(1, length(prediction_columns(object, type))))
  complete <- which(design$complete)
  for (rows in if (length(complete)) row_blocks(length(complete), size)) {
    errors[complete[rows], ] <- prediction_errors(object, take_rows(design, rows), type, covariance)
  }
  if (own) errors <- pad_rows(errors, newdata)
  if (interval) return(list(fit = fit, se.fit = errors[, 1]))
  dim(errors) <- dim(fit)
  dimnames(errors) <- dimnames(fit)
  list(fit = fit, se.fit = errors)
}
