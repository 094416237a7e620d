# Standard errors of predictions, by the delta method: the exact derivatives of a prediction in the coefficients
# are columns of the design times a weight for each expert and gate. Variances matter to posteriors only.

# For every prediction (a column of `type`) the standard errors of the complete rows: n x columns.
prediction_errors <- function(object, design, type, covariance) {
  out <- vapply(prediction_gradients(object, design, type), function(gradient) {
    used <- colSums(gradient != 0) > 0  # so that what is NA matters only where it is looked at
    part <- gradient[, used, drop = FALSE]
    sqrt(pmax(rowSums((part %*% covariance[used, used, drop = FALSE]) * part), 0))
  }, numeric(nrow(design$x)))
  matrix(out, nrow(design$x))
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
  traits <- family_traits(object)
  dispersion <- unname(object$parameters$dispersion)
  score <- (if (is.matrix(y)) y[, rep(seq_len(parts), K), drop = FALSE] else y) - means
  if (has_dispersion(object)) score <- score * traits$slope(means) / traits$variance(means, dispersion)
  score <- score * count_trials(design)
  spread <- if (has_dispersion(object)) {
    traits$dispersion_slope(y, means, dispersion) / rep(dispersion, each = nrow(r))
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

# Predictions for the rows of a design, n x columns.
design_values <- function(design, object, type) {
  if (type == "response") return(as.matrix(response_means(design, object)))
  out <- core_predict(design, core_model(object), type)
  if (type != "expert" || !has_many_classes(object)) return(out)
  matrix(all_classes(out, object$K, object$schema$labels), nrow(out))
}

# Means of counts are positive, those of classes and all probabilities also below 1.
within_range <- function(object, v, type = "response") {
  ends <- if (type %in% c("gate", "posterior")) c(0, 1) else family_traits(object)$range
  pmin(pmax(v, ends[1]), ends[2])
}

error_types <- c("response", "expert", "gate", "posterior")

# list(fit, se.fit, lwr, upr), each in the form of `fit`. Rows that are not complete: NA. `asked`: list(vcov, method,
# level).
with_errors <- function(object, newdata, type, fit, own, asked, size = block_rows) {
  interval <- type == "interval"
  if (interval) type <- "response"
  if (!type %in% error_types) {
    input_error("{.code se.fit = TRUE} is for {.code type = \"response\"}, {.val expert}, {.val gate} and
      {.val posterior}, not for {.code type = \"{type}\"}.")
  }
  covariance <- if (is.null(asked$vcov)) stats::vcov(object) else given_covariance(object, asked$vcov)
  covariance <- with_aliased_held(object, covariance)
  design <- design_new(object$schema, newdata, type == "posterior")
  work <- if (asked$method == "delta") function(rows) list(se.fit = prediction_errors(object, rows, type, covariance))
          else simulated_errors(object, type, covariance, asked$level)
  if (asked$method != "delta") size <- simulated_rows
  out <- list()
  complete <- which(design$complete)
  for (rows in if (length(complete)) row_blocks(length(complete), size)) {
    found <- work(take_rows(design, rows))
    for (part in names(found)) {
      if (is.null(out[[part]])) out[[part]] <- matrix(NA_real_, length(design$complete), ncol(found[[part]]))
      out[[part]][complete[rows], ] <- found[[part]]
    }
  }
  if (!length(out)) out$se.fit <- matrix(NA_real_, length(design$complete), NCOL(fit))
  if (own) out <- lapply(out, pad_rows, newdata)
  if (interval) return(list(fit = fit, se.fit = out$se.fit[, 1]))
  out <- lapply(out, function(v) {
    dim(v) <- dim(fit)
    dimnames(v) <- dimnames(fit)
    v
  })
  if (is.null(out$lwr)) {
    half <- stats::qt((1 + asked$level) / 2, if (is.null(asked$vcov)) covariance_df(object) else Inf) * out$se.fit
    out$lwr <- within_range(object, fit - half, type)
    out$upr <- within_range(object, fit + half, type)
  }
  c(list(fit = fit), out)
}

simulated_draws <- 1000
simulated_rows <- 1000

# A function of a design: standard deviations and quantiles of the predictions of models whose coefficients are drawn
# from a normal distribution, those of variances as logarithms. All rows have the same draws.
simulated_errors <- function(object, type, covariance, level) {
  if (anyNA(covariance)) {
    no_covariance("Some coefficients have no standard errors, so that they can't be drawn.",
      i = "{.code method = \"delta\"} gives errors of what does not depend on them.")
  }
  at <- parameter_index(object)$kind == "dispersion"
  by <- replace(rep(1, length(at)), at, 1 / object$parameters$dispersion)
  parts <- eigen(covariance * outer(by, by), symmetric = TRUE)
  root <- parts$vectors %*% (sqrt(pmax(parts$values, 0)) * t(parts$vectors))
  noise <- root %*% matrix(stats::rnorm(length(at) * simulated_draws), length(at))
  models <- lapply(seq_len(simulated_draws), function(i) {
    theta <- coef(object)
    theta[!at] <- theta[!at] + noise[!at, i]
    theta[at] <- theta[at] * exp(noise[at, i])
    object$parameters <- parameters_at(object, theta)
    object
  })
  function(design) {
    values <- vapply(models, function(model) as.vector(design_values(design, model, type)),
      as.vector(design_values(design, object, type)))
    values <- matrix(values, ncol = simulated_draws)
    form <- function(v) matrix(v, nrow(design$x))
    ends <- apply(values, 1, stats::quantile, c(1 - level, 1 + level) / 2, names = FALSE)
    list(se.fit = form(apply(values, 1, stats::sd)), lwr = form(ends[1, ]), upr = form(ends[2, ]))
  }
}
