# Rounds of a hierarchy between the sites: moe_refine() of a moe_hierarchy.
#
# The centre sends the population's mean and covariance. Every site maximises its log-likelihood plus that of this
# normal prior, and answers with where it came to, the log-likelihood's gradient there and its negative Hessian: a
# quadratic, from which the centre finds mean and covariance as from the sites' models.

# ---- a site's work ---------------------------------------------------------------------------

# Sites of fewer rows a parameter answer with the mean of the score over the posterior: Laplace's approximation asks
# for it, and with more rows it is the score at the mode.
mean_score_rows <- 100

# What a Newton step at a site may promise, of log-likelihood, when it answers: so little that rounds are the same
# whatever a site started from.
mode_tolerance <- 1e-14

# `starts`: a column each, on standardised columns.
site_answer <- function(design, task) {
  found <- cpp_site_mode(design, task$shape, task$scaling, task$prior, task$starts,
    list(tolerance = task$tolerance, max_iterations = 200L, threads = task$threads,
      mean_score_weight = mean_score_rows * length(task$prior$mean)))
  seen <- design_counts(design)
  c(found, list(n = seen$counted, dropped = seen$dropped))
}

# `item`: a site's rows and its starts.
at_started_site <- function(item, task) {
  task$starts <- item$starts
  at_site(item$data, task)
}

# ---- the centre's ----------------------------------------------------------------------------

# What sites are told about the population.
population_prior <- function(setting, solved) {
  list(mean = solved$mean, root = setting$index$lift %*% cpp_covariance_root(solved$spread))
}

ask_sites <- function(sources, task, setting, solved, starts) {
  task$prior <- population_prior(setting, solved)
  items <- Map(function(data, starts) list(data = data, starts = starts), sources, starts)
  at_sites(items, task, site_answer, at_started_site)
}

# A site's answer as a quadratic; `shift`: what a row adds to the log-likelihood on the user's scale of y; `root`: of
# the prior's covariance.
answer_quadratic <- function(answer, shift, root, site) {
  if (!all(is.finite(unlist(answer[c("parameters", "score", "curvature", "log_lik")])))) {
    input_error("The answer of site {.val {shown_names(site)}} is not finite: its likelihood has no maximum under the
      population's prior.", i = "An expert may fit single rows exactly: take a smaller {.arg K}, or let fewer
        {.arg effects} vary.")
  }
  curvature <- cpp_positive_part(answer$curvature)
  curvature <- curvature + least_curvature(curvature, answer$score, root)
  list(at = answer$parameters, slope = answer$score, curvature = curvature,
    value = answer$log_lik + shift * answer$weight)
}

# Where the log-likelihood rises and does not bend, its quadratic has no maximum, and the more spread between sites the
# better it would be. What is added lets the maximum lie up to thirty standard deviations of the prior away, in any
# direction.
least_curvature <- function(curvature, slope, root) {
  if (!ncol(root)) return(0)
  e <- eigen(crossprod(root, curvature %*% root), symmetric = TRUE)
  rise <- drop(crossprod(e$vectors, crossprod(root, slope)))
  add <- pmax(abs(rise) / 30 - e$values, 0)
  if (all(add == 0)) return(0)
  back <- crossprod(e$vectors, pseudo_inverse(root))
  crossprod(back * sqrt(add))
}

pseudo_inverse <- function(m) {
  s <- svd(m)
  use <- s$d > 1e-10 * s$d[1]
  s$v[, use, drop = FALSE] %*% (t(s$u[, use, drop = FALSE]) / s$d[use])
}

refine_hierarchy <- function(object, sources, task, rounds, control) {
  setting <- hierarchy_setting(object)
  check_all_asked(object, sources, "sources")
  task$shape <- core_model(object)
  task$scaling <- setting$scaling
  task$tolerance <- mode_tolerance
  state <- rounds_state(object)
  starts <- site_starts(object, names(sources), state$asked$mean)
  for (round in seq_len(rounds)) {
    clock <- proc.time()[[3]]
    answers <- ask_sites(sources, task, setting, state$asked, starts)
    state <- judge_answers(state, answers, setting, control$tolerance, clock)
    if (!state$fell) starts <- lapply(answers, function(a) matrix(a$parameters))
    if (state$stop != "rounds") break
  }
  refined_hierarchy(object, state, setting)
}

# `given`: the name of the argument that holds what sites say.
check_all_asked <- function(object, sites, given) {
  lacks <- setdiff(object$hierarchy$table$site, names(sites))
  if (!length(lacks)) return(invisible())
  input_error("{cli::qty(lacks)}Site{?s} {.val {shown_names(lacks)}} of the hierarchy {?is/are} not among the
    {.arg {given}}; nothing was changed.", i = "{.code update(h, drop = )} makes a hierarchy without
      {cli::qty(lacks)}{?it/them}; or ask {?it/them} too.")
}

# Where every site starts: at its present estimate; at first also at the population's mean, and at its own model.
site_starts <- function(object, names, mean) {
  h <- object$hierarchy
  known <- h$table$site
  lapply(stats::setNames(names, names), function(site) {
    if (!site %in% known) return(matrix(mean))
    unname(cbind(h$parameters[, site], if (is.null(object$refinement)) cbind(h$own[[site]]$at, mean)))
  })
}

# Rounds as far as they have come: `asked`, the population that sites are asked about next; `best`, the one of the
# largest marginal likelihood so far with the answers to it; `share`, how long steps are.
rounds_state <- function(object) {
  h <- object$hierarchy
  if (!is.null(h$rounds)) {
    out <- h$rounds
    out$stop <- "rounds"
    return(out)
  }
  list(asked = h[c("mean", "spread")], best = NULL, rows = NULL, risen = NULL, share = 1, fell = FALSE,
    number = h$exchanges, table = object$refinement$rounds, stop = "rounds")
}

# A full step may go too far, and on small sites back and forth without end: where the marginal likelihood falls the
# sites are asked again nearer to the population before, and further steps are shorter.
judge_answers <- function(state, answers, setting, tolerance, clock) {
  now <- vapply(answers, function(a) as.numeric(a$rows), 0)
  if (!is.null(state$rows) && setequal(names(now), names(state$rows))) check_same_rows(now, state$rows[names(now)])
  else if (!is.null(state$rows)) state[c("best", "risen")] <- list(NULL, NULL)  # other sites, another likelihood
  state$rows <- now
  state$number <- state$number + 1L
  step <- next_population(state$asked, answers, setting, state$number, clock)
  state$table <- rbind(state$table, step$table)
  state$fell <- is_fall(step$table, state$best$table)
  stop <- "rounds"
  if (state$fell) {
    state$share <- state$share / 2
  } else {
    state$best <- c(step, list(asked = state$asked))
    state$share <- min(1, 1.2 * state$share)
    if (isTRUE(step$table$promise <= tolerance)) stop <- "newton"
  }
  state$risen <- c(state$risen, state$best$table$marginal)
  if (stop == "rounds" && state$share < 1 && has_settled(state$risen)) stop <- "small gain"
  else if (stop == "rounds" && state$share < 1 / 100) stop <- "no rise"
  state$stop <- stop
  state$asked <- part_way(state$best, if (stop == "newton") 1 else state$share, setting)[c("mean", "spread")]
  state
}

is_fall <- function(now, before) {
  if (is.null(before)) {
    if (is.finite(now$marginal) && is.finite(now$promise)) return(FALSE)
    input_error("The sites' answers give no finite marginal likelihood: the spread between sites has no bound.",
      i = "Let fewer {.arg effects} vary: small sites do not tell all of them.")
  }
  !is.finite(now$marginal) || !is.finite(now$promise) || now$marginal < before$marginal - 1e-5
}

# Where steps were shortened: has the marginal likelihood come to its end?
has_settled <- function(risen, rounds = 8) {
  count <- length(risen)
  count > rounds && risen[count] - risen[count - rounds] < 1e-4
}

# A population between the one that the sites were asked about (0) and what their answers led to (1).
part_way <- function(step, share, setting) {
  if (share == 1) return(step$solved)
  between <- function(part) step$asked[[part]] + share * (step$solved[[part]] - step$asked[[part]])
  out <- solve_population(step$quadratics, setting, between("spread"), fixed = TRUE)
  out$mean <- between("mean")
  out
}

# The centre's part of a round: the population from the sites' answers at `before`.
next_population <- function(before, answers, setting, number, clock) {
  shift <- -log(setting$scaling$y_scale)
  root <- population_prior(setting, before)$root
  quadratics <- Map(function(a, site) answer_quadratic(a, shift, root, site), answers, names(answers))
  solved <- solve_population(quadratics, setting, if (setting$covariance == "diagonal") before$spread)
  marginal <- sum(vapply(answers, function(a) a$marginal + shift * a$weight, 0))
  if (setting$method == "REML") marginal <- marginal + restriction_asked(before, quadratics, setting)
  table <- data.frame(round = number, marginal = marginal,
    promise = population_promise(before, solved), iterations = max(vapply(answers, function(a) a$iterations, 0L)),
    change = max(abs(solved$mean - before$mean)), seconds = proc.time()[[3]] - clock)
  list(solved = solved, quadratics = quadratics, answers = answers, table = table, marginal = table$marginal)
}

# What the new population promises beyond the one that the sites were asked about.
population_promise <- function(before, solved) {
  size <- sqrt(diag(solved$mean_covariance))
  moved <- (solved$mean - before$mean)[size > 0] / size[size > 0]
  was <- diag(before$spread)
  is <- diag(solved$spread)
  unit <- pmax(is, was, 1e-300)
  sum(moved^2) / 2 + sum(((is - was) / unit)[is > 1e-8 | was > 1e-8]^2)
}

# What restricted likelihood has beside the marginal one, at the population that the sites were asked about.
restriction_asked <- function(asked, quadratics, setting) {
  there <- solve_population(quadratics, setting, asked$spread, fixed = TRUE)
  gap <- there$mean - asked$mean
  known <- diag(there$mean_covariance) > 0
  gain <- sum(gap[known] * (pseudo_inverse(there$mean_covariance[known, known, drop = FALSE]) %*% gap[known])) / 2
  gain + restriction(there$mean_covariance, setting)
}

# An expert whose variance went to its floor fits rows exactly, and the likelihood is that of spikes.
warn_exact <- function(object) {
  if (!has_dispersion(object) || object$K == 1) return(invisible())
  p <- object$parameters$dispersion / object$hierarchy$scaling$y_scale^2
  bad <- which(p < 1e-4 & p < 1e-3 * max(p))
  if (length(bad)) {
    shown <- as.character(bad)
    cli::cli_warn(c("{cli::qty(shown)}Expert{?s} {shown} of the population {?has/have} no variance left:
      {?it fits/they fit} rows exactly.",
      i = "Responses with few values (scores, rounded numbers) do that: take a smaller {.arg K}, or a family of counts
        or classes."))
  }
}

refined_hierarchy <- function(object, state, setting) {
  best <- state$best
  answers <- best$answers
  sites <- names(answers)
  table <- data.frame(site = sites, n = vapply(answers, function(a) as.numeric(a$n), 0),
    weight = vapply(answers, function(a) a$weight, 0), own = sites %in% names(object$sites$models),
    stringsAsFactors = FALSE, row.names = NULL)
  # The step that the best answers led to, unless it is known to go too far.
  share <- if (state$stop == "newton") 1 else if (state$fell) 0 else state$share
  out <- new_hierarchy(part_way(best, share, setting), best$quadratics, setting, table, object$sites, object$call)
  out$aggregate <- object$aggregate
  out$hierarchy$exchanges <- state$number
  out$hierarchy$own <- object$hierarchy$own
  out$hierarchy$log_lik <- best$marginal
  out$record$objective <- state$table$marginal
  out$dropped <- sum(vapply(answers, function(a) a$dropped, 0L))
  out$hierarchy$order <- object$hierarchy$order
  out$hierarchy$new_site <- object$hierarchy$new_site
  out$hierarchy$rounds <- state
  warn_exact(out)
  out$record$converged <- state$stop %in% c("newton", "small gain")
  out$refinement <- list(rounds = state$table, sites = table[c("site", "n")], exchanges = state$number,
    converged = out$record$converged, stop = state$stop)
  out
}
