// Fits: neither threads nor other voxels change a bit, bad data stay alone, and the monitor's word is law.
#include <cmath>
#include <limits>
#include <stdexcept>

#include "check.hpp"
#include "fit/fit.hpp"
#include "problem.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
const std::vector<Parameter> unknowns{Parameter::m0s, Parameter::T2f, Parameter::B1};

struct Enough : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Data without noise, fits of which begin beside the truth; what a call writes about each voxel.
class Fits {
public:
    Fits(int n_pulses, std::size_t n_voxels, M0Treatment M0, int rank = 0)
        : truth_(7, n_pulses, Start::periodic, n_voxels),
          start_(7, n_pulses, Start::periodic, n_voxels),
          M0_(M0),
          basis_(truth_.basis(rank)),
          prior_mean_(unknowns.size() * n_voxels, 0.1),
          data(n_voxels * n_samples()) {
        simulate(truth_.experiment, truth_.tissue(), basis_, on_threads(1), data.data());
        for (Parameter p : {Parameter::m0s, Parameter::R2f, Parameter::B1})
            for (double& value : start_.values[static_cast<int>(p) - 1]) value *= 1.02;
    }

    std::size_t size() const { return truth_.size(); }
    std::size_t n_samples() const { return basis_.n_samples(truth_.experiment); }
    double truth(int unknown, std::size_t voxel) const {
        return unknown == 1 ? 1 / truth_.values[2][voxel] : truth_.values[unknown ? 7 : 0][voxel];
    }

    Result operator()(const RunOptions& options, std::size_t first, std::size_t n) const {
        FitProblem problem{truth_.experiment,
                           start_.tissue(first, n),
                           data.data() + first * n_samples(),
                           {},
                           unknowns,
                           M0_,
                           {0, 1e-3, 0.1},
                           {0.5, 1, 1.4},
                           nullptr,
                           {inf, inf, inf},
                           Depth::full,
                           {},
                           {},
                           basis_,
                           options};
        const std::vector<double> weak_prior_sigma(n, 1e-12);
        if (M0_ == M0Treatment::fitted) {
            problem.noise.sigma = weak_prior_sigma.data();
            problem.prior_mean = prior_mean_.data();
            problem.prior_std = {1, inf, inf};
        }
        const std::size_t P = unknowns.size(), size = problem.size();
        std::vector<double> estimates(P * n), covariance(n * size * size), sigma(n), residual(n), misfit(n);
        std::vector<Complex> M0(start_.M0.begin() + static_cast<std::ptrdiff_t>(first),
                                start_.M0.begin() + static_cast<std::ptrdiff_t>(first + n));
        std::vector<std::int8_t> status(n);
        std::vector<std::int32_t> iterations(n);
        std::vector<std::uint16_t> at_bound(n);
        fit(problem, {estimates.data(), M0.data(), covariance.data(), sigma.data(), residual.data(), misfit.data(),
                      status.data(), iterations.data(), at_bound.data()});
        Result result{"fit", {}, n};
        for (std::size_t v = 0; v < n; ++v) {
            for (std::size_t k = 0; k < P; ++k) result.values.push_back(estimates[k * n + v]);
            const double about[] = {static_cast<double>(status[v]),
                                    residual[v],
                                    M0[v].real(),
                                    M0[v].imag(),
                                    sigma[v],
                                    static_cast<double>(iterations[v]),
                                    static_cast<double>(at_bound[v])};
            result.values.insert(result.values.end(), std::begin(about), std::end(about));
            const auto entry = covariance.begin() + static_cast<std::ptrdiff_t>(v * size * size);
            result.values.insert(result.values.end(), entry, entry + static_cast<std::ptrdiff_t>(size * size));
        }
        return result;
    }
    Result operator()(int threads) const { return (*this)(on_threads(threads), 0, size()); }

private:
    Problem truth_, start_;
    M0Treatment M0_;
    Basis basis_;
    std::vector<double> prior_mean_;

public:
    std::vector<Complex> data;
};

Status status_of(const Result& result, std::size_t voxel) {
    return static_cast<Status>(static_cast<int>(result.of(voxel, 1)[unknowns.size()]));
}

constexpr M0Treatment treatments[] = {M0Treatment::known, M0Treatment::eliminated, M0Treatment::fitted};

TEST(fit_finds_the_truth, "A fit that begins beside the truth ends there, with M0 known, eliminated and fitted") {
    for (M0Treatment M0 : treatments) {
        const Fits fits(60, 30, M0);
        const Result found = fits(2);
        std::size_t n_found = 0;
        for (std::size_t v = 0; v < fits.size(); ++v) {
            bool is_near = found.of(v, 1)[unknowns.size() + 1] < 1e-7;
            for (int k = 0; k < 3; ++k)
                is_near =
                    is_near && std::abs(found.of(v, 1)[static_cast<std::size_t>(k)] / fits.truth(k, v) - 1) < 1e-5;
            n_found += is_near;
        }
        CHECK(n_found >= 28);
    }
}

TEST(fit_threads, "Neither threads nor the other voxels change a bit of a fit") {
    for (M0Treatment M0 : treatments)
        for (int rank : {0, 5}) {
            const Fits fits(30, 50, M0, rank);
            const Result all = fits(1);
            for (int threads : {2, 7}) CHECK(same_bits(fits(threads).values, all.values));
            for (std::size_t v = 0; v < fits.size(); v += 7)
                CHECK(same_bits(fits(on_threads(1), v, 1).values, all.of(v, 1)));
            CHECK(same_bits(fits(on_threads(2), 10, 23).values, all.of(10, 23)));
        }
}

TEST(fit_bad_voxels, "Voxels that are not finite, zero or not valid say so, and the others keep their bits") {
    Fits fits(30, 40, M0Treatment::eliminated);
    const Result clean = fits(1);
    fits.data[3 * fits.n_samples() + 5] = {0, nan};
    for (std::size_t t = 0; t < fits.n_samples(); ++t) fits.data[11 * fits.n_samples() + t] = 0;
    const auto valid = std::make_unique<bool[]>(fits.size());
    for (std::size_t v = 0; v < fits.size(); ++v) valid[v] = v != 20;
    RunOptions options = on_threads(2);
    options.valid = valid.get();
    const Result found = fits(options, 0, fits.size());
    CHECK(status_of(found, 3) == Status::not_finite);
    CHECK(status_of(found, 11) == Status::no_data);
    CHECK(status_of(found, 20) == Status::invalid);
    for (std::size_t v = 0; v < fits.size(); ++v) {
        if (v == 3 || v == 11 || v == 20)
            CHECK(std::isnan(found.of(v, 1)[0]));
        else
            CHECK(same_bits(found.of(v, 1), clean.of(v, 1)));
    }
}

// Some ten seconds of work: far more than the 50 ms after which the monitor is asked.
TEST(fit_is_cancelled, "What the monitor throws ends a fit, between its steps and within them") {
    Fits fits(1000, 4000, M0Treatment::eliminated);
    RunOptions options = on_threads(2);
    std::size_t last = 0;
    options.monitor = [&](std::size_t done, std::size_t total) {
        last = done;
        if (done < total) throw Enough("enough");
    };
    bool is_thrown = false;
    try {
        fits(options, 0, fits.size());
    } catch (const Enough&) {
        is_thrown = true;
    }
    CHECK(is_thrown);
    CHECK(last < fits.size());
}

TEST(fit_progress, "Progress of a fit rises to the total; of no voxels there is none") {
    const Fits fits(200, 300, M0Treatment::eliminated);
    RunOptions options = on_threads(2);
    std::vector<std::size_t> reports;
    options.monitor = [&](std::size_t done, std::size_t total) {
        CHECK(total == fits.size());
        CHECK(reports.empty() || reports.back() <= done);
        reports.push_back(done);
    };
    fits(options, 0, fits.size());
    CHECK(reports.back() == fits.size());
    CHECK(fits(on_threads(2), 0, 0).values.empty());
}

}  // namespace
}  // namespace spinbound::test
