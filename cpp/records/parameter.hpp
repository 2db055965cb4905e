// The unknowns of a voxel: the one source of their names, order, units and accepted ranges.
#pragma once

#include <array>
#include <limits>
#include <string_view>

namespace spinbound {

// M0 scales the signal; the eight that follow are the tissue of the kernel, in the order of its arrays;
// the last five are derived from them.
enum class Parameter : int { M0, m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1, R1a, T1a, T1f, T1s, T2f };

inline constexpr int n_parameters = 14;
inline constexpr int n_base_parameters = 9;    // M0 ... B1
inline constexpr int n_tissue_parameters = 8;  // m0s ... B1

// A time that stands for a rate.
constexpr bool is_reciprocal(Parameter p) { return p >= Parameter::T1a; }

inline constexpr double max_rate = 1e6;    // 1/s: far beyond tissue; the pulses are cut finer the faster it is
inline constexpr double max_omega0 = 1e5;  // rad/s, 16 kHz: the sine keeps its accuracy for TR up to 20 s
inline constexpr double min_T2s = 2e-6;   // s
inline constexpr double max_T2s = 50e-6;  // s
inline constexpr double max_flip = 4.4;   // rad: R2sl is unique below 4.4934 only (tan x = x)
inline constexpr double max_crusher_flip = 6.283185307179586;  // rad: the domain of the tabulated response
inline constexpr double max_integrated_flip = 50;  // rad: of the models that integrate the pulse
inline constexpr double min_tau = 2.0;    // TRF / T2s: below, R2sl is not that of a rate
inline constexpr double max_tau_ide = 2000;  // TRF / T2s of gbloch_ide: its cost grows with the square

struct ParameterInfo {
    std::string_view name, unit, description;
    double low, high;          // accepted: low < value < high, or low <= value if low_included (high likewise)
    bool low_included, high_included;
};

inline constexpr double inf = std::numeric_limits<double>::infinity();

inline constexpr std::array<ParameterInfo, n_parameters> parameter_table{{
    {"M0", "1", "complex scale of the signal", -inf, inf, false, false},
    {"m0s", "1", "fractional size of the semi-solid pool", 0, 1, true, false},
    {"R1f", "1/s", "longitudinal relaxation rate of the free pool", 0, max_rate, false, true},
    {"R2f", "1/s", "transverse relaxation rate of the free pool", 0, max_rate, false, true},
    {"Rex", "1/s", "exchange rate", 0, max_rate, true, true},
    {"R1s", "1/s", "longitudinal relaxation rate of the semi-solid pool", 0, max_rate, false, true},
    {"T2s", "s", "transverse relaxation time of the semi-solid pool", min_T2s, max_T2s, true, true},
    {"omega0", "rad/s", "off-resonance frequency", -max_omega0, max_omega0, true, true},
    {"B1", "1", "transmit field relative to its nominal value", 0, inf, false, false},
    {"R1a", "1/s", "apparent longitudinal relaxation rate, R1f = R1s", 0, max_rate, false, true},
    {"T1a", "s", "apparent longitudinal relaxation time, 1/R1a", 1 / max_rate, inf, true, false},
    {"T1f", "s", "longitudinal relaxation time of the free pool, 1/R1f", 1 / max_rate, inf, true, false},
    {"T1s", "s", "longitudinal relaxation time of the semi-solid pool, 1/R1s", 1 / max_rate, inf, true, false},
    {"T2f", "s", "transverse relaxation time of the free pool, 1/R2f", 1 / max_rate, inf, true, false},
}};

}  // namespace spinbound
