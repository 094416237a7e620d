# The plots of plot.moe() with ggplot2. (`.data`, within aes(), is ggplot2's word for the plot's data.)
.data <- NULL

#' Plot a mixture of experts with ggplot2
#'
#' The plots of [plot.moe()], as objects of `ggplot2` that can be changed further.
#'
#' @param object A model of class `moe`.
#' @param which What to draw, one of `"experts"`, `"gates"`, `"residuals"`, `"convergence"`, `"search"` and
#'   (aggregates) `"plan"`; see [plot.moe()].
#' @param variable Names of the variables along which experts and gates are drawn,
#'   one panel each; by default up to six.
#' @param data,class,sites As in [plot.moe()].
#' @param ... Not used.
#' @return An object of class `ggplot`.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' fit <- moe(y ~ x, d, K = 2)
#' ggplot2::autoplot(fit)
#' ggplot2::autoplot(fit, "gates")
#' @exportS3Method ggplot2::autoplot
autoplot.moe <- function(object, which = "experts", variable = NULL, data = NULL, class = NULL,
                         sites = 60, ...) {
  check_dots(...)
  rows <- plot_rows(object, data)
  check_plot_kind(which, plot_kinds(object, rows))
  class <- plot_class(object, class)
  sites <- check_count(sites, "sites")
  switch(which,
    experts = ggplot_experts(object, variable, rows, class),
    gates = ggplot_gates(object, variable, rows),
    residuals = ggplot_residuals(residual_points(object, if (is.null(data)) kept_frame(object) else data, class)),
    convergence = ggplot_convergence(object),
    search = ggplot_search(object$record$search),
    plan = ggplot_plan(object, sites))
}

ggplot_experts <- function(x, variable, rows, class) {
  curves <- plot_curves(x, variable, rows, "expert", class)
  places <- shared_places(curves, variable_kinds(x))
  lines <- long_curves(curves, "expert", places)
  limits <- range(vapply(curves, function(curve) curve$limits, numeric(2)))
  out <- ggplot2::ggplot(lines, ggplot2::aes(.data$value, .data$y))
  points <- row_points(curves, lines, places)
  if (!is.null(points)) {
    # Levels have places of their own only where no numbers share the scale.
    beside <- is.factor(points$value) || is.character(points$value) || is.logical(points$value)
    out <- out + ggplot2::geom_point(data = points, size = 0.6, alpha = if (nrow(points) > 1000) 0.2 else 0.4,
      position = if (beside) ggplot2::position_nudge(x = points$aside) else "identity")
  }
  out <- out + band_layers(lines) + curve_layers(lines, ggplot2::aes(colour = .data$expert, alpha = .data$gate), 1.2)
  discrete <- lines[lines$discrete, ]
  smooth <- lines[!lines$discrete, ]
  mixture <- ggplot2::aes(y = .data$mixture)
  if (nrow(discrete)) out <- out + ggplot2::geom_point(mixture, data = discrete, shape = 4)
  if (nrow(smooth)) out <- out + ggplot2::geom_line(mixture, data = smooth, linetype = 2)
  out <- out + ggplot2::scale_alpha_continuous(range = c(0.15, 1), limits = c(0, 1), guide = "none")
  cross <- c(if (nrow(discrete)) "crosses", if (nrow(smooth)) "dashed")
  along_variables(out, x, curves, places, rows) + ggplot2::coord_cartesian(ylim = limits) +
    ggplot2::labs(y = curves[[1]]$label, title = "Experts' means",
      subtitle = paste0("As strong as their gates there; ", paste(cross, collapse = " and "), ": the mixture's mean",
        if (!all(is.na(lines$low))) "\nBands: 95 % intervals of the experts' means"))
}

# Dashes for levels, lines for numbers.
curve_layers <- function(lines, mapping, width) {
  discrete <- lines[lines$discrete, ]
  smooth <- lines[!lines$discrete, ]
  list(if (nrow(discrete)) ggplot2::geom_point(mapping, data = discrete, shape = "-", size = 14),
    if (nrow(smooth)) ggplot2::geom_line(mapping, data = smooth, linewidth = width))
}

band_layers <- function(lines) {
  known <- lines[is.finite(lines$low) & is.finite(lines$high), ]
  discrete <- known[known$discrete, ]
  smooth <- known[!known$discrete, ]
  ends <- ggplot2::aes(ymin = .data$low, ymax = .data$high)
  list(
    if (nrow(smooth)) ggplot2::geom_ribbon(utils::modifyList(ends, ggplot2::aes(fill = .data$expert)), data = smooth,
      alpha = 0.15, show.legend = FALSE),
    if (nrow(discrete)) ggplot2::geom_linerange(utils::modifyList(ends, ggplot2::aes(colour = .data$expert)),
      data = discrete, alpha = 0.4, linewidth = 2, show.legend = FALSE))
}

# Rows of the data as points in every panel, in the panels' types.
row_points <- function(curves, lines, places) {
  parts <- lapply(names(curves), function(name) {
    points <- curves[[name]]$points
    if (is.null(points)) return(NULL)
    value <- points$along
    if (!is.null(places)) value <- places[[name]]$at(value) + points$aside * places[[name]]$unit
    else if (is.factor(lines$value)) value <- factor(as.character(value), levels(lines$value))
    data.frame(variable = factor(name, names(curves)), value = value, y = points$y, aside = points$aside)
  })
  do.call(rbind, parts)
}

ggplot_gates <- function(x, variable, rows) {
  curves <- plot_curves(x, variable, rows, "gate")
  places <- shared_places(curves, variable_kinds(x))
  lines <- long_curves(curves, "gate", places)
  out <- ggplot2::ggplot(lines, ggplot2::aes(.data$value, .data$y, colour = .data$expert)) +
    band_layers(lines) + curve_layers(lines, NULL, 1)
  along_variables(out, x, curves, places, rows) + ggplot2::coord_cartesian(ylim = c(0, 1)) +
    ggplot2::labs(y = "gate probability", title = "Gate probabilities",
      subtitle = if (!all(is.na(lines$low))) "Bands: 95 % intervals")
}

along_variables <- function(plot, x, curves, places, rows) {
  held <- held_words(x, names(curves), rows)
  colours <- expert_colours(x$K)
  plot + ggplot2::scale_colour_manual(values = colours) + ggplot2::scale_fill_manual(values = colours) +
    ggplot2::facet_wrap(ggplot2::vars(.data$variable), scales = "free_x", strip.position = "bottom") +
    ggplot2::labs(x = NULL, colour = "expert",
      caption = if (length(held)) paste(strwrap(held, 90), collapse = "\n")) +
    ggplot2::theme(strip.placement = "outside", strip.background = ggplot2::element_blank(),
      panel.spacing.x = ggplot2::unit(1, "lines")) +
    list(if (!is.null(places)) shared_scale(places), if (are_crowded(curves)) {
      ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 90, hjust = 1, vjust = 0.5))
    })
}

# Would names of levels overlap below their panel?
are_crowded <- function(curves) {
  letters <- vapply(curves, function(curve) sum(nchar(level_names(curve$value)) + 2), 0)
  max(letters) * ceiling(sqrt(length(curves))) > 90
}

ggplot_residuals <- function(shown) {
  panels <- factor(shown$xlab, shown$xlab)
  points <- rbind(data.frame(panel = panels[1], shown$fitted), data.frame(panel = panels[2], shown$normal))
  guides <- data.frame(panel = panels, intercept = 0, slope = c(0, 1))
  out <- ggplot2::ggplot(points, ggplot2::aes(.data$x, .data$y)) +
    ggplot2::geom_abline(ggplot2::aes(intercept = .data$intercept, slope = .data$slope), data = guides,
      linetype = 3) +
    ggplot2::geom_point(size = 0.8, alpha = if (nrow(shown$fitted) > 1000) 0.2 else 0.5)
  if (!is.null(shown$smooth)) {
    out <- out + ggplot2::geom_line(data = data.frame(panel = panels[1], shown$smooth), colour = expert_colours(2)[2])
  }
  out + ggplot2::facet_wrap(ggplot2::vars(.data$panel), scales = "free_x", strip.position = "bottom") +
    ggplot2::labs(x = NULL, y = shown$ylab, title = shown$title, subtitle = shown$subtitle) +
    ggplot2::theme(strip.placement = "outside", strip.background = ggplot2::element_blank())
}

ggplot_convergence <- function(x) {
  path <- objective_path(x)
  ggplot2::ggplot(path$steps, ggplot2::aes(.data$step, .data$objective)) +
    ggplot2::geom_line() +
    ggplot2::geom_point(ggplot2::aes(shape = .data$kind), size = 2) +
    ggplot2::scale_x_continuous(breaks = unique(round(pretty(path$steps$step)))) +
    ggplot2::labs(x = path$xlab, y = path$ylab, shape = NULL, title = path$title, subtitle = path$subtitle)
}

ggplot_search <- function(search) {
  shown <- search_points(search, 15)
  shown$label <- search_labels(shown, 90)
  # Counted from above, as plot() does.
  shown$at <- rev(seq_len(nrow(shown)))
  ggplot2::ggplot(shown, ggplot2::aes(.data$below, .data$at)) +
    ggplot2::geom_segment(ggplot2::aes(x = 0, xend = .data$below, yend = .data$at), colour = "grey60") +
    ggplot2::geom_point(ggplot2::aes(shape = .data$degenerate), size = 2.5) +
    ggplot2::geom_text(ggplot2::aes(x = min(0, .data$below), y = .data$at + 0.35, label = .data$label),
      hjust = 0, size = 3) +
    ggplot2::scale_shape_manual(values = c(`FALSE` = 16, `TRUE` = 1), guide = "none") +
    ggplot2::scale_y_continuous(breaks = NULL) +
    ggplot2::expand_limits(x = if (nrow(shown) == 1) 1 else 0) +
    ggplot2::labs(x = "objective below the best maximum (units of log-likelihood)", y = NULL,
      title = search_title(search))
}

ggplot_plan <- function(x, most) {
  plan <- plan_parts(x, most)
  parts <- plan$parts
  # Counted from above, as plot() does.
  parts$at <- nlevels(parts$site) + 1 - as.integer(parts$site)
  parts$expert <- factor(parts$expert, seq_len(x$K))
  ggplot2::ggplot(parts) +
    ggplot2::geom_rect(ggplot2::aes(xmin = .data$left, xmax = .data$right, ymin = .data$at - 0.4,
      ymax = .data$at + 0.4, fill = .data$expert), colour = "white") +
    ggplot2::geom_text(ggplot2::aes((.data$left + .data$right) / 2, .data$at, label = .data$local),
      data = parts[parts$named, ], colour = "white", size = 3) +
    ggplot2::scale_fill_manual(values = expert_colours(x$K), drop = FALSE) +
    ggplot2::scale_y_continuous(breaks = rev(seq_len(nlevels(parts$site))),
      labels = levels(parts$site)) +
    ggplot2::labs(x = plan$xlab, y = NULL, fill = "expert", title = plan$title,
      caption = if (plan$hidden > 0) paste(plan$hidden, "more sites not shown"))
}
