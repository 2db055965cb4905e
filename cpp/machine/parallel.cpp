#include "machine/parallel.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "machine/cache_mutex.hpp"
#include "machine/cgroup.hpp"

namespace spinbound {
namespace {

constexpr auto poll_interval = std::chrono::milliseconds(50);
constexpr int max_threads_per_core = 4;

// The threads of one call. Joined on every way out, so that no exception leaves a thread behind.
class Crew {
public:
    Crew(std::size_t n_items, std::size_t total, const Work& work) : n_items_(n_items), total_(total), work_(work) {}

    ~Crew() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
    }

    // Fewer threads than asked for are enough, as long as there is one.
    void start(int n_threads) {
        threads_.reserve(static_cast<std::size_t>(n_threads));
        running_ = n_threads;
        for (int k = 0; k < n_threads; ++k) {
            try {
                threads_.emplace_back([this, k] { serve(k); });
            } catch (const std::system_error&) {
                const std::lock_guard lock(mutex_);
                running_ -= n_threads - k;
                if (k == 0) throw;
                return;
            }
        }
    }

    // The monitor is called at least once, and a last time when all is done.
    void wait(const Monitor& monitor) {
        std::unique_lock lock(mutex_);
        for (bool finished = false; !finished;) {
            finished = finished_.wait_for(lock, poll_interval, [this] { return running_ == 0; });
            lock.unlock();
            if (monitor) monitor(done_, total_);
            lock.lock();
        }
        if (failure_) std::rethrow_exception(failure_);
    }

private:
    void serve(int thread) {
        try {
            for (std::size_t item; !stop_ && (item = next_++) < n_items_;) done_ += work_(item, thread, stop_);
        } catch (...) {
            const std::lock_guard lock(mutex_);
            if (!failure_) failure_ = std::current_exception();
            stop_ = true;
        }
        const std::lock_guard lock(mutex_);
        --running_;
        finished_.notify_all();
    }

    const std::size_t n_items_, total_;
    const Work& work_;
    std::atomic<std::size_t> next_{0}, done_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable finished_;
    int running_ = 0;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

int cores_of_affinity() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return static_cast<int>(std::thread::hardware_concurrency());
}

// Read once: the files take longer than a small call.
std::optional<int> granted_cores() {
    static std::optional<std::optional<int>> limit;
    const std::lock_guard lock(cache_mutex());
    if (!limit) limit = cgroup_cpu_limit();
    return *limit;
}

}  // namespace

int available_threads() {
    const int cores = std::max(1, cores_of_affinity());
    return std::min(cores, granted_cores().value_or(cores));
}

int resolve_threads(int requested, std::size_t n_items) {
    if (n_items <= 1) return 1;
    const int available = available_threads();
    const int threads = requested <= 0 ? available : std::min(requested, max_threads_per_core * available);
    return static_cast<int>(std::min<std::size_t>(n_items, static_cast<std::size_t>(threads)));
}

void parallel_for(std::size_t n_items, std::size_t total_units, int n_threads, const Work& work,
                  const Monitor& monitor) {
    if (n_items == 0) return;
    Crew crew(n_items, total_units, work);
    crew.start(n_threads);
    crew.wait(monitor);
}

}  // namespace spinbound
