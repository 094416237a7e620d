#' Where sites are fitted, and what happens when something fails
#'
#' [moe_sites()], [moe_distributed()] and [moe_refine()] work through the package
#' `future`. The user says once where, with `future::plan()`, which this package
#' never calls; the numbers are the same everywhere for the same [set.seed()].
#' Every site is one future; where there are more than 100 sites (or four for each worker, if that is more)
#' and no `timeout` is set they go in so many batches, in [moe_refine()] in one for each worker.
#'
#' @section Engines:
#' Processes of this machine:
#' ```
#' future::plan(future::multisession, workers = 4)
#' ```
#' Hosts over SSH, with a login by key, and R and this package installed on each
#' (`rscript_libs` says in which library). The two options of ssh end the connection
#' to a host that is cut off after 15 seconds; without them nothing tells that it is,
#' and what is sent to it may wait as long as the operating system does:
#' ```
#' hosts <- parallelly::makeClusterPSOCK(c("host1", "host2"),
#'   rshopts = c("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"))
#' future::plan(future::cluster, workers = hosts)
#' ```
#' Slurm, through the package `future.batchtools`; every site is a job. The folder from
#' which R is started must be one that the nodes see too:
#' ```
#' future::plan(future.batchtools::batchtools_slurm,
#'   template = system.file("templates/slurm.tmpl", package = "distmoe"),
#'   resources = list(walltime = 3600, ncpus = 2, memory = 4096))
#' ```
#' The template says which `resources` there are; a copy of it can be changed and
#' given instead. Other schedulers that `future.batchtools` knows work alike. While sites are at
#' work the environment variable `USER` is the user who runs R: by that name jobs are looked for, and where
#' it is not set, as in containers, none would be found. MPI:
#' `future::plan(future::cluster, workers = parallel::makeCluster(n, type = "MPI"))`
#' with the package `Rmpi`; it is not tested here, and where an MPI process dies MPI
#' usually ends all.
#'
#' Data that should not travel: make every element of `sources` by [moe_source()]
#' from a path, or a function that opens a connection. It is opened on the worker;
#' only the model comes back.
#'
#' @section Faults:
#' No site stops the others. The table of [moe_sites()] says of each one:
#' * `"skipped"`, `"failed"`: the site answered that it is too small, or why its data
#'   can't be fitted.
#' * `"lost"`: the worker died, its host is cut off, its job was cancelled, or no worker was
#'   left.
#' * `"timed out"`: no answer within `timeout` seconds. The worker stops the work by
#'   itself wherever R looks at its clock (R code and the fit do; `Sys.sleep()` and
#'   foreign code may not). If there is no answer 5 seconds later the
#'   site is given up: its process, on this machine, is killed, its job cancelled; a process on
#'   another host is left alone and not used again until it answers. With
#'   `future::sequential` there is nobody else to give up, so that a source
#'   that hangs without looking is waited for. In a scheduler's queue the clock
#'   begins when the job starts.
#'
#' Sources are asked for their columns before the fits where there is no `start` or a formula has a
#' `.` (see [moe_sites()]). A site that is lost or times out then is not tried again: it would
#' take one more worker, or once more the time.
#'
#' Of a scheduler's job that is in no queue any more the answer is waited for 15 seconds, before the site counts
#' as lost; a scheduler that does not answer for 5 minutes has lost it as well.
#'
#' A worker that died is not replaced: the rest goes on with the others. Once none has taken
#' work for 20 seconds, with something lost or a `timeout` set, what is left is reported as lost. A worker that
#' died while it was idle can make the package `future` choose it again and again; also
#' then the rest is reported as lost. Call `future::plan()` anew to have all workers
#' again, and use `cache` so that only what is missing is fitted again.
#'
#' [moe_aggregate()] takes the sites that are there, prints who is missing, and refuses below
#' `min_sites` or `min_share`.
#' @name moe_engines
#' @seealso [moe_sites()], [moe_source()]
NULL
