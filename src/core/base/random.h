// Random numbers of a task of its own: so that what runs side by side does not depend on who comes first.
#ifndef DISTMOE_BASE_RANDOM_H
#define DISTMOE_BASE_RANDOM_H

#include <cmath>
#include <random>

#include "base/model.h"

namespace distmoe {

// A generator whose seed comes from the caller's (see Services): the same for the same state of that one.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  double uniform() { return std::ldexp(static_cast<double>(engine_() >> 11), -53); }
  // A whole number 0 .. n - 1.
  Index below(Index n) {
    return std::min(n - 1, static_cast<Index>(uniform() * static_cast<double>(n)));
  }
  // A standard normal number.
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(6.283185307179586 * uniform());
  }

 private:
  std::mt19937_64 engine_;
};

// A seed for tasks from the caller's generator; task number `task` of it gets its own.
inline std::uint64_t draw_seed(const Services& services) {
  const double scale = 4294967296.0;
  const std::uint64_t high = static_cast<std::uint64_t>(services.uniform() * scale);
  return (high << 32) ^ static_cast<std::uint64_t>(services.uniform() * scale);
}
inline std::uint64_t seed_of_task(std::uint64_t seed, std::uint64_t task) {
  std::uint64_t s = seed + 0x9e3779b97f4a7c15ULL * (task + 1);  // splitmix64
  s = (s ^ (s >> 30)) * 0xbf58476d1ce4e5b9ULL;
  s = (s ^ (s >> 27)) * 0x94d049bb133111ebULL;
  return s ^ (s >> 31);
}

}  // namespace distmoe

#endif
