# The objective R_c over the steps of the MM algorithm (the paper's Figure 5).
#
#   Rscript mm.R [quick] [results=FOLDER] [N=100000] [M=64] [seeds=10]
#
# The paper's protocol of simulate.R on seeds 1 to `seeds`, both plans. results/mm.csv: N, M, seed, plan,
# step (0: the start), objective, rises (steps of this run at which it rose), version. The run that is kept is the
# best of several starts.

here <- dirname(normalizePath(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])))
source(file.path(here, "tools.R"))

trace_of <- function(N, M, seed) {
  d <- draw(N, seed)
  set.seed(seed)
  sites <- moe_sites(y ~ ., split(d$train, rep_len(sprintf("site%03d", seq_len(M)), N)), K = 4,
    control = fit_control())
  support <- moe_support(d$train[sample(N, N / M), ])
  do.call(rbind, lapply(c("pointwise", "component"), function(plan) {
    set.seed(seed)
    run <- moe_aggregate(sites, support, weights = "size", screen = FALSE, plan = plan)$aggregation
    data.frame(N = N, M = M, seed = seed, plan = plan, step = seq_along(run$objective) - 1,
      objective = run$objective, rises = run$rises,
      version = format(utils::packageVersion("distmoe")))
  }))
}

main <- function() {
  one_thread()
  folder <- option("results", file.path(here, "results"))
  dir.create(folder, FALSE, TRUE)
  N <- as.numeric(option("N", if (quick) 8000 else 100000))
  M <- as.numeric(option("M", if (quick) 4 else 64))
  seeds <- seq_len(as.numeric(option("seeds", if (quick) 2 else 10)))
  all <- do.call(rbind, lapply(seeds, function(seed) suppressWarnings(trace_of(N, M, seed))))
  utils::write.csv(all, file.path(folder, "mm.csv"), row.names = FALSE)
  last <- stats::aggregate(cbind(step, rises) ~ plan, all, max)
  names(last)[2:3] <- c("most_steps", "most_rises")
  print(last, row.names = FALSE)
  cat("done\n")
}

main()
