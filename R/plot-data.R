# What plots show, as numbers: plot() and autoplot() draw them.

# The kinds of plots that a model has something for.
plot_kinds <- function(x) {
  searched <- length(x$record$objective) || length(x$aggregation$objective)
  c("experts", if (x$K > 1) "gates", if (searched) "convergence",
    if (has_searched(x$record$search)) "search", if (!is.null(x$aggregation$mass)) "plan")
}

check_plot_kind <- function(which, kinds) {
  if (!is.character(which) || length(which) != 1 || !which %in% kinds) {
    input_error("{.arg which} must be among {.val {kinds}} for this model, not {show_value(which)}.")
  }
}

plot_class <- function(x, class) {
  labels <- if (x$family$family == "multinomial") x$schema$labels
  if (is.null(class)) return(labels[length(labels)])
  if (is.null(labels)) input_error("{.arg class} is for multinomial experts.")
  check_choice(class, labels, "class")
}

# Colours that stay apart for colour-blind readers (Okabe and Ito), then hues.
expert_colours <- function(K) {
  base <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
  if (K <= length(base)) base[seq_len(K)] else grDevices::hcl.colors(K, "Dark 3")
}

# The variables of a gating formula of its own: along the others the gates are flat.
gate_variables <- function(x) {
  named <- if (x$schema$kind == "matrix") x$schema$gate$columns else all.vars(x$schema$gating)
  named <- intersect(names(x$schema$variables), named)
  if (length(named)) utils::head(named, 6)
}

# Experts ("expert") or gates ("gate") along variables: a list of curves, named by variable.
plot_curves <- function(x, variable, data, what, class = NULL) {
  if (is.null(variable) && what == "gate" && !x$schema$same) variable <- gate_variables(x)
  described <- plot_variables(x, variable, data)
  curve <- function(name) {
    grid <- plot_grid(x, name, described[[name]], data)
    out <- list(value = grid_values(grid, name), gate = predict(x, grid, "gate"))
    if (what == "expert") c(out, expert_curve(x, name, grid, out$gate, data, class)) else out
  }
  lapply(stats::setNames(names(described), names(described)), curve)
}

# Experts' means, the mixture's, the response's name, up to 2000 rows as points (of `rows`) and limits
# for the response.
expert_curve <- function(x, name, grid, gate, data, class) {
  mean <- predict(x, grid, "expert")
  mixture <- predict(x, grid)
  response <- x$schema$response
  if (!is.null(class)) {
    mean <- matrix(mean[, , class], ncol = x$K)
    mixture <- mixture[, class]
    response <- paste0("P(", response, " = ", class, ")")
  }
  y <- if (!is.null(data) && response %in% names(data)) data[[response]]
  points <- NULL
  if (is.numeric(y)) {
    some <- if (length(y) > 2000) round(seq(1, length(y), length.out = 2000)) else seq_along(y)
    points <- data.frame(row = some, value = as.numeric(data[[name]])[some], y = y[some])
  }
  # Lines of experts that are hardly ever asked here must not set the scale.
  list(mean = mean, mixture = mixture, label = response, points = points, rows = length(y),
    limits = range(mean[gate > 0.05], mixture, points$y, na.rm = TRUE))
}

plot_variables <- function(x, variable, data) {
  known <- x$schema$variables
  if (!length(known)) {
    input_error("The model has no numeric or factor variable to draw along.")
  }
  if (is.null(variable)) variable <- utils::head(names(known), 6)
  unknown <- setdiff(variable, names(known))
  if (length(unknown)) {
    input_error("{.arg variable} {.val {unknown}} is not in the model.",
      i = "It has {.val {names(known)}}.")
  }
  if (!is.null(data) && !is.data.frame(data)) {
    input_error("{.arg data} must be a data frame, not {.obj_type_friendly {data}}.")
  }
  known[variable]
}

# Rows at which a variable runs over its range (mean +- 2 standard deviations, or the data's range)
# and the others stay at a typical value.
plot_grid <- function(x, name, described, data) {
  range <- if (described$type == "factor") {
    factor(described$levels, described$levels)
  } else if (described$type == "logical") {
    c(FALSE, TRUE)
  } else if (!is.null(data) && is.numeric(data[[name]])) {
    seq(min(data[[name]], na.rm = TRUE), max(data[[name]], na.rm = TRUE), length.out = 101)
  } else {
    described$mean + described$sd * seq(-2, 2, length.out = 101)
  }
  grid <- lapply(x$schema$variables, function(v) {
    rep(switch(v$type, factor = factor(v$mode, v$levels), logical = v$mode, as_like(v$mean, v)),
      length(range))
  })
  grid[[name]] <- if (described$type == "numeric") as_like(as.numeric(range), described) else range
  lacks <- setdiff(x$schema$needs, names(grid))
  if (length(lacks) && is.null(data)) {
    input_error("The model keeps no typical value of {.val {lacks}}.", i = "Give {.arg data}.")
  }
  for (v in lacks) grid[[v]] <- rep(data[[v]][1], length(range))
  grid <- as.data.frame(grid, optional = TRUE)
  if (x$schema$kind == "matrix") return(matrix_grid(x, grid))
  drawable(x, grid)
}

# A number as the class that the variable had (dates, times).
as_like <- function(value, described) {
  attributes(value) <- described$like
  value
}

# The rows at which the formulas can be evaluated: log(x) has no value at x < 0.
drawable <- function(x, grid) {
  works <- function(rows) {
    tryCatch(length(predict(x, grid[rows, , drop = FALSE])) > 0, error = function(e) FALSE,
      warning = function(w) FALSE)
  }
  if (works(seq_len(nrow(grid)))) return(grid)
  keep <- vapply(seq_len(nrow(grid)), works, NA)
  if (!any(keep)) input_error("The formulas can't be evaluated at typical values of the variables.",
    i = "Give {.arg data}, whose ranges are then used.")
  grid[keep, , drop = FALSE]
}

matrix_grid <- function(x, grid) {
  pick <- function(part) as.matrix(grid[x$schema[[part]]$columns[-1]])
  list(x = pick("expert"), z = pick("gate"), along = grid)
}

grid_values <- function(grid, name) if (is.data.frame(grid)) grid[[name]] else grid$along[[name]]

# The objective after every step, with words for the axes.
objective_path <- function(x) {
  aggregate <- !is.null(x$aggregation)
  objective <- if (aggregate) x$aggregation$objective else x$record$objective
  kind <- if (aggregate) c("start", rep("MM", length(objective) - 1)) else x$record$steps
  list(steps = data.frame(step = seq_along(objective) - 1, objective = objective, kind = kind),
    falls = aggregate, xlab = if (aggregate) "MM step" else "step (on all rows)",
    ylab = if (aggregate) "transport divergence (11)" else "",
    title = if (aggregate) "Reduction" else "Log-likelihood less the priors")
}

# Was there anything to search for?
has_searched <- function(search) !is.null(search) && search$runs > 1

# The best maxima that a search found: how far each is below the best, how often it was reached and from
# what. A degenerate one may be above (a negative number).
search_points <- function(search, most) {
  maxima <- utils::head(search$maxima, most)
  data.frame(below = maxima$objective[1] - maxima$objective, maxima[c("reached", "kinds", "degenerate")])
}

search_title <- function(search) {
  found <- nrow(search$maxima)
  paste0(format_big(search$runs), " runs on ", format_big(search$rows), " rows: ", found,
    if (found == 1) " maximum" else " maxima")
}

# Where the first `most` sites' experts went: `parts` has a row for every local expert and the expert to
# which (some of) its mass was sent, from `left` to `right` of its site's bar; `named`: is it wide
# enough for a number?
plan_parts <- function(x, most) {
  mass <- x$aggregation$mass
  all <- factor(sub(":[0-9]+$", "", rownames(mass)), levels = names(used_models(x)))
  shown <- utils::head(levels(all), most)
  local <- sub("^.*:", "", rownames(mass))
  parts <- lapply(shown, function(site) {
    own <- which(all == site)
    at <- which(mass[own, , drop = FALSE] > 0, arr.ind = TRUE)
    at <- at[order(at[, "col"], at[, "row"]), , drop = FALSE]
    width <- mass[own, , drop = FALSE][at] / sum(mass[own, ])
    data.frame(site = site, local = local[own][at[, "row"]], expert = unname(at[, "col"]),
      left = cumsum(width) - width, right = cumsum(width),
      named = width > 0.03 & length(shown) <= 40)
  })
  parts <- do.call(rbind, parts)
  parts$site <- factor(parts$site, shown)
  list(parts = parts, hidden = nlevels(all) - length(shown), title = "Where the sites' experts went",
    xlab = "share of the site's mass (numbers: its own experts)")
}

search_labels <- function(shown, width) {
  times <- ifelse(shown$reached == 1, "once", paste(shown$reached, "times"))
  text <- paste0(times, ifelse(shown$degenerate, " (degenerate)", ""), ": ", shown$kinds)
  long <- nchar(text) > width
  ifelse(long, paste0(substr(text, 1, width - 3), "..."), text)
}
