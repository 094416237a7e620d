#include "convert.h"

#ifndef _WIN32
#include <unistd.h>
#endif

namespace distmoe {

namespace {

#ifndef _WIN32
const pid_t main_process = getpid();  // the process that loaded the package
#endif

Rcpp::NumericVector vector_or_none(const Rcpp::List& list, const char* name) {
  if (!list.containsElementNamed(name) || Rf_isNull(list[name])) return Rcpp::NumericVector(0);
  return Rcpp::as<Rcpp::NumericVector>(list[name]);
}

Eigen::Map<const VectorXd> view(const Rcpp::NumericVector& v) {
  return Eigen::Map<const VectorXd>(v.begin(), v.size());
}

Eigen::Map<const MatrixXd> view(const Rcpp::NumericMatrix& m) {
  return Eigen::Map<const MatrixXd>(m.begin(), m.nrow(), m.ncol());
}

}  // namespace

namespace {

struct NamedFamily {
  const char* name;
  FamilyKind kind;
  bool one_predictor;  // has an expert one predictor only?
};

const NamedFamily families[] = {
    {"gaussian", FamilyKind::gaussian, true},
    {"binomial", FamilyKind::binomial, true},
    {"poisson", FamilyKind::poisson, true},
    {"multinomial", FamilyKind::multinomial, false},
    {"Gamma", FamilyKind::gamma, true},
    {"negative_binomial", FamilyKind::negative_binomial, true},
};

const NamedFamily& named_family(FamilyKind kind) {
  for (const NamedFamily& f : families) {
    if (f.kind == kind) return f;
  }
  throw std::invalid_argument("a family without a name");
}

}  // namespace

FamilyKind family_from_name(const std::string& name) {
  for (const NamedFamily& f : families) {
    if (name == f.name) return f.kind;
  }
  throw std::invalid_argument("unknown family '" + name + "'");
}

std::string name_of_family(FamilyKind family) { return named_family(family).name; }

PlanKind plan_from_name(const std::string& name) {
  if (name == "exact") return PlanKind::exact;
  if (name == "pointwise") return PlanKind::pointwise;
  if (name == "component") return PlanKind::component;
  throw std::invalid_argument("unknown plan '" + name + "'");
}

CostKind cost_from_name(const std::string& name) {
  if (name == "kl") return CostKind::kl;
  if (name == "reverse-kl") return CostKind::reverse_kl;
  if (name == "wasserstein") return CostKind::wasserstein;
  if (name == "hellinger") return CostKind::hellinger;
  throw std::invalid_argument("unknown cost '" + name + "'");
}

Model model_from_list(const Rcpp::List& list) {
  Model m;
  m.family = family_from_name(Rcpp::as<std::string>(list["family"]));
  m.beta = Rcpp::as<MatrixXd>(list["beta"]);
  m.alpha = Rcpp::as<MatrixXd>(list["alpha"]);
  m.dispersion = Rcpp::as<VectorXd>(list["dispersion"]);
  const Index k = m.dispersion.size();
  const bool one_part = named_family(m.family).one_predictor;
  if (k == 0 || m.alpha.cols() + 1 != k || m.beta.cols() % k != 0 || m.beta.cols() == 0 ||
      (one_part && m.beta.cols() != k)) {
    throw std::invalid_argument("beta, alpha and dispersion disagree about the number of experts");
  }
  return m;
}

Rcpp::List model_to_list(const Model& model) {
  return Rcpp::List::create(
      Rcpp::_["family"] = name_of_family(model.family),
      Rcpp::_["beta"] = model.beta, Rcpp::_["alpha"] = model.alpha,
      Rcpp::_["dispersion"] = Rcpp::NumericVector(model.dispersion.data(),
                                                  model.dispersion.data() + model.dispersion.size()));
}

RData::RData(const Rcpp::List& list)
    : x_intercept(Rcpp::as<int>(list["x_intercept"]) - 1),
      z_intercept(Rcpp::as<int>(list["z_intercept"]) - 1),
      add_intercept_(list.containsElementNamed("add_intercept") &&
                     Rcpp::as<bool>(list["add_intercept"])),
      x_(Rcpp::as<Rcpp::NumericMatrix>(list["x"])),
      z_(Rcpp::as<Rcpp::NumericMatrix>(list["z"])),
      y_(vector_or_none(list, "y")),
      weight_(vector_or_none(list, "weight")),
      offset_(vector_or_none(list, "offset")),
      gate_offset_(vector_or_none(list, "gate_offset")),
      // The core takes the rows of a unit as it takes a row's trials.
      trials_(vector_or_none(list, list.containsElementNamed("unit_size") ? "unit_size" : "trials")),
      unit_(vector_or_none(list, "unit")) {
  if (!list.containsElementNamed("scratch") || Rf_isNull(list["scratch"])) return;
  const Rcpp::List file = list["scratch"];
  ScratchLayout layout;
  layout.rows = static_cast<Index>(Rcpp::as<double>(file["rows"]));
  layout.block_rows = Rcpp::as<int>(file["block_rows"]);
  layout.x = x_.ncol();
  layout.z = Rcpp::as<bool>(file["shared"]) ? 0 : z_.ncol();
  layout.weight = Rcpp::as<bool>(file["weight"]);
  layout.offset = Rcpp::as<bool>(file["offset"]);
  layout.gate_offset = Rcpp::as<bool>(file["gate_offset"]);
  layout.trials = Rcpp::as<bool>(file["trials"]);
  layout.x_adds_one = add_intercept_;
  layout.z_adds_one = add_intercept_;
  scratch_ = std::make_shared<ScratchFile>(Rcpp::as<std::string>(file["path"]), layout);
}

Block RData::block() const {
  return Block{view(x_), view(z_), view(y_), view(weight_),
               view(offset_), view(gate_offset_), view(trials_), view(unit_)};
}

Model model_for(const RData& data, const Rcpp::List& list) {
  Model m = model_from_list(list);
  const Data d = data.data();
  if (m.beta.rows() != d.x_columns() || m.alpha.rows() != d.z_columns()) {
    throw std::invalid_argument("the model and the data have different numbers of columns");
  }
  return m;
}

namespace {

ColumnScaling columns_from_list(const Rcpp::List& list) {
  ColumnScaling s;
  s.centre = Rcpp::as<VectorXd>(list["centre"]);
  s.scale = Rcpp::as<VectorXd>(list["scale"]);
  s.intercept = Rcpp::as<int>(list["intercept"]) - 1;
  s.aliased = Rcpp::as<std::vector<bool>>(list["aliased"]);
  s.combination = Rcpp::as<MatrixXd>(list["combination"]);
  return s;
}

Rcpp::List columns_to_list(const ColumnScaling& s) {
  return Rcpp::List::create(Rcpp::_["centre"] = s.centre, Rcpp::_["scale"] = s.scale,
                            Rcpp::_["intercept"] = static_cast<int>(s.intercept) + 1,
                            Rcpp::_["aliased"] = to_logical(s.aliased),
                            Rcpp::_["combination"] = s.combination);
}

}  // namespace

Scaling scaling_from_list(const Rcpp::List& list) {
  return Scaling{columns_from_list(list["x"]), columns_from_list(list["z"]),
                 Rcpp::as<double>(list["y_centre"]), Rcpp::as<double>(list["y_scale"]),
                 Rcpp::as<double>(list["y_residual"])};
}

Rcpp::List scaling_to_list(const Scaling& s) {
  return Rcpp::List::create(Rcpp::_["x"] = columns_to_list(s.x), Rcpp::_["z"] = columns_to_list(s.z),
                            Rcpp::_["y_centre"] = s.y_centre, Rcpp::_["y_scale"] = s.y_scale,
                            Rcpp::_["y_residual"] = s.y_residual);
}

Scaling scaling_for(const RData& data, FamilyKind family, SEXP given, const Services& services) {
  if (!Rf_isNull(given)) return scaling_from_list(Rcpp::List(given));
  return find_scaling(data.data(), takes_offset(family), data.x_intercept, data.z_intercept, services);
}

Data RData::data() const {
  return Data{block(), add_intercept_, add_intercept_, scratch_.get()};
}

bool is_fork() {
#ifdef _WIN32
  return false;
#else
  return getpid() != main_process;
#endif
}

Services r_services(int threads) {
  Services s;
  s.threads = is_fork() ? 1 : std::max(threads, 1);
  s.interrupt = [] { Rcpp::checkUserInterrupt(); };
  s.uniform = [] { return unif_rand(); };
  return s;
}

PenaltyOptions penalty_options(const Rcpp::List& list) {
  const Rcpp::NumericVector lambda = list["lambda"];
  PenaltyOptions o;
  o.gate_ridge = list["gate_ridge"];
  o.expert_ridge = list["expert_ridge"];
  o.expert_lambda = lambda[0];
  o.gate_lambda = lambda[1];
  o.l1_share = list["l1_share"];
  o.variance_prior = list["variance_prior"];
  return o;
}

Rcpp::LogicalVector to_logical(const std::vector<bool>& from) {
  return Rcpp::LogicalVector(from.begin(), from.end());
}

}  // namespace distmoe
