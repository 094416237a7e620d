# Printing: what fits on a screen, most important first.

family_words <- function(model) {
  kind <- known_families[[model$family$family]]$words
  experts <- if (model$K == 1) "expert" else "experts"
  paste0(model$K, " ", kind, " ", experts,
    if (model$K > 1) ", softmax gates")
}

print_call <- function(call) {
  if (is.null(call)) return(invisible())
  cat("Call: ", paste(strtrim(deparse(call, width.cutoff = 100L), 110)[1]), "\n", sep = "")
}

format_big <- function(x) format(x, big.mark = ",", scientific = FALSE, trim = TRUE)

# Rows are coefficients, columns experts; at most `most` rows are shown.
print_coefficients <- function(m, digits, most = Inf) {
  shown <- if (nrow(m) > most) m[seq_len(most), , drop = FALSE] else m
  print(format(shown, digits = digits), quote = FALSE, right = TRUE)
  if (nrow(m) > most) cat("  ...", nrow(m) - most, "more rows: see coef()\n")
}

expert_table <- function(model) {
  m <- model$parameters$beta
  if (has_dispersion(model)) m <- rbind(`(sigma)` = sqrt(model$parameters$dispersion), m)
  if (!is.null(model$share)) m <- rbind(`(share)` = rep(model$share, each = count_parts(model$schema)), m)
  colnames(m) <- paste("expert", expert_columns(model$schema, model$K))
  m
}

gate_table <- function(model) {
  m <- model$parameters$alpha
  if (ncol(m)) colnames(m) <- paste("gate", colnames(m))
  m
}

fit_line <- function(model) {
  r <- model$record
  if (is.null(r$converged)) return(invisible())
  steps <- paste0(r$em_iterations, " EM + ", r$newton_iterations, " Newton")
  if (r$converged) cat("Converged after ", steps, " iterations", sep = "")
  else cat("NOT CONVERGED after ", steps, " iterations", sep = "")
  if (NROW(r$starts) > 1) cat(", best of", nrow(r$starts), "starts")
  cat("\n")
  aliased <- unique(unlist(r$aliased))
  if (length(aliased)) {
    cat("Not determined by the data, kept at the start's value:",
      paste(utils::head(aliased, 6), collapse = ", "), if (length(aliased) > 6) "...", "\n")
  }
  if (any(r$empty)) cat("Experts without rows:", which(r$empty), "\n")
  if (any(r$at_floor)) cat("Variance held at its floor: expert", which(r$at_floor), "\n")
}

data_line <- function(model) {
  cat("n = ", format_big(model$n), sep = "")
  if (model$dropped > 0) cat(" (", format_big(model$dropped), " rows with missing values left out)",
    sep = "")
  if (!is.na(model$log_lik)) {
    l <- stats::logLik(model)
    cat(", log-likelihood = ", format(round(as.numeric(l), 2), nsmall = 2),
      ", df = ", attr(l, "df"), ", BIC = ", format(round(stats::BIC(l), 2), nsmall = 2), sep = "")
  } else {
    cat(", df =", count_free(model))
  }
  cat("\n")
}

#' Print and summarise a mixture of experts
#'
#' `print()` shows the call, the size and fit, and the experts' coefficients;
#' `summary()` adds the gates' coefficients, how certain the assignment of rows
#' to experts is, and how the fit went. BIC is on R's scale: smaller is better.
#'
#' @param x,object A model of class `moe`.
#' @param digits Significant digits.
#' @param ... Not used.
#' @return `print()` returns its argument, invisibly. `summary()` returns a list
#'   of class `summary.moe` with `model`, `expert` (matrix with shares and
#'   standard deviations), `gate` (matrix) and `starts` (data frame: every
#'   start's kind and objective per row).
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' summary(moe(y ~ ., sim$data, K = 2))
#' @export
print.moe <- function(x, digits = 4, ...) {
  cat("Mixture of experts: ", family_words(x), "\n", sep = "")
  print_call(x$call)
  data_line(x)
  fit_line(x)
  cat("\nExperts:\n")
  print_coefficients(expert_table(x), digits, most = 12)
  invisible(x)
}

#' @rdname print.moe
#' @export
summary.moe <- function(object, ...) {
  structure(list(model = object, expert = expert_table(object), gate = gate_table(object),
    starts = object$record$starts), class = "summary.moe")
}

#' @rdname print.moe
#' @export
print.summary.moe <- function(x, digits = 4, ...) {
  model <- x$model
  cat("Mixture of experts: ", family_words(model), "\n", sep = "")
  print_call(model$call)
  data_line(model)
  fit_line(model)
  if (inherits(model, "moe_aggregate")) print_sites(model)
  cat("\nExperts:\n")
  print_coefficients(x$expert, digits)
  if (model$K > 1) {
    cat("\nGates (log odds against expert ", model$K, "):\n", sep = "")
    print_coefficients(x$gate, digits)
  }
  if (NROW(x$starts) > 1) {
    cat("\nStarts (objective per row of a sample of ", format_big(model$record$start_rows),
      "; standardised y):\n", sep = "")
    print(x$starts, digits = 5, row.names = FALSE)
  }
  invisible(x)
}

#' @export
print.moe_aggregate <- function(x, digits = 4, ...) {
  cat("Aggregated mixture of experts: ", family_words(x), "\n", sep = "")
  print_call(x$call)
  print_sites(x)
  cat("\nExperts:\n")
  print_coefficients(expert_table(x), digits, most = 12)
  invisible(x)
}

# Which sites went in, how they were put together, who is missing.
print_sites <- function(x) {
  a <- x$aggregation
  used <- x$sites$table$status == "fitted"
  rows <- x$sites$table$n
  cat(sum(used), " of ", length(used), " sites, ", format_big(sum(rows[used])), " of ",
    format_big(sum(rows, na.rm = TRUE)), " rows\n", sep = "")
  missing <- x$sites$table[!used, , drop = FALSE]
  if (nrow(missing)) {
    cat("Left out: ", paste0(missing$site, " (", missing$status, ", ", missing$n, " rows)",
      collapse = ", "), "\n", sep = "")
  }
  words <- c(reduction = "Reduction by optimal transport", middle = "Middle estimator",
    average = "Weighted average of aligned experts")
  cat(words[[a$method]])
  if (a$method == "middle" && a$cost != "kl") cat(",", cost_words[[a$cost]])
  if (a$method == "reduction") {
    cat(", ", a$plan, " plan, weights by ", a$weights, if (a$cost != "kl") ", ",
      if (a$cost != "kl") cost_words[[a$cost]], "; ", format_big(a$support), " support points", sep = "")
    cat("\nObjective ", format(a$objective[length(a$objective)], digits = 4), " after ",
      length(a$objective) - 1, if (length(a$objective) == 2) " MM step" else " MM steps",
      if (!a$converged) " (NOT CONVERGED)", sep = "")
    if (length(a$baselines)) {
      cat("; ", paste0(names(a$baselines), " ", format(a$baselines, digits = 4), collapse = ", "),
        sep = "")
    }
    counts <- table(vapply(x$sites$models, function(m) m$K, 0L))
    if (length(counts) > 1) {
      cat("\nExperts at the sites: ", paste0(names(counts), " (", counts, " site",
        ifelse(counts == 1, "", "s"), ")", collapse = ", "), sep = "")
    }
    if (!a$descends) {
      cat("\nClosed-form update (S14): descent is not guaranteed; the objective rose at ", a$rises,
        if (a$rises == 1) " step" else " steps", sep = "")
    }
  }
  cat("\n")
  if (length(a$notes)) cat(paste0("Note: ", a$notes, "\n"), sep = "")
}
