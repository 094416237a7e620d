// Numbers as integers of 256 bits, in units of 2^-128 and modulo 2^256: sums of them are exact in any order, and a
// uniform random one added to a number hides it.
#ifndef DISTMOE_BASE_FIXED_POINT_H
#define DISTMOE_BASE_FIXED_POINT_H

#include <array>
#include <cstdint>

namespace distmoe {

struct FixedPoint {
  std::array<std::uint64_t, 4> limbs{};  // the least first; the sign is that of two's complement

  static constexpr int bytes = 32;
  // Of larger numbers 2^15 may not fit: they are not encoded.
  static constexpr double largest = 5192296858534827628530496329220096.0;  // 2^112

  // Rounded to the unit. The value must be finite and below `largest`.
  static FixedPoint of(double value);
  static FixedPoint of_bytes(const unsigned char* from);
  void to_bytes(unsigned char* to) const;

  FixedPoint& operator+=(const FixedPoint& other);
  FixedPoint operator-() const;
  bool negative() const { return (limbs[3] >> 63) != 0; }

  // The nearest double, and what then remains of the number, likewise.
  void split(double* near, double* rest) const;
};

}  // namespace distmoe

#endif
