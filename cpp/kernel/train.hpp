// The pulse train, repetition by repetition, and its boundary condition (theory, section 8).
//   prepare       what does not depend on the magnetization: response of every pulse, propagators of every interval
//   run           one cycle, reporting every echo to a sink
//   find_start    periodic: (I - U) m0 = b from one cycle of the unit columns and the affine stream
#pragma once

#include "kernel/crusher.hpp"
#include "kernel/precession.hpp"
#include "kernel/pulse.hpp"

namespace spinbound {
namespace {

struct Echo {
    Lane y, x;
};

// Of a cycle that the unit columns and an affine stream from zero start: m0 adds U m0 to the echo.
struct CycleEcho {
    Echo U[4], affine;

    Echo moved(const Echo& from, const State& m0) const noexcept {
        return {from.y + U[0].y * m0.y + U[1].y * m0.x + U[2].y * m0.z + U[3].y * m0.s,
                from.x + U[0].x * m0.y + U[1].x * m0.x + U[2].x * m0.z + U[3].x * m0.s};
    }
};

// Responses by pulse, precessions by interval, cycle echoes by echo, the rest.
struct Workspace {
    PulseResponse* response;
    Precession* interval;
    CycleEcho* cycle;
    Lane* rest;
};

inline std::size_t fixed_workspace(const TrainPlan& train) noexcept {
    return std::size_t(train.n_pulses) * sizeof(PulseResponse) + std::size_t(train.n_echoes) * sizeof(CycleEcho) +
           std::size_t(train.n_intervals) * sizeof(Precession);
}

inline Workspace partition(const TrainPlan& train, double* memory) noexcept {
    Workspace w;
    char* p = reinterpret_cast<char*>(memory);
    w.response = reinterpret_cast<PulseResponse*>(p);
    p += train.n_pulses * sizeof(PulseResponse);
    w.interval = reinterpret_cast<Precession*>(p);
    p += train.n_intervals * sizeof(Precession);
    w.cycle = reinterpret_cast<CycleEcho*>(p);
    w.rest = reinterpret_cast<Lane*>(p + train.n_echoes * sizeof(CycleEcho));
    return w;
}

template <bool sloped>
inline void prepare(const TrainPlan& train, const Voxel& v, const Exchange& e, const Workspace& w) noexcept {
    for (int i = 0; i < train.n_pulses; ++i) w.response[i] = pulse_response<sloped>(v, train.pulse[i]);
    for (int k = 0; k < train.n_intervals; ++k) w.interval[k] = precession(v, e, Real(train.half_time[k]));
}

template <class S>
inline void pulse_with_gradients(S& m, const Voxel& v, const PulsePlan& pulse, const PulseResponse& response,
                                 const std::atomic<bool>& stop) noexcept {
    switch (pulse.gradient_moment) {
        case GradientMoment::balanced:
            return excite(m, v, pulse, response, stop);
        case GradientMoment::crusher:
            return crush(m, v, pulse, response.pool);
        case GradientMoment::spoiler_dual:
            spoil(m);
            excite(m, v, pulse, response, stop);
            return spoil(m);
        case GradientMoment::spoiler_prepulse:
            spoil(m);
            return excite(m, v, pulse, response, stop);
    }
}

// Calls sink(i, m) at the i-th recorded echo; false if stopped.
template <class S, class Sink>
inline bool run(S& m, const TrainPlan& train, const Voxel& v, const Exchange& e, const Workspace& w,
                const std::atomic<bool>& stop, Sink&& sink) noexcept {
    for (int i = 0; i < train.n_pulses; ++i) {
        const PulsePlan& pulse = train.pulse[i];
        const Precession& interval = w.interval[pulse.interval];
        const Real t = Real(train.half_time[pulse.interval]);
        precess(m, v, e, with_increment(interval, Real(pulse.cos_increment), Real(pulse.sin_increment)), t);
        pulse_with_gradients(m, v, pulse, w.response[i], stop);
        precess(m, v, e, interval, t);
        if (pulse.echo >= 0) sink(pulse.echo, m);
        if (stop.load(std::memory_order_relaxed)) return false;
    }
    return true;
}

inline void swap_where(Mask where, Lane& a, Lane& b) noexcept {
    const Lane old = a;
    a = select(where, b, a);
    b = select(where, old, b);
}

struct Matrix4 {
    Lane a[4][4];
};

// Gauss-Jordan with partial pivoting, every lane choosing its own pivots.
inline Matrix4 inverse(Matrix4 m) noexcept {
    Matrix4 r{};
    for (int i = 0; i < 4; ++i) r.a[i][i] = broadcast(1.0);
    for (int k = 0; k < 4; ++k) {
        for (int i = k + 1; i < 4; ++i) {
            const Mask larger = absolute(m.a[i][k]) > absolute(m.a[k][k]);
            for (int j = 0; j < 4; ++j) {
                swap_where(larger, m.a[k][j], m.a[i][j]);
                swap_where(larger, r.a[k][j], r.a[i][j]);
            }
        }
        const Lane scale = 1.0 / m.a[k][k];
        for (int j = 0; j < 4; ++j) {
            m.a[k][j] *= scale;
            r.a[k][j] *= scale;
        }
        for (int i = 0; i < 4; ++i) {
            if (i == k) continue;
            const Lane factor = m.a[i][k];
            for (int j = 0; j < 4; ++j) {
                m.a[i][j] -= factor * m.a[k][j];
                r.a[i][j] -= factor * r.a[k][j];
            }
        }
    }
    return r;
}

inline State apply(const Matrix4& m, const State& v) noexcept {
    const auto row = [&](int i) { return m.a[i][0] * v.y + m.a[i][1] * v.x + m.a[i][2] * v.z + m.a[i][3] * v.s; };
    return {row(0), row(1), row(2), row(3), Lane{}};
}

// I - U from the columns that a cycle makes of the unit vectors
inline Matrix4 identity_minus(const State (&column)[4]) noexcept {
    Matrix4 m;
    for (int j = 0; j < 4; ++j) {
        m.a[0][j] = -column[j].y;
        m.a[1][j] = -column[j].x;
        m.a[2][j] = -column[j].z;
        m.a[3][j] = -column[j].s;
    }
    for (int i = 0; i < 4; ++i) m.a[i][i] += 1.0;
    return m;
}

struct Boundary {
    State m0;  // before repetition 0
    Matrix4 inverse;  // (I - U)^-1 of a periodic train
    bool finished = true;
};

inline Boundary find_start(const TrainPlan& train, const Voxel& v, const Exchange& e, const Workspace& w,
                           const std::atomic<bool>& stop) noexcept {
    Boundary boundary{};
    if (train.start == Start::given) {
        const double* m = train.initial;
        boundary.m0 = {broadcast(m[1]), broadcast(m[0]), Real(m[2]) - v.m0f, Real(m[4]) - v.m0s, Lane{}};
    } else if (train.start == Start::periodic) {
        Streams<4, false> m{};
        m.linear[0].y = m.linear[1].x = m.linear[2].z = m.linear[3].s = broadcast(1.0);
        boundary.finished = run(m, train, v, e, w, stop, [&](int i, const Streams<4, false>& at_echo) {
            for (int k = 0; k < 4; ++k) w.cycle[i].U[k] = {at_echo.linear[k].y, at_echo.linear[k].x};
            w.cycle[i].affine = {at_echo.affine.y, at_echo.affine.x};
        });
        boundary.inverse = inverse(identity_minus(m.linear));
        boundary.m0 = apply(boundary.inverse, m.affine);
    }
    return boundary;
}

// The sourced streams before repetition 0. A given start does not move with m0s, its deviation from equilibrium does.
inline Streams<n_tangents, true> start_streams(const TrainPlan& train, const Boundary& boundary) noexcept {
    Streams<n_tangents, true> m{};
    m.affine = boundary.m0;
    if (train.start == Start::given) {
        m.linear[d_m0s].z = broadcast(1.0);
        m.linear[d_m0s].s = broadcast(-1.0);
    }
    return m;
}

}  // namespace
}  // namespace spinbound
