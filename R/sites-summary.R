# What a site may tell of its x beside its model: means and covariances, no rows. Support points are drawn
# from it, and it says where a site's model may be asked.

# The words of `share` in moe_sites().
check_share <- function(share) {
  known <- c("x", "moments", "gates")
  if (is.null(share)) return(character())
  unknown <- setdiff(share, known)
  if (!is.character(share) || length(unknown)) {
    input_error("{.arg share} must be NULL or some of {.val {known}}, not {show_value(share)}.")
  }
  unique(share)
}

# What a fitted site shares: a list with some of `x`, `moments` and `gates`; `start`: the common start.
site_shares <- function(model, design, data, share, start, control) {
  out <- list()
  threads <- core_control(control, start)$threads
  if ("x" %in% share) out$x <- x_summary(data, model$schema, design)
  if ("moments" %in% share) {
    if (!family_traits(model)$moments) {
      input_error("{.code share = \"moments\"} is for Gaussian experts; the family is
        {.val {model$family$family}}.")
    }
    out$moments <- cpp_expert_moments(design, core_model(model), threads)
  }
  if ("gates" %in% share && start$K > 1) {
    out$gates <- cpp_gate_shares(design, core_model(model), unname(start$parameters$alpha), threads)
  }
  out
}

# Mean and covariance of the numeric variables, frequencies of the others, over the rows of the fit.
x_summary <- function(data, schema, design) {
  if (length(design$na.action)) data <- data[-design$na.action, , drop = FALSE]
  weight <- if (is.null(design$weight)) rep(1, nrow(data)) else design$weight
  types <- vapply(schema$variables, function(v) v$type, "")
  types <- types[names(types) %in% names(data)]
  x <- vapply(names(types)[types == "numeric"], function(v) as.numeric(data[[v]]), numeric(nrow(data)))
  x <- matrix(x, nrow(data), dimnames = list(NULL, names(types)[types == "numeric"]))
  moments <- if (ncol(x)) stats::cov.wt(x, weight / sum(weight), method = "ML")
  labels <- names(types)[types != "numeric"]
  list(n = sum(weight), mean = moments$center, covariance = moments$cov,
    frequencies = lapply(stats::setNames(labels, labels), function(v) {
      levels <- variable_levels(schema$variables[[v]])
      count <- tapply(weight, factor(as.character(data[[v]]), levels), sum, default = 0)
      stats::setNames(as.numeric(count) / sum(weight), levels)
    }))
}

# ---- points drawn from summaries -----------------------------------------------------------------

# `n` points, from every site in proportion to its rows (one at least).
draw_points <- function(sites, n) {
  sites <- as_sites(sites)
  n <- check_count(n, "n")
  summaries <- lapply(sites$models, function(m) m$shared$x)
  lacks <- names(summaries)[vapply(summaries, is.null, NA)]
  if (length(lacks)) {
    input_error("Points can't be drawn: site{?s} {.val {shown_names(lacks)}} share{?s/} no summary of x.",
      i = "Fit the sites with {.code moe_sites(..., share = \"x\")}.")
  }
  schema <- sites$schema
  missing <- setdiff(schema$needs, names(schema$variables))
  if (length(missing)) {
    input_error("Points can't be drawn: the formulas need {.val {missing}}, of which the sites keep no
      summary.")
  }
  size <- vapply(summaries, function(s) s$n, 0)
  count <- pmax(1, round(n * size / sum(size)))
  parts <- Map(function(s, k, site) draw_complete(s, k, schema, site), summaries, count, names(summaries))
  list(x = do.call(rbind, unname(parts)), site = rep(names(summaries), count))
}

# Normal draws may lie where a formula has no value, log(x) at x < 0: these are drawn anew.
draw_complete <- function(summary, n, schema, site) {
  points <- draw_x(summary, n, schema)
  some <- FALSE
  for (attempt in 1:50) {
    bad <- which(!can_evaluate(points, schema))
    if (!length(bad)) return(points)
    some <- some || length(bad) < nrow(points)
    if (!some && attempt == 3) break
    points[bad, ] <- draw_x(summary, length(bad), schema)
  }
  input_error("Points can't be drawn for site {.val {shown_text(site)}}: the formulas have no value at most draws
    from its summary of x.", i = "Leave the site out, or give rows as {.arg support}.")
}

# Where a value is infinite or too large the rows are looked at one by one, and first so many: if none has a value
# it is not worth while.
looked_at_first <- 40

can_evaluate <- function(points, schema) {
  suppressWarnings({
    complete <- function(rows) {
      tryCatch(design_new(schema, points[rows, , drop = FALSE])$complete, moe_input_error = function(e) NULL)
    }
    n <- nrow(points)
    all <- complete(seq_len(n))
    if (!is.null(all)) return(all)
    one <- function(row) isTRUE(complete(row))
    first <- evenly(n, looked_at_first)
    out <- logical(n)
    out[first] <- vapply(first, one, NA)
    if (any(out)) out[-first] <- vapply(seq_len(n)[-first], one, NA)
    out
  })
}

draw_x <- function(summary, n, schema) {
  numeric <- names(summary$mean)
  root <- eigen(as.matrix(summary$covariance), symmetric = TRUE)
  scale <- sqrt(pmax(root$values, 0))
  z <- matrix(stats::rnorm(n * length(numeric)), n)
  x <- sweep(z %*% (scale * t(root$vectors)), 2, summary$mean, "+")
  out <- lapply(seq_along(numeric), function(j) as_like(x[, j], schema$variables[[numeric[j]]]))
  names(out) <- numeric
  for (v in names(summary$frequencies)) {
    p <- summary$frequencies[[v]]
    drawn <- sample(names(p), n, TRUE, p)
    out[[v]] <- if (schema$variables[[v]]$type == "logical") drawn == "TRUE" else factor(drawn, names(p))
  }
  if (schema$kind == "matrix") return(do.call(cbind, out))
  as.data.frame(out, optional = TRUE)
}

# ---- where a site's model may be asked -------------------------------------------------------------

# S x M: n_m p_m(x_s), rows scaled to sum 1. p_m is normal in the numeric variables and takes the others as
# independent, with a little of the pooled frequencies and variances, so that none is 0.
density_weights <- function(models, points) {
  summaries <- lapply(models, function(m) m$shared$x)
  if (NROW(points) * length(models) > 2e8) {
    input_error("{.code weights = \"density\"} needs {length(models)} numbers at each of {NROW(points)}
      support points, more than fit into memory.", i = "Take fewer points.")
  }
  size <- vapply(summaries, function(s) s$n, 0)
  pooled <- pooled_summary(summaries, size)
  log_weight <- vapply(summaries, function(s) log(s$n) + x_log_density(s, points, pooled),
    numeric(NROW(points)))
  log_weight <- matrix(log_weight, NROW(points))
  top <- apply(log_weight, 1, max)
  weight <- exp(log_weight - top)
  unname(weight / rowSums(weight))
}

pooled_summary <- function(summaries, size) {
  share <- size / sum(size)
  mean_of <- function(of) Reduce(`+`, Map(function(s, w) w * of(s), summaries, share))
  mean <- mean_of(function(s) s$mean)
  list(variance = mean_of(function(s) diag(as.matrix(s$covariance)) + (s$mean - mean)^2),
    frequencies = lapply(stats::setNames(nm = names(summaries[[1]]$frequencies)), function(v) {
      mean_of(function(s) s$frequencies[[v]])
    }))
}

x_log_density <- function(summary, points, pooled) {
  numeric <- names(summary$mean)
  out <- numeric(NROW(points))
  column <- function(v) if (is.matrix(points)) points[, v] else points[[v]]
  if (length(numeric)) {
    gap <- t(vapply(numeric, function(v) as.numeric(column(v)) - summary$mean[[v]], out))
    root <- chol(summary$covariance + diag(1e-6 * pooled$variance + 1e-300, length(numeric)))
    gap <- backsolve(root, matrix(gap, length(numeric)), transpose = TRUE)
    out <- -0.5 * colSums(gap^2) - sum(log(diag(root)))
  }
  for (v in names(summary$frequencies)) {
    p <- (summary$n * summary$frequencies[[v]] + pooled$frequencies[[v]]) / (summary$n + 1)
    out <- out + log(p[as.character(column(v))])
  }
  unname(out)
}
