# One fit of the search's benchmark by another program, and what is kept of a fit. Sourced by search.R.

# Of the processor: what else the machine does is left out. At least a tenth of a millisecond, for ratios.
processor_seconds <- function(expr) {
  time <- system.time(expr)
  max(1e-4, sum(time[c("user.self", "sys.self")]))
}

fit_row <- function(seconds, log_lik = NA_real_, degenerate = TRUE, objective = NA_real_, continued = NA_real_,
                    version = version_used()) {
  data.frame(log_lik = log_lik, objective = objective, continued = continued, degenerate = degenerate,
    seconds = signif(seconds, 4), version = version)
}

# A peer's fit, and where moe() comes to from its responsibilities. That decides whether the end is degenerate;
# the fit itself does where it has lost an expert, as moe() can't go on then.
peer_row <- function(case, seconds, log_lik, posterior, degenerate, package) {
  version <- paste(package, format(utils::packageVersion(package)))
  on <- NULL
  if (ncol(posterior) == case$K) {
    settings <- moe_control(threads = 1, information = FALSE, max_reseeds = 0, max_iterations = 2000)
    on <- fit_case(case, settings, unname(posterior))
  }
  if (!is.null(on)) degenerate <- degenerate_moe(on, FALSE)
  fit_row(seconds, log_lik, degenerate, continued = if (!is.null(on)) as.numeric(stats::logLik(on)) else NA_real_,
    version = version)
}

coefficient_count <- function(case) ncol(stats::model.matrix(case$formula, case$rows))

# flexmix asks for two columns where a response is binary.
flexmix_call <- function(case) {
  formula <- case$formula
  data <- case$rows
  if (case$family == "binomial") {
    y <- stats::model.response(stats::model.frame(formula, data))
    data$.yes <- if (is.factor(y)) as.numeric(y) - 1 else as.numeric(y)
    data$.no <- 1 - data$.yes
    formula <- stats::update(formula, cbind(.yes, .no) ~ .)
  }
  gates <- if (is.null(case$gating)) flexmix::FLXPmultinom(stats::as.formula(call("~", case$formula[[3]])))
           else flexmix::FLXPconstant()
  list(formula = formula, data = data, gates = gates)
}

run_flexmix <- function(case, seed, nrep) {
  set.seed(seed)
  call <- flexmix_call(case)
  time <- processor_seconds(fit <- tryCatch(suppressWarnings(flexmix::stepFlexmix(call$formula, data = call$data,
    k = case$K, nrep = nrep, verbose = FALSE, concomitant = call$gates,
    model = flexmix::FLXMRglm(family = case$family))), error = function(e) NULL))
  if (is.null(fit)) return(fit_row(time, version = paste("flexmix", format(utils::packageVersion("flexmix")))))
  gaussian <- case$family == "gaussian"
  posterior <- flexmix::posterior(fit)
  sd <- if (gaussian) flexmix::parameters(fit)["sigma", ]
  bad <- degenerate(colSums(posterior), coefficient_count(case) + gaussian, sd)
  peer_row(case, time, as.numeric(flexmix::logLik(fit)), posterior, bad, "flexmix")
}

# Experts with variances of their own ("V"), as moe()'s are.
run_moeclust <- function(case, seed) {
  set.seed(seed)
  frame <- stats::model.frame(case$formula, case$rows)
  right <- stats::as.formula(call("~", case$formula[[3]]))
  time <- processor_seconds(fit <- tryCatch(suppressWarnings(MoEClust::MoE_clust(stats::model.response(frame),
    G = case$K, modelNames = "V", gating = if (is.null(case$gating)) right else ~1, expert = right,
    network.data = case$rows, verbose = FALSE)), error = function(e) NULL))
  version <- paste("MoEClust", format(utils::packageVersion("MoEClust")))
  if (is.null(fit)) return(fit_row(time, version = version))
  log_lik <- fit$loglik[length(fit$loglik)]
  sd <- sqrt(fit$parameters$variance$sigmasq)
  bad <- degenerate(colSums(fit$z), coefficient_count(case) + 1, sd)
  peer_row(case, time, log_lik, fit$z[, seq_len(min(ncol(fit$z), case$K)), drop = FALSE], bad, "MoEClust")
}
