// Part of kernels_body.h: weighted sums over rows of products of columns.

const int most_weights = 5;                 // weights worked on together
const int pairs = DISTMOE_PAIRS;
const std::ptrdiff_t tile = 256;            // rows: the weights of a tile stay in the first cache
const std::ptrdiff_t most_sums = 32 * 1024; // doubles of lane-wise sums kept at a time

// sums[p * ld + c] += sum_i w_ic left_i right_ip, lane by lane, i < n vectors. Columns of w and right
// are `stride` vectors apart.
template <int W, int P>
void tile_sums(std::ptrdiff_t n, const Vec* left, const Vec* right, const Vec* w,
               std::ptrdiff_t stride, Vec* sums, std::ptrdiff_t ld) {
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
    for (int p = 0; p < P; ++p) product[p] = here * right[p * stride + i];
    DISTMOE_UNROLL
    for (int c = 0; c < W; ++c) {
      const Vec weight = w[c * stride + i];
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

typedef void (*TileSums)(std::ptrdiff_t, const Vec*, const Vec*, const Vec*, std::ptrdiff_t, Vec*,
                         std::ptrdiff_t);

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

// Copies rows of columns next to each other, filled up with zeros to whole vectors.
void pack(std::ptrdiff_t n, std::ptrdiff_t columns, const double* from, std::ptrdiff_t ld, double* to,
          std::ptrdiff_t stride) {
  for (std::ptrdiff_t j = 0; j < columns; ++j) {
    const double* column = from + j * ld;
    double* out = to + j * stride;
    std::ptrdiff_t i = 0;
    for (; i + lanes <= n; i += lanes) *reinterpret_cast<Vec*>(out + i) = load(column + i);
    for (; i < n; ++i) out[i] = column[i];
    for (; i % lanes != 0; ++i) out[i] = 0.0;
  }
}

// Rows of x, z and w, in tiles of packed columns.
struct Packed {
  std::ptrdiff_t tiles, columns;
  Scratch data;

  explicit Packed(std::ptrdiff_t n, std::ptrdiff_t p)
      : tiles((n + tile - 1) / tile), columns(p), data(tiles * p * tile) {}
  void fill(std::ptrdiff_t n, const double* from, std::ptrdiff_t ld) {
    for (std::ptrdiff_t t = 0; t < tiles; ++t) {
      const std::ptrdiff_t rows = n - t * tile < tile ? n - t * tile : tile;
      pack(rows, columns, from + t * tile, ld, data.data + t * columns * tile, tile);
    }
  }
  const Vec* column(std::ptrdiff_t t, std::ptrdiff_t j) const {
    return reinterpret_cast<const Vec*>(data.data + (t * columns + j) * tile);
  }
};

// sums of `left` with columns first..end-1 of `right`, all weights, over one tile.
void row_of_sums(std::ptrdiff_t vectors, const Vec* left, const Packed& right, std::ptrdiff_t t,
                 std::ptrdiff_t first, const Packed& w, Vec* sums) {
  const std::ptrdiff_t m = w.columns, stride = tile / lanes;
  const std::ptrdiff_t groups = (m + most_weights - 1) / most_weights;
  for (std::ptrdiff_t l = first; l < right.columns; l += pairs) {
    const std::ptrdiff_t count = right.columns - l < pairs ? right.columns - l : pairs;
    Vec* here = sums + (l - first) * m;
    for (std::ptrdiff_t g = 0; g < groups; ++g) {
      const std::ptrdiff_t from = g * m / groups, to = (g + 1) * m / groups;
      tile_sums_of(to - from, count)(vectors, left, right.column(t, l), w.column(t, from), stride,
                                     here + from, m);
    }
  }
}

// The common part of grams and cross. Without z the left columns are those of x and the right ones
// start at the left one; `ones` makes a single left column of ones.
void weighted_sums(std::ptrdiff_t n, const Packed& left, const Packed& right, bool triangle,
                   const Packed& w, double* out) {
  const std::ptrdiff_t m = w.columns;
  std::ptrdiff_t widest = most_sums / (right.columns * m * lanes);
  if (widest < 1) widest = 1;
  if (widest > left.columns) widest = left.columns;
  Scratch scratch(widest * right.columns * m * lanes);
  for (std::ptrdiff_t start = 0; start < left.columns; start += widest) {
    const std::ptrdiff_t end = start + widest < left.columns ? start + widest : left.columns;
    std::ptrdiff_t count = 0;
    for (std::ptrdiff_t j = start; j < end; ++j) count += right.columns - (triangle ? j : 0);
    for (std::ptrdiff_t i = 0; i < count * m * lanes; ++i) scratch.data[i] = 0.0;
    for (std::ptrdiff_t t = 0; t < left.tiles; ++t) {
      const std::ptrdiff_t rows = n - t * tile < tile ? n - t * tile : tile;
      Vec* sums = reinterpret_cast<Vec*>(scratch.data);
      for (std::ptrdiff_t j = start; j < end; ++j) {
        const std::ptrdiff_t first = triangle ? j : 0;
        row_of_sums((rows + lanes - 1) / lanes, left.column(t, j), right, t, first, w, sums);
        sums += (right.columns - first) * m;
      }
    }
    for (std::ptrdiff_t i = 0; i < count * m; ++i) {
      const double* lane = scratch.data + i * lanes;
      double sum = lane[0];
      for (std::ptrdiff_t a = 1; a < lanes; ++a) sum += lane[a];
      out[i] += sum;
    }
    out += count * m;
  }
}

void grams(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, std::ptrdiff_t m,
           const double* w, std::ptrdiff_t ldw, double* out) {
  if (n <= 0 || p <= 0 || m <= 0) return;
  Packed xs(n, p), ws(n, m);
  xs.fill(n, x, ldx);
  ws.fill(n, w, ldw);
  weighted_sums(n, xs, xs, true, ws, out);
}

void cross(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, std::ptrdiff_t q,
           const double* z, std::ptrdiff_t ldz, std::ptrdiff_t m, const double* w, std::ptrdiff_t ldw,
           double* out) {
  if (n <= 0 || p <= 0 || q <= 0 || m <= 0) return;
  Packed xs(n, p), zs(n, q), ws(n, m);
  xs.fill(n, x, ldx);
  ws.fill(n, w, ldw);
  if (z) {
    zs.fill(n, z, ldz);
  } else {
    for (std::ptrdiff_t i = 0; i < zs.tiles * tile; ++i) zs.data.data[i] = 1.0;
  }
  weighted_sums(n, zs, xs, false, ws, out);
}
