// The entries of one instruction set: a block of voxels through the whole train.
#include "kernel/completion.hpp"
#include "kernel/entry_names.hpp"

namespace spinbound {
namespace {

struct Block {
    const TrainPlan& train;
    const std::atomic<bool>& stop;
    Voxel voxel;
    Exchange pools;
    Workspace workspace;
    Boundary boundary;

    // sloped: with the derivatives of the pulses' responses
    Block(const KernelCall& call, bool sloped) noexcept
        : train(*call.train),
          stop(*call.stop),
          voxel(load_voxel(*call.voxels)),
          pools(exchange(voxel.rz, voxel.rs, voxel.kfs, voxel.ksf)),
          workspace(partition(train, call.workspace)) {
        sloped ? prepare<true>(train, voxel, pools, workspace) : prepare<false>(train, voxel, pools, workspace);
        boundary = find_start(train, voxel, pools, workspace, stop);
    }

    template <class S, class Sink>
    bool run_from(S& m, Sink&& sink) const noexcept {
        return boundary.finished && run(m, train, voxel, pools, workspace, stop, sink);
    }
};

std::size_t workspace_size(const TrainPlan& train) {
    const std::size_t rows = std::size_t(train.n_echoes) * sizeof(Row);
    return (fixed_workspace(train) + rows) / sizeof(double);
}

void signal(const KernelCall& call) {
    const Block block(call, false);
    constexpr std::size_t size = 2 * lanes;
    if (block.train.start == Start::periodic) {
        const CycleEcho* cycle = block.workspace.cycle;
        for (int i = 0; i < block.train.n_echoes; ++i)
            write(call.out + i * size, signal_of(cycle[i].moved(cycle[i].affine, block.boundary.m0)));
        return;
    }
    Streams<0, false> m{block.boundary.m0, {}};
    block.run_from(m, [&](int i, const Streams<0, false>& at_echo) {
        write(call.out + i * size, {at_echo.affine.x, at_echo.affine.y});
    });
}

void magnetization(const KernelCall& call) {
    const Block block(call, false);
    Streams<0, false> m{block.boundary.m0, {}};
    block.run_from(m, [&](int i, const Streams<0, false>& at_echo) {
        double* out = call.out + std::size_t(i) * 4 * lanes;
        write(out, {at_echo.affine.x, at_echo.affine.y});
        write(out + 2 * lanes, {at_echo.affine.z + block.voxel.m0f, at_echo.affine.s + block.voxel.m0s});
    });
}

struct Train {
    static constexpr bool is_real = false;

    template <class Reduce>
    static void for_each_chunk(const KernelCall& call, Reduce&& reduce) noexcept {
        const Block block(call, true);
        Row* const rows = reinterpret_cast<Row*>(block.workspace.rest);
        auto m = start_streams(block.train, block.boundary);
        if (!block.run_from(m, [&](int i, const auto& at_echo) { rows[i] = row_of(at_echo); })) return;
        const Completion complete(block.train, block.voxel, block.workspace, block.boundary, m);
        in_chunks(block.train.n_echoes, [&](int first, int n) {
            for (int i = first; i < first + n; ++i) complete(rows[i], i);
            reduce(first, rows + first, n);
        });
    }
};

using Reduced = Reductions<Train>;

}  // namespace

const KernelTable SPINBOUND_JOIN(kernel_, SPINBOUND_ISA, SPINBOUND_REAL) = {SPINBOUND_TEXT(SPINBOUND_ISA),
                                                                            lanes,
                                                                            workspace_size,
                                                                            signal,
                                                                            magnetization,
                                                                            Reduced::sensitivities,
                                                                            Reduced::project,
                                                                            Reduced::gram};

}  // namespace spinbound
