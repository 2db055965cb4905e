// What becomes of the echoes: sums over the train of the nine streams s, ds/dm0s ... ds/dB1.
#pragma once

#include "train.hpp"

namespace spinbound {
namespace {

constexpr int chunk = 8;  // echoes added at a time: a sum is loaded once for all of them

struct Complex {
    Lane re, im;
};

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

// A periodic train started its tangents from zero. The start itself moves by dm0 = (I - U)^-1 t(end), and the echoes
// with it by U(t) dm0. Added before anything is summed: in short cycles the two parts nearly cancel.
inline void add_boundary(Row* rows, const TrainPlan& train, const Workspace& w, const Boundary& boundary,
                         const Streams<n_tangents, true>& end) noexcept {
    if (train.start != Start::periodic) return;
    State dm0[n_tangents];
    for (int k = 0; k < n_tangents; ++k) dm0[k] = apply(boundary.inverse, end.linear[k]);
    for (int t = 0; t < train.n_pulses; ++t) {
        const Echo* U = w.columns[t];
        for (int k = 0; k < n_tangents; ++k) {
            Complex& s = rows[t].stream[1 + k];
            s.re += U[0].x * dm0[k].y + U[1].x * dm0[k].x + U[2].x * dm0[k].z + U[3].x * dm0[k].s;
            s.im += U[0].y * dm0[k].y + U[1].y * dm0[k].x + U[2].y * dm0[k].z + U[3].y * dm0[k].s;
        }
    }
}

// The sum over some echoes of conj(a_i) a_j, i <= j
struct Gram {
    Complex sum[n_streams][n_streams];

    void add(const Row* rows, int n) noexcept {
        for (int i = 0; i < n_streams; ++i)
            for (int j = i; j < n_streams; ++j) {
                Complex s = sum[i][j];
                for (int t = 0; t < n; ++t) {
                    const Complex a = rows[t].stream[i], b = rows[t].stream[j];
                    s.re += a.re * b.re + a.im * b.im;
                    s.im += a.re * b.im - a.im * b.re;
                }
                sum[i][j] = s;
            }
    }

    void write(double* out) const noexcept {
        for (int i = 0; i < n_streams; ++i)
            for (int j = 0; j < n_streams; ++j, out += 2 * lanes) {
                const Complex s = i <= j ? sum[i][j] : sum[j][i];
                store(out, s.re);
                store(out + lanes, i <= j ? s.im : -s.im);
            }
    }
};

// c_r += sum_t conj(u_r(t)) s(t); vectors: the rows of the basis from the first of these echoes on
inline void add_projection(Row* sum, const Row* rows, int n, const double* vectors, int rank) noexcept {
    for (int r = 0; r < rank; ++r)
        for (int k = 0; k < n_streams; ++k) {
            Complex s = sum[r].stream[k];
            for (int t = 0; t < n; ++t) {
                const double* u = vectors + 2 * (std::size_t(t) * rank + r);
                const Complex v = rows[t].stream[k];
                s.re += u[0] * v.re + u[1] * v.im;
                s.im += u[0] * v.im - u[1] * v.re;
            }
            sum[r].stream[k] = s;
        }
}

}  // namespace
}  // namespace spinbound
