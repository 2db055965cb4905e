// From the echoes of the streams to signals and sensitivities.
#pragma once

#include "kernel/reduce.hpp"
#include "kernel/train.hpp"

namespace spinbound {
namespace {

inline Complex signal_of(const Echo& echo) noexcept { return {echo.x, echo.y}; }

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

}  // namespace
}  // namespace spinbound
