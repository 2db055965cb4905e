#include "machine/cache_mutex.hpp"

#include <pthread.h>

namespace spinbound {
namespace {

std::mutex mutex;

void lock() { mutex.lock(); }
void unlock() { mutex.unlock(); }

[[maybe_unused]] const int registered = pthread_atfork(lock, unlock, unlock);

}  // namespace

std::mutex& cache_mutex() { return mutex; }

}  // namespace spinbound
