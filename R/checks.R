# Checks of arguments, which give the normalised value.

# Shows a value in an error message, on one line.
show_value <- function(x) {
  text <- paste(utils::head(format(x), 5), collapse = ", ")
  if (length(x) > 5) text <- paste0(text, ", ...")
  if (is.null(x)) text <- "NULL"
  if (is.character(x)) {
    text <- paste0("\"", paste(utils::head(x, 5), collapse = "\", \""), "\"", if (length(x) > 5) ", ...")
  }
  text
}

check_count <- function(x, name, least = 1) {
  ok <- is.numeric(x) && length(x) == 1 && is.finite(x) && x == round(x) && x >= least &&
    x <= .Machine$integer.max
  if (!ok) {
    input_error("{.arg {name}} must be one whole number, {least} or more, not {show_value(x)}.")
  }
  as.integer(x)
}

check_number <- function(x, name, least = 0, strict = FALSE, most = Inf) {
  ok <- is.numeric(x) && length(x) == 1 && !is.na(x) && x >= least && x <= most &&
    !(strict && x == least)
  if (!ok) {
    range <- if (strict) paste("above", least) else paste("at least", least)
    if (is.finite(most)) range <- paste(range, "and at most", most)
    input_error("{.arg {name}} must be one number {range}, not {show_value(x)}.")
  }
  as.numeric(x)
}

check_timeout <- function(x) if (identical(x, Inf)) Inf else check_number(x, "timeout", strict = TRUE)

check_flag <- function(x, name) {
  if (!is.logical(x) || length(x) != 1 || is.na(x)) {
    input_error("{.arg {name}} must be TRUE or FALSE, not {show_value(x)}.")
  }
  x
}

# One of several words; the first is the default.
check_choice <- function(x, choices, name) {
  if (identical(x, choices)) return(choices[1])
  if (!is.character(x) || length(x) != 1 || is.na(pmatch(x, choices))) {
    input_error("{.arg {name}} must be one of {.or {.val {choices}}}, not {show_value(x)}.")
  }
  choices[pmatch(x, choices)]
}

# What `...` holds but for arguments that other methods of the same generic have (`known`), and that say nothing
# here. `hint`: the way out.
check_dots <- function(..., known = character(), hint = NULL, of = formals(sys.function(sys.parent()))) {
  force(of)
  names <- ...names()
  if (is.null(names)) names <- rep("", ...length())
  extra <- setdiff(names, known)
  if (!length(extra)) return(invisible())
  meant <- unique(unlist(lapply(extra, near_name, setdiff(names(of), "..."))))
  extra[extra == ""] <- "(unnamed)"
  input_error("Unknown argument{?s} {.arg {extra}}.", i = if (length(meant)) "Do you mean {.arg {meant}}?", i = hint)
}

# Of names the one that is meant by another, if any is so near.
near_name <- function(name, names) {
  same <- names[tolower(names) == tolower(name)]
  if (length(same)) return(same)
  far <- drop(utils::adist(name, names))
  if (nchar(name) > 3 && min(far) <= 2) names[which.min(far)]
}

check_moe <- function(x, name) {
  if (!inherits(x, "moe")) {
    input_error("{.arg {name}} must be a model made by this package (class {.cls moe}), not
      {.obj_type_friendly {x}}.")
  }
  x
}

# Case weights: finite, not negative, not all zero.
check_weights <- function(weights, n) {
  if (is.null(weights)) return(NULL)
  if (!is.numeric(weights) || length(weights) != n) {
    input_error("{.arg weights} must be {n} numbers, one a row, not {length(weights)} of type
      {.cls {class(weights)}}.")
  }
  bad <- which(!is.finite(weights) | weights < 0)
  if (length(bad)) {
    input_error("{.arg weights} must be finite and not negative; row {bad[1]} has
      {weights[bad[1]]}.")
  }
  if (all(weights == 0)) {
    input_error("{.arg weights} are all zero: no row is left to fit.")
  }
  as.numeric(weights)
}

# Position of the first value that a design can't hold (0: none), and how many there are. Squares
# must not overflow.
bad_values <- function(v) {
  if (is.numeric(v)) return(cpp_first_bad(v))
  bad <- is.na(v)
  c(match(TRUE, bad, 0L), sum(bad))
}

# Names of files to be written.
check_file_name <- function(file) {
  if (!is.character(file) || length(file) != 1 || is.na(file) || file == "") {
    input_error("{.arg file} must be the name of a file, not {show_value(file)}.")
  }
}

refuse_overwrite <- function(file) {
  input_error("The file {.file {file}} is there already.", i = "{.code overwrite = TRUE} replaces it.")
}
