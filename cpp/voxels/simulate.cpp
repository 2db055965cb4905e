#include "voxels/simulate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "voxels/batch.hpp"
#include "voxels/row_writer.hpp"

namespace spinbound {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void fill_nan(Complex* values, std::size_t n) { std::fill_n(values, n, Complex(nan, nan)); }

// c_r = sum_t conj(u_r(t)) s(t)
void compress(const Basis& basis, const std::vector<Complex>& s, Complex* c) {
    const auto rank = static_cast<std::size_t>(basis.rank);
    std::fill_n(c, rank, Complex(0));
    const Complex* u = basis.vectors;
    for (const Complex sample : s)
        for (std::size_t r = 0; r < rank; ++r, ++u) c[r] += product(std::conj(*u), sample);
}

}  // namespace

void simulate(const Experiment& experiment, const TissueView& tissue, const Basis& basis, const RunOptions& options,
              Complex* s) {
    const Batch batch(experiment, tissue, basis, options);
    const std::size_t n = experiment.n_echoes(), n_samples = basis.n_samples(experiment);
    const int lanes = batch.lanes();
    const auto consume = [&](Batch::BlockRunner& runner, const Block& block, const std::atomic<bool>& stop) {
        const double* pairs = runner.run(Output::signal, block, stop);
        if (stop) return;
        std::vector<Complex> signal(n);
        for (int lane = 0; lane < block.n_voxels; ++lane) {
            const std::size_t voxel = block.voxel[lane];
            Complex* const out = basis.rank ? signal.data() : s + voxel * n_samples;
            for (std::size_t t = 0; t < n; ++t) out[t] = product(tissue.M0[voxel], pair_of(pairs, t, lanes, lane));
            if (basis.rank) compress(basis, signal, s + voxel * n_samples);
        }
    };
    const auto invalidate = [&](std::size_t voxel) { fill_nan(s + voxel * n_samples, n_samples); };
    batch.for_each_block({Output::signal}, consume, invalidate);
}

void simulate_magnetization(const Experiment& experiment, const TissueView& tissue, const RunOptions& options,
                            Complex* m) {
    const Basis basis;
    const Batch batch(experiment, tissue, basis, options);
    const std::size_t n = experiment.n_echoes();
    const int lanes = batch.lanes();
    const auto consume = [&](Batch::BlockRunner& runner, const Block& block, const std::atomic<bool>& stop) {
        const double* state = runner.run(Output::magnetization, block, stop);
        if (stop) return;
        for (int lane = 0; lane < block.n_voxels; ++lane) {
            const Complex M0 = tissue.M0[block.voxel[lane]];
            Complex* out = m + block.voxel[lane] * n * 5;
            for (std::size_t t = 0; t < n; ++t, out += 5) {
                const Complex xy = pair_of(state, 2 * t, lanes, lane), z = pair_of(state, 2 * t + 1, lanes, lane);
                const Complex row[5] = {M0 * xy.real(), M0 * xy.imag(), M0 * z.real(), 0, M0 * z.imag()};
                std::copy(row, row + 5, out);
            }
        }
    };
    const auto invalidate = [&](std::size_t voxel) { fill_nan(m + voxel * n * 5, n * 5); };
    batch.for_each_block({Output::magnetization}, consume, invalidate);
}

void sensitivities(const Experiment& experiment, const TissueView& tissue, const std::vector<Parameter>& wrt,
                   const Basis& basis, const RunOptions& options, Complex* s, Complex* J) {
    const Batch batch(experiment, tissue, basis, options);
    const Output streams = streams_in(basis);
    const std::size_t n_samples = basis.n_samples(experiment), n_entries = n_samples * wrt.size();
    const int lanes = batch.lanes();
    const auto consume = [&](Batch::BlockRunner& runner, const Block& block, const std::atomic<bool>& stop) {
        const double* out = runner.run(streams, block, stop);
        for (int lane = 0; lane < block.n_voxels && !stop; ++lane) {
            const std::size_t voxel = block.voxel[lane];
            const RowWriter writer(wrt, tissue, options.model.name, voxel, lanes, lane);
            writer.write(out, n_samples, s + voxel * n_samples, J + voxel * n_entries);
        }
    };
    const auto invalidate = [&](std::size_t voxel) {
        fill_nan(s + voxel * n_samples, n_samples);
        fill_nan(J + voxel * n_entries, n_entries);
    };
    batch.for_each_block({streams}, consume, invalidate);
}

void tabulated_R2sl(const Sequence& sequence, Lineshape lineshape, double T2s, double B1, double* out) {
    const double value[n_tissue_parameters] = {0, 1, 1, 0, 1, T2s, 0, B1};
    TissueView tissue;
    tissue.n_voxels = 1;
    for (std::size_t k = 0; k < n_tissue_parameters; ++k) tissue.value[k] = &value[k];
    const Plan plan(sequence, {ModelName::gbloch, lineshape}, classify(tissue, 0, ModelName::gbloch, Precision::full));
    for (int i = 0; i < sequence.n_pulses(); ++i, out += 3) {
        const PulsePlan& pulse = plan.train().pulse[i];
        const double flip = pulse.alpha * B1;
        const PatchValue r = evaluate(*pulse.response, pulse.log_TRF - std::log(T2s), flip * flip);
        const double d_T2s = -r.f_x / T2s, d_B1 = 2 * pulse.alpha * flip * r.f_u;
        const bool is_z = pulse.gradient_moment == GradientMoment::crusher;
        out[0] = is_z ? r.f : r.f / T2s;
        out[1] = is_z ? d_T2s : (d_T2s - r.f / T2s) / T2s;
        out[2] = is_z ? d_B1 : d_B1 / T2s;
    }
}

}  // namespace spinbound
