// Fisher matrices and Cramer-Rao bounds of many voxels (theory, section 10).
#pragma once

#include <vector>

#include "records/call.hpp"
#include "records/noise.hpp"
#include "records/tissue.hpp"

namespace spinbound {

// real: F = Re(J^H J)/sigma^2 over real parameters, M0 as the two columns Re M0 and Im M0;
// complex: F = J^H J/sigma^2 with one complex M0 (CRB-loss paper, section 2.1); real_M0: M0 real, its phase known.
enum class FisherForm : int { real, complex, real_M0 };

struct FisherProblem {
    const Experiment& experiment;
    TissueView tissue;
    NoiseView noise;
    std::vector<Parameter> wrt;
    FisherForm form;
    Basis basis;
    RunOptions options;

    // Rows of F: M0 has two in the real form.
    int size() const;
    bool splits(Parameter p) const { return p == Parameter::M0 && form == FisherForm::real; }
};

// F: (n_voxels, size, size), Complex for the complex form and double for the others.
void fisher(const FisherProblem& problem, void* F);

struct BoundResults {
    double* crb;  // (wrt.size(), n_voxels), for M0 in the real form the sum of both parts; inf where unidentifiable
    double* condition;  // (n_voxels,): largest over least singular value of the column-scaled Jacobian; null: not asked
};

// diag((F + P^-1)^-1). prior: rows R (size, size) with R^T R = P^-1, zeros for parameters without a prior, whose
// covariance is P; null: no prior, the Cramer-Rao bound.
void crb(const FisherProblem& problem, const double* prior, const BoundResults& results);

// What one run of a voxel in a basis gives, bit for bit as sensitivities, fisher and crb do; null is left out.
struct FisherResults {
    Complex* signal;  // (n_voxels, rank), always there
    Complex* jacobian;  // (n_voxels, rank, wrt.size())
    void* F;
    double* crb;
};

void in_one_run(const FisherProblem& problem, const FisherResults& results);

}  // namespace spinbound
