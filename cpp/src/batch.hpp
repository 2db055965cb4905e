// A call over many voxels: classes, blocks of lanes, threads.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "plan_cache.hpp"
#include "spinbound/simulate.hpp"

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

// The voxels of one class, and their plans from the first block that needs them to the last: a call over thousands of
// classes holds few plans at a time.
class Group {
public:
    std::vector<std::size_t> voxels;
    std::atomic<std::size_t> n_blocks_left{0};

    const Plans& plans(const Experiment& experiment, const Physics& physics, const VoxelClass& voxel_class) {
        std::call_once(once_, [&] {
            for (const Sequence& train : experiment.trains) plans_.push_back(plan_for(train, physics, voxel_class));
        });
        return plans_;
    }

    void finish_block() {
        if (--n_blocks_left == 0) Plans().swap(plans_);
    }

private:
    std::once_flag once_;
    Plans plans_;
};

// Up to `lanes` voxels of one class; lanes beyond n_voxels repeat the last one.
struct Block {
    const VoxelClass* voxel_class;
    Group* group;
    const std::size_t* voxel;
    int n_voxels;
};

// What a kernel gives for a block, in (re im) pairs of lanes:
//     signal         n_echoes
//     magnetization  n_echoes x 2: (xf yf), (zf zs)
//     sensitivities  n_echoes x n_streams
//     project        rank x n_streams
//     gram           n_streams x n_streams: sum_t conj(s_i) s_j for i <= j
enum class Output { signal, magnetization, sensitivities, project, gram };

// Everything of a call but what is done with the results.
class Batch {
public:
    Batch(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options);

    // A kernel's run over one block, all trains one after the other, into a buffer of the calling thread.
    class Runner {
    public:
        Runner(const Batch& batch, std::size_t out_size, const Block& first);
        const double* run(Output output, const Block& block, const std::atomic<bool>& stop);

    private:
        const Batch& batch_;
        LaneBuffer workspace_, out_;
    };

    // On the threads of the call: consume(runner, block, stop) for every block, each thread with a runner of its own
    // for these outputs, and invalidate(voxel) for every voxel that is not valid.
    using Consume = std::function<void(Runner& runner, const Block& block, const std::atomic<bool>& stop)>;
    using Invalidate = std::function<void(std::size_t voxel)>;
    void for_each_block(std::initializer_list<Output> outputs, const Consume& consume,
                        const Invalidate& invalidate) const;

    int lanes() const { return kernel_.lanes; }

private:
    void sort_into_groups();
    const Plans& plans(const Block& block) const;
    std::size_t size(Output output) const;  // (re im) pairs of lanes

    const KernelTable& kernel_;
    const Experiment& experiment_;
    const TissueView& tissue_;
    const Basis& basis_;
    const RunOptions& options_;
    std::map<VoxelClass, Group> groups_;  // of the valid voxels
    std::vector<std::size_t> invalid_;
    std::vector<Block> blocks_;
};

// The streams of a block: in the time domain, or in a basis.
inline Output streams_in(const Basis& basis) { return basis.rank ? Output::project : Output::sensitivities; }

// Entry k of a kernel's (re im) pairs, for one lane.
inline Complex pair_of(const double* out, std::size_t k, int lanes, int lane) {
    const double* re = out + 2 * k * static_cast<std::size_t>(lanes) + lane;
    return {re[0], re[lanes]};
}

}  // namespace spinbound
