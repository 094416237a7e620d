# Fits next to each other, in the number of experts (moe_select) or along lambda (moe_path): where one got
# stuck the solution of its neighbour may lead on.

# A fit with its warnings as text; errors of class `expected` too.
quiet_fit <- function(code, expected) {
  said <- character()
  keep <- function(w) {
    said <<- c(said, one_line(cli::ansi_strip(conditionMessage(w))))
    invokeRestart("muffleWarning")
  }
  model <- tryCatch(withCallingHandlers(code, warning = keep), error = function(e) {
    if (!inherits(e, expected)) stop(e)
    said <<- one_line(cli::ansi_strip(conditionMessage(e)))
    NULL
  })
  list(model = model, message = paste(said, collapse = "; "))
}

# What fitting has maximised, at its end.
fit_objective <- function(model) utils::tail(model$record$objective, 1)

# An expert that fits a few rows exactly is no finding, however large the likelihood.
has_spike <- function(model) any(model$record$at_floor, model$record$degenerate)

is_better_fit <- function(new, old) {
  if (has_spike(new) != has_spike(old)) return(has_spike(old))
  fit_objective(new) > fit_objective(old) + 1e-6
}

# Each of `fits` (quiet_fit()s, in their order) again from the model of the next one and of the one before,
# and the better one kept, down and up until nothing improves or for so many sweeps: `refit(i, neighbour)`,
# NULL where that is of no use, where `linked(i, j)`.
improve_by_neighbours <- function(fits, refit, linked = function(i, j) j %in% seq_along(fits), sweeps = 6) {
  # The objective of the neighbour that a fit was last started from: of those before, their first one.
  value <- function(fit) if (is.null(fit$model)) NA_real_ else fit_objective(fit$model)
  used <- cbind(before = c(NA, vapply(fits, value, 0)[-length(fits)]), after = NA_real_)
  for (sweep in seq_len(sweeps)) {
    down <- sweep %% 2 == 1
    side <- if (down) "after" else "before"
    tried <- FALSE
    for (i in if (down) rev(seq_along(fits)) else seq_along(fits)) {
      j <- if (down) i + 1 else i - 1
      if (!linked(i, j) || is.null(fits[[i]]$model) || is.null(fits[[j]]$model)) next
      if (identical(unname(used[i, side]), value(fits[[j]]))) next
      used[i, side] <- value(fits[[j]])
      new <- refit(i, fits[[j]]$model)
      tried <- TRUE
      if (is.null(new$model) || !is_better_fit(new$model, fits[[i]]$model)) next
      fits[[i]] <- keep_search(new, fits[[i]])
    }
    if (!tried) break
  }
  fits
}

# What the search saw before is not forgotten where a neighbour led further: on the same rows its maxima
# stand beside the new one.
keep_search <- function(new, old) {
  a <- new$model$record$search
  b <- old$model$record$search
  if (is.null(a) || is.null(b) || !identical(a$rows, b$rows)) return(new)
  for (count in c("runs", "rounds")) a[[count]] <- a[[count]] + b[[count]]
  a$ends <- c(b$ends, a$ends)
  a$maxima <- rbind(a$maxima[1, ], b$maxima)
  a$stop <- b$stop
  new$model$record$search <- a
  new
}
