// Plans are kept for the calls that follow, and no others are mistaken for them.
#include "plan/plan_cache.hpp"

#include "check.hpp"
#include "problem.hpp"

namespace spinbound::test {
namespace {

const TrainPlan* plan_of(const Sequence& sequence, const VoxelClass& voxel_class) {
    return plan_for(sequence, {}, voxel_class).get();
}

TEST(plans_are_kept, "A plan is kept for equal sequences, until others take its place") {
    const Problem problem(1, 50, Start::given, 1);
    const VoxelClass voxel_class = classify(problem.tissue(), 0, ModelName::gbloch, Precision::full);
    const auto plan = plan_for(problem.train(), {}, voxel_class);
    const Sequence copy = problem.train();
    CHECK(plan_of(copy, voxel_class) == plan.get());
    Sequence other = copy;
    for (std::size_t n = 0; n <= max_kept_pulses; n += other.alpha.size()) {
        other.TR[0] += 1e-6;
        CHECK(plan_of(other, voxel_class) != plan.get());
    }
    CHECK(plan_of(copy, voxel_class) != plan.get());
}

TEST(plans_are_not_confused, "Whatever differs between two sequences, their plans do") {
    const Problem problem(2, 20, Start::given, 1);
    const VoxelClass voxel_class = classify(problem.tissue(), 0, ModelName::gbloch, Precision::full);
    const auto plan = plan_for(problem.train(), {}, voxel_class);
    const auto has_another = [&](auto&& change) {
        Sequence changed = problem.train();
        change(changed);
        return plan_of(changed, voxel_class) != plan.get();
    };
    CHECK(has_another([](Sequence& s) { s.alpha[7] *= -1; }));
    CHECK(has_another([](Sequence& s) { s.TRF[19] *= 1.01; }));
    CHECK(has_another([](Sequence& s) {
        s.gradient_moment[0] = static_cast<GradientMoment>((static_cast<int>(s.gradient_moment[0]) + 1) % 4);
    }));
    CHECK(has_another([](Sequence& s) { s.TR[0] *= 2; }));
    CHECK(has_another([](Sequence& s) { s.rf_phase_increment.back() = 0; }));
    CHECK(has_another([](Sequence& s) { s.echo[3] = 0; }));
    CHECK(has_another([](Sequence& s) { s.shape = {{1, 0}, {1, 1}}; }));
    CHECK(has_another([](Sequence& s) { s.start = Start::thermal; }));
    CHECK(has_another([](Sequence& s) { s.initial[4] += 0.1; }));
    VoxelClass other_class = voxel_class;
    ++other_class.B1;
    CHECK(plan_of(problem.train(), other_class) != plan.get());
    CHECK(plan_for(problem.train(), {ModelName::gbloch, Lineshape::gaussian}, voxel_class) != plan);
    CHECK(plan_for(problem.train(), {ModelName::hybrid}, voxel_class) != plan);
    CHECK(plan_for(problem.train(), {ModelName::gbloch, Lineshape::superlorentzian, 1e-6}, voxel_class) != plan);
    CHECK(!has_another([](Sequence&) {}));
}

}  // namespace
}  // namespace spinbound::test
