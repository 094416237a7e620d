# Designs of sources that are too large for memory: the numbers of the design are written to a scratch
# file, chunk by chunk, and the core reads them from there at each of its passes.

scratch_rows <- 1800L  # rows of a block of the file, those of a block of the core

# The columns that a call needs of a source; NULL, all, where a formula says `.`.
source_wanted <- function(source, formula, gating, call) {
  names <- unique(c(unlist(lapply(c(formula, gating, call$weights, call$subset), all.vars)), call$group))
  has <- source_columns(source)
  if ("." %in% names) has else intersect(has, names)
}

# Some rows of a source: of which types its columns are.
stream_head <- function(source, columns) {
  head <- NULL
  source_visit(source, function(chunk) {
    head <<- chunk
    enough()
  }, columns)
  head
}

check_stream_start <- function(start) {
  if (is.null(start) || inherits(start, "moe")) return(invisible())
  input_error("{.arg start} must be NULL or a model where a source is read in chunks, not labels or
    responsibilities of its rows.")
}

# The design of a formula on a source; `schema` NULL: it is made first.
stream_formula <- function(source, columns, call, formula, gating, family, schema, frame) {
  check_stream_call(source, columns, call, formula, frame)
  source <- counted_source(source)
  frame_of <- function(chunk, terms) frame_maker(call, chunk, frame, drop_levels = FALSE)(terms)
  if (!is.null(schema)) {
    environment(schema$frame) <- environment(formula)
    return(stream_rows(source, columns, schema, frame_of))
  }
  schema <- stream_schema(source, columns, formula, gating, family$family, frame_of)
  design <- stream_rows(source, columns, schema, frame_of, describe = TRUE)
  # Levels of no row that is used are dropped, as where rows are in memory.
  unused <- lapply(design$levels, function(count) names(count)[count == 0])
  if (!length(unlist(unused))) return(design)
  drop_scratch(design)
  schema <- stream_schema(source, columns, formula, gating, family$family, frame_of, unused)
  stream_rows(source, columns, schema, frame_of, describe = TRUE)
}

# Weights, subsets and na.action must mean the same in a chunk as in all rows.
check_stream_call <- function(source, columns, call, formula, frame) {
  head <- stats::setNames(vector("list", length(columns)), columns)
  for (name in intersect(c("weights", "subset"), names(call))) {
    if (is_by_row(call[[name]], head, frame) && length(all.vars(call[[name]]))) next
    input_error("{.arg {name}} must be made of columns of the source, by arithmetic and comparisons,
      where the source is read in chunks.", i = "Make it a column of the source.")
  }
  if (!"na.action" %in% names(call)) return(invisible())
  action <- eval(call$na.action, frame)
  if (is.character(action)) action <- get(action[1], mode = "function")
  if (!any(vapply(list(stats::na.omit, stats::na.exclude, stats::na.fail), identical, NA, action))) {
    input_error("{.arg na.action} must be {.fn na.omit}, {.fn na.exclude} or {.fn na.fail} where the
      source is read in chunks.")
  }
}

# ---- the schema -------------------------------------------------------------------------------

label_functions <- c("factor", "as.factor", "ordered", "as.character")

# The schema that all rows together give. `without`: levels, by variable, to be left out.
stream_schema <- function(source, columns, formula, gating, family, frame_of, without = list()) {
  head <- stream_head(source, columns)
  if (is.null(head)) source_error(source, "it holds no row.")
  terms <- formula_terms(formula, gating, head)
  whole <- Filter(function(call) !stream_by_row(call, head, environment(formula)), terms$calls)
  check_stream_calls(source, whole, head, environment(formula))
  labels <- stream_labels(source, names(head)[vapply(head, function(v) variable_kind(v) == "label", NA)])
  full <- stats::terms(frame_formula(terms, environment(formula)))
  found <- stream_bases(source, whole, full, columns)
  attr(full, "predvars") <- found$predvars
  frame <- stream_first_frame(source, columns, full, frame_of)
  schema <- new_schema(formula, gating, terms, frame$frame, frame$chunk, family)
  own <- lapply(labels, attr, "contrasts")
  labels <- c(lapply(labels, label_levels), found$levels)
  labels <- Map(function(levels, name) setdiff(levels, without[[name]]), labels, names(labels))
  for (name in names(schema$levels)) if (!is.null(labels[[name]])) schema$levels[[name]] <- labels[[name]]
  if (has_classes(schema) && !is.null(labels[[schema$response]])) schema$labels <- labels[[schema$response]]
  first <- frame$frame[frame_in_levels(frame$frame, schema), , drop = FALSE]
  first <- match_levels(first, schema)
  for (name in intersect(names(own), names(first))) {
    if (length(without[[name]])) own[name] <- list(NULL)  # as where rows are in memory
    first[[name]] <- with_contrasts(first[[name]], own[[name]])
  }
  design_from_frame(first, schema)$schema
}

stream_by_row <- function(call, head, env) is_by_row(call, head, env, outermost = FALSE)

# Rows of labels that the schema knows.
frame_in_levels <- function(frame, schema) {
  ok <- rep(TRUE, nrow(frame))
  for (name in names(schema$levels)) ok <- ok & as.character(frame[[name]]) %in% schema$levels[[name]]
  if (!is.null(schema$labels)) ok <- ok & as.character(frame[[schema$response]]) %in% schema$labels
  ok
}

# Variables that need all rows: bases and factors that are made in the formula. Others are refused.
check_stream_calls <- function(source, calls, head, env) {
  for (call in calls) {
    name <- if (is.call(call)) as.character(call[[1]])[length(call[[1]])] else ""
    inside <- if (is.call(call)) as.list(call)[-1] else list()
    known <- name %in% c(label_functions, basis_functions) &&
      all(vapply(inside, is_by_row, NA, head, env, FALSE, TRUE))
    if (known) next
    source_error(source, "{.code {deparse_one(call)}} can't be evaluated chunk by chunk: it may depend on
      all rows.", i = "Make it a column of the source, or raise {.arg memory_rows}, so that all rows are
      read into memory.")
  }
}

# The columns that are labels without their rows, over all chunks: factors, or the texts that occur.
stream_labels <- function(source, names) {
  if (!length(names)) return(list())
  out <- list()
  source_visit(source, function(chunk) {
    for (name in names) {
      v <- chunk[[name]]
      v <- if (is.factor(v)) v[0] else unique(v)
      if (!is.null(out[[name]])) v <- bind_column(list(out[[name]], v), name)
      out[[name]] <<- if (is.factor(v)) v[0] else unique(v)
    }
  }, names)
  out
}

label_levels <- function(v) if (is.factor(v)) levels(v) else sort(unique(v))

# What a model frame of all rows says of some of its variables, for which only their columns are read:
# how they are evaluated on new rows, and the levels of those that are factors.
stream_bases <- function(source, calls, terms, columns) {
  predvars <- attr(terms, "variables")
  if (!length(calls)) return(list(predvars = predvars, levels = list()))
  names <- intersect(columns, unique(unlist(lapply(calls, all.vars))))
  data <- source_read(source, names)
  f <- stats::as.formula(call("~", Reduce(function(a, b) call("+", a, b), calls)), env = environment(terms))
  frame <- try_formula(row_frame(f, data, na_action = stats::na.pass))
  known <- vapply(as.list(predvars)[-1], deparse_one, "")
  made <- as.list(attr(attr(frame, "terms"), "predvars"))[-1]
  for (i in seq_along(made)) predvars[[1 + match(names(frame)[i], known)]] <- made[[i]]
  labels <- Filter(function(v) is.factor(v) || is.character(v), as.list(frame))
  list(predvars = predvars,
    levels = lapply(labels, label_levels))
}

# The frame of the first chunk with rows to fit.
stream_first_frame <- function(source, columns, terms, frame_of) {
  out <- NULL
  source_visit(source, function(chunk) {
    frame <- try_formula(frame_of(chunk, terms))
    if (!nrow(frame)) return()
    out <<- list(frame = frame, chunk = chunk)
    enough()
  }, columns)
  if (is.null(out)) input_error("No row is left to fit: every row has missing values or is outside
    {.arg subset}.")
  out
}

# ---- the rows ---------------------------------------------------------------------------------

# All rows under a schema, in a scratch file: a design without rows in memory. `frame_of(chunk, terms)`
# makes the model frame of a chunk.
stream_rows <- function(source, columns, schema, frame_of, describe = FALSE) {
  file <- new_scratch(source$scratch, known_total(source))
  kept <- FALSE
  on.exit(if (!kept) file$remove())
  seen <- list(rows = 0, weight = 0, dropped = 0L, y = NULL)
  shape <- NULL
  levels <- lapply(schema$levels, function(l) stats::setNames(numeric(length(l)), l))
  variables <- NULL
  first <- 0
  source_visit(source, function(chunk) {
    before <- first
    first <<- first + nrow(chunk)
    frame <- stream_frame(source, chunk, schema, frame_of, before)
    seen$dropped <<- seen$dropped + length(stats::na.action(frame))
    if (describe) variables <<- add_descriptions(variables, chunk, schema)
    weight <- chunk_weights(frame)
    if (!is.null(weight)) {
      frame <- frame[weight > 0, , drop = FALSE]
      weight <- weight[weight > 0]
    }
    if (!nrow(frame)) return()
    for (name in names(levels)) {
      levels[[name]] <<- levels[[name]] + tabulate(frame[[name]], length(levels[[name]]))
    }
    design <- in_rows(refuse_shares(design_from_frame(frame, schema), frame), source, before)
    if (any(design$trials == 0)) {  # these do not count
      weight <- weight[design$trials > 0]
      design <- take_rows(design, which(design$trials > 0))
      if (!length(design$y)) return()
    }
    part <- scratch_columns(design, weight)
    shape <<- part$shape
    file$add(part$numbers)
    seen$rows <<- seen$rows + length(design$y)
    seen$weight <<- seen$weight + if (is.null(weight)) length(design$y) else sum(weight)
    seen$y <<- few_values(c(seen$y, design$y))
    seen$trials <<- max(seen$trials, design$trials, 0)
  }, columns)
  if (is.null(shape)) input_error("No row is left to fit: {.arg data} is empty, or every row has missing
    values or is outside {.arg subset}.")
  file$close()
  seen$counted <- seen$rows
  if (!shape$trials) seen$trials <- NULL
  if (describe) schema$variables <- finish_descriptions(variables, schema)
  kept <- TRUE
  empty <- function(columns) matrix(0, 0, columns)
  new_design(empty(shape$x), empty(shape$z), schema, x_intercept = shape$x_intercept,
    z_intercept = shape$z_intercept, add_intercept = shape$add_intercept,
    scratch = c(shape[c("shared", "weight", "offset", "gate_offset", "trials")],
      list(path = file$path, rows = seen$rows, block_rows = scratch_rows)),
    counts = seen, levels = levels, file = file)
}

stream_frame <- function(source, chunk, schema, frame_of, first) {
  frame <- try_formula(frame_of(chunk, schema$frame))
  action <- stats::na.action(frame)
  out <- in_rows(match_levels(frame, schema), source, first)
  attr(out, "na.action") <- action
  out
}

# Errors about rows of a chunk name the source and where the chunk begins.
in_rows <- function(code, source, first) {
  withCallingHandlers(code, moe_input_error = function(e) {
    if (inherits(e, "moe_source_error")) return()
    text <- cli::ansi_strip(conditionMessage(e))
    input_error("The source ({source_label(source)}), a chunk of rows after row {first}:", x = "{text}",
      class = "moe_source_error")
  })
}

# The weights of a chunk, all of which may be 0.
chunk_weights <- function(frame) {
  weight <- stats::model.weights(frame)
  if (is.null(weight)) return(NULL)
  if (is.numeric(weight) && all(weight == 0, na.rm = TRUE) && !anyNA(weight)) return(as.numeric(weight))
  check_weights(weight, nrow(frame))
}

# A response's range, and one value that is neither 0 nor 1.
few_values <- function(y) {
  other <- y[y != 0 & y != 1]
  unique(c(min(y), max(y), other[seq_len(min(1, length(other)))]))
}

# A chunk's design as one matrix, and what its columns are. Columns of ones are left to the core.
scratch_columns <- function(design, weight) {
  shared <- design$schema$same
  ones <- design$x_intercept == 1L && design$z_intercept == 1L
  strip <- function(m) if (ones) m[, -1, drop = FALSE] else m
  x <- strip(design$x)
  z <- if (!shared) strip(design$z)
  list(numbers = cbind(x, z, design$y, weight, design$offset, design$gate_offset, design$trials, deparse.level = 0),
    shape = list(x = ncol(x), z = if (shared) ncol(x) else ncol(z), shared = shared,
      weight = !is.null(weight), offset = !is.null(design$offset),
      gate_offset = !is.null(design$gate_offset), trials = !is.null(design$trials), x_intercept = design$x_intercept,
      z_intercept = design$z_intercept, add_intercept = ones))
}

# The file, written in blocks of rows, column by column in each. It is removed with the object that
# stands for it, if nobody has done so before: an error or an interrupt leaves nothing behind.
# `total`: how many rows there will be, NA where that is not known.
new_scratch <- function(where, total = NA_real_) {
  folder <- if (is.character(where)) where else tempdir()
  if (!dir.exists(folder)) input_error("The folder {.file {folder}} for scratch files is not there.")
  path <- tempfile("distmoe-", folder, ".scratch")
  connection <- file(path, "wb")
  Sys.chmod(path, "600")  # rows are in it
  rest <- NULL
  bytes <- 0
  columns <- 0
  no_room <- function(text) scratch_is_full(folder, file.size(path), bytes, 8 * columns * total, text)
  write <- function(m) {
    bytes <<- bytes + 8 * length(m)
    columns <<- ncol(m)
    # That a disk is full comes as a warning, or shows in the file's size when it is closed.
    said <- function(condition) no_room(conditionMessage(condition))
    tryCatch(writeBin(as.vector(m), connection), error = said, warning = said)
  }
  out <- new.env(parent = emptyenv())
  out$path <- path
  out$add <- function(numbers) {
    if (!is.null(rest)) numbers <- rbind(rest, numbers)
    full <- nrow(numbers) %/% scratch_rows
    for (i in seq_len(full)) write(numbers[(i - 1) * scratch_rows + seq_len(scratch_rows), , drop = FALSE])
    rest <<- numbers[seq_len(nrow(numbers) - full * scratch_rows) + full * scratch_rows, , drop = FALSE]
  }
  open <- TRUE
  shut <- function() if (open) {
    open <<- FALSE
    suppressWarnings(close(connection))
  }
  out$close <- function() {
    if (!is.null(rest) && nrow(rest)) write(rest)
    shut()
    if (!identical(as.numeric(file.size(path)), bytes)) no_room("not all of it was kept")
  }
  out$remove <- function() {
    shut()
    unlink(path)
  }
  reg.finalizer(out, function(e) e$remove(), onexit = TRUE)
  out
}

known_total <- function(source) {
  seen <- source$visits$rows
  if (is.null(seen)) source_rows(source) else seen
}

scratch_is_full <- function(folder, written, asked, needed, text) {
  size <- function(bytes) if (bytes < 1e6) paste(format_big(ceiling(bytes / 1e3)), "kB") else
    paste(format_big(ceiling(bytes / 1e6)), "MB")
  input_error("The scratch file in {.file {folder}} can't be written: is there no room left?", x = "{one_line(text)}",
    i = "It has {size(written)}, of {size(asked)} for the rows so far; {if (is.na(needed))
    'how much all rows need is not known' else paste('all rows need', size(needed))}.",
    i = "{.arg scratch} of {.fn moe_source} may name a folder with more room.")
}

drop_scratch <- function(design) if (!is.null(design$file)) design$file$remove()
