// A call over many voxels: classes, blocks of lanes, threads.
#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "voxels/runner.hpp"

namespace spinbound {

// The voxels of one class, and their plans from the first block that needs them to the last: a call over thousands of
// classes holds few plans at a time.
class Group {
public:
    std::vector<std::size_t> voxels;
    std::atomic<std::size_t> n_blocks_left{0};

    const Plans& plans(const Experiment& experiment, const Model& model, const VoxelClass& voxel_class) {
        std::call_once(once_, [&] { plans_ = plans_for(experiment, model, voxel_class); });
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

// Everything of a call but what is done with the results.
class Batch {
public:
    Batch(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options);

    // The runs of one thread over blocks of this batch.
    class BlockRunner {
    public:
        BlockRunner(const Batch& batch, std::size_t n_pairs, const Block& first);
        const double* run(Output output, const Block& block, const std::atomic<bool>& stop);

    private:
        const Batch& batch_;
        Runner runner_;
    };

    // On the threads of the call: consume(runner, block, stop) for every block, each thread with a runner of its own
    // for these outputs, and invalidate(voxel) for every voxel that is not valid.
    using Consume = std::function<void(BlockRunner& runner, const Block& block, const std::atomic<bool>& stop)>;
    using Invalidate = std::function<void(std::size_t voxel)>;
    void for_each_block(std::initializer_list<Output> outputs, const Consume& consume,
                        const Invalidate& invalidate) const;

    int lanes() const { return kernel_.lanes; }

private:
    void sort_into_groups();
    const Plans& plans(const Block& block) const;

    const KernelTable& kernel_;
    const Experiment& experiment_;
    const TissueView& tissue_;
    const Basis& basis_;
    const RunOptions& options_;
    std::map<VoxelClass, Group> groups_;  // of the valid voxels
    std::vector<std::size_t> invalid_;
    std::vector<Block> blocks_;
};

}  // namespace spinbound
