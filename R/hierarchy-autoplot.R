# The plots of plot.moe_hierarchy() with ggplot2.

#' @rdname plot.moe_hierarchy
#' @exportS3Method ggplot2::autoplot
autoplot.moe_hierarchy <- function(object, which = c("forest", "sites", "experts", "gates"), term = NULL, level = 0.95,
                                   most = 60, ...) {
  which <- check_choice(which, c("forest", "sites", "experts", "gates"), "which")
  if (which %in% c("experts", "gates")) return(autoplot.moe(population(object), which, ...))
  check_dots(...)
  if (which == "forest") ggplot_forest(forest_rows(object, term, level, most))
  else ggplot_deviations(site_deviations(object, most))
}

ggplot_forest <- function(shown) {
  s <- shown$sites
  kinds <- c("own estimate", "in the hierarchy", "population", "a new site")
  rows <- c(s$site, "population", "a new site")
  part <- function(kind, site, values, what) {
    data.frame(kind = factor(kind, kinds), site = factor(site, rev(rows)), value = values[[what]],
      low = values[[paste0(what, "_low")]], high = values[[paste0(what, "_high")]])
  }
  new <- data.frame(new = NA_real_, new_low = shown$new[1], new_high = shown$new[2])
  lines <- rbind(part(kinds[1], s$site, s, "own"), part(kinds[2], s$site, s, "drawn"),
    part(kinds[3], kinds[3], shown$population, "drawn"), part(kinds[4], kinds[4], new, "new"))
  aside <- ggplot2::position_dodge(width = 0.5)
  xlim <- forest_range(shown)
  lines$low <- pmax(lines$low, xlim[1])
  lines$high <- pmin(lines$high, xlim[2])
  out <- ggplot2::ggplot(lines, ggplot2::aes(.data$value, .data$site, colour = .data$kind, shape = .data$kind)) +
    ggplot2::geom_vline(xintercept = shown$population$drawn, linetype = 2, colour = "grey70") +
    ggplot2::geom_linerange(ggplot2::aes(xmin = .data$low, xmax = .data$high), position = aside, na.rm = TRUE) +
    ggplot2::geom_point(position = aside, na.rm = TRUE, size = 2) +
    ggplot2::scale_colour_manual(values = c("grey45", expert_colours(2)[1], "black", expert_colours(2)[2])) +
    ggplot2::scale_shape_manual(values = c(15, 16, 18, 32)) + small_names(length(rows)) +
    ggplot2::labs(x = shown$term, y = NULL, colour = NULL, shape = NULL,
      title = paste("Sites and population:", shown$term), subtitle = shown$words, caption = forest_words(shown))
  if (shown$log) out + ggplot2::scale_x_log10() else out
}

ggplot_deviations <- function(shown) {
  z <- shown$z
  cells <- data.frame(site = factor(rownames(z)[row(z)], rev(rownames(z))),
    term = factor(colnames(z)[col(z)], colnames(z)),
    deviation = pmin(pmax(as.vector(z), -shown$limit), shown$limit))
  shade <- deviation_colours(3)
  ggplot2::ggplot(cells, ggplot2::aes(.data$term, .data$site, fill = .data$deviation)) +
    ggplot2::geom_tile(colour = "white") +
    ggplot2::scale_fill_gradient2(low = shade[1], mid = shade[2], high = shade[3], limits = c(-1, 1) * shown$limit) +
    small_names(nrow(z)) +
    ggplot2::theme(axis.text.x = ggplot2::element_text(angle = 90, hjust = 1, vjust = 0.5)) +
    ggplot2::labs(x = NULL, y = NULL, fill = "deviation", title = "How sites differ from the population",
      subtitle = "standardised columns; in standard deviations between sites",
      caption = if (shown$hidden > 0) paste(shown$hidden, "more sites not shown"))
}
