# Variables in a few words and numbers: their kind, their levels, a typical value and a range. No single row.

variable_levels <- function(described) {
  if (described$type == "logical") c("FALSE", "TRUE") else described$levels
}

# A number as the class that the variable had (dates, times).
as_like <- function(value, described) {
  attributes(value) <- described$like
  value
}

# Summaries of the raw variables of the right-hand sides: a typical row and a range for plots.
# Means and standard deviations only: no single value of any row.
describe_variables <- function(formula, frame, data, levels) {
  out <- list()
  for (name in row_variables(formula, frame, data)) {
    v <- if (name %in% names(data)) data[[name]] else get0(name, environment(formula))
    out[[name]] <- describe_variable(v, levels[[name]])
  }
  out
}

# NULL for what has no typical value that may be kept, such as text that only a function looks at.
describe_variable <- function(v, levels = NULL) {
  if (is.matrix(v)) return(NULL)
  if (is.logical(v)) return(list(type = "logical", mode = mean(v, na.rm = TRUE) > 0.5))
  if (!is.null(levels)) {
    code <- if (is.factor(v)) match(levels(v), levels)[v] else match(v, levels)
    count <- tabulate(code, length(levels))
    return(list(type = "factor", levels = levels, mode = levels[which.max(count)]))
  }
  if (!is.numeric(v) && !inherits(v, c("Date", "POSIXct", "difftime"))) return(NULL)
  like <- attributes(v)[c("class", "tzone", "units")]
  if (is.object(v)) v <- as.numeric(v)
  found <- cpp_describe(v)
  list(type = "numeric", mean = found[1], sd = found[2], like = Filter(Negate(is.null), like))
}

# Raw variables of the right-hand sides that have a value a row (the others are constants or names of
# functions): what new data must hold.
row_variables <- function(formula, frame, data) {
  names <- all.vars(stats::delete.response(attr(frame, "terms")))
  Filter(function(name) {
    if (name %in% names(data)) return(TRUE)
    v <- get0(name, envir = environment(formula))
    !is.null(v) && !is.function(v) && NROW(v) >= nrow(frame)
  }, names)
}

# describe_variable() over chunks: counts, means and sums of squares, which add.
add_descriptions <- function(known, chunk, schema) {
  one <- list()
  for (name in intersect(schema$needs, names(chunk))) {
    v <- chunk[[name]]
    levels <- schema$levels[[name]]
    d <- describe_variable(v, levels)
    if (is.null(d)) next
    if (d$type == "factor") {
      code <- if (is.factor(v)) match(levels(v), levels)[v] else match(v, levels)
      d$count <- stats::setNames(tabulate(code, length(levels)), levels)
    } else if (d$type == "logical") {
      d$count <- c(sum(v, na.rm = TRUE), sum(!is.na(v)))
    } else {
      d$n <- sum(is.finite(v))
      if (d$n == 0) next
      d$square <- if (d$n > 1) d$sd^2 * (d$n - 1) else 0
    }
    one[[name]] <- d
  }
  join_descriptions(known, one, schema)
}

join_descriptions <- function(known, more, schema) {
  for (name in intersect(schema$needs, names(more))) {
    a <- known[[name]]
    b <- more[[name]]
    if (b$type == "factor") {
      b$levels <- schema$levels[[name]]
      b$count <- vapply(b$levels, function(l) sum(a$count[l], b$count[l], na.rm = TRUE), 0)
    } else if (b$type == "logical") {
      b$count <- b$count + if (is.null(a)) 0 else a$count
    } else if (!is.null(a)) {
      n <- a$n + b$n
      gap <- b$mean - a$mean
      b$square <- a$square + b$square + gap^2 * a$n * b$n / n
      b$mean <- a$mean + gap * b$n / n
      b$n <- n
    }
    known[[name]] <- b
  }
  known
}

finish_descriptions <- function(known, schema) {
  lapply(known[intersect(schema$needs, names(known))], function(one) {
    switch(one$type,
      factor = list(type = "factor", levels = one$levels, mode = one$levels[which.max(one$count)]),
      logical = list(type = "logical", mode = one$count[1] > one$count[2] / 2),
      list(type = "numeric", mean = one$mean, sd = sqrt(one$square / max(1, one$n - 1)), like = one$like))
  })
}

variable_kind <- function(v) {
  if (is.factor(v) || is.character(v)) "label" else if (is.logical(v)) "logical" else "numeric"
}
