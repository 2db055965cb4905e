// Every thread keeps a pool of voxels under way and runs, of those that wait, as many of one class at a time as fill the
// lanes: neither a lane nor a plan waits for a slow voxel. What a voxel gets depends on its own path alone.
#include "fit/fit.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include "fit/voxel_fit.hpp"
#include "machine/dispatch.hpp"
#include "machine/parallel.hpp"
#include "records/error.hpp"
#include "voxels/runner.hpp"

namespace spinbound {
namespace {

// Voxels under way in one thread: enough to fill the lanes with voxels of one class.
constexpr std::size_t max_pool = 1024;

// The voxels of a call, each handed out once.
struct Queue {
    std::atomic<std::size_t> next{0}, done{0};
    std::size_t size;
};

// The kernels of a call, chosen once. Fits begin in single precision if more voxels share a register there.
struct Kernels {
    explicit Kernels(ModelName model)
        : full(kernels(model, Precision::full)), single(kernels(model, Precision::single)) {}

    const KernelTable& of(Precision precision) const { return precision == Precision::full ? full : single; }
    Precision first() const { return single.lanes > full.lanes ? Precision::single : Precision::full; }

    const KernelTable &full, &single;
};

class Pool {
public:
    Pool(const FitProblem& problem, const Kernels& tables, const FitResults& results, Queue& queue, std::size_t size,
         const std::atomic<bool>& stop)
        : problem_(problem), kernels_(tables), results_(results), queue_(queue), stop_(stop), slots_(size) {
        for (auto& values : tissue_) values.resize(size);
        tissue_view_.n_voxels = size;
        for (std::size_t p = 0; p < n_tissue_parameters; ++p) tissue_view_.value[p] = tissue_[p].data();
        for (std::size_t slot = 0; slot < size; ++slot) refill(slot);
    }

    void run() {
        while (!waiting_.empty() && !stop_) {
            const auto fullest = std::max_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) {
                return a.second.size() < b.second.size();
            });
            auto node = waiting_.extract(fullest);
            run_class(node.key(), std::move(node.mapped()));
        }
    }

private:
    // The next voxel of the queue that can be fitted, if there is one.
    void refill(std::size_t slot) {
        slots_[slot].reset();
        for (std::size_t voxel; !stop_ && (voxel = queue_.next++) < queue_.size; ++queue_.done) {
            const bool is_valid = !problem_.options.valid || problem_.options.valid[voxel];
            auto refused = refused_data(problem_, voxel);
            if (!refused && !is_valid) refused = Status::invalid;
            if (!refused) {
                slots_[slot].emplace(problem_, voxel, kernels_.first());
                return wait(slot);
            }
            write_refused(problem_, voxel, *refused, results_);
        }
    }

    void wait(std::size_t slot) {
        for (std::size_t p = 0; p < n_tissue_parameters; ++p) tissue_[p][slot] = slots_[slot]->trial()[p];
        const VoxelFit& fit = *slots_[slot];
        const VoxelClass fine = classify(tissue_view_, slot, problem_.options.model.name, fit.precision());
        waiting_[fit.is_exact() ? fine : coarser(fine)].push_back(slot);
    }

    // In blocks; those that fill no block wait for others, unless nothing fuller is there.
    void run_class(const VoxelClass& voxel_class, std::vector<std::size_t> slots) {
        Plans plans;
        try {
            plans = plans_for(problem_.experiment, problem_.options.model, voxel_class);
        } catch (const OutOfReach&) {
            for (std::size_t slot : slots) {
                slots_[slot]->refuse();
                settle(slot);
            }
            return;
        }
        const Output output = streams_in(problem_.basis);
        const KernelTable& kernel = kernels_.of(voxel_class.precision);
        std::optional<Runner>& runner = runners_[static_cast<std::size_t>(voxel_class.precision)];
        if (!runner)
            runner.emplace(kernel, problem_.experiment, problem_.basis, plans,
                           n_pairs(output, problem_.experiment, problem_.basis));
        const auto lanes = static_cast<std::size_t>(kernel.lanes);
        const std::size_t n_left = slots.size() > lanes ? slots.size() % lanes : 0;
        if (n_left) waiting_[voxel_class].assign(slots.end() - static_cast<std::ptrdiff_t>(n_left), slots.end());
        slots.resize(slots.size() - n_left);
        for (std::size_t first = 0; first < slots.size(); first += lanes) {
            const std::size_t n = std::min(lanes, slots.size() - first);
            const double* out = runner->run(output, plans, tissue_view_, &slots[first], static_cast<int>(n), stop_);
            if (stop_) return;
            for (std::size_t lane = 0; lane < n; ++lane)
                take(slots[first + lane], out, kernel.lanes, static_cast<int>(lane));
        }
    }

    void take(std::size_t slot, const double* out, int lanes, int lane) {
        const auto n_samples = static_cast<Eigen::Index>(problem_.basis.n_samples(problem_.experiment));
        streams_.resize(n_samples, n_streams);
        for (Eigen::Index t = 0; t < n_samples; ++t)
            for (Eigen::Index k = 0; k < n_streams; ++k)
                streams_(t, k) = pair_of(out, static_cast<std::size_t>(t * n_streams + k), lanes, lane);
        slots_[slot]->take(streams_, scratch_);
        settle(slot);
    }

    void settle(std::size_t slot) {
        if (!slots_[slot]->finished()) return wait(slot);
        slots_[slot]->write(results_);
        ++queue_.done;
        refill(slot);
    }

    const FitProblem& problem_;
    const Kernels& kernels_;
    const FitResults& results_;
    Queue& queue_;
    const std::atomic<bool>& stop_;
    std::vector<std::optional<VoxelFit>> slots_;
    std::array<std::vector<double>, n_tissue_parameters> tissue_;  // the trials, by slot
    TissueView tissue_view_;
    std::map<VoxelClass, std::vector<std::size_t>> waiting_;
    std::optional<Runner> runners_[2];  // by precision
    ComplexMatrix streams_;
    FitScratch scratch_;
};

}  // namespace

void fit(const FitProblem& problem, const FitResults& results) {
    Queue queue;
    queue.size = problem.tissue.n_voxels;
    const Kernels tables(problem.options.model.name);
    const auto lanes = static_cast<std::size_t>(tables.of(tables.first()).lanes);
    const int threads = resolve_threads(problem.options.threads, (queue.size + lanes - 1) / lanes);
    const std::size_t share = queue.size / static_cast<std::size_t>(threads) / 2;
    const std::size_t pool_size = std::clamp(share, 4 * lanes, max_pool);
    const Work work = [&](std::size_t, int, const std::atomic<bool>& stop) {
        Pool(problem, tables, results, queue, pool_size, stop).run();
        return std::size_t{0};
    };
    Monitor monitor;
    if (problem.options.monitor)
        monitor = [&](std::size_t, std::size_t) { problem.options.monitor(queue.done, queue.size); };
    parallel_for(queue.size ? static_cast<std::size_t>(threads) : 0, queue.size, threads, work, monitor);
}

}  // namespace spinbound
