// The hybrid state through a train (theory, section 13).
//   prepare       what does not depend on the magnetization nor on the axis: precession and responses of the pool
//   AxisWalk      axes and what the pulse does, one repetition after the other
//   run           one cycle, reporting every recorded echo to a sink
//   find_start    periodic: (I - U) m0 = b from one cycle of the unit columns and the affine stream
#pragma once

#include "kernel/hybrid.hpp"

namespace spinbound {
namespace {

template <class Number>
struct Repetition {
    Polar<Number> before, after;
    bool is_even;  // before and after are the same
    Number turn;   // of r at the pulse
    Number echo_sin;
    Lane echo_cos;
};

// Of a cycle that the unit columns and an affine stream from zero start: r at an echo is affine + U m0.
struct HybridCycleEcho {
    Lane U_r, U_s, affine, sin;

    Lane moved(const HybridState& m0) const noexcept { return U_r * m0.r + U_s * m0.s; }
};

// Precession by interval; a quarter of the flip angle, and the response of the pool, by pulse; cycle echoes by echo;
// repetitions of a cycle that is run twice; the rest.
struct HybridWorkspace {
    SinCos *precession, *quarter;
    Response* response;
    HybridCycleEcho* cycle;
    Repetition<Dual>* repetition;
    Lane* rest;
};

inline std::size_t fixed_hybrid_workspace(const TrainPlan& train) noexcept {
    return std::size_t(train.n_intervals) * sizeof(SinCos) + std::size_t(train.n_echoes) * sizeof(HybridCycleEcho) +
           std::size_t(train.n_pulses) * (sizeof(SinCos) + sizeof(Response) + sizeof(Repetition<Dual>));
}

inline HybridWorkspace partition_hybrid(const TrainPlan& train, double* memory) noexcept {
    HybridWorkspace w;
    char* p = reinterpret_cast<char*>(memory);
    w.precession = reinterpret_cast<SinCos*>(p);
    p += train.n_intervals * sizeof(SinCos);
    w.quarter = reinterpret_cast<SinCos*>(p);
    p += train.n_pulses * sizeof(SinCos);
    w.response = reinterpret_cast<Response*>(p);
    p += train.n_pulses * sizeof(Response);
    w.cycle = reinterpret_cast<HybridCycleEcho*>(p);
    p += train.n_echoes * sizeof(HybridCycleEcho);
    w.repetition = reinterpret_cast<Repetition<Dual>*>(p);
    w.rest = reinterpret_cast<Lane*>(p + train.n_pulses * sizeof(Repetition<Dual>));
    return w;
}

template <bool sloped>
inline void prepare(const TrainPlan& train, const Voxel& v, const HybridWorkspace& w) noexcept {
    for (int k = 0; k < train.n_intervals; ++k) w.precession[k] = sincos(Real(train.half_time[k]) * v.omega0);
    for (int i = 0; i < train.n_pulses; ++i) {
        w.quarter[i] = sincos(Real(0.25 * train.pulse[i].alpha) * v.B1);
        w.response[i] = tabulated_response<sloped>(v, train.pulse[i]);
    }
}

// Axes of the echoes and what the pulses do to r, from pulse to pulse.
template <class Number>
class AxisWalk {
public:
    AxisWalk(const TrainPlan& train, const Voxel& v, const HybridWorkspace& w) noexcept : train_(train), v_(v), w_(w) {
        // A periodic train comes from its own end: the last pulse that is no crusher has set the axis.
        int last = train.start == Start::periodic ? train.n_pulses - 1 : -1;
        while (last >= 0 && moment(last) == GradientMoment::crusher) --last;
        is_longitudinal_ = last < 0 || moment(last) != GradientMoment::balanced;
        axis_ = is_longitudinal_ ? longitudinal_axis<Number>() : axis_of_echo(last);
    }

    Repetition<Number> next(int i) noexcept {
        const PulsePlan& pulse = train_.pulse[i];
        const Real alpha = Real(pulse.alpha);
        const SinCos half = sum(w_.quarter[i], w_.quarter[i]);  // the flip angle
        Repetition<Number> r;
        r.is_even = true;
        r.turn = constant<Number>(1);
        if (pulse.gradient_moment == GradientMoment::balanced) {
            const PulseAxis<Number> own = axis_of_pulse(v_, alpha / 2, half, tilt(i));
            r.before = r.after = mean_over_repetition(own, Real(pulse.TRF) / (2 * half_time(i)));
            if (is_longitudinal_) {  // the part along the new axis; the rest turns about it and decays
                r.before = held(axis_);
                r.is_even = false;
                r.turn = own.axis().cos;
            }
            axis_ = axis_of_echo(i);
            is_longitudinal_ = false;
        } else {
            r.before = r.after = held(axis_);
            const Lane sin = 2 * half.sin * half.cos, refocused = half.sin * half.sin;
            const Number cos_flip = number<Number>(1 - 2 * refocused, -alpha * sin, Lane{});
            r.turn = axis_.cos * cos_flip;
            if (pulse.gradient_moment == GradientMoment::crusher) {
                const Number minus_refocused = number<Number>(-refocused, Real(-0.5) * alpha * sin, Lane{});
                r.turn = r.turn * axis_.cos + minus_refocused * (axis_.sin * axis_.sin);
            } else {
                axis_ = longitudinal_axis<Number>();
                is_longitudinal_ = true;
                r.after = held(axis_);
                r.is_even = false;
            }
        }
        r.echo_sin = axis_.sin;
        r.echo_cos = value_of(axis_.cos);
        return r;
    }

private:
    GradientMoment moment(int i) const noexcept { return train_.pulse[i].gradient_moment; }
    Real half_time(int i) const noexcept { return Real(train_.half_time[train_.pulse[i].interval]); }

    // cos(psi/2)
    Number tilt(int i) const noexcept {
        const SinCos& turn = w_.precession[train_.pulse[i].interval];
        return number<Number>(turn.cos, Lane{}, -half_time(i) * turn.sin);
    }

    // The echo lies amid two pulses: at the mean of their flip angles.
    Axis<Number> axis_of_echo(int i) const noexcept {
        const bool is_last = i + 1 == train_.n_pulses;
        const int next = is_last && train_.start == Start::periodic ? 0 : is_last ? i : i + 1;
        const int other = moment(next) == GradientMoment::balanced ? next : i;
        const Real half = Real(0.25 * (train_.pulse[i].alpha + train_.pulse[other].alpha));
        return axis_of_pulse(v_, half, sum(w_.quarter[i], w_.quarter[other]), tilt(i)).axis();
    }

    const TrainPlan& train_;
    const Voxel& v_;
    const HybridWorkspace& w_;
    Axis<Number> axis_;
    bool is_longitudinal_;
};

// The repetitions of one cycle as they come.
template <class Number>
inline auto walked(const TrainPlan& train, const Voxel& v, const HybridWorkspace& w) noexcept {
    return [walk = AxisWalk<Number>(train, v, w)](int i) mutable noexcept { return walk.next(i); };
}

// The same, kept for another cycle.
struct Kept {
    AxisWalk<Dual> walk;
    Repetition<Dual>* repetition;

    const Repetition<Dual>& operator()(int i) noexcept { return repetition[i] = walk.next(i); }
};

// Calls sink(i, m, repetition) at the i-th recorded echo; false if stopped. repetition(i), one after the other.
template <class S, class Repetitions, class Sink>
inline bool run(S& m, const TrainPlan& train, const Voxel& v, const HybridWorkspace& w, const std::atomic<bool>& stop,
                Repetitions&& repetition, Sink&& sink) noexcept {
    for (int i = 0; i < train.n_pulses; ++i) {
        const auto& r = repetition(i);
        const Real t = Real(train.half_time[train.pulse[i].interval]);
        const auto before = leg(v, r.before, t);
        advance(m, v, before, t);
        pass_pulse(m, v, r.turn, w.response[i]);
        advance(m, v, r.is_even ? before : leg(v, r.after, t), t);
        if (train.pulse[i].echo >= 0) sink(train.pulse[i].echo, m, r);
        if (stop.load(std::memory_order_relaxed)) return false;
    }
    return true;
}

struct HybridBoundary {
    HybridState m0;   // before repetition 0
    Matrix2 inverse;  // (I - U)^-1 of a periodic train
    bool finished = true;
};

// repetition: those of the cycle that a periodic train takes
template <class Repetitions>
inline HybridBoundary find_start(const TrainPlan& train, const Voxel& v, const HybridWorkspace& w,
                                 const std::atomic<bool>& stop, Repetitions&& repetition) noexcept {
    HybridBoundary b{};
    if (train.start == Start::thermal) {
        b.m0 = {v.m0f, v.m0s};
    } else if (train.start == Start::given) {
        b.m0 = {broadcast(train.initial[2]), broadcast(train.initial[4])};
    } else {
        HybridStreams<2, false> m{};
        m.linear[0].r = m.linear[1].s = broadcast(1.0);
        b.finished = run(m, train, v, w, stop, repetition, [&](int i, const auto& at_echo, const auto& r) {
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
