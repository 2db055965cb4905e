// What pulse trains are computed in.
#pragma once

namespace spinbound {

enum class Precision : int { full, single };

}  // namespace spinbound
