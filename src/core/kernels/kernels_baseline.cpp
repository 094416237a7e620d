// The kernels for whatever the compiler's own flags allow.
#include "kernels/kernels.h"

#define DISTMOE_LANES 2
#define DISTMOE_PAIRS 2
#include "kernels/kernels_body.h"

namespace distmoe {

const Kernels* baseline_kernels() { return &these_kernels; }

}  // namespace distmoe
