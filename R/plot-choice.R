# Plots of what was chosen or compared: moe_select(), moe_path(), moe_influence(), moe_sites(). First what they
# show, as numbers, then plot() of each; autoplot-choice.R draws the same with ggplot2.

# ---- what is shown -------------------------------------------------------------------------------

select_curve <- function(x) {
  value <- x$path[[if (x$criterion == "transport") "objective" else x$criterion]]
  half <- if (x$criterion == "CV") x$path$CV_se else NA_real_
  half <- ifelse(is.finite(half), half, 0)
  words <- criterion_words[[x$criterion]]
  list(points = data.frame(K = x$path$K, value = value, low = value - half, high = value + half,
    usable = x$path$usable), ylab = sub(" [(].*", "", words), title = paste("Number of experts:", x$K),
    subtitle = paste0("by ", words, if (!all(x$path$usable)) "; hollow: may not be chosen",
      if (any(half > 0)) "; bars: a standard error"))
}

# Of every value of lambda the criterion, or how many coefficients of each column are not 0.
path_curve <- function(x, what) {
  title <- paste0("Path of penalties: lambda = ", format(x$lambda, digits = 3))
  if (what == "criterion") {
    return(list(points = data.frame(lambda = x$path$lambda, value = x$path[[x$criterion]]), ylab = x$criterion,
      title = title, subtitle = paste("by", criterion_words[[x$criterion]])))
  }
  count <- lapply(x$models, function(m) count_coefficients(m)[[what]])
  count <- do.call(rbind, count)
  count <- count[, colnames(count) != "(Intercept)", drop = FALSE]
  if (!ncol(count)) input_error("The {what}s have no column beside the intercept.")
  # Those that stay longest first, as far as colours can be told apart; side by side at the same number.
  shown <- utils::head(order(-colSums(count)), 12)
  shift <- seq(-0.15, 0.15, length.out = length(shown))
  points <- data.frame(lambda = rep(x$path$lambda, length(shown)), value = as.vector(count[, shown]) +
    rep(shift, each = nrow(count)), column = factor(rep(colnames(count)[shown], each = nrow(count)),
    colnames(count)[shown]))
  hidden <- ncol(count) - length(shown)
  list(points = points, ylab = "coefficients that are not 0", title = title,
    subtitle = paste0("of the columns of the ", what, "s",
      if (hidden > 0) paste0(" (", hidden, " more not shown)")))
}

log_lambda <- function(x) all(x$path$lambda > 0)

influence_points <- function(x, most) {
  shown <- utils::head(as.data.frame(x), check_count(most, "most"))
  hierarchy <- !is.null(shown$change)
  shown$value <- if (hierarchy) shown$change else shown$transport
  list(points = shown, hidden = nrow(x) - nrow(shown), title = "Influence of sites",
    subtitle = paste("how far the", if (hierarchy) "population's mean" else "aggregate", "moves without a site"),
    xlab = if (hierarchy) "squared distance a parameter" else "transport divergence")
}

# The experts' coefficients at the first sites, with intervals where the sites sent their information.
site_coefficients <- function(x, sites, variable = NULL) {
  models <- site_models(x)
  columns <- models[[1]]$schema$expert$columns
  if (is.null(variable)) variable <- utils::head(c(setdiff(columns, "(Intercept)"), "(Intercept)"), 6)
  unknown <- setdiff(variable, columns)
  if (length(unknown)) {
    input_error("{.arg variable} {.val {unknown}} is no column of the experts.", i = "They are {.val {columns}}.")
  }
  shown <- utils::head(names(models), check_count(sites, "sites"))
  x$models <- models[shown]
  rows <- tidy.moe_sites(x, conf.int = TRUE)
  rows <- rows[rows$component == "expert" & rows$column %in% variable, ]
  label <- if (is.null(rows$class)) rows$expert else paste0(rows$expert, ":", rows$class)
  points <- data.frame(site = factor(rows$site, shown), column = factor(rows$column, variable),
    expert = factor(label, unique(label)), estimate = rows$estimate, low = rows$conf.low, high = rows$conf.high)
  hidden <- length(models) - length(shown)
  subtitle <- paste0("experts as every site numbers them",
    if (!all(is.na(rows$conf.low))) "; lines: 95 % intervals",
    if (hidden > 0) paste0("; ", hidden, " more sites not shown"))
  list(points = points, title = "Experts' coefficients at the sites", subtitle = subtitle)
}

# ---- plot() --------------------------------------------------------------------------------------

#' @rdname moe_select
#' @export
plot.moe_select <- function(x, ...) {
  check_dots(..., known = graphical_parameters)
  shown <- select_curve(x)
  p <- shown$points
  old <- graphics::par(c("mar", "mgp"))
  on.exit(graphics::par(old))
  seen <- is.finite(p$value)
  titled_frame(rep(p$K[seen], 2), c(p$low, p$high)[rep(seen, 2)], shown$title, shown$subtitle, "number of experts",
    shown$ylab, list(...), xaxt = "n")
  graphics::abline(v = x$K, lty = 3)
  graphics::lines(p$K[seen], p$value[seen], col = "grey60")
  graphics::segments(p$K, p$low, p$K, p$high)
  graphics::points(p$K, p$value, pch = ifelse(p$usable, 16, 1))
  graphics::axis(1, p$K)
  invisible(x)
}

#' @rdname moe_path
#' @param what What to plot: see the value.
#' @export
plot.moe_path <- function(x, what = c("criterion", "expert", "gate"), ...) {
  check_dots(..., known = graphical_parameters)
  what <- check_choice(what, c("criterion", "expert", "gate"), "what")
  shown <- path_curve(x, what)
  p <- shown$points
  old <- graphics::par(c("mar", "mgp", "xpd"))
  on.exit(graphics::par(old))
  counts <- what != "criterion"
  titled_frame(p$lambda, p$value, shown$title, shown$subtitle, "lambda", shown$ylab, list(...),
    log = if (log_lambda(x)) "x" else "", yaxt = if (counts) "n" else "s")
  if (counts) graphics::axis(2, unique(round(p$value)), las = 1)
  graphics::abline(v = x$lambda, lty = 3)
  if (!counts) {
    graphics::lines(p$lambda, p$value, type = "b", pch = 16)
    return(invisible(x))
  }
  colours <- grDevices::hcl.colors(nlevels(p$column), "Dark 3")
  for (i in seq_along(colours)) {
    own <- p[p$column == levels(p$column)[i], ]
    graphics::lines(own$lambda, own$value, type = "s", col = colours[i], lwd = 1.5)
  }
  graphics::legend("topright", levels(p$column), col = colours, lty = 1, lwd = 1.5, cex = 0.8, bg = "#FFFFFFC0",
    box.col = NA)
  invisible(x)
}

#' @rdname moe_influence
#' @param x What `moe_influence()` gives.
#' @param most Most sites that the plot shows.
#' @param ... Graphical parameters.
#' @export
plot.moe_influence <- function(x, most = 40, ...) {
  check_dots(..., known = graphical_parameters)
  shown <- influence_points(x, most)
  p <- shown$points
  old <- graphics::par(mar = c(4, names_lines(p$site), 3.5, 1), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  at <- rev(seq_along(p$site))
  panel(p$value, at, yaxt = "n", ylab = "", type = "n", las = 1,
    xlim = c(0, max(p$value)), ylim = c(0.5, nrow(p) + 0.5), xlab = shown$xlab, user = list(...))
  titles(shown$title, shown$subtitle, list(...))
  graphics::segments(0, at, p$value, at, col = "grey60", lwd = 2)
  graphics::points(p$value, at, pch = 16)
  names_axis(at, p$site)
  if (shown$hidden > 0) {
    graphics::mtext(paste(shown$hidden, "more sites not shown"), side = 1, line = 2.9, adj = 1, cex = 0.8)
  }
  invisible(x)
}

#' @rdname moe_sites-methods
#' @param sites Most sites that the plot shows.
#' @param variable Columns of the experts, a panel each; by default up to six.
#' @export
plot.moe_sites <- function(x, variable = NULL, sites = 30, ...) {
  check_dots(..., known = graphical_parameters)
  user <- list(...)
  shown <- site_coefficients(x, sites, variable)
  p <- shown$points
  names <- levels(p$site)
  panels <- levels(p$column)
  wide <- ceiling(sqrt(length(panels)))
  colours <- expert_colours(nlevels(p$expert))
  high <- ceiling(length(panels) / wide)
  size <- names_size(length(names), (graphics::par("din")[2] - 1) / high - 1)
  old <- graphics::par(mfrow = c(high, wide), mar = c(3.5, names_lines(names, size), 1.5, 1), oma = c(0, 0, 5, 0),
    mgp = c(2.2, 0.7, 0))
  on.exit(graphics::par(old))
  aside <- seq(-0.25, 0.25, length.out = length(colours) + 2)[seq_along(colours) + 1]
  for (column in panels) {
    own <- p[p$column == column, ]
    at <- length(names) + 1 - as.integer(own$site) - aside[as.integer(own$expert)]
    ends <- range(own$estimate, own$low, own$high, na.rm = TRUE)
    panel(own$estimate, at, type = "n", xlim = ends, ylim = c(0.5, length(names) + 0.5), yaxt = "n",
      las = 1, ylab = "", xlab = "coefficient", user = user)
    graphics::title(main = column, line = 0.5, cex.main = 1)
    names_axis(rev(seq_along(names)), names)
    if (ends[1] < 0 && ends[2] > 0) graphics::abline(v = 0, lty = 3)
    graphics::segments(own$low, at, own$high, at, col = colours[as.integer(own$expert)])
    graphics::points(own$estimate, at, pch = 16, col = colours[as.integer(own$expert)])
  }
  graphics::mtext(if (is.null(user$main)) shown$title else user$main, outer = TRUE, line = 3.4, font = 2)
  graphics::mtext(shown$subtitle, outer = TRUE, line = 2.2, cex = 0.8)
  graphics::par(fig = c(0, 1, 0, 1), oma = c(0, 0, 0, 0), mar = c(0, 0, 0, 0), new = TRUE)
  graphics::plot.new()
  graphics::legend("top", paste("expert", levels(p$expert)), col = colours, pch = 16, bty = "n", horiz = TRUE,
    cex = 0.9, inset = c(0, graphics::grconvertY(2.9, "lines", "ndc")))
  invisible(x)
}
