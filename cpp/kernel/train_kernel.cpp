// The entries of one instruction set: a block of voxels through the whole train.
#include "reduce.hpp"

#define SPINBOUND_JOIN_(a, b) a##b
#define SPINBOUND_JOIN(a, b) SPINBOUND_JOIN_(a, b)
#define SPINBOUND_TEXT_(a) #a
#define SPINBOUND_TEXT(a) SPINBOUND_TEXT_(a)

namespace spinbound {
namespace {

struct Block {
    const TrainPlan& train;
    const std::atomic<bool>& stop;
    Voxel voxel;
    Exchange pools;
    Workspace workspace;
    Boundary boundary;

    explicit Block(const KernelCall& call) noexcept
        : train(*call.train),
          stop(*call.stop),
          voxel(load_voxel(*call.voxels)),
          pools(exchange(voxel)),
          workspace(partition(train, call.workspace)) {
        prepare(train, voxel, pools, workspace);
        boundary = find_start(train, voxel, pools, workspace, stop);
    }

    template <class S, class Sink>
    bool run_from(S& m, Sink&& sink) const noexcept {
        return boundary.finished && run(m, train, voxel, pools, workspace, stop, sink);
    }
};

std::size_t workspace_size(const TrainPlan& train) {
    const std::size_t series = std::size_t(train.n_pulses) * n_streams * sizeof(Complex);
    return (fixed_workspace(train) + series) / sizeof(double);
}

void magnetization(const KernelCall& call) {
    const Block block(call);
    Streams<0, false> m{block.boundary.m0, {}};
    block.run_from(m, [&](int i, const Streams<0, false>& at_echo) {
        double* out = call.out + std::size_t(i) * 4 * lanes;
        store(out, at_echo.affine.x);
        store(out + lanes, at_echo.affine.y);
        store(out + 2 * lanes, at_echo.affine.z + block.voxel.m0f);
        store(out + 3 * lanes, at_echo.affine.s + block.voxel.m0s);
    });
}

void sensitivities(const KernelCall& call) {
    const Block block(call);
    Complex* const series = reinterpret_cast<Complex*>(block.workspace.rest);
    auto m = start_streams(block.train, block.boundary);
    const bool finished = block.run_from(m, [&](int i, const auto& at_echo) {
        Complex* const row = series + std::size_t(i) * n_streams;
        row[0] = {at_echo.affine.x, at_echo.affine.y};
        for (int k = 0; k < n_tangents; ++k) row[1 + k] = {at_echo.linear[k].x, at_echo.linear[k].y};
    });
    if (!finished) return;
    const BoundaryMap map = boundary_map(block.train, block.boundary, m);
    for (int i = 0; i < block.train.n_pulses; ++i) {
        Complex all[n_all_streams]{};
        for (int k = 0; k < n_streams; ++k) all[k] = series[std::size_t(i) * n_streams + k];
        for (int c = 0; c < map.n_columns; ++c)
            all[n_streams + c] = {block.workspace.columns[i][c].x, block.workspace.columns[i][c].y};
        finish_row(all, map, call.out + std::size_t(i) * n_streams * 2 * lanes);
    }
}

// Runs the sourced streams and hands full chunks of echoes to `reduce`.
template <class Reduce>
bool run_reduced(const Block& block, BoundaryMap& map, Reduce&& reduce) noexcept {
    EchoChunk echoes(block.train);
    auto m = start_streams(block.train, block.boundary);
    const bool finished = block.run_from(m, [&](int i, const auto& at_echo) {
        if (!echoes.take(i, at_echo, block.workspace)) return;
        reduce(echoes);
        echoes.clear();
    });
    reduce(echoes);
    if (finished) map = boundary_map(block.train, block.boundary, m);
    return finished;
}

void project(const KernelCall& call) {
    const Block block(call);
    Complex* const sum = reinterpret_cast<Complex*>(call.out);
    BoundaryMap map;
    for (int i = 0; i < call.basis.rank * n_all_streams; ++i) sum[i] = Complex{};
    if (!run_reduced(block, map, [&](const EchoChunk& echoes) { add_projection(sum, echoes, call.basis); })) return;
    for (int r = 0; r < call.basis.rank; ++r) {  // in place: a row of results is shorter than its row of sums
        Complex all[n_all_streams];
        for (int k = 0; k < n_all_streams; ++k) all[k] = sum[r * n_all_streams + k];
        finish_row(all, map, call.out + std::size_t(r) * n_streams * 2 * lanes);
    }
}

void gram(const KernelCall& call) {
    const Block block(call);
    Gram gram{};
    BoundaryMap map;
    if (run_reduced(block, map, [&](const EchoChunk& echoes) { gram.add(echoes); })) gram.finish(map, call.out);
}

}  // namespace

const KernelTable SPINBOUND_JOIN(kernel_, SPINBOUND_ISA_NAME) = {
    SPINBOUND_TEXT(SPINBOUND_ISA_NAME), lanes, workspace_size, magnetization, sensitivities, project, gram};

}  // namespace spinbound
