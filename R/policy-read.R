# Files of policies, and which of them are in force.

policy_name <- "distmoe-policy.json"

# Field by field; what is not there has its default.
read_policy <- function(file) {
  if (!is.character(file) || length(file) != 1 || is.na(file)) {
    input_error("{.arg file} must be the name of a policy file, not {show_value(file)}.")
  }
  if (!file.exists(file) || dir.exists(file)) input_error("There is no policy file {.file {file}}.")
  if (file.size(file) > 1e6) input_error("The policy file {.file {file}} is larger than 1 MB.")
  tree <- tryCatch(jsonlite::parse_json(readChar(file, file.size(file), useBytes = TRUE)),
    error = function(e) NULL, warning = function(w) NULL)
  if (!is.list(tree) || is.null(names(tree))) input_error("The policy file {.file {file}} holds no JSON object.")
  twice <- names(tree)[duplicated(names(tree))]
  if (length(twice)) input_error("Field {.field {shown_text(twice[1])}} stands twice in the policy {.file {file}}.")
  unknown <- setdiff(names(tree), c("schema", names(policy_fields)))
  if (length(unknown)) {
    near <- near_name(unknown[1], names(policy_fields))
    input_error("The policy {.file {file}} has the field {.field {shown_text(unknown[1])}}, which no policy has.",
      i = if (length(near)) "Do you mean {.field {near}}?")
  }
  if (!identical(tree$schema, "distmoe-policy/1")) {
    input_error("Field {.field schema} of the policy {.file {file}} must be {.val distmoe-policy/1}.")
  }
  values <- unclass(default_policy())[names(policy_fields)]
  for (name in setdiff(names(tree), "schema")) {
    v <- tree[[name]]
    if (is.list(v) && !length(v)) v <- character()
    if (is.list(v) && all(vapply(v, function(one) is.atomic(one) && length(one) == 1, NA))) v <- unlist(v)
    values[name] <- list(v)
  }
  policy <- new_policy(values, file, normalizePath(file))
  if (!is.null(policy$ledger) && dirname(policy$ledger) == ".") {
    policy$ledger <- file.path(dirname(policy$files), policy$ledger)
  }
  policy
}

write_policy <- function(policy, file, overwrite) {
  check_file_name(file)
  if (file.exists(file) && !overwrite) refuse_overwrite(file)
  fields <- unclass(policy)[names(policy_fields)]
  fields[c("formulas", "functions", "share")] <- lapply(fields[c("formulas", "functions", "share")],
    function(v) if (!is.null(v)) I(v))
  # What bounds nothing is not a number of JSON.
  if (!is.finite(fields$parameters_per_row)) fields$parameters_per_row <- 1e9
  if (!is.finite(fields$exchanges)) fields$exchanges <- 1e9
  tree <- c(list(schema = "distmoe-policy/1"), fields)
  text <- function(v) as.character(jsonlite::toJSON(v, auto_unbox = TRUE, null = "null", digits = NA))
  parts <- vapply(tree, text, "")
  written <- tryCatch({
    writeLines(c("{", paste0("  \"", names(tree), "\": ", parts, c(rep(",", length(parts) - 1), "")), "}"), file)
    TRUE
  }, error = function(e) FALSE, warning = function(w) FALSE)
  if (!written) input_error("The file {.file {file}} can't be written.")
}

# The files that hold here. `folder`: that of the data, NULL where these are no files.
policy_files <- function(folder = NULL) {
  named <- c(Sys.getenv("DISTMOE_POLICY"), getOption("distmoe.policy"))
  named <- named[nzchar(named)]
  beside <- if (length(folder)) file.path(folder, policy_name)
  unique(c(named, Filter(file.exists, beside)))
}

# `asked`: NULL, a policy, or FALSE for none; `limits`: single fields, NULL where nothing is asked. A file's can only be
# made stricter.
policy_in_force <- function(asked = NULL, limits = list(), folder = NULL) {
  if (!is.null(asked) && !isFALSE(asked) && !inherits(asked, "moe_policy")) {
    input_error("{.arg policy} must be NULL, FALSE or what {.fn moe_policy} gives, not {.obj_type_friendly {asked}}.")
  }
  files <- policy_files(folder)
  default <- default_policy(ledger = NULL)
  if (!length(files)) {
    policy <- if (isFALSE(asked)) open_policy() else if (is.null(asked)) default else asked
    limits <- Filter(Negate(is.null), limits)
    policy[names(limits)] <- limits
    # Who says that fewer rows will do means weights as well.
    policy$effective_rows <- min(policy$effective_rows, policy$rows)
    return(policy)
  }
  policy <- Reduce(stricter_policy, lapply(files, read_policy))
  if (isFALSE(asked)) {
    input_error("{.code policy = FALSE} can't turn off the policy of the site, {.file {policy$files}}.")
  }
  if (!is.null(asked)) policy <- stricter_policy(policy, asked)
  for (name in names(Filter(Negate(is.null), limits))) {
    policy[[name]] <- policy_fields[[name]]$stricter(policy[[name]], limits[[name]])
  }
  policy
}

# Is there a file at all, so that it holds for more than what is written?
site_has_policy <- function(folder = NULL) length(policy_files(folder)) > 0
