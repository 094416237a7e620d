#include "kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace distmoe {

namespace {

const Kernels* kernels_of(Instructions which) {
  switch (which) {
    case Instructions::avx512: return avx512_kernels();
    case Instructions::avx2: return avx2_kernels();
    default: return baseline_kernels();
  }
}

bool machine_has(Instructions which) {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (which == Instructions::avx2) return avx2;
  if (which == Instructions::avx512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
#endif
  return which == Instructions::baseline;
}

Instructions first_choice() {
  const Instructions all[] = {Instructions::avx512, Instructions::avx2, Instructions::baseline};
  const char* names[] = {"avx512", "avx2", "baseline"};
  const char* wish = std::getenv("DISTMOE_INSTRUCTIONS");
  for (int i = 0; wish && i < 3; ++i) {
    if (!std::strcmp(wish, names[i]) && has_instructions(all[i])) return all[i];
  }
  for (Instructions which : all) {
    if (has_instructions(which)) return which;
  }
  return Instructions::baseline;
}

std::atomic<Instructions>& choice() {
  static std::atomic<Instructions> chosen(first_choice());
  return chosen;
}

}  // namespace

bool has_instructions(Instructions which) { return kernels_of(which) && machine_has(which); }

Instructions instructions() { return choice(); }

void use_instructions(Instructions which) {
  if (!has_instructions(which)) throw std::invalid_argument("this machine lacks these instructions");
  choice() = which;
}

const Kernels& kernels() { return *kernels_of(choice()); }

}  // namespace distmoe
