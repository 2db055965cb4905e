// A kernel's runs over blocks of voxels: the buffers of one thread.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "plan/plan_cache.hpp"
#include "records/call.hpp"

namespace spinbound {

// Doubles aligned for any register.
class LaneBuffer {
public:
    explicit LaneBuffer(std::size_t size);
    double* data() const { return data_.get(); }

private:
    struct Free {
        void operator()(double* p) const;
    };
    std::unique_ptr<double[], Free> data_;
};

// One for each train of an experiment.
using Plans = std::vector<std::shared_ptr<const TrainPlan>>;

Plans plans_for(const Experiment& experiment, const Model& model, const VoxelClass& voxel_class);

// What a kernel gives for a block, in (re im) pairs of lanes:
//     signal         n_echoes
//     magnetization  n_echoes x 2: (xf yf), (zf zs)
//     sensitivities  n_echoes x n_streams
//     project        rank x n_streams
//     gram           n_streams x n_streams: sum_t conj(s_i) s_j for i <= j
enum class Output { signal, magnetization, sensitivities, project, gram };

// (re im) pairs of lanes
std::size_t n_pairs(Output output, const Experiment& experiment, const Basis& basis);

// The streams of a block: in the time domain, or in a basis.
inline Output streams_in(const Basis& basis) { return basis.rank ? Output::project : Output::sensitivities; }

// Entry k of a kernel's (re im) pairs, for one lane.
inline Complex pair_of(const double* out, std::size_t k, int lanes, int lane) {
    const double* re = out + 2 * k * static_cast<std::size_t>(lanes) + lane;
    return {re[0], re[lanes]};
}

class Runner {
public:
    // For outputs of up to n_pairs; the workspace is that of any class of voxels.
    Runner(const KernelTable& kernel, const Experiment& experiment, const Basis& basis, const Plans& any,
           std::size_t n_pairs);

    // Up to `lanes` voxels of the plans' class through all trains, one after the other; lanes beyond n_voxels repeat the
    // last voxel. The result is overwritten by the next run.
    const double* run(Output output, const Plans& plans, const TissueView& tissue, const std::size_t* voxel,
                      int n_voxels, const std::atomic<bool>& stop);

private:
    const KernelTable& kernel_;
    const Experiment& experiment_;
    const Basis& basis_;
    LaneBuffer workspace_, out_;
};

}  // namespace spinbound
