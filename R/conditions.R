# Errors through one door: one clear message that names the argument, the value found and the way out.

# Of class moe_input_error, after more special ones, `class`. `fields`: what the condition holds beside its message.
input_error <- function(..., class = character(), fields = list(), .envir = parent.frame()) {
  do.call(cli::cli_abort, c(list(c(...), call = NULL, class = c(class, "moe_input_error"), .envir = .envir), fields))
}

# Foreign text as it may stand in a message that is glued together.
escape_braces <- function(text) gsub("}", "}}", gsub("{", "{{", text, fixed = TRUE), fixed = TRUE)

# Evaluates what R itself may refuse (an unknown variable, na.fail, poly() of too few values), and
# refuses in one voice.
try_formula <- function(code, what = "The formulas can't be evaluated on the data.") {
  tryCatch(code, moe_input_error = function(e) stop(e), error = function(e) {
    text <- conditionMessage(e)
    lacks <- regmatches(text, regexpr("(?<=could not find function \")(ns|bs)(?=\")", text, perl = TRUE))
    input_error(what, x = "{text}",
      i = if (length(lacks)) "Write {.code splines::{lacks}()}, or attach {.pkg splines}.")
  })
}

# What the searches of small data say often: cli's markup would take several times as long as their fits.
quick_warning <- function(said, way_out) {
  text <- c(paste0(said, "."), paste(cli::symbol$info, one_line(way_out)))
  warning(paste(unlist(lapply(text, strwrap, 100, exdent = 2)), collapse = "\n"), call. = FALSE)
}
