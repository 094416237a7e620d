# What the stored results show, line by line against what was to be shown; medians over replicates.
#
#   Rscript summary.R [results=FOLDER]
#
# T_c and the log-likelihood below the truth's ("gap", per held-out row) of every estimator at every N and M, for
# both protocols; then for each line met or not, with the number. A ratio of two times is the median over
# replicates of G's over R's of the same replicate.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(here, "plots.R"))
words <- commandArgs(trailingOnly = TRUE)
folder <- c(sub("^results=", "", grep("^results=", words, value = TRUE)), file.path(here, "results"))[1]
options(width = 160)

read_one <- function(file) {
  out <- utils::read.csv(file, stringsAsFactors = FALSE)
  out$error[is.na(out$error)] <- ""
  out
}
read_all <- function(name) {
  files <- results_files(folder, paste0(name, "-[0-9]+"))
  if (length(files)) do.call(rbind, lapply(files, read_one))
}
middle <- function(x) stats::median(x, na.rm = TRUE)
text <- function(x, digits = 3) formatC(signif(x, digits), format = "fg", digits = digits, flag = "#", width = 1)
tidy <- function(x) sub("[.]$", "", trimws(text(x)))

# One setting (N, M) under one protocol: medians of all estimators, ratios of medians to G's, times.
setting <- function(results, N, M) {
  of <- function(estimator, column) {
    rows <- results[results$N == N & results$estimator == estimator & results$M %in% c(1, M), ]
    stats::setNames(rows[[column]], rows$seed)
  }
  seeds <- unique(results$seed[results$N == N & results$M == M])
  seeds <- as.character(seeds)
  medians <- function(column) {
    vapply(names(estimators), function(e) middle(of(e, column)[seeds]), 0)
  }
  g <- of("G", "learning_time")[seeds]
  r <- of("R_component", "learning_time")[seeds]
  share <- of("G", "cpu_share")[seeds] / of("R_component", "cpu_share")[seeds]
  list(N = N, M = M, replicates = length(seeds), transport = medians("transport"), gap = medians("gap"),
    time = medians("learning_time"), factor = middle(g / r), cpu_factor = middle(g / r * share))
}

settings_of <- function(results, protocol) {
  results <- results[results$protocol %in% c("all", protocol), ]
  pairs <- unique(results[results$protocol == protocol, c("N", "M")])
  pairs <- pairs[order(pairs$N, pairs$M), ]
  Map(function(N, M) setting(results, N, M), pairs$N, pairs$M)
}

short <- c(G = "G", R_component = "R", R_round = "R+round", R_pointwise = "R pointwise", Middle = "Middle",
  Average = "Average")
show <- function(settings, field, title, scale = 1) {
  cat(title, "\n", sep = "")
  table <- do.call(rbind, lapply(settings, function(s) {
    values <- s[[field]] * scale
    row <- c(big(s$N), s$M, s$replicates, tidy(values), if (field == "time") tidy(c(s$factor, s$cpu_factor))
      else tidy(values["R_component"] / values["G"]))
    as.data.frame(t(unname(row)))
  }))
  names(table) <- c("N", "M", "replicates", short, if (field == "time") c("G/R", "G/R (CPU)") else "R/G")
  print(table, row.names = FALSE)
  cat("\n")
}

verdict <- function(line, met, numbers) {
  cat(if (is.na(met)) "NOT MEASURED" else if (met) "met" else "NOT MET", ": ", line, ": ", numbers, "\n", sep = "")
}
label <- function(s) paste0("N = ", big(s$N), ", M = ", s$M)

lines_of <- function(settings) {
  for (column in c("transport", "gap")) {
    name <- c(transport = "T_c", gap = "log-likelihood gap")[[column]]
    for (s in Filter(function(s) s$N / s$M >= 5000, settings)) {
      for (e in c("R_component", "R_round")) {
        ratio <- s[[column]][[e]] / s[[column]][["G"]]
        verdict(paste0(label(s), ": ", name, " of ", short[[e]], " <= 1.1 x G's"), ratio <= 1.1,
          paste(tidy(ratio), "x"))
      }
    }
  }
  for (s in settings) {
    for (column in c("transport", "gap")) {
      v <- s[[column]]
      name <- c(transport = "T_c", gap = "log-likelihood gap")[[column]]
      verdict(paste0(label(s), ": ", name, " of R below Middle's and Average's"),
        v[["R_component"]] < v[["Middle"]] && v[["R_component"]] < v[["Average"]],
        paste(tidy(v[["R_component"]]), "against", tidy(v[["Middle"]]), "and", tidy(v[["Average"]])))
    }
  }
  for (s in Filter(function(s) s$N == max(vapply(settings, function(s) s$N, 0)), settings)) {
    verdict(paste0(label(s), ": learning time of R below G's"), s$factor > 1,
      paste0("G's over R's ", tidy(s$factor), " (by CPU time ", tidy(s$cpu_factor), ")"))
  }
  cat("\n")
}

report <- function(name, title) {
  results <- read_all(name)
  if (is.null(results)) return(cat(title, ": no results yet\n\n", sep = ""))
  draws <- unique(results[c("N", "seed", "least_share")])
  results <- against_truth(results)
  cat("==== ", title, "\n", sep = "")
  for (N in sort(unique(draws$N))) {
    cat("N = ", big(N), ": ", sum(draws$N == N), " replicates, ", sum(draws$N == N & draws$least_share < small_share),
      " of them with an expert under 1 % of the data\n", sep = "")
  }
  cat("Versions: ", toString(unique(results$version)), ". Machine: ", toString(unique(results$machine)),
    ". Share of time with a core: ", tidy(middle(results$cpu_share)), ". Failed: ", sum(nzchar(results$error)), "\n\n",
    sep = "")
  for (protocol in names(protocols)) {
    settings <- settings_of(results, protocol)
    cat("---- ", protocols[[protocol]], "\n\n", sep = "")
    show(settings, "transport", "T_c from the truth (medians)")
    show(settings, "gap", "Log-likelihood a row below the truth's, in 1e-4 (medians)", 1e4)
    if (name == "classify") {
      for (column in c("accuracy", "log_loss")) {
        cat(column, ", medians over replicates\n", sep = "")
        few <- results[results$protocol %in% c("all", protocol), ]
        print(round(tapply(few[[column]], list(few$M, few$estimator), middle)[, names(estimators)], 4), na.print = "")
        cat("\n")
      }
    }
    show(settings, "time", "Learning time in seconds (medians; G/R: median of ratios; CPU: corrected by cpu_share)")
    lines_of(settings)
  }
}

report("simulate", "Simulation")
report("classify", "Logistic experts")
leak <- results_files(folder, "leak-numbers")
if (length(leak)) {
  numbers <- utils::read.csv(leak)
  cat("==== The pointwise plan's leak: N = ", big(numbers$N[1]), ", M = ", numbers$M[1], ", ",
    length(unique(numbers$seed)), " draws, medians\n", sep = "")
  numbers$gap <- numbers$truth_loglik - numbers$loglik
  print(stats::aggregate(cbind(gate_mse, expert_mse, gap, transport, leaked) ~ model, numbers, middle,
    na.action = NULL), row.names = FALSE, digits = 3)
  cat("\n")
}
trace <- results_files(folder, "mm")
if (length(trace)) {
  trace <- utils::read.csv(trace)
  cat("==== The MM objective: N = ", big(trace$N[1]), ", M = ", trace$M[1], "\n", sep = "")
  runs <- split(trace, paste(trace$plan, trace$seed))
  up <- vapply(runs, function(r) max(c(0, diff(r$objective) / abs(r$objective[-1]))), 0)
  verdict("The objective never rises", max(up) <= 1e-10, paste0("largest relative rise of ", length(runs), " runs ",
    format(max(up), digits = 2)))
}
