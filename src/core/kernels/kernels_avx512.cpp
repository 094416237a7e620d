// The kernels for machines with AVX512. Not on Windows, where compilers do not align the stack for
// vectors of this size.
#include "kernels/kernels.h"

#if defined(__x86_64__) && !defined(_WIN32) && (defined(__clang__) || defined(__GNUC__))

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx2,fma")
#endif

#define DISTMOE_LANES 8
#define DISTMOE_PAIRS 5
#include "kernels/kernels_body.h"

namespace distmoe {

const Kernels* avx512_kernels() { return &these_kernels; }

}  // namespace distmoe

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else

namespace distmoe {

const Kernels* avx512_kernels() { return nullptr; }

}  // namespace distmoe

#endif
