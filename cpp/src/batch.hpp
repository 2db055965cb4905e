// A call over many voxels: classes, blocks of lanes, threads.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "plan.hpp"
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

// Up to `lanes` voxels of one class; lanes beyond n_voxels repeat the last one.
struct Block {
    const TrainPlan* train;
    const std::size_t* voxel;
    int n_voxels;
};

// Everything of a call but what is done with the results.
class Batch {
public:
    Batch(const Sequence& sequence, const TissueView& tissue, const RunOptions& options);

    using Entry = void (*KernelTable::*)(const KernelCall&);

    // A kernel's run over one block, into a buffer of the calling thread.
    class Runner {
    public:
        Runner(const Batch& batch, std::size_t out_size, BasisView basis);
        const double* run(Entry entry, const Block& block, const std::atomic<bool>& stop);

    private:
        const Batch& batch_;
        BasisView basis_;
        LaneBuffer workspace_, out_;
    };

    // consume(runner, block, stop) for every block, on the threads of the call, each with a runner of its own.
    using Consume = std::function<void(Runner& runner, const Block& block, const std::atomic<bool>& stop)>;
    void for_each_block(std::size_t out_size, BasisView basis, const Consume& consume) const;

    int lanes() const { return kernel_.lanes; }
    int n_pulses() const { return n_pulses_; }

private:
    const KernelTable& kernel_;
    const TissueView& tissue_;
    const RunOptions& options_;
    int n_pulses_;
    std::shared_ptr<const ResponseTable> table_;
    std::vector<Plan> plans_;
    std::vector<std::size_t> order_;  // the valid voxels, class by class
    std::vector<Block> blocks_;
};

BasisView view(const Basis& basis);

// Doubles that KernelTable::sensitivities or, with a basis, KernelTable::project write for a block.
std::size_t stream_output_size(const Basis& basis, const Sequence& sequence, int lanes);

// Entry k of a kernel's (re im) pairs, for one lane.
inline Complex pair_of(const double* out, std::size_t k, int lanes, int lane) {
    const double* re = out + 2 * k * static_cast<std::size_t>(lanes) + lane;
    return {re[0], re[lanes]};
}

}  // namespace spinbound
