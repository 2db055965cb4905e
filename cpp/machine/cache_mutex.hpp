// The lock of the tables that live as long as the process.
#pragma once

#include <mutex>

namespace spinbound {

// A fork waits until no thread holds it, so that no child inherits it locked.
std::mutex& cache_mutex();

}  // namespace spinbound
