// Signals and sensitivities of many voxels.
#pragma once

#include <vector>

#include "records/call.hpp"
#include "records/tissue.hpp"

namespace spinbound {

// s: (n_voxels, n_samples)
void simulate(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options,
              Complex* s);

// m: (n_voxels, n_echoes, 5), xf yf zf xs zs at the echo, times M0
void simulate_magnetization(const Experiment& experiment, const TissueView& tissue, const RunOptions& options,
                            Complex* m);

// s: (n_voxels, n_samples); J: (n_voxels, n_samples, wrt.size()), derivatives in the order of wrt, M0's with respect to
// the complex M0
void sensitivities(const Experiment& experiment, const TissueView& tissue, const std::vector<Parameter>& wrt,
                   const Basis& basis, const RunOptions& options, Complex* s, Complex* J);

// (n_pulses, 3): R2sl and its derivatives with respect to T2s and B1 as the kernel's tables have them; for a crusher
// the response z and its derivatives
void tabulated_R2sl(const Sequence& sequence, Lineshape lineshape, double T2s, double B1, double* out);

}  // namespace spinbound
