#!/usr/bin/env Rscript
# Bounds that keep files readable: circles of files of R/ that use one another, lengths of files, functions and
# lines. Names every fault, exit status 1 if there is one. `Rscript tools/check-lengths.R [root of the checkout]`,
# with `arrows` after it also prints who uses whom in R/; needs base R only.

root <- commandArgs(TRUE)
arrows <- "arrows" %in% root
root <- setdiff(root, "arrows")
root <- if (length(root)) root[1] else "."

# What stands here may fall, and is not to rise.
most <- list(
  circle = 1,          # files of R/ in one circle: none
  line = 120,          # characters
  r_file = 400, r_function = 60,
  core_file = 300
)
# Files that no hand wrote.
generated <- "RcppExports[.](R|cpp)$"

faults <- character()
fault <- function(...) faults <<- c(faults, paste0(...))

files_of <- function(folder, pattern) {
  files <- list.files(file.path(root, folder), pattern, recursive = TRUE)
  files <- files[!grepl(generated, files)]
  if (length(files)) paste0(folder, "/", files) else character()
}
read <- function(file) readLines(file.path(root, file), warn = FALSE, encoding = "UTF-8")

# ---- Lines and files -------------------------------------------------------

for (file in c(files_of("R", "[.]R$"), files_of("src", "[.](cpp|h)$"), files_of("tools", "[.](R|sh)$"),
               files_of("tests", "[.]R$"))) {
  lines <- read(file)
  wide <- nchar(lines, "chars")
  for (i in which(wide > most$line)) fault(file, ":", i, ": a line of ", wide[i], " characters")
  bound <- if (startsWith(file, "R/")) most$r_file else if (startsWith(file, "src/core/")) most$core_file else Inf
  if (length(lines) > bound) fault(file, ":1: a file of ", length(lines), " lines, more than ", bound)
}

# ---- Functions of R/, and who uses whom ------------------------------------

r_files <- basename(files_of("R", "[.]R$"))
parsed <- lapply(stats::setNames(file.path(root, "R", r_files), r_files), parse, keep.source = TRUE)
# The name that an expression at the top of a file gives to something, or "".
name_given <- function(e) {
  if (is.call(e) && as.character(e[[1]])[1] %in% c("<-", "=") && is.name(e[[2]])) as.character(e[[2]]) else ""
}
# Each name and its file.
defined <- unlist(lapply(r_files, function(file) {
  names <- vapply(parsed[[file]], name_given, "")
  stats::setNames(rep(file, sum(names != "")), names[names != ""])
}))
for (file in r_files) {
  at <- attr(parsed[[file]], "srcref")
  for (i in seq_along(at)) {
    e <- parsed[[file]][[i]]
    is_function <- nzchar(name_given(e)) && is.call(e[[3]]) && identical(e[[3]][[1]], as.name("function"))
    lines <- at[[i]][3] - at[[i]][1] + 1
    if (is_function && lines > most$r_function) {
      fault("R/", file, ":", at[[i]][1], ": ", name_given(e), "() has ", lines, " lines, more than ", most$r_function)
    }
  }
}

# Methods of S3 generics count only where they are called by name.
reach <- matrix(FALSE, length(r_files), length(r_files), dimnames = list(r_files, r_files))
for (file in r_files) {
  used <- unique(unlist(lapply(parsed[[file]], all.names)))
  to <- defined[intersect(used, names(defined))]
  to <- to[to != file]
  reach[file, unique(to)] <- TRUE
  if (arrows) for (other in unique(to)) cat(file, " -> ", other, ": ", toString(names(to)[to == other]), "\n", sep = "")
}
for (k in seq_along(r_files)) reach <- reach | outer(reach[, k], reach[k, ], "&")
circles <- unique(lapply(r_files, function(file) r_files[reach[file, ] & reach[, file]]))
circles <- circles[lengths(circles) > 1]
for (circle in circles[lengths(circles) > most$circle]) {
  fault("R/: ", length(circle), " files use one another in a circle, more than ", most$circle, ": ",
        paste(circle, collapse = " "))
}

if (length(faults)) writeLines(faults)
cat(length(r_files), "files of R/, the largest circle of", max(0, lengths(circles)), "files;", length(faults),
    "faults\n")
quit(save = "no", status = as.integer(length(faults) > 0))
