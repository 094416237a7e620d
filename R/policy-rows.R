# How many rows are behind what a site tells: the evidence that the disclosure check looks at. It stays at the site.

# Plain data, kept in a model's field `behind`. `frame`: the model frame, NULL where there is none (matrices; rows in a
# file, of which the design has the levels' counts). `folder`: that of the data.
rows_behind <- function(model, design, frame = design$frame, folder = NULL) {
  schema <- model$schema
  asked <- list(x = has_two_values(design$x, schema$expert$columns),
    z = has_two_values(design$z, schema$gate$columns))
  found <- cpp_rows_behind(design, core_model(model), asked,
    if (has_trials(model)) 0L else class_count(schema))
  out <- list(rows = found$rows, effective = found$effective, experts = found$experts,
    columns = quick_table(part = rep(c("expert", "gate"), c(length(found$x$differ), length(found$z$differ))),
      column = c(schema$expert$columns, if (length(found$z$differ)) schema$gate$columns),
      rows = c(found$x$differ, found$z$differ), carry = c(found$x$carry, found$z$carry)),
    leverage = max(found$x$leverage, found$z$leverage),
    label_leverage = max(found$x$asked_leverage, found$z$asked_leverage),
    levels = level_counts(schema, frame, design))
  if (length(found$classes)) out$classes <- stats::setNames(found$classes, class_names(schema))
  if (length(folder)) out$folder <- folder
  by_units(out, design)
}

# Where rows are grouped it is units that are protected: counts of rows, in units of the mean number of rows.
by_units <- function(behind, design) {
  if (is.null(design$unit)) return(behind)
  part <- sum(1 / design$unit_size) / length(design$unit)
  for (name in intersect(c("rows", "effective", "experts", "classes"), names(behind))) {
    behind[[name]] <- behind[[name]] * part
  }
  behind$columns[c("rows", "carry")] <- behind$columns[c("rows", "carry")] * part
  behind
}

# A data frame of plain columns, of which small sites want many.
quick_table <- function(...) {
  columns <- list(...)
  structure(columns, class = "data.frame", row.names = .set_row_names(length(columns[[1]])))
}

class_count <- function(schema) {
  if (has_many_classes(schema)) length(schema$labels) else if (has_classes(schema)) 2L else 0L
}

class_names <- function(schema) if (is.null(schema$labels)) c("0", "1") else schema$labels

# Columns of two values, as factors, comparisons and intercepts make them. (Of a curve some row is always the last.)
has_two_values <- function(x, columns) {
  few <- vapply(seq_len(ncol(x)), function(j) {
    v <- x[, j]
    length(v) > 0 && all(v == v[1] | v == v[match(TRUE, v != v[1], 1L)])
  }, NA)
  # A column of ones may stand apart; of rows in a file no column is looked at.
  c(rep(nrow(x) > 0, length(columns) - ncol(x)), few)
}

# Rows of weight above 0 of every level of every factor of the formulas, the response apart.
level_counts <- function(schema, frame, design) {
  names <- names(schema$levels)
  out <- lapply(names, function(name) {
    levels <- schema$levels[[name]]
    count <- if (!is.null(frame)) {
      v <- frame[[name]]
      counted <- if (is.null(design$weight)) rep(TRUE, length(v)) else design$weight > 0
      tabulate(match(as.character(v[counted]), levels), length(levels))
    } else if (!is.null(design$levels[[name]])) unname(design$levels[[name]][levels])
    if (!is.null(count)) {
      quick_table(variable = rep(name, length(levels)), level = levels, rows = as.numeric(count))
    }
  })
  do.call(rbind, out)
}

# What a model tells of the rows behind it; NULL: nothing is known here, as of models that were read, or of many sites.
known_behind <- function(model) {
  if (!is.null(model$behind)) return(model$behind)
  if (is.null(kept_frame(model)) || !identical(class(model), "moe")) return(NULL)
  frame <- if (is.data.frame(model$model)) model$model
  rows_behind(model, kept_design(model), frame)
}

# The boundary knots that the rows of a fit decided, rounded outwards, as arguments of a formula. Those of a start or of
# the formula itself tell nothing new.
own_knots <- function(schema) {
  if (schema$kind != "formula") return(NULL)
  calls <- as.list(attr(schema$frame, "variables"))[-1]
  made <- as.list(attr(schema$frame, "predvars"))[-1]
  out <- Map(function(asked, made) {
    if (!is_basis(asked) || !function_name(asked) %in% c("ns", "bs")) return(NULL)
    if ("Boundary.knots" %in% names(asked)) return(NULL)
    ends <- eval(made$Boundary.knots, list())
    if (length(ends) != 2) return(NULL)
    paste0(deparse_one(asked), ": Boundary.knots = c(", paste(rounded_outwards(ends), collapse = ", "), ")")
  }, calls, made)
  unlist(out)
}

rounded_outwards <- function(ends) {
  unit <- 10^floor(log10(diff(ends) / 2))
  c(floor(ends[1] / unit), ceiling(ends[2] / unit)) * unit
}

# Does a start bring the very bases?
has_bases_of <- function(start, schema) {
  inherits(start, "moe") && start$schema$kind == "formula" && schema$kind == "formula" &&
    identical(attr(start$schema$frame, "predvars"), attr(schema$frame, "predvars"))
}

# What the print of a message says of the columns about which it tells, those of the fewest rows first.
print_behind <- function(behind, most = 12) {
  if (!length(behind$columns)) {
    cat("\nRows behind the columns: not known here (a model that was read, or of many sites)\n")
    return(invisible())
  }
  columns <- behind$columns[!duplicated(behind$columns$column) & behind$columns$column != "(Intercept)", ]
  columns <- columns[order(columns$rows), ]
  cat("\nRows behind the columns: with another than the usual value, and that carry the sum of squares\n")
  shown <- utils::head(columns, most)
  if (nrow(shown)) {
    cat(paste0("  ", format(shown_names(shown$column)), "  ", format(format_each(shown$rows), justify = "right"), "  ",
      format(format_each(round(shown$carry, 1)), justify = "right"), "\n"), sep = "")
  }
  if (nrow(columns) > most) cat("  and ", nrow(columns) - most, " more\n", sep = "")
  invisible()
}

format_each <- function(x) vapply(x, format_big, "")

# Where the rows are files, the folder that they are in.
source_folder <- function(source) {
  paths <- if (is_source(source)) source$paths
  if (length(paths)) unique(ifelse(dir.exists(paths), paths, dirname(paths)))
}

# Rows of levels with few rows at this site put into the level that the site's policy names.
merge_rare_levels <- function(data, schema, folder) {
  if (!site_has_policy(folder)) return(data)
  policy <- policy_in_force(folder = folder)
  into <- policy$rare_levels
  if (into == "refuse") return(data)
  for (name in intersect(names(schema$levels), names(data))) {
    v <- as.character(data[[name]])
    count <- table(v)
    rare <- setdiff(names(count)[count < policy$column_rows], into)
    if (!length(rare)) next
    if (!into %in% schema$levels[[name]]) {
      input_error("The policy puts {cli::qty(rare)}rare level{?s} {.val {rare}} of {.val {name}} into {.val {into}}, a
        level that the model's factor does not have.", i = "Take a start whose factor has it.")
    }
    data[[name]] <- factor(replace(v, v %in% rare, into), levels = schema$levels[[name]])
  }
  data
}
