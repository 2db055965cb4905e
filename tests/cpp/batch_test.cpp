// What the batch calls promise whatever the train: a voxel's bits are its own.
#include <algorithm>
#include <cmath>
#include <string>
#include <thread>

#include "check.hpp"
#include "machine/dispatch.hpp"
#include "problem.hpp"
#include "records/error.hpp"

namespace spinbound::test {
namespace {

constexpr Start starts[] = {Start::periodic, Start::thermal, Start::given};

// Around the multiples of the pulses that the kernels take together, and of the lanes of every instruction set.
constexpr int lengths[] = {1, 2, 7, 8, 9, 40};
constexpr std::size_t counts[] = {1, 3, 8, 21};

// run(problem, precision) for trains of every length and start, in either precision.
template <class Run>
void for_each_problem(Run&& run) {
    unsigned seed = 0;
    for (int n_pulses : lengths)
        for (Start start : starts) {
            ++seed;
            const Problem problem(seed, n_pulses, start, counts[seed % std::size(counts)]);
            for (Precision precision : {Precision::full, Precision::single}) run(problem, precision);
        }
}

bool all_nan(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
}

bool none_nan(const std::vector<double>& values) {
    return std::none_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
}

TEST(threads_do_not_matter, "The number of threads changes no bit") {
    for_each_problem([](const Problem& problem, Precision precision) {
        const auto expected = results(problem, on_threads(1, precision));
        for (int threads : {2, 5}) CHECK(same_bits(results(problem, on_threads(threads, precision)), expected));
    });
}

TEST(batches_do_not_matter, "The cut of the voxels into calls changes no bit") {
    for_each_problem([](const Problem& problem, Precision precision) {
        const auto expected = results(problem, on_threads(1, precision));
        for (std::size_t size : {std::size_t{1}, std::size_t{5}})
            for (std::size_t first = 0; first < problem.size(); first += size) {
                const std::size_t n = std::min(size, problem.size() - first);
                const auto part = results(problem, on_threads(2, precision), first, n);
                for (std::size_t k = 0; k < part.size(); ++k)
                    CHECK(same_bits(part[k].values, expected[k].of(first, n)));
            }
    });
}

TEST(invalid_voxels_are_nan, "Voxels that are not valid are NaN and change no bit of the others") {
    for_each_problem([](const Problem& problem, Precision precision) {
        const auto expected = results(problem, on_threads(2, precision));
        RunOptions options = on_threads(2, precision);
        options.valid = problem.valid.get();
        const auto masked = results(problem, options);
        for (std::size_t k = 0; k < masked.size(); ++k)
            for (std::size_t v = 0; v < problem.size(); ++v) {
                const auto voxel = masked[k].of(v, 1);
                CHECK(problem.valid[v] ? same_bits(voxel, expected[k].of(v, 1)) : all_nan(voxel));
            }
    });
}

TEST(valid_voxels_are_numbers, "No result of a valid voxel is NaN in double precision") {
    for_each_problem([](const Problem& problem, Precision precision) {
        if (precision == Precision::single) return;
        for (const Result& result : results(problem, on_threads(1))) CHECK(none_nan(result.values));
    });
}

TEST(calls_at_once_do_not_meet, "Calls at once, for different trains and lineshapes, change no bit of each other") {
    std::vector<Problem> problems;
    std::vector<std::vector<Result>> alone, together(6);
    std::vector<RunOptions> options;
    for (unsigned k = 0; k < together.size(); ++k) {
        problems.emplace_back(k % 3, 30, starts[k % 3], 13);
        options.push_back(on_threads(2));
        options.back().model = {k < 3 ? ModelName::gbloch : ModelName::sled, static_cast<Lineshape>(k % 3)};
    }
    std::vector<std::thread> callers;  // first, so that they also meet in tables that are not yet there
    for (std::size_t k = 0; k < together.size(); ++k)
        callers.emplace_back([&, k] { together[k] = results(problems[k], options[k]); });
    for (std::thread& caller : callers) caller.join();
    for (std::size_t k = 0; k < together.size(); ++k) CHECK(same_bits(results(problems[k], options[k]), together[k]));
}

// Largest |a - b| of a voxel, relative to its largest |a|.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
    double largest = 0, error = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        largest = std::max(largest, std::abs(a[k]));
        error = std::max(error, std::abs(a[k] - b[k]));
    }
    return error / largest;
}

// Signals come within some thousand rounding errors. Derivatives by T2s, the largest, are differences of terms in the
// tables of R2sl that lose two digits more: 3e-11 was seen. A bound is as good as its matrix is conditioned.
double tolerance(const Result& result) {
    const auto is = [&](const char* word) { return result.name.find(word) != std::string::npos; };
    if (is("crb")) return inf;
    return is("sensitivities") || is("fisher") ? 1e-9 : 1e-11;
}

// From a given state: nothing amplifies the rounding of the pulses as a steady state does.
TEST(instruction_sets_agree, "Instruction sets agree to rounding") {
    const auto isas = available_isas();
    for (unsigned seed = 0; seed < 6; ++seed) {
        const Problem problem(seed, 40, seed % 2 ? Start::thermal : Start::given, 11);
        std::vector<std::vector<Result>> found;
        for (const std::string& isa : isas) {
            const UseIsa use(isa);
            CHECK(isa_in_use() == isa);
            found.push_back(results(problem, on_threads(2)));
        }
        for (const auto& other : found)
            for (std::size_t k = 0; k < other.size(); ++k)
                for (std::size_t v = 0; v < problem.size(); ++v)
                    CHECK(difference(found[0][k].of(v, 1), other[k].of(v, 1)) <= tolerance(other[k]));
    }
}

TEST(single_precision_is_near, "Signals in single precision are near those in double precision") {
    for (const std::string& isa : available_isas()) {
        const UseIsa use(isa);
        const Problem problem(5, 40, Start::thermal, 11);
        const auto full = results(problem, on_threads(2));
        const auto single = results(problem, on_threads(2, Precision::single));
        for (std::size_t v = 0; v < problem.size(); ++v) {
            const double error = difference(full[0].of(v, 1), single[0].of(v, 1));
            CHECK(error <= 1e-4);  // some hundred roundings of 6e-8
            CHECK(error > 0);
        }
    }
}

TEST(every_instruction_set_is_clean, "Every instruction set runs every call on several threads") {
    for (const std::string& isa : available_isas()) {
        const UseIsa use(isa);
        for_each_problem([](const Problem& problem, Precision precision) {
            RunOptions options = on_threads(3, precision);
            options.valid = problem.valid.get();
            CHECK(results(problem, options).size() == 19);
        });
    }
}

TEST(unknown_isa_is_refused, "An unknown instruction set is refused") {
    const UseIsa use("mmx");
    bool refused = false;
    try {
        results(Problem(1, 3, Start::thermal, 1), on_threads(1));
    } catch (const InvalidArgument& problem) {
        refused = std::string(problem.what()).find("'mmx'") != std::string::npos;
    }
    CHECK(refused);
}

}  // namespace
}  // namespace spinbound::test
