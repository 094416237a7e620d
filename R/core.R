# What the core is asked about a model, on as many threads as a fit would use.

# A model as the core takes it.
core_model <- function(model) c(list(family = model$family$family), model$parameters)

# Predictions by the core, on as many threads as a fit would use.
core_predict <- function(design, model, what, threads = moe_threads()) {
  cpp_predict(design, model, what, threads)
}

core_quantiles <- function(design, model, probs) cpp_quantiles(design, model, probs, moe_threads())

# E[y | x] of rows: a vector, or the probabilities of all classes (n x C).
response_means <- function(design, model, threads = moe_threads()) {
  means <- core_predict(design, core_model(model), "response", threads)
  if (!has_many_classes(model)) return(means[, 1])
  out <- all_classes(means, 1L, model$schema$labels)
  matrix(out, nrow(means), dimnames = list(NULL, model$schema$labels))
}

# All parameters in one vector, ordered as in the core: variances as logarithms.
parameter_vector <- function(p) {
  c(p$beta, p$alpha, if (has_dispersion(p)) log(p$dispersion))
}
