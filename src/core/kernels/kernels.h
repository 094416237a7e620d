// The loops in which the time goes, once for each instruction set that the machine may have. Plain
// pointers: a file that is compiled for an instruction set must not share inline functions with the
// others, or the linker might keep the wrong ones.
#ifndef DISTMOE_KERNELS_KERNELS_H
#define DISTMOE_KERNELS_KERNELS_H

#include <cstddef>
#include <cstdint>

namespace distmoe {

// Components of local models at some rows, and the experts of a model there: what costs and plans of
// the reduction are made of. All columns are n apart. n counts whole vectors of any instruction set (a
// multiple of 8): rows that fill up have mass 0.
struct PlanRows {
  std::ptrdiff_t n, components, experts, parts;
  const double *mass, *eta;             // n x components: mass; n x components parts: linear predictors
  const double *mean, *potential;       // b'(eta), as eta, and b(eta), as mass; null for Gaussian experts
  const double* dispersion;             // components; Gaussian experts only, like the next and the last
  const double* constant;               // experts x components: the part of (S6) that is free of x
  const double *to_eta, *to_potential;  // n x experts parts, n x experts
  const double* precision;              // experts, 1 / (2 dispersion)
};

// Matrices are stored by columns; `ldx` is the distance from one column of x to the next. Rows n.
struct Kernels {
  // out (m x p (p + 1) / 2) += sum_i w_ic x_ij x_il at (c, (j, l >= j)); see gram.h.
  void (*grams)(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx,
                std::ptrdiff_t m, const double* w, std::ptrdiff_t ldw, double* out);
  // out (m x p q) += sum_i w_ic x_ij z_il at (c, (j, l)). z null: q = 1 and z is a column of ones.
  void (*cross)(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx,
                std::ptrdiff_t q, const double* z, std::ptrdiff_t ldz, std::ptrdiff_t m,
                const double* w, std::ptrdiff_t ldw, double* out);
  // out (n x k) = x (n x p) b (p x k).
  void (*multiply)(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx,
                   std::ptrdiff_t k, const double* b, std::ptrdiff_t ldb, double* out,
                   std::ptrdiff_t ldo);
  // a (n x k) := softmax of every row; total (n) := log-sum-exp of every row. Shares below exp(-230),
  // 1e-100, are given as 0.
  void (*softmax)(std::ptrdiff_t n, std::ptrdiff_t k, double* a, std::ptrdiff_t lda, double* total);
  // mean := 1 / (1 + exp(-a)), softplus := log(1 + exp(a)), both without overflow or loss.
  void (*logistic)(std::ptrdiff_t n, const double* a, double* mean, double* softplus);
  // to := (from - centre) * factor, for a long column that comes from far memory.
  void (*standardise)(std::ptrdiff_t n, const double* from, double centre, double factor, double* to);
  // a := exp(a).
  void (*exponential)(std::ptrdiff_t n, double* a);
  // a := log(a), for normal positive numbers.
  void (*logarithm)(std::ptrdiff_t n, double* a);
  // The standard Gaussian: below := Phi(z), density := phi(z). Relative errors of a few units in the last
  // place, in the lower tail too.
  void (*normal)(std::ptrdiff_t n, const double* z, double* density, double* below);
  // The pointwise plan (16): every component's mass goes to the expert of least cost, row by row.
  // weight (n x experts), response (n x experts parts) += mass, mass * mean; objective += sum of mass * cost; for
  // Gaussian experts deviation (experts) += sum of mass (dispersion + squared gap of the means).
  void (*plan_spread)(const PlanRows& rows, double* weight, double* response, double* objective,
                      double* deviation);
  // Sums over rows, component by component. choose: out (experts x components) += mass that goes to
  // each expert, cost (components) += what that costs. Else: out += cost of sending all to each.
  void (*plan_components)(const PlanRows& rows, bool choose, double* out, double* cost);
  // Eight components side by side, each with a packed symmetric p x p matrix m_i: entry e of component
  // i at e * 8 + i; the same for columns of p. Columns of other things (to) are p apart.
  // out (8 x experts) = (to_k - beta_i)' m_i (to_k - beta_i).
  void (*moment_forms)(std::ptrdiff_t p, const double* matrix, const double* beta,
                       std::ptrdiff_t experts, const double* to, double* out);
  // moved = m_i gap_i, side by side; grams (experts, each a packed matrix side by side) += chosen_ik
  // m_i, chosen 8 x experts.
  void (*moment_sums)(std::ptrdiff_t p, const double* matrix, const double* gap,
                      std::ptrdiff_t experts, const double* chosen, double* moved, double* grams);
};

// Instruction sets, worst first. `baseline` is what the compiler's own flags give.
enum class Instructions {
  baseline,
  avx2,
  avx512
};

bool has_instructions(Instructions which);  // of both the machine and this build
// The set in use. At first the best one there is, or the one that the environment variable
// DISTMOE_INSTRUCTIONS names if the machine has it.
Instructions instructions();
// Asks for a set that is there. This choice is the one thing in the core that calls share: like the
// machine it holds for the whole process. Not while a computation runs.
void use_instructions(Instructions which);

const Kernels& kernels();

// Each in its own file; null where the build has none.
const Kernels* baseline_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace distmoe

#endif
