#include "plan/plan.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "plan/polynomial.hpp"

namespace spinbound {
namespace {

constexpr double T2s_ratio = 1.25;  // 10 us, the usual value, is near the short end of its class
static_assert(T2s_ratio <= ResponseTable::patch_ratio, "a patch must hold the whole class");
constexpr double B1_ratio = 1.2;
constexpr double omega0_unit = 250;  // rad/s
constexpr double rate_unit = 125;    // 1/s
// Contact with the fast mode: (2 mu - R2sl)/R2sl at least, and slow rates relative to R2sl at most.
constexpr double min_damping = 0.5, max_slow = 0.03;

// The smallest k >= 0 with value <= unit 2^k.
int octave(double value, double unit) {
    return std::max(0, static_cast<int>(std::ceil(std::log2(value / unit) - 1e-12)));
}

// Numbers the distinct half times in the order of their first use.
class HalfTimeIndex {
public:
    int operator()(double half_time) {
        const auto [position, inserted] = index_.try_emplace(half_time, static_cast<int>(half_times.size()));
        if (inserted) half_times.push_back(half_time);
        return position->second;
    }

    std::vector<double> half_times;

private:
    std::map<double, int> index_;
};

// R2sl TRF within a class.
struct Decay {
    double smallest, largest;
};

// rho tau grows with tau but near the largest flip angles, where it falls below tau = 10 (super-Lorentzian); in
// between rho exceeds its ends by less than the margin.
Decay decay_of_class(const Patch& rho, double log_low, double log_high, double flip) {
    constexpr double margin = 1.05;
    const auto rho_tau = [&](double x, double u) { return std::exp(x) * value(rho, x, u); };
    const double low = std::max(log_low, std::log(min_tau)), high = std::max(log_high, std::log(min_tau)),
                 u = flip * flip;
    const auto [smallest, largest] =
        std::minmax({rho_tau(low, 0), rho_tau(low, u), rho_tau(high, 0), rho_tau(high, u)});
    return {smallest / margin, largest * margin};
}

// Pulses that differ by more than 0.02 rad or 2 % of their duration.
std::size_t n_distinct_pulses(const Sequence& sequence) {
    constexpr double flip_step = 0.02, duration_step = 0.02;
    std::vector<std::pair<int, int>> cells;
    for (std::size_t k = 0; k < sequence.alpha.size(); ++k)
        cells.emplace_back(static_cast<int>(std::abs(sequence.alpha[k]) / flip_step),
                           static_cast<int>(std::floor(std::log(sequence.TRF[k]) / duration_step)));
    std::sort(cells.begin(), cells.end());
    return static_cast<std::size_t>(std::unique(cells.begin(), cells.end()) - cells.begin());
}

// Absolute, on the region of a step. A steady state sums the errors of all pulses within T1: those of like pulses are
// the same, those of many different ones nearly cancel. A power of two, so that few tolerances occur.
double polynomial_tolerance(const Sequence& sequence, Precision precision) {
    if (precision == Precision::single) return 1e-6;
    return std::exp2(std::floor(std::log2(std::min(2e-12 * static_cast<double>(n_distinct_pulses(sequence)), 6e-10))));
}

// Steps and polynomial for the region of the whole pulse (theory, section 3).
void choose_polynomial(PulsePlan& pulse, const Decay& decay, double flip, const ClassBounds& b, double tolerance) {
    const double slow = b.max_rate * pulse.TRF, height = std::hypot(flip, b.max_omega0 * pulse.TRF);
    const double left = decay.largest + slow;
    pulse.n_steps = static_cast<int>(std::ceil(std::max({left / max_left, slow, height / max_height, 1e-3})));
    const double n = pulse.n_steps;
    const Region whole{left / n, slow / n, height / n};
    const double damping = std::sqrt(std::max(0.0, 1 - std::pow(2 * flip / decay.smallest, 2)));
    if (damping > min_damping && slow < max_slow * decay.smallest) {
        const double saturation = 0.5 * decay.smallest * (1 - damping);  // of s by the pulse
        pulse.polynomial = exponential_polynomial(whole, {(saturation + slow) / n, slow / n, height / n}, tolerance);
    } else {
        pulse.polynomial = exponential_polynomial(whole, tolerance);
    }
}

// A pool that no pulse saturates.
constexpr std::array<double, patch_rows> no_response{};
constexpr Patch without_saturation{no_response.data(), patch_rows, 1, 0, 0, 0, 0};

// The largest TRF/T2s of a sequence, which the response table must reach.
double largest_tau(const Sequence& sequence) {
    return *std::max_element(sequence.TRF.begin(), sequence.TRF.end()) / min_T2s;
}

bool is_tabulated(ModelName model) { return model == ModelName::gbloch || model == ModelName::hybrid; }

// Table patches and polynomials of one train for one class of voxels.
class PulsePlanner {
public:
    PulsePlanner(const Sequence& sequence, ModelName model, const ResponseTable* table, const VoxelClass& voxel_class)
        : sequence_(sequence),
          model_(model),
          table_(table),
          bounds_(bounds(voxel_class)),
          tolerance_(polynomial_tolerance(sequence, voxel_class.precision)) {}

    PulsePlan operator()(std::size_t k) const {
        PulsePlan pulse{};
        pulse.alpha = sequence_.alpha[k];
        pulse.TRF = sequence_.TRF[k];
        pulse.log_TRF = std::log(pulse.TRF);
        pulse.gradient_moment = sequence_.gradient_moment[k];
        pulse.cos_increment = std::cos(sequence_.rf_phase_increment[k]);
        pulse.sin_increment = std::sin(sequence_.rf_phase_increment[k]);
        if (model_ == ModelName::gbloch || model_ == ModelName::bloch || model_ == ModelName::hybrid)
            choose_response(pulse);
        return pulse;
    }

private:
    void choose_response(PulsePlan& pulse) const {
        const double high = pulse.log_TRF - std::log(bounds_.min_T2s), low = high - std::log(T2s_ratio);
        const double flip = std::abs(pulse.alpha) * bounds_.max_B1;
        if (model_ == ModelName::bloch) {
            pulse.response = &without_saturation;
            choose_polynomial(pulse, {0, 0}, std::min(flip, max_crusher_flip), bounds_, tolerance_);
        } else if (model_ == ModelName::hybrid || pulse.gradient_moment == GradientMoment::crusher) {
            pulse.response = &table_->z(low, std::min(flip, max_crusher_flip));
        } else {
            const double allowed = std::min(flip, max_flip);
            pulse.response = &table_->rho(low, allowed);
            choose_polynomial(pulse, decay_of_class(*pulse.response, low, high, allowed), allowed, bounds_, tolerance_);
        }
    }

    const Sequence& sequence_;
    ModelName model_;
    const ResponseTable* table_;
    ClassBounds bounds_;
    double tolerance_;
};

}  // namespace

VoxelClass classify(const TissueView& tissue, std::size_t voxel, ModelName model, Precision precision) {
    if (!is_tabulated(model) && model != ModelName::bloch) return {0, 0, 0, 0, precision};
    const auto value = [&](Parameter p) { return tissue.value[static_cast<std::size_t>(p) - 1][voxel]; };
    const double rate = std::max({value(Parameter::R2f), value(Parameter::R1f) + value(Parameter::Rex),
                                  value(Parameter::R1s) + value(Parameter::Rex)});
    const int n_T2s = static_cast<int>(std::ceil(std::log(max_T2s / min_T2s) / std::log(T2s_ratio)));
    const int T2s = static_cast<int>(std::floor(std::log(value(Parameter::T2s) / min_T2s) / std::log(T2s_ratio)));
    return {std::clamp(T2s, 0, n_T2s - 1),
            static_cast<int>(std::ceil(std::log(value(Parameter::B1)) / std::log(B1_ratio) - 1e-12)),
            octave(std::abs(value(Parameter::omega0)), omega0_unit), octave(rate, rate_unit), precision};
}

VoxelClass coarser(const VoxelClass& c) {
    const auto raised = [](int number, int step) {  // the next multiple of the step
        const int rest = ((number % step) + step) % step;
        return rest == 0 ? number : number + step - rest;
    };
    return {c.T2s, raised(c.B1, 2), raised(c.omega0, 3), raised(c.rate, 2), c.precision};
}

ClassBounds bounds(const VoxelClass& c) {
    return {min_T2s * std::pow(T2s_ratio, c.T2s), std::pow(B1_ratio, c.B1), std::ldexp(omega0_unit, c.omega0),
            std::ldexp(rate_unit, c.rate)};
}

Plan::Plan(const Sequence& sequence, const Model& model, const VoxelClass& voxel_class)
    : table_(is_tabulated(model.name) ? ResponseTable::get(model.lineshape, largest_tau(sequence)) : nullptr),
      shape_(sequence.shape) {
    const PulsePlanner plan_pulse(sequence, model.name, table_.get(), voxel_class);
    HalfTimeIndex interval;
    pulses_.reserve(sequence.alpha.size());
    for (std::size_t k = 0; k < sequence.alpha.size(); ++k) {
        PulsePlan pulse = plan_pulse(k);
        const bool takes_time = pulse.gradient_moment != GradientMoment::crusher && model.name != ModelName::hybrid;
        pulse.interval = interval((sequence.TR[k] - (takes_time ? pulse.TRF : 0)) / 2);
        pulse.echo = sequence.echo[k] ? train_.n_echoes++ : -1;
        pulses_.push_back(pulse);
    }
    half_times_ = std::move(interval.half_times);
    train_.pulse = pulses_.data();
    train_.n_pulses = sequence.n_pulses();
    train_.half_time = half_times_.data();
    train_.n_intervals = static_cast<int>(half_times_.size());
    train_.model = model;
    train_.shape = {shape_.data(), static_cast<int>(shape_.size())};
    train_.start = sequence.start;
    std::copy(sequence.initial.begin(), sequence.initial.end(), train_.initial);
}

}  // namespace spinbound
