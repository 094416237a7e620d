# The plots of plot.moe() with ggplot2. (`.data`, within aes(), is ggplot2's word for the plot's data.)
.data <- NULL

#' Plot a mixture of experts with ggplot2
#'
#' The plots of [plot.moe()], as objects of `ggplot2` that can be changed further.
#'
#' @param object A model of class `moe`.
#' @param which What to draw, one of `"experts"`, `"gates"`, `"convergence"`, `"search"` and
#'   (aggregates) `"plan"`; see [plot.moe()].
#' @param variable Names of the variables along which experts and gates are drawn,
#'   one panel each. Panels share a scale's type, so all must be numeric, or all
#'   factors or logical, or all of one class of dates. By default up to six: those
#'   of the type that most of them have.
#' @param data,class,sites As in [plot.moe()].
#' @param ... Not used.
#' @return An object of class `ggplot`.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' set.seed(1)
#' d <- data.frame(x = runif(500, -1, 1))
#' d$y <- ifelse(runif(500) < plogis(6 * d$x), 2 - 3 * d$x, 3 * d$x) + rnorm(500, sd = 0.3)
#' fit <- moe(y ~ x, d, K = 2)
#' ggplot2::autoplot(fit, data = d)
#' ggplot2::autoplot(fit, "gates")
#' @exportS3Method ggplot2::autoplot
autoplot.moe <- function(object, which = "experts", variable = NULL, data = NULL, class = NULL,
                         sites = 60, ...) {
  check_dots(...)
  check_plot_kind(which, plot_kinds(object))
  class <- plot_class(object, class)
  sites <- check_count(sites, "sites")
  switch(which,
    experts = ggplot_experts(object, variable, data, class),
    gates = ggplot_gates(object, variable, data),
    convergence = ggplot_convergence(object),
    search = ggplot_search(object$record$search),
    plan = ggplot_plan(object, sites))
}

# Panels share a type of scale: the kind of a variable as far as scales go.
scale_kind <- function(described) {
  if (described$type != "numeric") return("factor or logical")
  if (is.null(described$like$class)) "numeric" else described$like$class[1]
}

# Curves along variables of one kind.
ggplot_curves <- function(x, variable, data, what, class = NULL) {
  kinds <- vapply(plot_variables(x, variable, data), scale_kind, "")
  if (is.null(variable)) {
    if (what == "gate" && !x$schema$same) {
      kinds <- kinds[intersect(gate_variables(x), names(kinds))]
    }
    first <- unique(kinds)
    kinds <- kinds[kinds == first[which.max(tabulate(match(kinds, first)))]]
  } else if (length(unique(kinds)) > 1) {
    found <- paste0(names(kinds), " (", kinds, ")")
    input_error("Panels share a scale, so {.arg variable} must name variables of one type; found
      {.val {found}}.", i = "Draw them one by one; {.fn plot} draws them together.")
  }
  plot_curves(x, if (length(kinds)) names(kinds), data, what, class)
}

# All panels in one data frame: a row for every value of a variable and expert.
long_curves <- function(curves, what) {
  levels <- unique(unlist(lapply(curves, function(curve) level_names(curve$value))))
  do.call(rbind, lapply(names(curves), function(name) {
    curve <- curves[[name]]
    K <- ncol(curve$gate)
    value <- curve$value
    if (!is.null(levels)) value <- factor(as.character(value), levels)
    data.frame(variable = factor(name, names(curves)), value = rep(value, K),
      expert = factor(rep(seq_len(K), each = length(value))), gate = as.vector(curve$gate),
      y = as.vector(if (what == "expert") curve$mean else curve$gate),
      mixture = if (what == "expert") rep(curve$mixture, K) else NA)
  }))
}

level_names <- function(value) {
  if (is.logical(value)) c("FALSE", "TRUE") else levels(value)
}

ggplot_experts <- function(x, variable, data, class) {
  curves <- ggplot_curves(x, variable, data, "expert", class)
  rows <- long_curves(curves, "expert")
  discrete <- is.factor(rows$value)
  limits <- range(vapply(curves, function(curve) curve$limits, numeric(2)))
  out <- ggplot2::ggplot(rows, ggplot2::aes(.data$value, .data$y))
  points <- row_points(curves, data, rows)
  if (!is.null(points)) {
    out <- out + ggplot2::geom_point(data = points, size = 0.6,
      alpha = if (nrow(points) > 1000) 0.2 else 0.4)
  }
  strength <- ggplot2::aes(colour = .data$expert, alpha = .data$gate)
  mixture <- ggplot2::aes(y = .data$mixture)
  out <- out + if (discrete) ggplot2::geom_point(strength, shape = "-", size = 14)
               else ggplot2::geom_line(strength, linewidth = 1.2)
  out <- out + if (discrete) ggplot2::geom_point(mixture, shape = 4)
               else ggplot2::geom_line(mixture, linetype = 2)
  out <- out + ggplot2::scale_alpha_continuous(range = c(0.15, 1), limits = c(0, 1), guide = "none")
  along(out, x$K) + ggplot2::coord_cartesian(ylim = limits) +
    ggplot2::labs(y = curves[[1]]$label, title = "Experts' means",
      subtitle = paste0("As strong as their gates there; ", if (discrete) "crosses" else "dashed",
        ": the mixture's mean"))
}

# Rows of the data as points in every panel, in the panels' types.
row_points <- function(curves, data, rows) {
  parts <- lapply(names(curves), function(name) {
    points <- curves[[name]]$points
    if (is.null(points)) return(NULL)
    value <- data[[name]][points$row]
    if (is.factor(rows$value)) value <- factor(as.character(value), levels(rows$value))
    data.frame(variable = factor(name, names(curves)), value = value, y = points$y)
  })
  do.call(rbind, parts)
}

ggplot_gates <- function(x, variable, data) {
  rows <- long_curves(ggplot_curves(x, variable, data, "gate"), "gate")
  out <- ggplot2::ggplot(rows, ggplot2::aes(.data$value, .data$y, colour = .data$expert))
  out <- out + if (is.factor(rows$value)) ggplot2::geom_point(shape = "-", size = 14)
               else ggplot2::geom_line(linewidth = 1)
  along(out, x$K) + ggplot2::coord_cartesian(ylim = c(0, 1)) +
    ggplot2::labs(y = "gate probability", title = "Gate probabilities")
}

along <- function(plot, K) {
  plot + ggplot2::scale_colour_manual(values = expert_colours(K)) +
    ggplot2::facet_wrap(ggplot2::vars(.data$variable), scales = "free_x", strip.position = "bottom") +
    ggplot2::labs(x = NULL, colour = "expert") +
    ggplot2::theme(strip.placement = "outside", strip.background = ggplot2::element_blank())
}

ggplot_convergence <- function(x) {
  path <- objective_path(x)
  ggplot2::ggplot(path$steps, ggplot2::aes(.data$step, .data$objective)) +
    ggplot2::geom_line() +
    ggplot2::geom_point(ggplot2::aes(shape = .data$kind), size = 2) +
    ggplot2::scale_x_continuous(breaks = unique(round(pretty(path$steps$step)))) +
    ggplot2::labs(x = path$xlab, y = path$ylab, shape = NULL, title = path$title)
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
