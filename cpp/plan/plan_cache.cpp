#include "plan/plan_cache.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>

#include "machine/cache_mutex.hpp"

namespace spinbound {
namespace {

// A plan and what it was made for.
struct Kept {
    Sequence sequence;
    Model model;
    VoxelClass voxel_class;
    Plan plan;

    Kept(const Sequence& s, const Model& m, const VoxelClass& c)
        : sequence(s), model(m), voxel_class(c), plan(sequence, model, voxel_class) {}
};

using KeptPlans = std::list<std::shared_ptr<const Kept>>;

// 0 and -0 differ, as they may in the results.
template <class T>
bool same_bits(const T& a, const T& b) {
    if (a.size() != b.size()) return false;
    return a.size() == 0 || std::memcmp(a.data(), b.data(), a.size() * sizeof(typename T::value_type)) == 0;
}

bool same_bits(const Sequence& a, const Sequence& b) {
    return a.start == b.start && same_bits(a.alpha, b.alpha) && same_bits(a.TRF, b.TRF) && same_bits(a.TR, b.TR) &&
           same_bits(a.rf_phase_increment, b.rf_phase_increment) && same_bits(a.gradient_moment, b.gradient_moment) &&
           same_bits(a.echo, b.echo) && same_bits(a.shape, b.shape) && same_bits(a.initial, b.initial);
}

// The latest first; guarded by cache_mutex(). Never destroyed: threads may still compute when the process ends.
KeptPlans& kept_plans() {
    static KeptPlans& plans = *new KeptPlans;
    return plans;
}

void keep(std::shared_ptr<const Kept> plan) {
    KeptPlans& plans = kept_plans();
    plans.push_front(std::move(plan));
    std::size_t n_pulses = 0;
    const auto is_too_many = [&](const auto& kept) {
        return (n_pulses += kept->sequence.alpha.size() + pulses_per_plan) > max_kept_pulses;
    };
    plans.erase(std::find_if(plans.begin(), plans.end(), is_too_many), plans.end());
}

std::shared_ptr<const TrainPlan> train_of(const std::shared_ptr<const Kept>& kept) {
    return {kept, &kept->plan.train()};
}

}  // namespace

std::shared_ptr<const TrainPlan> plan_for(const Sequence& sequence, const Model& model, const VoxelClass& voxel_class) {
    {
        const std::lock_guard lock(cache_mutex());
        KeptPlans& plans = kept_plans();
        const auto found = std::find_if(plans.begin(), plans.end(), [&](const auto& kept) {
            return kept->voxel_class == voxel_class && kept->model == model && same_bits(kept->sequence, sequence);
        });
        if (found != plans.end()) {
            plans.splice(plans.begin(), plans, found);
            return train_of(plans.front());
        }
    }
    const auto made = std::make_shared<const Kept>(sequence, model, voxel_class);  // takes the lock itself
    const std::lock_guard lock(cache_mutex());
    keep(made);
    return train_of(made);
}

}  // namespace spinbound
