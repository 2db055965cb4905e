// What the kernel needs to know of a train, for one class of voxels.
//
// Degrees and surrogate patches depend on the sequence and on the class of a voxel: intervals of T2s, B1, |omega0| and
// of its largest slow rate. They never depend on the other voxels of the call, so a voxel's bits are its own.
#pragma once

#include <compare>
#include <complex>
#include <memory>
#include <vector>

#include "kernel/abi.hpp"
#include "plan/lineshape.hpp"
#include "records/precision.hpp"
#include "records/tissue.hpp"

namespace spinbound {

struct VoxelClass {
    int T2s, B1, omega0, rate;
    Precision precision;

    auto operator<=>(const VoxelClass&) const = default;
};

// One class where the plan does not depend on the voxel.
VoxelClass classify(const TissueView& tissue, std::size_t voxel, ModelName model, Precision precision);

// The class of a fit, whose voxels come back with other values: so wide that few classes share the voxels under way, for
// some 10 % more work in each run, and another plan than `simulate` chooses: signals differ by up to 4e-10.
VoxelClass coarser(const VoxelClass& voxel_class);

// The largest values within a class (and the smallest T2s).
struct ClassBounds {
    double min_T2s, max_B1, max_omega0, max_rate;
};

ClassBounds bounds(const VoxelClass& voxel_class);

// Owns what its TrainPlan points to.
class Plan {
public:
    Plan(const Sequence& sequence, const Model& model, const VoxelClass& voxel_class);
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    const TrainPlan& train() const { return train_; }

private:
    std::shared_ptr<const ResponseTable> table_;
    std::vector<std::complex<double>> shape_;
    std::vector<PulsePlan> pulses_;
    std::vector<double> half_times_;
    TrainPlan train_{};
};

}  // namespace spinbound
