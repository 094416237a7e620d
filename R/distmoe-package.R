#' distmoe: mixture-of-experts regression for data in many places
#'
#' Fits mixture-of-experts models at every site ([moe()], [moe_sites()]), sends
#' models instead of rows, and aggregates them by optimal transport into one
#' model of K experts ([moe_aggregate()], or all in one call:
#' [moe_distributed()]).
#'
#' The model is equation (1) of Chamroukhi and Pham, "Optimal Transport
#' Aggregation for Distributed Mixture-of-Experts":
#' \deqn{f(y|x) = \sum_k \pi_k(z; \alpha) \phi(y | x'\beta_k, \sigma_k^2)}
#' with softmax gates, of which the last has coefficients 0.
#'
#' @useDynLib distmoe, .registration = TRUE
#' @importFrom Rcpp evalCpp
#' @importFrom stats coef confint family fitted formula logLik nobs predict residuals simulate update vcov
#' @keywords internal
"_PACKAGE"
