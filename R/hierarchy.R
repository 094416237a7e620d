#' One population, a model for every site
#'
#' Sites' models that differ, as normal random effects: every site's parameters are normal about the
#' population's. A site's model borrows strength from the others where its own rows say little, the centre
#' learns how much sites differ and in what, and a new site gets a prediction that holds that spread. One
#' communication of models with their information matrices; [moe_refine()] goes on in rounds.
#'
#' @section Model:
#' \eqn{\theta_m} are the parameters of site m on the unconstrained scale (coefficients of experts, of gates, log
#' variances). \eqn{\hat\theta_m \mid \theta_m \sim N(\theta_m, \Lambda_m^{-1})} with \eqn{\Lambda_m} the site's
#' observed information, and \eqn{\theta_m \sim N(\mu, T)}. This is the multivariate random-effects meta-analysis
#' of the local models (van Houwelingen, Arends & Stijnen 2002), with information matrices that may be singular: what a
#' site does not determine (a column that is constant there) is borrowed. With \eqn{P_m = \Lambda_m + T^{-1}} a
#' site's parameters have the posterior mean \eqn{\tilde\theta_m = P_m^{-1}(\Lambda_m \hat\theta_m + T^{-1}\mu)}.
#' The marginal likelihood is maximised in \eqn{\mu} and T by Fisher scoring, EM where that fails, and a
#' quasi-Newton method where there are covariances: it rises at every step (`record$objective`). Between rounds of
#' [moe_refine()] it may fall; steps are then shortened, and the best population asked about is what comes back.
#'
#' @section What varies:
#' `effects` says which parameters vary between sites; the others are common. The gates of one column count as
#' \eqn{\alpha_k = a_k - a_K} with K effects \eqn{a_k}, so that no label is special. `covariance = "diagonal"`:
#' all effects are independent; they are so on columns standardised by the mean and spread of all sites' rows
#' together, so that neither units nor origins of columns matter. `"expert"`: the effects of one expert (its
#' coefficients, log variance and gate) have a covariance, which takes many sites.
#'
#' @section Labels:
#' The experts of every site are matched one to one to the population's: to those of the largest site at first, by
#' what it would cost a site, in log-likelihood by its information, if its expert had the other's parameters. Of a
#' [moe_aggregate()] the matching is the aggregate's own. Sites that start from a common model are easily matched.
#'
#' @section New sites:
#' `predict(h, newdata)` without `site` is for a site that is not among these. `new_site` says what it gets:
#' `"average"`, the mean of the densities of all sites' models, that is the spread between sites as it was found;
#' `"integrated"`, the mean of the densities at parameters drawn from \eqn{N(\mu, T)}; `"population"`, the model at
#' \eqn{\mu}, without the spread; `"aggregate"`, where `sites` is a [moe_aggregate()], that. [leave_sites_out()]
#' chooses the one that does best at sites that are left out.
#'
#' @param sites A `moe_sites` object with information matrices (`moe_sites(information = TRUE)`, or messages
#'   read by [read_moe()]), a named list of such models, or a [moe_aggregate()] of them.
#' @param effects What varies: `"all"` (default), `"experts"`, `"gates"` (common experts, own mixing),
#'   `"intercepts"`, `"none"`; or names: of columns or terms (`"x"`: in experts and gates), `"expert:x"`,
#'   `"gate:x"`, `"expert1:x"`, `"dispersion"` (log variances).
#' @param covariance `"diagonal"` (default) or `"expert"`.
#' @param method `"ML"` (default) or `"REML"`, which takes account of the degrees of freedom that the population's
#'   parameters cost in the spread. The log-likelihood is then the restricted one, before and after rounds: compare
#'   it with that of others with the same columns alone.
#' @param new_site What a new site gets, see the section.
#' @param control List of settings: `max_iterations` (500), `tolerance` (1e-10: the gain in marginal log-likelihood
#'   that one more step may promise).
#' @return A model of class `moe_hierarchy` and `moe` (see [moe-class]): the population's, at \eqn{\mu}. More
#'   fields: `sites`, the `moe_sites` object; `aggregate`, the aggregate that it was made of, or NULL;
#'   `hierarchy`, a list with `table` (data frame: `site`, `n`, `weight`, `own`: has it a model of its own?),
#'   `effects`, `covariance`, `method`, `new_site`, `order` (K x M matrix: which expert of every site plays the
#'   part of each expert), and what the methods need: on standardised columns the sites' quadratics, the effects'
#'   mean and covariance T and the sites' posterior means.
#' @seealso [fixef.moe_hierarchy()], [predict.moe_hierarchy()], [site_model()], [heterogeneity()],
#'   [moe_refine()]
#' @examples
#' sim <- moe_simulate(2000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C", "D"), each = 500)
#' sim$data$y <- sim$data$y + c(A = 0, B = 1, C = 2, D = 3)[site]
#' sites <- moe_sites(y ~ ., split(sim$data, site), start = sim$model, information = TRUE)
#' h <- moe_hierarchy(sites)
#' h
#' heterogeneity(h)
#' @export
moe_hierarchy <- function(sites, effects = c("all", "experts", "gates", "intercepts"),
                          covariance = c("diagonal", "expert"), method = c("ML", "REML"),
                          new_site = c("average", "integrated", "population", "aggregate"), control = list()) {
  started <- proc.time()[[3]]
  covariance <- check_choice(covariance, c("diagonal", "expert"), "covariance")
  method <- check_choice(method, c("ML", "REML"), "method")
  new_site <- check_new_site(new_site, inherits(sites, "moe_aggregate"))
  control <- hierarchy_control(control)
  found <- hierarchy_models(sites)
  models <- found$models
  weight <- vapply(models, function(m) m$weight, 0)
  scaling <- common_scaling(lapply(models, function(m) m$information$scaling), weight)
  matched <- if (is.null(found$order)) match_by_information(models, scaling)
             else match_as_given(models, scaling, found$order)
  check_order(matched$order, models[[1]])
  quadratics <- matched$quadratics
  shape <- models[[1]][c("parameters", "K", "family", "schema")]
  index <- effect_index(shape)
  varies <- varying_effects(effects, shape, index)
  setting <- list(shape = shape, index = index, varies = varies, covariance = covariance, method = method,
    control = control, scaling = scaling,
    effects = if (identical(effects, c("all", "experts", "gates", "intercepts"))) "all" else effects)
  solved <- solve_population(quadratics, setting)
  table <- data.frame(site = names(models), n = vapply(models, function(m) m$n, 0), weight = weight, own = TRUE,
    stringsAsFactors = FALSE, row.names = NULL)
  out <- new_hierarchy(solved, quadratics, setting, table, found$sites, match.call())
  out$hierarchy$order <- matched$order
  out$hierarchy$new_site <- new_site
  out$aggregate <- found$aggregate
  out$record$seconds <- proc.time()[[3]] - started
  warn_hierarchy(out)
  out
}

new_site_choices <- c("average", "integrated", "population", "aggregate")

check_new_site <- function(new_site, aggregated) {
  new_site <- check_choice(new_site, new_site_choices, "new_site")
  if (new_site == "aggregate" && !aggregated) {
    input_error("{.code new_site = \"aggregate\"} needs a hierarchy that was made of an aggregate.",
      i = "{.code moe_hierarchy(moe_aggregate(sites, support))} makes one.")
  }
  new_site
}

hierarchy_control <- function(control) {
  default <- list(max_iterations = 500L, tolerance = 1e-10)
  unknown <- setdiff(names(control), names(default))
  if (!is.list(control) || length(unknown) || (length(control) && is.null(names(control)))) {
    found <- if (length(unknown)) unknown else class(control)[1]
    input_error("{.arg control} must be a named list with some of {.val {names(default)}}; found {.val {found}}.")
  }
  out <- utils::modifyList(default, control)
  list(max_iterations = check_count(out$max_iterations, "max_iterations"),
    tolerance = check_number(out$tolerance, "tolerance", strict = TRUE))
}

match_as_given <- function(models, scaling, order) {
  check_order(order, models[[1]])
  quadratics <- lapply(seq_along(models), function(m) site_quadratic(models[[m]], scaling, order[, m]))
  list(order = order, quadratics = stats::setNames(quadratics, names(models)))
}

check_order <- function(order, model) {
  unmatched <- colnames(order)[colSums(is.na(order)) > 0]
  if (length(unmatched)) {
    input_error("The experts of {cli::qty(unmatched)}site{?s} {.val {shown_names(unmatched)}} can't be matched one to
      one to the aggregate's.", i = "Fit all sites with the same {.arg K}.")
  }
  moved <- colSums(order != seq_len(nrow(order))) > 0
  if (any(moved) && has_gate_offset(model)) {
    input_error("Site {.val {shown_names(colnames(order)[moved][1])}} has its experts in another order, and gates with
      an {.code offset()} can't be relabelled.", i = "Fit all sites from one {.arg start}.")
  }
}

# ---- the population ----------------------------------------------------------------------------

# Mean and covariance of the effects, and every site's, from the sites' quadratics. `start`: a covariance to begin
# with; `fixed`: which stays.
solve_population <- function(quadratics, setting, start = NULL, fixed = FALSE) {
  lift <- setting$index$lift
  origin <- common_mean(quadratics)
  known <- diag(cpp_congruent(Reduce(`+`, lapply(quadratics, function(q) q$curvature)), lift)) > 0
  blocks <- effect_blocks(setting$varies & known, setting$covariance, setting$index)
  sites <- lapply(quadratics, function(q) {
    list(curvature = cpp_congruent(q$curvature, lift),
      slope = drop(crossprod(lift, q$slope + q$curvature %*% (q$at - origin))))
  })
  fit <- cpp_hierarchy(unname(sites), blocks, start, list(reml = setting$method == "REML", fixed = fixed,
    max_iterations = setting$control$max_iterations, tolerance = setting$control$tolerance, threads = moe_threads()))
  # A quadratic's value where all are compared.
  value <- sum(vapply(quadratics, function(q) {
    gap <- origin - q$at
    q$value + sum(gap * q$slope) - sum(gap * (q$curvature %*% gap)) / 2
  }, 0))
  mean <- origin + drop(lift %*% fit$mean)
  objective <- value + fit$objective
  if (setting$method == "REML" && !fixed) {
    # The core's differs by a constant.
    there <- solve_population(quadratics, utils::modifyList(setting, list(method = "ML")), fit$covariance, TRUE)
    last <- there$objective[length(there$objective)] + restriction(there$mean_covariance, setting)
    objective <- objective + last - objective[length(objective)]
  }
  list(mean = mean, spread = fit$covariance, mean_covariance = lift %*% fit$mean_covariance %*% t(lift),
    effect_mean_covariance = fit$mean_covariance,
    effects = matrix(origin + lift %*% fit$effects, length(origin), dimnames = list(NULL, names(quadratics))),
    objective = objective, converged = fit$converged, blocks = blocks, known = known)
}

# What the restricted log-likelihood has beside the marginal one: the integral over the population's parameters, on the
# scale of the data with log variances, as that of lme4.
restriction <- function(mean_covariance, setting) {
  map <- scaling_map(setting$scaling, setting$shape)
  covariance <- map %*% mean_covariance %*% t(map)
  free <- diag(covariance) > 0
  size <- sqrt(diag(covariance)[free])
  values <- eigen(covariance[free, free, drop = FALSE] / outer(size, size), symmetric = TRUE)$values
  known <- values > 1e-11 * max(values)
  (sum(log(values[known])) + 2 * sum(log(size)) + sum(known) * log(2 * pi)) / 2
}

new_hierarchy <- function(solved, quadratics, setting, table, sites, call) {
  shape <- setting$shape
  kept <- shape
  out <- new_moe(user_parameters(solved$mean, kept, setting$scaling), shape$family, shape$schema, sum(table$n),
    sum(table$weight), record = list(), call = call, class = "moe_hierarchy")
  last <- solved$objective[length(solved$objective)]
  out$record <- list(converged = solved$converged, objective = solved$objective, stop = "small gain",
    iterations = length(solved$objective) - 1L, aliased = undetermined_columns(solved, setting))
  out$information <- mean_information(solved, setting, out)
  out$sites <- sites
  out$hierarchy <- list(table = table, effects = setting$effects, covariance = setting$covariance,
    method = setting$method, log_lik = last, varies = setting$varies & solved$known, index = setting$index,
    control = setting$control, scaling = setting$scaling, mean = solved$mean, spread = solved$spread,
    mean_covariance = solved$mean_covariance, effect_mean_covariance = solved$effect_mean_covariance,
    parameters = solved$effects, quadratics = quadratics, own = quadratics,
    exchanges = 0L)
  out
}

# What a hierarchy was made with, for another one of the same kind.
hierarchy_setting <- function(object) {
  h <- object$hierarchy
  list(shape = object[c("parameters", "K", "family", "schema")], index = h$index, varies = h$varies,
    covariance = h$covariance, method = h$method, control = h$control, scaling = h$scaling, effects = h$effects)
}

# Columns whose coefficients no site determines.
undetermined_columns <- function(solved, setting) {
  index <- setting$index
  schema <- setting$shape$schema
  lapply(c(expert = "expert", gate = "gate"), function(part) {
    columns <- seq_along(schema[[part]]$columns)
    lost <- vapply(columns, function(j) {
      at <- index$kind == part & index$column == j
      any(at) && !any(solved$known[at])
    }, NA)
    schema[[part]]$columns[lost]
  })
}

# The information that the population's covariance is the inverse of: standard errors and predictions take it as they
# take that of a fit.
mean_information <- function(solved, setting, model) {
  scaling <- setting$scaling
  for (part in c("x", "z")) {
    columns <- model$schema[[c(x = "expert", z = "gate")[[part]]]]$columns
    scaling[[part]]$aliased <- columns %in% model$record$aliased[[c(x = "expert", z = "gate")[[part]]]]
  }
  covariance_information(solved$mean_covariance, scaling, model)
}

covariance_information <- function(covariance, scaling, model) {
  curvature <- matrix(0, nrow(covariance), ncol(covariance))
  size <- sqrt(pmax(diag(covariance), 0))
  free <- size > 0
  scaled <- covariance[free, free, drop = FALSE] / outer(size[free], size[free])
  e <- eigen(scaled, symmetric = TRUE)
  inverse <- e$vectors %*% (t(e$vectors) / pmax(e$values, 1e-11 * max(e$values, 0)))
  curvature[free, free] <- inverse / outer(size[free], size[free])
  list(scaling = scaling, curvature = curvature, empty = rep(FALSE, model$K), at_floor = rep(FALSE, model$K),
    rows = model$n, weight = model$weight)
}

warn_hierarchy <- function(object) {
  if (!object$record$converged) {
    cli::cli_warn(c("The marginal likelihood did not converge in {object$record$iterations} steps.",
      i = "Raise {.code control = list(max_iterations = )}."))
  }
}
