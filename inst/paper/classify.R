# The same estimators with logistic experts; the paper gives the method (Propositions 4 and 5) and no
# experiment.
#
#   Rscript classify.R [quick] [results=FOLDER] [N=100000] [seeds=10] [check=N,SEED]
#
# Design, protocols and columns as in simulate.R, with these differences: binary responses, d = 5 (a
# binary response tells little: with d = 20 and integer coefficients up to 5 the local fits are almost
# separable), M = 4 and 16, and the columns `accuracy` (share of held-out rows whose more probable class is
# theirs) and `log_loss` (mean over held-out rows). CSV: results/classify-<N>.csv. Seeds 1 to `seeds`.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(here, "tools.R"))

main <- function() {
  one_thread()
  folder <- option("results", file.path(here, "results"))
  stamp <- machine_words()
  binary <- function(N, seed, machines) replicate_rows(N, seed, machines, stats::binomial(), 5, stamp)
  invisible(suppressWarnings(binary(2000, 1, 2)))
  replicate <- function(N, seed) binary(N, seed, if (quick) c(2, 4) else c(4, 16))
  again <- option("check", NULL)
  if (!is.null(again)) {
    again <- numbers(again)
    quit(status = if (check_replicate(folder, "classify", replicate, again[1], again[2])) 0 else 1)
  }
  seeds <- seq_len(as.numeric(option("seeds", if (quick) 2 else 10)))
  plan <- expand.grid(N = numbers(option("N", if (quick) "8000" else "100000")), seed = seeds)
  run_replicates(plan, folder, "classify", replicate)
  cat("done\n")
}

main()
