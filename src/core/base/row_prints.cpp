#include "base/row_prints.h"

namespace distmoe {

namespace {

std::uint64_t turned(std::uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

struct State {
  std::uint64_t a, b, c, d;

  void round() {
    a += b;
    b = turned(b, 13) ^ a;
    a = turned(a, 32);
    c += d;
    d = turned(d, 16) ^ c;
    a += d;
    d = turned(d, 21) ^ a;
    c += b;
    b = turned(b, 17) ^ c;
    c = turned(c, 32);
  }

  void take(std::uint64_t word) {
    d ^= word;
    round();
    round();
    a ^= word;
  }
};

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, const unsigned char* bytes, std::size_t length) {
  State s{key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL, key[0] ^ 0x6c7967656e657261ULL,
          key[1] ^ 0x7465646279746573ULL};
  const auto word_at = [&](std::size_t start, std::size_t count) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i) word |= static_cast<std::uint64_t>(bytes[start + i]) << (8 * i);
    return word;
  };
  const std::size_t whole = length / 8 * 8;
  for (std::size_t start = 0; start < whole; start += 8) s.take(word_at(start, 8));
  s.take(word_at(whole, length - whole) | static_cast<std::uint64_t>(length) << 56);
  s.c ^= 0xff;
  for (int i = 0; i < 4; ++i) s.round();
  return s.a ^ s.b ^ s.c ^ s.d;
}

}  // namespace distmoe
