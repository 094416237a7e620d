# Puts the output of the benchmarks into RESULTS.md. Called by `make bench`.
#
#   Rscript collect.R <folder of the outputs> <RESULTS.md to write> <names of the benchmarks ...>

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
to <- arguments[2]
names <- arguments[-(1:2)]

titles <- c(
  kernel = "One pass over the rows against dgemm",
  scaling = "How times grow",
  threads = "Threads beside another process",
  driver = "The default fit against one EM pass",
  glm = "One expert against lm and glm",
  predict = "Predictions and transport",
  memory = "Memory",
  flexmix = "Against flexmix",
  distribution = "64 sites against one pooled fit",
  "many-sites" = "Many sites",
  reduction = "The reduction",
  coverage = "Coverage of intervals",
  regions = "Sites that see different x",
  transport = "Transport: exactness and descent",
  select = "Choice of the number of experts",
  search = "The search on everyday data",
  "paper-design" = "The paper's design",
  rounds = "Rounds of refinement, and a bad site",
  diamonds = "Diamonds: 32 random sites of real data",
  families = "Families with a dispersion",
  units = "Latent classes: rows of a unit have one expert",
  hierarchy = "Sites that differ: one population, a model for every site",
  "out-of-core" = "Rows that do not fit in memory",
  "cli-flights" = "The flights demo by the command line")

section <- function(name) {
  file <- file.path(folder, paste0(name, ".txt"))
  lines <- if (file.exists(file)) readLines(file) else character()
  ended <- length(lines) > 0 && lines[length(lines)] == "done"
  if (ended) lines <- lines[-length(lines)]
  while (length(lines) && lines[length(lines)] == "") lines <- lines[-length(lines)]
  c(paste0("## ", if (is.na(titles[name])) name else titles[name]), "",
    paste0("`inst/bench/", name, ".R`", if (!ended) {
      if (length(lines)) ": it did not come to its end." else ": not run yet."
    }), "", "```", lines, "```", "")
}

writeLines(c("# Benchmarks", "",
  "Made by `make bench`, which writes this file. Every section is the output of one script of",
  "`inst/bench/`; its first lines tell the date, the versions and the machine. What is compared in a",
  "table was run in turns on the same data of the paper's design, five times or more, and the medians",
  "are given. Times do not carry over to another machine; the ratios more or less do.", "",
  unlist(lapply(names[file.exists(file.path("inst/bench", paste0(names, ".R")))], section))), to)
cat("Written: ", to, "\n", sep = "")
