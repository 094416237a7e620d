# The one road to the workers, for fits (moe_sites) and exchanges (moe_refine): futures are launched
# where a worker is free, looked at in turn, and given up where no answer comes. future::plan() is the
# user's: it is left as it is, but for processes of this machine that have died (engine-workers.R).

engine_settings <- list(
  grace = 5,       # seconds beyond the timeout in which a worker may still stop by itself
  patience = 20,   # seconds without any free worker after which the rest is given up
  launch = 1,      # seconds in which a launch must find its worker
  settle = 15,     # seconds in which the answer of a job that is gone may still turn up
  ask = 1,         # seconds between two questions to a scheduler about the same job
  silence = 300,   # seconds after which a scheduler that does not answer has lost the job
  least_batches = 100,
  wait = c(least = 0.002, most = 0.25)
)

# What `work(source, task)` gives at every site, in the order of `sources`; for a site without an answer
# an object of class moe_lost, with `status` ("failed", "timed out" or "lost") and `message`.
#
# `seeds`: NULL or a seed a site. `timeout`: seconds a site. `retries`: how often a site that is lost or
# timed out is launched again. `batches`: NULL, or how many futures there shall be where no timeout asks
# for one a site. `done(name, result)` is called as answers come in.
run_at_sites <- function(sources, work, task, seeds = NULL, timeout = Inf, retries = 0L, batches = NULL,
                         done = function(name, result) NULL) {
  run <- new.env()
  run$sources <- sources
  run$job <- list(run = run_batch, work = work, task = task, limit = timeout)
  run$seeds <- seeds
  run$timeout <- timeout
  run$retries <- retries
  run$done <- done
  run$results <- stats::setNames(vector("list", length(sources)), names(sources))
  run$losses <- integer(length(sources))
  run$queue <- site_batches(length(sources), timeout, batches)
  run$flying <- list()
  run$stray <- list()
  run$refused <- NULL
  run$refusals <- 0  # launches without success, one after the other
  run$dead <- 0      # workers that died since they were replaced
  run$moved <- clock()
  run$tried <- clock()
  random <- keep_random_state()
  user <- set_user_name()
  on.exit({
    random()
    user()
  })
  on.exit({
    for (flight in run$flying) end_worker(run, flight$future)
    if (run$dead > 0) replace_workers(run)
  }, add = TRUE)
  if (dead_workers() > 0) replace_workers(run)
  while (length(run$queue) || length(run$flying)) {
    moved <- launch_batches(run)
    moved <- collect_batches(run) || moved
    if (length(run$queue) && !length(run$flying) && run$dead > 0) moved <- replace_workers(run) || moved
    if (moved) run$moved <- clock()
    else if (!length(run$flying)) give_up(run)
    if (!moved) Sys.sleep(min(engine_settings$wait[["most"]],
      max(engine_settings$wait[["least"]], (clock() - run$moved) / 10)))
  }
  run$results
}

# Work in this process sets the random state site by site; afterwards it is what it was before.
keep_random_state <- function() {
  where <- globalenv()
  old <- where[[".Random.seed"]]
  function() {
    if (!is.null(old)) where[[".Random.seed"]] <- old
    else if (exists(".Random.seed", where, inherits = FALSE)) rm(".Random.seed", envir = where)
  }
}

# batchtools looks for the jobs of $USER. Where that is not set, as in many containers, or left from another
# user, it finds none and takes every job for lost. Afterwards it is what it was before.
set_user_name <- function() {
  old <- Sys.getenv("USER", NA)
  name <- Sys.info()[["effective_user"]]
  if (name == "unknown") return(function() NULL)
  Sys.setenv(USER = name)
  function() if (is.na(old)) Sys.unsetenv("USER") else Sys.setenv(USER = old)
}

# One future a site, where a timeout is to be kept or sites are few; else a few hundred batches, so that
# what it costs to launch a future does not count, and little is done again where a worker dies.
site_batches <- function(count, timeout, batches) {
  if (is.null(batches)) batches <- max(engine_settings$least_batches, 4 * workers_in_all())
  if (is.finite(timeout) || batches >= count) return(as.list(seq_len(count)))
  unname(split(seq_len(count), ceiling(seq_len(count) * batches / count)))
}

workers_in_all <- function() {
  workers <- future::nbrOfWorkers()
  if (is.finite(workers)) workers else 100
}

# ---- on the worker ----------------------------------------------------------------------------

# The work of a batch of sites, one after the other. A site that takes longer than the limit is stopped
# as soon as R comes to look; where it does not, the centre gives it up.
run_batch <- function(job) {
  where <- globalenv()
  lapply(seq_along(job$sources), function(i) {
    if (!is.null(job$seeds)) where[[".Random.seed"]] <- job$seeds[[i]]
    within_limit(job$work(job$sources[[i]], job$task), job$limit)
  })
}

within_limit <- function(code, limit) {
  if (!is.finite(limit)) return(code)
  started <- clock()
  over <- function() clock() - started >= limit
  out_of_time <- function(...) new_lost("timed out", paste0("no answer within ", format(limit), " seconds"))
  setTimeLimit(elapsed = limit, transient = TRUE)
  on.exit(setTimeLimit())
  # R's limit comes as an error, which the work itself may catch, or out of compiled code as an interrupt.
  result <- withRestarts(withCallingHandlers(
    tryCatch(code, error = function(e) if (over()) out_of_time() else stop(e)),
    interrupt = function(i) if (over()) invokeRestart("moe_out_of_time")), moe_out_of_time = out_of_time)
  if (over()) out_of_time() else result
}

new_lost <- function(status, message) {
  structure(list(status = status, message = message), class = "moe_lost")
}

# ---- at the centre ----------------------------------------------------------------------------

# Launching waits where no worker is free, perhaps for ever: so it is tried only where one is, or may be.
launch_batches <- function(run) {
  moved <- FALSE
  while (length(run$queue) && (free_workers(length(run$flying) + length(run$stray)) > 0 || may_be_free(run))) {
    sites <- run$queue[[1]]
    job <- c(run$job, list(sources = unname(run$sources[sites]), seeds = run$seeds[sites]))
    started <- clock()
    future <- tryCatch(launch(job), error = identity)
    run$tried <- clock()
    # All are busy. (The error is not always one of futures.)
    if (inherits(future, "error") && run$tried - started > 0.9 * engine_settings$launch && on_this_cluster()) break
    if (inherits(future, "FutureError")) {
      # This worker died while it was idle. Another one may serve, once it is free.
      run$refused <- said(future)
      run$dead <- run$dead + 1
      run$refusals <- run$refusals + 1
      if (!length(run$flying) && !(run$refusals < 3 && replace_workers(run))) give_up(run, at_once = TRUE)
      break
    }
    run$refusals <- 0
    run$queue[[1]] <- NULL
    moved <- TRUE
    if (inherits(future, "error")) {
      for (i in sites) finish_site(run, i, new_lost("failed", said(future)))
    } else {
      run$flying[[length(run$flying) + 1L]] <- list(future = future, sites = sites, since = NULL)
    }
  }
  moved
}

launch <- function(job) {
  # As many times as there are sites: the limit is meant for one.
  most <- getOption("future.globals.maxSize", 500 * 1024^2)
  # A worker that looks free but is not, as one that died, would be waited for for a month.
  old <- options(future.globals.maxSize = most * length(job$sources), future.wait.timeout = engine_settings$launch)
  on.exit(options(old))
  future::future(job$run(job), globals = list(job = job), packages = "distmoe", seed = NULL,
    stdout = structure(TRUE, drop = TRUE))
}

# The user's own futures count as busy, though they are resolved, until a launch looks for a worker.
may_be_free <- function(run) {
  !length(run$flying) && on_this_cluster() && clock() - run$tried > engine_settings$launch
}

# Plans that look for a worker among a fixed number of processes, no longer than future.wait.timeout.
on_this_cluster <- function() inherits(future::plan("next"), c("multisession", "cluster", "multicore"))

free_workers <- function(busy) {
  # Backends that don't know how many are free say so in a warning and give all.
  free <- tryCatch(suppressWarnings(future::nbrOfFreeWorkers()), error = function(e) NA)
  if (is.na(free)) free <- 1
  min(free, workers_in_all() - busy)
}

collect_batches <- function(run) {
  ready <- vapply(run$flying, function(flight) is_ready(flight$future), NA)
  landed <- run$flying[ready]
  run$flying <- run$flying[!ready]
  for (flight in landed) take_answer(run, flight)
  late <- logical(length(run$flying))
  if (is.finite(run$timeout)) {
    for (i in seq_along(run$flying)) {
      since <- run$flying[[i]]$since
      if (is.null(since) && is_running(run$flying[[i]]$future)) run$flying[[i]]$since <- since <- clock()
      late[i] <- !is.null(since) && clock() - since > run$timeout + engine_settings$grace
    }
    overdue <- run$flying[late]
    run$flying <- run$flying[!late]
    for (flight in overdue) {
      end_worker(run, flight$future)
      run$stray <- c(run$stray, list(flight$future))
      lose_sites(run, flight$sites, new_lost("timed out",
        paste0("no answer within ", format(run$timeout), " seconds")))
    }
  }
  # What was given up may end after all, and its worker is free again once the answer has been read.
  run$stray <- Filter(function(future) !is_ready(future), run$stray)
  any(ready) || any(late)
}

is_ready <- function(future) {
  if (is_job(future)) return(job_is_over(future))
  tryCatch(future::resolved(future), error = function(e) TRUE)
}

# ---- jobs of a scheduler ----------------------------------------------------------------------

is_job <- function(future) inherits(future, "BatchtoolsFuture") && !is.null(future$config$reg)

# A job that has just ended is out of the queue before its answer can be seen: for a while it looks like
# one that was cancelled. And a scheduler that is busy may not answer, which says nothing of the job.
job_is_over <- function(future) {
  if (job_has_answered(future)) return(TRUE)
  status <- job_status(future)
  if (!is.null(status) && !status$expired && status$submitted) {
    future$moe_gone <- NULL
    return(FALSE)
  }
  if (is.null(future$moe_gone)) future$moe_gone <- clock()
  patience <- if (is.null(status)) engine_settings$silence
              else if (isTRUE(future$moe_stopped)) 0
              else engine_settings$settle
  clock() - future$moe_gone >= patience
}

job_has_answered <- function(future) {
  reg <- future$config$reg
  tryCatch(nrow(batchtools::findDone(reg = reg)) + nrow(batchtools::findErrors(reg = reg)) > 0,
    error = function(e) FALSE)
}

# What the scheduler said of a job when it was last asked; NULL where it did not answer.
job_status <- function(future) {
  if (is.null(future$moe_asked) || clock() - future$moe_asked > engine_settings$ask) {
    future$moe_status <- tryCatch(batchtools::getStatus(reg = future$config$reg), error = function(e) NULL)
    future$moe_asked <- clock()
  }
  future$moe_status
}

# A job may wait in a scheduler's queue: its time counts from when it runs.
is_running <- function(future) {
  if (!is_job(future)) return(TRUE)
  status <- job_status(future)
  !is.null(status) && status$started > 0
}

# What a future gave, or the error. A job's answer may be there and the scheduler, which is asked all the
# same, not answer: then it is asked again.
answer_of <- function(future) {
  for (attempt in 1:5) {
    answer <- tryCatch(future::value(future), error = identity)
    unheard <- is_job(future) && is.null(future$result) && inherits(answer, "error") &&
      !inherits(answer, "FutureError")
    if (!unheard) return(answer)
    Sys.sleep(engine_settings$ask)
  }
  structure(class = c("FutureError", "error", "condition"), list(message = said(answer), call = NULL))
}

# ---- answers ----------------------------------------------------------------------------------

take_answer <- function(run, flight) {
  answer <- answer_of(flight$future)
  if (inherits(answer, "FutureError")) {
    run$dead <- run$dead + 1
    lose_sites(run, flight$sites, new_lost("lost", said(answer)))
  } else if (inherits(answer, "error")) {
    for (i in flight$sites) finish_site(run, i, new_lost("failed", said(answer)))
  } else if (!is.list(answer) || length(answer) != length(flight$sites)) {
    lose_sites(run, flight$sites, new_lost("lost", "the worker's answer is not what was asked for"))
  } else {
    for (j in seq_along(answer)) {
      if (inherits(answer[[j]], "moe_lost")) lose_sites(run, flight$sites[j], answer[[j]])
      else finish_site(run, flight$sites[j], answer[[j]])
    }
  }
}

# Of several sites on a worker that died at most one is to blame: all are launched again, one by one.
lose_sites <- function(run, sites, loss) {
  if (length(sites) > 1) {
    run$queue <- c(run$queue, as.list(sites))
    return(invisible())
  }
  run$losses[sites] <- run$losses[sites] + 1L
  if (run$losses[sites] <= run$retries) {
    run$queue <- c(run$queue, list(sites))
    return(invisible())
  }
  if (run$retries > 0) loss$message <- paste0(loss$message, " (", run$losses[sites], " times)")
  finish_site(run, sites, loss)
}

finish_site <- function(run, i, result) {
  run$results[i] <- list(result)  # NULL is a result as well
  run$done(names(run$sources)[i], result)
}

# Nothing is under way and no worker takes anything: after a while the rest is given up. Where nothing was
# lost and no timeout is set the workers are taken to be busy with other work of the user's.
give_up <- function(run, at_once = FALSE) {
  waited <- clock() - run$moved
  suspect <- is.finite(run$timeout) || any(run$losses > 0) || length(run$stray) || !is.null(run$refused)
  if (!at_once && !(suspect && waited > engine_settings$patience)) return(invisible())
  why <- "no worker is left"
  if (!is.null(run$refused)) why <- paste0(why, ": ", run$refused)
  for (i in unlist(run$queue)) finish_site(run, i, new_lost("lost", why))
  run$queue <- list()
}
