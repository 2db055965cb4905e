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

// What turns the echoes of the streams into sensitivities. A periodic train started its tangents from zero. The start
// itself moves by dm0 = (I - U)^-1 t(end), and the echoes with it by U(t) dm0. Added before anything is summed: in short
// cycles the two parts nearly cancel.
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
        if (periodic) {
            const Echo* U = cycle[i].U;
            for (int k = 0; k < n_tangents; ++k) {
                Complex& s = row.stream[1 + k];
                s.re = s.re + U[0].x * dm0[k].y + U[1].x * dm0[k].x + U[2].x * dm0[k].z + U[3].x * dm0[k].s;
                s.im = s.im + U[0].y * dm0[k].y + U[1].y * dm0[k].x + U[2].y * dm0[k].z + U[3].y * dm0[k].s;
            }
        }
        Complex& by_B1 = row.stream[1 + d_ln_B1];
        by_B1 = {by_B1.re * inverse_B1, by_B1.im * inverse_B1};
    }
};

// The sum over some echoes of conj(a_i) a_j, i <= j
struct Gram {
    static_assert(n_streams % 3 == 0);
    Complex sum[n_streams][n_streams];

    // Three columns at a time: their sums stay in registers, and a_i is loaded once for all.
    void add(const Row* rows, int n) noexcept {
        for (int i = 0; i < n_streams; ++i)
            for (int j = i / 3 * 3; j < n_streams; j += 3) add_columns(rows, n, i, j);
    }

    void add_columns(const Row* rows, int n, int i, int j) noexcept {
        Complex s[3] = {sum[i][j], sum[i][j + 1], sum[i][j + 2]};
        for (int t = 0; t < n; ++t) {
            const Complex a = rows[t].stream[i];
            for (int k = 0; k < 3; ++k) {
                const Complex b = rows[t].stream[j + k];
                s[k].re = s[k].re + a.re * b.re + a.im * b.im;
                s[k].im = s[k].im + a.re * b.im - a.im * b.re;
            }
        }
        for (int k = 0; k < 3; ++k) sum[i][j + k] = s[k];
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
                s.re = s.re + u[0] * v.re + u[1] * v.im;
                s.im = s.im + u[0] * v.im - u[1] * v.re;
            }
            sum[r].stream[k] = s;
        }
}

}  // namespace
}  // namespace spinbound
