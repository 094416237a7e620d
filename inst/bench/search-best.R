# The best known maximum of every case of search-cases.R, by brute force.
#
#   Rscript search-best.R [quick] [cases=REGEX] [seconds=20 a case] [rows=MOST] [list=FILE]
#     [out=results/search-best.csv] [models=FOLDER] [short=REACHED]
#   Rscript search-best.R polish [cases=REGEX] ...
#
# Thousands of starts a case, each run to its end: random partitions with uneven sizes, cuts along random
# directions of x or of (x, y), axis-parallel cuts as of a tree, least squares on few random rows, random
# neighbourhoods, and, half of the time once there are ends, changes of the best different ends found so
# far (an expert dropped and another split, one grown from few rows, labels shuffled, two ends crossed).
# Degenerate ends (see `degenerate_moe` in search-tools.R) do not count.
#
# May be run again and again: a row of the CSV gets better and never worse, and further starts add to its
# counts. `short`: only cases whose best was reached less often than this. The ends are
# kept in `models` (by default _build/search-best), from where later runs and `polish` go on: `polish`
# continues the stored ends with the package as it is now, whose objective may differ, and takes what comes out
# if it is better, or if the objective's definition has changed (another version).
#
# CSV, a row a case: case, package, n, K, family, gates ("own" or "1");
#   log_lik, reached                     largest log-likelihood of an end, runs that ended within 0.1 of it
#   objective, objective_log_lik, objective_reached   largest objective of an end, its log-likelihood, and
#                                        runs within 0.1 of that objective. The two ends may differ.
#   least_sd, least_rows                 of the end with the largest log-likelihood: the least standard deviation
#                                        over the largest (Gaussian), the least sum of responsibilities
#   starts, seconds                      what was spent, all runs together
#   version                              of the package that gave the values

folder <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(folder, "search-tools.R"))
source(file.path(folder, "search-starts.R"))
seconds <- as.numeric(option("seconds", if (quick) 1 else 20))
out <- option("out", file.path(if (quick) tempdir() else results, "search-best.csv"))
models <- option("models", if (quick) tempdir() else "_build/search-best")
short <- as.numeric(option("short", Inf))
dir.create(models, FALSE, TRUE)
header(paste0("Best known maxima, ", seconds, " s a case"))

settings <- moe_control(threads = 1, information = FALSE, max_reseeds = 0, max_iterations = 2000)
most_ends <- function(n) if (n <= 5000) 12 else 4
model_file <- function(case) file.path(models, paste0(case$name, ".rds"))

# ---- ends -------------------------------------------------------------------------------------

# What a run ended in; NULL if it is degenerate.
end_of <- function(model) {
  if (is.null(model) || degenerate_moe(model)) return(NULL)
  objective <- model$record$objective
  sd <- sqrt(model$parameters$dispersion)
  list(log_lik = as.numeric(stats::logLik(model)), objective = objective[length(objective)],
    least_sd = signif(min(sd) / max(sd), 3), least_rows = round(min(model$share) * model$weight, 1))
}

# The different ends that rank first, by log-likelihood or by objective. The same maximum is one whose
# log-likelihood and objective agree to 0.01.
add_end <- function(ends, end, model, case) {
  values <- function(name) vapply(ends, `[[`, 0, name)
  same <- which(abs(values("log_lik") - end$log_lik) < 0.01 & abs(values("objective") - end$objective) < 0.01)
  if (length(same)) {
    ends[[same[1]]]$count <- ends[[same[1]]]$count + 1
    ends[[same[1]]]$parameters <- model$parameters
    return(ends)
  }
  full <- length(ends) >= most_ends(case$n)
  if (full && end$log_lik < min(values("log_lik")) && end$objective < min(values("objective"))) return(ends)
  end$posterior <- stats::predict(model, case$rows, "posterior")
  end$parameters <- model$parameters
  end$count <- 1
  ends <- c(ends, list(end))
  if (full) {
    rank <- pmin(rank(-values("log_lik")), rank(-values("objective")))
    ends <- ends[-which.max(rank)]
  }
  ends[order(-values("log_lik"))]
}

# ---- one case ---------------------------------------------------------------------------------

empty_row <- function(case) {
  data.frame(case = case$name, package = case$package, n = case$n, K = case$K, family = case$family,
    gates = if (is.null(case$gating)) "own" else "1", log_lik = -Inf, reached = 0, objective = -Inf,
    objective_log_lik = NA_real_, objective_reached = 0,
    least_sd = NA_real_, least_rows = NA_real_, starts = 0, seconds = 0, version = version_used())
}

# A run's end counted in the row of its case.
count_end <- function(row, end) {
  if (end$log_lik > row$log_lik + 0.1) row$reached <- 0
  row$reached <- row$reached + (end$log_lik > row$log_lik - 0.1)
  if (end$log_lik > row$log_lik) row[c("log_lik", "least_sd", "least_rows")] <-
    end[c("log_lik", "least_sd", "least_rows")]
  if (end$objective > row$objective + 0.1) row$objective_reached <- 0
  row$objective_reached <- row$objective_reached + (end$objective > row$objective - 0.1)
  if (end$objective > row$objective) {
    row$objective <- end$objective
    row$objective_log_lik <- end$log_lik
  }
  row
}

run_case <- function(case, row) {
  ends <- if (file.exists(model_file(case))) readRDS(model_file(case)) else list()
  frame <- start_frame(case)
  began <- proc.time()[[3]]
  repeat {
    spent <- proc.time()[[3]] - began
    if (spent > seconds) break
    row$starts <- row$starts + 1
    model <- if (row$starts %% 10 == 1) fit_case(case, moe_control(threads = 1, information = FALSE))
             else fit_case(case, settings, draw_start(frame, ends))
    end <- end_of(model)
    if (is.null(end)) next
    row <- count_end(row, end)
    ends <- add_end(ends, end, model, case)
  }
  saveRDS(ends, model_file(case))
  row$seconds <- round(row$seconds + spent, 1)
  row$version <- version_used()
  row
}

# Starts from a stored end: its parameters, in a model of this version, and its responsibilities. From these
# the gates are built up anew, which may lead elsewhere where they are steep.
stored_starts <- function(end, template) {
  if (is.null(end$parameters) || is.null(template)) return(list(end$posterior))
  template$parameters <- end$parameters
  list(template, end$posterior)
}

# The stored ends continued with this version. Counts stay as they are: they are of the search.
polish_case <- function(case, row) {
  if (!file.exists(model_file(case))) return(row)
  ends <- list()
  fresh <- empty_row(case)
  template <- fit_case(case, moe_control(threads = 1, information = FALSE, starts = 1, max_iterations = 1))
  for (old in readRDS(model_file(case))) for (start in stored_starts(old, template)) {
    model <- fit_case(case, settings, start)
    end <- end_of(model)
    if (is.null(end)) next
    fresh <- count_end(fresh, end)
    ends <- add_end(ends, end, model, case)
  }
  if (!length(ends)) return(row)
  saveRDS(ends, model_file(case))
  # Another version may have another objective: its value replaces the old one.
  if (row$version != fresh$version || fresh$objective > row$objective) {
    row[c("objective", "objective_log_lik")] <- fresh[c("objective", "objective_log_lik")]
  }
  if (fresh$log_lik > row$log_lik) row[c("log_lik", "least_sd", "least_rows")] <-
    fresh[c("log_lik", "least_sd", "least_rows")]
  row$version <- fresh$version
  row
}

# ---- all cases --------------------------------------------------------------------------------

polish <- "polish" %in% words
set.seed(as.integer(option("seed", as.integer(Sys.time()) %% 1e6)))
for (case in wanted_cases(if (quick) "^(faithful-2|quine-2c|Womenlf-2)$" else option("cases", "."))) {
  table <- read_results(out)
  at <- match(case$name, table$case)
  row <- if (is.na(at)) empty_row(case) else table[at, ]
  if (!polish && row$reached >= short && row$objective_reached >= short) next
  row <- if (polish) polish_case(case, row) else run_case(case, row)
  # Read again: another process may have written other cases meanwhile.
  table <- read_results(out)
  table <- rbind(table[!table$case %in% case$name, ], row)
  write_results(in_order(table), out)
  cat(sprintf("%-22s n = %6d  log-lik. %s (reached %d)  objective %s (%d; log-lik. %s)  %d starts\n", case$name,
    case$n, exact(row$log_lik), row$reached, exact(row$objective), row$objective_reached,
    exact(row$objective_log_lik), row$starts))
  flush(stdout())
}
finish()
