// Voxels as the core sees them: contiguous arrays that belong to the caller.
#pragma once

#include <complex>
#include <cstddef>

#include "records/parameter.hpp"

namespace spinbound {

struct TissueView {
    std::size_t n_voxels = 0;
    std::array<const double*, n_tissue_parameters> value{};  // m0s R1f R2f Rex R1s T2s omega0 B1
    const std::complex<double>* M0 = nullptr;
};

}  // namespace spinbound
