#' Predictions for sites that are known, and for new ones
#'
#' For the rows of a site by its own model, as [site_model()] gives it; for those of a new site by what `new_site`
#' says, see [moe_hierarchy()].
#'
#' For a new site means (`"response"`, `"label"`), densities, quantiles and prediction intervals are those of the
#' mean of several distributions: `"average"`: of all sites' models, each with the same weight; `"integrated"`: of
#' models drawn from \eqn{N(\mu, T)}, the same draws at every call: in pairs about \eqn{\mu}, each direction in equal
#' strata, with covariance T exactly. So they hold the spread between sites.
#' `"expert"`, `"gate"`, `"posterior"` and `"class"` are of the population's model, as all are with `"population"`;
#' with `"aggregate"` all are of the aggregate.
#'
#' @param object A model made by [moe_hierarchy()].
#' @param newdata A data frame of new rows (of models of matrices: a matrix or a list, as for [predict.moe()]).
#' @param site NULL: rows of a new site. The name of a site; a vector of names, one a row; or the name of a column of
#'   `newdata` that holds them. NA is a new site. Names that are none of the hierarchy's sites are an error, unless
#'   `allow_new_sites`.
#' @param allow_new_sites TRUE: names that are none of the hierarchy's sites are new sites (as `allow.new.levels` of
#'   lme4 does it).
#' @param type,log,interval,level,probs,na.action As for [predict.moe()].
#' @param se.fit As for [predict.moe()]; of a new site with `new_site = "population"` alone.
#' @param new_site `"average"`, `"integrated"`, `"population"` or `"aggregate"`; by default what the hierarchy says.
#' @param draws Number of models that are drawn for `"integrated"`; at least four a direction in which sites differ.
#' @param ... Not used.
#' @return As for [predict.moe()].
#' @examples
#' sim <- moe_simulate(1200, K = 2, d = 2, seed = 1)
#' sources <- split(sim$data, rep(c("A", "B", "C"), each = 400))
#' h <- moe_hierarchy(moe_sites(y ~ ., sources, start = sim$model, information = TRUE))
#' new <- sim$data[1:3, ]
#' predict(h, new, site = "A")
#' predict(h, new, site = c("A", "B", NA))
#' predict(h, new, site = c("A", "B", "elsewhere"), allow_new_sites = TRUE)
#' predict(h, new, interval = "prediction")
#' @export
predict.moe_hierarchy <- function(object, newdata, site = NULL,
                                  type = c("response", "expert", "gate", "posterior", "class", "density",
                                    "label", "quantile"), log = FALSE,
                                  interval = c("none", "confidence", "prediction"), level = 0.95,
                                  probs = c(0.025, 0.5, 0.975), se.fit = FALSE, na.action = stats::na.pass,
                                  new_site = NULL, draws = 400, allow_new_sites = FALSE, ...) {
  check_dots(...)
  if (missing(newdata) || is.null(newdata)) {
    input_error("{.arg newdata} is needed: a hierarchy holds no rows.")
  }
  type <- check_choice(type, c("response", "expert", "gate", "posterior", "class", "density", "label", "quantile"),
    "type")
  interval <- check_choice(interval, c("none", "confidence", "prediction"), "interval")
  new_site <- if (is.null(new_site)) object$hierarchy$new_site
              else check_new_site(new_site, !is.null(object$aggregate))
  draws <- check_count(draws, "draws", 2)
  check_newdata(object, newdata)
  keeps_rows <- is.null(na.action) || identical(na.action, stats::na.pass) || identical(na.action, "na.pass")
  asked <- list(type = type, log = log, interval = interval, se.fit = se.fit, na.action = na.action)
  if (interval != "none") asked$level <- level
  if (!missing(probs)) asked$probs <- probs
  groups <- site_groups(object, newdata, site, allow_new_sites)
  if (length(groups) > 1 && !keeps_rows) newdata_refused(na.action)
  one <- function(name, rows) {
    part <- if (length(groups) > 1) some_rows_of(object, newdata, rows) else newdata
    if (!is.na(name)) return(do.call(predict.moe, c(list(site_model_for(object, name, asked), part), asked)))
    predict_new_site(object, part, asked, new_site, draws)
  }
  parts <- Map(one, names_or_na(groups), groups)
  if (length(groups) == 1) parts[[1]] else together(parts, groups, count_rows(newdata))
}

# Whole rows: units are told by a column that no formula names.
some_rows_of <- function(object, newdata, rows) {
  if (is.data.frame(newdata)) newdata[rows, , drop = FALSE] else newdata_rows(object$schema, newdata, rows)
}

check_newdata <- function(object, newdata) {
  if (object$schema$kind == "matrix" || is.data.frame(newdata)) return(invisible())
  input_error("{.arg newdata} must be a data frame, not {.obj_type_friendly {newdata}}.")
}

newdata_refused <- function(action) {
  input_error("{.arg na.action} must be {.fn na.pass} where the rows are of several sites.",
    i = "Leave rows with missing values out of {.arg newdata}.")
}

# Standard errors are made only where they are asked for.
site_model_for <- function(object, site, asked) {
  if (isTRUE(asked$se.fit) || asked$interval == "confidence") site_model(object, site)
  else bare_site_model(object, site)
}

# The site of every row, NA where none is named.
row_sites <- function(object, newdata, site, allow_new_sites) {
  n <- count_rows(newdata)
  known <- object$hierarchy$table$site
  if (is.null(site)) site <- NA_character_
  if (is.factor(site)) site <- as.character(site)
  if (!is.character(site) && !all(is.na(site))) {
    input_error("{.arg site} must be NULL, the name of a site, a name for every row, or the name of a column, not
      {.obj_type_friendly {site}}.")
  }
  columns <- if (is.data.frame(newdata)) names(newdata)
  one <- length(site) == 1
  column <- one && !site %in% c(known, NA) && site %in% columns
  if (column) site <- as.character(newdata[[site]])
  else if (one) site <- rep(as.character(site), n)
  if (length(site) != n) {
    input_error("{.arg site} has {length(site)} value{?s}; {.arg newdata} has {n} row{?s}.",
      i = "Give one name, a name for every row, or the name of a column.")
  }
  if (!check_flag(allow_new_sites, "allow_new_sites")) check_known_sites(site, known, if (one && !column) columns)
  site
}

# `columns`: where the name might be meant to be one.
check_known_sites <- function(site, known, columns) {
  unknown <- setdiff(site, c(known, NA))
  if (!length(unknown)) return(invisible())
  near <- nearest_names(unknown[1], c(known, columns))
  input_error("{.arg site} names {.val {shown_names(utils::head(unknown, 5))}}, which {cli::qty(unknown)}{?is/are} no
    site{?s} of the hierarchy.", i = "Do you mean {.or {.val {shown_names(near)}}}?",
    i = "For {cli::qty(unknown)}{?a new site/new sites}: {.code allow_new_sites = TRUE}, NA, or {.code site = NULL}.")
}

nearest_names <- function(name, known, most = 3) {
  utils::head(known[order(drop(utils::adist(name, known, ignore.case = TRUE)))], most)
}

# The numbers of every site's rows, named by site; those of new sites together, named NA.
site_groups <- function(object, newdata, site, allow_new_sites) {
  known <- object$hierarchy$table$site
  site <- row_sites(object, newdata, site, allow_new_sites)
  site[!site %in% known] <- NA
  present <- c(known[known %in% site], if (anyNA(site) || !length(site)) NA)
  groups <- lapply(present, function(name) if (is.na(name)) which(is.na(site)) else which(site == name))
  stats::setNames(groups, present)
}

names_or_na <- function(groups) {
  name <- names(groups)
  name[is.na(name) | name == "NA"] <- NA
  name
}

# Parts of a prediction in the order of the rows.
together <- function(parts, groups, n) {
  first <- parts[[1]]
  if (is.list(first) && !is.data.frame(first)) {
    fields <- names(first)
    return(lapply(stats::setNames(fields, fields), function(f) together(lapply(parts, `[[`, f), groups, n)))
  }
  if (is.factor(first)) {
    out <- factor(rep(NA, n), levels(first))
    for (i in seq_along(parts)) out[groups[[i]]] <- parts[[i]]
    return(out)
  }
  size <- dim(first)
  columns <- if (is.null(size)) 1L else prod(size[-1])
  out <- matrix(first[NA_integer_], n, columns)
  for (i in seq_along(parts)) out[groups[[i]], ] <- matrix(parts[[i]], ncol = columns)
  if (is.null(size)) return(drop(out[, 1]))
  dim(out) <- c(n, size[-1])
  dimnames(out) <- c(list(NULL), dimnames(first)[-1])
  out
}

# ---- new sites -----------------------------------------------------------------------------------

predict_new_site <- function(object, newdata, asked, new_site, draws) {
  middle <- if (new_site == "aggregate") object$aggregate else tested_population(object)
  of_population <- asked$type %in% c("expert", "gate", "posterior", "class")
  if (new_site %in% c("population", "aggregate") || of_population) {
    return(do.call(predict.moe, c(list(middle, newdata), asked)))
  }
  if (isTRUE(asked$se.fit) || asked$interval == "confidence") {
    input_error("The mean over sites has no standard errors.",
      i = "Use {.code new_site = \"population\"}, or {.code interval = \"prediction\"}.")
  }
  # Checks its arguments and gives the shape of the answer, NA where rows are not complete.
  shape <- do.call(predict.moe, c(list(middle, newdata), asked))
  models <- new_site_models(object, new_site, draws)
  if (asked$type == "density") {
    newdata <- act_on_gaps(middle, newdata, "density", asked$na.action)
    return(mean_density(models, newdata, asked$log))
  }
  newdata <- act_on_gaps(middle, newdata, "response", asked$na.action)
  means <- function() Reduce(`+`, lapply(models, predict_rows, newdata, "response")) / length(models)
  if (asked$type == "label") return(mean_label(middle, means()))
  if (asked$type == "quantile") return(mean_quantiles(models, newdata, asked_probs(asked), shape))
  if (asked$interval == "prediction") {
    ends <- mean_quantiles(models, newdata, c(1 - asked$level, 1 + asked$level) / 2, shape[, -1, drop = FALSE])
    return(structure(cbind(means(), ends), dimnames = dimnames(shape)))
  }
  out <- means()
  if (is.null(dim(shape))) as.vector(out) else structure(out, dimnames = dimnames(shape))
}

asked_probs <- function(asked) if (is.null(asked$probs)) c(0.025, 0.5, 0.975) else asked$probs

mean_density <- function(models, newdata, log) {
  all <- vapply(models, function(m) as.vector(predict_rows(m, newdata, "log_density")),
    numeric(count_rows(newdata)))
  all <- matrix(all, count_rows(newdata))
  top <- apply(all, 1, max)
  out <- top + base::log(rowMeans(exp(all - top)))
  if (log) out else exp(out)
}

mean_label <- function(model, means) {
  known <- !is.na(means[, 1])
  label <- rep(NA_integer_, nrow(means))
  label[known] <- most_probable(means[known, , drop = FALSE])
  as_label(label, model$schema)
}

mean_quantiles <- function(models, newdata, probs, shape) {
  out <- matrix(NA_real_, count_rows(newdata), length(probs))
  design <- design_new(models[[1]]$schema, newdata)
  complete <- which(design$complete)
  # Every model's experts are components of the mixture: fewer rows at a time than of one model.
  for (rows in if (length(complete)) row_blocks(length(complete), max(1000, 2e5 %/% length(models)))) {
    out[complete[rows], ] <- cpp_mean_quantiles(take_rows(design, rows), lapply(models, core_model), probs,
      moe_threads())
  }
  dimnames(out) <- dimnames(shape)
  out
}

# Models over which a new site's distribution is the mean.
new_site_models <- function(object, new_site, draws) {
  if (new_site == "average") return(lapply(object$hierarchy$table$site, function(s) bare_site_model(object, s)))
  root <- population_prior(hierarchy_setting(object), object$hierarchy)$root
  drawn <- root %*% normal_draws(ncol(root), draws)
  lapply(seq_len(ncol(drawn)), function(i) {
    new_moe(user_parameters(object$hierarchy$mean + drawn[, i], object, object$hierarchy$scaling), object$family,
      object$schema, object$n)
  })
}

# `size` x `draws`, or more draws where directions are many: standard normal, each direction drawn in strata of equal
# probability, in pairs about 0, and turned so that the covariance is the identity: means of polynomials of the third
# degree are exact. The same at every call.
normal_draws <- function(size, draws) {
  back <- use_seed(1)
  on.exit(back())
  if (!size) return(matrix(0, 0, 1))
  count <- max(ceiling(draws / 2), 2 * size)
  half <- vapply(seq_len(size), function(j) stats::qnorm((sample(count) - stats::runif(count)) / count), numeric(count))
  e <- eigen(crossprod(half) / count, symmetric = TRUE)
  half <- e$vectors %*% (t(half %*% e$vectors) / sqrt(e$values))
  cbind(half, -half)
}
