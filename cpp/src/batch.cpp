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
    : kernel_(kernels()),
      sequence_(sequence),
      tissue_(tissue),
      options_(options),
      table_(ResponseTable::get(options.lineshape, largest_tau(sequence))) {
    for (std::size_t v = 0; v < tissue.n_voxels; ++v) {
        if (options.valid && !options.valid[v]) continue;
        groups_[classify(tissue, v)].voxels.push_back(v);
        ++n_valid_;
    }
    const auto lanes = static_cast<std::size_t>(kernel_.lanes);
    for (auto& [voxel_class, group] : groups_) {
        const std::size_t n = group.voxels.size();
        for (std::size_t k = 0; k < n; k += lanes)
            blocks_.push_back({&voxel_class, &group, &group.voxels[k], static_cast<int>(std::min(lanes, n - k))});
    }
}

// Planned by the thread that comes first: a call over many classes is then cancelled and shared out like any other.
const TrainPlan& Batch::train(const Block& block) const {
    return block.group->train(sequence_, *table_, *block.voxel_class);
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

void Batch::for_each_block(std::size_t out_size, BasisView basis, const Consume& consume) const {
    const int threads = resolve_threads(options_.threads);
    std::vector<std::unique_ptr<Runner>> runners(static_cast<std::size_t>(threads));
    const Work work = [&](std::size_t item, int thread, const std::atomic<bool>& stop) {
        auto& runner = runners[static_cast<std::size_t>(thread)];
        if (!runner) runner = std::make_unique<Runner>(*this, out_size, basis, blocks_[item]);
        consume(*runner, blocks_[item], stop);
        return static_cast<std::size_t>(blocks_[item].n_voxels);
    };
    parallel_for(blocks_.size(), n_valid_, threads, work, options_.monitor);
}

BasisView view(const Basis& basis) { return {reinterpret_cast<const double*>(basis.vectors), basis.rank}; }

std::size_t stream_output_size(const Basis& basis, const Sequence& sequence, int lanes) {
    const std::size_t rows = basis.n_samples(sequence), width = basis.rank ? n_all_streams : n_streams;
    return rows * width * 2 * static_cast<std::size_t>(lanes);
}

}  // namespace spinbound
