#include "voxels/column.hpp"

namespace spinbound {

Column column_of(Parameter parameter, const TissueView& tissue, std::size_t voxel, ModelName model) {
    const auto stream = [](Parameter p) { return static_cast<int>(p); };
    const auto slope = [&](Parameter rate) {  // dR/dT = -R^2
        const double R = tissue.value[static_cast<std::size_t>(rate) - 1][voxel];
        return -R * R;
    };
    const int R1f = stream(Parameter::R1f), R1s = stream(Parameter::R1s), R2f = stream(Parameter::R2f);
    switch (parameter) {
        case Parameter::R1a:
            return {{R1f, R1s}, {1, 1}, 2};
        case Parameter::T1a:
            return {{R1f, R1s}, {slope(Parameter::R1f), slope(Parameter::R1f)}, 2};
        case Parameter::T1f:
            return {{R1f, 0}, {slope(Parameter::R1f), 0}, 1};
        case Parameter::T1s:
            return {{R1s, 0}, {slope(Parameter::R1s), 0}, 1};
        case Parameter::T2f:
            return {{R2f, 0}, {slope(Parameter::R2f), 0}, 1};
        case Parameter::m0s:
            return {{stream(parameter), 0}, {model == ModelName::bloch ? 0.0 : 1.0, 0}, 1};
        default:
            return {{stream(parameter), 0}, {1, 0}, 1};
    }
}

}  // namespace spinbound
