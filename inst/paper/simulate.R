# The paper's simulation (section 5, S4.1, S4.2; Figures 1 to 4).
#
#   Rscript simulate.R [quick] [results=FOLDER] [N=100000,500000,1000000] [seeds=1:20 or 1,5,7]
#   Rscript simulate.R check=N,SEED [results=FOLDER]
#
# Goes on where it stopped: a replicate (N, seed) that is in the CSV is not run again. Without `seeds`:
# seeds 1 to 20 of every N in turn, then seeds 21 to 100 of N = 100,000. `check` runs one replicate again
# and compares it with the stored rows. `quick`: two small N, two replicates, M = 2 and 4, d = 5.
#
# Protocol. K = 4, d = 20. N training rows and N / 4 held-out rows (80 % and 20 %; so a site has N / M rows,
# as many as the support has points). Parameters, centres and variances as in S4.1; seed r has the same
# true parameters at every N. All fits: the default search, one thread.
#
# CSV: results/simulate-<N>.csv, one row for each estimator of each replicate:
#   N, seed          rows for training; seed of the draw
#   protocol         "paper": independent sites, S = N / M support points, weights n_m / n, nothing
#                    shared, no screening. "default": moe_distributed() with its defaults (pilot as start,
#                    moments and sums for gates shared, N / 16 support points, but at least 20,000),
#                    and the other estimators from its sites; on the first 20 seeds of N = 100,000 and the
#                    first 10 of the others. "all": the truth and G
#   M                number of sites; 1 for G and the truth
#   estimator        "truth", "G" (pooled), "R_component", "R_round" (R_component and one round of
#                    moe_refine()), "R_pointwise" (the paper's plan), "Middle" (divergences on 5,000 of the
#                    support points, 1,220 where M = 64, 305 where M = 128), "Average" (of experts matched to Middle's)
#   transport        T_c (9) from the truth to the model, mean over the first n_transport held-out rows
#   loglik           log-likelihood per held-out row
#   mse              mean squared error of all parameters, variances among them, experts matched
#   rpe              relative prediction error on the held-out rows
#   ari              adjusted Rand index against the experts that were drawn, first n_transport rows
#   learning_time    seconds: pilot_time + site_time (slowest site; G: the fit) + aggregation_time (with the
#                    round of R_round: its time at one site and the centre)
#   cpu_share        share of the time of the local fits in which the process had a core: elapsed times of a
#                    machine that did other work too are longer than they need be
#   least_share      share of the data of the draw's smallest expert
#   support          number of support points
#   left_out         sites that screening left out
#   converged        did the fit (the reduction) converge?
#   warnings, error  number of warnings; message where an estimator failed (its measures are NA)
#   truth_loglik     loglik of the truth
#   n_test, n_transport, version, machine

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(here, "tools.R"))

main <- function() {
  one_thread()
  folder <- option("results", file.path(here, "results"))
  machines <- if (quick) c(2, 4) else c(4, 16, 64, 128)
  stamp <- machine_words()
  # The first calls of a session compile R code, which no time should include.
  invisible(suppressWarnings(replicate_rows(1600, 1, 2, d = 3, stamp = stamp)))
  replicate <- function(N, seed) replicate_rows(N, seed, machines, stamp = stamp)
  again <- option("check", NULL)
  if (!is.null(again)) {
    again <- numbers(again)
    quit(status = if (check_replicate(folder, "simulate", replicate, again[1], again[2])) 0 else 1)
  }
  sizes <- numbers(option("N", if (quick) "4000,8000" else "100000,500000,1000000"))
  seeds <- option("seeds", NULL)
  if (is.null(seeds)) {
    plan <- expand.grid(N = sizes, seed = if (quick) 1:2 else 1:20)
    if (!quick && 1e5 %in% sizes) plan <- rbind(plan, data.frame(N = 1e5, seed = 21:100))
  } else {
    ends <- numbers(gsub(":", ",", seeds))
    plan <- expand.grid(N = sizes, seed = if (grepl(":", seeds)) ends[1]:ends[2] else ends)
  }
  run_replicates(plan, folder, "simulate", replicate)
  cat("done\n")
}

main()
