// Part of kernels_body.h: what is done row by row, products with few columns and elementary functions.

const double shifter = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to a whole number

// exp(a) for a <= 709, to about one unit in the last place; 0 below -708.
DISTMOE_INLINE Vec exp_of(Vec a) {
  const Vec clipped = a < -708.0 ? all(-708.0) : (a > 709.0 ? all(709.0) : a);
  const Vec shifted = clipped * 1.4426950408889634074 + shifter;
  const Vec whole = shifted - shifter;
  // ln 2 in two parts, the first with zeros at its end, so that the products are exact.
  const Vec r = (clipped - whole * 6.93147180369123816490e-01) - whole * 1.90821492927058770002e-10;
  // Taylor's series; |r| <= ln(2) / 2 leaves 4e-18 behind the last term.
  Vec sum = all(1.0 / 6227020800.0);
  const double terms[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0,
                          1.0 / 40320.0, 1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0,
                          1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0};
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

// Rows are asked for this far ahead: a machine's own looking ahead stops at the end of a page.
const std::ptrdiff_t ahead = 256;

void standardise(std::ptrdiff_t n, const double* from, double centre, double factor, double* to) {
  std::ptrdiff_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __builtin_prefetch(from + i + ahead);
    for (std::ptrdiff_t a = 0; a < 8; a += lanes) {
      store(to + i + a, (load(from + i + a) - centre) * factor);
    }
  }
  for (; i < n; ++i) to[i] = (from[i] - centre) * factor;
}

template <Vec (*Of)(Vec)>
DISTMOE_INLINE void apply(std::ptrdiff_t n, double* a) {
  std::ptrdiff_t i = 0;
  for (; i + lanes <= n; i += lanes) store(a + i, Of(load(a + i)));
  if (i == n) return;
  double rest[lanes];
  store(rest, all(1.0));
  for (std::ptrdiff_t r = 0; i + r < n; ++r) rest[r] = a[i + r];
  store(rest, Of(load(rest)));
  for (std::ptrdiff_t r = 0; i + r < n; ++r) a[i + r] = rest[r];
}

void exponential(std::ptrdiff_t n, double* a) { apply<exp_of>(n, a); }
void logarithm(std::ptrdiff_t n, double* a) { apply<log_of>(n, a); }

DISTMOE_INLINE void normal_rows(const double* z, double* density, double* below) {
  const Vec value = load(z);
  const Vec size = value > 0.0 ? value : -value;
  const Vec height = exp_of(-0.5 * size * size) * 0.39894228040143267794;
  // Mills' ratio, the upper tail over the density, is a polynomial in t over 1 + size: Chebyshev's
  // interpolation on all of size >= 0, good to 4e-16.
  const Vec t = (size - 5.5) / (size + 5.5);
  const double terms[] = {-4.805853626226139e-10, -1.141408359337876e-08, 7.944701516384817e-09,
                          8.573162491660859e-08, -9.721360542965301e-08, -5.353000527868096e-07,
                          1.1162702772037198e-06, 2.6526761525629147e-06, -1.1761467008378759e-05,
                          -1.213499660690903e-06, 9.740295487086948e-05, -0.0002269998184824636,
                          -0.000204216745563551, 0.00290446404635441, -0.010659188443900604,
                          0.025621454176123843, -0.04569574901798504, 0.06092379690183981,
                          -0.053676021870198716, 0.0055522446067832075, 0.09070616930558004,
                          -0.22143300769123134, 1.1460994074211677};
  Vec sum = all(9.268819861570175e-10);
  DISTMOE_UNROLL
  for (int i = 0; i < 23; ++i) sum = sum * t + terms[i];
  const Vec tail = height * sum / (1.0 + size);
  store(density, height);
  store(below, value > 0.0 ? 1.0 - tail : tail);
}

void normal(std::ptrdiff_t n, const double* z, double* density, double* below) {
  std::ptrdiff_t i = 0;
  for (; i + lanes <= n; i += lanes) normal_rows(z + i, density + i, below + i);
  if (i == n) return;
  double rest[lanes] = {}, rest_density[lanes], rest_below[lanes];
  for (std::ptrdiff_t r = 0; i + r < n; ++r) rest[r] = z[i + r];
  normal_rows(rest, rest_density, rest_below);
  for (std::ptrdiff_t r = 0; i + r < n; ++r) {
    density[i + r] = rest_density[r];
    below[i + r] = rest_below[r];
  }
}
