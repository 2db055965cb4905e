// Trains of RF pulses, and experiments of several trains.
#pragma once

#include <algorithm>
#include <array>
#include <complex>
#include <cstddef>
#include <vector>

namespace spinbound {

enum class GradientMoment : int { balanced, crusher, spoiler_dual, spoiler_prepulse };

enum class Start : int { periodic, thermal, given };

struct Sequence {  // one entry per pulse, unless said otherwise
    std::vector<double> alpha;                    // rad
    std::vector<double> TRF;                      // s
    std::vector<double> TR;                       // s
    std::vector<double> rf_phase_increment;       // rad, from the pulse before
    std::vector<GradientMoment> gradient_moment;
    std::vector<char> echo;                       // whether the echo after it is recorded
    std::vector<std::complex<double>> shape;      // samples of the waveform of all pulses, mean 1; none: rectangular
    Start start = Start::periodic;
    std::array<double, 5> initial{};              // xf yf zf xs zs of a given start, for M0 = 1

    int n_pulses() const { return static_cast<int>(alpha.size()); }
    int n_echoes() const { return static_cast<int>(echo.size() - std::count(echo.begin(), echo.end(), 0)); }
};

// Trains that are played one after the other on the same tissue, each from its own start; their echoes follow each
// other.
struct Experiment {
    std::vector<Sequence> trains;

    std::size_t n_echoes() const {
        std::size_t n = 0;
        for (const Sequence& train : trains) n += static_cast<std::size_t>(train.n_echoes());
        return n;
    }
};

}  // namespace spinbound
