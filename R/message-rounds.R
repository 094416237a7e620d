#' Rounds between institutions, by file
#'
#' [moe_refine()] in pieces, for sites that exchange files: `moe_statistics()` makes at
#' one site the answer of a round, `moe_update()` puts all sites' answers together at the
#' centre. Both use the functions of [moe_refine()], so r rounds give its model.
#'
#' 1. The centre sends a model: `write_moe(model, "model.json")`.
#' 2. Every site: `write_moe(moe_statistics(read_moe("model.json"), data, site = "A"), "A.json")`.
#' 3. The centre: `model <- moe_update(model, folder)` with all sites' files in
#'    `folder`, and sends the result.
#'
#' In the first exchange sites send means and second moments of columns, from which
#' comes the common standardisation; in all later ones sums at the model. As in
#' [moe_refine()] a step can only be judged by the next exchange: the parameters of the
#' model that `moe_update()` gives are the best that were judged, and its field `rounds`
#' holds the step to be tried next. The second exchange judges the model that was given, so
#' r rounds take r + 2 exchanges. A step that lowers the objective is taken back.
#'
#' Of a hierarchy ([moe_hierarchy()]) the centre sends `write_moe(h, "population.json")`, which holds the
#' population's mean and covariance and no site's parameters; every site answers with the largest of likelihood and
#' prior, and `h <- moe_update(h, folder)` is one round. The centre keeps `h` ([saveRDS()]); sites may come newly.
#'
#' @param model A model of class `moe` fitted with a formula: at first any, then what
#'   `moe_update()` gave.
#' @param data The site's rows: a data frame, or a source ([moe_source()]).
#' @param weights NULL, or the name of a column of `data` with case weights.
#' @param site Name of the site; by default "site", or with a key the name that the registry has for it.
#' @param masked,key,registry,log TRUE: masked sums (see [moe_refine()]) among the sites of the rounds, at first all
#'   of the
#'   registry. `key` is then the site's own secret file ([moe_keys()]), `registry` the study's
#'   ([moe_registry()]), with which `model` must have been read, `log` as in [read_moe()]. Such an answer is written
#'   signed, once for each message of the centre; [moe_recovery()] is for sites that then are missing.
#' @param messages A list of what `moe_statistics()` gave at all sites, the names of
#'   their files, or a folder that holds them and no other `.json` files. Every site of the
#'   first exchange must be in every later one.
#' @param control At the first exchange, settings made by [moe_control()]: the penalties,
#'   `dispersion_floor` and `tolerance` are used and kept.
#' @param max_bytes As in [read_moe()].
#' @param registered NULL, or numbers of rows, named by site, that the centre knows: answers of others, or of more rows,
#'   are refused. (Sums are added as they are: a site that takes part can make any of them. See `Influence` of
#'   [moe_aggregate()] for what is bounded.)
#' @param answers At the centre, the message that sites answer: a file's name or what was read of it. By default `model`
#'   if that was read with the registry, else what the log ([moe_log()]) has as sent last. With a `registry` only
#'   files are read that registered sites signed as such answers (see [moe_signed]). What is refused takes no
#'   place: a warning (class `moe_refused_warning`) names it, and registered sites of which nothing was read.
#' @return `moe_statistics()`: a list of class `moe_statistics` with `site`, `round` (exchanges made before),
#'   `model` (a checksum of what it was computed at), `family`, `K`, `columns`, `parts`, `moments` (in the first
#'   exchange), `sums` (later) or `maximum` (of hierarchies), see [moe_message], and
#'   `counts` (rows, shares and parameters, for the disclosure check); no row.
#'   `moe_update()`: a model of the class of `model`, with the fields that [moe_refine()] gives
#'   once it was judged, and `rounds`: list with `number` (exchanges made), `sites` (data frame with `site`, `n`,
#'   `dropped`), `scaling` (the common standardisation), `settings` (of `control`), `tried` (parameters of
#'   standardised columns that sites are asked about next), `stop` (`"rounds"`: go on; `"newton"` or `"small gain"`:
#'   converged), `state` (NULL at first; the best `model` so far with all sites' `sums`, and how it was reached:
#'   `halvings`, `accepted`, `change`, `newton_below`), `table` (the data frame `rounds` of [moe_refine()]). Errors
#'   name the sites that lack, or whose messages were made at another model; nothing is changed then.
#' @examples
#' sim <- moe_simulate(2000, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B"), each = 1000))
#' model <- moe(y ~ ., sources$A, K = 2)
#' for (exchange in 1:3) {
#'   answers <- lapply(names(sources), function(s) moe_statistics(model, sources[[s]], site = s))
#'   model <- moe_update(model, answers)
#' }
#' model
#' @export
moe_statistics <- function(model, data, weights = NULL, site = NULL, masked = FALSE, key = NULL, registry = NULL,
                           log = NULL) {
  weights <- weights_column(substitute(weights), weights)
  who <- open_masks(masked, key, registry, log, site)
  site <- if (!is.null(who)) who$site else if (is.null(site)) "site" else site
  check_round_model(model)
  if (inherits(model, "moe_hierarchy")) model <- asked_population(model)
  if (!is.character(site) || length(site) != 1 || is.na(site) || !nzchar(trimws(site))) {
    input_error("{.arg site} must be one name, not {show_value(site)}.")
  }
  task <- list(schema = model$schema, family = model$family, weights = weights, threads = moe_threads(),
    formula = model$schema$formula, gating = model$schema$gating)
  environment(task$formula) <- environment(model$schema$frame)
  if (!is.null(model$prior) && !is.null(who)) refuse_masked_hierarchy()
  if (!is.null(model$prior)) return(asked_by(mode_answer(model, data, task, site), model))
  design <- site_design(data, task)
  rounds <- model$rounds
  found <- if (is.null(rounds)) site_moments(design, task)
  if (!is.null(rounds)) {
    task$model <- rounds$tried
    task$scaling <- rounds$scaling
    sums <- site_sums(design, task)
  }
  n <- if (is.null(rounds)) found$n else if (is.null(design$weight)) length(design$y) else sum(design$weight > 0)
  share <- if (!is.null(rounds)) drop(sums$mass) / sum(sums$mass)
  out <- structure(list(site = site, round = if (is.null(rounds)) 0L else rounds$number, model = round_key(model),
    family = model$family$family, K = model$K,
    columns = list(expert = model$schema$expert$columns, gate = model$schema$gate$columns),
    parts = count_parts(model$schema), moments = found, sums = if (!is.null(rounds)) sums,
    counts = statistics_counts(model, as.numeric(n), share, site_behind(model, design, data, data, weights))),
    class = "moe_statistics")
  out <- asked_by(out, model)
  if (is.null(who)) out else masked_answer(out, model, who)
}

# A signed answer says to which message it is one.
asked_by <- function(answer, model) {
  if (isTRUE(attr(model, "origin")$authenticated)) attr(answer, "asked") <- attr(model, "origin")
  answer
}

check_round_model <- function(model) {
  check_moe(model, "model")
  if (model$schema$kind != "formula") {
    input_error("{.arg model} was fitted to matrices; rounds between sites need a model of a formula.")
  }
}

# What sites are asked about: columns, and once there is a scaling the very numbers.
round_key <- function(model) {
  asked <- list(family = model$family$family, expert = I(model$schema$expert$columns),
    gate = I(model$schema$gate$columns), labels = I(as.character(model$schema$labels)))
  r <- model$rounds
  asked$parameters <- if (is.null(r)) by_parameters(model$parameters) else by_parameters(r$tried)
  # Sites need no `y_residual`, and earlier versions had none.
  if (!is.null(r)) asked$scaling <- scaling_tree(r$scaling)[c("x", "z", "y_centre", "y_scale")]
  message_checksum(asked)
}

#' @rdname moe_statistics
#' @export
moe_update <- function(model, messages, control = moe_control(), max_bytes = 5e7, registered = NULL, registry = NULL,
                       answers = NULL, log = NULL) {
  check_round_model(model)
  control <- check_control(control)
  if (!is.null(registry) && is.null(answers) && isTRUE(attr(model, "origin")$authenticated)) answers <- model
  reader <- open_reader(registry, NULL, answers, log, TRUE, max_bytes)
  found <- round_messages(messages, max_bytes, reader)
  messages <- found$statistics
  if (is.null(registered) && !is.null(reader)) registered <- registered_rows(reader$trust$registry)
  check_registered(messages, known_sites(registered, NULL))
  attr(model, "origin") <- NULL
  if (inherits(model, "moe_hierarchy")) return(update_hierarchy(model, messages, control))
  masked <- if (any(vapply(messages, function(m) !is.null(m$masked), NA))) {
    refuse_answers(messages, lapply(messages, round_fault, model, round_key(model)))
    masked_total(model, messages, found$seeds, reader$trust$registry)
  }
  check_round_messages(model, messages, masked$lost)
  if (is.null(model$rounds)) return(begin_rounds(model, messages, control, masked$total))
  next_round(model, messages, masked)
}

# Answers are added up as they are: what can be checked is who sends them, and of how many rows.
check_registered <- function(messages, known) {
  if (is.null(known)) return(invisible())
  weight <- vapply(messages, function(m) c(m$moments$moments$weight, m$sums$weight, m$maximum$weight, NA)[1], 0)
  each <- weight / vapply(messages, function(m) m$counts$n, 0)
  usual <- lower_median(each)
  faults <- lapply(seq_along(messages), function(i) {
    m <- messages[[i]]
    if (!m$site %in% known$names) return("is not a site that the centre knows")
    rows <- known$rows[[m$site]]
    if (m$counts$n > rows) {
      return(paste0("claims ", format_big(m$counts$n), " rows, and is registered with ", format_big(rows)))
    }
    if (isTRUE(each[i] > 10 * usual)) return("claims weights that are more than 10 times the usual ones")
  })
  refuse_answers(messages, faults)
}

round_messages <- function(messages, max_bytes, reader) {
  if (inherits(messages, "moe_statistics")) messages <- list(messages)
  seeds <- NULL
  if (is.character(messages)) {
    files <- files_of_messages(messages)
    messages <- if (is.null(reader)) lapply(files, round_message, max_bytes)
      else signed_answers(files, max_bytes, reader)
    if (!is.null(reader)) {
      seeds <- messages$seeds
      messages <- messages$statistics
    }
  } else if (!is.null(reader)) {
    input_error("With {.arg registry} the {.arg messages} must be files: signatures are of their bytes.")
  }
  ok <- is.list(messages) && length(messages) && all(vapply(messages, inherits, NA, "moe_statistics"))
  if (!ok) input_error("{.arg messages} must be a list of what {.fn moe_statistics} gave, or their files.")
  sites <- vapply(messages, function(m) m$site, "")
  keys <- name_keys(sites)
  twice <- keys %in% keys[duplicated(keys)]
  if (any(twice)) {
    from <- escape_braces(vapply(messages[twice], message_from, ""))
    input_error("{.arg messages} hold the answer of a site twice.", stats::setNames(from, rep("x", length(from))))
  }
  names(messages) <- sites
  list(statistics = messages[order(sites)], seeds = seeds)
}

files_of_messages <- function(messages) {
  if (length(messages) == 1 && dir.exists(messages)) message_files(messages) else messages
}

round_message <- function(file, max_bytes) {
  found <- read_moe(file, max_bytes)
  if (!inherits(found, "moe_statistics")) {
    input_error("{.file {shown_names(file)}} holds no answer of a site, which {.fn moe_statistics} gives.")
  }
  found$file <- shown_names(basename(file))
  found
}

# With a registry what is refused takes no place: others may have put it there. Whom it leaves out is said.
signed_answers <- function(files, max_bytes, reader) {
  shown <- shown_names(basename(files))
  found <- lapply(seq_along(files), function(i) {
    found <- try_message(files[i], max_bytes, reader)
    if (!is.null(found$reason)) return(paste0(shown[i], ": field ", found$field, " ", found$reason))
    if (!is.null(found$statistics)) found$statistics$file <- shown[i]
    else if (is.null(found$seeds)) return(paste0(shown[i], ": field kind is that of no answer of a site"))
    found
  })
  found <- of_one_exchange(found, shown, reader)
  site <- vapply(found, function(f) if (is.list(f)) f$site else NA_character_, "")
  what <- paste(site, vapply(found, function(f) is.list(f) && is.null(f$seeds), NA))
  for (i in which(!is.na(site) & what %in% what[duplicated(what)])) {
    found[[i]] <- paste0(shown[i], ": field site is \"", shown_names(site[i]), "\" in ",
      first_of(shown[setdiff(which(what == what[i]), i)], 3), " too")
  }
  taken <- vapply(found, is.list, NA)
  log_read(reader$trust, lapply(found, function(f) if (is.list(f)) f$origin), files,
    lapply(found, function(f) if (!is.list(f)) f))
  answers <- vapply(found, function(f) is.list(f) && is.null(f$seeds), NA)
  lacks <- setdiff(registry_sites(reader$trust$registry), site[answers])
  if (length(lacks) || !all(taken)) {
    words <- c(stats::setNames(escape_braces(unlist(found[!taken])), rep("x", sum(!taken))),
      if (length(lacks)) c(x = escape_braces(paste("No message was read of", first_of(shown_names(lacks), 20)))))
    if (!any(answers)) input_error("No message is what a site of the registry sent as its answer.", words)
    all <- length(registry_sites(reader$trust$registry))
    cli::cli_warn(c("{sum(answers)} of {all} registered sites {?answers/answer}.", words),
      class = "moe_refused_warning")
  }
  seeds <- lapply(found[taken & !answers], function(f) f$seeds)
  names(seeds) <- vapply(seeds, function(f) f$site, "")
  list(statistics = lapply(found[answers], function(f) f$statistics), seeds = seeds)
}

# `lost`: sites that are missing, and whose masks were taken off.
check_round_messages <- function(model, messages, lost = NULL) {
  key <- round_key(model)
  refuse_answers(messages, lapply(messages, round_fault, model, key))
  asked <- setdiff(model$rounds$sites$site, lost)
  lacks <- setdiff(asked, names(messages))
  extra <- if (!is.null(asked)) setdiff(names(messages), asked)
  if (length(lacks) || length(extra)) {
    input_error("All sites of the first exchange must take part, and no others; nothing was changed.",
      x = if (length(lacks)) "Missing: {.val {shown_names(lacks)}}.",
      x = if (length(extra)) "New: {.val {shown_names(extra)}}.")
  }
}

# What is wrong with a site's answer to this model; NULL: nothing.
round_fault <- function(m, model, key) {
  schema <- model$schema
  rounds <- model$rounds
  number <- if (is.null(rounds)) 0L else rounds$number
  if (m$family != model$family$family) {
    return(paste0("has the family ", m$family, ", the model ", model$family$family))
  }
  if (m$K != model$K) return(paste0("has K = ", m$K, ", the model K = ", model$K))
  if (!identical(m$columns$expert, schema$expert$columns) || !identical(m$columns$gate, schema$gate$columns) ||
        m$parts != count_parts(schema)) {
    return("has other columns or classes than the model")
  }
  if (m$round != number) return(paste0("is of exchange ", m$round + 1L, ", the model asks for exchange ", number + 1L))
  if (m$model != key) return("was made at another model")
  several <- length(schema$group) > 0 || has_trials(schema)
  if (!is.null(m$sums$mass) && is.null(m$sums$responses) == several) {
    return(if (several) "lacks `responses`, of which its rows or groups have several"
           else "holds `responses`, of which a row of this model has one")
  }
  before <- rounds$sites$n[match(m$site, rounds$sites$site)]
  if (length(before) && !is.na(before) && before != m$counts$n) {
    return(paste0("has ", format_big(m$counts$n), " rows, and had ", format_big(before), " in the first exchange"))
  }
  if (number == 0 && is.null(m$masked) && !same_intercepts(m$moments, schema)) {
    return("has its intercept in another column than the model")
  }
}

same_intercepts <- function(moments, schema) {
  place <- function(part) max(match("(Intercept)", schema[[part]]$columns), 0L, na.rm = TRUE)
  moments$x_intercept == place("expert") && moments$z_intercept == place("gate")
}

# The first exchange: the common standardisation.
# `total`: moments of all rows, where sites' own are masked.
begin_rounds <- function(model, messages, control, total) {
  settings <- core_control(control, model)[round_settings]
  first <- if (is.null(total)) messages[[1]]$moments else total
  moments <- if (is.null(total)) lapply(unname(messages), whole_moments, needs_cross_y(model, settings))
    else list(total$moments)
  scaling <- cpp_pooled_scaling(moments, model$family$family, first$x_intercept, first$z_intercept)
  count <- function(name) {
    of <- function(m) as.numeric(if (is.null(m$masked)) m$moments[[name]] else c(m$counts, m$masked)[[name]])
    vapply(messages, of, 0, USE.NAMES = FALSE)
  }
  model$rounds <- list(number = 1L, settings = settings, scaling = scaling,
    sites = data.frame(site = names(messages), n = count("n"), dropped = count("dropped")),
    tried = cpp_to_internal(core_model(model), scaling), stop = "rounds", state = NULL, table = NULL)
  model
}

# The prior on variances is measured by the residual variance of one regression on all sites' rows.
needs_cross_y <- function(model, settings) {
  model$K > 1 && has_location_scale(model) && settings$variance_prior > 0
}

# Products of x and y that a site's version did not send can't be told from the rest; where nothing needs them,
# zeros stand for them.
whole_moments <- function(m, needs_cross_y) {
  moments <- m$moments$moments
  if (!is.null(moments$cross_y)) return(moments)
  if (needs_cross_y) {
    input_error("{message_from(m)} sent no sums of products of x and y ({.field cross_y}), which the prior on
      variances needs: its version of the package had none.", i = "Set {.code control =
      moe_control(variance_prior = 0)}, or have the site update its package and answer again.")
  }
  moments$cross_y <- numeric(length(moments$mean_x))
  moments
}

next_round <- function(model, messages, masked = NULL) {
  r <- model$rounds
  if (r$number > 1 && is.null(r$state)) {
    input_error("{.arg model} lacks the state of its rounds: it was written with {.code state = FALSE}, for sites.",
      i = "Go on from the centre's own model.")
  }
  shape <- list(p = nrow(model$parameters$beta), q = nrow(model$parameters$alpha), K = model$K,
    parts = count_parts(model$schema), family = model$family$family)
  all <- lapply(unname(messages), function(m) if (length(m$sums) > 1) m$sums else nothing_finite(shape))
  sums <- if (is.null(masked)) Reduce(function(a, b) Map(`+`, a, b), all) else masked$total
  if (length(masked$lost)) {
    # On fewer rows nothing can be compared with what was before.
    r[c("state", "table")] <- list(NULL)
    r$sites <- r$sites[!r$sites$site %in% masked$lost, ]
  }
  if (!all(is.finite(unlist(sums)))) sums$log_lik <- -Inf
  propose <- function(state) propose_step(state, r$scaling, r$settings)
  clock <- proc.time()[[3]]
  kind <- "start"
  if (is.null(r$state)) {
    state <- first_state(r$tried, sums, propose)
  } else {
    state <- r$state
    state$step <- propose(state)
    tried <- state$step
    kind <- tried$step
    state <- take_round(state, function(model) sums, propose)
    r$stop <- stop_after(tried, state)
  }
  shift <- -state$sums$weight * log(r$scaling$y_scale)
  r$table <- rbind(r$table, round_line(state, r$number - 1L, kind, shift, clock))
  r$number <- r$number + 1L
  r$tried <- state$step$model
  r$state <- state[c("model", "sums", "halvings", "accepted", "change", "newton_below")]
  judged_model(model, r, state$step, shift)
}

judged_model <- function(model, r, step, shift) {
  found <- lapply(seq_len(nrow(r$sites)), function(i) list(n = r$sites$n[i], dropped = as.integer(r$sites$dropped[i])))
  names(found) <- r$sites$site
  run <- list(model = r$state$model, sums = r$state$sums, step = step, table = r$table, stop = r$stop, shift = shift)
  out <- refined_model(model, run, found, r$scaling, r$settings)
  out$rounds <- r
  out
}

#' @export
print.moe_statistics <- function(x, ...) {
  cat("Answer of site \"", shown_names(x$site), "\" in exchange ", x$round + 1, ": ",
    if (!is.null(x$maximum)) "parameters and curvature under the population's prior"
    else if (!is.null(x$masked)) paste("masked sums, which tell nothing without those of", length(x$masked$among) - 1,
      "other sites")
    else if (is.null(x$sums)) "means and second moments of columns" else "sums at the model", "\n", sep = "")
  cat(format_big(x$counts$n), " rows, ", x$K, if (x$K == 1) " expert" else " experts",
    "; no row is in it. moe_message() shows what is.\n", sep = "")
  print_origin(x)
  invisible(x)
}
