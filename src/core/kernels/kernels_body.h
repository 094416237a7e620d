// The kernels of one instruction set: DISTMOE_LANES doubles a vector, DISTMOE_PAIRS products of
// columns worked on together. Included once by every kernels_*.cpp, after it has set the compiler's
// target; nothing here may come from the standard library.
//
// Vectors run along the rows, so no step depends on the number of columns or experts, and sums over
// rows are kept lane by lane until the end of a call.

namespace distmoe {

namespace {

const std::ptrdiff_t lanes = DISTMOE_LANES;
typedef double Vec __attribute__((vector_size(8 * DISTMOE_LANES)));
typedef double Loose __attribute__((vector_size(8 * DISTMOE_LANES), aligned(8), may_alias));
typedef std::int64_t Bits __attribute__((vector_size(8 * DISTMOE_LANES)));

#define DISTMOE_INLINE inline __attribute__((always_inline))
#define DISTMOE_UNROLL _Pragma("GCC unroll 16")

DISTMOE_INLINE Vec load(const double* from) { return *reinterpret_cast<const Loose*>(from); }
DISTMOE_INLINE void store(double* to, Vec value) { *reinterpret_cast<Loose*>(to) = value; }
DISTMOE_INLINE Vec all(double value) { return Vec{} + value; }

// Memory for vectors, aligned.
class Scratch {
 public:
  explicit Scratch(std::ptrdiff_t doubles) : raw_(new double[doubles + lanes]) {
    const std::uintptr_t size = sizeof(Vec), at = reinterpret_cast<std::uintptr_t>(raw_);
    data = raw_ + (size - at % size) % size / sizeof(double);
  }
  ~Scratch() { delete[] raw_; }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  double* data;

 private:
  double* raw_;
};

// Inside the unnamed namespace, so that every instruction set has its own.
#include "kernels/kernels_rows.h"
#include "kernels/kernels_sums.h"
#include "kernels/kernels_plan.h"

const Kernels these_kernels = {grams, cross, multiply, softmax, logistic, standardise,
                               exponential, logarithm, normal,
                               plan_spread, plan_components, moment_forms, moment_sums};

}  // namespace

}  // namespace distmoe
