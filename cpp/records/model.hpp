// The models of magnetization transfer (docs/reference/models.md).
#pragma once

#include <compare>

namespace spinbound {

enum class ModelName : int { gbloch, gbloch_ide, graham, graham_single_frequency, sled, hybrid, bloch };

enum class Lineshape : int { superlorentzian, gaussian, lorentzian };

// What is simulated, beside the sequence and the tissue.
struct Model {
    ModelName name = ModelName::gbloch;
    Lineshape lineshape = Lineshape::superlorentzian;
    double rtol = 1e-8;  // of a pulse's propagator; gbloch_ide, sled

    auto operator<=>(const Model&) const = default;
};

}  // namespace spinbound
