#' Fit a model again with changes
#'
#' Evaluates the model's call anew after changes, as [stats::update()] does for
#' other models: with another formula, other rows, another number of experts.
#' Variables are looked up where `update()` is called from.
#'
#' @param object A model that [moe()], [moe_aggregate()] or [moe_distributed()]
#'   has made. What [moe_sites()] fits at a site keeps no call.
#' @param formula. Changes to the formula, as in [stats::update.formula()]: a dot
#'   stands for what was there before. Models of [moe_aggregate()] and of
#'   matrices have no formula.
#' @param ... Arguments of the call to replace or to add; `NULL` as a value removes
#'   one.
#' @param evaluate FALSE: give the changed call instead of the model.
#' @return A new model, or a call. It is an error if the model has no call, or if
#'   that call was made with data in place of their name (as [do.call()] does):
#'   models do not keep data, so these must be given again.
#' @examples
#' fit <- moe(dist ~ speed, cars, K = 1)
#' update(fit, . ~ poly(speed, 2))
#' update(fit, data = cars[1:40, ])
#' @export
update.moe <- function(object, formula., ..., evaluate = TRUE) {
  evaluate <- check_flag(evaluate, "evaluate")
  call <- object$call
  if (is.null(call)) {
    input_error("This model has no call to update: it was fitted at a site, drawn, or had its call
      removed so that it can travel.", i = "Call {.fn moe} again, or {.fn moe_sites} for all sites.")
  }
  changes <- as.list(match.call(expand.dots = FALSE)$...)
  if (length(changes) && (is.null(names(changes)) || any(names(changes) == ""))) {
    input_error("What {.fn update} shall change must have a name, such as {.code K = 3}.")
  }
  if (!missing(formula.)) {
    if (inherits(object, "moe_aggregate") && !"formula" %in% names(call)) {
      input_error("An aggregate takes its formula from the sites' models.",
        i = "Fit these again with {.fn moe_sites}, then aggregate.")
    }
    changes$formula <- updated_formula(object, formula., parent.frame())
  }
  for (name in names(changes)) call[[name]] <- changes[[name]]
  check_call_whole(call)
  if (!evaluate) return(call)
  # Also where the package is not attached.
  if (identical(call[[1]], quote(moe))) call[[1]] <- moe
  eval(call, parent.frame())
}

# A model keeps what its formula names but for rows; those are found where the update is asked for.
updated_formula <- function(object, change, caller) {
  old <- formula(object)
  out <- try_formula(stats::update.formula(old, change), "{.arg formula.} can't be applied.")
  environment(out) <- list2env(as.list(environment(old), all.names = TRUE), parent = caller)
  out
}

# lean_call() has put the name of its class, in angle brackets, in the place of what was no name.
check_call_whole <- function(call) {
  lost <- vapply(as.list(call)[-1], function(a) is.symbol(a) && grepl("^<.*>$", as.character(a)), NA)
  if (!any(lost)) return(invisible())
  names <- names(call)[-1][lost]
  input_error("The model's call was made with the data themselves in the place of {cli::qty(names)}
    argument{?s} {.arg {names}}, and models keep no data.",
    i = "Give {cli::qty(names)}{?it/them} again: {.code update(model, {names[1]} = )}.")
}
