// The models of magnetization transfer (docs/models.md).
#pragma once

#include <compare>

#include "plan/lineshape.hpp"

namespace spinbound {

enum class Model : int { gbloch, gbloch_ide, graham, graham_single_frequency, sled, hybrid, bloch };

// What is simulated, beside the sequence and the tissue.
struct Physics {
    Model model = Model::gbloch;
    Lineshape lineshape = Lineshape::superlorentzian;
    double rtol = 1e-8;  // of a pulse's propagator; gbloch_ide, sled

    auto operator<=>(const Physics&) const = default;
};

}  // namespace spinbound
