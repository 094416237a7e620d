# Printing: what fits on a screen, most important first.

family_words <- function(model) {
  kind <- family_traits(model)$words
  experts <- if (model$K == 1) "expert" else "experts"
  paste0(model$K, " ", kind, " ", experts,
    if (model$K > 1) ", softmax gates")
}

print_call <- function(call) {
  if (is.null(call)) return(invisible())
  # Whole, unless a function or vector stands in it.
  text <- strwrap(paste("Call:", one_line(paste(trimws(deparse(call, width.cutoff = 500L)), collapse = " "))), 100,
    exdent = 2)
  if (length(text) > 8) text <- c(text[1:8], "  ...")
  cat(cut_text(text, 110), sep = "\n")
}

# Rows are coefficients, columns experts; at most `most` rows are shown.
print_coefficients <- function(m, digits, most = Inf) {
  shown <- if (nrow(m) > most) m[seq_len(most), , drop = FALSE] else m
  print(format(shown, digits = digits), quote = FALSE, right = TRUE)
  if (nrow(m) > most) cat("  ...", nrow(m) - most, "more rows: see coef()\n")
}

expert_table <- function(model) {
  m <- model$parameters$beta
  shown <- family_traits(model)$shown
  if (!is.null(shown)) {
    m <- rbind(shown$of(model$parameters$dispersion), m)
    rownames(m)[1] <- paste0("(", shown$name, ")")
  }
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
  refinement_line(model)
  if (is.null(model$refinement)) {
    if (!is.null(r$em_iterations)) steps_line(r)
    writeLines(search_words(r$search))
  }
  penalty_line(model)
  aliased <- unique(unlist(r$aliased))
  if (length(aliased)) {
    cat("Not determined by the data, kept at the start's value:",
      first_of(aliased, 6), "\n")
  }
  if (any(r$empty)) cat("Experts without rows:", which(r$empty), "\n")
  if (any(r$at_floor)) {
    what <- if (has_location_scale(model)) "Variance" else "Dispersion"
    cat(what, "held at its floor: expert", which(r$at_floor), "\n")
  }
  doubtful_lines(model)
  separated_lines(model)
}

steps_line <- function(r) {
  steps <- paste0(r$em_iterations, " EM + ", r$newton_iterations, " Newton")
  if (r$converged) cat("Converged after ", steps, " iterations", sep = "")
  else cat("NOT CONVERGED after ", steps, " iterations", sep = "")
  if (is.null(r$search) && NROW(r$starts) > 1) cat(", best of", nrow(r$starts), "starts")
  cat("\n")
}

# Of a hierarchy's message to the sites.
population_line <- function(model) {
  if (is.null(model$prior)) return(invisible())
  cat("The population of a hierarchy, as sites are asked about it in exchange ", model$prior$number + 1, ": their\n",
    "own parameters are normal about these. A site's answer is moe_statistics(model, rows, site = ).\n", sep = "")
}

# How sure the maximum is: lines of text, none where there was nothing to search for.
search_words <- function(search) {
  if (!has_searched(search)) return(character())
  times <- if (search$reached == 1) "once" else paste(search$reached, "times")
  c(paste0("Best of ", search$runs, " runs, reached ", times, "."),
    if (search$reached == 1) paste0("The best maximum was reached only once: moe_control(starts = ",
      signif(4 * search$runs, 1), ") searches longer."))
}

# What a penalty other than the weak prior on the gates has done.
penalty_line <- function(model) {
  r <- model$record
  if (!any(r$lambda > 0, r$expert_ridge > 0)) return(invisible())
  cat("Penalty: ", if (any(r$lambda > 0)) paste0("lambda ", paste(names(r$lambda),
    vapply(r$lambda, format, "", digits = 4), collapse = ", "), "; share of l1 ", r$l1_share),
    if (any(r$lambda > 0) && r$expert_ridge > 0) "; ",
    if (r$expert_ridge > 0) paste("ridge on experts", format(r$expert_ridge, digits = 4)), "\n", sep = "")
  if (!is_sparse(r)) return(invisible())
  used <- lapply(count_coefficients(model), function(count) count[names(count) != "(Intercept)"])
  words <- vapply(names(used), function(part) {
    out <- names(used[[part]])[used[[part]] == 0]
    paste0(length(out), " of ", length(used[[part]]), " columns out of the ", part, "s",
      if (length(out) %in% 1:6) paste0(" (", paste(out, collapse = ", "), ")"))
  }, "")
  cat(if (model$K > 1) words else words[1], sep = "; ")
  cat("\n")
}

data_line <- function(model) {
  cat("n = ", format_big(model$n), sep = "")
  grouped <- length(model$schema$group) > 0
  if (grouped) {
    cat(" rows of ", format_big(round(model$weight, 2)), " units (", toString(model$schema$group), ")", sep = "")
  }
  if (model$weight != model$n && !grouped) cat(" (weights: ", format_big(round(model$weight, 2)), ")", sep = "")
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
#' `print()` shows the call, the size and fit, how many runs the search made and how often they
#' reached the best maximum, and the experts' coefficients;
#' `summary()` adds the gates' coefficients, standard errors and tests where there
#' are any (it says which they are, or why there are none), and how the fit
#' went. BIC is on R's scale: smaller is better.
#'
#' @param x,object A model of class `moe`.
#' @param digits Significant digits, of every column of a table.
#' @param ... `summary()`: arguments of [vcov()][vcov.moe], such as `type`.
#' @return `print()` returns its argument, invisibly. `summary()` returns a list
#'   of class `summary.moe` with `model`, `expert` (matrix with shares and
#'   standard deviations), `gate` (matrix), `starts` (data frame: every
#'   start's kind and objective per row; only of models from messages of version 0.2), `maxima` (data frame:
#'   what the search found, see [moe-class]), `coefficients` (matrix in the order of
#'   [coef()][coef.moe]: estimate, standard error, z or t value, p value of the
#'   test that the coefficient is 0; NULL where there are no standard errors)
#'   and `standard_errors` (which they are, in words).
#' @examples
#' sim <- moe_simulate(500, K = 2, d = 2, seed = 1)
#' summary(moe(y ~ ., sim$data, K = 2))
#' @export
print.moe <- function(x, digits = 4, ...) {
  cat("Mixture of experts: ", family_words(x), "\n", sep = "")
  print_call(x$call)
  data_line(x)
  population_line(x)
  fit_line(x)
  print_origin(x)
  cat("\nExperts:\n")
  print_coefficients(expert_table(x), digits, most = 12)
  invisible(x)
}

#' @rdname print.moe
#' @export
summary.moe <- function(object, ..., digits = 4) {
  tested <- coefficient_table(object, ...)
  structure(list(digits = digits, model = object, expert = expert_table(object), gate = gate_table(object),
    starts = object$record$starts, maxima = object$record$search$maxima, coefficients = tested$table,
    standard_errors = tested$words), class = "summary.moe")
}

#' @rdname print.moe
#' @export
print.summary.moe <- function(x, digits = x$digits, ...) {
  model <- x$model
  cat("Mixture of experts: ", family_words(model), "\n", sep = "")
  print_call(model$call)
  data_line(model)
  population_line(model)
  fit_line(model)
  print_origin(model)
  if (inherits(model, "moe_aggregate")) print_sites(model)
  cat(strwrap(paste0("Standard errors: ", x$standard_errors, weights_note(model, x$standard_errors)), width = 100,
    exdent = 2), sep = "\n")
  if (is.null(x$coefficients)) {
    cat("\nExperts:\n")
    print_coefficients(x$expert, digits)
    if (model$K > 1) {
      cat("\nGates (log odds against expert ", model$K, "):\n", sep = "")
      print_coefficients(x$gate, digits)
    }
  } else {
    print_tests(x, digits)
  }
  if (NROW(x$maxima) > 1) {
    print_maxima(model$record$search)
  } else if (is.null(x$maxima) && NROW(x$starts) > 1) {
    cat("\nStarts (objective per row of a sample of ", format_big(model$record$start_rows),
      "; standardised y):\n", sep = "")
    print(x$starts, digits = 5, row.names = FALSE)
  }
  invisible(x)
}

# Weights that count rows are whole numbers.
weights_note <- function(model, words) {
  weight <- model$rows$weight
  if (is.null(weight) || all(weight == round(weight)) || grepl("clusters", words)) return("")
  paste0(". The case weights are not whole numbers: if they are sampling weights, which do not count rows, take those",
    " of summary(fit, cluster = ), with the sampling units or the rows' numbers as clusters")
}

print_maxima <- function(search, most = 8) {
  cat("\nMaxima that the search found (on ", format_big(search$rows),
    " rows; by how much below the best):\n", sep = "")
  shown <- search_points(search, most)
  from <- paste0(ifelse(shown$degenerate, "(degenerate) ", ""), shown$kinds)
  print(data.frame(below = format(round(shown$below, 2), nsmall = 2), reached = shown$reached,
    from = format(cut_text(from, 60))), row.names = FALSE)
  hidden <- nrow(search$maxima) - nrow(shown)
  if (hidden > 0) cat("  ...", hidden, "more: see record$search$maxima\n")
}

# Each column to its own digits: printCoefmat() rounds small standard errors to the decimals of large ones.
format_tests <- function(m, digits) {
  out <- cbind(format(m[, 1], digits = digits), format(m[, 2], digits = digits))
  if (ncol(m) == 4) {
    p <- ifelse(is.na(m[, 4]), "NA", format.pval(m[, 4], digits = max(1, digits - 1), eps = 2e-16))
    out <- cbind(out, format(round(m[, 3], 3), nsmall = 3), p)
  }
  colnames(out) <- colnames(m)
  out
}

# Estimates with tests, expert by expert and gate by gate.
print_tests <- function(x, digits) {
  model <- x$model
  table <- x$coefficients
  index <- parameter_index(model)
  if (anyNA(table[index$kind != "dispersion", 2])) {
    cat("NA: not determined by the data, or of an expert without rows or variance\n")
  }
  show <- function(rows, names, columns) {
    m <- table[rows, columns, drop = FALSE]
    shown <- format_tests(m, digits)
    rownames(shown) <- names
    print(shown, quote = FALSE, right = TRUE)
  }
  aside <- seq_len(nrow(x$expert) - nrow(model$parameters$beta))
  cat("\nExperts:\n")
  if (length(aside)) print_coefficients(x$expert[aside, , drop = FALSE], digits)
  columns <- rep(colnames(x$expert), each = nrow(model$parameters$beta))
  for (name in colnames(x$expert)) {
    cat("\n", name, ":\n", sep = "")
    show(which(index$kind == "expert")[columns == name], rownames(model$parameters$beta), 1:4)
  }
  if (model$K > 1) cat("\nGates (log odds against expert ", model$K, "):\n", sep = "")
  for (k in seq_len(model$K - 1)) {
    if (model$K > 2) cat(if (k > 1) "\n", "gate ", k, ":\n", sep = "")
    show(index$kind == "gate" & index$owner == k, rownames(model$parameters$alpha), 1:4)
  }
  if (has_dispersion(model)) {
    cat(if (has_location_scale(model)) "\nVariances:\n"
      else paste0("\nDispersions (1 / ", family_traits(model)$shown$name, "):\n"))
    show(index$kind == "dispersion", paste("expert", seq_len(model$K)), 1:2)
  }
}

#' @export
print.moe_aggregate <- function(x, digits = 4, ...) {
  cat("Aggregated mixture of experts: ", family_words(x), "\n", sep = "")
  print_call(x$call)
  print_sites(x)
  refinement_line(x)
  cat("\nExperts:\n")
  print_coefficients(expert_table(x), digits, most = 12)
  invisible(x)
}

# Which sites went in, how they were put together, who is missing.
print_sites <- function(x) {
  a <- x$aggregation
  left <- a$screening$table$site[a$screening$table$outlying]
  table <- x$sites$table
  presence <- site_presence(table, setdiff(table$site[table$status == "fitted"], left))
  cat(presence$used, " of ", nrow(table), " sites, ", presence$words, "\n", sep = "")
  if (length(presence$missing)) {
    cat("Left out: ", paste(presence$missing, collapse = ", "), "\n", sep = "")
  }
  words <- c(reduction = "Reduction by optimal transport", middle = "Middle estimator",
    average = "Weighted average of aligned experts")
  cat(words[[a$method]])
  if (a$method == "middle" && a$cost != "kl") cat(",", cost_words[[a$cost]])
  if (a$method == "reduction") {
    cat(", ", a$plan, " plan, ", if (a$weights == "given") "given weights" else
      paste("weights by", a$weights),
      if (a$cost != "kl") paste0(", ", cost_words[[a$cost]]), "; ", format_big(a$support), " support points",
      if (isTRUE(a$moments) && a$gates_from_sums) " (experts and gates from the sites' sums over all rows)"
      else if (isTRUE(a$moments)) " (gates; experts from the sites' moments)"
      else if (a$gates_from_sums) " (experts; gates from the sites' sums over all rows)", sep = "")
    cat("\nObjective ", format(a$objective[length(a$objective)], digits = 4), " after ",
      length(a$objective) - 1, if (length(a$objective) == 2) " MM step" else " MM steps",
      if (!a$converged) " (NOT CONVERGED)", if (!a$gates_converged) ", gates NOT CONVERGED", sep = "")
    if (length(a$baselines)) {
      cat("; ", paste0(names(a$baselines), " ", format(a$baselines, digits = 4), collapse = ", "),
        sep = "")
    }
    counts <- table(vapply(used_models(x), function(m) m$K, 0L))
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
  if (length(left)) {
    cat("Screening by ", a$screening$by, " left out: ", paste(shown_names(left), collapse = ", "), "\n", sep = "")
  }
  print_bounds(a$bounds)
  homogeneity_line(x)
  if (length(a$notes)) cat(paste0("Note: ", a$notes, "\n"), sep = "")
}
