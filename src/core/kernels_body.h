// The kernels of one instruction set: DISTMOE_LANES doubles a vector, DISTMOE_PAIRS products of
// columns worked on together. Included once by every kernels_*.cpp, after it has set the compiler's
// target; nothing here may come from the standard library.
//
// Vectors run along the rows, so no step depends on the number of columns or experts, and sums over
// rows are kept lane by lane until the end of a call.

namespace distmoe {

namespace {

const std::ptrdiff_t lanes = DISTMOE_LANES;
typedef double Vec __attribute__((vector_size(8 * DISTMOE_LANES)));
typedef double Loose __attribute__((vector_size(8 * DISTMOE_LANES), aligned(8), may_alias));
typedef std::int64_t Bits __attribute__((vector_size(8 * DISTMOE_LANES)));

#define DISTMOE_INLINE inline __attribute__((always_inline))
#define DISTMOE_UNROLL _Pragma("GCC unroll 16")

DISTMOE_INLINE Vec load(const double* from) { return *reinterpret_cast<const Loose*>(from); }
DISTMOE_INLINE void store(double* to, Vec value) { *reinterpret_cast<Loose*>(to) = value; }
DISTMOE_INLINE Vec all(double value) { return Vec{} + value; }

// Memory for vectors, aligned.
class Scratch {
 public:
  explicit Scratch(std::ptrdiff_t doubles) : raw_(new double[doubles + lanes]) {
    const std::uintptr_t size = sizeof(Vec), at = reinterpret_cast<std::uintptr_t>(raw_);
    data = raw_ + (size - at % size) % size / sizeof(double);
  }
  ~Scratch() { delete[] raw_; }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  double* data;

 private:
  double* raw_;
};

// ---- elementary functions --------------------------------------------------------------------

const double shifter = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number

// exp(a) for a <= 709, to about one unit in the last place; 0 below -708.
DISTMOE_INLINE Vec exp_of(Vec a) {
  const Vec clipped = a < -708.0 ? all(-708.0) : a > 709.0 ? all(709.0) : a;
  const Vec shifted = clipped * 1.4426950408889634074 + shifter;
  const Vec whole = shifted - shifter;
  // ln 2 in two parts, the first with zeros at its end, so that the products are exact.
  const Vec r = (clipped - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
  // Taylor's series; |r| <= ln(2) / 2 leaves 4e-18 behind the last term.
  Vec sum = all(1.0 / 6227020800.0);
  const double terms[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
                          1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,     1.0 / 120.0,
                          1.0 / 24.0,        1.0 / 6.0,        0.5,             1.0, 1.0};
  DISTMOE_UNROLL
  for (int i = 0; i < 13; ++i) sum = sum * r + terms[i];
  // 2^whole: the low bits of `shifted` hold the whole number.
  const Bits power = ((Bits)shifted + 1023) << 52;
  return a < -708.0 ? all(0.0) : sum * (Vec)power;
}

// 2 atanh(s) = log((1 + s) / (1 - s)), by its series.
template <int Terms>
DISTMOE_INLINE Vec twice_atanh(Vec s) {
  const Vec square = s * s;
  Vec sum = all(2.0 / (2 * Terms + 1));
  DISTMOE_UNROLL
  for (int i = Terms - 1; i > 0; --i) sum = sum * square + 2.0 / (2 * i + 1);
  return s * (sum * square) + 2.0 * s;
}

// log(a) for normal positive a.
DISTMOE_INLINE Vec log_of(Vec a) {
  // a = m 2^e with m in [sqrt(1/2), sqrt(2)): the offset moves the cut of the exponent there.
  const Bits offset = (Bits)a + (0x3ff0000000000000LL - 0x3fe6a09e667f3bcdLL);
  const Vec m = (Vec)((offset & 0x000fffffffffffffLL) + 0x3fe6a09e667f3bcdLL);
  // The exponent as a number: put behind the leading bit of 2^52. (Its sign bit is 0.)
  typedef std::uint64_t Natural __attribute__((vector_size(8 * DISTMOE_LANES)));
  const Bits e = (Bits)((Natural)offset >> 52) | 0x4330000000000000LL;
  const Vec exponent = (Vec)e - (4503599627370496.0 + 1023.0);
  return exponent * 6.93147180369123816490e-01 +
         (twice_atanh<11>((m - 1.0) / (m + 1.0)) + exponent * 1.90821492927058770002e-10);
}

// ---- sums over rows --------------------------------------------------------------------------

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

// ---- products and functions of rows ----------------------------------------------------------

// Two vectors of rows, C columns of b.
template <int C>
void multiply_rows(std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, const double* b,
                   std::ptrdiff_t ldb, double* out, std::ptrdiff_t ldo) {
  Vec first[C], second[C];
  DISTMOE_UNROLL
  for (int c = 0; c < C; ++c) first[c] = second[c] = Vec{};
  for (std::ptrdiff_t j = 0; j < p; ++j) {
    const Vec x1 = load(x + j * ldx), x2 = load(x + j * ldx + lanes);
    DISTMOE_UNROLL
    for (int c = 0; c < C; ++c) {
      const double factor = b[c * ldb + j];
      first[c] += x1 * factor;
      second[c] += x2 * factor;
    }
  }
  DISTMOE_UNROLL
  for (int c = 0; c < C; ++c) {
    store(out + c * ldo, first[c]);
    store(out + c * ldo + lanes, second[c]);
  }
}

void multiply(std::ptrdiff_t n, std::ptrdiff_t p, const double* x, std::ptrdiff_t ldx, std::ptrdiff_t k,
              const double* b, std::ptrdiff_t ldb, double* out, std::ptrdiff_t ldo) {
  const std::ptrdiff_t step = 2 * lanes;
  const std::ptrdiff_t whole = n - n % step;
  for (std::ptrdiff_t i = 0; i < whole; i += step) {
    std::ptrdiff_t c = 0;
    for (; c + 4 <= k; c += 4) multiply_rows<4>(p, x + i, ldx, b + c * ldb, ldb, out + c * ldo + i, ldo);
    const double* rest = b + c * ldb;
    double* to = out + c * ldo + i;
    if (k - c == 3) multiply_rows<3>(p, x + i, ldx, rest, ldb, to, ldo);
    if (k - c == 2) multiply_rows<2>(p, x + i, ldx, rest, ldb, to, ldo);
    if (k - c == 1) multiply_rows<1>(p, x + i, ldx, rest, ldb, to, ldo);
  }
  for (std::ptrdiff_t c = 0; c < k; ++c) {
    for (std::ptrdiff_t i = whole; i < n; ++i) {
      double sum = 0.0;
      for (std::ptrdiff_t j = 0; j < p; ++j) sum += x[j * ldx + i] * b[c * ldb + j];
      out[c * ldo + i] = sum;
    }
  }
}

DISTMOE_INLINE void softmax_rows(std::ptrdiff_t k, double* a, std::ptrdiff_t lda, double* total) {
  Vec top = load(a);
  for (std::ptrdiff_t c = 1; c < k; ++c) {
    const Vec value = load(a + c * lda);
    top = value > top ? value : top;
  }
  Vec sum = Vec{};
  for (std::ptrdiff_t c = 0; c < k; ++c) {
    const Vec below = load(a + c * lda) - top;
    // Products of smaller shares would be denormal numbers, which cost a hundred times as much.
    const Vec value = below < -230.0 ? Vec{} : exp_of(below);
    store(a + c * lda, value);
    sum += value;
  }
  store(total, top + (log_of(sum) + (sum - sum)));  // a sum that is no number stays none
  const Vec share = 1.0 / sum;
  for (std::ptrdiff_t c = 0; c < k; ++c) store(a + c * lda, load(a + c * lda) * share);
}

void softmax(std::ptrdiff_t n, std::ptrdiff_t k, double* a, std::ptrdiff_t lda, double* total) {
  if (k <= 0) return;
  std::ptrdiff_t i = 0;
  for (; i + lanes <= n; i += lanes) softmax_rows(k, a + i, lda, total + i);
  if (i == n) return;
  // The rows left over, one vector with zeros behind them.
  Scratch last(k * lanes), last_total(lanes);
  for (std::ptrdiff_t c = 0; c < k; ++c) {
    for (std::ptrdiff_t r = 0; r < lanes; ++r) {
      last.data[c * lanes + r] = i + r < n ? a[c * lda + i + r] : 0.0;
    }
  }
  softmax_rows(k, last.data, lanes, last_total.data);
  for (std::ptrdiff_t r = 0; i + r < n; ++r) {
    total[i + r] = last_total.data[r];
    for (std::ptrdiff_t c = 0; c < k; ++c) a[c * lda + i + r] = last.data[c * lanes + r];
  }
}

DISTMOE_INLINE void logistic_rows(const double* a, double* mean, double* softplus) {
  const Vec value = load(a);
  // exp of a negative number only; 1 - mean stays accurate on the other side.
  const Vec small = exp_of(value > 0.0 ? -value : value);
  const Vec share = 1.0 / (1.0 + small);
  store(mean, value > 0.0 ? share : small * share);
  store(softplus, (value > 0.0 ? value : Vec{}) + twice_atanh<17>(small / (2.0 + small)));
}

void logistic(std::ptrdiff_t n, const double* a, double* mean, double* softplus) {
  std::ptrdiff_t i = 0;
  for (; i + lanes <= n; i += lanes) logistic_rows(a + i, mean + i, softplus + i);
  if (i == n) return;
  double rest[lanes] = {}, rest_mean[lanes], rest_softplus[lanes];
  for (std::ptrdiff_t r = 0; i + r < n; ++r) rest[r] = a[i + r];
  logistic_rows(rest, rest_mean, rest_softplus);
  for (std::ptrdiff_t r = 0; i + r < n; ++r) {
    mean[i + r] = rest_mean[r];
    softplus[i + r] = rest_softplus[r];
  }
}

void exponential(std::ptrdiff_t n, double* a) {
  std::ptrdiff_t i = 0;
  for (; i + lanes <= n; i += lanes) store(a + i, exp_of(load(a + i)));
  if (i == n) return;
  double rest[lanes] = {};
  for (std::ptrdiff_t r = 0; i + r < n; ++r) rest[r] = a[i + r];
  store(rest, exp_of(load(rest)));
  for (std::ptrdiff_t r = 0; i + r < n; ++r) a[i + r] = rest[r];
}

const Kernels these_kernels = {grams, cross, multiply, softmax, logistic, exponential};

}  // namespace

}  // namespace distmoe
