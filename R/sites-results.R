# From the workers' answers to the table of sites.

# The results of all sites: from the cache where they are there, else from the workers; of those that
# are `lost` already, that.
fit_sites <- function(sources, task, timeout, retries, cache, lost = list()) {
  seeds <- site_seeds(length(sources))
  progress <- progressr::progressor(steps = length(sources))
  found <- list()
  if (!is.null(cache)) {
    files <- cache_files(cache, sources, task, seeds)
    found <- cache_found(files, sources, task)
  }
  lost <- lost[setdiff(names(lost), names(found))]
  known <- length(found) + length(lost)
  if (known) progress(amount = known)
  due <- !names(sources) %in% c(names(found), names(lost))
  done <- function(name, result) {
    at <- match(name, names(sources))
    if (!is.null(cache) && is_site_result(result) && !is.null(result$model)) {
      cache_write(files[at], attr(files, "keys")[at], result)
    }
    progress()
  }
  results <- run_at_sites(sources[due], fit_site, task, seeds[due], timeout, retries, done = done)
  results <- Map(function(result, source) site_result(result, source, FALSE), results, sources[due])
  lost <- Map(function(result, source) site_result(result, source, FALSE), lost, sources[names(lost)])
  c(results, lost, lapply(found, site_result, NULL, TRUE))
}

# A line of the table also for a site that was lost.
site_result <- function(result, source, cached) {
  if (!inherits(result, "moe_lost") && !is_site_result(result)) {
    result <- new_lost("lost", "the worker's answer is not what was asked for; has it another version of the package?")
  }
  if (inherits(result, "moe_lost")) {
    result <- list(model = NULL, row = site_row(known_rows(source), result$status, result$message))
  }
  result$row$cached <- cached
  result
}

# A stream of random numbers for each of so many sites, fixed by set.seed(); the session's own generator
# goes on.
site_seeds <- function(count) {
  where <- globalenv()
  if (is.null(where[[".Random.seed"]])) stats::runif(1)
  old <- where[[".Random.seed"]]
  kind <- RNGkind("L'Ecuyer-CMRG")
  stream <- where[[".Random.seed"]]
  if (kind[1] == "L'Ecuyer-CMRG") stream <- old
  where[[".Random.seed"]] <- old
  seeds <- vector("list", count)
  for (i in seq_len(count)) {
    seeds[[i]] <- parallel::nextRNGSubStream(stream)
    stream <- parallel::nextRNGStream(stream)
  }
  stats::runif(2)
  seeds
}
