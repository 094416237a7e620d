#include "base/fixed_point.h"

#include <cmath>

namespace distmoe {

namespace {

constexpr int fraction = 128;  // bits below the point
constexpr int digits = 53;     // of a double

// The place of the highest bit, or -1.
int top_bit(const FixedPoint& v) {
  for (int i = 3; i >= 0; --i) {
    const std::uint64_t limb = v.limbs[static_cast<std::size_t>(i)];
    for (int b = 63; b >= 0; --b) {
      if (((limb >> b) & 1U) != 0) return 64 * i + b;
    }
  }
  return -1;
}

bool bit(const FixedPoint& v, int place) {
  return ((v.limbs[static_cast<std::size_t>(place / 64)] >> (place % 64)) & 1U) != 0;
}

// Of a number that is not negative its highest 53 bits, which are taken away from it.
double take_top(FixedPoint* v) {
  const int top = top_bit(*v);
  if (top < 0) return 0.0;
  double value = 0.0;
  for (int place = top; place >= 0 && place > top - digits; --place) {
    if (!bit(*v, place)) continue;
    value += std::ldexp(1.0, place - fraction);
    v->limbs[static_cast<std::size_t>(place / 64)] &= ~(std::uint64_t{1} << (place % 64));
  }
  return value;
}

}  // namespace

FixedPoint FixedPoint::of(double value) {
  FixedPoint out;
  int exponent = 0;
  const double mantissa = std::frexp(std::fabs(value), &exponent);
  std::uint64_t whole = static_cast<std::uint64_t>(std::ldexp(mantissa, digits));
  int shift = exponent - digits + fraction;
  if (shift < 0) {
    // Below the unit: rounded.
    whole = shift < -digits ? 0 : ((whole >> (-shift - 1)) + 1) >> 1;
    shift = 0;
  }
  const std::size_t limb = static_cast<std::size_t>(shift / 64);
  const int within = shift % 64;
  out.limbs[limb] = whole << within;
  if (within > 0 && limb < 3) out.limbs[limb + 1] = whole >> (64 - within);
  return value < 0 ? -out : out;
}

FixedPoint FixedPoint::of_bytes(const unsigned char* from) {
  FixedPoint out;
  for (int i = 0; i < bytes; ++i) out.limbs[static_cast<std::size_t>(i / 8)] |= std::uint64_t{from[i]} << (8 * (i % 8));
  return out;
}

void FixedPoint::to_bytes(unsigned char* to) const {
  for (int i = 0; i < bytes; ++i) {
    to[i] = static_cast<unsigned char>(limbs[static_cast<std::size_t>(i / 8)] >> (8 * (i % 8)));
  }
}

FixedPoint& FixedPoint::operator+=(const FixedPoint& other) {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < limbs.size(); ++i) {
    const std::uint64_t sum = limbs[i] + other.limbs[i];
    const std::uint64_t all = sum + carry;
    carry = (sum < limbs[i] ? 1U : 0U) | (all < sum ? 1U : 0U);
    limbs[i] = all;
  }
  return *this;
}

FixedPoint FixedPoint::operator-() const {
  FixedPoint out, one;
  for (std::size_t i = 0; i < limbs.size(); ++i) out.limbs[i] = ~limbs[i];
  one.limbs[0] = 1;
  return out += one;
}

void FixedPoint::split(double* near, double* rest) const {
  FixedPoint left = negative() ? -*this : *this;
  const double sign = negative() ? -1.0 : 1.0;
  const double first = take_top(&left), second = take_top(&left);
  *near = sign * (first + second);
  *rest = sign * (second - ((first + second) - first));
}

}  // namespace distmoe
