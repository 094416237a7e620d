# What plots show, as numbers: plot() and autoplot() draw them.

# The kinds of plots that a model has something for, with `data` if they are given.
plot_kinds <- function(x, data = kept_frame(x)) {
  searched <- length(x$record$objective) || length(x$aggregation$objective)
  c("experts", if (x$K > 1) "gates", if (!is.null(data)) "residuals", if (searched) "convergence",
    if (has_searched(x$record$search)) "search", if (!is.null(x$aggregation$mass)) "plan")
}

# The rows that are drawn: those given, else those of the fit where the model keeps them.
plot_rows <- function(x, data) {
  if (!is.null(data) && !is.data.frame(data)) {
    input_error("{.arg data} must be a data frame, not {.obj_type_friendly {data}}.")
  }
  kept <- kept_frame(x)
  if (is.null(data) && !is.null(kept)) as_rows(x, kept) else data
}

check_plot_kind <- function(which, kinds) {
  if (!is.character(which) || length(which) != 1 || !which %in% kinds) {
    input_error("{.arg which} must be among {.val {kinds}} for this model, not {show_value(which)}.")
  }
}

plot_class <- function(x, class) {
  labels <- if (has_many_classes(x)) x$schema$labels
  if (is.null(class)) return(labels[length(labels)])
  if (is.null(labels)) input_error("{.arg class} is for multinomial experts.")
  check_choice(class, labels, "class")
}

# Colours that stay apart for colour-blind readers (Okabe and Ito), then hues.
expert_colours <- function(K) {
  base <- c("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
  if (K <= length(base)) base[seq_len(K)] else grDevices::hcl.colors(K, "Dark 3")
}

# The variables of a gating formula of its own: along the others the gates are flat.
gate_variables <- function(x) {
  named <- if (x$schema$kind == "matrix") x$schema$gate$columns else all.vars(x$schema$gating)
  named <- intersect(names(x$schema$variables), named)
  if (length(named)) utils::head(named, 6)
}

# The variables of a model, each with its typical value `at`. Numbers that the formulas look at through factor()
# alone have `choices`: those that it knows.
drawn_variables <- function(x) {
  schema <- x$schema
  calls <- if (schema$kind == "formula") as.list(attr(stats::delete.response(schema$frame), "variables"))[-1]
  out <- lapply(stats::setNames(nm = names(schema$variables)), function(name) {
    v <- schema$variables[[name]]
    own <- calls[vapply(calls, function(call) name %in% all.vars(call), NA)]
    labelled <- vapply(own, function(call) {
      is.call(call) && identical(call[[2]], as.name(name)) && function_name(call) %in% label_functions
    }, NA)
    levels <- if (length(own) && all(labelled)) schema$levels[[deparse_one(own[[1]])]]
    choices <- if (v$type == "numeric") suppressWarnings(as.numeric(levels))
    if (length(choices) && !anyNA(choices)) {
      v$choices <- sort(choices)
      v$through <- deparse_one(own[[1]])
      v$mean <- v$choices[which.min(abs(v$choices - v$mean))]
    }
    v$at <- switch(v$type, factor = factor(v$mode, v$levels), logical = v$mode, as_like(v$mean, v))
    v
  })
  out
}

# A variable's values in the rows, as they are drawn; NULL where the rows do not hold it.
along_rows <- function(rows, name, described) {
  v <- rows[[name]]
  if (is.null(described$choices)) return(v)
  if (is.null(v)) v <- rows[[described$through]]
  if (!is.null(v)) factor(as.character(v), described$choices)
}

# Experts ("expert") or gates ("gate") along variables: a list of curves, named by variable. `rows`: see
# plot_rows().
plot_curves <- function(x, variable, rows, what, class = NULL) {
  if (is.null(variable) && what == "gate" && !x$schema$same) variable <- gate_variables(x)
  described <- plot_variables(x, variable)
  responses <- if (what == "expert") row_responses(x, rows, class)
  curve <- function(name) {
    grid <- plot_grid(x, name, described[[name]], rows)
    out <- list(value = grid_values(grid, name), gate = predict(x, grid, "gate"))
    if (!is.null(described[[name]]$choices)) out$value <- factor(out$value, described[[name]]$choices)
    if (what != "expert") {
      band <- mean_with_band(x, grid, "gate", NULL)
      return(c(out, list(band = band[c("low", "high")])))
    }
    along <- along_rows(rows, name, described[[name]])
    c(out, expert_curve(x, grid, out$gate, along, responses, class))
  }
  lapply(stats::setNames(names(described), names(described)), curve)
}

# Experts' means with the ends of their 95 % intervals (NULL where the model has no standard errors), the
# mixture's likewise, the response's name, up to 2000 rows as points (with their values `along` the variable) and
# limits for the response.
expert_curve <- function(x, grid, gate, along, responses, class) {
  mean <- mean_with_band(x, grid, "expert", class)
  mixture <- mean_with_band(x, grid, "response", class)
  response <- x$schema$response
  if (!is.null(class)) response <- paste0("P(", response, " = ", class, ")")
  points <- NULL
  if (!is.null(responses) && !is.null(along)) {
    some <- evenly(length(responses), 2000)
    points <- data.frame(row = some, along = along[some], value = axis_position(along)[some], y = responses[some])
    # Rows of one level side by side, in an order of its own: that of responses that are set apart would show lines.
    aside <- 4 * small_shift(points$row, 0.7548776662)
    points$aside <- if (!is.numeric(unclass(along)) || is.factor(along)) aside else 0
    points$value <- points$value + points$aside
  }
  # Lines of experts that are hardly ever asked here must not set the scale.
  limits <- range(mean$at[gate > 0.05], mixture$at, points$y, na.rm = TRUE)
  if (has_classes(x$schema)) limits <- range(limits, 0, 1)
  list(mean = mean$at, band = mean[c("low", "high")], mixture = mixture$at[, 1],
    mixture_band = mixture[c("low", "high")], label = response, points = points, rows = length(responses),
    limits = limits)
}

# A logical's and a factor's levels are 1, 2, ... on their axis.
axis_position <- function(v) {
  if (is.logical(v)) v <- factor(v, c(FALSE, TRUE))
  if (is.character(v)) v <- factor(v)
  as.numeric(v)
}

# list(at, low, high), matrices with a row a row of the grid; `at` alone where there are no standard errors.
mean_with_band <- function(x, grid, type, class) {
  pick <- function(v) {
    if (is.null(class)) return(as.matrix(v))
    if (type == "expert") matrix(v[, , class], ncol = x$K) else as.matrix(v[, class])
  }
  both <- tryCatch(suppressWarnings(predict(x, grid, type, se.fit = TRUE)), moe_no_covariance = function(e) NULL)
  if (is.null(both)) return(list(at = pick(predict(x, grid, type))))
  at <- pick(both$fit)
  half <- stats::qnorm(0.975) * pick(both$se.fit)
  list(at = at, low = within_range(x, at - half, type), high = within_range(x, at + half, type))
}

# Responses of rows as they are drawn: those that are 0 or 1 (of classes: is it `class`?) are set apart a little,
# always in the same way. NULL where the rows do not hold them.
row_responses <- function(x, rows, class) {
  schema <- x$schema
  if (is.null(rows) || schema$kind == "formula" && !holds_response(x, rows)) return(NULL)
  y <- tryCatch(if (schema$kind == "formula") known_response(x, rows)
                else check_response(rows[[schema$response]], schema$family, labels = schema$labels),
    moe_input_error = function(e) NULL)
  if (!is.null(y) && !is.null(class)) y <- as.numeric(schema$labels[y + 1] == class)
  if (is.null(y) || !has_classes(schema)) y else y + small_shift(seq_along(y))
}

# Numbers within 0.04 of 0 that look random and are always the same; other ones for another `step`.
small_shift <- function(i, step = 0.61803398875) 0.08 * ((i * step) %% 1 - 0.5)

# The values at which the variables stay that are not drawn along, in words; none where there is no other.
held_words <- function(x, names, rows = NULL) {
  known <- c(lapply(drawn_variables(x), function(v) v$at), other_values(x, rows))
  if (length(known) < 2) return(character())
  said <- vapply(known, function(at) {
    said <- if (is.numeric(at) && !is.object(at)) format(at, digits = 3, trim = TRUE) else as.character(at)
    if (length(said) == 1) said else paste0("(", first_of(said, 4), ")")
  }, "")
  said <- paste(names(known), "=", said)
  if (length(names) == 1) said <- said[names(known) != names]
  paste0(if (length(names) == 1) "Held at " else "The other variables are held at ", first_of(said, 8))
}

plot_variables <- function(x, variable) {
  known <- drawn_variables(x)
  if (!length(known)) {
    input_error("The model has no numeric or factor variable to draw along.")
  }
  if (is.null(variable)) variable <- utils::head(names(known), 6)
  unknown <- setdiff(variable, names(known))
  if (length(unknown)) {
    input_error("{.arg variable} {.val {unknown}} is not in the model.",
      i = "It has {.val {names(known)}}.")
  }
  known[variable]
}

# Rows at which a variable runs over its range (mean +- 2 standard deviations, or the data's range)
# and the others stay at a typical value, matrices at their columns' means.
plot_grid <- function(x, name, described, data) {
  range <- if (!is.null(described$choices)) {
    described$choices
  } else if (described$type == "factor") {
    factor(described$levels, described$levels)
  } else if (described$type == "logical") {
    c(FALSE, TRUE)
  } else if (has_range(data[[name]])) {
    v <- as.numeric(data[[name]])
    ends <- range(v[is.finite(v)])
    seq(ends[1], ends[2], length.out = 101)
  } else {
    described$mean + described$sd * seq(-2, 2, length.out = 101)
  }
  grid <- lapply(drawn_variables(x), function(v) rep(v$at, length(range)))
  grid[[name]] <- if (described$type == "numeric") as_like(as.numeric(range), described) else range
  others <- other_values(x, data)
  lacks <- setdiff(x$schema$needs, c(names(grid), names(others)))
  if (length(lacks)) {
    input_error("The model keeps no typical value of {.val {lacks}}.", i = "Give {.arg data}.")
  }
  for (v in names(others)) {
    at <- others[[v]]
    grid[[v]] <- if (is.matrix(at)) I(at[rep(1, length(range)), , drop = FALSE]) else rep(at, length(range))
  }
  grid <- as.data.frame(grid, optional = TRUE)
  if (x$schema$kind == "matrix") return(matrix_grid(x, grid))
  drawable(x, grid)
}

# Where variables stay of which the model keeps no typical value (matrices, factors that only a function looks at)
# but the rows that are drawn hold some: a list.
other_values <- function(x, data) {
  names <- intersect(setdiff(x$schema$needs, names(x$schema$variables)), names(data))
  lapply(stats::setNames(nm = names), function(name) {
    v <- data[[name]]
    if (is.matrix(v) && is.numeric(v)) return(t(colMeans(v, na.rm = TRUE)))
    v[match(names(which.max(table(v))), as.character(v))]
  })
}

has_range <- function(v) is.numeric(unclass(v)) && !is.factor(v) && any(is.finite(as.numeric(v)))

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

# The objective after every step, with words for the axes. That of a fit as the difference from its last value: its
# own digits would all be the same.
objective_path <- function(x) {
  aggregate <- !is.null(x$aggregation)
  objective <- if (aggregate) x$aggregation$objective else x$record$objective
  kind <- if (aggregate) c("start", rep("MM", length(objective) - 1)) else x$record$steps
  last <- objective[length(objective)]
  if (!aggregate) objective <- objective - last
  list(steps = data.frame(step = seq_along(objective) - 1, objective = objective, kind = kind),
    falls = aggregate, xlab = if (aggregate) "MM step" else "step (on all rows)",
    ylab = if (aggregate) "transport divergence (11)" else "difference from the last value",
    title = if (aggregate) "Reduction" else "Log-likelihood less the priors",
    subtitle = if (!aggregate) paste("last value:", format(last, digits = 7)))
}

# Quantile residuals against fitted values, and their quantiles against normal ones.
residual_points <- function(x, data, class, most = 5000) {
  old <- get0(".Random.seed", globalenv(), inherits = FALSE)
  on.exit(restore_seed(old))
  set.seed(1)  # so that the picture of counts and classes is always the same
  r <- stats::residuals(x, "quantile", newdata = data)
  fitted <- predict(x, data)
  if (!is.null(class)) fitted <- fitted[, class]
  known <- which(is.finite(r) & is.finite(fitted))
  if (!length(known)) input_error("No row is complete: there are no residuals to draw.")
  some <- known[evenly(length(known), most)]
  share <- stats::ppoints(min(length(known), most))
  name <- x$schema$response
  list(fitted = data.frame(x = fitted[some], y = r[some]),
    normal = data.frame(x = stats::qnorm(share), y = stats::quantile(r[known], share, names = FALSE, type = 5)),
    smooth = if (length(some) > 5) as.data.frame(stats::lowess(fitted[some], r[some])),
    xlab = c(if (is.null(class)) paste("fitted", name) else paste0("fitted P(", name, " = ", class, ")"),
      "normal quantiles"), ylab = "quantile residuals", title = "Residuals",
    subtitle = "quantile residuals: standard normal where the model is right")
}

# Was there anything to search for?
has_searched <- function(search) !is.null(search) && search$runs > 1

# The best maxima that a search found: how far each is below the best, how often it was reached and from
# what. A degenerate one may be above (a negative number).
search_points <- function(search, most) {
  maxima <- utils::head(search$maxima, most)
  data.frame(below = maxima$objective[1] - maxima$objective, maxima[c("reached", "kinds", "degenerate")])
}

search_title <- function(search) {
  found <- nrow(search$maxima)
  paste0(format_big(search$runs), " runs on ", format_big(search$rows), " rows: ", found,
    if (found == 1) " maximum" else " maxima")
}

# Where the first `most` sites' experts went: `parts` has a row for every local expert and the expert to
# which (some of) its mass was sent, from `left` to `right` of its site's bar; `named`: is it wide
# enough for a number?
plan_parts <- function(x, most) {
  mass <- x$aggregation$mass
  all <- factor(sub(":[0-9]+$", "", rownames(mass)), levels = names(used_models(x)))
  shown <- utils::head(levels(all), most)
  local <- sub("^.*:", "", rownames(mass))
  parts <- lapply(shown, function(site) {
    own <- which(all == site)
    at <- which(mass[own, , drop = FALSE] > 0, arr.ind = TRUE)
    at <- at[order(at[, "col"], at[, "row"]), , drop = FALSE]
    width <- mass[own, , drop = FALSE][at] / sum(mass[own, ])
    data.frame(site = site, local = local[own][at[, "row"]], expert = unname(at[, "col"]),
      left = cumsum(width) - width, right = cumsum(width),
      named = width > 0.03 & length(shown) <= 40)
  })
  parts <- do.call(rbind, parts)
  parts$site <- factor(parts$site, shown)
  list(parts = parts, hidden = nlevels(all) - length(shown), title = "Where the sites' experts went",
    xlab = "share of the site's mass (numbers: its own experts)")
}

search_labels <- function(shown, width) {
  times <- ifelse(shown$reached == 1, "once", paste(shown$reached, "times"))
  text <- paste0(times, ifelse(shown$degenerate, " (degenerate)", ""), ": ", shown$kinds)
  cut_text(text, width)
}
