// A train of RF pulses with a common repetition time.
#pragma once

#include <array>
#include <vector>

namespace spinbound {

enum class GradientMoment : int { balanced, crusher, spoiler_dual, spoiler_prepulse };

enum class Start : int { periodic, thermal, given };

struct Sequence {
    std::vector<double> alpha;                     // rad
    std::vector<double> TRF;                       // s
    std::vector<GradientMoment> gradient_moment;   // one per pulse
    double TR = 0;                                 // s
    double rf_phase_increment = 3.141592653589793; // rad, from each pulse to the next
    Start start = Start::periodic;
    std::array<double, 5> initial{};               // xf yf zf xs zs of a given start, for M0 = 1

    int n_pulses() const { return static_cast<int>(alpha.size()); }
};

}  // namespace spinbound
