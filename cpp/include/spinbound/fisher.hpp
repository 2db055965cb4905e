// Fisher matrices and Cramer-Rao bounds of many voxels (docs/theory.md, "Fisher matrix and bound").
#pragma once

#include <vector>

#include "spinbound/simulate.hpp"

namespace spinbound {

// real: F = Re(J^H J)/sigma^2 over real parameters, M0 as the two columns Re M0 and Im M0;
// complex: F = J^H J/sigma^2 with one complex M0 (CRB-loss paper, section 2.1); real_M0: M0 real, its phase known.
enum class FisherForm : int { real, complex, real_M0 };

// Number of rows of F.
int fisher_size(const std::vector<Parameter>& wrt, FisherForm form);

// F: (n_voxels, P', P'), Complex for the complex form and double for the others; sigma: one per voxel.
void fisher(const Sequence& sequence, const TissueView& tissue, const double* sigma, const std::vector<Parameter>& wrt,
            FisherForm form, const Basis& basis, const RunOptions& options, void* F);

// crb: (wrt.size(), n_voxels), diag(F^-1), for M0 in the real form the sum of both parts; inf where unidentifiable.
void crb(const Sequence& sequence, const TissueView& tissue, const double* sigma, const std::vector<Parameter>& wrt,
         FisherForm form, const Basis& basis, const RunOptions& options, double* crb);

}  // namespace spinbound
