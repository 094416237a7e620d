# Do two installed libraries give the same results, to the last bit? For changes that are to change no result:
#   Rscript tools/same-results.R OLD NEW
# fits, aggregates, refines and predicts a range of models with each library, in processes of their own, and names
# every result that differs. Exit status 1 if there is one.

words <- commandArgs(TRUE)
if (length(words) != 2) stop("Usage: Rscript tools/same-results.R OLD NEW (or: run LIBRARY's results into a file)")

# All but times, and what has none of the numbers.
bare <- function(x) {
  if (is.environment(x) || is.function(x)) return(NULL)
  if (is.language(x)) return(deparse(x))
  if (!is.list(x)) return(x)
  x <- unclass(x)
  x <- x[setdiff(names(x), c("seconds", "call", "schema", "family", "support", "bytes"))]
  lapply(x, bare)
}

bare_message <- function(model) {
  text <- distmoe::moe_message(model, "here", information = TRUE)$text
  lines <- strsplit(text, "\n")[[1]]
  gsub("\"seconds\":[^,}]*", "", lines[!grepl("^\"(package|checksum)\"", lines)])
}

families <- function() {
  list(gaussian = stats::gaussian(), binomial = stats::binomial(), poisson = stats::poisson(),
    multinomial = distmoe::multinomial())
}

made_data <- function(family, n, seed = 1) {
  set.seed(seed)
  x1 <- rnorm(n)
  x2 <- runif(n, -1, 1)
  f <- factor(sample(c("a", "b", "c"), n, TRUE))
  z <- rbinom(n, 1, plogis(3 * x2))
  eta <- ifelse(z == 1, 1 + x1, -0.5 - x1 + (f == "b"))
  y <- switch(family,
    gaussian = eta + rnorm(n, sd = 0.4),
    binomial = rbinom(n, 1, plogis(2 * eta)),
    poisson = rpois(n, exp(0.6 * eta + 1)),
    multinomial = factor(c("u", "v", "w")[1 + rbinom(n, 2, plogis(1.5 * eta))]))
  data.frame(y = y, x1 = x1, x2 = x2, f = f, w = sample(1:3, n, TRUE), o = rnorm(n, sd = 0.1),
    site = sample(c("A", "B", "C", "D", "E", "F"), n, TRUE))
}

run <- function() {
  suppressPackageStartupMessages(library(distmoe))
  out <- list()
  keep <- function(name, value) {
    value <- tryCatch(suppressWarnings(value), error = function(e) paste("error:", conditionMessage(e)))
    out[[name]] <<- value
    invisible(value)
  }
  for (family in names(families())) {
    kind <- families()[[family]]
    data <- made_data(family, 900)
    label <- function(...) paste(family, ..., sep = ", ")
    model_of <- function(name, ...) {
      fit <- suppressWarnings(do.call(moe, list(data = data, family = kind, seed = 3, ...)))
      keep(label(name), bare(fit))
      keep(label(name, "message"), bare_message(fit))
      keep(label(name, "vcov"), vcov(fit))
      keep(label(name, "sandwich"), vcov(fit, type = "sandwich"))
      invisible(fit)
    }
    fit <- model_of("plain", formula = y ~ x1 + x2 + f, K = 2)
    model_of("one expert", formula = y ~ x1 + x2, K = 1)
    model_of("gates of their own", formula = y ~ x1 + f, gating = ~ x2, K = 3, control = list(starts = 10))
    model_of("weights", formula = y ~ x1 + x2, weights = "w", K = 2, control = list(starts = 10))
    model_of("offsets", formula = y ~ x1 + x2 + offset(o), gating = ~ x2 + offset(o), K = 2,
      control = list(starts = 10))
    model_of("LASSO", formula = y ~ x1 + x2, K = 2, control = list(starts = 5, lambda = 0.01))
    model_of("ridge", formula = y ~ x1 + x2, K = 2, control = list(starts = 5, expert_ridge = 0.1))
    model_of("aliased", formula = y ~ x1 + x2 + I(2 * x1), K = 2, control = list(starts = 5, singular_ok = TRUE))
    for (type in c("response", "expert", "gate", "posterior", "density")) {
      keep(label("predict", type), predict(fit, data[1:50, ], type = type))
    }
    set.seed(1)
    x <- as.matrix(data[c("x1", "x2")])
    keep(label("matrices"), bare(moe(x, data$y, K = 2, family = kind, control = list(starts = 5))))
    aggregates(keep, label, family, kind)
  }
  out
}

aggregates <- function(keep, label, family, kind) {
  data <- made_data(family, 4000, 2)
  sources <- split(data, data$site)
  support <- moe_support(data, site = data$site)
  bare_points <- moe_support(data[c("x1", "x2", "f", "o")])
  pilot <- function(formula, K, gating = NULL) {
    suppressWarnings(moe(formula, data[1:1500, ], gating = gating, K = K, family = kind, seed = 1,
      control = list(starts = 5)))
  }
  start <- pilot(y ~ x1 + x2, 2)
  apart <- pilot(y ~ x1, 2, ~ x2)
  three <- pilot(y ~ x1 + x2, 3)
  moved <- pilot(y ~ x1 + offset(o), 2, ~ x2 + offset(o))
  share <- c("x", "gates", if (family == "gaussian") "moments")
  fitted <- function(name, ...) {
    sites <- tryCatch(suppressWarnings(moe_sites(sources = sources, family = kind, seed = 4, ...)),
      error = function(e) conditionMessage(e))
    keep(label("sites", name), bare(sites))
    sites
  }
  one <- fitted("on their own", formula = y ~ x1 + x2, K = 2, control = list(starts = 5, singular_ok = TRUE))
  with <- fitted("common start", formula = y ~ x1 + x2, K = 2, start = start, share = share, information = TRUE)
  gates <- fitted("gates of their own", formula = y ~ x1, gating = ~ x2, K = 2, start = apart, share = share,
    weights = "w")
  others <- fitted("K 3 of start 2", formula = y ~ x1 + x2, K = 3, share = "x", control = list(starts = 5))
  turned <- fitted("another order of experts", formula = y ~ x1 + x2, K = 3, start = three, share = share)
  offsets <- fitted("offsets", formula = y ~ x1 + offset(o), gating = ~ x2 + offset(o), K = 2, start = moved,
    share = share)
  made <- function(name, sites, points = support, ...) {
    fit <- tryCatch(suppressWarnings(moe_aggregate(sites, points, seed = 5, ...)), error = function(e) {
      paste("error:", conditionMessage(e))
    })
    keep(label("aggregate", name), bare(fit))
    invisible(fit)
  }
  costs <- c("kl", "reverse-kl", "hellinger", if (family == "gaussian") "wasserstein")
  for (cost in costs) made(cost, one, cost = cost)
  for (cost in costs) made(paste(cost, "with sums"), with, cost = cost)
  first <- made("plain", with)
  made("no y", with, bare_points)
  made("by size", with, bare_points, weights = "size")
  made("by density", with, bare_points, weights = "density")
  made("given weights", with, weights = c(A = 1, B = 2, C = 1, D = 1, E = 3, F = 1))
  made("no moments", with, moments = FALSE)
  made("no screen", with, screen = FALSE)
  made("pointwise", with, plan = "pointwise")
  made("pointwise reverse", one, plan = "pointwise", cost = "reverse-kl", control = list(max_iterations = 8))
  made("middle", with, method = "middle")
  made("average", with, method = "average")
  made("three of two", with, K = 3)
  made("one", with, K = 1)
  made("four", turned, K = 4)
  own <- made("gates of their own", gates)
  made("gates of their own, average", gates, method = "average")
  made("of three", others)
  made("two of three", others, K = 2)
  made("turned", turned)
  made("offsets", offsets)
  made("offsets, average", offsets, method = "average")
  if (family == "binomial") made("closed form", one, update = "closed-form")
  if (inherits(first, "moe_aggregate")) {
    for (type in c("information", "between")) keep(label("aggregate vcov", type), vcov(first, type = type))
    keep(label("influence"), bare(moe_influence(first)))
    keep(label("refined"), bare(moe_refine(first, sources, rounds = 3)))
    keep(label("divergence"), transport_divergence(first, start, bare_points))
    keep(label("plan"), bare(transport_plan(first, start, bare_points)))
  }
  if (inherits(own, "moe_aggregate")) keep(label("refined, weights"), bare(moe_refine(own, sources, 2, weights = "w")))
  keep(label("select"), bare(moe_select(others, moe_support(data), K = 1:3)))
  keep(label("distributed"), {
    fit <- moe_distributed(y ~ x1 + x2, data, K = 2, sites = "site", family = kind, seed = 6, support = 1500,
      control = list(starts = 5))
    bare(fit)
  })
  keep(label("distributed, no pilot"), bare(moe_distributed(y ~ x1 + x2, data, K = 2, sites = 5, family = kind,
    seed = 6, pilot = FALSE, control = list(starts = 5))))
}

if (words[1] == "run") {
  saveRDS(run(), words[2], version = 3)
  quit(save = "no")
}

results <- function(library) {
  file <- tempfile(fileext = ".rds")
  script <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  status <- system2(file.path(R.home("bin"), "Rscript"), shQuote(c(script, "run", file)),
    env = paste0("R_LIBS=", shQuote(normalizePath(library))))
  if (status != 0) stop("the library ", library, " did not come to its end")
  readRDS(file)
}

# The paths of what differs.
differences <- function(a, b, at = "") {
  if (identical(a, b)) return(character())
  if (is.list(a) && is.list(b) && identical(names(a), names(b)) && length(a) == length(b)) {
    names <- if (is.null(names(a))) seq_along(a) else names(a)
    return(unlist(Map(function(x, y, n) differences(x, y, paste0(at, "$", n)), unname(a), unname(b), names)))
  }
  if (is.list(a) && is.list(b) && !is.null(names(a)) && !is.null(names(b))) {
    both <- intersect(names(a), names(b))
    return(c(unlist(lapply(both, function(n) differences(a[[n]], b[[n]], paste0(at, "$", n)))),
      paste0(at, "$", setdiff(names(a), both), " (old only)", recycle0 = TRUE),
      paste0(at, "$", setdiff(names(b), both), " (new only)", recycle0 = TRUE)))
  }
  size <- if (is.numeric(a) && is.numeric(b) && length(a) == length(b)) {
    sprintf(" by %.2g (of %.2g)", max(abs(a - b), na.rm = TRUE), max(abs(a), na.rm = TRUE))
  } else {
    shown <- function(v) substr(paste(format(v), collapse = " "), 1, 60)
    paste0(": ", shown(a), " -> ", shown(b))
  }
  paste0(at, size)
}

old <- if (grepl("[.]rds$", words[1])) readRDS(words[1]) else results(words[1])
new <- results(words[2])
found <- unlist(lapply(union(names(old), names(new)), function(n) differences(old[[n]], new[[n]], n)))
cat(length(new), "results,", length(found), "differences\n")
cat(utils::head(found, 50), if (length(found) > 50) "...", sep = "\n")
quit(save = "no", status = as.integer(length(found) > 0))
