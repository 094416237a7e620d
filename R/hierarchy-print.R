# Hierarchies on one screen, as data frames, and what else says something of them as a whole.

#' @rdname print.moe
#' @export
print.moe_hierarchy <- function(x, digits = 4, ...) {
  cat("Hierarchy of mixtures of experts: ", family_words(x), "\n", sep = "")
  print_call(x$call)
  hierarchy_lines(x)
  found <- heterogeneity(x, at = "mean")
  found <- found[found$tau > 0, ]
  # A column that is constant within the sites has no Q: no site alone tells its coefficients.
  found <- utils::head(found[order(-found$Q / pmax(found$df, 1), -found$tau), ], 5)
  if (nrow(found)) {
    cat("Sites differ most in (tau: standard deviation between sites; intercepts at the columns' means):\n")
    print(format(data.frame(tau = found$tau, I2 = round(found$I2, 1), row.names = found$term), digits = 3))
  } else {
    cat("No difference between sites was found in what may vary.\n")
  }
  cat("\nThe population's experts:\n")
  print_coefficients(expert_table(x), digits, most = 8)
  invisible(x)
}

hierarchy_lines <- function(x) {
  h <- x$hierarchy
  cat(nrow(h$table), " sites, ", format_big(sum(h$table$n)), " rows; vary: ", first_of(h$effects, 6), "; ",
    if (h$covariance == "diagonal") "independent effects" else "covariance by expert", "; ", h$method, "\n", sep = "")
  borrowed <- h$table$site[!h$table$own]
  if (length(borrowed)) cat("Sites without a model of their own: ", first_of(shown_names(borrowed), 6), "\n", sep = "")
  r <- x$refinement
  if (is.null(r)) {
    cat("One shot, ", if (x$record$converged) "converged" else "NOT CONVERGED", " after ", x$record$iterations,
      " steps", sep = "")
  } else {
    cat(nrow(r$rounds), if (nrow(r$rounds) == 1) " round" else " rounds", " at the sites, ",
      if (r$converged) "converged" else "not yet converged", sep = "")
  }
  cat("; ", if (h$method == "REML") "restricted" else "marginal", " log-likelihood ",
    if (is.na(h$log_lik)) "not known" else format(round(h$log_lik, 2), nsmall = 2),
    ", df = ", hierarchy_df(x), "\n", sep = "")
  words <- c(average = "the mean of all sites' models", integrated = "the mean over the spread between sites",
    population = "the population's model", aggregate = "the aggregate")
  cat("A new site gets ", words[[h$new_site]], if (!is.null(h$left_out)) ", the best where sites were left out",
    ".\n", sep = "")
  aliased <- unique(unlist(x$record$aliased))
  if (length(aliased)) cat("Not determined by any site:", first_of(aliased, 6), "\n")
}

# Parameters of the population, and variances and covariances of what varies. Of two gates of one column one variance
# can be told.
hierarchy_df <- function(object) {
  h <- object$hierarchy
  varies <- h$varies
  if (object$K == 2) varies <- varies & !(h$index$kind == "gate" & h$index$owner == 2)
  spread <- if (h$covariance == "diagonal") sum(varies)
            else sum(vapply(split(varies, h$index$owner), function(v) sum(v) * (sum(v) + 1) / 2, 0))
  sum(diag(h$mean_covariance) > 0) + spread
}

#' @rdname print.moe
#' @export
summary.moe_hierarchy <- function(object, ..., digits = 4) {
  check_dots(...)
  structure(list(model = object, population = summary.moe(tested_population(object), digits = digits),
    heterogeneity = heterogeneity(object), digits = digits), class = "summary.moe_hierarchy")
}

#' @export
print.summary.moe_hierarchy <- function(x, digits = x$digits, ...) {
  cat("Hierarchy of mixtures of experts: ", family_words(x$model), "\n", sep = "")
  print_call(x$model$call)
  hierarchy_lines(x$model)
  words <- paste("The population; standard errors", x$population$standard_errors)
  cat("\n", paste(strwrap(words, 100, exdent = 2), collapse = "\n"), "\n", sep = "")
  print_tests(x$population, digits)
  cat("\n")
  print(x$heterogeneity, digits = 3)
  invisible(x)
}

#' @rdname logLik.moe
#' @param site,allow_new_sites Of a hierarchy: as for [predict.moe_hierarchy()].
#' @export
logLik.moe_hierarchy <- function(object, newdata = NULL, site = NULL, allow_new_sites = FALSE, ...) {
  check_dots(...)
  value <- object$hierarchy$log_lik
  n <- object$weight
  if (!is.null(newdata)) {
    density <- predict(object, newdata, site = site, type = "density", log = TRUE,
      allow_new_sites = allow_new_sites)
    density <- density[!is.na(density)]
    value <- sum(density)
    n <- length(density)
  }
  structure(value, df = hierarchy_df(object), nobs = n, class = "logLik")
}

#' @rdname tidy.moe
#' @param effects Of a hierarchy: `"fixed"` (the population's parameters), `"ran_pars"` (standard deviations between
#'   sites), `"ran_vals"` (how every site differs, with posterior standard deviations) or `"ran_coefs"` (every site's
#'   parameters).
#' @export
tidy.moe_hierarchy <- function(x, effects = c("fixed", "ran_pars", "ran_vals", "ran_coefs"), conf.int = FALSE,
                               conf.level = 0.95, exponentiate = FALSE, vcov = NULL, ...) {
  check_dots(..., known = tidier_arguments)
  effects <- check_choice(effects, c("fixed", "ran_pars", "ran_vals", "ran_coefs"), "effects")
  conf.int <- check_flag(conf.int, "conf.int")
  conf.level <- check_number(conf.level, "conf.level", strict = TRUE, most = 1)
  if (effects == "fixed") return(tidy.moe(tested_population(x), conf.int, conf.level, exponentiate, vcov))
  if (check_flag(exponentiate, "exponentiate")) {
    input_error("{.code exponentiate = TRUE} is for {.code effects = \"fixed\"}, not for {.val {effects}}.")
  }
  if (!is.null(vcov)) input_error("{.arg vcov} is for {.code effects = \"fixed\"}, not for {.val {effects}}.")
  if (effects == "ran_pars") {
    spread <- VarCorr(x)
    return(data.frame(group = "site", term = rownames(spread), estimate = unname(attr(spread, "stddev")),
      standardised = unname(attr(spread, "standardised")), stringsAsFactors = FALSE))
  }
  values <- if (effects == "ran_vals") ranef(x, se = TRUE) else coef(x)
  out <- data.frame(group = "site", level = rep(rownames(values), each = ncol(values)),
    term = rep(names(values), nrow(values)), estimate = as.vector(t(as.matrix(values))), stringsAsFactors = FALSE)
  if (effects == "ran_coefs") return(out)
  out$std.error <- as.vector(t(attr(values, "se")))
  if (conf.int) {
    half <- stats::qnorm((1 + conf.level) / 2) * out$std.error
    out$conf.low <- out$estimate - half
    out$conf.high <- out$estimate + half
  }
  out
}

#' @rdname glance.moe
#' @param site,allow_new_sites Of a hierarchy: whose rows `newdata` are, as for [predict.moe_hierarchy()].
#' @export
glance.moe_hierarchy <- function(x, newdata = NULL, site = NULL, allow_new_sites = FALSE, ...) {
  check_dots(..., known = tidier_arguments)
  h <- x$hierarchy
  value <- logLik.moe_hierarchy(x, newdata, site, allow_new_sites)
  data.frame(family = x$family$family, K = x$K, nobs = attr(value, "nobs"), df = attr(value, "df"),
    logLik = as.numeric(value), AIC = stats::AIC(value), BIC = stats::BIC(value), converged = x$record$converged,
    sites = nrow(h$table), rounds = if (is.null(x$refinement)) 0L else nrow(x$refinement$rounds),
    effects = paste(h$effects, collapse = ", "), covariance = h$covariance, method = h$method, stringsAsFactors = FALSE)
}

#' @rdname simulate.moe
#' @param site,allow_new_sites Of a hierarchy: as for [predict.moe_hierarchy()]. For the rows of a new site every
#'   simulation draws the site's parameters anew from the population; names that are not known are so many new sites.
#' @export
simulate.moe_hierarchy <- function(object, nsim = 1, seed = NULL, newdata = NULL, site = NULL,
                                   allow_new_sites = FALSE, ...) {
  check_dots(...)
  nsim <- check_count(nsim, "nsim")
  if (is.null(newdata)) input_error("{.arg newdata} is needed: a hierarchy holds no rows.")
  if (!exists(".Random.seed", globalenv(), inherits = FALSE)) stats::runif(1)
  state <- get(".Random.seed", globalenv(), inherits = FALSE)
  back <- use_seed(seed)
  on.exit(back())
  h <- object$hierarchy
  check_newdata(object, newdata)
  named <- row_sites(object, newdata, site, allow_new_sites)
  # New sites of different names are drawn one by one.
  groups <- split(seq_len(count_rows(newdata)), factor(named, unique(named), exclude = NULL))
  root <- population_prior(hierarchy_setting(object), h)$root
  drawn <- function() {
    p <- user_parameters(drop(h$mean + root %*% stats::rnorm(ncol(root))), object, h$scaling)
    new_moe(p, object$family, object$schema, object$n)
  }
  names <- unique(named)
  names[!names %in% h$table$site] <- NA
  parts <- Map(function(name, rows) {
    part <- some_rows_of(object, newdata, rows)
    if (!is.na(name)) return(as.list(simulate.moe(bare_site_model(object, name), nsim, newdata = part)))
    lapply(seq_len(nsim), function(i) simulate.moe(drawn(), 1, newdata = part)[[1]])
  }, names, groups)
  out <- lapply(seq_len(nsim), function(i) together(lapply(parts, `[[`, i), groups, count_rows(newdata)))
  names <- if (is.data.frame(newdata)) attr(newdata, "row.names") else seq_len(count_rows(newdata))
  structure(stats::setNames(out, paste0("sim_", seq_len(nsim))), row.names = names,
    class = "data.frame", seed = if (is.null(seed)) state else structure(seed, kind = as.list(RNGkind())))
}
