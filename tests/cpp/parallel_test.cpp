// Threads: every item once, the first exception out, and the monitor's word is law.
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include "bound/fisher.hpp"
#include "check.hpp"
#include "machine/parallel.hpp"
#include "problem.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::test {
namespace {

struct Enough : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What a call throws, in words; nothing if it returns.
template <class Call>
std::string thrown_by(Call&& call) {
    try {
        call();
    } catch (const Enough& reason) {
        return reason.what();
    }
    return {};
}

TEST(every_item_is_done_once, "Every item is done once, on threads that are numbered from zero") {
    constexpr std::size_t n = 1000;
    for (int threads : {1, 2, 7}) {
        std::vector<std::atomic<int>> times(n);
        std::atomic<bool> numbered{true};
        const Work work = [&](std::size_t item, int thread, const std::atomic<bool>&) {
            ++times[item];
            if (thread < 0 || thread >= threads) numbered = false;
            return std::size_t{2};
        };
        std::size_t reported = 0;
        parallel_for(n, 2 * n, threads, work, [&](std::size_t done, std::size_t) { reported = done; });
        for (const auto& count : times) CHECK(count == 1);
        CHECK(numbered);
        CHECK(reported == 2 * n);
    }
}

TEST(exception_of_a_worker, "An exception of a worker stops the others and reaches the caller") {
    std::atomic<int> begun{0};
    const Work work = [&](std::size_t item, int, const std::atomic<bool>& stop) -> std::size_t {
        ++begun;
        if (item == 3) throw Enough("item 3");
        while (item > 3 && !stop) std::this_thread::yield();
        return 1;
    };
    CHECK(thrown_by([&] { parallel_for(1000, 1000, 4, work, {}); }) == "item 3");
    CHECK(begun < 20);
}

TEST(monitor_cancels, "What the monitor throws cancels every call") {
    const Problem problem(1, 40, Start::periodic, 30);
    RunOptions options = on_threads(2);
    options.monitor = [](std::size_t, std::size_t) { throw Enough("enough"); };
    CHECK(thrown_by([&] { results(problem, options); }) == "enough");
    CHECK(results(problem, on_threads(2)).size() == 19);
}

// Some ten seconds of work at any speed of the machine: far more than the 50 ms after which the monitor is asked.
TEST(long_call_is_cancelled, "A long call is cancelled between its blocks and within them") {
    Problem problem(1, 1000, Start::periodic, 20000);
    RunOptions options = on_threads(2);
    std::size_t last = 0;
    options.monitor = [&](std::size_t done, std::size_t total) {
        last = done;
        if (done < total) throw Enough("enough");
    };
    std::vector<double> bound(problem.size());
    const FisherProblem call{
        problem.experiment, problem.tissue(), {problem.sigma.data()}, {Parameter::m0s}, FisherForm::real,
        problem.basis(0),   options};
    CHECK(thrown_by([&] { crb(call, nullptr, {bound.data(), nullptr}); }) == "enough");
    CHECK(last < problem.size());
}

TEST(progress_rises_to_the_total, "Progress rises to the total, with voxels that are not valid") {
    const Problem problem(1, 200, Start::periodic, 500);
    RunOptions options = on_threads(2);
    options.valid = problem.valid.get();
    std::vector<std::size_t> reports;
    options.monitor = [&](std::size_t done, std::size_t total) {
        CHECK(total == problem.size());
        CHECK(reports.empty() || reports.back() <= done);
        reports.push_back(done);
    };
    std::vector<Complex> s(problem.size() * problem.experiment.n_echoes());
    simulate(problem.experiment, problem.tissue(), {}, options, s.data());
    CHECK(reports.back() == problem.size());
}

TEST(threads_asked_for, "No more threads are started than there are items, or four per core") {
    CHECK(resolve_threads(0, 1000) == available_threads());
    CHECK(resolve_threads(1, 1000) == 1);
    CHECK(resolve_threads(1 << 30, 1000000) == 4 * available_threads());
    CHECK(resolve_threads(1 << 30, 1) == 1);
    CHECK(resolve_threads(0, 0) == 1);
}

}  // namespace
}  // namespace spinbound::test
