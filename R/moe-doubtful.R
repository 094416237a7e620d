# Experts that a reader of a fit must hear about: what was found, how many rows are behind it, what to do.

# An expert with fewer rows than this for each of its parameters (a variance is one) is named.
few_rows <- 3

# One whose standard deviation is below this part of the largest is named, however many its rows.
small_spread <- 1 / 20

# The experts in doubt (NULL: none), a row each: `expert`, `rows` (sum of responsibilities in units of the
# mean weight), `parameters`, `sd`, `largest` (of all experts, NA where the family has none), and what holds:
# `degenerate` (the judgement of the fit, in the record), `few`, `small`. Experts without rows and those held at the
# floor are told elsewhere.
doubtful_experts <- function(model) {
  r <- model$record
  known <- model$K > 1 && !is.null(model$share) && length(r$degenerate) == model$K
  if (!known) return(NULL)
  parameters <- length(model$parameters$beta) / model$K + has_dispersion(model)
  has_spread <- !is.null(family_traits(model)$spread)
  sd <- if (has_spread) unname(sqrt(model$parameters$dispersion)) else rep(NA_real_, model$K)
  rows <- unname(model$share) * model$n
  few <- rows < few_rows * parameters
  small <- !is.na(sd) & sd < small_spread * max(sd)
  at <- which((r$degenerate | few | small) & !r$empty & !r$at_floor)
  if (!length(at)) return(NULL)  # the usual case, at no cost
  data.frame(expert = at, rows = rows[at], parameters = parameters, sd = sd[at], largest = max(sd),
    degenerate = r$degenerate[at], few = few[at], small = small[at])
}

rows_words <- function(rows) {
  shown <- format_big(if (rows < 10) round(rows, 1) else round(rows))
  paste0(shown, if (shown == "1") " row" else " rows")
}

# A line for each: "Expert 2 rests on 15.9 rows, standard deviation 0.03 (largest: 6)".
doubtful_words <- function(found, model) {
  vapply(seq_len(nrow(found)), function(i) {
    f <- found[i, ]
    paste0("Expert ", f$expert, " rests on ", rows_words(f$rows),
      if (f$few) paste0(" for ", f$parameters, " parameters"),
      if (f$small) paste0(", ", family_traits(model)$spread, " ", format(f$sd, digits = 2), " (largest: ",
        format(f$largest, digits = 2), ")"))
  }, "")
}

warn_doubtful <- function(model) {
  found <- doubtful_experts(model)
  words <- if (!is.null(found)) doubtful_words(found, model)
  for (i in seq_along(words)) {
    f <- found[i, ]
    quick_warning(words[i], if (f$degenerate) "It is degenerate: such an expert raises the likelihood and tells
        of few rows or of equal values. Take a smaller `K`, or look at these rows."
      else if (f$few) "Its coefficients mean little: take a smaller `K` or fewer columns."
      else "Look at these rows: equal values, or few that lie on a line, can make such an expert.")
  }
}

# For prints.
doubtful_lines <- function(model) {
  found <- doubtful_experts(model)
  if (is.null(found)) return(invisible())
  cat(paste0(doubtful_words(found, model), ifelse(found$degenerate, ": degenerate", "")), sep = "\n")
}

# ---- separation ------------------------------------------------------------------------------

# "expert 2 (x1, x2)", of every expert whose coefficients run to infinity; or of every such gate.
separated_words <- function(model, part = "expert") {
  separated <- model$record[[if (part == "expert") "separated" else "separated_gates"]]
  at <- which(lengths(separated) > 0)
  vapply(at, function(k) {
    columns <- separated[[k]]
    paste0(part, " ", k, " (", first_of(columns, 6), ")")
  }, "")
}

# Scores vanish along such a direction, so that a sandwich of them says what no one knows; the observed information's
# standard errors are large there, as they should be.
warn_separated_sandwich <- function(model) {
  words <- c(separated_words(model), separated_words(model, "gate"))
  if (!length(words)) return(invisible())
  quick_warning(paste0("Coefficients of ", first_of(words, 6), " run to infinity (separation): their variances by ",
    "scores are far too small, and tests of them mean nothing"),
    "The observed information, `vcov(type = \"observed\")`, is large for them, as it should be.")
}

warn_separated <- function(model) {
  words <- separated_words(model)
  if (!length(words)) return(invisible())
  what <- paste(family_traits(model)$extreme, "occurred")
  only_level <- all(unlist(model$record$separated) == "(Intercept)")
  quick_warning(paste0(what, ": the coefficients of ", paste(words, collapse = ", "),
    " run to infinity (separation)"), if (only_level) "All rows of such an expert have one and the same response: take
      a smaller `K`."
    else "Take a smaller `K`, leave such columns out, put rare levels together, or set
      `moe_control(expert_ridge = 1)`.")
}

separated_lines <- function(model) {
  say <- function(what, words) {
    if (length(words)) cat(strwrap(paste0(what, ": ", paste(words, collapse = ", ")), 100, exdent = 2), sep = "\n")
  }
  say("Separation, coefficients run to infinity", separated_words(model))
  say("Regions that do not overlap, only the weak prior on gates holds", separated_words(model, "gate"))
}
