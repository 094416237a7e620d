#' Plot a mixture of experts
#'
#' @param x A model of class `moe`.
#' @param which What to draw, one or more of
#'   * `"experts"`: every expert's mean along a variable, the line as strong as
#'     the expert's gate there; the mixture's mean in black;
#'   * `"gates"`: the gates' probabilities along a variable;
#'   * `"convergence"`: the objective after every step (an aggregate: of the MM
#'     algorithm);
#'   * `"plan"` (aggregates): where every site's experts went. A bar a site, its
#'     parts the local experts, as wide as their share and in the colour of the
#'     expert to which they were sent.
#' @param variable Names of the variables along which experts and gates are
#'   drawn; by default up to six. The others are held at their mean (factors
#'   at the most frequent level).
#' @param data NULL, or a data frame of which the rows are drawn as points
#'   (with the response) and whose ranges are used. Without it a numeric
#'   variable runs over its mean and two standard deviations to each side,
#'   whether data lie there or not: the model holds no range.
#' @param class [multinomial()] experts: the class of the response whose
#'   probability is drawn, by default the last one.
#' @param sites Most sites that `"plan"` shows.
#' @param ask TRUE: wait before a new page.
#' @param ... Not used.
#' @return `x`, invisibly.
#' @examples
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' fit <- moe(y ~ x, d, K = 2)
#' plot(fit, "experts", data = d)
#' plot(fit, "gates")
#' @export
plot.moe <- function(x, which = NULL, variable = NULL, data = NULL, class = NULL, sites = 60,
                     ask = grDevices::dev.interactive() && length(which) > 1, ...) {
  check_unused(...)
  kinds <- c("experts", "gates", "convergence", if (inherits(x, "moe_aggregate")) "plan")
  if (length(x$record$objective) < 1 && is.null(x$aggregation$objective)) {
    kinds <- setdiff(kinds, "convergence")
  }
  if (is.null(x$aggregation$mass)) kinds <- setdiff(kinds, "plan")
  if (x$K == 1) kinds <- setdiff(kinds, "gates")
  if (is.null(which)) which <- kinds
  for (w in which) {
    if (!w %in% kinds) {
      input_error("{.arg which} must be among {.val {kinds}} for this model, not {show_value(w)}.")
    }
  }
  sites <- check_count(sites, "sites")
  class <- plot_class(x, class)
  if (ask && length(which) > 1) {
    old <- grDevices::devAskNewPage(TRUE)
    on.exit(grDevices::devAskNewPage(old))
  }
  for (w in which) {
    switch(w,
      experts = plot_along(x, variable, data, "expert", class),
      gates = plot_along(x, variable, data, "gate"),
      convergence = plot_convergence(x),
      plan = plot_plan(x, sites))
  }
  invisible(x)
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

# Panels, one a variable; a legend on top. Puts the device's settings back.
plot_along <- function(x, variable, data, what, class = NULL) {
  if (is.null(variable) && what == "gate" && !x$schema$same) variable <- gate_variables(x)
  described <- plot_variables(x, variable, data)
  panels <- length(described)
  cols <- ceiling(sqrt(panels))
  old <- graphics::par(mfrow = c(ceiling(panels / cols), cols), mar = c(4, 4, 1, 1),
    oma = c(0, 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  for (name in names(described)) {
    grid <- plot_grid(x, name, described[[name]], data)
    if (what == "expert") panel_experts(x, name, grid, data, class)
    else panel_gates(x, name, grid)
  }
  legend_on_top(x$K, if (what == "expert") "Experts' means" else "Gate probabilities",
    mixture = what == "expert")
}

# The variables of a gating formula of its own: along the others the gates are flat.
gate_variables <- function(x) {
  named <- if (x$schema$kind == "matrix") x$schema$gate$columns else all.vars(x$schema$gating)
  named <- intersect(names(x$schema$variables), named)
  if (length(named)) utils::head(named, 6)
}

legend_on_top <- function(K, title, mixture = FALSE) {
  graphics::par(fig = c(0, 1, 0, 1), oma = c(0, 0, 0, 0), mar = c(0, 0, 0, 0), new = TRUE)
  graphics::plot.new()
  labels <- c(paste("expert", seq_len(K)), if (mixture) "mixture")
  # The fewest rows that fit the device's width, in letters that fit the margin of three lines.
  for (rows in seq_along(labels)) {
    cex <- min(0.9, 2.7 / (rows + 1))
    draw <- function(plot) {
      graphics::legend("top", legend = labels, col = c(expert_colours(K), if (mixture) "black"),
        lwd = c(rep(5, K), if (mixture) 1.5), lty = c(rep(1, K), if (mixture) 2), bty = "n",
        ncol = ceiling(length(labels) / rows), title = title, xpd = NA, cex = cex, plot = plot)
    }
    if (draw(FALSE)$rect$w <= 1) break
  }
  draw(TRUE)
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

panel_experts <- function(x, name, grid, data, class) {
  value <- grid_values(grid, name)
  mean <- predict(x, grid, "expert")
  mixture <- predict(x, grid)
  gate <- predict(x, grid, "gate")
  response <- x$schema$response
  if (!is.null(class)) {
    mean <- matrix(mean[, , class], ncol = x$K)
    mixture <- mixture[, class]
    response <- paste0("P(", response, " = ", class, ")")
  }
  points <- if (!is.null(data) && response %in% names(data)) data[[response]]
  points <- if (is.numeric(points)) points
  # Lines of experts that are hardly ever asked here must not set the scale.
  some <- if (length(points) > 2000) round(seq(1, length(points), length.out = 2000)) else TRUE
  limits <- range(mean[gate > 0.05], mixture, points[some], na.rm = TRUE)
  draw_frame(value, limits, name, response)
  if (!is.null(points)) {
    graphics::points(as.numeric(data[[name]])[some], points[some], pch = 16, cex = 0.5,
      col = if (length(points) > 1000) "#00000030" else "#00000060")
  }
  for (k in seq_len(x$K)) {
    draw_line(value, mean[, k], strong(expert_colours(x$K)[k], gate[, k]), 3)
  }
  draw_line(value, mixture, "black", 1.5, 2)
}

panel_gates <- function(x, name, grid) {
  value <- grid_values(grid, name)
  gate <- predict(x, grid, "gate")
  draw_frame(value, c(0, 1), name, "gate probability")
  for (k in seq_len(x$K)) draw_line(value, gate[, k], expert_colours(x$K)[k], 2.5)
}

# A colour that fades where the expert is not asked.
strong <- function(colour, gate) {
  paste0(substr(colour, 1, 7), sprintf("%02X", round(255 * (0.15 + 0.85 * gate))))
}

draw_frame <- function(value, ylim, xlab, ylab) {
  if (is.logical(value)) value <- factor(value)
  if (is.factor(value)) {
    graphics::plot(NULL, xlim = c(0.5, nlevels(value) + 0.5), ylim = ylim, xlab = xlab, ylab = ylab,
      xaxt = "n", las = 1)
    graphics::axis(1, seq_len(nlevels(value)), levels(value))
  } else {
    graphics::plot(NULL, xlim = range(value), ylim = ylim, xlab = xlab, ylab = ylab, las = 1)
  }
}

# A line whose colour may change along the way; dashes side by side for a factor.
draw_line <- function(value, y, colour, lwd, lty = 1) {
  colour <- rep_len(colour, length(y))
  if (is.logical(value)) value <- factor(value)
  if (is.factor(value)) {
    at <- as.integer(value)
    graphics::segments(at - 0.3, y, at + 0.3, y, col = colour, lwd = lwd, lty = lty)
    return(invisible())
  }
  if (length(unique(colour)) == 1) {
    graphics::lines(value, y, col = colour[1], lwd = lwd, lty = lty)
  } else {
    i <- seq_along(y)[-1]
    graphics::segments(value[i - 1], y[i - 1], value[i], y[i], col = colour[i], lwd = lwd,
      lend = "butt")
  }
}

plot_convergence <- function(x) {
  aggregate <- !is.null(x$aggregation)
  objective <- if (aggregate) x$aggregation$objective else x$record$objective
  steps <- if (aggregate) c("start", rep("MM", length(objective) - 1)) else x$record$steps
  kinds <- c(start = 1, EM = 16, Newton = 17, MM = 16, `re-seed` = 4, restore = 8)
  graphics::plot(seq_along(objective) - 1, objective, type = "b", pch = kinds[steps], las = 1,
    xlab = if (aggregate) "MM step" else "step (on all rows)",
    ylab = if (aggregate) "transport divergence (11)" else "", xaxt = "n",
    main = if (aggregate) "Reduction" else "Log-likelihood less the gates' prior")
  graphics::axis(1, unique(round(pretty(seq_along(objective) - 1))))
  shown <- unique(steps)
  graphics::legend(if (aggregate) "topright" else "bottomright", legend = shown, pch = kinds[shown],
    bty = "n")
}

# Bars: sites; parts: their experts; colours: where the mass went.
plot_plan <- function(x, most) {
  mass <- x$aggregation$mass
  site <- factor(sub(":[0-9]+$", "", rownames(mass)), levels = names(x$sites$models))
  shown <- utils::head(levels(site), most)
  margin <- min(14, max(4, 0.6 * max(nchar(shown)) + 1))
  old <- graphics::par(mar = c(4, margin, 0, 1), oma = c(0, 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  graphics::plot(NULL, xlim = c(0, 1), ylim = c(length(shown) + 0.5, 0.5), yaxt = "n", bty = "n",
    xlab = "share of the site's mass (numbers: its own experts)", ylab = "")
  graphics::axis(2, seq_along(shown), shown, las = 1, tick = FALSE, line = -1,
    cex.axis = min(1, 25 / length(shown)))
  for (i in seq_along(shown)) plan_bar(i, mass[site == shown[i], , drop = FALSE], length(shown))
  if (nlevels(site) > length(shown)) {
    graphics::mtext(paste(nlevels(site) - length(shown), "more sites not shown"), side = 1, line = 3,
      adj = 1, cex = 0.8)
  }
  legend_on_top(x$K, "Where the sites' experts went")
}

plan_bar <- function(at, mass, bars) {
  local <- sub("^.*:", "", rownames(mass))
  parts <- which(mass > 0, arr.ind = TRUE)
  parts <- parts[order(parts[, "col"], parts[, "row"]), , drop = FALSE]
  width <- mass[parts] / sum(mass)
  right <- cumsum(width)
  graphics::rect(right - width, at - 0.4, right, at + 0.4, border = "white",
    col = expert_colours(ncol(mass))[parts[, "col"]])
  wide <- width > 0.03
  if (bars <= 40 && any(wide)) {
    graphics::text((right - width / 2)[wide], at, local[parts[wide, "row"]], col = "white",
      cex = min(0.9, 20 / bars))
  }
}
