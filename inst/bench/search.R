# How often the default search finds the best known maximum, on the everyday data of search-cases.R; and
# how often version 0.2, flexmix and MoEClust do.
#
#   Rscript search.R [quick] [cases=REGEX] [seeds=20 or 3:5] [rows=MOST] [list=FILE] [results=FOLDER]
#     [who=default] [run=FALSE]
#   Rscript search.R nested [cases=REGEX] [seeds=3]
#
# `who`: what is run, of default, old, flexmix5, flexmix20, moeclust (with commas). "old" is the same call as
# "default", for a library that holds version 0.2. The table shows all whose results are there. What has
# been run is kept and not run again (results/search-default.csv, for as long as the package was not
# installed anew; results/search-others.csv); `run=FALSE` shows the table of what is there.
#
# A hit: log-likelihood within 0.1 of the best known, or above it, and not degenerate by the rule in
# search-tools.R. The best known is that of the end with the largest objective in search-best.csv, or what
# one of the programs found if that is above all ends there.
# Ends of flexmix and MoEClust are also taken on by moe() from their responsibilities, which removes
# what their stopping rules and flexmix's unbiased variances leave; the better of both counts. flexmix's other
# settings are its defaults; MoEClust, whose start is not random, runs once.
#
# Seconds are of the processor, on one thread, so that other work on the machine does not count.
#
# In the table: share of hits; worst gap, of the ends that are not degenerate; median and longest seconds of a
# fit; how many ends are degenerate.
#
# CSV, a row a fit: case, who, seed; log_lik; objective (moe's); continued (peers: log-likelihood after
# moe()); degenerate; seconds; version.
#
# `nested`: moe_select(K = 1:5) on every case: does the maximised objective fall as K grows? How often does it
# choose 2 for NPreg (K = 1:4, 20 seeds)? Do dataCar's log-likelihoods rise with K (10 seeds)?

folder <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(folder, "search-tools.R"))
source(file.path(folder, "search-peers.R"))

seed_list <- function(text) if (grepl(":", text)) eval(parse(text = text)) else seq_len(as.numeric(text))
seeds <- seed_list(option("seeds", if (quick) "2" else if ("nested" %in% words) "3" else "20"))
cases <- wanted_cases(if (quick) "^(NPreg-2c|quine-2c|Womenlf-2)$" else option("cases", "."))
who <- strsplit(option("who", "default"), ",")[[1]]
if (quick) results <- tempfile("search")
dir.create(results, FALSE, TRUE)
result_file <- function(who) {
  file.path(results, if (who == "default") "search-default.csv" else "search-others.csv")
}

# ---- runs -------------------------------------------------------------------------------------

run_moe <- function(case, seed) {
  set.seed(seed)
  time <- processor_seconds(model <- fit_case(case, moe_control(threads = 1), keep = TRUE))
  if (is.null(model)) return(fit_row(time))
  objective <- model$record$objective
  fit_row(time, as.numeric(stats::logLik(model)), degenerate_moe(model, FALSE),
    objective = objective[length(objective)])
}

runners <- list(default = run_moe, old = run_moe,
  flexmix5 = function(case, seed) run_flexmix(case, seed, 5),
  flexmix20 = function(case, seed) run_flexmix(case, seed, 20), moeclust = run_moeclust)
peer_package <- c(flexmix5 = "flexmix", flexmix20 = "flexmix", moeclust = "MoEClust")

# Can this program fit the case here, and with this seed?
can_run <- function(who, case, seed) {
  package <- peer_package[who]
  is.na(package) || package %in% case$peers && (who != "moeclust" || seed == 1)
}

# Seed by seed over all cases, so that a run that is stopped has all of them.
run_all <- function(who) {
  package <- peer_package[who]
  if (!is.na(package) && !requireNamespace(package, quietly = TRUE)) {
    cat(package, "is not installed\n")
    return(invisible())
  }
  file <- result_file(who)
  done <- read_results(file)
  if (who == "default" && !is.null(done) && any(done$version != version_used())) {
    done <- done[done$version == version_used(), ]
    write_results(done, file)
  }
  for (seed in seeds) for (case in cases) {
    there <- any(done$case == case$name & done$who == who & done$seed == seed)
    if (there || !can_run(who, case, seed)) next
    row <- cbind(data.frame(case = case$name, who = who, seed = seed), runners[[who]](case, seed))
    add_results(row, file)
  }
}

# ---- the table --------------------------------------------------------------------------------

# What a perfect search for the largest objective gives. A fit that is above all that was known is an end of
# its own and raises it.
best_values <- function(found) {
  best <- read_results(file.path(if (quick) file.path(here, "results") else results, "search-best.csv"))
  at <- match(names(cases), best$case)
  known <- best$objective_log_lik[at]
  most <- pmax(known, best$log_lik[at])
  top <- vapply(names(cases), function(name) max(-Inf, found$reach[found$case == name & !found$degenerate]), 0)
  if (anyNA(known)) cat("without a best known yet:", names(cases)[is.na(known)], "\n\n")
  raised <- which(top > most + 0.1)
  if (length(raised)) cat("best known raised by fits of this table:", paste0(names(cases)[raised], " (by ",
    exact(top[raised] - most[raised]), ")", collapse = ", "), "\n\n")
  stats::setNames(ifelse(is.na(known) | top > most + 0.1, top, known), names(cases))
}

# Figures of one program on one case.
figures <- function(rows, best) {
  if (!nrow(rows)) return(data.frame(fits = 0, hits = NA, gap = NA, seconds = NA, slowest = NA, bad = NA))
  hit <- rows$reach >= best - 0.1 & !rows$degenerate
  gaps <- pmax(0, best - rows$reach[!rows$degenerate])
  data.frame(fits = nrow(rows), hits = mean(hit), gap = if (length(gaps)) max(gaps) else NA,
    seconds = stats::median(rows$seconds), slowest = max(rows$seconds), bad = sum(rows$degenerate))
}

seconds_text <- function(x) ifelse(is.na(x), "", format(signif(x, 2), scientific = FALSE))
percent <- function(x) ifelse(is.na(x), "", sprintf("%.0f %%", 100 * x))

report <- function() {
  found <- rbind(read_results(result_file("default")), read_results(result_file("old")))
  found <- found[found$case %in% names(cases) & !duplicated(found[c("case", "who", "seed")]), ]
  found$reach <- pmax(ifelse(is.na(found$log_lik), -Inf, found$log_lik),
    ifelse(is.na(found$continued), -Inf, found$continued))
  best <- best_values(found)
  present <- intersect(names(runners), found$who)
  per_case <- lapply(stats::setNames(present, present), function(who) {
    do.call(rbind, lapply(names(cases), function(name) {
      figures(found[found$case == name & found$who == who, ], best[[name]])
    }))
  })
  table <- data.frame(case = names(cases), n = vapply(cases, `[[`, 0L, "n"), best = exact(best))
  for (who in present) {
    f <- per_case[[who]]
    table[[paste(who, "hits")]] <- percent(f$hits)
    table[[paste("gap", who)]] <- ifelse(is.na(f$gap), "", exact(f$gap))
    table[[paste("s", who)]] <- seconds_text(f$seconds)
    if (who %in% c("default", "old")) {
      table[[paste("max s", who)]] <- seconds_text(f$slowest)
      table[[paste("degenerate", who)]] <- ifelse(is.na(f$bad) | f$bad == 0, "", f$bad)
    }
  }
  options(width = 260)
  print(table, row.names = FALSE)
  cat("\n")
  summarise(per_case)
}

summarise <- function(per_case) {
  n <- vapply(cases, `[[`, 0L, "n")
  for (who in names(per_case)) {
    f <- per_case[[who]]
    ran <- f$fits > 0
    small <- ran & n <= 1000
    cat(sprintf("%-9s %d cases, %d fits: hits %.1f %%; %d cases under 70 %%; %d degenerate ends; ", who, sum(ran),
      sum(f$fits), 100 * sum((f$hits * f$fits)[ran]) / sum(f$fits), sum(f$hits[ran] < 0.7), sum(f$bad[ran])))
    cat(sprintf("n <= 1,000: median %.3g s, most %.3g s\n", stats::median(f$seconds[small]),
      max(f$slowest[small])))
  }
  ours <- per_case$default
  if (is.null(ours)) return(invisible())
  listed <- function(title, which) cat(title, if (any(which, na.rm = TRUE)) {
    paste(names(cases)[which(which)], collapse = ", ")
  } else "none", "\n")
  listed("default under 70 %:", ours$hits < 0.7)
  peer <- per_case$flexmix20
  if (!is.null(peer)) {
    listed("flexmix20 with more hits:", peer$hits > ours$hits + 1e-9)
    listed("flexmix20 with the smaller worst gap (by 0.1):", peer$gap < ours$gap - 0.1)
    listed("flexmix20 in less time:", peer$seconds < ours$seconds)
  }
  ran <- ours$fits > 0
  small <- ran & n <= 1000
  target("hits of the default, all cases and seeds", sum((ours$hits * ours$fits)[ran]) / sum(ours$fits),
    least = 0.95)
  target("least hits of a case", min(ours$hits[ran]), least = 0.7)
  target("median seconds of the cases with n <= 1,000", stats::median(ours$seconds[small]), most = 0.1)
  target("seconds of the slowest fit with n <= 1,000", max(ours$slowest[small]), most = 1)
}

# ---- nested in K ------------------------------------------------------------------------------

# Objectives and log-likelihoods along K, and the K that is chosen.
select_path <- function(case, K, seed) {
  set.seed(seed)
  choice <- tryCatch(suppressWarnings(moe_select(case$formula, case$rows, K = K,
    family = family_of(case$family), gating = case$gating, control = moe_control(threads = 1))),
    error = function(e) NULL)
  if (is.null(choice)) return(NULL)
  objective <- vapply(choice$models, function(model) {
    if (is.null(model)) NA_real_ else model$record$objective[length(model$record$objective)]
  }, 0)
  list(K = choice$K, objective = objective, log_lik = choice$path$loglik)
}

largest_fall <- function(values) {
  values <- values[!is.na(values)]
  if (length(values) < 2) 0 else max(cummax(values)[-length(values)] - values[-1])
}

nested <- function() {
  # Cases that differ in K alone are one here.
  models <- cases[!duplicated(sub("-[0-9]+(c?)$", "\\1", names(cases)))]
  falls <- do.call(rbind, lapply(models, function(case) do.call(rbind, lapply(seeds, function(seed) {
    path <- select_path(case, 1:5, seed)
    data.frame(case = case$name, seed = seed, chosen = if (is.null(path)) NA else path$K,
      fall = if (is.null(path)) NA else largest_fall(path$objective))
  }))))
  bad <- falls[is.na(falls$fall) | falls$fall > 0.1, ]
  cat(nrow(falls), "paths over K = 1..5;", nrow(bad), "on which the objective falls by more than 0.1\n")
  if (nrow(bad)) print(bad, row.names = FALSE)
  target("largest fall of the objective with K", max(0, falls$fall, na.rm = TRUE), most = 0.1)
}

chosen_two <- function() {
  case <- wanted_cases("^NPreg-2c$")[[1]]
  chosen <- vapply(seq_len(if (quick) 2 else 20), function(seed) select_path(case, 1:4, seed)$K, 0)
  cat("NPreg: K chosen by moe_select(K = 1:4):",
    paste(names(table(chosen)), "in", table(chosen), collapse = ", "), "\n")
  target("share of seeds in which 2 is chosen", mean(chosen == 2), least = 0.95)
}

# The claims' costs, and the claims of all policies.
car_rises <- function() {
  for (case in wanted_cases("^dataCar-")) {
    if (case$name == "dataCar-claims-2") {
      case$rows <- complete_rows(package_data("dataCar", "insuranceData"), case$formula, NULL)
    }
    falls <- vapply(seq_len(if (quick) 1 else 10), function(seed) {
      path <- select_path(case, 1:4, seed)
      cat(case$name, "seed", seed, ":", exact(path$log_lik), "\n")
      largest_fall(path$log_lik)
    }, 0)
    target(paste("share of seeds in which the log-likelihood rises with K,", case$name),
      mean(falls <= 0.1), least = 1)
  }
}

# ---- main -------------------------------------------------------------------------------------

header(if ("nested" %in% words) "The search: nested in K"
       else "The search: how often the best known maximum is found")
if ("nested" %in% words) {
  nested()
  chosen_two()
  car_rises()
} else {
  if (option("run", "TRUE") == "TRUE") for (name in who) run_all(name)
  report()
}
finish()
