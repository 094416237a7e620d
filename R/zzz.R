.onLoad <- function(libname, pkgname) {
  wish <- Sys.getenv("DISTMOE_INSTRUCTIONS")
  sets <- attr(cpp_instructions(), "available")
  if (nzchar(wish) && !wish %in% sets) {
    warning("The environment variable DISTMOE_INSTRUCTIONS is \"", wish, "\"; this machine has ",
      paste(sets, collapse = ", "), ". It is not heeded.", call. = FALSE)
  }
  when_loaded("marginaleffects", welcome_by_marginaleffects)
  when_loaded("ggeffects", welcome_by_ggeffects)
  when_loaded("parsnip", welcome_by_parsnip)
  when_loaded("texreg", welcome_by_texreg)
}

# Now, if that package is there, or when it comes.
when_loaded <- function(package, action) {
  if (isNamespaceLoaded(package)) action()
  setHook(packageEvent(package, "onLoad"), action)
}

# The threads would else sleep in code that is no longer there.
.onUnload <- function(libpath) {
  cpp_stop_threads()
  library.dynam.unload("distmoe", libpath)
}
