// What the core throws beside std::bad_alloc. Bindings turn std::invalid_argument into ValueError.
#pragma once

#include <stdexcept>

namespace spinbound {

// An argument that would be unsafe to compute with; everything friendlier is checked before the core is called.
struct InvalidArgument : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

}  // namespace spinbound
