// Keyed fingerprints of sets of rows, by which a site finds out how many rows two exchanges do not share, without
// keeping any row.
#ifndef DISTMOE_BASE_ROW_PRINTS_H
#define DISTMOE_BASE_ROW_PRINTS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace distmoe {

using HashKey = std::array<std::uint64_t, 2>;

// SipHash-2-4 (Aumasson & Bernstein 2012).
std::uint64_t keyed_hash(const HashKey& key, const unsigned char* bytes, std::size_t length);

// Sums of rows' hashes, each in the bucket that the hash says. Rows that only one of two sets has change a bucket each,
// so as long as they are few the number of buckets that differ is theirs. Sums of sets add.
class RowPrint {
 public:
  explicit RowPrint(std::size_t buckets) : sums_(buckets, 0) {}
  void add(std::uint64_t hash) { sums_[hash % sums_.size()] += static_cast<std::uint32_t>(hash >> 32); }
  const std::vector<std::uint32_t>& sums() const { return sums_; }

 private:
  std::vector<std::uint32_t> sums_;
};

}  // namespace distmoe

#endif
