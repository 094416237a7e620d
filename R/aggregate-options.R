# Checks of the arguments of moe_aggregate().

aggregate_control <- function(control) {
  default <- list(starts = 5L, max_iterations = 200L, gate_ridge = 1e-4, middle_points = 500L)
  unknown <- setdiff(names(control), names(default))
  if (!is.list(control) || length(unknown) || (length(control) && is.null(names(control)))) {
    found <- if (length(unknown)) unknown else class(control)[1]
    input_error("{.arg control} must be a named list with some of {.val {names(default)}}; found
      {.val {found}}.")
  }
  out <- utils::modifyList(default, control)
  list(starts = check_count(out$starts, "starts"),
    max_iterations = check_count(out$max_iterations, "max_iterations"),
    gate_ridge = check_number(out$gate_ridge, "gate_ridge"),
    middle_points = check_count(out$middle_points, "middle_points"))
}

aggregate_K <- function(models, K, method) {
  counts <- vapply(models, function(m) m$K, 0L)
  agree <- length(unique(counts)) == 1
  if (is.null(K)) {
    if (!agree) {
      input_error("The sites' models have {.val {sort(unique(counts))}} experts: say which {.arg K}
        the aggregate shall have.")
    }
    K <- counts[[1]]
  }
  K <- check_count(K, "K")
  if (method != "reduction" && (!agree || K != counts[[1]])) {
    input_error("{.code method = \"{method}\"} needs models with {.arg K} = {K} experts at every
      site.", i = "Use {.code method = \"reduction\"}.")
  }
  if (K > sum(counts)) {
    input_error("{.arg K} = {K} is more than all sites' experts together ({sum(counts)}).")
  }
  K
}

check_update <- function(update, family, cost, method) {
  update <- check_choice(update, c("exact", "closed-form"), "update")
  fits <- family_traits(family)$closed_form && cost == "kl" && method == "reduction"
  if (update == "closed-form" && !fits) {
    input_error("{.code update = \"closed-form\"}, (S14), is for the reduction of logistic experts under
      {.code cost = \"kl\"}; here: {.val {method}}, {.val {family$family}}, {.val {cost}}.",
      i = "Other experts have exact updates alone.")
  }
  update
}
