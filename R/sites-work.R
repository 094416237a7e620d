# What is done at a site, on its worker.

# One site's work, on its worker: a model without rows and a row of the table, never an error.
fit_site <- function(data, task) {
  warned <- NULL
  started <- proc.time()[[3]]
  outcome <- tryCatch(withCallingHandlers(fit_source(data, task), warning = function(w) {
    warned <<- c(warned, cli::ansi_strip(conditionMessage(w)))
    invokeRestart("muffleWarning")
  }), error = function(e) e)
  row <- site_row(if (is_source(data)) known_rows(data) else NROW(data), "fitted",
    if (is.null(warned)) "" else one_line(warned), proc.time()[[3]] - started)
  if (inherits(outcome, "moe")) {
    outcome$information$meat <- NULL
    row$n <- outcome$n
    row$loglik <- outcome$log_lik / outcome$weight
    row$iterations <- outcome$record$em_iterations + outcome$record$newton_iterations
    row$converged <- outcome$record$converged
    size <- message_size(outcome)
    row$bytes <- size$bytes
    lost <- unique(unlist(outcome$record$aliased))
    row$message <- paste(c(if (row$message != "") row$message, size$why,
      if (length(lost)) paste("not determined:", paste(lost, collapse = ", "))), collapse = "; ")
    return(list(model = outcome, row = row))
  }
  row$status <- "failed"
  row$message <- one_line(cli::ansi_strip(conditionMessage(outcome)))
  if (inherits(outcome, "moe_too_small")) {
    row$status <- "skipped"
    row$n <- outcome$rows
    row$needs <- outcome$needs
  }
  list(model = NULL, row = row)
}

# About what a site's model costs as a file; where it can't be one, NA and `why`. How it is written messages alone
# know: the method stands there.
message_size <- function(model) UseMethod("message_size")

fit_source <- function(source, task) {
  data <- rows_in_memory(source, task)
  schema <- task$schema
  K <- task$K
  floor_rows <- max(task$min_rows, count_parameters(schema, K) + 1L)
  too_small <- function(rows) {
    input_error("It has {rows} usable row{?s} and needs {floor_rows}.", class = "moe_too_small",
      fields = list(rows = rows, needs = floor_rows))
  }
  if (is.data.frame(data) && nrow(data) < floor_rows) too_small(nrow(data))
  if (is_source(data) && length(task$share)) {
    input_error("{.arg share} needs the site's rows in memory: raise {.arg memory_rows} of its source.")
  }
  design <- site_design(data, task)
  on.exit(drop_scratch(design))
  rows <- design_counts(design)$rows
  if (rows < floor_rows) too_small(rows)
  # A frame stays here.
  bare <- replace(design, "frame", list(NULL))
  model <- fit_design(bare, K, task$family, task$start, task$control, keep = FALSE, call = NULL)
  model$behind <- site_behind(model, design, source, data, task$weights)
  if (length(task$share)) {
    model$shared <- site_shares(model, design, data, task$share, task$start, task$control)
  }
  if (site_has_policy(model$behind$folder)) {
    pass_policy(model_counts(model, isTRUE(task$control$information)), policy_in_force(folder = model$behind$folder),
      "The model")
    # It was let go; in another process it is a stranger's, who is not told how few rows are behind what.
    if (!identical(task$caller, this_process())) model$behind <- NULL
  }
  model
}

this_process <- function() paste(Sys.info()[["nodename"]], Sys.getpid())

# A site's rows under the common schema.
site_design <- function(source, task) {
  data <- rows_in_memory(source, task)
  if (is_source(data)) return(stream_site(data, task))
  check_columns(task$schema, data)
  data <- merge_rare_levels(data, task$schema, source_folder(source))
  weights <- site_weights(data, task$weights)
  group <- group_of_rows(task$schema, data)
  frame <- function(f) row_frame(f, data, weights, group = group)
  design <- design_build(task$formula, task$gating, data, task$family$family, frame, task$schema, with_frame = TRUE)
  refuse_shares(design, design$frame)
}

# How many rows are behind what a site tells. `source`: where they come from.
site_behind <- function(model, design, source, data, weights) {
  folder <- source_folder(source)
  out <- rows_behind(model, design, folder = folder)
  out$told <- rows_told(model$schema, data, design$frame, weights, folder)
  out
}

# One exchange: what `work(design, task)` gives at every site, in the order of the sites. A site that
# fails is an error that names it. `at`: what opens an element of `sources` and does the work there.
at_sites <- function(sources, task, work, at = at_site) {
  task$work <- work
  site_answers(sources, task, at)
}

# The same of `answer(data, task)`, whose errors are values.
site_answers <- function(sources, task, answer) {
  results <- run_at_sites(sources, answer, task, timeout = task$timeout, retries = task$retries,
    batches = workers_in_all())
  failed <- vapply(results, inherits, NA, c("error", "moe_lost"))
  if (any(failed)) {
    site <- names(sources)[failed]
    first <- results[failed][[1]]
    first <- if (inherits(first, "error")) said(first) else paste0(first$status, ": ", first$message)
    input_error("{cli::qty(site)}Site{?s} {.val {shown_names(site)}} can't take part; nothing was changed.",
      x = "The first says: {first}", i = "Leave such sites out of {.arg sources}.")
  }
  results
}

at_site <- function(data, task) {
  tryCatch({
    design <- site_design(data, task)
    on.exit(drop_scratch(design))
    found <- task$work(design, task)
    hold_to_policy(design, data, task, found$mass)
    found
  }, error = identity)
}

# Answers to the session that asks are held to the site's policy file, where there is one. `mass`: rows of the experts.
hold_to_policy <- function(design, source, task, mass = NULL) {
  folder <- source_folder(source)
  if (!site_has_policy(folder)) return(invisible())
  experts <- max(1L, length(mass))
  # One expert for all: what rows are behind columns does not depend on the model.
  plain <- list(family = task$family, schema = design$schema, K = 1L, parameters = list(
    beta = matrix(0, length(design$schema$expert$columns), count_parts(design$schema)),
    alpha = matrix(0, length(design$schema$gate$columns), 0), dispersion = 1))
  behind <- site_behind(plain, design, source, source, task$weights)
  behind$experts <- NULL
  counts <- c(list(n = behind$rows, share = mass / sum(mass), parameters = count_parameters(design$schema, experts),
    behind = behind, shares = "rounds"), formula_words(design$schema))
  pass_policy(counts, policy_in_force(folder = folder), "An answer")
}

check_same_rows <- function(now, first) {
  bad <- which(now != first)
  if (!length(bad)) return(invisible())
  site <- names(first)[bad[1]]
  input_error("Site {.val {shown_names(site)}} has {format_big(now[bad[1]])} rows now, and had
    {format_big(first[bad[1]])} when it
    was asked first.", i = "All rounds need the same rows: make a copy of data that change.")
}
