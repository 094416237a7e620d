#' How good a model is on held-out rows
#'
#' The measures of section 5 of Chamroukhi and Pham.
#'
#' @param model A model of class `moe`.
#' @param newdata Rows with the response, as for [predict.moe()]. Rows with
#'   missing values are left out.
#' @param truth NULL, or the true model (class `moe`), as from
#'   [moe_simulate()].
#' @param labels NULL, or the true expert of every row of `newdata`; by default
#'   the one of largest posterior under `truth`.
#' @param site,allow_new_sites Of a hierarchy: whose rows they are, as for [predict.moe_hierarchy()].
#' @return A data frame with one row: `n` (complete rows), `loglik` (mean log
#'   density a row), `rpe` (sum of squared errors over sum of squared
#'   responses), `rmse`, `si` (scatter index: rmse over the absolute mean
#'   response), for logistic and multinomial experts `error` (share of rows whose
#'   most probable class is another than theirs) and `log_loss` (minus the mean
#'   log probability of the rows' classes; `rpe`, `rmse` and `si` of multinomial
#'   experts are over the indicators of all classes), and with a truth `transport` (T_c (9) from the truth to the
#'   model), `mse` (mean squared error of all parameters after the experts were
#'   matched; NA where the numbers of experts differ) and `ari` (adjusted Rand
#'   index of predicted and true experts).
#' @examples
#' sim <- moe_simulate(1000, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data[1:800, ], K = 2)
#' moe_metrics(fit, sim$data[801:1000, ], truth = sim$model)
#' @export
moe_metrics <- function(model, newdata, truth = NULL, labels = NULL, site = NULL, allow_new_sites = FALSE) {
  check_moe(model, "model")
  if (!is.null(site)) check_hierarchy(model, "model")
  check_has_response(model, newdata, TRUE, "metrics")
  design <- design_new(model$schema, newdata, need_response = TRUE)
  if (!any(design$complete)) input_error("No row of {.arg newdata} is complete.")
  core <- core_model(model)
  found <- scored_rows(model, newdata, design, site, allow_new_sites)
  mean <- found$mean
  y <- response_indicators(design$y, model$schema)
  rmse <- sqrt(mean((y - mean)^2))
  of_units <- sum_units(as.matrix(found$log_density / unit_sizes(design)), design)
  out <- data.frame(n = length(design$y), loglik = mean(of_units),
    rpe = sum((y - mean)^2) / sum(y^2), rmse = rmse, si = rmse / abs(mean(y)))
  if (has_classes(model$schema) && is.null(design$trials)) {
    out$error <- mean(most_probable(mean) != design$y)
    out$log_loss <- -out$loglik
  }
  if (is.null(truth)) return(out)
  check_moe(truth, "truth")
  check_same_model(truth, "truth", model$schema, model$family)
  out$transport <- cpp_divergence(core_model(truth), core, design, "exact")$value
  out$mse <- NA_real_
  if (truth$K == model$K) {
    matched <- relabel(model, match_experts(truth, model, design))
    out$mse <- mean((coef(matched) - coef(truth))^2)
  }
  expert <- function(m) max.col(core_predict(design, core_model(m), "posterior"), "first")
  if (is.null(labels)) labels <- expert(truth)
  else {
    if (length(labels) != length(design$complete)) {
      input_error("{.arg labels} has {length(labels)} value{?s}; {.arg newdata} has
        {length(design$complete)} rows.")
    }
    labels <- labels[design$complete]
  }
  out$ari <- adjusted_rand(labels, expert(model))
  out
}

# Means and log densities of the complete rows.
scored_rows <- function(model, newdata, design, site, allow_new_sites) {
  if (!inherits(model, "moe_hierarchy")) {
    return(list(mean = response_means(design, model),
      log_density = core_predict(design, core_model(model), "log_density")))
  }
  by_site <- function(...) predict(model, newdata, site = site, allow_new_sites = allow_new_sites, ...)
  mean <- as.matrix(by_site())[design$complete, , drop = FALSE]
  list(mean = if (has_many_classes(model)) mean else mean[, 1],
    log_density = by_site(type = "density", log = TRUE)[design$complete])
}

# Adjusted Rand index (Hubert and Arabie): pairs put together by both, corrected for chance.
adjusted_rand <- function(a, b) {
  pairs <- function(x) sum(x * (x - 1) / 2)
  counts <- as.numeric(table(a, b))
  n <- length(a)
  rows <- pairs(as.numeric(table(a)))
  cols <- pairs(as.numeric(table(b)))
  expected <- rows * cols / (n * (n - 1) / 2)
  most <- (rows + cols) / 2
  if (most == expected) return(1)
  (pairs(counts) - expected) / (most - expected)
}
