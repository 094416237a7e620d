#include "base/scratch.h"

#include <algorithm>
#include <stdexcept>

namespace distmoe {

ScratchFile::ScratchFile(const std::string& path, const ScratchLayout& layout)
    : path_(path), layout_(layout) {
  if (layout.rows < 0 || layout.block_rows < 1) throw std::invalid_argument("a scratch file without blocks");
  give_back(take());
}

std::unique_ptr<std::ifstream> ScratchFile::take() const {
  {
    const std::lock_guard<std::mutex> hold(lock_);
    if (!idle_.empty()) {
      std::unique_ptr<std::ifstream> out = std::move(idle_.back());
      idle_.pop_back();
      return out;
    }
  }
  std::unique_ptr<std::ifstream> out(new std::ifstream(path_, std::ios::binary));
  if (!*out) throw std::runtime_error("the scratch file '" + path_ + "' can't be opened");
  return out;
}

void ScratchFile::give_back(std::unique_ptr<std::ifstream> stream) const {
  const std::lock_guard<std::mutex> hold(lock_);
  idle_.push_back(std::move(stream));
}

void ScratchFile::load(std::ifstream& file, Index start, Index count, Eigen::Ref<MatrixXd> to) const {
  const Index columns = layout_.columns(), height = layout_.block_rows;
  const auto doubles = [&](double* into, Index from, Index number) {
    file.seekg(static_cast<std::streamoff>(from) * static_cast<std::streamoff>(sizeof(double)));
    file.read(reinterpret_cast<char*>(into), static_cast<std::streamsize>(number * static_cast<Index>(sizeof(double))));
    if (!file) {
      file.clear();
      throw std::runtime_error("the scratch file '" + path_ + "' can't be read: it was removed or cut short");
    }
  };
  for (Index row = start; row < start + count;) {
    const Index first = row / height * height;
    const Index here = std::min(height, layout_.rows - first);  // rows of this block
    const Index number = std::min(first + here, start + count) - row;
    if (number == here && here == count) {
      doubles(to.data(), first * columns, here * columns);
    } else {
      for (Index j = 0; j < columns; ++j) {
        doubles(to.col(j).data() + (row - start), first * columns + j * here + row - first, number);
      }
    }
    row += number;
  }
}

void ScratchFile::read(Index start, Index count, const std::function<void(const Data&)>& see) const {
  MatrixXd memory(count, layout_.columns());
  std::unique_ptr<std::ifstream> file = take();
  load(*file, start, count, memory);
  give_back(std::move(file));
  Index next = layout_.x + layout_.z;
  const VectorXd none(0);
  const auto column = [&](bool there) { return there ? VectorView(memory.col(next++)) : VectorView(none); };
  const MatrixView x = memory.leftCols(layout_.x);
  const MatrixView z = layout_.z > 0 ? MatrixView(memory.middleCols(layout_.x, layout_.z)) : x;
  const VectorView y = column(layout_.y), weight = column(layout_.weight);
  const VectorView offset = column(layout_.offset), gate_offset = column(layout_.gate_offset);
  const VectorView trials = column(layout_.trials);
  see(Data{Block{x, z, y, weight, offset, gate_offset, trials, none}, layout_.x_adds_one, layout_.z_adds_one});
}

}  // namespace distmoe
