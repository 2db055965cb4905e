// The models of magnetization transfer (docs/models.md).
#pragma once

#include <compare>

namespace spinbound {

enum class Model : int { gbloch, gbloch_ide, graham, graham_single_frequency, sled, hybrid, bloch };

enum class Lineshape : int { superlorentzian, gaussian, lorentzian };

// What is simulated, beside the sequence and the tissue.
struct Physics {
    Model model = Model::gbloch;
    Lineshape lineshape = Lineshape::superlorentzian;
    double rtol = 1e-8;  // of a pulse's propagator; gbloch_ide, sled

    auto operator<=>(const Physics&) const = default;
};

}  // namespace spinbound
