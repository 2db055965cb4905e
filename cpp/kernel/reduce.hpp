// What becomes of the echoes: sums over the train of the nine streams s, ds/dm0s ... ds/dB1 (until complete, ds/dlnB1).
#pragma once

#include "train.hpp"

namespace spinbound {
namespace {

constexpr int chunk = 8;  // echoes added at a time: a sum, in double precision, is loaded once for all of them

struct Complex {
    Lane re, im;
};

inline Complex signal_of(const Echo& echo) noexcept { return {echo.x, echo.y}; }

// One echo of all streams.
struct Row {
    Complex stream[n_streams];
};

inline Row row_of(const Streams<n_tangents, true>& m) noexcept {
    Row row;
    row.stream[0] = {m.affine.x, m.affine.y};
    for (int k = 0; k < n_tangents; ++k) row.stream[1 + k] = {m.linear[k].x, m.linear[k].y};
    return row;
}

// What turns the echoes of the streams into sensitivities. A periodic train started its tangents from zero. The start
// itself moves by dm0 = (I - U)^-1 t(end), and the echoes with it by U(t) dm0. Added before anything is summed: in
// short cycles the two parts nearly cancel.
struct Completion {
    bool periodic;
    const CycleEcho* cycle;
    Lane inverse_B1;
    State dm0[n_tangents];

    Completion(const TrainPlan& train, const Voxel& v, const Workspace& w, const Boundary& boundary,
               const Streams<n_tangents, true>& end) noexcept
        : periodic(train.start == Start::periodic), cycle(w.cycle), inverse_B1(1.0 / v.B1) {
        if (periodic)
            for (int k = 0; k < n_tangents; ++k) dm0[k] = apply(boundary.inverse, end.linear[k]);
    }

    // To the row of echo i
    void operator()(Row& row, int i) const noexcept {
        if (periodic)
            for (int k = 0; k < n_tangents; ++k) {
                Complex& s = row.stream[1 + k];
                s = signal_of(cycle[i].moved({s.im, s.re}, dm0[k]));
            }
        Complex& by_B1 = row.stream[1 + d_ln_B1];
        by_B1 = {by_B1.re * inverse_B1, by_B1.im * inverse_B1};
    }
};

inline void add(double* out, const Complex& s) noexcept {
    for (int lane = 0; lane < lanes; ++lane) {
        out[lane] += double(s.re[lane]);
        out[lanes + lane] += double(s.im[lane]);
    }
}

inline void write(double* out, const Complex& s) noexcept {
    store(out, s.re);
    store(out + lanes, s.im);
}

// sum_ij += sum over n echoes of conj(a_i) a_j for i <= j, three columns at a time: their sums stay in registers, and
// a_i is loaded once for all.
inline void add_gram(double* sum, const Row* rows, int n) noexcept {
    constexpr int columns = 3;
    static_assert(n_streams % columns == 0);
    for (int i = 0; i < n_streams; ++i)
        for (int j = i / columns * columns; j < n_streams; j += columns) {
            Complex s[columns]{};
            for (int t = 0; t < n; ++t) {
                const Complex a = rows[t].stream[i];
                for (int k = 0; k < columns; ++k) {
                    const Complex b = rows[t].stream[j + k];
                    s[k].re = s[k].re + a.re * b.re + a.im * b.im;
                    s[k].im = s[k].im + a.re * b.im - a.im * b.re;
                }
            }
            for (int k = 0; k < columns; ++k) add(sum + 2 * lanes * (i * n_streams + j + k), s[k]);
        }
}

inline void complete_gram(double* sum) noexcept {
    const auto entry = [&](int i, int j) { return sum + 2 * lanes * (i * n_streams + j); };
    for (int i = 0; i < n_streams; ++i)
        for (int j = 0; j < i; ++j)
            for (int lane = 0; lane < lanes; ++lane) {
                entry(i, j)[lane] = entry(j, i)[lane];
                entry(i, j)[lanes + lane] = -entry(j, i)[lanes + lane];
            }
}

// c_r += sum_t conj(u_r(t)) s(t); vectors: the rows of the basis from the first of these echoes on
inline void add_projection(double* sum, const Row* rows, int n, const double* vectors, int rank) noexcept {
    for (int r = 0; r < rank; ++r)
        for (int k = 0; k < n_streams; ++k, sum += 2 * lanes) {
            Complex s{};
            for (int t = 0; t < n; ++t) {
                const double* u = vectors + 2 * (std::size_t(t) * rank + r);
                const Real re = Real(u[0]), im = Real(u[1]);
                const Complex v = rows[t].stream[k];
                s.re = s.re + re * v.re + im * v.im;
                s.im = s.im + re * v.im - im * v.re;
            }
            add(sum, s);
        }
}

}  // namespace
}  // namespace spinbound
