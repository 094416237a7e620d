# What moe_select() gives, of one data set and of sites.

check_path <- function(K) {
  ok <- is.numeric(K) && length(K) && all(is.finite(K)) && all(K >= 1) && all(K == round(K))
  if (!ok) input_error("{.arg K} must hold whole numbers, 1 or more, not {show_value(K)}.")
  sort(unique(as.integer(K)))
}

# ---- the object -------------------------------------------------------------------------------

# `value`: smaller is better; the first of equals wins.
new_select <- function(models, path, criterion, call, value) {
  names(models) <- path$K
  eligible <- which(path$usable & is.finite(value))
  if (!length(eligible)) {
    first <- path$message[path$message != ""][1]
    input_error("No candidate {.arg K} can be used.", x = if (!is.na(first)) "{first}",
      i = "Try a smaller {.arg K}.")
  }
  best <- eligible[which.min(value[eligible])]
  chosen <- models[[best]]
  for (i in seq_along(models)) {
    if (!is.null(models[[i]])) models[[i]][c("rows", "model", "support")] <- NULL
  }
  if (length(eligible) > 1 && best == nrow(path) && criterion != "transport") {
    cli::cli_warn(c("The largest candidate, {.arg K} = {path$K[best]}, is the best.",
      i = "Larger ones may be better."))
  }
  structure(list(K = path$K[best], model = chosen, criterion = criterion, path = path,
    models = models, call = lean_call(call)), class = "moe_select")
}

criterion_words <- c(BIC = "BIC (smaller is better)", AIC = "AIC (smaller is better)",
  ICL = "ICL (smaller is better)", CV = "cross-validated log-likelihood a row (larger is better)",
  loglik = "log-likelihood of a support point (larger is better)",
  transport = "elbow of the transport divergence R_c (11)")
