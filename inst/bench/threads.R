# The default fit on one thread and on two, on two cores: alone, and with another process that keeps one
# of the two cores busy. A fit must not lose by its threads.
#
#   Rscript threads.R [quick] [most rows, 1e6] [repetitions, 5]
#
# The environment variable DISTMOE_OTHER may name a library with another version of the package: it then
# takes turns with this one.

source(system.file("bench/tools.R", package = "distmoe"))
rows <- if (quick) 1000 else c(1e3, 1e4, 1e5, 1e6)
rows <- rows[rows <= size(1, 1e6, 1e3)]
repetitions <- size(2, 5, 2)
header("threads: the default fit on two cores, alone and beside a busy process")

pinned <- nzchar(Sys.which("taskset"))
if (!pinned) cat("There is no taskset here: processes are not bound to cores, and none is kept busy.\n\n")
libraries <- c(this = dirname(find.package("distmoe")))
if (nzchar(Sys.getenv("DISTMOE_OTHER"))) libraries[["other"]] <- Sys.getenv("DISTMOE_OTHER")

# A process that fits and prints the seconds of every fit; the first one, which warms up, aside.
script <- tempfile(fileext = ".R")
writeLines('a <- as.numeric(commandArgs(TRUE))
library(distmoe)
s <- moe_simulate(a[1], K = 4, d = 20, seed = 1)
x <- as.matrix(s$data[-1])
fit <- function(seed) {
  set.seed(seed)
  control <- moe_control(threads = a[2])
  system.time(suppressWarnings(moe(x, s$data$y, K = 4, control = control, keep = FALSE)))[["elapsed"]]
}
cat("\\nseconds:", vapply(c(1, seq_len(a[3])), fit, 0)[-1], "\\n")', script)

fit_seconds <- function(n, threads, library) {
  Sys.setenv(R_LIBS = paste(c(library, .libPaths()), collapse = .Platform$path.sep))
  command <- c(if (pinned) c("taskset", "-c", "0,1"), file.path(R.home("bin"), "Rscript"), script, n, threads,
    if (n <= 1e4) 5 else 1)
  out <- system2(command[1], command[-1], stdout = TRUE)
  at <- grep("^seconds:", out, value = TRUE)
  stats::median(as.numeric(strsplit(sub("^seconds: ", "", at), " ")[[1]]))
}

busy_process <- function() {
  as.integer(system("taskset -c 1 sh -c 'while :; do :; done' >/dev/null 2>&1 & echo $!", intern = TRUE))
}

# All tasks in turns, each beside the busy process or not.
table_for <- function(n) {
  cases <- expand.grid(version = names(libraries), threads = 1:2,
    beside = if (pinned) c("nothing", "a busy process") else "nothing", stringsAsFactors = FALSE)
  tasks <- lapply(seq_len(nrow(cases)), function(i) function() {
    if (cases$beside[i] != "nothing") {
      process <- busy_process()
      on.exit(tools::pskill(process))
    }
    fit_seconds(n, cases$threads[i], libraries[[cases$version[i]]])
  })
  seconds <- take_turns(tasks, repetitions)
  one <- interaction(cases$version, cases$beside)
  data.frame(n = n, cases, seconds = seconds,
    "times faster" = seconds[match(one, one)] / seconds, check.names = FALSE)
}

times <- do.call(rbind, lapply(rows, function(n) {
  times <- table_for(n)
  show_table(times[order(times$beside != "nothing", times$version), ],
    "Seconds of the default fit, K = 4, 20 columns")
  times
}))
ours <- times[times$version == "this" & times$threads == 2, ]
for (i in which(ours$beside == "nothing")) {
  target(paste0("two threads against one, ", count(ours$n[i]), " rows"), ours[i, "times faster"], least = 1.6)
}
for (i in which(ours$beside != "nothing")) {
  target(paste0("the same beside a busy process, ", count(ours$n[i]), " rows"), ours[i, "times faster"],
    least = 1 / 1.1)
}
finish()
