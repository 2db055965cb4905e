// What the core throws beside std::bad_alloc. Bindings turn std::invalid_argument into ValueError.
#pragma once

#include <stdexcept>

namespace spinbound {

// An argument that would be unsafe to compute with; everything friendlier is checked before the core is called.
struct InvalidArgument : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// A voxel whose pulses cannot be integrated to the accuracy that is asked for; its results are NaN.
struct OutOfReach : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace spinbound
