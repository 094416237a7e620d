# Standard errors of predictions, by the delta method: the exact derivatives of a prediction in the coefficients
# are columns of the design times a weight for each expert and gate. Variances do not matter to means.

# For every prediction (a column of `type`) the standard errors of the complete rows: n x columns.
prediction_errors <- function(object, design, type, covariance) {
  aliased <- vapply(names(coef(object)), function(name) is.na(covariance[name, name]), NA)
  aliased <- aliased & !names(coef(object)) %in% names(coef(object, complete = FALSE))
  # What the data do not determine is held, as in lm().
  covariance[aliased, ] <- covariance[, aliased] <- 0
  ones <- function(m) if (isTRUE(design$add_intercept)) cbind(1, m) else m
  x <- ones(design$x)
  z <- ones(design$z)
  gate <- core_predict(design, core_model(object), "gate")
  parts <- prediction_weights(object, gate, core_predict(design, core_model(object), "expert"), type)
  vapply(parts, function(weight) {
    blocks <- c(lapply(seq_len(ncol(weight$expert)), function(j) weight$expert[, j] * x),
      lapply(seq_len(ncol(weight$gate)), function(j) weight$gate[, j] * z))
    gradient <- do.call(cbind, blocks)
    at <- seq_len(ncol(gradient))
    used <- colSums(gradient != 0) > 0  # so that what is NA matters only where it is looked at
    part <- gradient[, used, drop = FALSE]
    sqrt(pmax(rowSums((part %*% covariance[at, at][used, used, drop = FALSE]) * part), 0))
  }, numeric(nrow(gate)))
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
with_errors <- function(object, newdata, type, fit, own, size = block_rows) {
  interval <- type == "interval"
  if (interval) type <- "response"
  if (!type %in% c("response", "expert", "gate")) {
    input_error("{.code se.fit = TRUE} is for {.code type = \"response\"}, {.val expert} and {.val gate}, not for
      {.code type = \"{type}\"}.")
  }
  covariance <- stats::vcov(object)
  design <- design_new(object$schema, newdata)
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
