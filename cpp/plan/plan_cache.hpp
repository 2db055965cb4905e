// The plans of the latest calls: a fit asks for the same few again and again, and each takes a third of the time that a
// block of voxels takes.
#pragma once

#include <memory>

#include "plan/plan.hpp"

namespace spinbound {

// Pulses of the kept plans, all together: some 15 MB. A plan counts for as many more: so at most 512 are kept, and
// looked through.
inline constexpr std::size_t max_kept_pulses = 1 << 17, pulses_per_plan = 256;

// The plan of a class of voxels: one that is kept, or a new one, which is then kept in the place of the least recently
// used. It lives as long as it is held. May be called by several threads at once; a fork leaves it usable.
std::shared_ptr<const TrainPlan> plan_for(const Sequence& sequence, const Model& model, const VoxelClass& voxel_class);

}  // namespace spinbound
