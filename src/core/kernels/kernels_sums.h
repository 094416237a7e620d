// Part of kernels_body.h: weighted sums over rows of products of columns.

const int most_weights = 5;  // weights worked on together
const int pairs = DISTMOE_PAIRS;
const std::ptrdiff_t tile = 256;             // rows: the weights of a tile stay in the first cache
const std::ptrdiff_t most_sums = 32 * 1024;  // doubles of lane-wise sums kept at a time

// sums[p * ld + c] += sum_i w_ic left_i right_ip, lane by lane, i < n vectors. Columns of right and w
// are `ldr` and `ldw` vectors apart.
template <int W, int P>
void tile_sums(std::ptrdiff_t n, const Vec* left, const Vec* right, std::ptrdiff_t ldr, const Vec* w,
               std::ptrdiff_t ldw, Vec* sums, std::ptrdiff_t ld) {
  Vec acc[P][W];
  DISTMOE_UNROLL
  for (int p = 0; p < P; ++p) {
    DISTMOE_UNROLL
    for (int c = 0; c < W; ++c) acc[p][c] = sums[p * ld + c];
  }
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    const Vec here = left[i];
    Vec product[P];
    DISTMOE_UNROLL
    for (int p = 0; p < P; ++p) product[p] = here * right[p * ldr + i];
    DISTMOE_UNROLL
    for (int c = 0; c < W; ++c) {
      const Vec weight = w[c * ldw + i];
      DISTMOE_UNROLL
      for (int p = 0; p < P; ++p) acc[p][c] += weight * product[p];
    }
  }
  DISTMOE_UNROLL
  for (int p = 0; p < P; ++p) {
    DISTMOE_UNROLL
    for (int c = 0; c < W; ++c) sums[p * ld + c] = acc[p][c];
  }
}

typedef void (*TileSums)(std::ptrdiff_t, const Vec*, const Vec*, std::ptrdiff_t, const Vec*,
                         std::ptrdiff_t, Vec*, std::ptrdiff_t);

template <int P>
TileSums tile_sums_of(std::ptrdiff_t w) {
  switch (w) {
    case 1: return tile_sums<1, P>;
    case 2: return tile_sums<2, P>;
    case 3: return tile_sums<3, P>;
    case 4: return tile_sums<4, P>;
    default: return tile_sums<5, P>;
  }
}

TileSums tile_sums_of(std::ptrdiff_t w, std::ptrdiff_t p) {
  switch (p) {
    case 1: return tile_sums_of<1>(w);
    case 2: return tile_sums_of<2>(w);
#if DISTMOE_PAIRS > 2
    case 3: return tile_sums_of<3>(w);
    case 4: return tile_sums_of<4>(w);
#endif
    default: return tile_sums_of<pairs>(w);
  }
}

// Columns as whole vectors: where they lie, if that is on vector boundaries, else a copy whose last
// vector is filled up with zeros.
class Columns {
 public:
  Columns(std::ptrdiff_t n, std::ptrdiff_t count, const double* from, std::ptrdiff_t ld)
      : count(count), copy_(fits(n, from, ld) ? 0 : count * padded(n)) {
    if (fits(n, from, ld)) {
      data_ = from;
      stride = ld / lanes;
      return;
    }
    data_ = copy_.data;
    stride = padded(n) / lanes;
    for (std::ptrdiff_t j = 0; j < count; ++j) {
      const double* column = from + j * ld;
      double* out = copy_.data + j * padded(n);
      std::ptrdiff_t i = 0;
      for (; i + lanes <= n; i += lanes) *reinterpret_cast<Vec*>(out + i) = load(column + i);
      for (; i < n; ++i) out[i] = column[i];
      for (; i % lanes != 0; ++i) out[i] = 0.0;
    }
  }
  // One column of ones.
  explicit Columns(std::ptrdiff_t n) : count(1), stride(padded(n) / lanes), copy_(padded(n)) {
    for (std::ptrdiff_t i = 0; i < padded(n); ++i) copy_.data[i] = 1.0;
    data_ = copy_.data;
  }
  const Vec* column(std::ptrdiff_t j, std::ptrdiff_t row) const {
    return reinterpret_cast<const Vec*>(data_ + row) + j * stride;
  }

  std::ptrdiff_t count, stride;  // stride: vectors from one column to the next

 private:
  static bool fits(std::ptrdiff_t n, const double* from, std::ptrdiff_t ld) {
    return n % lanes == 0 && ld % lanes == 0 &&
           reinterpret_cast<std::uintptr_t>(from) % sizeof(Vec) == 0;
  }
  // Whole vectors, and not a multiple of the distance at which columns fall on each other in a cache.
  static std::ptrdiff_t padded(std::ptrdiff_t n) {
    const std::ptrdiff_t whole = (n + lanes - 1) / lanes * lanes;
    return whole % 512 == 0 ? whole + lanes : whole;
  }

  const double* data_;
  Scratch copy_;
};

// Sums of `left` with columns first, first + 1, ... of `right`, all weights, over the rows of a tile.
void row_of_sums(std::ptrdiff_t vectors, const Vec* left, const Columns& right, std::ptrdiff_t first,
                 const Columns& w, std::ptrdiff_t row, Vec* sums) {
  const std::ptrdiff_t m = w.count, groups = (m + most_weights - 1) / most_weights;
  for (std::ptrdiff_t l = first; l < right.count; l += pairs) {
    const std::ptrdiff_t count = right.count - l < pairs ? right.count - l : pairs;
    Vec* here = sums + (l - first) * m;
    for (std::ptrdiff_t g = 0; g < groups; ++g) {
      const std::ptrdiff_t from = g * m / groups, to = (g + 1) * m / groups;
      tile_sums_of(to - from, count)(vectors, left, right.column(l, row), right.stride,
                                     w.column(from, row), w.stride, here + from, m);
    }
  }
}

// out_i += sum of the lanes of sum i.
void add_lanes(std::ptrdiff_t count, const double* sums, double* out) {
  std::ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4, sums += 4 * lanes) {
    double a = sums[0], b = sums[lanes], c = sums[2 * lanes], d = sums[3 * lanes];
    DISTMOE_UNROLL
    for (std::ptrdiff_t lane = 1; lane < lanes; ++lane) {
      a += sums[lane];
      b += sums[lanes + lane];
      c += sums[2 * lanes + lane];
      d += sums[3 * lanes + lane];
    }
    out[i] += a;
    out[i + 1] += b;
    out[i + 2] += c;
    out[i + 3] += d;
  }
  for (; i < count; ++i, sums += lanes) {
    double a = sums[0];
    for (std::ptrdiff_t lane = 1; lane < lanes; ++lane) a += sums[lane];
    out[i] += a;
  }
}

// The common part of grams and cross. With `triangle` the left columns are the right ones, and column
// j goes with columns j, j + 1, ...
void weighted_sums(std::ptrdiff_t n, const Columns& left, const Columns& right, bool triangle,
                   const Columns& w, double* out) {
  const std::ptrdiff_t m = w.count;
  std::ptrdiff_t widest = most_sums / (right.count * m * lanes);
  if (widest < 1) widest = 1;
  if (widest > left.count) widest = left.count;
  Scratch scratch(widest * right.count * m * lanes);
  for (std::ptrdiff_t start = 0; start < left.count; start += widest) {
    const std::ptrdiff_t end = start + widest < left.count ? start + widest : left.count;
    std::ptrdiff_t count = 0;
    for (std::ptrdiff_t j = start; j < end; ++j) count += right.count - (triangle ? j : 0);
    for (std::ptrdiff_t i = 0; i < count * m * lanes; ++i) scratch.data[i] = 0.0;
    for (std::ptrdiff_t row = 0; row < n; row += tile) {
      const std::ptrdiff_t rows = n - row < tile ? n - row : tile;
      Vec* sums = reinterpret_cast<Vec*>(scratch.data);
      for (std::ptrdiff_t j = start; j < end; ++j) {
        const std::ptrdiff_t first = triangle ? j : 0;
        row_of_sums((rows + lanes - 1) / lanes, left.column(j, row), right, first, w, row, sums);
        sums += (right.count - first) * m;
      }
    }
    add_lanes(count * m, scratch.data, out);
    out += count * m;
  }
}

void grams(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, std::ptrdiff_t m,
           const double* w, std::ptrdiff_t ldw, double* out) {
  if (n <= 0 || p <= 0 || m <= 0) return;
  const Columns xs(n, p, x, ldx), ws(n, m, w, ldw);
  weighted_sums(n, xs, xs, true, ws, out);
}

void cross(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, std::ptrdiff_t q,
           const double* z, std::ptrdiff_t ldz, std::ptrdiff_t m, const double* w, std::ptrdiff_t ldw,
           double* out) {
  if (n <= 0 || p <= 0 || q <= 0 || m <= 0) return;
  const Columns xs(n, p, x, ldx), ws(n, m, w, ldw);
  if (z) {
    weighted_sums(n, Columns(n, q, z, ldz), xs, false, ws, out);
  } else {
    weighted_sums(n, Columns(n), xs, false, ws, out);
  }
}
