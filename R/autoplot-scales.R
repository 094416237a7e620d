# The curves of autoplot.moe() in one data frame, and the scale that panels of several kinds of variables share.

# The kind of a variable as far as scales go.
scale_kind <- function(described) {
  if (described$type != "numeric" || !is.null(described$choices)) return("factor or logical")
  if (is.null(described$like$class)) "numeric" else described$like$class[1]
}

# All panels in one data frame: a row for every value of a variable and expert. Panels have one scale between them,
# so where variables are of several kinds `value` is the place on a scale of numbers that shared_scale() knows.
long_curves <- function(curves, what, places = NULL) {
  levels <- unique(unlist(lapply(curves, function(curve) level_names(curve$value))))
  do.call(rbind, lapply(names(curves), function(name) {
    curve <- curves[[name]]
    K <- ncol(curve$gate)
    value <- curve$value
    discrete <- !is.null(level_names(value))
    label <- if (discrete) as.character(value) else NA_character_
    if (!is.null(places)) value <- places[[name]]$at(value)
    else if (discrete) value <- factor(as.character(value), levels)
    data.frame(variable = factor(name, names(curves)), value = rep(value, K), label = rep(label, K),
      discrete = discrete, expert = factor(rep(seq_len(K), each = length(value))), gate = as.vector(curve$gate),
      y = as.vector(if (what == "expert") curve$mean else curve$gate),
      mixture = if (what == "expert") rep(curve$mixture, K) else NA,
      low = band_end(curve$band$low), high = band_end(curve$band$high))
  }))
}

band_end <- function(end) if (is.null(end)) NA_real_ else as.vector(end)

variable_kinds <- function(x) vapply(drawn_variables(x), scale_kind, "")

level_names <- function(value) {
  if (is.logical(value)) c("FALSE", "TRUE") else levels(value)
}

# Where the values of variables of several kinds lie on one scale: NULL where all are of one kind. Numbers stay where
# they are; each other variable has a stretch of its own beyond them.
shared_places <- function(curves, kinds) {
  if (length(unique(kinds[names(curves)])) < 2) return(NULL)
  numbers <- unlist(lapply(curves[kinds[names(curves)] == "numeric"], function(curve) as.numeric(curve$value)))
  unit <- max(1, 1e-3 * abs(numbers))
  from <- 4 * max(0, abs(numbers)) + 100 * unit
  places <- list()
  for (name in names(curves)) {
    value <- curves[[name]]$value
    places[[name]] <- place_of(value, level_names(value), kinds[[name]], from, unit)
    if (kinds[[name]] != "numeric") from <- places[[name]]$to + 100 * unit
  }
  places
}

place_of <- function(value, levels, kind, from, unit) {
  if (kind == "numeric") return(list(at = as.numeric, unit = 0))
  if (!is.null(levels)) {
    at <- from + unit * seq_along(levels)
    return(list(at = function(v) at[match(as.character(v), levels)], to = max(at), ticks = at, labels = levels,
      unit = unit))
  }
  # Dates and the like: steps between pretty ones.
  step <- unit / max(1, diff(range(as.numeric(value))))
  at <- function(v) from + 10 * step * (as.numeric(v) - min(as.numeric(value)))
  ticks <- pretty(value, 3)
  ticks <- ticks[ticks >= min(value) & ticks <= max(value)]
  list(at = at, to = from + 10 * unit, ticks = at(ticks), labels = format(ticks), unit = 0)
}

shared_scale <- function(places) {
  ticks <- unlist(lapply(places, function(place) place$ticks), use.names = FALSE)
  labels <- unlist(lapply(places, function(place) place$labels), use.names = FALSE)
  ggplot2::scale_x_continuous(
    breaks = function(limits) {
      own <- ticks[ticks >= limits[1] & ticks <= limits[2]]
      if (length(own)) own else pretty(limits, 4)
    },
    labels = function(at) {
      known <- match(at, ticks)
      ifelse(is.na(known), format(at, trim = TRUE), labels[known])
    }, minor_breaks = NULL, expand = ggplot2::expansion(0.08))
}
