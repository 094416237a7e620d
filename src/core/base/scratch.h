// Rows in a file instead of memory: plain doubles, in blocks of rows, each block column by column.
#ifndef DISTMOE_BASE_SCRATCH_H
#define DISTMOE_BASE_SCRATCH_H

#include <fstream>
#include <memory>
#include <mutex>
#include <string>

#include "base/source.h"

namespace distmoe {

// What a block of the file holds, in this order: the columns of x, of z (none where the designs are
// shared), then y, weight, offset, gate_offset and trials where there are any.
struct ScratchLayout {
  Index rows = 0, block_rows = 0;  // the last block may be shorter
  Index x = 0, z = 0;              // columns; z = 0: shared
  bool y = true, weight = false, offset = false, gate_offset = false, trials = false;
  bool x_adds_one = false, z_adds_one = false;

  Index columns() const { return x + z + y + weight + offset + gate_offset + trials; }
};

class ScratchFile : public RowReader {
 public:
  ScratchFile(const std::string& path, const ScratchLayout& layout);
  Index rows() const override { return layout_.rows; }
  void read(Index start, Index count, const std::function<void(const Data&)>& see) const override;

 private:
  // Streams are opened as threads ask for them, and kept.
  std::unique_ptr<std::ifstream> take() const;
  void give_back(std::unique_ptr<std::ifstream> stream) const;
  void load(std::ifstream& file, Index start, Index count, Eigen::Ref<MatrixXd> to) const;

  std::string path_;
  ScratchLayout layout_;
  mutable std::mutex lock_;
  mutable std::vector<std::unique_ptr<std::ifstream>> idle_;
};

}  // namespace distmoe

#endif
