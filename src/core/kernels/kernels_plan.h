// Part of kernels_body.h: transport plans. Costs of components at rows to the experts of a model, the
// least of them, and what follows from it, in one go; see PlanRows in kernels.h.

// The cost of a component to an expert: (S6), or (S12) as a Bregman divergence. `square` is set to the
// squared gap of the means for Gaussian experts.
template <bool Bregman>
DISTMOE_INLINE Vec plan_cost(Vec eta, Vec mean, Vec below, Vec to, Vec above, double constant,
                             double precision, Vec& square) {
  if (Bregman) {
    // (S12)
    const Vec gap = (above - below) - mean * (to - eta);
    return gap > 0.0 ? gap : (gap < 0.0 ? Vec{} : gap);  // what is no number stays none
  }
  const Vec gap = eta - to;  // (S6)
  square = gap * gap;
  return square * precision + constant;
}

// All experts at one vector of rows. K > 0: their number; K = 0: it is `count`, and memory is lent.
template <int K>
struct PlanVectors {
  Vec own[6 * (K > 0 ? K : 1)];
  Vec* lent;
  std::ptrdiff_t count;

  DISTMOE_INLINE Vec& at(int part, std::ptrdiff_t k) {
    return K > 0 ? own[part * K + k] : lent[part * count + k];
  }
  DISTMOE_INLINE Vec& to(std::ptrdiff_t k) { return at(0, k); }
  DISTMOE_INLINE Vec& above(std::ptrdiff_t k) { return at(1, k); }
  DISTMOE_INLINE Vec& cost(std::ptrdiff_t k) { return at(2, k); }
  DISTMOE_INLINE Vec& square(std::ptrdiff_t k) { return at(3, k); }
  DISTMOE_INLINE Vec& sum(std::ptrdiff_t k) { return at(4, k); }
  DISTMOE_INLINE Vec& more(std::ptrdiff_t k) { return at(5, k); }
};

template <int K, bool Bregman>
DISTMOE_INLINE void see_experts(const PlanRows& a, std::ptrdiff_t i, PlanVectors<K>& v) {
  DISTMOE_UNROLL
  for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
    v.to(k) = load(a.to_eta + k * a.parts * a.n + i);
    if (Bregman) v.above(k) = load(a.to_potential + k * a.n + i);
  }
}

// What the predictors after the first take off a Bregman divergence: mean'(to - eta).
DISTMOE_INLINE Vec further_parts(const PlanRows& a, std::ptrdiff_t l, std::ptrdiff_t k,
                                 std::ptrdiff_t i) {
  Vec sum = Vec{};
  for (std::ptrdiff_t j = 1; j < a.parts; ++j) {
    const std::ptrdiff_t at = (l * a.parts + j) * a.n + i;
    sum += load(a.mean + at) * (load(a.to_eta + (k * a.parts + j) * a.n + i) - load(a.eta + at));
  }
  return sum;
}

// Sets the costs of component l at row i; gives the least.
template <int K, bool Bregman>
DISTMOE_INLINE Vec least_cost(const PlanRows& a, std::ptrdiff_t l, std::ptrdiff_t i, Vec mean,
                              PlanVectors<K>& v) {
  const Vec eta = Bregman ? load(a.eta + l * a.parts * a.n + i) : mean;
  const Vec below = Bregman ? load(a.potential + l * a.n + i) : Vec{};
  Vec best = Vec{};
  DISTMOE_UNROLL
  for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
    const Vec cost = plan_cost<Bregman>(eta, mean, below, v.to(k),
                                        Bregman ? v.above(k) - further_parts(a, l, k, i) : Vec{},
                                        Bregman ? 0.0 : a.constant[l * a.experts + k],
                                        Bregman ? 0.0 : a.precision[k], v.square(k));
    v.cost(k) = cost;
    best = k == 0 ? cost : (cost < best ? cost : best);
  }
  return best;
}

DISTMOE_INLINE double sum_of_lanes(Vec value) {
  double sum = value[0];
  for (std::ptrdiff_t a = 1; a < lanes; ++a) sum += value[a];
  return sum;
}

template <int K, bool Bregman>
void spread_of(const PlanRows& a, double* weight, double* response, double* objective,
               double* deviation, Vec* lent) {
  const std::ptrdiff_t n = a.n;
  PlanVectors<K> v;
  v.lent = lent;
  v.count = a.experts;
  // Sums of one vector of rows stay in registers while all components pass.
  Vec own[K > 0 ? K : 1];
  Vec* spread = K > 0 ? own : lent + 6 * a.experts;
  Vec value = Vec{};
  DISTMOE_UNROLL
  for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) spread[k] = Vec{};
  for (std::ptrdiff_t i = 0; i < n; i += lanes) {
    see_experts<K, Bregman>(a, i, v);
    DISTMOE_UNROLL
    for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
      v.sum(k) = load(weight + k * n + i);
      v.more(k) = load(response + k * a.parts * n + i);
    }
    for (std::ptrdiff_t l = 0; l < a.components; ++l) {
      const Vec mass = load(a.mass + l * n + i), mean = load((Bregman ? a.mean : a.eta) + l * a.parts * n + i);
      const Vec best = least_cost<K, Bregman>(a, l, i, mean, v);
      value += mass * best;
      Vec left = mass;  // ties: the first expert takes all
      DISTMOE_UNROLL
      for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
        const Vec taken = v.cost(k) <= best ? left : Vec{};  // (16)
        left -= taken;
        v.sum(k) += taken;  // (S10)
        v.more(k) += taken * mean;
        for (std::ptrdiff_t j = 1; Bregman && j < a.parts; ++j) {
          double* to = response + (k * a.parts + j) * n + i;
          store(to, load(to) + taken * load(a.mean + (l * a.parts + j) * n + i));
        }
        // (S8b), corrected
        if (!Bregman) spread[k] += taken * (v.square(k) + a.dispersion[l]);
      }
    }
    DISTMOE_UNROLL
    for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
      store(weight + k * n + i, v.sum(k));
      store(response + k * a.parts * n + i, v.more(k));
    }
  }
  *objective += sum_of_lanes(value);
  for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) deviation[k] += sum_of_lanes(spread[k]);
}

// Per component: the cost to every expert (Choose false), or what every expert takes and its cost.
template <int K, bool Bregman, bool Choose>
void components_of(const PlanRows& a, double* out, double* cost, Vec* lent) {
  const std::ptrdiff_t n = a.n;
  PlanVectors<K> v;
  v.lent = lent;
  v.count = a.experts;
  for (std::ptrdiff_t l = 0; l < a.components; ++l) {
    Vec value = Vec{};
    DISTMOE_UNROLL
    for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) v.sum(k) = Vec{};
    for (std::ptrdiff_t i = 0; i < n; i += lanes) {
      see_experts<K, Bregman>(a, i, v);
      const Vec mass = load(a.mass + l * n + i), mean = load((Bregman ? a.mean : a.eta) + l * a.parts * n + i);
      const Vec best = least_cost<K, Bregman>(a, l, i, mean, v);
      Vec left = mass;
      if (Choose) value += mass * best;
      DISTMOE_UNROLL
      for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) {
        if (!Choose) {
          v.sum(k) += mass * v.cost(k);
          continue;
        }
        const Vec taken = v.cost(k) <= best ? left : Vec{};  // (16)
        left -= taken;
        v.sum(k) += taken;
      }
    }
    for (std::ptrdiff_t k = 0; k < (K > 0 ? K : v.count); ++k) out[l * a.experts + k] += sum_of_lanes(v.sum(k));
    if (Choose) cost[l] += sum_of_lanes(value);
  }
}

template <int K>
void spread_for(const PlanRows& a, double* weight, double* response, double* objective,
                double* deviation, Vec* lent) {
  if (a.mean) spread_of<K, true>(a, weight, response, objective, deviation, lent);
  else spread_of<K, false>(a, weight, response, objective, deviation, lent);
}

template <int K>
void components_for(const PlanRows& a, bool choose, double* out, double* cost, Vec* lent) {
  if (a.mean && choose) components_of<K, true, true>(a, out, cost, lent);
  else if (a.mean) components_of<K, true, false>(a, out, cost, lent);
  else if (choose) components_of<K, false, true>(a, out, cost, lent);
  else components_of<K, false, false>(a, out, cost, lent);
}

void plan_spread(const PlanRows& a, double* weight, double* response, double* objective,
                 double* deviation) {
  switch (a.experts) {
    case 2: return spread_for<2>(a, weight, response, objective, deviation, nullptr);
    case 3: return spread_for<3>(a, weight, response, objective, deviation, nullptr);
    case 4: return spread_for<4>(a, weight, response, objective, deviation, nullptr);
    case 5: return spread_for<5>(a, weight, response, objective, deviation, nullptr);
  }
  Scratch lent(7 * a.experts * lanes);
  spread_for<0>(a, weight, response, objective, deviation, reinterpret_cast<Vec*>(lent.data));
}

void plan_components(const PlanRows& a, bool choose, double* out, double* cost) {
  switch (a.experts) {
    case 2: return components_for<2>(a, choose, out, cost, nullptr);
    case 3: return components_for<3>(a, choose, out, cost, nullptr);
    case 4: return components_for<4>(a, choose, out, cost, nullptr);
    case 5: return components_for<5>(a, choose, out, cost, nullptr);
  }
  Scratch lent(6 * a.experts * lanes);
  components_for<0>(a, choose, out, cost, reinterpret_cast<Vec*>(lent.data));
}

// Packed symmetric matrices of eight components side by side: entry e of component i at e * 8 + i.
const std::ptrdiff_t side = 8;

// The quadratic forms of such matrices at the gaps of C experts to the components.
template <int C>
void forms_of(std::ptrdiff_t p, const double* matrix, const double* beta, const double* to,
              double* out, Vec* gap) {
  Vec form[C];
  DISTMOE_UNROLL
  for (int c = 0; c < C; ++c) form[c] = Vec{};
  for (std::ptrdiff_t j = 0; j < p; ++j) {
    DISTMOE_UNROLL
    for (int c = 0; c < C; ++c) gap[j * C + c] = to[c * p + j] - load(beta + j * side);
  }
  for (std::ptrdiff_t j = 0; j < p; ++j) {
    const Vec corner = load(matrix);
    Vec sum[C];
    DISTMOE_UNROLL
    for (int c = 0; c < C; ++c) sum[c] = corner * gap[j * C + c];
    matrix += side;
    for (std::ptrdiff_t l = j + 1; l < p; ++l, matrix += side) {
      const Vec entry = 2.0 * load(matrix);
      DISTMOE_UNROLL
      for (int c = 0; c < C; ++c) sum[c] += entry * gap[l * C + c];
    }
    DISTMOE_UNROLL
    for (int c = 0; c < C; ++c) form[c] += sum[c] * gap[j * C + c];
  }
  DISTMOE_UNROLL
  for (int c = 0; c < C; ++c) store(out + c * side, form[c]);
}

void moment_forms(std::ptrdiff_t p, const double* matrix, const double* beta, std::ptrdiff_t experts,
                  const double* to, double* out) {
  Scratch gap(4 * p * lanes);
  Vec* room = reinterpret_cast<Vec*>(gap.data);
  for (std::ptrdiff_t v = 0; v < side; v += lanes) {
    std::ptrdiff_t k = 0;
    for (; k + 4 <= experts; k += 4) {
      forms_of<4>(p, matrix + v, beta + v, to + k * p, out + k * side + v, room);
    }
    for (; k + 2 <= experts; k += 2) {
      forms_of<2>(p, matrix + v, beta + v, to + k * p, out + k * side + v, room);
    }
    if (k < experts) forms_of<1>(p, matrix + v, beta + v, to + k * p, out + k * side + v, room);
  }
}

void moment_sums(std::ptrdiff_t p, const double* matrix, const double* gap, std::ptrdiff_t experts,
                 const double* chosen, double* moved, double* grams) {
  const std::ptrdiff_t size = p * (p + 1) / 2 * side;
  for (std::ptrdiff_t k = 0; k < experts; ++k) {
    for (std::ptrdiff_t v = 0; v < side; v += lanes) {
      const Vec share = load(chosen + k * side + v);
      if (sum_of_lanes(share) == 0.0) continue;
      double* to = grams + k * size + v;
      for (std::ptrdiff_t e = 0; e < size; e += side) {
        store(to + e, load(to + e) + share * load(matrix + v + e));
      }
    }
  }
  for (std::ptrdiff_t i = 0; i < p * side; ++i) moved[i] = 0.0;
  for (std::ptrdiff_t v = 0; v < side; v += lanes) {
    const double* entry = matrix + v;
    for (std::ptrdiff_t j = 0; j < p; ++j) {
      const Vec here = load(gap + j * side + v);
      Vec sum = load(moved + j * side + v) + load(entry) * here;
      entry += side;
      for (std::ptrdiff_t l = j + 1; l < p; ++l, entry += side) {
        double* to = moved + l * side + v;
        const Vec value = load(entry);
        sum += value * load(gap + l * side + v);
        store(to, load(to) + value * here);
      }
      store(moved + j * side + v, sum);
    }
  }
}
