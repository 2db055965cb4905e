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
    const std::size_t rows = std::size_t(train.n_pulses) * sizeof(Row);
    return (fixed_workspace(train) + rows) / sizeof(double);
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

// The signal and its derivatives at every echo; false if stopped.
bool fill_rows(const Block& block, Row* rows) noexcept {
    auto m = start_streams(block.train, block.boundary);
    const bool finished = block.run_from(m, [&](int i, const auto& at_echo) { rows[i] = row_of(at_echo); });
    if (finished) add_boundary(rows, block.train, block.workspace, block.boundary, m);
    return finished;
}

// reduce(first, rows, n) for chunks of echoes
template <class Reduce>
void reduce_rows(const Block& block, Reduce&& reduce) noexcept {
    Row* const rows = reinterpret_cast<Row*>(block.workspace.rest);
    if (!fill_rows(block, rows)) return;
    for (int first = 0; first < block.train.n_pulses; first += chunk) {
        const int left = block.train.n_pulses - first;
        reduce(first, rows + first, left < chunk ? left : chunk);
    }
}

void sensitivities(const KernelCall& call) { fill_rows(Block(call), reinterpret_cast<Row*>(call.out)); }

void project(const KernelCall& call) {
    const auto [vectors, rank] = call.basis;
    Row* const sum = reinterpret_cast<Row*>(call.out);
    for (int r = 0; r < rank; ++r) sum[r] = Row{};
    reduce_rows(Block(call), [&, vectors = vectors, rank = rank](int first, const Row* rows, int n) {
        add_projection(sum, rows, n, vectors + 2 * std::size_t(first) * rank, rank);
    });
}

void gram(const KernelCall& call) {
    Gram sums{};
    reduce_rows(Block(call), [&](int, const Row* rows, int n) { sums.add(rows, n); });
    sums.write(call.out);
}

}  // namespace

const KernelTable SPINBOUND_JOIN(kernel_, SPINBOUND_ISA_NAME) = {
    SPINBOUND_TEXT(SPINBOUND_ISA_NAME), lanes, workspace_size, magnetization, sensitivities, project, gram};

}  // namespace spinbound
