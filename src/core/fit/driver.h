// From data without a start to a fit: starts on a small sample of the rows, few passes over all.
#ifndef DISTMOE_FIT_DRIVER_H
#define DISTMOE_FIT_DRIVER_H

#include "fit/search.h"

namespace distmoe {

struct DrivenFit {
  FitResult fit;
  Search search;
};

// Starts are searched on max(options.rows, 50 a parameter) random rows. The best maxima go on to three times
// as many (or all), and where there are many more, to samples of three times as many rows each, up to an
// eighth of all, before the best sees all n (ladder.h): what a sample's optimum lacks is of the order of one over
// its size, and the largest sample's Hessian serves as that of all rows (see fit.h).
DrivenFit fit_from_starts(const Data& data, const Scaling& scaling, const ExpertKind& kind, Index experts,
                          const PenaltyRule& rule, const FitOptions& fit_options,
                          const StartOptions& options, const Services& services);

}  // namespace distmoe

#endif
