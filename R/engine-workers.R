# Workers that are ended from here, and processes that take the place of those that died.

# A worker that does not answer is ended where that can be done from here: a process on this machine, or a
# scheduler's job. Signals are for this machine's processes alone: the number means another one elsewhere.
stop_worker <- function(future) {
  tryCatch({
    if ("cancel" %in% getNamespaceExports("future")) {
      getExportedValue("future", "cancel")(future)
    } else if (inherits(future, "BatchtoolsFuture")) {
      # Not killJobs(), after which the future would count as running for ever.
      reg <- future$config$reg
      for (job in stats::na.omit(reg$status$batch.id)) reg$cluster.functions$killJob(reg, job)
      future$moe_stopped <- TRUE
    } else if (inherits(future, "MulticoreFuture")) {
      tools::pskill(future$job$pid, tools::SIGKILL)
    } else if (inherits(future, "ClusterFuture")) {
      node <- future$workers[[future$node]]
      if (is_local(node)) parallelly::killNode(node, signal = tools::SIGKILL)
    }
  }, error = function(e) NULL)
  invisible()
}

is_local <- function(node) {
  inherits(node, "RichSOCKnode") && isTRUE(node$host %in% c("localhost", "127.0.0.1", "::1"))
}

end_worker <- function(run, future) {
  stop_worker(future)
  if (!inherits(future, "ClusterFuture")) return(invisible())
  run$dead <- run$dead + 1
  node <- future$workers[[future$node]]
  until <- clock() + 0.5
  while (is_local(node) && !is_dead(node) && clock() < until) Sys.sleep(0.01)
}

# The processes of a plan that has some, else NULL.
plan_workers <- function() {
  tryCatch({
    workers <- future::plan("next")(NULL, lazy = TRUE)$workers
    if (inherits(workers, "cluster")) workers
  }, error = function(e) NULL)
}

# How many are known to have died.
dead_workers <- function() sum(vapply(plan_workers(), is_dead, NA))

# A process that has ended stays in the system's table while nobody has asked how it ended.
is_dead <- function(node) {
  if (!is_local(node)) return(FALSE)
  if (isFALSE(suppressWarnings(parallelly::isNodeAlive(node)))) return(TRUE)
  state <- file.path("/proc", node$session_info$process$pid, "stat")
  length(state) == 1 && file.exists(state) && grepl(") Z ", readLines(state, 1, warn = FALSE), fixed = TRUE)
}

# Numbers of the workers that futures are registered for, the user's as well; NA where that can't be known.
busy_workers <- function(workers) {
  tryCatch({
    registry <- get("FutureRegistry", asNamespace("future"))
    futures <- registry(paste0("workers-", attr(workers, "name")), action = "list", earlySignal = FALSE)
    vapply(futures, function(future) as.integer(future$node), 0L)
  }, error = function(e) NA)
}

# The package future (before 1.40) keeps a process that died among its workers, for good: a later launch waits for
# it, or is refused. Where all workers are its own processes (multisession) and none that lives is at other work, the
# plan is set anew as it is, which starts them again. TRUE: it was.
replace_workers <- function(run) {
  workers <- plan_workers()
  if (!inherits(future::plan("next"), "multisession") || is.null(workers)) return(FALSE)
  busy <- busy_workers(workers)
  if (anyNA(busy) || !all(vapply(workers[busy], is_dead, NA))) return(FALSE)
  old <- future::plan("list")
  replaced <- tryCatch({
    future::plan("sequential")
    TRUE
  }, error = function(e) FALSE, finally = future::plan(old))
  run$dead <- 0
  run$stray <- list()
  replaced
}

clock <- function() proc.time()[[3]]
