// A mixture of experts seen at a block of rows: gates, densities, responsibilities.
// Shared by statistics (fitting), transport (aggregation) and predict.
#ifndef DISTMOE_MODEL_MIXTURE_H
#define DISTMOE_MODEL_MIXTURE_H

#include "base/numerics.h"
#include "model/family.h"

namespace distmoe {

struct Gates {
  ArrayXXd log;          // b x K, log pi_k(z; alpha)
  ArrayXXd probability;  // b x K, pi_k(z; alpha)
};

// gate_offset has length b or 0.
Gates gates(const MatrixView& z, const MatrixXd& alpha, const VectorView& gate_offset);

// x'beta_k + offset, b x K R. offset has length b or 0.
MatrixXd linear_predictors(const MatrixView& x, const MatrixXd& beta, const VectorView& offset);

// E[response | x, expert k], b x K R (see Family::response).
MatrixXd expert_means(FamilyKind family, const MatrixXd& eta, Index parts);

// log phi_k(y | x) but for the part that all experts share (Family::log_base), b x K.
ArrayXXd log_densities(FamilyKind family, const VectorView& y, const MatrixXd& eta,
                       const VectorXd& dispersion);
// The same, with the experts' means, which come with them; `mean` stays empty where eta is the mean.
ArrayXXd log_densities(FamilyKind family, const VectorView& y, const MatrixXd& eta,
                       const VectorXd& dispersion, MatrixXd& mean);

// Of a block's rows; where y is a share of trials those of all its trials, and of rows of a unit those of all of them.
// Without what all experts share:
ArrayXXd own_log_densities(const Block& block, const Model& model);
// what all experts share (Family::log_base, and the ways to have so many successes); empty where there is nothing.
ArrayXd shared_log_densities(const Block& block, FamilyKind family);

struct Evaluation {
  ArrayXXd gate;       // b x K, pi_k(z; alpha)
  MatrixXd eta;        // b x K R
  MatrixXd own_mean;   // see mean(); empty where eta is the mean
  ArrayXd log_lik;     // b, log f(y|x); of a unit, at each of its rows
  ArrayXXd posterior;  // b x K, P(expert k | x, y)

  const MatrixXd& mean() const { return own_mean.size() > 0 ? own_mean : eta; }  // b x K R, see expert_means()
};

// The E-step at a block that holds y.
Evaluation evaluate(const Block& block, const Model& model);

}  // namespace distmoe

#endif
