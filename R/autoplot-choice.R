# The plots of plot-choice.R with ggplot2.

#' Plot what was chosen or compared with ggplot2
#'
#' The plots of [moe_select()], [moe_path()], [moe_influence()] and [moe_sites()], as objects of `ggplot2` that can be
#' changed further.
#'
#' @param object What one of these functions gives.
#' @param what,most,variable,sites As in `plot()` of the object.
#' @param ... Not used.
#' @return An object of class `ggplot`.
#' @examplesIf requireNamespace("ggplot2", quietly = TRUE)
#' ggplot2::autoplot(moe_select(dist ~ speed, cars, K = 1:2))
#' @exportS3Method ggplot2::autoplot
autoplot.moe_select <- function(object, ...) {
  check_dots(...)
  shown <- select_curve(object)
  points <- shown$points
  ggplot2::ggplot(points, ggplot2::aes(.data$K, .data$value)) +
    ggplot2::geom_vline(xintercept = object$K, linetype = 3) +
    ggplot2::geom_line(data = points[is.finite(points$value), ], colour = "grey60") +
    ggplot2::geom_linerange(ggplot2::aes(ymin = .data$low, ymax = .data$high), na.rm = TRUE) +
    ggplot2::geom_point(ggplot2::aes(shape = .data$usable), size = 2, na.rm = TRUE) +
    ggplot2::scale_shape_manual(values = c(`TRUE` = 16, `FALSE` = 1), guide = "none") +
    ggplot2::scale_x_continuous(breaks = points$K, minor_breaks = NULL) +
    ggplot2::labs(x = "number of experts", y = shown$ylab, title = shown$title, subtitle = shown$subtitle)
}

#' @rdname autoplot.moe_select
#' @exportS3Method ggplot2::autoplot
autoplot.moe_path <- function(object, what = c("criterion", "expert", "gate"), ...) {
  check_dots(...)
  what <- check_choice(what, c("criterion", "expert", "gate"), "what")
  shown <- path_curve(object, what)
  out <- ggplot2::ggplot(shown$points, ggplot2::aes(.data$lambda, .data$value)) +
    ggplot2::geom_vline(xintercept = object$lambda, linetype = 3) +
    ggplot2::labs(x = "lambda", y = shown$ylab, title = shown$title, subtitle = shown$subtitle, colour = NULL)
  if (log_lambda(object)) out <- out + ggplot2::scale_x_log10()
  if (what == "criterion") return(out + ggplot2::geom_line() + ggplot2::geom_point(size = 2))
  out + ggplot2::geom_step(ggplot2::aes(colour = .data$column), linewidth = 0.8) +
    ggplot2::scale_y_continuous(breaks = unique(round(shown$points$value)), minor_breaks = NULL)
}

#' @rdname autoplot.moe_select
#' @exportS3Method ggplot2::autoplot
autoplot.moe_influence <- function(object, most = 40, ...) {
  check_dots(...)
  shown <- influence_points(object, most)
  points <- shown$points
  points$site <- factor(points$site, rev(points$site))
  ggplot2::ggplot(points, ggplot2::aes(.data$value, .data$site)) +
    ggplot2::geom_segment(ggplot2::aes(x = 0, xend = .data$value, yend = .data$site), colour = "grey60") +
    ggplot2::geom_point(size = 2) +
    small_names(nrow(points)) +
    ggplot2::labs(x = shown$xlab, y = NULL, title = shown$title, subtitle = shown$subtitle,
      caption = if (shown$hidden > 0) paste(shown$hidden, "more sites not shown"))
}

# So that names of many sites, in so many rows of panels, do not touch on a page of the usual size.
small_names <- function(count, rows = 1) {
  if (count * rows <= 30) return(NULL)
  ggplot2::theme(axis.text.y = ggplot2::element_text(size = max(4, 260 / (count * rows))))
}

#' @rdname autoplot.moe_select
#' @exportS3Method ggplot2::autoplot
autoplot.moe_sites <- function(object, variable = NULL, sites = 30, ...) {
  check_dots(...)
  shown <- site_coefficients(object, sites, variable)
  points <- shown$points
  points$site <- factor(points$site, rev(levels(points$site)))
  aside <- ggplot2::position_dodge(width = 0.5)
  ggplot2::ggplot(points, ggplot2::aes(.data$estimate, .data$site, colour = .data$expert)) +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$low, xmax = .data$high), position = aside, na.rm = TRUE) +
    ggplot2::geom_point(position = aside) +
    ggplot2::scale_colour_manual(values = expert_colours(nlevels(points$expert))) +
    ggplot2::facet_wrap(ggplot2::vars(.data$column), scales = "free_x") +
    small_names(nlevels(points$site), ceiling(nlevels(points$column) / ceiling(sqrt(nlevels(points$column))))) +
    ggplot2::labs(x = "coefficient", y = NULL, colour = "expert", title = shown$title, subtitle = shown$subtitle)
}
