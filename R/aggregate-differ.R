# Is one model for all what the sites say? A test from their messages alone, for prints and as advice.

differ_settings <- list(
  rows = 10,       # of every expert and column of it: with less an estimate is not normal enough
  usual = 0.95,    # a site that is further off than so many counts as if it were there: it may be in a poor mode
  level = 0.005    # of the test
)

# list(sites, Q, df, p, gain, differ), or NULL where messages do not tell: see the help of moe_aggregate().
test_homogeneity <- function(models, order) {
  if (is.null(order) || anyNA(order)) return(NULL)
  told <- vapply(models, can_be_tested, NA)
  if (sum(told) < 2) return(NULL)
  models <- models[told]
  order <- order[, told, drop = FALSE]
  first <- models[[1]]
  moved <- colSums(order != seq_len(first$K)) > 0
  if (any(moved) && has_gate_offset(first)) return(NULL)
  weight <- vapply(models, function(m) m$weight, 0)
  common <- first$information$scaling  # any will do
  columns <- length(first$schema$expert$columns)
  rows <- vapply(models, fewest_rows, 0)
  # The curvature takes an expert's variance for known and too small; t has heavier tails than the normal.
  known <- 1 - (columns + 3) / rows
  estimates <- Map(function(m, at, moved, known) c(site_estimate(m, common, at, moved), list(weight = known)), models,
    lapply(seq_along(models), function(m) order[, m]), moved, known)
  distance <- cpp_site_distances(unname(estimates), parameter_blocks(first, common))
  if (!length(distance)) return(NULL)
  parameters <- length(estimates[[1]]$at)
  usual <- stats::qchisq(differ_settings$usual, parameters)
  statistic <- sum(pmin(distance, usual))
  df <- (length(models) - 1) * parameters
  p <- stats::pchisq(statistic, df, lower.tail = FALSE)
  list(sites = names(models), Q = statistic, df = df, p = p,
    gain = max(0, sum(distance) - df) / 2 / sum(weight), differ = p < differ_settings$level)
}

can_be_tested <- function(model) {
  i <- model$information
  # Of units it is not rows that count.
  if (length(model$schema$group)) return(FALSE)
  if (is.null(i) || is_sparse(model$record) || any(i$empty) || any(i$at_floor)) return(FALSE)
  if (any(i$scaling$x$aliased) || any(i$scaling$z$aliased) || isTRUE(any(model$record$degenerate))) return(FALSE)
  widest <- max(length(model$schema$expert$columns), length(model$schema$gate$columns))
  isTRUE(fewest_rows(model) >= differ_settings$rows * widest * count_parts(model$schema))
}

# Rows of the smallest expert.
fewest_rows <- function(model) if (model$K == 1) model$weight else min(model$share) * model$weight

site_estimate <- function(model, common, order, moved) {
  information <- model$information
  if (moved) {
    information <- relabel_information(information, order, model)
    model$parameters <- relabel_parameters(model$parameters, order)
  }
  own <- information$scaling
  units <- if (has_dispersion(model)) common$y_scale / own$y_scale else 1
  part <- function(to, from, units) {
    shift <- if (from$intercept > 0) units * (to$centre - from$centre) / from$scale else numeric(length(from$scale))
    shift[from$intercept] <- 0
    size <- units * to$scale / from$scale
    size[from$intercept] <- units
    list(size = size, shift = shift)
  }
  x <- part(own$x, common$x, units)
  z <- part(own$z, common$z, 1)
  experts <- ncol(model$parameters$beta)
  last <- if (has_dispersion(model)) model$K else 0L
  all <- function(field, rest) c(rep(x[[field]], experts), rep(z[[field]], model$K - 1L), rep(rest, last))
  list(curvature = information$curvature, at = scaled_parameters(model, common), size = all("size", 1),
    shift = all("shift", 0))
}

# A column each: place from 0, size, the intercept's place within it or -1.
parameter_blocks <- function(model, scaling) {
  p <- length(scaling$x$scale)
  q <- length(scaling$z$scale)
  experts <- ncol(model$parameters$beta)
  gates <- model$K - 1L
  last <- if (has_dispersion(model)) model$K else 0L
  size <- c(rep(p, experts), rep(q, gates), rep(1L, last))
  intercept <- c(rep(scaling$x$intercept, experts), rep(scaling$z$intercept, gates), rep(0L, last)) - 1L
  matrix(as.integer(rbind(cumsum(size) - size, size, intercept)), 3)
}

homogeneity_line <- function(x) {
  t <- x$homogeneity
  if (is.null(t)) return(invisible())
  test <- paste0("chi-squared ", format(t$Q, digits = 4), " on ", t$df, " df, p ",
    if (t$p < 1e-4) "< 0.0001" else paste("=", format(t$p, digits = 2)))
  cat(strwrap(if (t$differ) {
    paste0("The sites differ (", test, "): models of their own would gain some ", format(t$gain, digits = 2),
      " of log-likelihood a row. moe_hierarchy() makes them, drawn to each other where rows say little.")
  } else paste0("No difference between sites beyond chance (", test, ")."), 100, exdent = 2), sep = "\n")
}
