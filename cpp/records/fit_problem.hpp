// What a fit of many voxels is asked, and what it answers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "records/call.hpp"
#include "records/noise.hpp"
#include "records/stopping.hpp"
#include "records/tissue.hpp"

namespace spinbound {

// What became of a voxel; the texts are for the user.
enum class Status : std::int8_t {
    gradient,
    step,
    cost,
    at_bound,
    max_iterations,
    singular,
    no_data,
    not_finite,
    invalid,
    failed,
    masked
};

inline constexpr int n_statuses = 11;

struct StatusInfo {
    std::string_view name, sentence;
};

inline constexpr std::array<StatusInfo, n_statuses> status_table{{
    {"gradient", "converged: the residual is orthogonal to every derivative of the signal"},
    {"step", "converged: a step changes no unknown any more"},
    {"cost", "converged: a step lowers the sum of squares no more"},
    {"at_bound", "at limits of unknowns, where the misfit is least within the limits"},
    {"max_iterations", "not converged within the allowed number of iterations"},
    {"singular", "converged, but the data do not determine every unknown"},
    {"no_data", "the data are zero"},
    {"not_finite", "the data hold NaN or infinity"},
    {"invalid", "a known value, a start, a prior or sigma is not accepted"},
    {"failed", "the model has no value at the start, or near the estimate"},
    {"masked", "outside the mask"},
}};

// known: as the tissue gives it. eliminated: the best complex M0 for every x (variable projection).
// fitted: Re M0 and Im M0 are unknowns like the others, from the tissue's as their start.
enum class M0Treatment : int { known, eliminated, fitted };

// How far a fit goes. look: one evaluation, and what its linearised model promises. rough: to a tenth of a standard
// error, in single precision where that is faster. full: to its stopping rules.
enum class Depth : int { look, rough, full };

struct FitProblem {
    const Experiment& experiment;
    TissueView tissue;     // the known parameters, and the starts of the unknown ones
    const Complex* data;   // (n_voxels, n_samples), whitened
    NoiseView noise;       // without a sigma it is found from the residual
    std::vector<Parameter> unknowns;  // tissue parameters, derived ones too
    M0Treatment M0;
    std::vector<double> low, high;  // one per unknown
    const double* prior_mean;       // (unknowns, n_voxels), of Gaussian priors; null: none
    std::vector<double> prior_std;  // one per unknown; inf: none
    Depth depth;
    std::vector<double> reach;  // of a look, one per unknown: a step so long promises less by the cost itself
    StoppingRules stopping;
    Basis basis;
    RunOptions options;

    // Real unknowns: two more if M0 is one.
    std::size_t size() const { return unknowns.size() + (M0 == M0Treatment::known ? 0 : 2); }
};

// Arrays of the caller. NaN where a voxel has no result. Short of a full fit there are estimates, promised ones of a
// look, and the misfit alone.
struct FitResults {
    double* estimates;       // (unknowns, n_voxels)
    Complex* M0;             // (n_voxels,); left as it is where M0 is known
    double* covariance;      // (n_voxels, size, size): the unknowns, Re M0, Im M0; variance inf where unidentifiable
    double* sigma;           // (n_voxels,): given, or estimated from the residual
    double* residual;        // (n_voxels,): |y - M0 s|/|y|
    double* misfit;          // (n_voxels,): likewise, priors included; of a look, what is promised
    std::int8_t* status;     // (n_voxels,)
    std::int32_t* iterations;   // (n_voxels,)
    std::uint16_t* at_bound;    // (n_voxels,): bit k for unknown k
};

}  // namespace spinbound
