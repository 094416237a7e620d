# Errors through one door: one clear message, of class moe_input_error.

input_error <- function(..., .envir = parent.frame()) {
  cli::cli_abort(c(...), call = NULL, class = "moe_input_error", .envir = .envir)
}

# Foreign text as it may stand in a message that is glued together.
escape_braces <- function(text) gsub("}", "}}", gsub("{", "{{", text, fixed = TRUE), fixed = TRUE)
