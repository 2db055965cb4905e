#include "voxels/runner.hpp"

#include <algorithm>
#include <cmath>
#include <new>

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

Plans plans_for(const Experiment& experiment, const Model& model, const VoxelClass& voxel_class) {
    Plans plans;
    for (const Sequence& train : experiment.trains) plans.push_back(plan_for(train, model, voxel_class));
    return plans;
}

std::size_t n_pairs(Output output, const Experiment& experiment, const Basis& basis) {
    switch (output) {
        case Output::signal:
            return experiment.n_echoes();
        case Output::magnetization:
            return experiment.n_echoes() * 2;
        case Output::sensitivities:
            return experiment.n_echoes() * n_streams;
        case Output::project:
            return static_cast<std::size_t>(basis.rank) * n_streams;
        case Output::gram:
            break;
    }
    return n_streams * n_streams;
}

Runner::Runner(const KernelTable& kernel, const Experiment& experiment, const Basis& basis, const Plans& any,
               std::size_t n_pairs)
    : kernel_(kernel),
      experiment_(experiment),
      basis_(basis),
      workspace_(workspace_size(kernel, any)),
      out_(n_pairs * 2 * static_cast<std::size_t>(kernel.lanes)) {}

const double* Runner::run(Output output, const Plans& plans, const TissueView& tissue, const std::size_t* voxel,
                          int n_voxels, const std::atomic<bool>& stop) {
    VoxelBlock voxels;
    for (int lane = 0; lane < kernel_.lanes; ++lane)
        copy_voxel(tissue, voxel[std::min(lane, n_voxels - 1)], voxels, lane);
    const bool sums = output == Output::project || output == Output::gram;
    const std::size_t pair = 2 * static_cast<std::size_t>(kernel_.lanes), size = n_pairs(output, experiment_, basis_);
    if (sums) std::fill_n(out_.data(), size * pair, 0.0);
    const std::size_t per_echo = sums ? 0 : pair * size / std::max<std::size_t>(experiment_.n_echoes(), 1);
    const BasisView basis{reinterpret_cast<const double*>(basis_.vectors), basis_.rank};
    std::size_t echo = 0;
    for (const auto& train : plans) {
        const BasisView rows{basis.vectors ? basis.vectors + 2 * echo * static_cast<std::size_t>(basis.rank) : nullptr,
                             basis.rank};
        entry(kernel_, output)({train.get(), &voxels, rows, workspace_.data(), out_.data() + echo * per_echo, &stop});
        echo += static_cast<std::size_t>(train->n_echoes);
    }
    return out_.data();
}

}  // namespace spinbound
