#include "plan_cache.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>

#include "cache_mutex.hpp"

namespace spinbound {
namespace {

// A plan, what it was made for, and the table that it points into.
struct Kept {
    Sequence sequence;
    Lineshape lineshape;
    VoxelClass voxel_class;
    std::shared_ptr<const ResponseTable> table;
    Plan plan;

    Kept(const Sequence& s, Lineshape l, const VoxelClass& c)
        : sequence(s),
          lineshape(l),
          voxel_class(c),
          table(ResponseTable::get(l, largest_tau(s))),
          plan(sequence, *table, voxel_class) {}
};

using Plans = std::list<std::shared_ptr<const Kept>>;

// 0 and -0 differ, as they may in the results.
template <class T>
bool same_bits(const T* a, const T* b, std::size_t n) {
    return std::memcmp(a, b, n * sizeof(T)) == 0;
}

bool same_bits(const Sequence& a, const Sequence& b) {
    const std::size_t n = a.alpha.size();
    return n == b.alpha.size() && a.start == b.start && same_bits(a.alpha.data(), b.alpha.data(), n) &&
           same_bits(a.TRF.data(), b.TRF.data(), n) &&
           same_bits(a.gradient_moment.data(), b.gradient_moment.data(), n) && same_bits(&a.TR, &b.TR, 1) &&
           same_bits(&a.rf_phase_increment, &b.rf_phase_increment, 1) &&
           same_bits(a.initial.data(), b.initial.data(), a.initial.size());
}

// The latest first; guarded by cache_mutex(). Never destroyed: threads may still compute when the process ends.
Plans& kept_plans() {
    static Plans& plans = *new Plans;
    return plans;
}

void keep(std::shared_ptr<const Kept> plan) {
    Plans& plans = kept_plans();
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

std::shared_ptr<const TrainPlan> plan_for(const Sequence& sequence, Lineshape lineshape,
                                          const VoxelClass& voxel_class) {
    {
        const std::lock_guard lock(cache_mutex());
        Plans& plans = kept_plans();
        const auto found = std::find_if(plans.begin(), plans.end(), [&](const auto& kept) {
            return kept->voxel_class == voxel_class && kept->lineshape == lineshape &&
                   same_bits(kept->sequence, sequence);
        });
        if (found != plans.end()) {
            plans.splice(plans.begin(), plans, found);
            return train_of(plans.front());
        }
    }
    const auto made = std::make_shared<const Kept>(sequence, lineshape, voxel_class);  // takes the lock itself
    const std::lock_guard lock(cache_mutex());
    keep(made);
    return train_of(made);
}

}  // namespace spinbound
