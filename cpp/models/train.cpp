// The train of the scalar models, one voxel at a time; repetition and boundary condition are those of
// theory, sections 7 and 8, here for the magnetization itself. Steps:
//     Train::event          a pulse or a crusher, the same for like pulses
//     Train::repetition     one repetition as one affine map
//     fixed_point, start    the boundary condition
//     run                   the echoes
#include <Eigen/LU>
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "models/propagator.hpp"

namespace spinbound::models {
namespace {

using Vector = Eigen::Matrix<double, n_state, 1>;
using Extended = Eigen::Matrix<double, n_columns, 1>;

Extended with_one(const Vector& m) { return (Extended() << m, 1).finished(); }

// The magnetization and its derivatives.
template <int n_derivatives>
struct Magnetization {
    Vector value = Vector::Zero();
    std::array<Vector, n_derivatives> derivative;

    Magnetization() {
        for (Vector& each : derivative) each.setZero();
    }
};

template <int n>
Magnetization<n> operator*(const Affine<n>& map, const Magnetization<n>& m) {
    Magnetization<n> result;
    const Extended extended = with_one(m.value);
    result.value.noalias() = map.value * extended;
    for (std::size_t p = 0; p < n; ++p) {
        result.derivative[p].noalias() = map.derivative[p] * extended;
        result.derivative[p].noalias() += map.value.template leftCols<n_state>() * m.derivative[p];
    }
    return result;
}

Tissue first_lane(const VoxelBlock& block) {
    const auto& v = block.value;
    return {v[0][0], v[1][0], v[2][0], v[3][0], v[4][0], v[5][0], v[6][0], v[7][0]};
}

// xf + i yf *= exp(-i phase): the frame turns with the RF
template <int n>
void turn(Affine<n>& map, double cosine, double sine) {
    Eigen::Matrix2d rotation;
    rotation << cosine, sine, -sine, cosine;
    map.each([&](AffineMatrix& matrix) { matrix.topRows<2>() = (rotation * matrix.topRows<2>()).eval(); });
}

template <int n>
void spoil(Affine<n>& map) {
    map.each([](AffineMatrix& matrix) { matrix.topRows<2>().setZero(); });
}

template <int n>
class Train {
public:
    Train(const TrainPlan& plan, const Tissue& tissue, const std::atomic<bool>& stop)
        : plan_(plan), tissue_(tissue), stop_(stop) {
        for (int k = 0; k < plan.n_intervals; ++k)
            gaps_.push_back(exponential(generator<n>(tissue, 0, {0, 0}), plan.half_time[k]));
    }

    Affine<n> repetition(const PulsePlan& pulse) {
        const GradientMoment moment = pulse.gradient_moment;
        const Affine<n>& gap = gaps_[static_cast<std::size_t>(pulse.interval)];
        const bool spoiled_after = moment == GradientMoment::spoiler_dual;
        Affine<n> before = gap;
        turn(before, pulse.cos_increment, pulse.sin_increment);
        if (spoiled_after || moment == GradientMoment::spoiler_prepulse) spoil(before);
        Affine<n> after = event(pulse) * before;
        if (spoiled_after) spoil(after);
        return gap * after;
    }

private:
    const Affine<n>& event(const PulsePlan& plan) {
        const bool is_crusher = plan.gradient_moment == GradientMoment::crusher;
        auto& known = events_[is_crusher];
        const std::pair key{plan.alpha, plan.TRF};
        const auto found = known.find(key);
        if (found != known.end()) return found->second;
        const Pulse pulse{plan_.model, plan.alpha, plan.TRF, plan_.shape, &stop_};
        int n_elements = 0;
        return known.emplace(key, is_crusher ? crusher(pulse) : propagator<n>(pulse, tissue_, n_elements))
            .first->second;
    }

    // The refocused path of an inversion played 90 degrees off the others; zs as the isolated pool.
    Affine<n> crusher(const Pulse& pulse) const {
        const Affine<n> pool = isolated_pool<n>(pulse, tissue_.T2s, tissue_.B1);
        const double beta = pulse.flip(tissue_.B1), refocused = std::pow(std::sin(beta / 2), 2);
        Affine<n> map;
        map.value.diagonal() << refocused, -refocused, std::cos(beta), pool.value(zs, zs);
        if constexpr (n > 0) {
            const double slope = beta / tissue_.B1 * std::sin(beta) / 2;
            map.d(Parameter::T2s)(zs, zs) = pool.derivative[index(Parameter::T2s)](zs, zs);
            map.d(Parameter::B1).diagonal() << slope, -slope, -2 * slope, pool.derivative[index(Parameter::B1)](zs, zs);
        }
        return map;
    }

    const TrainPlan& plan_;
    Tissue tissue_;
    const std::atomic<bool>& stop_;
    std::vector<Affine<n>> gaps_;
    std::map<std::pair<double, double>, Affine<n>> events_[2];  // by alpha and TRF; pulses, crushers
};

// m = U m + b, hence dm = (1 - U)^-1 (dU m + db).
template <int n>
Magnetization<n> fixed_point(const std::vector<Affine<n>>& repetitions) {
    Affine<n> cycle = identity<n>();
    for (const Affine<n>& repetition : repetitions) cycle = repetition * cycle;
    using System = Eigen::Matrix<double, n_state, n_state>;
    const Eigen::PartialPivLU<System> solver(System::Identity() - cycle.value.template leftCols<n_state>());
    Magnetization<n> m;
    m.value = solver.solve(cycle.value.col(one));
    const Extended extended = with_one(m.value);
    for (std::size_t p = 0; p < n; ++p) m.derivative[p] = solver.solve(Vector(cycle.derivative[p] * extended));
    return m;
}

template <int n>
Magnetization<n> start(const TrainPlan& plan, const Tissue& tissue, const std::vector<Affine<n>>& repetitions) {
    if (plan.start == Start::periodic) return fixed_point(repetitions);
    Magnetization<n> m;
    if (plan.start == Start::given) {
        m.value << plan.initial[0], plan.initial[1], plan.initial[2], plan.initial[4];
        return m;
    }
    m.value << 0, 0, tissue.m0f(), tissue.m0s;
    if constexpr (n > 0) m.derivative[index(Parameter::m0s)] << 0, 0, -1, 1;
    return m;
}

// record(echo, m) for every recorded echo, unless stopped
template <int n, class Record>
void run(const KernelCall& call, Record&& record) try {
    const TrainPlan& plan = *call.train;
    const Tissue tissue = first_lane(*call.voxels);
    Train<n> train(plan, tissue, *call.stop);
    std::vector<Affine<n>> repetitions;
    for (int i = 0; i < plan.n_pulses; ++i) {
        if (call.stop->load(std::memory_order_relaxed)) return;
        repetitions.push_back(train.repetition(plan.pulse[i]));
    }
    Magnetization<n> m = start(plan, tissue, repetitions);
    for (int i = 0; i < plan.n_pulses; ++i) {
        m = repetitions[static_cast<std::size_t>(i)] * m;
        if (plan.pulse[i].echo >= 0) record(plan.pulse[i].echo, m);
    }
} catch (const Stopped&) {  // what is written is meaningless then
}

using Row = std::array<std::complex<double>, n_streams>;

// record(echo, row) with the signal and its derivatives
template <class Record>
void run_streams(const KernelCall& call, Record&& record) {
    run<n_tissue_parameters>(call, [&](int echo, const Magnetization<n_tissue_parameters>& m) {
        Row row{std::complex(m.value[xf], m.value[yf])};
        for (std::size_t p = 0; p < n_tissue_parameters; ++p) row[1 + p] = {m.derivative[p][xf], m.derivative[p][yf]};
        record(echo, row);
    });
}

std::complex<double>* complex_out(const KernelCall& call) { return reinterpret_cast<std::complex<double>*>(call.out); }

std::size_t workspace_size(const TrainPlan&) { return 0; }

void signal(const KernelCall& call) {
    run<0>(call, [&](int echo, const Magnetization<0>& m) { complex_out(call)[echo] = {m.value[xf], m.value[yf]}; });
}

void magnetization(const KernelCall& call) {
    run<0>(call, [&](int echo, const Magnetization<0>& m) {
        std::copy_n(m.value.data(), n_state, call.out + static_cast<std::ptrdiff_t>(echo) * n_state);
    });
}

void sensitivities(const KernelCall& call) {
    run_streams(call, [&](int echo, const Row& row) {
        std::copy(row.begin(), row.end(), complex_out(call) + static_cast<std::ptrdiff_t>(echo) * n_streams);
    });
}

// c_r += sum_t conj(u_r(t)) s(t), as Gram sums onto what is there: the trains of a joint experiment add up.
void project(const KernelCall& call) {
    const auto* vectors = reinterpret_cast<const std::complex<double>*>(call.basis.vectors);
    const std::ptrdiff_t rank = call.basis.rank;
    run_streams(call, [&](int echo, const Row& row) {
        for (std::ptrdiff_t r = 0; r < rank; ++r)
            for (int k = 0; k < n_streams; ++k)
                complex_out(call)[r * n_streams + k] +=
                    std::conj(vectors[echo * rank + r]) * row[static_cast<std::size_t>(k)];
    });
}

void gram(const KernelCall& call) {
    run_streams(call, [&](int, const Row& row) {
        for (std::size_t i = 0; i < n_streams; ++i)
            for (std::size_t j = 0; j < n_streams; ++j)
                complex_out(call)[i * n_streams + j] += std::conj(row[i]) * row[j];
    });
}

}  // namespace
}  // namespace spinbound::models

namespace spinbound {

const KernelTable scalar_models = {
    "scalar",        1,           models::workspace_size, models::signal, models::magnetization, models::sensitivities,
    models::project, models::gram};

}  // namespace spinbound
