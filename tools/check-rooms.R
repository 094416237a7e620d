#!/usr/bin/env Rscript
# The rooms of src/core and what they may include (src/core/README.md): names every fault and its line, exit
# status 1 if there is one. `Rscript tools/check-rooms.R [root of the checkout]`; needs base R only.

root <- commandArgs(TRUE)
root <- if (length(root)) root[1] else "."

# A room includes itself and these.
rooms <- list(
  kernels = character(),
  base = "kernels",
  model = c("base", "kernels"),
  fit = c("model", "base", "kernels"),
  reduce = c("model", "base", "kernels")
)
# Which kind a family is may be asked here only; elsewhere the Family says what differs.
asks_family <- "^src/(core/model/(family|families)|convert)[.](cpp|h)$"

faults <- character()
fault <- function(file, line, ...) faults <<- c(faults, paste0(file, ":", line, ": ", ...))

# What is wrong with one #include of a file of the core; "" if nothing.
about_include <- function(what, room, core) {
  name <- substring(what, 2, nchar(what) - 1)
  if (startsWith(what, "<")) {
    # The standard library (its headers have neither a dot nor a slash), Eigen, and what threads need of the system.
    system <- c("signal.h", "unistd.h")
    allowed <- grepl("^[a-z_]+$", name) || startsWith(name, "Eigen/") || name %in% system
    return(if (allowed) "" else paste0("the core knows Eigen and the standard library only, not ", what))
  }
  other <- dirname(name)
  if (!other %in% names(rooms)) return(paste0("a header is named with its room (\"base/model.h\"), not ", what))
  if (!file.exists(file.path(core, name))) return(paste0("there is no ", what))
  if (other == room || other %in% rooms[[room]]) return("")
  paste0(room, " may not include ", other, " (", what, ")")
}

core <- file.path(root, "src", "core")
sources <- list.files(core, "[.](cpp|h)$", recursive = TRUE)
if (!length(sources)) stop("no src/core in ", root)
for (name in sources) {
  file <- paste0("src/core/", name)
  lines <- readLines(file.path(core, name), warn = FALSE)
  room <- dirname(name)
  if (!room %in% names(rooms)) {
    fault(file, 1, "not in one of the rooms ", paste(names(rooms), collapse = ", "))
    next
  }
  for (i in grep("^\\s*#\\s*include\\b", lines)) {
    wrong <- about_include(sub("^\\s*#\\s*include\\s*([<\"][^>\"]*[>\"]).*", "\\1", lines[i]), room, core)
    if (nzchar(wrong)) fault(file, i, wrong)
  }
  for (i in grep("\\b(SEXP|Rcpp::|R_[A-Za-z]+\\(|Rf_[A-Za-z]+)", lines)) fault(file, i, "the core knows nothing of R")
}

# `FamilyKind` as a type is everybody's.
for (name in list.files(file.path(root, "src"), "[.](cpp|h)$", recursive = TRUE)) {
  file <- paste0("src/", name)
  if (grepl(asks_family, file)) next
  for (i in grep("FamilyKind::", readLines(file.path(root, file), warn = FALSE), fixed = TRUE)) {
    fault(file, i, "which family it is may be asked in family and convert only: ask the Family what differs")
  }
}

# Makevars lists its objects, and both of them the same.
makevars <- lapply(file.path(root, "src", c("Makevars", "Makevars.win")), readLines, warn = FALSE)
if (!identical(makevars[[1]], makevars[[2]])) fault("src/Makevars.win", 1, "differs from Makevars")
listed <- grep("^core/.*[.]o$", unlist(strsplit(makevars[[1]], "[ =]+")), value = TRUE)
there <- paste0("core/", sub("[.]cpp$", ".o", grep("[.]cpp$", sources, value = TRUE)))
for (object in setdiff(there, listed)) fault("src/Makevars", 1, object, " is not listed")
for (object in setdiff(listed, there)) fault("src/Makevars", 1, object, " has no source")

if (length(faults)) writeLines(faults)
cat(length(sources), "files in", length(rooms), "rooms,", length(faults), "faults\n")
quit(save = "no", status = as.integer(length(faults) > 0))
