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
#' With a `registry` messages are read only if a registered key signed them, in this study, as an answer to what was
#' asked: see [moe_signed]. Of a folder the registered sites that sent nothing are listed too, as `"missing"`.
#'
#' @param max_bytes Larger files are refused unread; 50 MB.
#' @param registry NULL, or a registry ([moe_registry()]) or the name of its file.
#' @param from With a registry, whose messages they are: `"centre"` or `"site"`. By default a file is the
#'   centre's, as sites read it, and a folder holds those of sites.
#' @param answers With a registry, of sites' messages: the message that they answer, a file's name or what was read
#'   of it.
#'   By default what the centre sent last by its log.
#' @param log The log's file ([moe_log()]). By default beside the registry; FALSE: none, and earlier exchanges are not
#'   known.
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
read_moe <- function(path, max_bytes = 5e7, registry = NULL, from = NULL, answers = NULL, log = NULL) {
  if (!is.character(path) || length(path) != 1 || is.na(path)) {
    input_error("{.arg path} must be the name of a file or folder, not {show_value(path)}.")
  }
  max_bytes <- check_number(max_bytes, "max_bytes", strict = TRUE)
  if (!file.exists(path)) input_error("There is no file {.file {path}}.")
  folder <- dir.exists(path)
  files <- if (folder) message_files(path)
  reader <- open_reader(registry, from, answers, log, folder, max_bytes)
  if (folder) return(read_sites(files, max_bytes, reader))
  found <- read_message(path, max_bytes, reader)
  found[[intersect(names(tree_readers), names(found))]]
}

# What is asked of messages beside their fields; NULL: nothing.
open_reader <- function(registry, from, answers, log, folder, max_bytes) {
  trust <- open_trust(registry, log)
  asks <- !is.null(from) || !is.null(answers)
  if (is.null(trust)) {
    if (asks) input_error("{.arg from} and {.arg answers} go with {.arg registry}.")
    return(NULL)
  }
  from <- if (is.null(from)) if (folder) "site" else "centre" else check_choice(from, c("centre", "site"), "from")
  if (from == "centre" && !is.null(answers)) input_error("{.arg answers} is for messages of sites.")
  list(trust = trust, from = from, asked = if (from == "site") asked_of(trust, answers, max_bytes))
}

message_files <- function(folder) {
  files <- list.files(folder, "\\.json$", full.names = TRUE, ignore.case = TRUE)
  if (!length(files)) input_error("The folder {.file {folder}} holds no {.val .json} file.")
  files
}

# list(site, model) or list(site, statistics), or an error that names file and field.
read_message <- function(file, max_bytes, reader = NULL) {
  found <- try_message(file, max_bytes, reader)
  words <- if (!is.null(found$reason)) paste("field", found$field, found$reason)
  log_read(reader$trust, list(found$origin), list(file), list(words))
  if (is.null(found$reason)) return(found)
  name <- shown_names(basename(file))
  field <- found$field
  reason <- found$reason
  input_error("Message {.file {name}} is refused.", x = "Field {.field {field}} {reason}.",
    class = "moe_message_error", fields = list(file = file, field = field, reason = reason))
}

tree_readers <- list(model = function(x) tree_model(x), statistics = function(x) tree_statistics(x),
  recovery = function(x) tree_recovery(x), seeds = function(x) tree_seeds(x))

# The same, or list(field, reason): what is wrong.
try_message <- function(file, max_bytes, reader = NULL) {
  tryCatch({
    tree <- message_tree(file, max_bytes, function(tree, text) {
      message_origin(tree, text, reader$trust, reader$from, reader$asked)
    })
    kind <- take_text(tree$kind, "kind", among = names(tree_readers))
    found <- tree_readers[[kind]](tree)
    found$origin <- attr(found[[kind]], "origin") <- attr(tree, "origin")
    found
  }, error = function(e) {
    if (inherits(e, "moe_bad_field")) return(list(field = e$field, reason = conditionMessage(e)))
    list(field = "(file)", reason = paste("can't be read:", shown_text(conditionMessage(e), 200)))
  })
}

# ---- many files ------------------------------------------------------------------------------

read_sites <- function(files, max_bytes, reader) {
  shown <- shown_names(basename(files))
  found <- lapply(seq_along(files), function(i) {
    found <- try_message(files[i], max_bytes, reader)
    if (!is.null(found$reason)) return(paste0(shown[i], ": field ", found$field, " ", found$reason))
    if (is.null(found$model)) {
      kind <- intersect(names(tree_readers), names(found))
      return(paste0(shown[i], ": field kind is \"", kind, "\"; moe_update() takes those"))
    }
    found
  })
  found <- of_one_exchange(found, shown, reader)
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
  found <- found[order(names)]
  files <- files[order(names)]
  names <- names[order(names)]
  log_read(reader$trust, lapply(found, function(f) if (is.list(f)) f$origin), files,
    lapply(found, function(f) if (!is.list(f)) f))
  found <- common_design(found, shown_names(basename(files)))
  sent <- names[vapply(found, is.list, NA)]
  names <- make.unique(names)
  models <- lapply(found, function(f) if (is.list(f)) f$model)
  names(models) <- names
  models <- Filter(Negate(is.null), models)
  table <- rbind(message_table(names, found, files), missing_sites(reader, sent))
  structure(list(models = models, table = table, schema = if (length(models)) models[[1]]$schema,
    origin = read_words(reader), registered = if (!is.null(reader)) registered_rows(reader$trust$registry)),
    class = "moe_sites")
}

of_one_exchange <- function(found, shown, reader) {
  if (is.null(reader)) return(found)
  faults <- newest_alone(lapply(found, function(f) if (is.list(f)) f$origin), reader$asked)
  for (i in which(nzchar(faults))) found[[i]] <- paste0(shown[i], ": ", faults[i])
  found
}

# Lines of registered sites of which no message was read.
missing_sites <- function(reader, sent) {
  lacks <- if (!is.null(reader)) setdiff(registry_sites(reader$trust$registry), sent)
  if (!length(lacks)) return(NULL)
  data.frame(site = lacks, n = NA_real_, status = "missing", needs = NA_integer_, loglik = NA_real_,
    iterations = NA_integer_, converged = NA, seconds = NA_real_, bytes = NA_real_,
    message = paste0("\"", shown_names(lacks), "\" is registered, and no message of it was read"),
    file = NA_character_, stringsAsFactors = FALSE)
}

# For the print.
read_words <- function(reader) {
  if (is.null(reader)) return(origin_line(list(authenticated = FALSE)))
  paste0("signed by members of the registry, study ", shown_names(reader$trust$registry$study),
    if (!is.null(reader$asked)) paste0(", exchange ", reader$asked$exchange))
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
