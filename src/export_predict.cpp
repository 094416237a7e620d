// Door to prediction.
#include "convert.h"
#include "core/model/predict.h"
#include "core/model/quantiles.h"

using namespace distmoe;

// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_predict(Rcpp::List data, Rcpp::List model, std::string what,
                                int threads = 1) {
  const RData r(data);
  PredictKind kind = PredictKind::response;
  if (what == "expert") kind = PredictKind::expert;
  else if (what == "gate") kind = PredictKind::gate;
  else if (what == "posterior") kind = PredictKind::posterior;
  else if (what == "log_density") kind = PredictKind::log_density;
  else if (what != "response") throw std::invalid_argument("unknown kind of prediction '" + what + "'");
  return Rcpp::wrap(predict(ScaledSource(r.data(), false), model_for(r, model), kind, r_services(threads)));
}

// n x length(probs); the probabilities between 0 and 1.
// [[Rcpp::export(rng = false)]]
Rcpp::NumericMatrix cpp_quantiles(Rcpp::List data, Rcpp::List model, Rcpp::NumericVector probs,
                                  int threads = 1) {
  const RData r(data);
  const VectorXd p = Rcpp::as<VectorXd>(probs);
  return Rcpp::wrap(quantiles(ScaledSource(r.data(), false), model_for(r, model), p, r_services(threads)));
}
