# Figures 1 to 5 and the picture of the leak, from data frames as the CSVs of results/ hold them. Base graphics,
# no dependence on the package. Used by figures.R.

estimators <- c(G = "G (pooled)", R_component = "R, component plan", R_round = "R, component, one round",
  R_pointwise = "R, pointwise plan", Middle = "Middle", Average = "Weighted average")
colours <- c(G = "grey55", R_component = "#0072B2", R_round = "#56B4E9", R_pointwise = "#E69F00",
  Middle = "#009E73", Average = "#CC79A7")
small_share <- 0.01  # draws whose smallest expert holds less are marked

protocols <- c(paper = "the paper's protocol (independent sites, S = N / M)",
  default = "moe_distributed() with its defaults")

big <- function(n) format(n, big.mark = ",", scientific = FALSE, trim = TRUE)

# Files of results by the pattern of their names.
results_files <- function(folder, name) list.files(folder, paste0("^", name, "[.]csv$"), full.names = TRUE)

# The simulation's measures: column to show, title, logarithmic axis? Differences below `least` are drawn there.
panels <- list(
  transport = list(title = "T_c from the truth", log = TRUE, least = 1e-6),
  gap = list(title = "Log-likelihood a row below the truth's", log = TRUE, least = 1e-6),
  mse = list(title = "MSE of the parameters", log = TRUE, least = 1e-8),
  rpe_ratio = list(title = "RPE over the truth's RPE", log = TRUE, least = 1e-6),
  ari = list(title = "Adjusted Rand index", log = FALSE),
  learning_time = list(title = "Learning time (s)", log = TRUE, least = 1e-3))
class_panels <- c(panels[c("transport", "gap")],
  list(accuracy_loss = list(title = "Accuracy below the truth's", log = FALSE),
    log_loss_ratio = list(title = "Log loss over the truth's", log = TRUE, least = 1e-6)),
  panels[c("ari", "learning_time")])

# Adds what is measured against the truth of the same draw.
against_truth <- function(results) {
  truth <- results[results$estimator == "truth", ]
  of <- function(column) truth[[column]][match(paste(results$N, results$seed), paste(truth$N, truth$seed))]
  results$gap <- results$truth_loglik - results$loglik
  results$rpe_ratio <- results$rpe / of("rpe")
  if ("accuracy" %in% names(results)) {
    results$accuracy_loss <- of("accuracy") - results$accuracy
    results$log_loss_ratio <- results$log_loss / of("log_loss")
  }
  results[results$estimator != "truth", ]
}

# Boxes in groups: `by` is "M" (at one N; G stands alone on the left) or "N" (at one M; G in every group).
box_panel <- function(results, by, panel, column) {
  groups <- sort(unique(results[[by]][by == "N" | results$estimator != "G"]))
  shown <- names(estimators)
  places <- list()
  if (by == "M") {
    places[["G"]] <- list(rows = results$estimator == "G", at = 0, colour = colours[["G"]])
    shown <- setdiff(shown, "G")
  }
  for (g in seq_along(groups)) {
    for (e in seq_along(shown)) {
      places[[paste(groups[g], shown[e])]] <- list(
        rows = results$estimator == shown[e] & results[[by]] == groups[g],
        at = (g - 1) * (length(shown) + 1.5) + e + (by == "M"), colour = colours[[shown[e]]])
    }
  }
  values <- lapply(places, function(p) {
    v <- results[[column]][p$rows]
    if (panel$log) pmax(v, panel$least) else v
  })
  at <- vapply(places, function(p) p$at, 0)
  range <- range(unlist(values), na.rm = TRUE, finite = TRUE)
  plot(NA, xlim = range(at) + c(-0.7, 0.7), ylim = range, log = if (panel$log) "y" else "", xaxt = "n",
    yaxt = "n", xlab = "", ylab = "", main = panel$title, font.main = 1, cex.main = 1.15)
  value_axis(panel$log)
  for (i in seq_along(places)) {
    if (!length(values[[i]]) || all(is.na(values[[i]]))) next
    graphics::boxplot(values[[i]], at = at[i], add = TRUE, axes = FALSE, col = places[[i]]$colour,
      border = "grey20", boxwex = 0.85, outcex = 0.4, lwd = 0.8, medlwd = 1.6)
    mark <- results$least_share[places[[i]]$rows] < small_share
    graphics::points(rep(at[i], sum(mark)), values[[i]][mark], pch = 4, cex = 0.7, col = "#D00000", lwd = 1.2)
  }
  middle <- (seq_along(groups) - 1) * (length(shown) + 1.5) + (length(shown) + 1) / 2 + (by == "M")
  graphics::axis(1, middle, paste0(by, " = ", big(groups)), tick = FALSE, line = -0.4)
  if (by == "M") graphics::axis(1, 0, "G", tick = FALSE, line = -0.4)
}

# On a logarithmic axis: powers of ten where there are two or more, thinned where there are many.
value_axis <- function(log) {
  range <- graphics::par("usr")[3:4]
  graphics::grid(NA, NULL, col = "grey88", lty = 1)
  powers <- ceiling(range[1]):floor(range[2])
  if (!log || range[2] < ceiling(range[1]) + 1) return(graphics::axis(2, las = 1, cex.axis = 0.85))
  powers <- powers[(powers - powers[1]) %% ceiling(length(powers) / 6) == 0]
  graphics::axis(2, 10^powers, parse(text = paste0("10^", powers)), las = 1, cex.axis = 0.9)
}

# How many replicates, and the marked draws: words for the caption.
caption <- function(results, protocol, what) {
  counts <- vapply(split(results$seed, results$N), function(s) length(unique(s)), 0L)
  draws <- unique(results[c("N", "seed", "least_share")])
  few <- sum(draws$least_share < small_share)
  failed <- sum(nzchar(results$error))
  paste0(what, ", ", protocols[[protocol]], ". Replicates: ",
    paste0(counts, if (length(counts) > 1) paste0(" (N = ", big(as.numeric(names(counts))), ")"), collapse = ", "),
    ". Red crosses: draws whose smallest expert has under 1 % of the data (", few, " of ", nrow(draws), ").",
    if (failed) paste0(" ", failed, " fits failed and are not drawn."))
}

# One figure: six panels, key and caption. `results` as read from CSVs, of one N (`by = "M"`) or one M (`by = "N"`).
plot_results <- function(results, protocol, by = "M", what, shown = panels) {
  results <- against_truth(results)
  results <- results[results$protocol %in% c("all", protocol), ]
  old <- graphics::par(mfrow = c(2, 3), mar = c(2.2, 3.6, 2.4, 0.6), oma = c(6.2, 0, 0.4, 0), mgp = c(2.4, 0.5, 0),
    tcl = -0.3)
  on.exit(graphics::par(old))
  for (column in names(shown)) box_panel(results, by, shown[[column]], column)
  key_and_caption(estimators, colours[names(estimators)], caption(results, protocol, what))
}

key_and_caption <- function(labels, fill, text) {
  graphics::par(fig = c(0, 1, 0, 1), oma = c(0, 0, 0, 0), mar = c(0, 0, 0, 0), new = TRUE)
  graphics::plot.new()
  graphics::plot.window(c(0, 1), c(0, 1), xaxs = "i", yaxs = "i")
  wrapped <- strwrap(text, 17 * graphics::par("din")[1])
  graphics::text(0.01, 0.012 + 0.026 * (rev(seq_along(wrapped)) - 1), wrapped, adj = c(0, 0), cex = 0.95)
  place <- 0.03 + 0.026 * length(wrapped)
  if (!is.null(labels)) {
    graphics::legend(0.5, place, labels, fill = fill, horiz = TRUE, bty = "n", xjust = 0.5, yjust = 0, cex = 0.95)
  }
}

# Figure 5: the objective over the steps, of one draw (left, middle) and of all draws above their ends (right).
plot_objective <- function(trace, seed = min(trace$seed)) {
  old <- graphics::par(mfrow = c(1, 3), mar = c(4, 6.2, 2.4, 0.8), oma = c(3.4, 0, 0, 0), mgp = c(2.4, 0.6, 0))
  on.exit(graphics::par(old))
  plans <- c(pointwise = "Pointwise plan", component = "Component plan")
  for (plan in names(plans)) {
    one <- trace[trace$seed == seed & trace$plan == plan, ]
    plot(one$step, one$objective, type = "b", pch = 19, cex = 0.7, col = colours[[paste0("R_", plan)]], las = 1,
      xaxt = "n", xlab = "MM step", ylab = "", main = paste0(plans[[plan]], ", seed ", seed), font.main = 1)
    steps <- pretty(one$step)
    graphics::axis(1, steps[steps == round(steps)])
    if (plan == "pointwise") graphics::mtext("Objective R_c", 2, line = 4.8, cex = 0.75)
  }
  runs <- split(trace, paste(trace$plan, trace$seed))
  above <- lapply(runs, function(r) pmax(r$objective / r$objective[nrow(r)] - 1, 1e-12))
  plot(NA, xlim = c(0, max(trace$step)), ylim = range(unlist(above)), log = "y", las = 1, yaxt = "n",
    xlab = "MM step", ylab = "", main = "All draws: over the end's, less 1", font.main = 1)
  value_axis(TRUE)
  for (i in seq_along(runs)) {
    graphics::lines(runs[[i]]$step, above[[i]], col = colours[[paste0("R_", runs[[i]]$plan[1])]])
  }
  graphics::legend("topright", names(plans), col = colours[paste0("R_", names(plans))], lty = 1, bty = "n")
  first <- trace[1, ]
  draws <- length(unique(trace$seed))
  steps <- tapply(trace$step, trace$plan, max)
  key_and_caption(NULL, NULL, paste0("N = ", big(first$N), ", M = ", first$M, ", S = N / M; ", draws,
    " draws. Steps at which the objective rose: ", sum(tapply(trace$rises, paste(trace$plan, trace$seed), max)),
    ". Most steps: ", steps[["pointwise"]],
    " (pointwise), ", steps[["component"]], " (component)."))
}

# The gate of one expert along one direction: truth, G and the two plans.
plot_leak <- function(curves, numbers) {
  old <- graphics::par(mar = c(8.2, 4.2, 2.6, 0.8), mgp = c(2.6, 0.6, 0))
  on.exit(graphics::par(old))
  models <- c(truth = "truth", G = "G (pooled)", component = "R, component plan",
    pointwise = "R, pointwise plan\n(the paper's)")
  col <- c("black", "grey55", colours[["R_component"]], colours[["R_pointwise"]])
  width <- c(5, 3, 2, 2)
  lty <- c(3, 1, 5, 1)
  plot(NA, xlim = range(curves$t), ylim = 0:1, las = 1, xlab = "t, in units of x", ylab = "gate of one expert",
    main = "The gate of one expert at x0 + t u", font.main = 1)
  graphics::grid(col = "grey88", lty = 1)
  for (i in c(2, 4, 3, 1)) {
    one <- curves[curves$model == names(models)[i], ]
    graphics::lines(one$t, one$gate, col = col[i], lwd = width[i], lty = lty[i])
  }
  graphics::legend("right", models, col = col, lwd = width, lty = lty, bty = "n", seg.len = 3)
  mse <- stats::aggregate(gate_mse ~ model, numbers, stats::median)
  value <- function(m) format(signif(mse$gate_mse[mse$model == m], 2))
  most <- numbers$seed[which.max(numbers$leaked)]
  text <- paste0("Seed ", curves$seed[1], if (most == curves$seed[1]) " (most mass leaked)", ", N = ", big(curves$N[1]),
    ", M = ", numbers$M[1],
    ". u: the direction in which the odds of the two experts that share x0 change fastest. Median over ",
    length(unique(numbers$seed)), " draws of the gates' MSE: G ", value("G"),
    ", component ", value("component"), ", pointwise ", value("pointwise"), ".")
  text <- strwrap(text, 92)
  graphics::mtext(text, 1, line = 3.4 + seq_along(text), adj = 0, cex = 0.85, at = min(curves$t))
}
