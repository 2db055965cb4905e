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

    // sloped: with the derivatives of the pulses' responses
    Block(const KernelCall& call, bool sloped) noexcept
        : train(*call.train),
          stop(*call.stop),
          voxel(load_voxel(*call.voxels)),
          pools(exchange(voxel)),
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
    const std::size_t rows = std::size_t(train.n_pulses) * sizeof(Row);
    return (fixed_workspace(train) + rows) / sizeof(double);
}

void write(double* out, const Echo& echo) noexcept {
    store(out, echo.x);
    store(out + lanes, echo.y);
}

void signal(const KernelCall& call) {
    const Block block(call, false);
    constexpr std::size_t size = 2 * lanes;
    if (block.train.start == Start::periodic) {
        for (int i = 0; i < block.train.n_pulses; ++i)
            write(call.out + i * size, block.workspace.cycle[i](block.boundary.m0));
        return;
    }
    Streams<0, false> m{block.boundary.m0, {}};
    block.run_from(m, [&](int i, const Streams<0, false>& at_echo) {
        write(call.out + i * size, {at_echo.affine.y, at_echo.affine.x});
    });
}

void magnetization(const KernelCall& call) {
    const Block block(call, false);
    Streams<0, false> m{block.boundary.m0, {}};
    block.run_from(m, [&](int i, const Streams<0, false>& at_echo) {
        double* out = call.out + std::size_t(i) * 4 * lanes;
        write(out, {at_echo.affine.y, at_echo.affine.x});
        store(out + 2 * lanes, at_echo.affine.z + block.voxel.m0f);
        store(out + 3 * lanes, at_echo.affine.s + block.voxel.m0s);
    });
}

// The signal and its derivatives at every echo, into `rows`; reduce(first, rows, n) for chunks of them as soon as they
// are complete.
template <class Reduce>
void for_each_chunk(const KernelCall& call, Row* rows, Reduce&& reduce) noexcept {
    const Block block(call, true);
    auto m = start_streams(block.train, block.boundary);
    if (!block.run_from(m, [&](int i, const auto& at_echo) { rows[i] = row_of(at_echo); })) return;
    const Completion complete(block.train, block.voxel, block.workspace, block.boundary, m);
    for (int first = 0; first < block.train.n_pulses; first += chunk) {
        const int left = block.train.n_pulses - first, n = left < chunk ? left : chunk;
        for (int i = first; i < first + n; ++i) complete(rows[i], i);
        reduce(first, rows + first, n);
    }
}

Row* rows_of_workspace(const KernelCall& call) noexcept {
    return reinterpret_cast<Row*>(partition(*call.train, call.workspace).rest);
}

void sensitivities(const KernelCall& call) {
    for_each_chunk(call, reinterpret_cast<Row*>(call.out), [](int, const Row*, int) {});
}

void project(const KernelCall& call) {
    const auto [vectors, rank] = call.basis;
    Row* const sum = reinterpret_cast<Row*>(call.out);
    for (int r = 0; r < rank; ++r) sum[r] = Row{};
    for_each_chunk(call, rows_of_workspace(call),
                   [&, vectors = vectors, rank = rank](int first, const Row* rows, int n) {
                       add_projection(sum, rows, n, vectors + 2 * std::size_t(first) * rank, rank);
                   });
}

void gram(const KernelCall& call) {
    Gram sums{};
    for_each_chunk(call, rows_of_workspace(call), [&](int, const Row* rows, int n) { sums.add(rows, n); });
    sums.write(call.out);
}

}  // namespace

const KernelTable SPINBOUND_JOIN(kernel_, SPINBOUND_ISA_NAME) = {
    SPINBOUND_TEXT(SPINBOUND_ISA_NAME), lanes, workspace_size, signal, magnetization, sensitivities, project, gram};

}  // namespace spinbound
