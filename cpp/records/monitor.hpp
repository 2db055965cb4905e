// How a call reports while it runs, and is cancelled.
#pragma once

#include <cstddef>
#include <functional>

namespace spinbound {

// Called on the calling thread about every 50 ms and at the end; what it throws cancels the call and is rethrown.
using Monitor = std::function<void(std::size_t done, std::size_t total)>;

}  // namespace spinbound
