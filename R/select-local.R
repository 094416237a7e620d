# moe_select() on one data set.

select_local <- function(design, K, criterion, family, control, folds, call) {
  criterion <- check_choice(criterion, c("BIC", "ICL", "AIC", "CV"), "criterion")
  K <- check_path(K)
  control <- check_control(control)
  held_out <- vector("list", length(K))
  if (criterion == "CV") {
    n <- length(design$y)
    folds <- check_count(folds, "folds", 2)
    if (folds > n) input_error("{.arg folds} = {folds} is more than the {n} rows.")
    held_out <- cross_validate(design, K, family, control, unit_folds(folds, design))
  }
  fits <- nested_fits(K, control, function(k, control, neighbours) {
    quiet_fit(fit_design(design, k, family, NULL, control, keep = TRUE, call = call, neighbours),
      "moe_too_small")
  })
  path <- do.call(rbind, Map(local_row, K, list(design), fits, held_out, criterion))
  path$message <- join_messages(falls_in_K(path), path$message)
  new_select(lapply(fits, function(fit) fit$model), path, criterion, call,
    if (criterion == "CV") -path$CV else path[[criterion]])
}

# Fits with every number of experts out of K. Where K - 1 or K + 1 is among them their solutions are
# starts too, with one expert split, or two merged: the maximum over K experts is never below that over
# K - 1. First K from least to most; then, while that improves any, each with a better neighbour again, on
# little more than that start. `fit(k, control, neighbours)` gives a quiet_fit().
nested_fits <- function(K, control, fit, sweeps = 6) {
  linked <- function(i, j) j %in% seq_along(K) && abs(K[i] - K[j]) == 1
  fits <- list()
  for (i in seq_along(K)) {
    below <- if (linked(i, i - 1)) fits[[i - 1]]$model
    fits[[i]] <- fit(K[i], control, if (!is.null(below)) list(below) else list())
  }
  control$starts <- 1L
  improve_by_neighbours(fits, function(i, neighbour) {
    if (K[i] > 1) fit(K[i], control, list(neighbour))
  }, linked, sweeps)
}

posterior_entropy <- function(model, design) {
  r <- core_predict(design, core_model(model), "posterior")
  weight <- if (is.null(design$weight)) 1 else design$weight
  -sum(weight * r * log(pmax(r, 1e-300)))
}

local_row <- function(k, design, fit, held_out, criterion) {
  model <- fit$model
  row <- data.frame(K = k, objective = NA_real_, loglik = NA_real_, df = NA_integer_, AIC = NA_real_,
    BIC = NA_real_, ICL = NA_real_, converged = NA, usable = FALSE, message = fit$message)
  if (criterion == "CV") row[c("CV", "CV_se")] <- NA_real_
  if (is.null(model)) return(row)
  l <- stats::logLik(model)
  row$objective <- fit_objective(model)
  row[c("loglik", "df", "AIC", "BIC")] <- list(as.numeric(l), attr(l, "df"), stats::AIC(l), stats::BIC(l))
  row$ICL <- row$BIC + 2 * posterior_entropy(model, design)
  row$converged <- model$record$converged
  row$usable <- !has_spike(model)
  if (criterion == "CV") {
    row[c("CV", "CV_se")] <- held_out[c("mean", "se")]
    row$usable <- row$usable && is.finite(row$CV)
    row$message <- join_messages(row$message, held_out$message)
  }
  row
}

join_messages <- function(a, b) paste0(a, ifelse(a != "" & b != "", "; ", ""), b)

# What there is to say of a K whose objective is below that of a smaller one: its maximum was not found.
falls_in_K <- function(path) {
  said <- character(nrow(path))
  best <- NA
  for (i in which(path$usable & is.finite(path$objective))) {
    loss <- if (is.na(best)) 0 else path$objective[best] - path$objective[i]
    if (loss > 0.1) {
      said[i] <- paste0("its maximum was not found, as the objective is ", format(loss, digits = 2),
        " below that of K = ", path$K[best], ": raise moe_control(starts = )")
    }
    if (loss <= 0) best <- i
  }
  said
}

# Folds of rows: those of a unit in one.
unit_folds <- function(folds, design) {
  draw <- function(n) sample(rep_len(seq_len(folds), n))
  if (is.null(design$unit)) return(draw(length(design$y)))
  number <- match(design$unit, unique(design$unit))
  draw(max(number))[number]
}

# For every K the mean log density of rows that its fits have not seen, and its standard error over the
# rows. Fits to a fold are started from the solution with one expert less too, but not from that with one more.
cross_validate <- function(design, K, family, control, fold) {
  # A column may be constant in the rows of one fold.
  control$singular_ok <- TRUE
  value <- matrix(NA_real_, length(fold), length(K))
  said <- character(length(K))
  for (f in unique(fold)) {
    rows <- take_rows(design, which(fold != f))
    out <- which(fold == f)
    fits <- nested_fits(K, control, function(k, control, neighbours) {
      quiet_fit(fit_design(rows, k, family, NULL, control, keep = FALSE, call = NULL, neighbours),
        "moe_input_error")
    }, sweeps = 0)
    for (i in seq_along(K)) {
      model <- fits[[i]]$model
      if (is.null(model)) said[i] <- paste0("a fold: ", fits[[i]]$message)
      else value[out, i] <- core_predict(take_rows(design, out), core_model(model), "log_density")
    }
  }
  weight <- if (is.null(design$weight)) rep(1, length(fold)) else design$weight
  share <- weight / sum(weight)
  lapply(seq_along(K), function(i) {
    mean <- sum(share * value[, i])
    list(mean = mean, se = sqrt(sum(share^2 * (value[, i] - mean)^2)), message = said[i])
  })
}
