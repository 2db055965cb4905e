// Small records of the core that Python writes as tuples.
#pragma once

#include <tuple>

#include "records/model.hpp"
#include "records/stopping.hpp"

namespace spinbound::bindings {

using ModelTuple = std::tuple<int, int, double>;                // name, lineshape, rtol
using StoppingTuple = std::tuple<double, double, double, int>;  // gradient, step, cost, max_iterations

inline Model as_model(const ModelTuple& codes) {
    const auto [name, lineshape, rtol] = codes;
    return {static_cast<ModelName>(name), static_cast<Lineshape>(lineshape), rtol};
}

inline StoppingRules as_stopping_rules(const StoppingTuple& rules) {
    const auto [gradient, step, cost, max_iterations] = rules;
    return {gradient, step, cost, max_iterations};
}

}  // namespace spinbound::bindings
