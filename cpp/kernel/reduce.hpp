// What becomes of the echoes. A periodic train has n_all_streams = 13 streams: the signal, eight tangents t(t) that start from
// zero and the four unit columns U(t); another one has the first nine. The derivative that includes the boundary
// condition is t + U dm0, dm0 = (I - U)^-1 t(end): a linear map A = [I; dm0] of the streams, applied after the reduction.
#pragma once

#include "train.hpp"

namespace spinbound {
namespace {

constexpr int n_columns = n_all_streams - n_streams;
constexpr int chunk = 8;  // echoes reduced at a time: accumulators are loaded once for all of them

struct Complex {
    Lane re, im;
};

// Coefficients of the unit columns in each stream: dm0, and zero for the signal.
struct BoundaryMap {
    int n_columns;
    Lane column[n_streams][4];
};

inline BoundaryMap boundary_map(const TrainPlan& train, const Boundary& boundary,
                                const Streams<n_tangents, true>& end) noexcept {
    BoundaryMap map{};
    if (train.start != Start::periodic) return map;
    map.n_columns = n_columns;
    for (int k = 0; k < n_tangents; ++k) {
        const State dm0 = apply(boundary.inverse, end.linear[k]);
        map.column[1 + k][0] = dm0.y;
        map.column[1 + k][1] = dm0.x;
        map.column[1 + k][2] = dm0.z;
        map.column[1 + k][3] = dm0.s;
    }
    return map;
}

// Up to `chunk` echoes of all streams, waiting to be reduced.
struct EchoChunk {
    Complex at[n_all_streams][chunk];
    int n = 0, first = 0;
    int n_used;

    explicit EchoChunk(const TrainPlan& train) noexcept
        : n_used(train.start == Start::periodic ? n_all_streams : n_streams) {}

    bool take(int i, const Streams<n_tangents, true>& m, const Workspace& w) noexcept {
        at[0][n] = {m.affine.x, m.affine.y};
        for (int k = 0; k < n_tangents; ++k) at[1 + k][n] = {m.linear[k].x, m.linear[k].y};
        if (n_used == n_all_streams)
            for (int k = 0; k < n_columns; ++k) at[n_streams + k][n] = {w.columns[i][k].x, w.columns[i][k].y};
        ++n;
        return n == chunk;
    }

    void clear() noexcept {
        first += n;
        n = 0;
    }
};

// G_ij = sum_t conj(v_i) v_j, i <= j
struct Gram {
    Complex sum[n_all_streams][n_all_streams];

    void add(const EchoChunk& echoes) noexcept {
        for (int i = 0; i < echoes.n_used; ++i)
            for (int j = i; j < echoes.n_used; ++j) {
                Complex s = sum[i][j];
                for (int t = 0; t < echoes.n; ++t) {
                    const Complex a = echoes.at[i][t], b = echoes.at[j][t];
                    s.re += a.re * b.re + a.im * b.im;
                    s.im += a.re * b.im - a.im * b.re;
                }
                sum[i][j] = s;
            }
    }

    Complex at(int i, int j) const noexcept { return i <= j ? sum[i][j] : Complex{sum[j][i].re, -sum[j][i].im}; }

    // (A^T G)_ij
    Complex left(const BoundaryMap& map, int i, int j) const noexcept {
        Complex s = at(i, j);
        for (int c = 0; c < map.n_columns; ++c) {
            const Complex g = at(n_streams + c, j);
            s.re += map.column[i][c] * g.re;
            s.im += map.column[i][c] * g.im;
        }
        return s;
    }

    // A^T G A
    void finish(const BoundaryMap& map, double* out) const noexcept {
        for (int i = 0; i < n_streams; ++i) {
            Complex column[n_columns];
            for (int c = 0; c < map.n_columns; ++c) column[c] = left(map, i, n_streams + c);
            for (int j = 0; j < n_streams; ++j, out += 2 * lanes) {
                Complex s = left(map, i, j);
                for (int c = 0; c < map.n_columns; ++c) {
                    s.re += column[c].re * map.column[j][c];
                    s.im += column[c].im * map.column[j][c];
                }
                store(out, s.re);
                store(out + lanes, s.im);
            }
        }
    }
};

// One echo, or one coefficient, of all streams becomes the signal and its derivatives.
inline void finish_row(const Complex* all, const BoundaryMap& map, double* out) noexcept {
    for (int k = 0; k < n_streams; ++k, out += 2 * lanes) {
        Complex s = all[k];
        for (int c = 0; c < map.n_columns; ++c) {
            s.re += map.column[k][c] * all[n_streams + c].re;
            s.im += map.column[k][c] * all[n_streams + c].im;
        }
        store(out, s.re);
        store(out + lanes, s.im);
    }
}

// c_r = sum_t conj(u_r(t)) v(t)
inline void add_projection(Complex* sum, const EchoChunk& echoes, const BasisView& basis) noexcept {
    for (int r = 0; r < basis.rank; ++r)
        for (int k = 0; k < echoes.n_used; ++k) {
            Complex s = sum[r * n_all_streams + k];
            for (int t = 0; t < echoes.n; ++t) {
                const double* u = basis.vectors + 2 * (std::size_t(echoes.first + t) * basis.rank + r);
                const Complex v = echoes.at[k][t];
                s.re += u[0] * v.re + u[1] * v.im;
                s.im += u[0] * v.im - u[1] * v.re;
            }
            sum[r * n_all_streams + k] = s;
        }
}

}  // namespace
}  // namespace spinbound
