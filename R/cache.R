# Sites that are done, kept as files: a run that stopped is gone on with. A file is text that is checked
# field by field; its name says the site, what was asked of it, of which data, and its random numbers.

cache_format <- "distmoe-cache/1"

check_cache <- function(cache) {
  if (is.null(cache)) return(NULL)
  if (!is.character(cache) || length(cache) != 1 || is.na(cache) || !nzchar(cache)) {
    input_error("{.arg cache} must be the path of a folder, or NULL, not {show_value(cache)}.")
  }
  if (!dir.exists(cache) && !dir.create(cache, FALSE, TRUE)) {
    input_error("{.arg cache} = {.path {cache}} is no folder and can't be made one.",
      i = "Give the path of a folder in which files can be written.")
  }
  if (file.access(cache, 2) != 0) {
    input_error("{.arg cache} = {.path {cache}} can't be written to.")
  }
  cache
}

# A file for every site: what was asked, then the random numbers.
cache_files <- function(cache, sources, task, seeds) {
  start <- task$start
  schema <- task$schema
  # What a fit depends on. Ranges of variables, which the schema holds too, are not part of it: they come
  # from all sites, and one that was missing would change them for the others.
  design <- schema[c("formula", "gating", "response", "labels", "levels", "expert", "gate")]
  bases <- lapply(schema[c("frame", "expert", "gate")], function(part) {
    terms <- if (inherits(part, "terms")) part else part$terms
    paste(deparse(attr(terms, "predvars")), collapse = " ")
  })
  asked <- list(cache_format, plain_only(design), bases, task$K, task$family$family, task$weights,
    start$parameters, plain_only(unclass(task$control)), task$min_rows, task$share)
  words <- gsub("[^A-Za-z0-9_-]", "_", substr(names(sources), 1, 40))
  asked <- vapply(seq_along(sources), function(i) {
    short_digest(list(asked, names(sources)[i], source_identity(sources[[i]])))
  }, "")
  random <- vapply(seeds, short_digest, "")
  file.path(cache, paste0(words, "-", asked, "-", random, ".json"))
}

short_digest <- function(x) substr(digest::digest(x, "sha256"), 1, 24)

# Data frames by what they hold; files by path, size and time of change; what a function gives can't be known
# without asking, so its text stands for it.
source_identity <- function(source) {
  if (!is_source(source)) return(source)
  files <- source$paths
  list(plain_only(source), if (!is.null(files)) file.info(files)[c("size", "mtime")],
    lapply(source[c("give", "open")], deparse))
}

# Of lists the parts that are data: formulas as text, functions and environments not at all.
plain_only <- function(x) {
  if (inherits(x, "formula") || is.language(x)) return(paste(deparse(x), collapse = " "))
  if (is.function(x) || is.environment(x)) return(NULL)
  if (!is.list(x)) return(x)
  lapply(unclass(x), plain_only)
}

# What is there of the sites, by name. Files that are not as they should be are named and done anew.
cache_found <- function(files, sources, task) {
  found <- list()
  broken <- character()
  for (i in which(file.exists(files))) {
    result <- tryCatch(cache_read(files[i], task), error = function(e) NULL)
    if (is.null(result)) broken <- c(broken, files[i])
    else found[[names(sources)[i]]] <- result
  }
  if (length(broken)) {
    cli::cli_warn(c("{length(broken)} file{?s} of {.arg cache} can't be used; {?its site is/their sites are}
      fitted anew: {.file {broken}}."))
  }
  others <- which(!file.exists(files))
  if (length(others)) say_other_random_numbers(files[others])
  found
}

say_other_random_numbers <- function(files) {
  stem <- function(file) sub("-[0-9a-f]{24}[.]json$", "", basename(file))
  there <- stem(list.files(dirname(files[1]), "[.]json$"))
  count <- sum(stem(files) %in% there)
  if (count) {
    cli::cli_inform(c(i = "{count} site{?s} {?is/are} in {.arg cache} with other random numbers, and {?is/are}
      fitted anew. {.fn set.seed} with the same number before each run keeps them the same."))
  }
}

# ---- files ------------------------------------------------------------------------------------

# Written beside and then renamed: a file is whole or not there.
cache_write <- function(file, result) {
  model <- result$model
  model[c("schema", "family")] <- NULL
  kept <- list(format = cache_format, row = result$row, model = unclass(model), class = class(result$model))
  text <- plain_text(kept)
  beside <- paste0(file, ".", Sys.getpid())
  writeLines(enc2utf8(text), beside, useBytes = TRUE)
  file.rename(beside, file)
}

cache_read <- function(file, task) {
  kept <- plain_read(paste(readLines(file, warn = FALSE, encoding = "UTF-8"), collapse = "\n"))
  row <- kept$row
  model <- kept$model
  p <- model$parameters
  columns <- length(task$schema$expert$columns)
  ok <- identical(kept$format, cache_format) && identical(kept$class, "moe") && is.list(row) &&
    identical(row$status, "fitted") && is.list(p) && is.numeric(p$beta) && is.numeric(p$alpha) &&
    identical(dim(p$beta), c(columns, task$K * count_parts(task$schema))) &&
    identical(dim(p$alpha), c(length(task$schema$gate$columns), task$K - 1L)) &&
    length(p$dispersion) == task$K && all(is.finite(c(p$beta, p$alpha, p$dispersion)))
  if (!ok) input_error("{.file {file}} is no file of this cache.")
  model$family <- task$family
  model$schema <- task$schema
  list(row = row, model = structure(model, class = "moe"))
}

# ---- plain data as text -----------------------------------------------------------------------

# Lists, vectors, matrices and data frames of numbers, words and truth values, to the last bit; nothing else.
plain_text <- function(x) as.character(jsonlite::toJSON(plain_tree(x), auto_unbox = TRUE, null = "null"))

plain_read <- function(text) plain_value(jsonlite::fromJSON(text, simplifyVector = FALSE))

plain_tree <- function(x) {
  if (is.null(x)) return(list(type = "null"))
  extra <- setdiff(names(attributes(x)), c("names", "dim", "dimnames", if (is.data.frame(x)) c("class", "row.names")))
  type <- if (is.data.frame(x)) "table" else if (is.list(x)) "list" else typeof(x)
  if (length(extra) || !type %in% c("table", "list", "double", "integer", "logical", "character")) {
    stop("Not plain data: ", paste(class(x), collapse = ", "), " with ", paste(extra, collapse = ", "))
  }
  out <- list(type = type)
  if (!is.null(names(x))) out$names <- I(as.list(names(x)))
  if (!is.null(dim(x)) && type != "table") out$dim <- I(dim(x))
  if (!is.null(dimnames(x)) && type != "table") out$dimnames <- lapply(unname(dimnames(x)), plain_tree)
  out$value <- switch(type,
    table = , list = lapply(unname(as.list(x)), plain_tree),
    double = I(as.list(sprintf("%a", x))),
    I(as.list(as.character(x))))
  out
}

plain_value <- function(tree) {
  if (!is.list(tree) || !is.character(tree$type)) stop("not plain data")
  words <- function(v) vapply(v, function(w) if (is.null(w)) NA_character_ else as.character(w), "")
  numbers <- function(v, as) {
    out <- suppressWarnings(as(v))
    if (any(is.na(out) & !v %in% c("NA", "NaN", NA))) stop("not a number")
    out
  }
  value <- tree$value
  x <- switch(tree$type,
    null = return(NULL),
    table = , list = lapply(value, plain_value),
    double = numbers(words(value), as.numeric),
    integer = numbers(words(value), as.integer),
    logical = numbers(words(value), as.logical),
    character = words(value),
    stop("not plain data"))
  x <- unname(x)
  if (length(tree$dim)) dim(x) <- unlist(tree$dim)
  if (length(tree$dimnames)) dimnames(x) <- lapply(tree$dimnames, plain_value)
  if (length(tree$names)) names(x) <- words(tree$names)
  if (tree$type == "table") x <- as.data.frame(x, optional = TRUE, stringsAsFactors = FALSE)
  x
}
