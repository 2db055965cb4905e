#include "batch.hpp"

#include <algorithm>
#include <cmath>
#include <new>

#include "spinbound/dispatch.hpp"
#include "spinbound/error.hpp"

namespace spinbound {
namespace {

constexpr std::align_val_t alignment{64};

void copy_voxel(const TissueView& tissue, std::size_t voxel, VoxelBlock& block, int lane) {
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) block.value[p][lane] = tissue.value[p][voxel];
    block.log_T2s[lane] = std::log(tissue.value[static_cast<std::size_t>(Parameter::T2s) - 1][voxel]);
}

std::size_t workspace_size(const KernelTable& kernel, const Plans& plans) {
    std::size_t size = 0;
    for (const auto& train : plans) size = std::max(size, kernel.workspace_size(*train));
    return size;
}

auto entry(const KernelTable& kernel, Output output) {
    switch (output) {
        case Output::signal:
            return kernel.signal;
        case Output::magnetization:
            return kernel.magnetization;
        case Output::sensitivities:
            return kernel.sensitivities;
        case Output::project:
            return kernel.project;
        case Output::gram:
            break;
    }
    return kernel.gram;
}

}  // namespace

LaneBuffer::LaneBuffer(std::size_t size)
    : data_(static_cast<double*>(::operator new[](std::max<std::size_t>(size, 1) * sizeof(double), alignment))) {}

void LaneBuffer::Free::operator()(double* p) const { ::operator delete[](p, alignment); }

Batch::Batch(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options)
    : kernel_(kernels(options.physics.model, options.precision)),
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
            groups_[classify(tissue_, v, options_.physics.model, options_.precision)].voxels.push_back(v);
    }
}

// Planned by the thread that comes first: a call over many classes is then cancelled and shared out like any other.
const Plans& Batch::plans(const Block& block) const {
    return block.group->plans(experiment_, options_.physics, *block.voxel_class);
}

std::size_t Batch::size(Output output) const {
    switch (output) {
        case Output::signal:
            return experiment_.n_echoes();
        case Output::magnetization:
            return experiment_.n_echoes() * 2;
        case Output::sensitivities:
            return experiment_.n_echoes() * n_streams;
        case Output::project:
            return static_cast<std::size_t>(basis_.rank) * n_streams;
        case Output::gram:
            break;
    }
    return n_streams * n_streams;
}

// The workspace is the same for every class.
Batch::Runner::Runner(const Batch& batch, std::size_t out_size, const Block& first)
    : batch_(batch), workspace_(workspace_size(batch.kernel_, batch.plans(first))), out_(out_size) {}

const double* Batch::Runner::run(Output output, const Block& block, const std::atomic<bool>& stop) {
    const KernelTable& kernel = batch_.kernel_;
    VoxelBlock voxels;
    for (int lane = 0; lane < kernel.lanes; ++lane)
        copy_voxel(batch_.tissue_, block.voxel[std::min(lane, block.n_voxels - 1)], voxels, lane);
    const bool sums = output == Output::project || output == Output::gram;
    const std::size_t pair = 2 * static_cast<std::size_t>(kernel.lanes), size = batch_.size(output);
    if (sums) std::fill_n(out_.data(), size * pair, 0.0);
    const std::size_t per_echo = sums ? 0 : pair * size / std::max<std::size_t>(batch_.experiment_.n_echoes(), 1);
    const BasisView basis{reinterpret_cast<const double*>(batch_.basis_.vectors), batch_.basis_.rank};
    std::size_t echo = 0;
    for (const auto& train : batch_.plans(block)) {
        const BasisView rows{basis.vectors ? basis.vectors + 2 * echo * static_cast<std::size_t>(basis.rank) : nullptr,
                             basis.rank};
        entry(kernel, output)({train.get(), &voxels, rows, workspace_.data(), out_.data() + echo * per_echo, &stop});
        echo += static_cast<std::size_t>(train->n_echoes);
    }
    return out_.data();
}

void Batch::for_each_block(std::initializer_list<Output> outputs, const Consume& consume,
                           const Invalidate& invalidate) const {
    constexpr std::size_t invalid_at_a_time = 64;
    std::size_t n_pairs = 0;
    for (Output output : outputs) n_pairs = std::max(n_pairs, size(output));
    const std::size_t out_size = n_pairs * 2 * static_cast<std::size_t>(kernel_.lanes);
    const std::size_t n_items = blocks_.size() + (invalid_.size() + invalid_at_a_time - 1) / invalid_at_a_time;
    const int threads = resolve_threads(options_.threads, n_items);
    std::vector<std::unique_ptr<Runner>> runners(static_cast<std::size_t>(threads));
    const auto compute = [&](const Block& block, std::unique_ptr<Runner>& runner, const std::atomic<bool>& stop) {
        if (!runner) runner = std::make_unique<Runner>(*this, out_size, block);
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
