#' Plots of a hierarchy
#'
#' `"forest"`: of one parameter every site's own estimate with its interval, the site's in the hierarchy
#' beside it, the population's (diamond) and the interval in which that of a new site is expected, as in a
#' meta-analysis. `"sites"`: how far every site lies from the population in every parameter, in standard deviations
#' between sites. `"experts"` and `"gates"` are those of [plot.moe()], of the population's model.
#'
#' @param x,object A model made by [moe_hierarchy()].
#' @param which `"forest"`, `"sites"`, `"experts"` or `"gates"`.
#' @param term `"forest"`: the name of a parameter, as [coef.moe()] gives it; by default the one in which sites
#'   differ most.
#' @param level Probability of the intervals.
#' @param most Most sites (and parameters) that are shown: those that differ most.
#' @param ... Of `plot()`: graphical parameters such as `main` and `xlab`; for `"experts"` and `"gates"`
#'   arguments of [plot.moe()].
#' @return `plot()`: `x`, invisibly. `autoplot()`: an object of class `ggplot`.
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C"), each = 400)
#' sim$data$y <- sim$data$y + c(A = 0, B = 1, C = 2)[site]
#' sources <- split(sim$data, site)
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' plot(h, "forest", term = "expert1:(Intercept)")
#' plot(h, "sites")
#' @export
plot.moe_hierarchy <- function(x, which = c("forest", "sites", "experts", "gates"), term = NULL, level = 0.95,
                               most = 60, ...) {
  which <- check_choice(which, c("forest", "sites", "experts", "gates"), "which")
  if (which %in% c("experts", "gates")) {
    plot.moe(population(x), which, ...)
    return(invisible(x))
  }
  check_dots(..., known = graphical_parameters)
  if (which == "forest") draw_forest(forest_rows(x, term, level, most), list(...))
  else draw_deviations(site_deviations(x, most), list(...))
  invisible(x)
}

# A row a site, the population's and the interval of a new site.
forest_rows <- function(object, term, level, most) {
  level <- check_number(level, "level", strict = TRUE, most = 1)
  most <- check_count(most, "most")
  found <- heterogeneity(object, level)
  if (is.null(term)) term <- found$term[which.max(ifelse(found$tau > 0, found$Q / pmax(found$df, 1), -1))]
  if (!length(term)) term <- found$term[1]
  at <- match(term, found$term)
  if (!is.character(term) || length(term) != 1 || is.na(at)) {
    input_error("{.arg term} must be the name of a parameter, not {show_value(term)}.",
      i = "{.code names(fixef(h))} lists them.")
  }
  own <- site_estimates(object)
  drawn <- deviations(object, TRUE, TRUE)
  centre <- fixef(object)[[at]]
  logged <- grepl("^dispersion", term)
  back <- if (logged) exp else identity
  if (logged) centre <- log(centre)
  quantile <- stats::qnorm((1 + level) / 2)
  sites <- data.frame(site = rownames(drawn), own = own$estimate[at, ], own_se = own$se[at, ],
    value = centre + drawn[[at]], se = attr(drawn, "se")[, at], n = object$hierarchy$table$n, stringsAsFactors = FALSE)
  hidden <- max(0, nrow(sites) - most)
  if (hidden) sites <- sites[sort(order(-abs(sites$value - centre))[seq_len(most)]), ]
  ends <- function(value, se, what) {
    out <- data.frame(value = back(value), low = back(value - quantile * se), high = back(value + quantile * se))
    stats::setNames(out, paste0(what, c("", "_low", "_high")))
  }
  sites <- cbind(sites[c("site", "n")], ends(sites$own, sites$own_se, "own"), ends(sites$value, sites$se, "drawn"))
  population <- ends(centre, found$se[at], "drawn")
  list(sites = sites, population = population, new = c(found$low[at], found$high[at]), term = term, level = level,
    hidden = hidden, log = logged,
    words = sprintf("tau = %s, I2 = %s %%, Q = %s on %d df%s", format(found$tau[at], digits = 3),
      format(round(found$I2[at], 1)), format(round(found$Q[at], 1)), as.integer(found$df[at]),
      if (is.na(found$p[at])) "" else paste0(", p ", sub("^([0-9])", "= \\1", format.pval(found$p[at], 2, 1e-4)))))
}

# What is far outside of the others' intervals is cut off, with an arrow.
forest_range <- function(shown) {
  s <- shown$sites
  inner <- range(s$drawn_low, s$drawn_high, s$own, shown$new, unlist(shown$population), na.rm = TRUE, finite = TRUE)
  width <- max(diff(inner), 1e-12)
  all <- range(inner, s$own_low, s$own_high, na.rm = TRUE, finite = TRUE)
  c(max(all[1], inner[1] - 0.5 * width), min(all[2], inner[2] + 0.5 * width))
}

draw_forest <- function(shown, user) {
  s <- shown$sites
  rows <- nrow(s) + 2
  names <- c(s$site, "population", "a new site")
  size <- names_size(rows + 1, graphics::par("din")[2] - 1.8)
  old <- graphics::par(mar = c(4.6, names_lines(names, size), 3.8, 1), mgp = c(2.4, 0.8, 0))
  on.exit(graphics::par(old))
  xlim <- forest_range(shown)
  panel(xlim, c(rows + 0.6, 0.4), type = "n", xlim = xlim, ylim = c(rows + 0.6, 0.4), yaxt = "n", bty = "n",
    ylab = "", xlab = shown$term, log = if (shown$log) "x" else "", user = user)
  at <- seq_len(nrow(s))
  graphics::abline(v = shown$population$drawn, col = "grey75", lty = 2)
  bar <- function(y, low, high, ...) {
    known <- is.finite(low) & is.finite(high)
    if (any(known)) graphics::segments(pmax(low, xlim[1])[known], y[known], pmin(high, xlim[2])[known], y[known], ...)
  }
  bar(at - 0.14, s$own_low, s$own_high, col = "grey45")
  colour <- expert_colours(2)[1]
  graphics::points(s$own, at - 0.14, pch = 15, col = "grey45", cex = own_sizes(s))
  bar(at + 0.14, s$drawn_low, s$drawn_high, col = colour, lwd = 2)
  graphics::points(s$drawn, at + 0.14, pch = 16, col = colour, cex = 0.8)
  p <- shown$population
  graphics::polygon(c(p$drawn_low, p$drawn, p$drawn_high, p$drawn), rows - 1 + c(0, -0.3, 0, 0.3), col = "black")
  graphics::segments(shown$new[1], rows, shown$new[2], rows, lwd = 3, col = expert_colours(2)[2])
  names_axis(c(at, rows - 1, rows), names, 0.2)
  title <- if (is.null(user$main)) paste("Sites and population:", shown$term) else user$main
  graphics::mtext(title, line = 2.2, font = 2)
  graphics::mtext(shown$words, line = 1, cex = 0.85)
  graphics::mtext(forest_words(shown), side = 1, line = 3.4, cex = 0.75, col = "grey30")
}

forest_words <- function(shown) {
  paste0("grey: a site's own estimate; colour: in the hierarchy; ", format(100 * shown$level), " % intervals",
    if (shown$hidden) paste0("; ", shown$hidden, " more sites not shown"))
}

# Larger where an estimate is known better.
own_sizes <- function(s) {
  width <- s$own_high - s$own_low
  weight <- ifelse(is.finite(width) & width > 0, 1 / width, NA)
  size <- sqrt(weight / max(weight, 1e-300, na.rm = TRUE))
  0.6 + 0.9 * ifelse(is.na(size), 0, size)
}

# How far every site lies from the population: deviations of the parameters that vary in standard deviations.
site_deviations <- function(object, most) {
  most <- check_count(most, "most")
  values <- as.matrix(ranef(object))
  tau <- attr(VarCorr(object), "stddev")
  scaled <- attr(VarCorr(object), "standardised")
  # On standardised columns, where effects are what they are called.
  h <- object$hierarchy
  deviation <- t(h$parameters - h$mean)
  dimnames(deviation) <- dimnames(values)
  varies <- scaled > 1e-6 * max(scaled, 1e-300)
  if (!any(varies)) {
    input_error("No parameter differs between these sites: there is nothing to show.",
      i = "{.fn heterogeneity} has the tests.")
  }
  z <- sweep(deviation[, varies, drop = FALSE], 2, scaled[varies], `/`)
  rank <- function(v) utils::head(order(-v), most)
  z <- z[sort(rank(rowSums(z^2))), sort(rank(colSums(z^2))), drop = FALSE]
  list(z = z, limit = max(2, min(4, max(abs(z)))), hidden = nrow(values) - nrow(z))
}

deviation_colours <- function(count) {
  ends <- expert_colours(2)
  grDevices::colorRampPalette(c(ends[1], "white", ends[2]))(count)
}

draw_deviations <- function(shown, user) {
  z <- shown$z
  rows <- nrow(z)
  size <- names_size(rows + 1, graphics::par("din")[2] - 2.5)
  below <- min(14, 1 + 0.45 * max(nchar(colnames(z))))
  old <- graphics::par(mar = c(below, names_lines(rownames(z), size), 3.8, 1))
  on.exit(graphics::par(old))
  shade <- deviation_colours(101)
  level <- round(50 * pmin(pmax(z / shown$limit, -1), 1)) + 51
  graphics::plot(NULL, xlim = c(0.5, ncol(z) + 0.5), ylim = c(rows + 0.5, 0.5), xlab = "", ylab = "", axes = FALSE,
    xaxs = "i", yaxs = "i")
  graphics::rect(col(z) - 0.5, row(z) - 0.5, col(z) + 0.5, row(z) + 0.5, col = shade[level], border = "white")
  names_axis(seq_len(rows), rownames(z), 0.3)
  across <- max(0.35, min(0.9, 1.1 * graphics::par("pin")[1] / (ncol(z) * graphics::par("cin")[2])))
  graphics::mtext(colnames(z), side = 1, at = seq_len(ncol(z)), las = 2, line = 0.3, cex = across)
  graphics::mtext(if (is.null(user$main)) "How sites differ from the population" else user$main, line = 2.2, font = 2)
  graphics::mtext(deviation_words(shown), line = 1, cex = 0.8)
}

deviation_words <- function(shown) {
  paste0("standardised columns; standard deviations between sites, from -", format(shown$limit, digits = 2),
    " (blue) to ", format(shown$limit, digits = 2), " (orange)",
    if (shown$hidden > 0) paste0("; ", shown$hidden, " more sites not shown"))
}
