#include "voxels/batch.hpp"

#include <algorithm>

#include "machine/dispatch.hpp"
#include "machine/parallel.hpp"
#include "records/error.hpp"

namespace spinbound {
Batch::Batch(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options)
    : kernel_(kernels(options.model.name, options.precision)),
      experiment_(experiment),
      tissue_(tissue),
      basis_(basis),
      options_(options) {
    sort_into_groups();
    const auto lanes = static_cast<std::size_t>(kernel_.lanes);
    for (auto& [voxel_class, group] : groups_) {
        const std::size_t n = group.voxels.size();
        group.n_blocks_left = (n + lanes - 1) / lanes;
        for (std::size_t k = 0; k < n; k += lanes)
            blocks_.push_back({&voxel_class, &group, &group.voxels[k], static_cast<int>(std::min(lanes, n - k))});
    }
}

void Batch::sort_into_groups() {
    constexpr std::size_t poll_after = 1 << 20;  // some 50 ms
    for (std::size_t v = 0; v < tissue_.n_voxels; ++v) {
        if (v % poll_after == poll_after - 1 && options_.monitor) options_.monitor(0, tissue_.n_voxels);
        if (options_.valid && !options_.valid[v])
            invalid_.push_back(v);
        else
            groups_[classify(tissue_, v, options_.model.name, options_.precision)].voxels.push_back(v);
    }
}

// Planned by the thread that comes first: a call over many classes is then cancelled and shared out like any other.
const Plans& Batch::plans(const Block& block) const {
    return block.group->plans(experiment_, options_.model, *block.voxel_class);
}

Batch::BlockRunner::BlockRunner(const Batch& batch, std::size_t n_pairs, const Block& first)
    : batch_(batch), runner_(batch.kernel_, batch.experiment_, batch.basis_, batch.plans(first), n_pairs) {}

const double* Batch::BlockRunner::run(Output output, const Block& block, const std::atomic<bool>& stop) {
    return runner_.run(output, batch_.plans(block), batch_.tissue_, block.voxel, block.n_voxels, stop);
}

void Batch::for_each_block(std::initializer_list<Output> outputs, const Consume& consume,
                           const Invalidate& invalidate) const {
    constexpr std::size_t invalid_at_a_time = 64;
    std::size_t size = 0;
    for (Output output : outputs) size = std::max(size, n_pairs(output, experiment_, basis_));
    const std::size_t n_items = blocks_.size() + (invalid_.size() + invalid_at_a_time - 1) / invalid_at_a_time;
    const int threads = resolve_threads(options_.threads, n_items);
    std::vector<std::unique_ptr<BlockRunner>> runners(static_cast<std::size_t>(threads));
    const auto compute = [&](const Block& block, std::unique_ptr<BlockRunner>& runner, const std::atomic<bool>& stop) {
        if (!runner) runner = std::make_unique<BlockRunner>(*this, size, block);
        try {
            consume(*runner, block, stop);
        } catch (const OutOfReach&) {
            for (int lane = 0; lane < block.n_voxels; ++lane) invalidate(block.voxel[lane]);
        }
        block.group->finish_block();
        return static_cast<std::size_t>(block.n_voxels);
    };
    const auto skip = [&](std::size_t first) {
        const std::size_t last = std::min(first + invalid_at_a_time, invalid_.size());
        for (std::size_t k = first; k < last; ++k) invalidate(invalid_[k]);
        return last - first;
    };
    const Work work = [&](std::size_t item, int thread, const std::atomic<bool>& stop) {
        if (item >= blocks_.size()) return skip((item - blocks_.size()) * invalid_at_a_time);
        return compute(blocks_[item], runners[static_cast<std::size_t>(thread)], stop);
    };
    parallel_for(n_items, tissue_.n_voxels, threads, work, options_.monitor);
}

}  // namespace spinbound
