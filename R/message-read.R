#' Read messages
#'
#' Reads a file that [write_moe()] wrote, or all `.json` files of a folder. Every
#' field is checked: bytes, types, sizes, that numbers are finite, that names
#' and levels go together, the checksum. Nothing of the file is parsed or evaluated
#' as R: formulas are rebuilt from functions that are known to be
#' harmless, and work in an environment that holds nothing else.
#'
#' In a folder one bad file does not stop the others: it is listed as `"refused"`
#' with its file, the field and the reason, and [moe_aggregate()] warns of it. Names of sites that differ only in
#' case or in what can't be seen are one name, and refused as given twice; such characters are shown as
#' `<U+202E>`. The models are brought to one
#' design, that of the first site by name, by the NAMES of columns and levels: columns in
#' another order are put in that order, as are levels of factors with treatment contrasts
#' of the same reference; where a binary response has its two levels the other way
#' round, the experts' coefficients change sign. Where other columns, levels or
#' basis functions are behind a model, its site is refused.
#'
#' @param path Name of a file or of a folder.
#' @param max_bytes Larger files are refused unread; 50 MB.
#' @return Of a file: a model of class `moe` (see [moe-class]) as it was written,
#'   without rows and call; or of class `moe_statistics`, see [moe_statistics()]. Of a
#'   folder: a `moe_sites` object (see [moe_sites()]) whose table has the further
#'   column `file`. Errors (class `moe_message_error`) name file and field, and hold them
#'   as `file`, `field` and `reason`.
#' @seealso [moe_message] for the fields.
#' @examples
#' sim <- moe_simulate(3000, K = 2, d = 2, seed = 1)
#' site <- rep(c("A", "B", "C"), each = 1000)
#' folder <- tempfile()
#' write_moe(moe_sites(y ~ ., split(sim$data, site), K = 2), folder)
#' sites <- read_moe(folder)
#' sites
#' moe_aggregate(sites, moe_support(sim$data, site = site))
#' @export
read_moe <- function(path, max_bytes = 5e7) {
  if (!is.character(path) || length(path) != 1 || is.na(path)) {
    input_error("{.arg path} must be the name of a file or folder, not {show_value(path)}.")
  }
  max_bytes <- check_number(max_bytes, "max_bytes", strict = TRUE)
  if (!file.exists(path)) input_error("There is no file {.file {path}}.")
  if (!dir.exists(path)) {
    found <- read_message(path, max_bytes)
    return(if (is.null(found$model)) found$statistics else found$model)
  }
  files <- message_files(path)
  read_sites(files, max_bytes)
}

message_files <- function(folder) {
  files <- list.files(folder, "\\.json$", full.names = TRUE, ignore.case = TRUE)
  if (!length(files)) input_error("The folder {.file {folder}} holds no {.val .json} file.")
  files
}

# list(site, model) or list(site, statistics), or an error that names file and field.
read_message <- function(file, max_bytes) {
  found <- try_message(file, max_bytes)
  if (is.null(found$reason)) return(found)
  name <- shown_names(basename(file))
  field <- found$field
  reason <- found$reason
  input_error("Message {.file {name}} is refused.", x = "Field {.field {field}} {reason}.",
    class = "moe_message_error", fields = list(file = file, field = field, reason = reason))
}

# The same, or list(field, reason): what is wrong.
try_message <- function(file, max_bytes) {
  tryCatch({
    tree <- message_tree(file, max_bytes)
    kind <- take_text(tree$kind, "kind", among = c("model", "statistics"))
    if (kind == "model") tree_model(tree) else tree_statistics(tree)
  }, error = function(e) {
    if (inherits(e, "moe_bad_field")) return(list(field = e$field, reason = conditionMessage(e)))
    list(field = "(file)", reason = paste("can't be read:", shown_text(conditionMessage(e), 200)))
  })
}

# ---- many files ------------------------------------------------------------------------------

read_sites <- function(files, max_bytes) {
  shown <- shown_names(basename(files))
  found <- lapply(seq_along(files), function(i) {
    found <- try_message(files[i], max_bytes)
    if (!is.null(found$reason)) return(paste0(shown[i], ": field ", found$field, " ", found$reason))
    if (is.null(found$model)) return(paste0(shown[i], ": field kind is \"statistics\"; moe_update() takes those"))
    found
  })
  read <- vapply(found, is.list, NA)
  names <- sub("\\.json$", "", shown, ignore.case = TRUE)
  names[read] <- vapply(found[read], function(f) f$site, "")
  # Names that a person can't tell apart are one.
  keys <- name_keys(names)
  for (i in which(read & keys %in% keys[read][duplicated(keys[read])])) {
    at <- which(read & keys == keys[i])
    same <- all(names[at] == names[i])
    found[[i]] <- paste0(shown[i], ": field site is \"", shown_names(names[i]), if (same) "\" in "
      else "\", which but for case and what can't be seen is the name in ",
      paste(shown[setdiff(at, i)], collapse = " and "))
  }
  found <- common_design(found[order(names)], shown[order(names)])
  files <- files[order(names)]
  names <- make.unique(names[order(names)])
  models <- lapply(found, function(f) if (is.list(f)) f$model)
  names(models) <- names
  models <- Filter(Negate(is.null), models)
  structure(list(models = models, table = message_table(names, found, files), schema =
    if (length(models)) models[[1]]$schema), class = "moe_sites")
}

message_table <- function(names, found, files) {
  from <- function(of, none) {
    unlist(lapply(found, function(f) if (is.list(f)) of(f$model) else none), use.names = FALSE)
  }
  value <- function(v, none) if (is.null(v)) none else v
  data.frame(site = names, n = from(function(m) m$n, NA_real_),
    status = ifelse(vapply(found, is.list, NA), "fitted", "refused"), needs = NA_integer_,
    loglik = from(function(m) m$log_lik / m$weight, NA_real_),
    iterations = from(function(m) {
      value(m$record$em_iterations, NA_integer_) + value(m$record$newton_iterations, NA_integer_)
    }, NA_integer_),
    converged = from(function(m) value(m$record$converged, NA), NA),
    seconds = from(function(m) value(m$record$seconds, NA_real_), NA_real_), bytes = file.size(files),
    message = vapply(found, function(f) if (is.list(f)) value(f$note, "") else f, ""), file = files,
    stringsAsFactors = FALSE)
}

# All models under the design of the first; one that can't be is refused.
common_design <- function(found, files) {
  first <- NULL
  for (i in seq_along(found)) {
    if (!is.list(found[[i]])) next
    if (is.null(first)) {
      first <- found[[i]]
      next
    }
    found[[i]] <- tryCatch({
      matched <- match_design(found[[i]]$model, first$model$schema)
      list(site = found[[i]]$site, model = matched$model, note = matched$note)
    }, moe_bad_field = function(e) {
      paste0(files[i], ": field ", e$field, " ", conditionMessage(e), " (compared with site ",
        shown_names(first$site), ")")
    })
  }
  found
}
