// Random trains and tissues, and the results of every batch call for them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "records/call.hpp"
#include "records/tissue.hpp"

namespace spinbound::test {

// A train and some voxels, which own what the core only looks at.
class Problem {
public:
    // Pulses of every gradient moment; voxels of a physiological box, which hold many of the core's classes.
    Problem(unsigned seed, int n_pulses, Start start, std::size_t n_voxels);

    std::size_t size() const { return M0.size(); }
    TissueView tissue(std::size_t first, std::size_t n) const;
    TissueView tissue() const { return tissue(0, size()); }
    Basis basis(int rank) const { return {rank ? vectors.data() : nullptr, rank}; }

    static constexpr int max_rank = 6;

    Experiment experiment;  // of one train
    const Sequence& train() const { return experiment.trains.front(); }
    std::vector<double> values[n_tissue_parameters];
    std::vector<Complex> M0, vectors;
    std::vector<double> sigma;
    std::unique_ptr<bool[]> valid;  // most of the voxels
};

// What one call wrote, with the voxels first.
struct Result {
    std::string name;
    std::vector<double> values;
    std::size_t n_voxels;

    std::vector<double> of(std::size_t first, std::size_t n) const;
};

// Every batch call, with and without a basis, in every form, for all of the problem's voxels or for some.
std::vector<Result> results(const Problem& problem, const RunOptions& options);
std::vector<Result> results(const Problem& problem, const RunOptions& options, std::size_t first, std::size_t n);

// NaN equals NaN, 0 differs from -0.
bool same_bits(const std::vector<double>& a, const std::vector<double>& b);
bool same_bits(const std::vector<Result>& a, const std::vector<Result>& b);

RunOptions on_threads(int threads, Precision precision = Precision::full);

// SPINBOUND_ISA as long as it lives.
class UseIsa {
public:
    explicit UseIsa(const std::string& name);
    ~UseIsa();
    UseIsa(const UseIsa&) = delete;
    UseIsa& operator=(const UseIsa&) = delete;
};

}  // namespace spinbound::test
