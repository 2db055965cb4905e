// The entries of one instruction set for the hybrid-state model.
#include "kernel/entry_names.hpp"
#include "kernel/hybrid_train.hpp"
#include "kernel/reduce.hpp"

namespace spinbound {
namespace {

struct Block {
    const TrainPlan& train;
    const std::atomic<bool>& stop;
    Voxel voxel;
    HybridWorkspace workspace;
    HybridBoundary boundary;

    // sloped: with the derivatives of the pulses' responses, and repetitions kept for the cycle that takes them
    Block(const KernelCall& call, bool sloped) noexcept
        : train(*call.train),
          stop(*call.stop),
          voxel(load_voxel(*call.voxels)),
          workspace(partition_hybrid(train, call.workspace)) {
        const HybridWorkspace& w = workspace;
        if (sloped) {
            prepare<true>(train, voxel, w);
            boundary = find_start(train, voxel, w, stop, Kept{{train, voxel, w}, w.repetition});
        } else {
            prepare<false>(train, voxel, w);
            boundary = find_start(train, voxel, w, stop, walked<Lane>(train, voxel, workspace));
        }
    }

    // Without derivatives.
    template <class Sink>
    bool run_plain(HybridStreams<0, false>& m, Sink&& sink) const noexcept {
        return boundary.finished && run(m, train, voxel, workspace, stop, walked<Lane>(train, voxel, workspace), sink);
    }

    template <class Sink>
    bool run_sourced(HybridStreams<n_tangents, true>& m, Sink&& sink) const noexcept {
        if (!boundary.finished) return false;
        if (train.start != Start::periodic)
            return run(m, train, voxel, workspace, stop, walked<Dual>(train, voxel, workspace), sink);
        const auto kept = [&](int i) -> const Repetition<Dual>& { return workspace.repetition[i]; };
        return run(m, train, voxel, workspace, stop, kept, sink);
    }
};

// One echo of all streams, which are real.
struct RealRow {
    Lane stream[n_streams];
};

std::size_t workspace_size(const TrainPlan& train) {
    const std::size_t rows = std::size_t(train.n_echoes) * sizeof(RealRow);
    return (fixed_hybrid_workspace(train) + rows) / sizeof(double);
}

void signal(const KernelCall& call) {
    const Block block(call, false);
    constexpr std::size_t size = 2 * lanes;
    if (block.train.start == Start::periodic) {
        const HybridCycleEcho* cycle = block.workspace.cycle;
        for (int i = 0; i < block.train.n_echoes; ++i)
            write(call.out + i * size, {cycle[i].sin * (cycle[i].affine + cycle[i].moved(block.boundary.m0)), Lane{}});
        return;
    }
    HybridStreams<0, false> m{block.boundary.m0, {}};
    block.run_plain(m, [&](int i, const auto& at_echo, const Repetition<Lane>& r) {
        write(call.out + i * size, {at_echo.affine.r * r.echo_sin, Lane{}});
    });
}

void magnetization(const KernelCall& call) {
    const Block block(call, false);
    HybridStreams<0, false> m{block.boundary.m0, {}};
    block.run_plain(m, [&](int i, const auto& at_echo, const Repetition<Lane>& r) {
        double* out = call.out + std::size_t(i) * 4 * lanes;
        write(out, {at_echo.affine.r * r.echo_sin, Lane{}});
        write(out + 2 * lanes, {at_echo.affine.r * r.echo_cos, at_echo.affine.s});
    });
}

inline RealRow row_of(const HybridStreams<n_tangents, true>& m, const Dual& sin, const Voxel& v) noexcept {
    RealRow row;
    row.stream[0] = m.affine.r * sin.value;
    for (int k = 0; k < n_tangents; ++k) row.stream[1 + k] = m.linear[k].r * sin.value;
    row.stream[1 + d_omega0] += m.affine.r * sin.omega0;
    row.stream[1 + d_ln_B1] += m.affine.r * sin.B1 * v.B1;
    return row;
}

// What turns echoes of the streams into sensitivities: as in completion.hpp.
struct HybridCompletion {
    bool periodic;
    const HybridCycleEcho* cycle;
    Lane inverse_B1;
    HybridState dm0[n_tangents];

    HybridCompletion(const Block& block, const HybridStreams<n_tangents, true>& end) noexcept
        : periodic(block.train.start == Start::periodic),
          cycle(block.workspace.cycle),
          inverse_B1(1.0 / block.voxel.B1) {
        for (int k = 0; k < n_tangents; ++k) dm0[k] = block.boundary.inverse(end.linear[k]);
    }

    Row operator()(const RealRow& row, int i) const noexcept {
        Row complete{};
        for (int k = 0; k < n_streams; ++k) complete.stream[k].re = row.stream[k];
        if (periodic)
            for (int k = 0; k < n_tangents; ++k) complete.stream[1 + k].re += cycle[i].sin * cycle[i].moved(dm0[k]);
        complete.stream[1 + d_ln_B1].re *= inverse_B1;
        return complete;
    }
};

struct Train {
    static constexpr bool is_real = true;

    template <class Reduce>
    static void for_each_chunk(const KernelCall& call, Reduce&& reduce) noexcept {
        const Block block(call, true);
        RealRow* const rows = reinterpret_cast<RealRow*>(block.workspace.rest);
        auto m = start_streams(block.train, block.boundary);
        const auto record = [&](int i, const auto& at_echo, const Repetition<Dual>& r) {
            rows[i] = row_of(at_echo, r.echo_sin, block.voxel);
        };
        if (!block.run_sourced(m, record)) return;
        const HybridCompletion complete(block, m);
        Row completed[chunk];
        in_chunks(block.train.n_echoes, [&](int first, int n) {
            for (int i = 0; i < n; ++i) completed[i] = complete(rows[first + i], first + i);
            reduce(first, completed, n);
        });
    }
};

using Reduced = Reductions<Train>;

}  // namespace

const KernelTable SPINBOUND_JOIN(hybrid_, SPINBOUND_ISA, SPINBOUND_REAL) = {SPINBOUND_TEXT(SPINBOUND_ISA),
                                                                            lanes,
                                                                            workspace_size,
                                                                            signal,
                                                                            magnetization,
                                                                            Reduced::sensitivities,
                                                                            Reduced::project,
                                                                            Reduced::gram};

}  // namespace spinbound
