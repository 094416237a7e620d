#' Plot a mixture of experts
#'
#' @param x A model of class `moe`.
#' @param which What to draw, one or more of
#'   * `"experts"`: every expert's mean along a variable, the line as strong as
#'     the expert's gate there; the mixture's mean in black;
#'   * `"gates"`: the gates' probabilities along a variable;
#'   * `"convergence"`: the objective after every step (an aggregate: of the MM
#'     algorithm);
#'   * `"search"` (where there was one): the maxima that the search found, best first (15 at
#'     most), as points at their distance below the best; beside them how often each was
#'     reached and from which kinds of start. Hollow: degenerate, an expert fits a few rows exactly;
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
  check_dots(...)
  kinds <- plot_kinds(x)
  if (is.null(which)) which <- kinds
  for (w in which) check_plot_kind(w, kinds)
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
      search = plot_search(x$record$search),
      plan = plot_plan(x, sites))
  }
  invisible(x)
}

# Panels, one a variable; a legend on top. Puts the device's settings back.
plot_along <- function(x, variable, data, what, class = NULL) {
  curves <- plot_curves(x, variable, data, what, class)
  panels <- length(curves)
  cols <- ceiling(sqrt(panels))
  old <- graphics::par(mfrow = c(ceiling(panels / cols), cols), mar = c(4, 4, 1, 1),
    oma = c(0, 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  for (name in names(curves)) {
    if (what == "expert") panel_experts(curves[[name]], name) else panel_gates(curves[[name]], name)
  }
  legend_on_top(x$K, if (what == "expert") "Experts' means" else "Gate probabilities",
    mixture = what == "expert")
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

panel_experts <- function(curve, name) {
  draw_frame(curve$value, curve$limits, name, curve$label)
  points <- curve$points
  if (!is.null(points)) {
    graphics::points(points$value, points$y, pch = 16, cex = 0.5,
      col = if (curve$rows > 1000) "#00000030" else "#00000060")
  }
  colours <- expert_colours(ncol(curve$mean))
  for (k in seq_along(colours)) {
    draw_line(curve$value, curve$mean[, k], strong(colours[k], curve$gate[, k]), 3)
  }
  draw_line(curve$value, curve$mixture, "black", 1.5, 2)
}

panel_gates <- function(curve, name) {
  draw_frame(curve$value, c(0, 1), name, "gate probability")
  colours <- expert_colours(ncol(curve$gate))
  for (k in seq_along(colours)) draw_line(curve$value, curve$gate[, k], colours[k], 2.5)
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
  path <- objective_path(x)
  kinds <- c(start = 1, EM = 16, Newton = 17, `trust region` = 2, MM = 16, `re-seed` = 4, restore = 8)
  kind <- as.character(path$steps$kind)
  graphics::plot(path$steps$step, path$steps$objective, type = "b", pch = kinds[kind], las = 1,
    xlab = path$xlab, ylab = path$ylab, xaxt = "n", main = path$title)
  graphics::axis(1, unique(round(pretty(path$steps$step))))
  shown <- unique(kind)
  graphics::legend(if (path$falls) "topright" else "bottomright", legend = shown, pch = kinds[shown],
    bty = "n")
}

# A line a maximum; above it how often it was reached, and from what.
plot_search <- function(search) {
  shown <- search_points(search, 15)
  at <- seq_len(nrow(shown))
  old <- graphics::par(mar = c(4, 2, 2.5, 1), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  graphics::plot(NULL, xlim = range(0, shown$below, if (nrow(shown) == 1) 1), yaxt = "n", bty = "n",
    ylim = c(nrow(shown) + 0.5, 0.3), xlab = "objective below the best maximum (units of log-likelihood)",
    ylab = "", main = search_title(search))
  graphics::abline(v = 0, col = "grey80")
  graphics::segments(0, at, shown$below, at, col = "grey60", lwd = 2)
  graphics::points(shown$below, at, pch = ifelse(shown$degenerate, 1, 16), cex = 1.4, xpd = NA,
    col = expert_colours(2)[ifelse(at == 1, 2, 1)])
  size <- min(0.9, 12 / nrow(shown))
  graphics::text(graphics::par("usr")[1], at - 0.35, search_labels(shown, 90), adj = c(0, 0.5), cex = size,
    xpd = NA)
}


# Bars: sites; parts: their experts; colours: where the mass went.
plot_plan <- function(x, most) {
  plan <- plan_parts(x, most)
  shown <- levels(plan$parts$site)
  margin <- min(14, max(4, 0.6 * max(nchar(shown)) + 1))
  old <- graphics::par(mar = c(4, margin, 0, 1), oma = c(0, 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  graphics::plot(NULL, xlim = c(0, 1), ylim = c(length(shown) + 0.5, 0.5), yaxt = "n", bty = "n",
    xlab = plan$xlab, ylab = "")
  graphics::axis(2, seq_along(shown), shown, las = 1, tick = FALSE, line = -1,
    cex.axis = min(1, 25 / length(shown)))
  plan_bars(plan$parts, x$K)
  if (plan$hidden > 0) {
    graphics::mtext(paste(plan$hidden, "more sites not shown"), side = 1, line = 3, adj = 1, cex = 0.8)
  }
  legend_on_top(x$K, plan$title)
}

plan_bars <- function(parts, K) {
  at <- as.integer(parts$site)
  graphics::rect(parts$left, at - 0.4, parts$right, at + 0.4, border = "white",
    col = expert_colours(K)[parts$expert])
  named <- parts$named
  if (!any(named)) return(invisible())
  graphics::text(((parts$left + parts$right) / 2)[named], at[named], parts$local[named], col = "white",
    cex = min(0.9, 20 / nlevels(parts$site)))
}
