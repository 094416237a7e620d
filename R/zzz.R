.onLoad <- function(libname, pkgname) {
  wish <- Sys.getenv("DISTMOE_INSTRUCTIONS")
  sets <- attr(cpp_instructions(), "available")
  if (nzchar(wish) && !wish %in% sets) {
    warning("The environment variable DISTMOE_INSTRUCTIONS is \"", wish, "\"; this machine has ",
      paste(sets, collapse = ", "), ". It is not heeded.", call. = FALSE)
  }
}

# The threads would else sleep in code that is no longer there.
.onUnload <- function(libpath) {
  cpp_stop_threads()
  library.dynam.unload("distmoe", libpath)
}
