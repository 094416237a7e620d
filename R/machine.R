# What the package takes of the machine: threads and instruction sets.

#' Threads and instruction sets
#'
#' `moe_threads()` is the number of threads that a fit uses where
#' [moe_control()] does not say: the option `distmoe.threads` if it is set, else
#' two, or fewer if the machine, the R session or its scheduler allow fewer
#' ([parallelly::availableCores()] knows: `mc.cores`, limits of containers and
#' clusters, one in a worker of `future`). In forked processes it is one.
#'
#' The threads are those of the C++ standard library: variables of OpenMP, such as
#' `OMP_NUM_THREADS`, do not count. Threads without work sleep, until the package is
#' unloaded, and the caller works too and waits for no thread that has not begun: where
#' other processes take the cores a fit is hardly slower than on one thread.
#'
#' `moe_instructions()` tells which instruction set the inner loops use, and
#' chooses another. At first it is the best one that the machine has, or the one
#' that the environment variable `DISTMOE_INSTRUCTIONS` names. All give the same
#' results up to rounding; `"baseline"` runs on every machine.
#'
#' @param set NULL, or one of the available instruction sets: use it from now on.
#' @return `moe_threads()`: a whole number. `moe_instructions()`: the name of the
#'   set in use (invisibly the one used before, if `set` is given), with the
#'   available ones as attribute `"available"`.
#' @examples
#' moe_threads()
#' moe_instructions()
#' old <- moe_instructions("baseline")
#' moe_instructions(old)
#' @export
moe_threads <- function() {
  # A fork has none of the threads of the process that it comes from.
  if (parallelly::isForkedChild()) return(1L)
  wish <- getOption("distmoe.threads")
  if (!is.null(wish)) return(check_count(wish, "options(distmoe.threads)"))
  min(2L, available_cores())
}

# To count takes milliseconds, as long as a small site's fit: it is done again only where what it goes by
# and a session may change (a future's worker among it) is another.
available_cores <- function() {
  set <- options()
  about <- grepl("mc.cores", names(set), fixed = TRUE) | startsWith(names(set), "parallelly.")
  asked <- list(Sys.getpid(), set[about], Sys.getenv("MC_CORES"))
  if (!identical(asked, cores_counted$asked)) {
    cores_counted$cores <- as.integer(parallelly::availableCores())
    cores_counted$asked <- asked
  }
  cores_counted$cores
}

cores_counted <- new.env(parent = emptyenv())

#' @rdname moe_threads
#' @export
moe_instructions <- function(set = NULL) {
  now <- cpp_instructions()
  if (is.null(set)) return(now)
  available <- attr(now, "available")
  if (!is.character(set) || length(set) != 1 || !set %in% available) {
    input_error("{.arg set} must be one of the instruction sets of this machine
      ({.val {available}}), not {show_value(set)}.")
  }
  cpp_use_instructions(set)
  invisible(now)
}
