#' Plot a mixture of experts
#'
#' @param x A model of class `moe`.
#' @param which What to draw, one or more of
#'   * `"experts"`: every expert's mean along a variable, the line as strong as
#'     the expert's gate there; the mixture's mean in black; bands are 95 % intervals of these
#'     means (delta method, see [predict.moe()]), where the model has standard errors;
#'   * `"gates"`: the gates' probabilities along a variable, with bands likewise;
#'   * `"residuals"` (where the model keeps its rows, or with `data`): quantile residuals
#'     ([residuals.moe()]) against fitted values, and against normal quantiles;
#'   * `"convergence"`: the objective after every step, less its last value (an aggregate: the
#'     objective of the MM algorithm);
#'   * `"search"` (where there was one): the maxima that the search found, best first (15 at
#'     most), as points at their distance below the best; beside them how often each was
#'     reached and from which kinds of start. Hollow: degenerate, an expert fits a few rows exactly;
#'   * `"plan"` (aggregates): where every site's experts went. A bar a site, its
#'     parts the local experts, as wide as their share and in the colour of the
#'     expert to which they were sent.
#'
#'   By default experts, gates and, of aggregates, the plan.
#' @param variable Names of the variables along which experts and gates are
#'   drawn; by default up to six. The others are held at their mean (factors
#'   at the most frequent level): the picture says at which values.
#' @param data NULL, or a data frame of which the rows are drawn as points
#'   (with the response; where it is 0 or 1, or a class, points are set apart a little) and whose ranges are
#'   used. NULL: the rows of the fit where the model keeps them (`model` of [moe()]). Without rows a numeric
#'   variable runs over its mean and two standard deviations to each side,
#'   whether data lie there or not: the model holds no range.
#' @param class [multinomial()] experts: the class of the response whose
#'   probability is drawn, by default the last one.
#' @param sites Most sites that `"plan"` shows.
#' @param ask TRUE: wait before a new page.
#' @param ... Graphical parameters for the panels, such as `xlab`, `ylab`, `ylim`, `las`, and `main`, the
#'   title of the page.
#' @return `x`, invisibly.
#' @examples
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' fit <- moe(y ~ x, d, K = 2)
#' plot(fit, "experts")
#' plot(fit, "gates")
#' plot(fit, "residuals")
#' @export
plot.moe <- function(x, which = NULL, variable = NULL, data = NULL, class = NULL, sites = 60,
                     ask = grDevices::dev.interactive() && length(which) > 1, ...) {
  check_dots(..., known = graphical_parameters)
  rows <- plot_rows(x, data)
  kinds <- plot_kinds(x, rows)
  if (is.null(which)) which <- intersect(c("experts", "gates", "plan"), kinds)
  for (w in which) check_plot_kind(w, kinds)
  sites <- check_count(sites, "sites")
  class <- plot_class(x, class)
  if (ask && length(which) > 1) {
    old <- grDevices::devAskNewPage(TRUE)
    on.exit(grDevices::devAskNewPage(old))
  }
  for (w in which) {
    switch(w,
      experts = plot_along(x, variable, rows, "expert", class, ...),
      gates = plot_along(x, variable, rows, "gate", ...),
      residuals = plot_residuals(residual_points(x, if (is.null(data)) kept_frame(x) else data, class), ...),
      convergence = plot_convergence(x, ...),
      search = plot_search(x$record$search),
      plan = plot_plan(x, sites))
  }
  invisible(x)
}

graphical_parameters <- c("main", "sub", "xlab", "ylab", "xlim", "ylim", "log", "las", "cex", "cex.axis",
  "cex.lab", "cex.main", "col.axis", "col.lab", "col.main", "font.axis", "font.lab", "bty", "xaxt", "yaxt", "xaxs",
  "yaxs", "tck", "tcl", "axes", "ann", "frame.plot", "panel.first", "asp", "fg")

# plot() with the user's parameters in the place of ours. The title of the page is none of a panel.
panel <- function(..., user = list()) {
  ours <- list(...)
  user$main <- NULL
  do.call(graphics::plot, c(ours[!names(ours) %in% names(user)], user))
}

# Panels, one a variable; a legend on top, what is held where below. Puts the device's settings back.
plot_along <- function(x, variable, rows, what, class = NULL, ...) {
  user <- list(...)
  curves <- plot_curves(x, variable, rows, what, class)
  panels <- length(curves)
  cols <- ceiling(sqrt(panels))
  banded <- what == "expert" && !is.null(curves[[1]]$band$low)
  below <- c(held_words(x, names(curves), rows), if (banded) "bands: 95 % intervals of the means")
  below <- strwrap(paste(below, collapse = "; "), floor(graphics::par("din")[1] / (graphics::par("cin")[1] * 0.45)))
  old <- graphics::par(mfrow = c(ceiling(panels / cols), cols), mar = c(4, 4, 1, 1),
    oma = c(length(below), 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  for (name in names(curves)) {
    graphics::par(mar = c(bottom_lines(curves[[name]]$value, cols), 4, 1, 1))
    if (what == "expert") panel_experts(curves[[name]], name, user) else panel_gates(curves[[name]], name, user)
  }
  for (i in seq_along(below)) {
    graphics::mtext(below[i], side = 1, outer = TRUE, line = i - 1.2, cex = 0.75, adj = 0.02, col = "grey30")
  }
  title <- if (is.null(user$main)) if (what == "expert") "Experts' means" else "Gate probabilities" else user$main
  legend_on_top(x$K, title, mixture = what == "expert")
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

panel_experts <- function(curve, name, user) {
  draw_frame(curve$value, curve$limits, name, curve$label, user)
  points <- curve$points
  if (!is.null(points)) {
    graphics::points(points$value, points$y, pch = 16, cex = 0.5,
      col = if (curve$rows > 1000) "#00000030" else "#00000060")
  }
  colours <- expert_colours(ncol(curve$mean))
  K <- length(colours)
  if (K > 1) draw_band(curve$value, curve$mixture_band$low, curve$mixture_band$high, "#00000030")
  for (k in seq_along(colours)) {
    draw_band(curve$value, curve$band$low[, k], curve$band$high[, k], strong(colours[k], curve$gate[, k], 0.35),
      if (K > 1) (k - (K + 1) / 2) * 0.4 / K else 0)
  }
  for (k in seq_along(colours)) {
    draw_line(curve$value, curve$mean[, k], strong(colours[k], curve$gate[, k]), 3)
  }
  draw_line(curve$value, curve$mixture, "black", 1.5, 2)
}

panel_gates <- function(curve, name, user) {
  draw_frame(curve$value, c(0, 1), name, "gate probability", user)
  colours <- expert_colours(ncol(curve$gate))
  for (k in seq_along(colours)) {
    draw_band(curve$value, curve$band$low[, k], curve$band$high[, k], paste0(substr(colours[k], 1, 7), "35"))
  }
  for (k in seq_along(colours)) draw_line(curve$value, curve$gate[, k], colours[k], 2.5)
}

# A colour that fades where the expert is not asked.
strong <- function(colour, gate, most = 1) {
  paste0(substr(colour, 1, 7), sprintf("%02X", round(255 * most * (0.15 + 0.85 * gate))))
}

as_levels <- function(value) if (is.logical(value)) factor(value, c(FALSE, TRUE)) else value

draw_frame <- function(value, ylim, xlab, ylab, user) {
  value <- as_levels(value)
  xlab <- if (is.null(user$xlab)) fitting(xlab, graphics::par("mfrow")[2]) else user$xlab
  user$xlab <- NULL
  if (!is.factor(value)) {
    panel(range(value), ylim, type = "n", xlim = range(value), ylim = ylim, xlab = xlab, ylab = ylab, las = 1,
      user = user)
    return(invisible())
  }
  across <- lies_flat(levels(value), graphics::par("mfrow")[2])
  panel(c(0.5, nlevels(value) + 0.5), ylim, type = "n", xlim = c(0.5, nlevels(value) + 0.5), ylim = ylim,
    xlab = if (across) xlab else "", ylab = ylab, xaxt = "n", las = 1, user = user)
  at <- seq_len(nlevels(value))
  graphics::axis(1, at, labels = FALSE)
  # Not by axis(), which leaves out what would touch.
  room <- graphics::par("pin")[1] / (nlevels(value) * graphics::par("cin")[2])
  size <- if (across) 0.9 else max(0.3, min(0.9, 0.9 * room))
  graphics::mtext(short_names(levels(value)), side = 1, at = at, line = if (across) 0.8 else 0.6,
    las = if (across) 1 else 2, cex = size * graphics::par("cex"))
  if (!across) graphics::mtext(xlab, side = 1, line = bottom_lines(value, graphics::par("mfrow")[2]) - 1.2,
    cex = graphics::par("cex"))
}

# Cut at the end, or in the middle where names begin alike.
short_names <- function(names, width = 16) {
  out <- cut_text(names, width)
  if (!anyDuplicated(out)) return(out)
  end <- substr(names, nchar(names) - width %/% 2 + 1, nchar(names))
  ifelse(nchar(names) > width, paste0(substr(names, 1, width - width %/% 2 - 3), "...", end), names)
}

# A title of an axis that fits below one of so many panels.
fitting <- function(text, abreast) {
  size <- graphics::par("cex") * graphics::par("cin")
  # Three lines: the margin on the left is that much wider than the one on the right.
  cut_text(text, max(8, floor((graphics::par("din")[1] / abreast - 3 * size[2]) / (0.66 * size[1]))))
}

# Room for names of sites on the left, and their size in a panel of so many inches.
site_letters <- 28
names_lines <- function(names, size = 1) {
  min(14, max(4, 0.6 * size * max(nchar(short_names(names, site_letters))) + 1))
}
names_size <- function(count, height) {
  min(1, max(0.3, height / (1.1 * count * graphics::par("cin")[2] * graphics::par("cex"))))
}

# All of them, as large as they can be: axis() leaves out what would touch.
names_axis <- function(at, names, line = 0.6) {
  size <- names_size(abs(diff(graphics::par("usr")[3:4])), graphics::par("pin")[2])
  graphics::mtext(short_names(names, site_letters), side = 2, at = at, las = 1, line = line,
    cex = size * graphics::par("cex"))
}

# Do names fit side by side below a panel, one of so many abreast?
lies_flat <- function(names, abreast) {
  room <- graphics::par("din")[1] / abreast - 5 * graphics::par("cin")[2]
  sum(nchar(short_names(names)) + 1.5) * graphics::par("cin")[1] * 0.9 * (if (abreast > 1) 0.83 else 1) < room
}

bottom_lines <- function(value, abreast) {
  value <- as_levels(value)
  if (!is.factor(value) || lies_flat(levels(value), abreast)) return(4)
  max(4, 2.6 + 0.33 * max(nchar(short_names(levels(value)))))
}

# A line whose colour may change along the way; dashes side by side for a factor.
draw_line <- function(value, y, colour, lwd, lty = 1) {
  colour <- rep_len(colour, length(y))
  value <- as_levels(value)
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

# Likewise a band; for a factor a bar, `aside` of the level's place. Nothing where the ends are not known.
draw_band <- function(value, low, high, colour, aside = 0) {
  if (is.null(low)) return(invisible())
  colour <- rep_len(colour, length(low))
  value <- as_levels(value)
  if (is.factor(value)) {
    at <- as.integer(value) + aside
    graphics::rect(at - 0.03, low, at + 0.03, high, col = colour, border = NA)
    return(invisible())
  }
  value <- as.numeric(value)
  i <- seq_along(low)[-1]
  i <- i[is.finite(low[i] + high[i] + low[i - 1] + high[i - 1])]
  # One call: polygons apart by NA.
  graphics::polygon(rbind(value[i - 1], value[i], value[i], value[i - 1], NA),
    rbind(low[i - 1], low[i], high[i], high[i - 1], NA), col = colour[i], border = NA)
}

plot_residuals <- function(shown, ...) {
  user <- list(...)
  old <- graphics::par(mfrow = c(1, 2), mar = c(4, 4, 1, 1), oma = c(0, 0, 3.5, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  size <- if (nrow(shown$fitted) > 1000) "#00000030" else "#00000080"
  p <- shown$fitted
  panel(p$x, p$y, pch = 16, cex = 0.6, col = size, las = 1, xlab = shown$xlab[1], ylab = shown$ylab, user = user)
  graphics::abline(h = 0, lty = 3)
  if (!is.null(shown$smooth)) graphics::lines(shown$smooth, col = expert_colours(2)[2], lwd = 2)
  p <- shown$normal
  panel(p$x, p$y, pch = 16, cex = 0.6, col = size, las = 1, xlab = shown$xlab[2], ylab = shown$ylab, user = user)
  graphics::abline(0, 1, lty = 3)
  graphics::mtext(if (is.null(user$main)) shown$title else user$main, outer = TRUE, line = 1.8, font = 2)
  graphics::mtext(shown$subtitle, outer = TRUE, line = 0.5, cex = 0.8)
}

plot_convergence <- function(x, ...) {
  path <- objective_path(x)
  kinds <- c(start = 1, EM = 16, Newton = 17, `trust region` = 2, MM = 16, `re-seed` = 4, restore = 8)
  kind <- as.character(path$steps$kind)
  old <- graphics::par(c("mar", "mgp"))
  on.exit(graphics::par(old))
  user <- list(...)
  titled_frame(path$steps$step, path$steps$objective, path$title, path$subtitle, path$xlab, path$ylab, user,
    xaxt = "n")
  graphics::lines(path$steps$step, path$steps$objective, type = "b", pch = kinds[kind])
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
  margin <- names_lines(shown)
  old <- graphics::par(mar = c(4, margin, 0, 1), oma = c(0, 0, 3, 0), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  graphics::plot(NULL, xlim = c(0, 1), ylim = c(length(shown) + 0.5, 0.5), yaxt = "n", bty = "n",
    xlab = plan$xlab, ylab = "")
  names_axis(seq_along(shown), shown, -0.4)
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

# Room for the numbers of a vertical axis, which are written horizontally, and for the axis' title beside them.
left_lines <- function(values) {
  width <- max(nchar(format(pretty(values), big.mark = ""))) * 0.55
  max(3, width + 1)
}

# A frame with a title, a line below it and room for its numbers; `user`: parameters in the place of ours. Puts
# nothing back.
titled_frame <- function(x, y, title, subtitle, xlab, ylab, user, ...) {
  lines <- left_lines(y)
  graphics::par(mar = c(4, lines + 1.3, 3.5, 1), mgp = c(2.4, 0.7, 0))
  if (!is.null(user$ylab)) ylab <- user$ylab
  panel(x, y, type = "n", las = 1, xlab = xlab, ..., user = utils::modifyList(user, list(ylab = "")))
  graphics::title(ylab = ylab, line = lines)
  titles(title, subtitle, user)
}

titles <- function(title, subtitle, user) {
  graphics::title(main = if (is.null(user$main)) title else user$main, line = 1.8)
  if (length(subtitle)) graphics::mtext(subtitle, side = 3, line = 0.5, cex = 0.85)
}
