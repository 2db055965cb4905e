#include "problem.hpp"

#include <cstdlib>
#include <cstring>
#include <random>

#include "bound/fisher.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::test {
namespace {

constexpr double low[n_tissue_parameters] = {0.01, 0.2, 5, 5, 0.5, 6e-6, -700, 0.6};
constexpr double high[n_tissue_parameters] = {0.35, 2, 60, 80, 8, 30e-6, 700, 1.3};

const std::vector<Parameter> all{Parameter::M0,  Parameter::m0s, Parameter::R1f,    Parameter::R2f, Parameter::Rex,
                                 Parameter::R1s, Parameter::T2s, Parameter::omega0, Parameter::B1};
const std::vector<Parameter> derived{Parameter::T2f, Parameter::M0, Parameter::R1a};

class Draw {
public:
    explicit Draw(unsigned seed) : generator_(seed) {}
    double operator()(double from, double to) { return std::uniform_real_distribution<>(from, to)(generator_); }

private:
    std::mt19937 generator_;
};

Sequence random_sequence(Draw& draw, int n_pulses, Start start) {
    Sequence sequence;
    for (int i = 0; i < n_pulses; ++i) {
        sequence.alpha.push_back(draw(-0.5, 3));
        sequence.TRF.push_back(draw(1e-4, 1e-3));
        sequence.TR.push_back(draw(3e-3, 4e-3));
        sequence.rf_phase_increment.push_back(draw(-3, 3));
        sequence.echo.push_back(1);
        sequence.gradient_moment.push_back(static_cast<GradientMoment>(static_cast<int>(draw(0, 4))));
    }
    sequence.start = start;
    for (double& component : sequence.initial) component = draw(-0.5, 0.5);
    return sequence;
}

// The calls of one basis, for some of a problem's voxels.
class Calls {
public:
    Calls(const Problem& problem, const RunOptions& options, std::size_t first, std::size_t n, int rank)
        : problem_(problem),
          options_(options),
          tissue_(problem.tissue(first, n)),
          sigma_(problem.sigma.data() + first),
          basis_(problem.basis(rank)),
          n_samples_(basis_.n_samples(problem.experiment)),
          suffix_(rank ? ", basis" : "") {
        if (options_.valid) options_.valid += first;
    }

    Result signal() const {
        std::vector<Complex> s(n() * n_samples_);
        simulate(problem_.experiment, tissue_, basis_, options_, s.data());
        return pack("signal", s);
    }

    Result magnetization() const {
        std::vector<Complex> m(n() * problem_.experiment.n_echoes() * 5);
        simulate_magnetization(problem_.experiment, tissue_, options_, m.data());
        return pack("magnetization", m);
    }

    Result jacobian(const std::vector<Parameter>& wrt, const std::string& name) const {
        std::vector<Complex> s(n() * n_samples_), J(s.size() * wrt.size());
        sensitivities(problem_.experiment, tissue_, wrt, basis_, options_, s.data(), J.data());
        return pack(name, J);
    }

    Result information(FisherForm form, const std::string& name) const {
        const FisherProblem call = fisher_problem(form);
        const std::size_t n_entries = static_cast<std::size_t>(call.size() * call.size());
        if (form == FisherForm::complex) {
            std::vector<Complex> F(n() * n_entries);
            fisher(call, F.data());
            return pack(name, F);
        }
        std::vector<double> F(n() * n_entries);
        fisher(call, F.data());
        return {name + suffix_, F, n()};
    }

    Result bounds(FisherForm form, const std::string& name) const {
        std::vector<double> bound(all.size() * n()), voxels_first;
        crb(fisher_problem(form), nullptr, {bound.data(), nullptr});
        for (std::size_t voxel = 0; voxel < n(); ++voxel)
            for (std::size_t p = 0; p < all.size(); ++p) voxels_first.push_back(bound[p * n() + voxel]);
        return {name + suffix_, voxels_first, n()};
    }

private:
    std::size_t n() const { return tissue_.n_voxels; }

    FisherProblem fisher_problem(FisherForm form) const {
        return {problem_.experiment, tissue_, {sigma_}, all, form, basis_, options_};
    }

    Result pack(const std::string& name, const std::vector<Complex>& values) const {
        const double* parts = reinterpret_cast<const double*>(values.data());
        return {name + suffix_, {parts, parts + 2 * values.size()}, n()};
    }

    const Problem& problem_;
    RunOptions options_;
    TissueView tissue_;
    const double* sigma_;
    Basis basis_;
    std::size_t n_samples_;
    std::string suffix_;
};

}  // namespace

Problem::Problem(unsigned seed, int n_pulses, Start start, std::size_t n_voxels) : valid(new bool[n_voxels]) {
    Draw draw(seed);
    experiment.trains = {random_sequence(draw, n_pulses, start)};
    for (std::size_t v = 0; v < n_voxels; ++v) {
        for (std::size_t p = 0; p < n_tissue_parameters; ++p) values[p].push_back(draw(low[p], high[p]));
        M0.emplace_back(draw(-1, 1), draw(-1, 1));
        sigma.push_back(draw(0.5, 2));
        valid[v] = v % 5 != 3;
    }
    for (int k = 0; k < n_pulses * max_rank; ++k) vectors.emplace_back(draw(-1, 1), draw(-1, 1));
}

TissueView Problem::tissue(std::size_t first, std::size_t n) const {
    TissueView view;
    view.n_voxels = n;
    view.M0 = M0.data() + first;
    for (std::size_t p = 0; p < n_tissue_parameters; ++p) view.value[p] = values[p].data() + first;
    return view;
}

std::vector<double> Result::of(std::size_t first, std::size_t n) const {
    const auto size = static_cast<std::ptrdiff_t>(values.size() / n_voxels);
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first) * size;
    return {begin, begin + static_cast<std::ptrdiff_t>(n) * size};
}

std::vector<Result> results(const Problem& problem, const RunOptions& options, std::size_t first, std::size_t n) {
    std::vector<Result> all_results;
    for (int rank : {0, Problem::max_rank}) {
        const Calls calls(problem, options, first, n, rank);
        all_results.push_back(calls.signal());
        all_results.push_back(calls.jacobian(all, "sensitivities"));
        all_results.push_back(calls.jacobian(derived, "derived sensitivities"));
        all_results.push_back(calls.information(FisherForm::real, "fisher"));
        all_results.push_back(calls.information(FisherForm::complex, "complex fisher"));
        all_results.push_back(calls.information(FisherForm::real_M0, "real-M0 fisher"));
        all_results.push_back(calls.bounds(FisherForm::real, "crb"));
        all_results.push_back(calls.bounds(FisherForm::complex, "complex crb"));
        all_results.push_back(calls.bounds(FisherForm::real_M0, "real-M0 crb"));
        if (!rank) all_results.push_back(calls.magnetization());
    }
    return all_results;
}

std::vector<Result> results(const Problem& problem, const RunOptions& options) {
    return results(problem, options, 0, problem.size());
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

bool same_bits(const std::vector<Result>& a, const std::vector<Result>& b) {
    bool same = a.size() == b.size();
    for (std::size_t k = 0; same && k < a.size(); ++k) same = same_bits(a[k].values, b[k].values);
    return same;
}

RunOptions on_threads(int threads, Precision precision) {
    RunOptions options;
    options.precision = precision;
    options.threads = threads;
    return options;
}

UseIsa::UseIsa(const std::string& name) { ::setenv("SPINBOUND_ISA", name.c_str(), 1); }

UseIsa::~UseIsa() { ::unsetenv("SPINBOUND_ISA"); }

}  // namespace spinbound::test
