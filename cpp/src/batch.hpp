// A call over many voxels: classes, blocks of lanes, threads.
#pragma once

#include <atomic>
#include <functional>
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

// The voxels of one class, and their plan from the first block that needs it to the last: a call over thousands of
// classes holds few plans at a time.
class Group {
public:
    std::vector<std::size_t> voxels;
    std::atomic<std::size_t> n_blocks_left{0};

    const TrainPlan& train(const Sequence& sequence, Lineshape lineshape, const VoxelClass& voxel_class) {
        std::call_once(once_, [&] { plan_ = plan_for(sequence, lineshape, voxel_class); });
        return *plan_;
    }

    void finish_block() {
        if (--n_blocks_left == 0) plan_.reset();
    }

private:
    std::once_flag once_;
    std::shared_ptr<const TrainPlan> plan_;
};

// Up to `lanes` voxels of one class; lanes beyond n_voxels repeat the last one.
struct Block {
    const VoxelClass* voxel_class;
    Group* group;
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
        Runner(const Batch& batch, std::size_t out_size, BasisView basis, const Block& first);
        const double* run(Entry entry, const Block& block, const std::atomic<bool>& stop);

    private:
        const Batch& batch_;
        BasisView basis_;
        LaneBuffer workspace_, out_;
    };

    // On the threads of the call: consume(runner, block, stop) for every block, each thread with a runner of its own,
    // and invalidate(voxel) for every voxel that is not valid.
    using Consume = std::function<void(Runner& runner, const Block& block, const std::atomic<bool>& stop)>;
    using Invalidate = std::function<void(std::size_t voxel)>;
    void for_each_block(std::size_t out_size, BasisView basis, const Consume& consume,
                        const Invalidate& invalidate) const;

    int lanes() const { return kernel_.lanes; }

private:
    void sort_into_groups();
    const TrainPlan& train(const Block& block) const;

    const KernelTable& kernel_;
    const Sequence& sequence_;
    const TissueView& tissue_;
    const RunOptions& options_;
    std::map<VoxelClass, Group> groups_;  // of the valid voxels
    std::vector<std::size_t> invalid_;
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
