// The hybrid state through a train (docs/theory.md, "Hybrid state").
//   prepare       angles and propagators of every repetition
//   run           one cycle, reporting every recorded echo to a sink
//   find_start    periodic: (I - U) m0 = b from one cycle of the unit columns and the affine stream
#pragma once

#include <type_traits>

#include "hybrid.hpp"

namespace spinbound {
namespace {

template <class Number>
struct Repetition {
    const Leg<Number>*before, *after;
    Number turn;  // of r at the pulse
    Response pool;
    Number echo_sin;
    Lane echo_cos;
};

// Of a cycle that the unit columns and an affine stream from zero start: r at an echo is affine + U m0.
struct HybridCycleEcho {
    Lane U_r, U_s, affine, sin;

    Lane moved(const HybridState& m0) const noexcept { return U_r * m0.r + U_s * m0.s; }
};

// Number: Dual, or Lane where no derivatives are asked for.
template <class Number>
struct HybridWorkspace {
    Number* tilt;  // by interval
    Leg<Number>* leg;
    Repetition<Number>* repetition;
    HybridCycleEcho* cycle;
    Lane* rest;
};

inline std::size_t fixed_hybrid_workspace(const TrainPlan& train) noexcept {
    return std::size_t(train.n_intervals) * sizeof(Dual) +
           std::size_t(train.n_pulses) * (2 * sizeof(Leg<Dual>) + sizeof(Repetition<Dual>)) +
           std::size_t(train.n_echoes) * sizeof(HybridCycleEcho);
}

template <class Number>
inline HybridWorkspace<Number> partition_hybrid(const TrainPlan& train, double* memory) noexcept {
    HybridWorkspace<Number> w;
    char* p = reinterpret_cast<char*>(memory);
    w.tilt = reinterpret_cast<Number*>(p);
    p += train.n_intervals * sizeof(Number);
    w.leg = reinterpret_cast<Leg<Number>*>(p);
    p += 2 * train.n_pulses * sizeof(Leg<Number>);
    w.repetition = reinterpret_cast<Repetition<Number>*>(p);
    p += train.n_pulses * sizeof(Repetition<Number>);
    w.cycle = reinterpret_cast<HybridCycleEcho*>(p);
    w.rest = reinterpret_cast<Lane*>(p + train.n_echoes * sizeof(HybridCycleEcho));
    return w;
}

// Axes of the echoes and what the pulses do to r, from pulse to pulse.
template <class Number>
class AxisWalk {
public:
    AxisWalk(const TrainPlan& train, const Voxel& v, const HybridWorkspace<Number>& w) noexcept
        : train_(train), v_(v), w_(w) {
        // A periodic train comes from its own end: the last pulse that is no crusher has set the axis.
        int last = train.start == Start::periodic ? train.n_pulses - 1 : -1;
        while (last >= 0 && moment(last) == GradientMoment::crusher) --last;
        is_longitudinal_ = last < 0 || moment(last) != GradientMoment::balanced;
        axis_ =
            is_longitudinal_ ? longitudinal_axis<Number>() : axis_of_pulse(v, alpha_at_echo(last), tilt(last)).axis();
    }

    Repetition<Number> next(int i, Leg<Number>*& free_leg) noexcept {
        const PulsePlan& pulse = train_.pulse[i];
        const Real t = Real(train_.half_time[pulse.interval]);
        const auto new_leg = [&](const Polar<Number>& polar) {
            *free_leg = leg(v_, polar, t);
            return free_leg++;
        };
        Repetition<Number> r;
        r.turn = constant<Number>(1);
        r.pool = tabulated_response<std::is_same_v<Number, Dual>>(v_, pulse);
        if (pulse.gradient_moment == GradientMoment::balanced) {
            const PulseAxis<Number> own = axis_of_pulse(v_, Real(pulse.alpha), tilt(i));
            const Real share = Real(pulse.TRF) / (2 * t);
            if (is_longitudinal_) {  // the part along the new axis; the rest turns about it and decays
                r.before = new_leg(held(axis_));
                r.turn = own.axis().cos;
                r.after = new_leg(mean_over_repetition(own, share));
            } else {
                r.before = r.after = new_leg(mean_over_repetition(own, share));
            }
            axis_ = axis_of_pulse(v_, alpha_at_echo(i), tilt(i)).axis();
            is_longitudinal_ = false;
        } else {
            r.before = new_leg(held(axis_));
            const Real alpha = Real(pulse.alpha);
            const SinCos half = sincos(Real(0.5) * alpha * v_.B1);
            const Lane sin = 2 * half.sin * half.cos, refocused = half.sin * half.sin;
            const Number cos_flip = number<Number>(1 - 2 * refocused, -alpha * sin, Lane{});
            r.turn = axis_.cos * cos_flip;
            if (pulse.gradient_moment == GradientMoment::crusher) {
                const Number minus_refocused = number<Number>(-refocused, Real(-0.5) * alpha * sin, Lane{});
                r.turn = r.turn * axis_.cos + minus_refocused * (axis_.sin * axis_.sin);
                r.after = r.before;
            } else {
                axis_ = longitudinal_axis<Number>();
                is_longitudinal_ = true;
                r.after = new_leg(held(axis_));
            }
        }
        r.echo_sin = axis_.sin;
        r.echo_cos = value_of(axis_.cos);
        return r;
    }

private:
    GradientMoment moment(int i) const noexcept { return train_.pulse[i].gradient_moment; }
    const Number& tilt(int i) const noexcept { return w_.tilt[train_.pulse[i].interval]; }

    // The echo lies amid two pulses: the mean of their flip angles.
    Real alpha_at_echo(int i) const noexcept {
        const bool is_last = i + 1 == train_.n_pulses;
        const int next = is_last && train_.start == Start::periodic ? 0 : is_last ? i : i + 1;
        const int other = moment(next) == GradientMoment::balanced ? next : i;
        return Real(0.5 * (train_.pulse[i].alpha + train_.pulse[other].alpha));
    }

    const TrainPlan& train_;
    const Voxel& v_;
    const HybridWorkspace<Number>& w_;
    Axis<Number> axis_;
    bool is_longitudinal_;
};

template <class Number>
inline void prepare(const TrainPlan& train, const Voxel& v, const HybridWorkspace<Number>& w) noexcept {
    for (int k = 0; k < train.n_intervals; ++k) {
        const Real t = Real(train.half_time[k]);
        const SinCos turn = sincos(t * v.omega0);
        w.tilt[k] = number<Number>(turn.cos, Lane{}, -t * turn.sin);
    }
    Leg<Number>* free_leg = w.leg;
    AxisWalk<Number> walk(train, v, w);
    for (int i = 0; i < train.n_pulses; ++i) w.repetition[i] = walk.next(i, free_leg);
}

// Calls sink(i, m, repetition) at the i-th recorded echo; false if stopped.
template <class S, class Number, class Sink>
inline bool run(S& m, const TrainPlan& train, const Voxel& v, const HybridWorkspace<Number>& w,
                const std::atomic<bool>& stop, Sink&& sink) noexcept {
    for (int i = 0; i < train.n_pulses; ++i) {
        const Repetition<Number>& r = w.repetition[i];
        const Real t = Real(train.half_time[train.pulse[i].interval]);
        advance(m, v, *r.before, t);
        pass_pulse(m, v, r.turn, r.pool);
        advance(m, v, *r.after, t);
        if (train.pulse[i].echo >= 0) sink(train.pulse[i].echo, m, r);
        if (stop.load(std::memory_order_relaxed)) return false;
    }
    return true;
}

struct Matrix2 {
    Lane rr, rs, sr, ss;

    HybridState operator()(const HybridState& m) const noexcept { return {rr * m.r + rs * m.s, sr * m.r + ss * m.s}; }
};

struct HybridBoundary {
    HybridState m0;   // before repetition 0
    Matrix2 inverse;  // (I - U)^-1 of a periodic train
    bool finished = true;
};

template <class Number>
inline HybridBoundary find_start(const TrainPlan& train, const Voxel& v, const HybridWorkspace<Number>& w,
                                 const std::atomic<bool>& stop) noexcept {
    HybridBoundary b{};
    if (train.start == Start::thermal) {
        b.m0 = {v.m0f, v.m0s};
    } else if (train.start == Start::given) {
        b.m0 = {broadcast(train.initial[2]), broadcast(train.initial[4])};
    } else {
        HybridStreams<2, false> m{};
        m.linear[0].r = m.linear[1].s = broadcast(1.0);
        b.finished = run(m, train, v, w, stop, [&](int i, const auto& at_echo, const Repetition<Number>& r) {
            w.cycle[i] = {at_echo.linear[0].r, at_echo.linear[1].r, at_echo.affine.r, value_of(r.echo_sin)};
        });
        const Lane rr = 1.0 - m.linear[0].r, rs = -m.linear[1].r, sr = -m.linear[0].s, ss = 1.0 - m.linear[1].s;
        const Lane scale = 1.0 / (rr * ss - rs * sr);
        b.inverse = {scale * ss, -scale * rs, -scale * sr, scale * rr};
        b.m0 = b.inverse(m.affine);
    }
    return b;
}

// The sourced streams before repetition 0.
inline HybridStreams<n_tangents, true> start_streams(const TrainPlan& train, const HybridBoundary& boundary) noexcept {
    HybridStreams<n_tangents, true> m{};
    m.affine = boundary.m0;
    if (train.start == Start::thermal) m.linear[d_m0s] = {broadcast(-1.0), broadcast(1.0)};
    return m;
}

}  // namespace
}  // namespace spinbound
