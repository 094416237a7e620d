# A factor's own contrasts (`contrasts(f) <- `), which factor() and c() lose.

# The contrasts of factors that are put together under common levels: NULL where none has its own. What
# goes by name ("contr.sum") holds for any levels, a matrix for those that it has rows for. Factors that say
# nothing follow those that do.
common_contrasts <- function(parts, levels, name) {
  given <- Filter(Negate(is.null), lapply(parts, function(v) {
    own <- attr(v, "contrasts")
    if (is.null(own)) return(NULL)
    fixed <- fixed_contrasts(own, v)
    if (is.matrix(fixed) && setequal(rownames(fixed), levels)) fixed[levels, , drop = FALSE] else fixed
  }))
  given <- given[!duplicated(given)]
  if (!length(given)) return(NULL)
  if (length(given) > 1) {
    input_error("Factor {.val {name}} has different contrasts in different places.",
      i = "Set the same {.code contrasts({name})} everywhere, by name, such as {.val contr.sum}, where
        levels differ.")
  }
  if (is.matrix(given[[1]]) && nrow(given[[1]]) != length(levels)) {
    input_error("Factor {.val {name}} has a matrix of contrasts for {nrow(given[[1]])} level{?s}; all rows together
      have {length(levels)}: {.val {levels}}.",
      i = "Give every part all levels, or set {.code contrasts({name})} by name, such as {.val contr.sum}.")
  }
  given[[1]]
}

# Contrasts as any process can take them: a name that R itself knows, or the numbers, a row a level.
fixed_contrasts <- function(own, v) {
  if (is.character(own) && length(own) == 1 && own %in% known_contrasts) return(own)
  out <- try_formula(stats::contrasts(v), "The contrasts of a factor can't be evaluated.")
  storage.mode(out) <- "double"
  dimnames(out) <- list(levels(v), colnames(out))
  out
}

# A part's contrasts in that form, also for a C(f, my_contrasts) or a function's name that only its user has.
settled_contrasts <- function(contrasts, frame) {
  for (name in names(contrasts)) {
    contrasts[[name]] <- fixed_contrasts(contrasts[[name]], with_contrasts(frame[[name]], contrasts[[name]]))
  }
  contrasts
}

with_contrasts <- function(v, own) {
  if (!is.null(own)) attr(v, "contrasts") <- own
  v
}

known_contrasts <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS")
