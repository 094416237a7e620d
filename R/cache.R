# Sites that are done, kept as files: a run that stopped is gone on with. A file is text that is checked
# field by field; its name says the site, what was asked of it, of which data, and its random numbers.

cache_format <- "distmoe-cache/2"

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

# A file for every site: its name holds the beginning of two keys, what was asked and the random numbers.
cache_files <- function(cache, sources, task, seeds) {
  schema <- task$schema
  # What a fit depends on. Ranges of variables, which the schema holds too, are not part of it: they come
  # from all sites, and one that was missing would change them for the others.
  design <- schema[c("formula", "gating", "response", "labels", "levels")]
  parts <- lapply(schema[c("expert", "gate")], function(part) {
    part$terms <- attr(part$terms, "predvars")
    part
  })
  asked <- content_text(list(cache_format, as.character(utils::packageVersion("distmoe")), design, parts,
    attr(schema$frame, "predvars"), formula_values(schema), task$K, task$family$family, task$weights,
    task$start$parameters, task$control, task$min_rows, task$share))
  words <- gsub("[^A-Za-z0-9_-]", "_", substr(names(sources), 1, 40))
  asked <- vapply(seq_along(sources), function(i) {
    text_key(paste(asked, content_text(names(sources)[i]), content_text(source_identity(sources[[i]]))))
  }, "")
  random <- vapply(seeds, function(seed) text_key(content_text(seed)), "")
  structure(file.path(cache, paste0(words, "-", substr(asked, 1, 24), "-", substr(random, 1, 24), ".json")),
    keys = paste0(asked, "-", random))
}

text_key <- function(text) digest::digest(text, "sha256", serialize = FALSE)

# Data frames by what they hold; files by path, size and time of change; what a function gives can't be known
# without asking, so its text stands for it.
source_identity <- function(source) {
  if (!is_source(source)) return(source)
  files <- source$paths
  list(source, if (!is.null(files)) file.info(files)[c("size", "mtime")])
}

# What a formula takes from where it was made: constants, and functions that are of no package.
formula_values <- function(schema) {
  if (schema$kind != "formula") return(NULL)
  env <- environment(schema$frame)
  names <- setdiff(all.names(attr(schema$frame, "predvars"), unique = TRUE),
    c(schema$needs, schema$response_variables))
  values <- lapply(stats::setNames(nm = sort(names)), get0, env)
  Filter(function(v) !is.null(v) && !is.primitive(v) && !(is.function(v) && isNamespace(environment(v))), values)
}

exact_deparse <- c("keepNA", "keepInteger", "niceNames", "showAttributes", "hexNumeric")

# A text that is the same for the same content, to the last bit. Environments have none.
content_text <- function(x) {
  type <- typeof(x)
  value <- switch(type,
    double = , integer = , logical = , complex = , raw = text_key(writeBin(as.vector(x), raw())),
    character = text_key(paste0(ifelse(is.na(x), "", nchar(enc2utf8(x), "bytes")), ":", enc2utf8(x), collapse = "")),
    list = paste(vapply(unname(unclass(x)), content_text, ""), collapse = ","),
    symbol = , language = , closure = text_key(paste(deparse(x, control = exact_deparse), collapse = "\n")),
    "")
  attributes <- if (!type %in% c("language", "closure", "environment")) attributes(x)
  if (is.data.frame(x)) attributes$row.names <- length(attributes$row.names)
  attributes <- attributes[setdiff(sort(names(attributes)), c(".Environment", "srcref"))]
  more <- if (length(attributes)) {
    paste0("{", paste0(names(attributes), "=", vapply(attributes, content_text, ""), collapse = ","), "}")
  }
  paste0(type, "[", length(x), "](", value, ")", more)
}

# What is there of the sites, by name. Files that are not as they should be are named and done anew.
cache_found <- function(files, sources, task) {
  found <- list()
  broken <- character()
  for (i in which(file.exists(files))) {
    result <- tryCatch(cache_read(files[i], attr(files, "keys")[i], task), error = function(e) NULL)
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

# One line with the format, the whole keys and a checksum, and one with the content. Written beside and then
# renamed: a file is whole or not there. That it can't be written does not stop the fits.
cache_write <- function(file, key, result) {
  beside <- paste0(file, ".", Sys.getpid())
  on.exit(unlink(beside))
  whole <- tryCatch(suppressWarnings({
    model <- unclass(result$model)
    model[c("schema", "family")] <- NULL
    content <- enc2utf8(plain_text(list(row = result$row, model = model, class = class(result$model))))
    bytes <- charToRaw(paste0(cache_head(key, content), "\n\"content\":", content, "}\n"))
    writeBin(bytes, beside)
    # A full disk is not always an error.
    file.size(beside) == length(bytes) && file.rename(beside, file)
  }), error = conditionMessage)
  if (isTRUE(whole)) return(invisible())
  why <- if (is.character(whole)) paste0(": ", one_line(whole))
  cli::cli_warn(c("The file {.file {file}} of {.arg cache} can't be written{why}.",
    i = "A further run fits that site again."))
}

cache_head <- function(key, content) {
  sprintf("{\"format\":\"%s\",\"key\":\"%s\",\"checksum\":\"%s\",", cache_format, key, text_key(content))
}

cache_read <- function(file, key, task) {
  foreign <- function() input_error("{.file {file}} is no file of this cache.")
  lines <- readLines(file, 3, warn = FALSE, encoding = "UTF-8")
  content <- sub("}$", "", sub("^\"content\":", "", lines[2]))
  if (length(lines) != 2 || !identical(lines[1], cache_head(key, content))) foreign()
  kept <- plain_read(content)
  row <- kept$row
  model <- kept$model
  p <- model$parameters
  columns <- length(task$schema$expert$columns)
  ok <- identical(kept$class, "moe") && is_site_row(row) && identical(row$status, "fitted") &&
    is.list(p) && is.numeric(p$beta) && is.numeric(p$alpha) &&
    identical(dim(p$beta), c(columns, task$K * count_parts(task$schema))) &&
    identical(dim(p$alpha), c(length(task$schema$gate$columns), task$K - 1L)) &&
    length(p$dispersion) == task$K && all(is.finite(c(p$beta, p$alpha, p$dispersion)))
  if (!ok) foreign()
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
