# Some rows of a data frame, of a model frame or of a design, and results of some rows among all.

row_blocks <- function(n, size) {
  lapply(seq(1, n, by = size), function(first) first:min(n, first + size - 1))
}

# Some rows of some columns of a data frame, under row names that cost nothing. What else a model
# frame carries (its terms) stays.
frame_rows <- function(frame, rows, names) {
  pick <- function(v) if (length(dim(v)) == 2) v[rows, , drop = FALSE] else v[rows]
  structure(lapply(unclass(frame)[names], pick), class = "data.frame", terms = attr(frame, "terms"),
    row.names = .set_row_names(length(rows)))
}

# Which rows of a data frame or matrix have no missing value.
complete_rows <- function(data) {
  gaps <- if (is.data.frame(data)) any(vapply(data, anyNA, NA)) else anyNA(data)
  if (gaps) stats::complete.cases(data) else rep(TRUE, nrow(data))
}

take_rows <- function(design, rows) {
  same <- identical(design$schema$same, TRUE)
  design$x <- design$x[rows, , drop = FALSE]
  design$z <- if (same) design$x else design$z[rows, , drop = FALSE]
  for (v in c("y", "trials", "unit", "unit_size", "weight", "offset", "gate_offset")) {
    if (!is.null(design[[v]])) design[[v]] <- design[[v]][rows]
  }
  design$frame <- NULL
  design
}

# So many rows of all, spread evenly.
take_evenly <- function(design, most) {
  total <- nrow(design$x)
  if (total <= most) design else take_rows(design, evenly(total, most))
}

# At most so many of 1, 2, ..., total.
evenly <- function(total, most) unique(round(seq(1, total, length.out = min(total, most))))

# Results of the complete rows, NA for the others.
spread_rows <- function(out, complete) {
  if (all(complete)) return(out)
  all_rows <- matrix(NA_real_, length(complete), ncol(out), dimnames = dimnames(out))
  all_rows[complete, ] <- out
  all_rows
}

# The frame as a model keeps it: under the schema's terms, whose environment holds no rows.
frame_to_keep <- function(frame, schema) {
  attr(frame, "terms") <- schema$frame
  frame
}

# Is this what a model of that schema keeps, and not new data?
is_kept_frame <- function(newdata, schema) {
  is.data.frame(newdata) && schema$kind == "formula" && identical(attr(newdata, "terms"), schema$frame)
}
