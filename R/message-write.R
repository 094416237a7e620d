#' Messages: models as files that institutions may exchange
#'
#' `write_moe()` writes a model to a file of text (JSON) that holds no row, after
#' a check that enough rows are behind its numbers. `moe_message()` makes the
#' same message without writing it; its print shows what would leave the house.
#' [read_moe()] reads messages, trusting none of them.
#'
#' @eval message_help()
#'
#' @section Versions:
#' `schema` is `"distmoe/major.minor"`. A reader takes all lower minor versions of its major (what was added since
#' has the default that stands above), and refuses later ones. `"distmoe/1"`, of version 0.2 of the package, is 1.0.
#'
#' @section Checksum and trees:
#' `checksum` is the SHA-256 of the canonical text of all other fields: no white
#' space, fields in their order, numbers in C's `%.17g` (-0 as `-0.0`), in strings a
#' backslash before `"` and `\` only. Matrices stand by column, symmetric ones as their lower triangle.
#'
#' A tree is `{"name": "x"}` for a name, an array for a call (`["log", {"name":
#' "x"}]`), or a value. Only functions that [read_moe()] knows may be in it: operators of
#' formulas, arithmetic and comparison, `I()`, `offset()`, `log()`, `exp()`, `sqrt()` and
#' the like, `ifelse()`, `factor()`, `poly()`, `ns()`, `bs()`, `scale()`. A model whose
#' formula names others, or values from where it was made that are not single
#' numbers, is refused by name: make such columns in the data before the fit. So is `poly()` of
#' several variables, and a basis of more than 200 functions or whose size depends on the rows.
#' Experts and gates have 3,000 columns at most, as a factor has levels.
#'
#' @section Disclosure:
#' A message is refused, with all reasons, if it tells too much of few rows: see [moe_policy()] for the rules and
#' their defaults. What they look at (rows behind experts, columns, levels) is counted where the rows are: by
#' [moe_sites()] and [moe_statistics()], and of models that keep their rows when the message is made. Of a model
#' that was read, or that many sites have made, only numbers of rows, experts' shares and parameters are known. Sums
#' such as `information` and `shared` tell more than parameters do: send them where rows are many.
#'
#' @param fit A model of class `moe` however it was made (an aggregate is written
#'   as one model, without its sites; also what [moe_statistics()] gives), a
#'   `moe_sites` object, or a message (then `site`, `information` and `state` are as it was made).
#' @param file Name of the file; for `moe_sites` a folder, in which every site's
#'   model has a file of its own.
#' @param site Name of the site. `write_moe()` takes by default that of the file without its ending, and for
#'   `moe_sites` the sites' own.
#' @param information TRUE: with the information matrix, if the model keeps one. By
#'   default for models of `moe_sites` (which have one if asked for).
#' @param state TRUE: a model amid rounds by file has with it what the centre needs to take
#'   back a step (the sums of all sites together). FALSE: what sites need alone.
#' @param min_rows,min_expert_rows,min_rows_per_parameter NULL: those of the policy (by default 50 rows, 10 rows an
#'   expert, 3 rows a parameter). Numbers: instead of these, 0 for none; where the site has a policy file they can
#'   only be stricter.
#' @param policy NULL: that in force, see [moe_policy()]. A policy, or FALSE for no check, where the rows are not
#'   secret; where the site has a policy file it can only be stricter.
#' @param overwrite TRUE: an existing file is replaced.
#' @param key,registry NULL: not signed. Else the name of one's own secret file ([moe_keys()]) and the study's registry
#'   ([moe_registry()]): the message is signed (see [moe_signed]), under the name that the registry has for the key.
#' @param answers At a site, what the message answers: the centre's message, as a file's name or as [read_moe()] gave
#'   it. Answers of [moe_statistics()] know it; by default it is the centre's last model that the log knows.
#' @param exchange At the centre, the number of the exchange; by default one more than the last in the log. A second
#'   copy of a message has the first one's.
#' @param log The log's file ([moe_log()]); by default beside the registry. FALSE: none.
#' @param ... For methods.
#' @return `moe_message()`: a list of class `moe_message` with `tree` (nested lists of the fields, all but the
#'   checksum), `text` (the file's), `counts` (what the disclosure check looks at: `n`, the experts'
#'   `share`, the number of `parameters`, and, where it is known, `behind`: rows behind
#'   experts, columns, levels). `write_moe()`: the names of the files, invisibly; for `moe_sites` they are named by
#'   the sites.
#' @examples
#' sim <- moe_simulate(1000, K = 2, d = 2, seed = 1)
#' fit <- moe(y ~ ., sim$data, K = 2)
#' moe_message(fit, "north")
#' file <- tempfile(fileext = ".json")
#' write_moe(fit, file, site = "north")
#' again <- read_moe(file)
#' identical(coef(again), coef(fit))
#' @name moe_message
#' @export
moe_message <- function(fit, site = "site", information = FALSE, state = TRUE) {
  new_message(fit, site, information, state, NULL)
}

# `policy`: NULL, that in force.
new_message <- function(fit, site, information, state, policy) {
  if (inherits(fit, "moe_message")) return(fit)
  if (!is.character(site) || length(site) != 1 || is.na(site) || !nzchar(trimws(site))) {
    input_error("{.arg site} must be one name, not {show_value(site)}.")
  }
  if (inherits(fit, "moe_statistics")) {
    tree <- statistics_tree(fit)
    counts <- fit$counts
  } else {
    check_moe(fit, "fit")
    if (inherits(fit, "moe_hierarchy")) fit <- asked_population(fit)
    if (is.null(policy)) policy <- policy_in_force(folder = fit$behind$folder)
    tree <- model_tree(fit, site, check_flag(information, "information"), check_flag(state, "state"), policy$round_rows)
    counts <- model_counts(fit, information)
  }
  structure(list(tree = tree, text = message_file_text(tree), counts = counts), class = "moe_message")
}

#' @rdname moe_message
#' @export
write_moe <- function(fit, file, ...) UseMethod("write_moe")

#' @rdname moe_message
#' @export
write_moe.default <- function(fit, file, site = NULL, information = FALSE, state = TRUE, min_rows = NULL,
                              min_expert_rows = NULL, min_rows_per_parameter = NULL, policy = NULL, overwrite = FALSE,
                              key = NULL, registry = NULL, answers = NULL, exchange = NULL, log = NULL, ...) {
  check_dots(...)
  check_file_name(file)
  limits <- asked_limits(min_rows, min_expert_rows, min_rows_per_parameter)
  sender <- open_sender(fit, key, registry, log, exchange, answers)
  if (!is.null(sender)) site <- sender_name(sender, if (inherits(fit, "moe_statistics")) fit$site else site)
  if (is.null(site)) site <- sub("\\.json$", "", basename(file), ignore.case = TRUE)
  overwrite <- check_flag(overwrite, "overwrite")
  if (file.exists(file) && !overwrite) refuse_overwrite(file)
  told <- inherits(fit, c("moe_message", "moe_statistics"))
  folder <- if (told) fit$counts$behind$folder else check_moe(fit, "fit")$behind$folder
  policy <- policy_in_force(policy, limits, folder)
  message <- signed_message(new_message(fit, site, information, state, policy), sender)
  check_first_answer(message, sender)
  let_leave(list(message), list(policy), function(bad) "The model")
  write_text(message$text, file, overwrite)
  log_sent(sender, list(message), file)
  invisible(file)
}

#' @rdname moe_message
#' @export
write_moe.moe_sites <- function(fit, file, information = TRUE, min_rows = NULL, min_expert_rows = NULL,
                                min_rows_per_parameter = NULL, policy = NULL, overwrite = FALSE, key = NULL,
                                registry = NULL, answers = NULL, exchange = NULL, log = NULL, ...) {
  check_dots(...)
  check_file_name(file)
  sender <- open_sender(fit, key, registry, log, exchange, answers)
  limits <- asked_limits(min_rows, min_expert_rows, min_rows_per_parameter)
  overwrite <- check_flag(overwrite, "overwrite")
  if (!length(fit$models)) input_error("No site has a model to be written.")
  names <- names(fit$models)
  if (!is.null(sender)) for (site in names) sender_name(sender, site)
  policies <- lapply(fit$models, function(m) policy_in_force(policy, limits, m$behind$folder))
  messages <- lapply(stats::setNames(names, names), function(site) {
    new_message(fit$models[[site]], site, information, TRUE, policies[[site]])
  })
  files <- file.path(file, safe_file_names(names))
  there <- files[file.exists(files)]
  if (length(there) && !overwrite) refuse_overwrite(there[1])
  let_leave(messages, policies, function(bad) paste0("The model of site \"", names[bad[1]], "\"",
    if (length(bad) > 1) paste0(" (and of ", length(bad) - 1, " more)")))
  if (!dir.exists(file) && !dir.create(file, recursive = TRUE)) {
    input_error("The folder {.file {file}} can't be made.")
  }
  messages <- lapply(messages, signed_message, sender)
  for (i in seq_along(files)) write_text(messages[[i]]$text, files[i], overwrite)
  log_sent(sender, messages, files)
  invisible(stats::setNames(files, names))
}

# Who signs does so by the registry's name.
sender_name <- function(sender, site) {
  if (!is.null(site) && !identical(enc2utf8(site), sender$site)) {
    input_error("{.arg key} signs for {.val {shown_names(sender$site)}}, and this message is of
      {.val {shown_names(site)}}.", i = "Give the site the name that the registry has.")
  }
  sender$site
}

check_file_name <- function(file) {
  if (!is.character(file) || length(file) != 1 || is.na(file) || file == "") {
    input_error("{.arg file} must be the name of a file, not {show_value(file)}.")
  }
}

asked_limits <- function(min_rows, min_expert_rows, min_rows_per_parameter) {
  limit <- function(v, name) if (!is.null(v)) check_number(v, name)
  list(rows = limit(min_rows, "min_rows"), expert_rows = limit(min_expert_rows, "min_expert_rows"),
    parameters_per_row = if (!is.null(min_rows_per_parameter)) {
      1 / limit(min_rows_per_parameter, "min_rows_per_parameter")
    })
}

# Names that every file system takes, different also where case does not count.
safe_file_names <- function(names) {
  out <- gsub("^[._-]+", "", gsub("[^A-Za-z0-9._-]+", "_", iconv(names, to = "ASCII", sub = "_")))
  out <- substr(ifelse(out == "", "site", out), 1, 100)
  taken <- make.unique(tolower(out), sep = "-")
  paste0(ifelse(taken == tolower(out), out, taken), ".json")
}

# About: no message is made to know its size. Its design is, which says whether it can be written.
#' @export
#' @noRd
message_size.moe <- function(model) {
  schema <- model$schema
  shape <- list(p = length(schema$expert$columns), q = length(schema$gate$columns), K = model$K,
    parts = count_parts(schema), family = model$family$family)
  for (part in c("x", "z")) model$information$scaling[[part]]$combination <- NULL  # of aliased columns alone
  covariance <- model$shared$x$covariance
  if (length(covariance)) model$shared$x$covariance <- packed(covariance)
  numbers <- unclass(model)[c("n", "weight", "dropped", "parameters", "log_lik", "share", "record", "information",
    "shared")]
  tryCatch({
    check_tree_sizes(list(schema$expert$columns, schema$gate$columns), schema$levels, model$weight)
    design <- design_tree(schema)
    check_tree_texts(design)
    list(bytes = nchar(json_text(design), "bytes") + envelope_bytes + round(fields_bytes(numbers, "model", shape)))
  }, moe_input_error = function(e) list(bytes = NA_real_, why = one_line(sub(" \u2139.*", "", said(e)))))
}

#' @export
print.moe_message <- function(x, ...) {
  tree <- x$tree
  tree$checksum <- message_checksum(tree)
  cat("Message of site \"", shown_names(tree$site), "\": ", format_big(nchar(x$text, "bytes")),
    " bytes of text; no row is in it\n\n", sep = "")
  size <- vapply(tree, function(v) nchar(json_text(v), "bytes"), 0)
  shown <- vapply(tree, function(v) if (is.list(v) || length(v) != 1) "" else shown_json(v), "")
  shown <- ifelse(vapply(tree, is.null, NA), "none", strtrim(shown, 20))
  words <- vapply(message_objects[[tree$kind]][names(tree)], function(f) f$words, "")
  cat(paste0(format(c("field", names(tree))), "  ", format(c("bytes", format_big(size)), justify = "right"), "  ",
    format(c("what", words)), "  ", c("value", shown), "\n"), sep = "")
  print_behind(x$counts$behind)
  policy <- policy_in_force(folder = x$counts$behind$folder)
  faults <- disclosure_faults(x$counts, policy)
  cat("\nDisclosure check (", if (length(policy$files)) "the site's policy" else "default limits", "): ",
    if (length(faults)) "REFUSED" else "passed", "\n", sep = "")
  if (length(faults)) cat(paste0("  ", faults, "\n"), sep = "")
  cat("All of it: ", if (is.null(x$file)) "cat(message$text)" else x$file, "\n", sep = "")
  invisible(x)
}
