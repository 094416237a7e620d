# Rounds of a hierarchy by file: a site's answer, and what the centre makes of all.

# ---- at a site -------------------------------------------------------------------------------

mode_answer <- function(model, data, task, site) {
  prior <- model$prior
  task$shape <- core_model(model)
  task$scaling <- prior$scaling
  task$tolerance <- prior$tolerance
  task$prior <- prior[c("mean", "root")]
  task$starts <- matrix(prior$mean)
  design <- site_design(data, task)
  on.exit(drop_scratch(design))
  found <- site_answer(design, task)
  structure(list(site = site, round = prior$number, model = prior_key(model), family = model$family$family,
    K = model$K, columns = list(expert = model$schema$expert$columns, gate = model$schema$gate$columns),
    parts = count_parts(model$schema), moments = NULL, sums = NULL, maximum = found[names(message_objects$maximum)],
    counts = statistics_counts(model, as.numeric(found$n), found$mass / sum(found$mass),
      site_behind(model, design, data, data, task$weights))), class = "moe_statistics")
}

# ---- at the centre ---------------------------------------------------------------------------

update_hierarchy <- function(object, messages, control) {
  asked <- asked_population(object)
  key <- prior_key(asked)
  faults <- lapply(messages, mode_fault, asked, object$hierarchy$table, key)
  refuse_answers(messages, faults)
  check_all_asked(object, messages, "messages")
  answers <- lapply(messages, function(m) c(m$maximum, list(n = m$counts$n, iterations = NA_integer_)))
  clock <- proc.time()[[3]]
  setting <- hierarchy_setting(object)
  refined_hierarchy(object, judge_answers(rounds_state(object), answers, setting, control$tolerance, clock), setting)
}

mode_fault <- function(m, model, table, key) {
  if (m$family != model$family$family) {
    return(paste0("has the family ", m$family, ", the hierarchy ", model$family$family))
  }
  if (m$K != model$K) return(paste0("has K = ", m$K, ", the hierarchy K = ", model$K))
  same <- identical(m$columns$expert, model$schema$expert$columns) &&
    identical(m$columns$gate, model$schema$gate$columns) && m$parts == count_parts(model$schema)
  if (!same) return("has other columns or classes than the hierarchy")
  if (is.null(m$maximum)) return("is no answer to a hierarchy: it was made at one model for all sites")
  if (m$round != model$prior$number) {
    return(paste0("is of exchange ", m$round + 1L, ", the hierarchy asks for exchange ", model$prior$number + 1L))
  }
  if (m$model != key) return("was made at another population")
}
