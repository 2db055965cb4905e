// The refusal of an argument outside its domain.
#pragma once

#include <iomanip>
#include <sstream>

#include "records/error.hpp"

namespace spinbound {

// Throws unless low <= value <= high; a NaN is refused.
inline void require(const char* name, double value, double low, double high) {
    if (value >= low && value <= high) return;
    std::ostringstream sentence;
    sentence << std::setprecision(12) << name << " must lie between " << low << " and " << high << "; it is " << value;
    throw InvalidArgument(sentence.str());
}

}  // namespace spinbound
