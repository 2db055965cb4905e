// What becomes of the echoes: sums over the train of the nine streams s, ds/dm0s ... ds/dB1 (until complete, ds/dlnB1).
#pragma once

#include "kernel/abi.hpp"
#include "kernel/lanes.hpp"

namespace spinbound {
namespace {

constexpr int chunk = 8;  // echoes added at a time: a sum, in double precision, is loaded once for all of them

struct Complex {
    Lane re, im;
};

// One echo of all streams.
struct Row {
    Complex stream[n_streams];
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
// a_i is loaded once for all. Of streams that are real, only real parts are looked at.
template <bool are_real>
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
                    s[k].re = s[k].re + a.re * b.re;
                    if constexpr (!are_real) {
                        s[k].re = s[k].re + a.im * b.im;
                        s[k].im = s[k].im + a.re * b.im - a.im * b.re;
                    }
                }
            }
            for (int k = 0; k < columns; ++k) add(sum + 2 * lanes * (i * n_streams + j + k), s[k]);
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

// The entries of a kernel that reduce a train; for_each_chunk(call, reduce) of `Train` calls reduce(first, rows, n) for
// chunks of echoes, and is_real says of what kind its streams are.
template <class Train>
struct Reductions {
    static void sensitivities(const KernelCall& call) {
        double* out = call.out;
        Train::for_each_chunk(call, [&](int, const Row* rows, int n) {
            for (int t = 0; t < n; ++t)
                for (int k = 0; k < n_streams; ++k, out += 2 * lanes) write(out, rows[t].stream[k]);
        });
    }

    static void project(const KernelCall& call) {
        const auto [vectors, rank] = call.basis;
        Train::for_each_chunk(call, [&, vectors = vectors, rank = rank](int first, const Row* rows, int n) {
            add_projection(call.out, rows, n, vectors + 2 * std::size_t(first) * rank, rank);
        });
    }

    static void gram(const KernelCall& call) {
        Train::for_each_chunk(call, [&](int, const Row* rows, int n) { add_gram<Train::is_real>(call.out, rows, n); });
    }
};

// take(first, n) for the n echoes from `first` on, chunk by chunk.
template <class Take>
inline void in_chunks(int n_echoes, Take&& take) noexcept {
    for (int first = 0; first < n_echoes; first += chunk) {
        const int left = n_echoes - first;
        take(first, left < chunk ? left : chunk);
    }
}

}  // namespace
}  // namespace spinbound
