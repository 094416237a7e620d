# Units (group = ~ id) against flexmix: log-likelihoods from the same partition, time, and sites against one pooled fit.
#
#   Rscript units.R [quick] [rows of the timed data, 20000] [sites, 64]

source(system.file("bench/tools.R", package = "distmoe"))
n <- size(1, 20000, 2000)
sites <- size(2, 64, 8)
header(paste0("units: latent class regressions, ", count(n), " rows for the times, ", sites, " sites"))
options(distmoe.threads = 1)

cases <- list(
  sleepstudy = list(data = as.data.frame(lme4::sleepstudy), formula = Reaction ~ Days, id = "Subject", K = 2),
  Orthodont = list(data = as.data.frame(nlme::Orthodont), formula = distance ~ age, id = "Subject", K = 2),
  ChickWeight = list(data = as.data.frame(ChickWeight), formula = weight ~ Time, id = "Chick", K = 3),
  Oxboys = list(data = as.data.frame(nlme::Oxboys), formula = height ~ age, id = "Subject", K = 3))

# Both from one partition of the units; ours goes on from flexmix's end. (flexmix divides variances by the rows less the
# coefficients, so that its end is a little below the maximum.)
one_case <- function(name) {
  case <- cases[[name]]
  d <- case$data
  d$unit <- as.integer(factor(as.character(d[[case$id]])))
  set.seed(1)
  partition <- sample.int(case$K, max(d$unit), TRUE)[d$unit]
  grouped <- stats::as.formula(paste(deparse(case$formula), "| unit"))
  theirs <- flexmix::flexmix(grouped, data = d, k = case$K, cluster = partition,
    control = list(tolerance = 1e-12, iter.max = 5000, minprior = 0))
  ours <- suppressWarnings(moe(case$formula, d, K = theirs@k, gating = ~1, group = ~unit,
    start = flexmix::posterior(theirs)))
  searched <- suppressWarnings(moe(case$formula, d, K = theirs@k, gating = ~1, group = ~unit, seed = 1))
  data.frame(data = name, rows = nrow(d), units = max(d$unit), K = theirs@k, flexmix = theirs@logLik,
    "from its end" = ours$log_lik, gain = ours$log_lik - theirs@logLik, "our search" = searched$log_lik,
    check.names = FALSE)
}
show_table(do.call(rbind, lapply(names(cases), one_case)), "Log-likelihoods from the same partition")

set.seed(1)
units <- n / 5
id <- rep(seq_len(units), each = 5)
w <- rnorm(units)
z <- runif(units) < plogis(1.5 * w)
d <- data.frame(id = id, x = rnorm(n), v = rnorm(n), w = w[id])
d$y <- ifelse(z[id], 1 + d$x - d$v, -0.5 - 0.5 * d$x) + rnorm(n)
partition <- ifelse(d$w > 0, 1, 2)
# The median of five.
median_of <- function(expr) {
  call <- substitute(expr)
  here <- parent.frame()
  stats::median(vapply(1:5, function(i) elapsed(eval(call, here)), 0))
}
ours <- median_of(fit <- moe(y ~ x + v, d, K = 2, gating = ~w, group = ~id, start = partition,
  control = moe_control(information = FALSE)))
searched <- median_of(best <- moe(y ~ x + v, d, K = 2, gating = ~w, group = ~id, seed = 1))
theirs <- median_of(other <- flexmix::flexmix(y ~ x + v | id, data = d, k = 2, cluster = partition,
  concomitant = flexmix::FLXPmultinom(~w), control = list(tolerance = 1e-8, iter.max = 1000)))
show_table(data.frame(program = c("moe() from the partition", "flexmix() from the partition", "moe() with its search"),
  seconds = c(ours, theirs, searched), "times ours" = c(1, theirs, searched) / c(1, ours, ours),
  log_lik = c(fit$log_lik, other@logLik, best$log_lik), check.names = FALSE), paste(count(n), "rows of", count(units),
  "units"))

site <- paste0("s", id %% sites)
rows <- split(d, site)
fits <- suppressWarnings(moe_sites(y ~ x + v, rows, K = 2, gating = ~w, group = ~id, start = fit, information = TRUE))
whole <- moe_aggregate(fits, moe_support(d[seq(1, n, 5), ]))
refined <- moe_refine(whole, rows, rounds = Inf)
per_row <- function(model) as.numeric(logLik(model, d)) / n
show_table(data.frame(model = c("pooled", "aggregate", "refined"), "log-likelihood a row" = c(per_row(fit),
  per_row(whole), per_row(refined)), "below pooled" = per_row(fit) - c(per_row(fit), per_row(whole), per_row(refined)),
  check.names = FALSE), paste(sites, "sites"))
finish()
