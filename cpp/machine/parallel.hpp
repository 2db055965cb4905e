// Items of work over threads that live for one call: nothing exists at import, and a fork finds nothing to break.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "records/monitor.hpp"

namespace spinbound {

// The cores that this process may use, by its affinity and by the limits of its control groups.
int available_threads();

// How many threads to start for so many items, at most one each; 0 requests all available cores, and more than four
// per core are not granted.
int resolve_threads(int requested, std::size_t n_items);

// work(item, thread, stop) for every item, dynamically; returns how many units of `total_units` the item was.
// The first exception of a worker stops the others and is rethrown. If `stop` turns true, work returns early.
using Work = std::function<std::size_t(std::size_t item, int thread, const std::atomic<bool>& stop)>;

void parallel_for(std::size_t n_items, std::size_t total_units, int n_threads, const Work& work,
                  const Monitor& monitor);

}  // namespace spinbound
