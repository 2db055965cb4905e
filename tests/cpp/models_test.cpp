// The train of the scalar models. With a Lorentzian the generalized Bloch model is the linear one: matrix exponentials.
#include <algorithm>

#include "check.hpp"
#include "kernel/abi.hpp"
#include "plan/plan_cache.hpp"
#include "problem.hpp"
#include "reference/reference.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::test {
namespace {

constexpr std::size_t n_tissue = n_tissue_parameters, n_state = 5;

struct Streams {
    std::vector<Complex> value;  // (n, n_streams)
    std::vector<double> magnetization;  // (n, 4) xf yf zf zs
};

Streams oracle(const Sequence& sequence, const double* tissue) {
    const auto n = sequence.alpha.size();
    std::vector<double> R2sl(3 * n), m(n_state * n), J(n_state * n * n_tissue);
    tabulated_R2sl(sequence, Lineshape::lorentzian, tissue[5], tissue[7], R2sl.data());
    reference::simulate(sequence, tissue, R2sl.data(), m.data(), J.data());
    Streams result;
    for (std::size_t t = 0; t < n; ++t) {
        const double *at = &m[n_state * t], *x = &J[n_state * t * n_tissue], *y = x + n_tissue;
        result.value.emplace_back(at[0], at[1]);
        for (std::size_t p = 0; p < n_tissue; ++p) result.value.emplace_back(x[p], y[p]);
        result.magnetization.insert(result.magnetization.end(), {at[0], at[1], at[2], at[4]});
    }
    return result;
}

// The plan of a voxel, for a model.
class Setup {
public:
    Setup(const Problem& problem, std::size_t voxel, ModelName model, Lineshape lineshape)
        : plan_(plan_for(problem.train(), {model, lineshape, 1e-12},
                         classify(problem.tissue(), voxel, model, Precision::full))),
          train_(*plan_),
          basis_{reinterpret_cast<const double*>(problem.vectors.data()), Problem::max_rank} {
        train_.model = {model, lineshape, 1e-12};
        for (std::size_t p = 0; p < n_tissue; ++p) voxels_.value[p][0] = problem.values[p][voxel];
    }

    std::vector<Complex> complex(void (*KernelTable::*entry)(const KernelCall&), std::size_t size) const {
        std::vector<Complex> out(size);
        run(entry, reinterpret_cast<double*>(out.data()));
        return out;
    }

    void run(void (*KernelTable::*entry)(const KernelCall&), double* out) const {
        const std::atomic<bool> stop{false};
        (scalar_models.*entry)({&train_, &voxels_, basis_, nullptr, out, &stop});
    }

    void set(std::size_t parameter, double value) { voxels_.value[parameter][0] = value; }

    std::vector<double> tissue() const {
        std::vector<double> values;
        for (std::size_t p = 0; p < n_tissue; ++p) values.push_back(voxels_.value[p][0]);
        return values;
    }

private:
    std::shared_ptr<const TrainPlan> plan_;
    TrainPlan train_;
    VoxelBlock voxels_{};
    BasisView basis_;
};

double largest(const std::vector<Complex>& a, std::size_t k) {
    double size = 0;
    for (std::size_t i = k; i < a.size(); i += n_streams) size = std::max(size, std::abs(a[i]));
    return size;
}

TEST(ide_train_agrees_with_oracle, "A train of gbloch-ide with a Lorentzian agrees with matrix exponentials") {
    for (Start start : {Start::periodic, Start::thermal, Start::given}) {
        const Problem problem(11, 12, start, 4);
        const std::size_t n = problem.experiment.n_echoes();
        for (std::size_t voxel = 0; voxel < problem.size(); ++voxel) {
            const Setup setup(problem, voxel, ModelName::gbloch_ide, Lineshape::lorentzian);
            const Streams expected = oracle(problem.train(), setup.tissue().data());
            std::vector<Complex> s = setup.complex(&KernelTable::sensitivities, n * n_streams), error = s;
            for (std::size_t k = 0; k < s.size(); ++k) error[k] -= expected.value[k];
            // The oracle's table of R2sl limits both.
            for (std::size_t k = 0; k < n_streams; ++k)
                CHECK(largest(error, k) <= (k == 0 ? 1e-8 : 1e-6) * largest(expected.value, k));
            std::vector<double> m(4 * n);
            setup.run(&KernelTable::magnetization, m.data());
            for (std::size_t k = 0; k < m.size(); ++k) CHECK(std::abs(m[k] - expected.magnetization[k]) <= 1e-8);
        }
    }
}

TEST(model_sensitivities_are_derivatives, "Sensitivities of the scalar models are those of five-point differences") {
    for (Start start : {Start::periodic, Start::thermal, Start::given})
        for (ModelName model : {ModelName::gbloch_ide, ModelName::sled, ModelName::graham}) {
            const Problem problem(2, 8, start, 1);
            const std::size_t n = problem.experiment.n_echoes();
            Setup setup(problem, 0, model, Lineshape::superlorentzian);
            const auto s = setup.complex(&KernelTable::sensitivities, n * n_streams);
            const std::vector<double> tissue = setup.tissue();
            for (std::size_t p = 0; p < n_tissue; ++p) {
                const double step = 1e-3 * tissue[p];
                const auto at = [&](int k) {
                    setup.set(p, tissue[p] + k * step);
                    return setup.complex(&KernelTable::signal, n);
                };
                const auto far = at(2), near = at(1), near_below = at(-1), far_below = at(-2);
                setup.set(p, tissue[p]);
                for (std::size_t t = 0; t < n; ++t) {
                    const Complex slope = (8.0 * (near[t] - near_below[t]) - (far[t] - far_below[t])) / (12 * step);
                    // The differences lose three digits of the signal's fifteen.
                    CHECK(std::abs(s[t * n_streams + 1 + p] - slope) * std::abs(tissue[p]) <= 1e-10);
                }
            }
        }
}

TEST(model_outputs_agree, "Signal, projections and Gram sums of the scalar models are those of the sensitivities") {
    const Problem problem(5, 8, Start::periodic, 1);
    const std::size_t n = problem.experiment.n_echoes(), rank = Problem::max_rank;
    for (ModelName model : {ModelName::gbloch_ide, ModelName::sled, ModelName::graham}) {
        const Setup setup(problem, 0, model, Lineshape::superlorentzian);
        const auto s = setup.complex(&KernelTable::sensitivities, n * n_streams);
        const auto signal = setup.complex(&KernelTable::signal, n);
        for (std::size_t t = 0; t < n; ++t) CHECK(std::abs(signal[t] - s[t * n_streams]) <= 1e-13);
        const auto c = setup.complex(&KernelTable::project, rank * n_streams);
        const auto F = setup.complex(&KernelTable::gram, n_streams * n_streams);
        for (std::size_t i = 0; i < n_streams; ++i) {
            for (std::size_t r = 0; r < rank; ++r) {
                Complex sum = 0;
                for (std::size_t t = 0; t < n; ++t)
                    sum += std::conj(problem.vectors[t * rank + r]) * s[t * n_streams + i];
                CHECK(std::abs(c[r * n_streams + i] - sum) <= 1e-13 * largest(s, i) * double(n));
            }
            for (std::size_t j = 0; j < n_streams; ++j) {
                Complex sum = 0;
                for (std::size_t t = 0; t < n; ++t) sum += std::conj(s[t * n_streams + i]) * s[t * n_streams + j];
                CHECK(std::abs(F[i * n_streams + j] - sum) <= 1e-13 * largest(s, i) * largest(s, j) * double(n));
            }
        }
    }
}

}  // namespace
}  // namespace spinbound::test
