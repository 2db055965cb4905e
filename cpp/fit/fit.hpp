// Non-linear least-squares fits of many voxels (theory, section 15).
//
// Minimises |y - M0 s(x)|^2 over the unknowns x within their bounds, in every voxel for itself.
#pragma once

#include "records/fit_problem.hpp"

namespace spinbound {

// Voxels that are not valid are `invalid`.
void fit(const FitProblem& problem, const FitResults& results);

}  // namespace spinbound
