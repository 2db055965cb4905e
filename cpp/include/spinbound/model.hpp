// The models of the two pools, in the order of their codes in Python.
#pragma once

namespace spinbound {

enum class Model : int { gbloch, gbloch_ide, graham, graham_single_frequency, sled, hybrid, bloch };

}  // namespace spinbound
