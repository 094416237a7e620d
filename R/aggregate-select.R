# moe_select() for aggregates: every K by the reduction of the sites' models.

select_sites <- function(sites, support, K, criterion, able, elbow, call, ...) {
  models <- sites$models
  counts <- vapply(models, function(m) m$K, 0L)
  schema <- models[[1]]$schema
  has_y <- has_support_y(support, schema)
  criterion <- check_sites_criterion(criterion, has_y)
  K <- if (is.null(K)) seq_len(max(counts)) else check_path(K)
  if (able && max(K) > max(counts)) {
    input_error("{.arg K} = {max(K)} is more than any site's number of experts ({max(counts)}).",
      i = "{.code able = FALSE} aggregates every K from all sites.")
  }
  if ("K" %in% ...names() || "method" %in% ...names()) {
    input_error("{.fn moe_select} sets {.arg K} and {.arg method} of {.fn moe_aggregate} itself.")
  }
  points <- support_points(support, schema, names(models))
  fits <- lapply(K, function(k) {
    used <- if (able) some_sites(sites, counts >= k) else sites
    # Every K may use other sites; numbers given as weights are those of these.
    given <- if (is.numeric(list(...)$weights)) {
      given_weights(list(...)$weights, names(models))[names(used$models)]
    }
    fit <- quiet_fit(aggregate_given(given, used, points, K = k, ...), character())
    list(fit = fit, row = sites_row(k, fit, used$models, points, if (has_y) sites$table, given))
  })
  path <- do.call(rbind, lapply(fits, function(f) f$row))
  value <- switch(criterion, BIC = path$BIC, loglik = -path$loglik, transport = path$K)
  if (criterion == "transport") {
    path$usable <- below_elbow(path$objective, elbow, fit_noise(models, fits[[1]]$fit$model))
  }
  new_select(lapply(fits, function(f) f$fit$model), path, criterion, call, value)
}

# moe_aggregate() with the numbers `given` as weights, or, where they are NULL, as it is called.
aggregate_given <- function(given, sites, support, K, ..., weights = NULL) {
  if (!is.null(given)) weights <- given
  moe_aggregate(sites, support, K, weights = weights, ...)
}

check_sites_criterion <- function(criterion, has_y) {
  choices <- c("BIC", "loglik", "transport")
  if (is.null(criterion)) return(if (has_y) "BIC" else "transport")
  criterion <- check_choice(criterion, choices, "criterion")
  if (criterion != "transport" && !has_y) {
    input_error("{.code criterion = \"{criterion}\"} needs a {.arg support} with the response.",
      i = "Give {.code moe_support(x, y = )}, or use {.code criterion = \"transport\"}.")
  }
  criterion
}

some_sites <- function(sites, take) {
  lost <- sites$table$site %in% names(sites$models)[!take]
  sites$table$status[lost] <- "fewer experts"
  sites$models <- sites$models[take]
  sites
}

# `table`: of all sites, where points have y, else NULL. `given`: the sites' weights where these are numbers.
sites_row <- function(k, fit, models, points, table, given) {
  model <- fit$model
  a <- model$aggregation
  row <- data.frame(K = k, sites = length(models), objective = a$objective[length(a$objective)],
    transport = transport_from_sites(model, models, points, if (is.null(given)) a$weights else given),
    converged = a$converged, usable = TRUE,
    message = fit$message)
  if (is.null(table)) return(row)
  l <- support_log_lik(model, points, table)
  row$loglik <- l$mean
  row$df <- count_free(model)
  row$BIC <- -2 * l$n * l$mean + log(l$n) * row$df
  row
}

# Mean log density of the support points, weighted so that sites count by their rows where the
# reduction does; points of sites without any model do not count.
support_log_lik <- function(model, points, table) {
  design <- design_at(points, with_y = TRUE)
  value <- core_predict(design, core_model(model), "log_density")
  if (model$aggregation$weights != "site") return(list(mean = mean(value), n = length(value)))
  at <- match(points$site, table$site)
  rows <- table$n[at]
  used <- !is.na(at) & table$status[at] %in% "fitted"
  count <- tabulate(at, nrow(table))[at]
  weight <- ifelse(used, rows / count, 0)
  list(mean = sum(weight * value) / sum(weight), n = sum(used))
}

# The mean of T_c (9) from every site's model; at its own points where weights are by site. At 2,000
# points at most a site: a linear program a point.
transport_from_sites <- function(model, models, points, weights) {
  problem <- support_problem(models, points, weights)
  core <- core_model(model)
  rows <- seq_len(nrow(problem$design$x))
  value <- vapply(seq_along(models), function(m) {
    own <- if (length(problem$site)) which(problem$site == m) else rows
    most <- if (length(problem$site)) 2000 else max(50, 20000 %/% length(models))
    own <- own[evenly(length(own), most)]
    design <- take_rows(problem$design, own)
    design$weight <- NULL
    cpp_divergence(core_model(models[[m]]), core, design, "exact", model$aggregation$cost)$value
  }, 0)
  sum(problem$lambda * value)
}

# What R_c (11) is worth as noise of the sites' fits: twice what maximum likelihood loses, known for KL.
fit_noise <- function(models, aggregate) {
  if (!aggregate$aggregation$cost %in% c("kl", "reverse-kl")) return(0)
  n <- vapply(models, function(m) m$weight, 0)
  df <- vapply(models, count_free, 0)
  sum(n / sum(n) * df / n)
}

# Is R_c as good as at its least, but for what counts as nothing?
below_elbow <- function(value, share, noise) {
  value <= min(value) + max(share * (max(value) - min(value)), noise)
}

#' @rdname moe_select
#' @order 4
#' @export
moe_select.default <- function(x, support, K = NULL, criterion = NULL, able = TRUE, elbow = 0.1, ...) {
  if (missing(x) || !is.list(x) || is.data.frame(x)) {
    input_error("The first argument must be a formula, a numeric matrix, or sites' models.",
      i = "Write {.code moe_select(y ~ x, data)} or {.code moe_select(sites, support)}.")
  }
  if (missing(support)) input_error("{.arg support}, the support sample, is missing.")
  select_sites(as_sites(x), moe_support(support), K, criterion, check_flag(able, "able"),
    check_number(elbow, "elbow", 0, most = 1), called_as("moe_select", match.call()), ...)
}
