#include "fit/objective.h"

namespace distmoe {

Information information_at(const Source& source, const Model& model, const Services& services) {
  services.interrupt();
  return sum_over(source, Information(parameter_count(model)), services,
                  [&](const Block& block) { return information(block, model); });
}

double least_mass(const Model& model, double mean_weight) {
  return static_cast<double>(model.beta.rows() * model.parts() + 1) * mean_weight;
}

MatrixXd objective_curvature(const Model& model, const MatrixXd& hessian, const Penalty& penalty) {
  MatrixXd out = -hessian;
  penalty.add_to(model, out);
  return out;
}

VectorXd objective_gradient(const Model& model, const VectorXd& score, const Penalty& penalty) {
  VectorXd out = score;
  penalty.take_from(model, out);
  return out;
}

}  // namespace distmoe
