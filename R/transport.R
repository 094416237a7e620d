#' Transport between two mixtures of experts
#'
#' `transport_divergence()` is the expected transport divergence of `from` and
#' `to`, equation (9) of Chamroukhi and Pham: at every x the experts' gate
#' probabilities are transported at the cost of sending from's expert to to's,
#' by default KL(from's expert || to's expert),
#' exactly (a linear program), and values are averaged over the points.
#' `exact = FALSE` gives the relaxation R_c of (11), which frees `to`'s gates
#' and is never larger. `transport_plan()` also gives the plan.
#'
#' @param from,to Models of class `moe` with the same columns and family; their
#'   numbers of experts may differ.
#' @param x Points: a data frame (matrix, for models of matrices) or a
#'   [moe_support()].
#' @param exact TRUE: T_c (9). FALSE: R_c (11).
#' @param plan `"exact"`: optimal for both models' gates at every point.
#'   `"pointwise"`: (16), to's gates free. `"component"`: every expert as a
#'   whole goes to the one of least expected cost.
#' @param cost The cost of sending an expert to another; see the section on costs
#'   of [moe_aggregate()]. `"wasserstein"` is for Gaussian experts.
#' @return `transport_divergence()`: a number, not negative. `transport_plan()`:
#'   a list of class `moe_plan` with `value` (the divergence under the plan),
#'   `mass` (L x K matrix: mean mass from expert l to expert k; row sums are
#'   from's mean gates), `cost` (L x K matrix: mean of from's gate times
#'   cost, that is the cost of sending all of expert l to k), `plan` and
#'   `cost_kind` (as asked for).
#' @examples
#' a <- moe_simulate(200, K = 2, d = 2, seed = 1)
#' b <- moe(y ~ ., a$data, K = 2)
#' transport_divergence(a$model, b, a$data)
#' transport_plan(a$model, b, a$data)
#' @export
transport_divergence <- function(from, to, x, exact = TRUE,
                                 cost = c("kl", "reverse-kl", "wasserstein", "hellinger")) {
  plan <- if (check_flag(exact, "exact")) "exact" else "pointwise"
  transport_between(from, to, x, plan, cost)$value
}

#' @rdname transport_divergence
#' @export
transport_plan <- function(from, to, x, plan = c("exact", "component", "pointwise"),
                           cost = c("kl", "reverse-kl", "wasserstein", "hellinger")) {
  plan <- check_choice(plan, c("exact", "component", "pointwise"), "plan")
  out <- transport_between(from, to, x, plan, cost)
  labels <- list(from = as.character(seq_len(from$K)), to = as.character(seq_len(to$K)))
  dimnames(out$plan) <- labels
  dimnames(out$cost) <- labels
  structure(list(value = out$value, mass = out$plan, cost = out$cost, plan = plan,
    cost_kind = out$cost_kind), class = "moe_plan")
}

transport_between <- function(from, to, x, plan, cost) {
  check_moe(from, "from")
  check_moe(to, "to")
  check_same_model(to, "to", from$schema, from$family)
  design <- support_design(moe_support(x), to$schema)
  cost <- check_cost(cost, to$family)
  c(cpp_divergence(core_model(from), core_model(to), design, plan, cost), cost_kind = cost)
}

# All costs, with their words in prints. Which family has which says the table of families.
cost_words <- c(kl = "cost KL", "reverse-kl" = "cost reverse KL",
  wasserstein = "cost squared 2-Wasserstein", hellinger = "cost squared Hellinger")

#' @export
print.moe_plan <- function(x, digits = 3, ...) {
  cat("Transport plan (", x$plan, "), ", cost_words[[x$cost_kind]], ", divergence ",
    format(x$value, digits = digits), "\n", sep = "")
  cat("Mean mass, from expert (rows) to expert (columns):\n")
  print(round(x$mass, digits))
  invisible(x)
}

# The experts of every model in the order of those of `reference`: optimal matching on the expected
# cost of sending each reference expert to each of the model's. Gives a K x M matrix; order[k, m] is
# the expert of model m that plays the part of k.
match_all <- function(reference, models, design) {
  if (any(vapply(models, function(m) m$K, 0L) != reference$K)) {
    input_error("Experts can only be matched between models with the same number of them.")
  }
  cpp_match_experts(core_model(reference), lapply(unname(models), core_model), design)
}

match_experts <- function(reference, model, design) match_all(reference, list(model), design)[, 1]

# The costs c(., .) and the families that have them.
check_cost <- function(cost, family) {
  cost <- check_choice(cost, names(cost_words), "cost")
  if (!cost %in% family_traits(family)$costs) {
    input_error("There is no {.code cost = \"{cost}\"} of experts of the family {.val {family$family}}{if (cost ==
      'wasserstein') '; it is for Gaussian experts'}.", i = "Costs of these: {.val {family_traits(family)$costs}}.")
  }
  cost
}
