// Doors to transport and reduction.
#include "convert.h"
#include "core/transport.h"

using namespace distmoe;

namespace {

// The points with their columns of ones, held for the call.
HeldSource points_of(const RData& r) { return HeldSource(ScaledSource(r.data(), false)); }

LocalModels locals_from(const RData& data, const Rcpp::List& models,
                        const Rcpp::NumericVector& lambda, const Rcpp::IntegerVector& site) {
  LocalModels locals{{}, Rcpp::as<VectorXd>(lambda), data.data(), {}, data.x_intercept,
                     data.z_intercept};
  for (R_xlen_t m = 0; m < models.size(); ++m) {
    locals.models.push_back(model_for(data, models[m]));
  }
  for (int s : site) locals.site.push_back(s - 1);
  return locals;
}

}  // namespace

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_transport(Eigen::VectorXd supply, Eigen::VectorXd demand, Eigen::MatrixXd cost) {
  MatrixXd plan;
  const double value = solve_transport(supply, demand, cost, plan);
  return Rcpp::List::create(Rcpp::_["value"] = value, Rcpp::_["plan"] = plan);
}

// [[Rcpp::export(rng = false)]]
Rcpp::List cpp_divergence(Rcpp::List from, Rcpp::List to, Rcpp::List data, std::string plan) {
  const RData r(data);
  const HeldSource points = points_of(r);
  const Divergence d =
      divergence(model_for(r, from), model_for(r, to), points.all(), plan_from_name(plan));
  return Rcpp::List::create(Rcpp::_["value"] = d.value, Rcpp::_["plan"] = d.plan,
                            Rcpp::_["cost"] = d.cost);
}

// [[Rcpp::export(rng = false)]]
Eigen::MatrixXd cpp_pairwise_divergence(Rcpp::List models, Rcpp::List data) {
  const RData r(data);
  std::vector<Model> all;
  for (R_xlen_t m = 0; m < models.size(); ++m) all.push_back(model_for(r, models[m]));
  const HeldSource points = points_of(r);
  return pairwise_divergence(all, points.all(), r_services(1));
}

// site: empty, or the (1-based) model of every point, in rising order. start: a model list or NULL.
// [[Rcpp::export]]
Rcpp::List cpp_reduce(Rcpp::List models, Rcpp::NumericVector lambda, Rcpp::List data,
                      Rcpp::IntegerVector site, int experts, SEXP start, Rcpp::List options,
                      int threads = 1) {
  const RData r(data);
  ReduceOptions o;
  o.plan = plan_from_name(Rcpp::as<std::string>(options["plan"]));
  o.max_iterations = options["max_iterations"];
  o.starts = options["starts"];
  o.gate_ridge = options["gate_ridge"];
  Model from;
  const bool given = !Rf_isNull(start);
  if (given) from = model_for(r, start);
  const ReduceResult result = reduce(locals_from(r, models, lambda, site), experts,
                                     given ? &from : nullptr, o, r_services(threads));
  return Rcpp::List::create(
      Rcpp::_["model"] = model_to_list(result.model), Rcpp::_["objective"] = result.objective,
      Rcpp::_["converged"] = result.converged, Rcpp::_["gates_converged"] = result.gates_converged,
      Rcpp::_["reseeds"] = result.reseeds, Rcpp::_["start"] = result.start + 1,
      Rcpp::_["runs"] = result.runs, Rcpp::_["candidates"] = result.candidates,
      Rcpp::_["plan"] = result.plan);
}

// [[Rcpp::export(rng = false)]]
double cpp_reduction_objective(Rcpp::List models, Rcpp::NumericVector lambda, Rcpp::List data,
                               Rcpp::IntegerVector site, Rcpp::List model, std::string plan) {
  const RData r(data);
  return reduction_objective(locals_from(r, models, lambda, site), model_for(r, model),
                             plan_from_name(plan), r_services(1));
}
