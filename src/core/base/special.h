// Functions around the gamma function, in forms that keep their digits where the argument is large.
#ifndef DISTMOE_BASE_SPECIAL_H
#define DISTMOE_BASE_SPECIAL_H

namespace distmoe {

// a log a - a - log Gamma(a), a > 0.
double shape_constant(double a);

// log a - psi(a), psi the digamma function; falls from infinity to 0.
double log_minus_digamma(double a);

// a^2 psi'(a) - a; between 1, for a near 0, and 1 / 2.
double shape_information(double a);

// The root a of mass (log a - psi(a)) + prior / a = deviation, mass and prior not both 0: the shape that maximises
// mass (a log a - a - log Gamma(a)) + prior log a - deviation a. Infinity where deviation is 0.
double shape_of(double mass, double deviation, double prior);

// The two tails of a Gamma variable of mean 1 and shape a at exp(v), and the density of its logarithm there.
struct GammaTails {
  double lower, upper, density;
};
GammaTails gamma_tails(double a, double v);

}  // namespace distmoe

#endif
