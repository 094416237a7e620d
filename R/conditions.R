# Errors through one door: one clear message, of class moe_input_error.

input_error <- function(..., .envir = parent.frame()) {
  cli::cli_abort(c(...), call = NULL, class = "moe_input_error", .envir = .envir)
}

# Foreign text as it may stand in a message that is glued together.
escape_braces <- function(text) gsub("}", "}}", gsub("{", "{{", text, fixed = TRUE), fixed = TRUE)

# Evaluates what R itself may refuse (an unknown variable, na.fail, poly() of too few values), and
# refuses in one voice.
try_formula <- function(code, what = "The formulas can't be evaluated on the data.") {
  tryCatch(code, moe_input_error = function(e) stop(e), error = function(e) {
    text <- conditionMessage(e)
    lacks <- regmatches(text, regexpr("(?<=could not find function \")(ns|bs)(?=\")", text, perl = TRUE))
    input_error(what, x = "{text}", i = if (length(lacks)) "Write {.code splines::{lacks}()}, or attach {.pkg splines}.")
  })
}
