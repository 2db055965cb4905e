#include "batch.hpp"

#include <algorithm>
#include <cmath>
#include <new>

#include "spinbound/dispatch.hpp"

namespace spinbound {
namespace {

constexpr std::align_val_t alignment{64};

void copy_voxel(const TissueView& tissue, std::size_t voxel, VoxelBlock& block, int lane) {
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) block.value[p][lane] = tissue.value[p][voxel];
    block.log_T2s[lane] = std::log(tissue.value[static_cast<std::size_t>(Parameter::T2s) - 1][voxel]);
}

}  // namespace

LaneBuffer::LaneBuffer(std::size_t size)
    : data_(static_cast<double*>(::operator new[](std::max<std::size_t>(size, 1) * sizeof(double), alignment))) {}

void LaneBuffer::Free::operator()(double* p) const { ::operator delete[](p, alignment); }

Batch::Batch(const Sequence& sequence, const TissueView& tissue, const RunOptions& options)
    : kernel_(kernels(options.precision)), sequence_(sequence), tissue_(tissue), options_(options) {
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
            groups_[classify(tissue_, v, options_.precision)].voxels.push_back(v);
    }
}

// Planned by the thread that comes first: a call over many classes is then cancelled and shared out like any other.
const TrainPlan& Batch::train(const Block& block) const {
    return block.group->train(sequence_, options_.lineshape, *block.voxel_class);
}

Batch::Runner::Runner(const Batch& batch, std::size_t out_size, BasisView basis, const Block& first)
    : batch_(batch),
      basis_(basis),
      workspace_(batch.kernel_.workspace_size(batch.train(first))),  // the same for every class
      out_(out_size) {}

const double* Batch::Runner::run(Entry entry, const Block& block, const std::atomic<bool>& stop) {
    VoxelBlock voxels;
    for (int lane = 0; lane < batch_.kernel_.lanes; ++lane)
        copy_voxel(batch_.tissue_, block.voxel[std::min(lane, block.n_voxels - 1)], voxels, lane);
    (batch_.kernel_.*entry)({&batch_.train(block), &voxels, basis_, workspace_.data(), out_.data(), &stop});
    return out_.data();
}

void Batch::for_each_block(std::size_t out_size, BasisView basis, const Consume& consume,
                           const Invalidate& invalidate) const {
    constexpr std::size_t invalid_at_a_time = 64;
    const std::size_t n_items = blocks_.size() + (invalid_.size() + invalid_at_a_time - 1) / invalid_at_a_time;
    const int threads = resolve_threads(options_.threads, n_items);
    std::vector<std::unique_ptr<Runner>> runners(static_cast<std::size_t>(threads));
    const auto compute = [&](const Block& block, std::unique_ptr<Runner>& runner, const std::atomic<bool>& stop) {
        if (!runner) runner = std::make_unique<Runner>(*this, out_size, basis, block);
        consume(*runner, block, stop);
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

BasisView view(const Basis& basis) { return {reinterpret_cast<const double*>(basis.vectors), basis.rank}; }

std::size_t stream_output_size(const Basis& basis, const Sequence& sequence, int lanes) {
    return basis.n_samples(sequence) * n_streams * 2 * static_cast<std::size_t>(lanes);
}

}  // namespace spinbound
