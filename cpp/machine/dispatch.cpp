#include "machine/dispatch.hpp"

#include <algorithm>
#include <cstdlib>

#include "kernel/abi.hpp"
#include "records/error.hpp"

namespace spinbound {
namespace {

// The kernels of an instruction set in this build, and the features of the processor that they need but that are
// missing.
struct Candidate {
    const KernelTable *full, *single, *hybrid_full, *hybrid_single;
    std::vector<std::string> missing;

    const KernelTable& of(ModelName model, Precision precision) const {
        const bool is_single = precision == Precision::single;
        if (model == ModelName::hybrid) return is_single ? *hybrid_single : *hybrid_full;
        return is_single ? *single : *full;
    }
};

#ifdef SPINBOUND_HAVE_AVX2
std::vector<std::string> missing_for_avx2() {
    std::vector<std::string> missing;
    if (!__builtin_cpu_supports("avx2")) missing.emplace_back("AVX2");
    if (!__builtin_cpu_supports("fma")) missing.emplace_back("FMA");
    return missing;
}
#endif

#if defined(SPINBOUND_HAVE_AVX512) && defined(SPINBOUND_EMULATE_AVX512)
std::vector<std::string> missing_for_avx512() { return missing_for_avx2(); }
#elif defined(SPINBOUND_HAVE_AVX512)
std::vector<std::string> missing_for_avx512() {
    std::vector<std::string> missing;
    if (!__builtin_cpu_supports("avx512f")) missing.emplace_back("AVX-512F");
    if (!__builtin_cpu_supports("avx512dq")) missing.emplace_back("AVX-512DQ");
    if (!__builtin_cpu_supports("avx512vl")) missing.emplace_back("AVX-512VL");
    return missing;
}
#endif

// In the order of their width.
std::vector<Candidate> candidates() {
    return {
        {&kernel_baseline_double, &kernel_baseline_float, &hybrid_baseline_double, &hybrid_baseline_float, {}},
#ifdef SPINBOUND_HAVE_AVX2
        {&kernel_avx2_double, &kernel_avx2_float, &hybrid_avx2_double, &hybrid_avx2_float, missing_for_avx2()},
#endif
#ifdef SPINBOUND_HAVE_AVX512
        {&kernel_avx512_double, &kernel_avx512_float, &hybrid_avx512_double, &hybrid_avx512_float,
         missing_for_avx512()},
#endif
    };
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

[[noreturn]] void refuse(const std::string& wanted, const std::string& reason) {
    throw InvalidArgument("SPINBOUND_ISA is '" + wanted + "', " + reason +
                          "; this build on this processor runs: " + joined(available_isas()));
}

Candidate candidate_in_use() {
    const auto known = candidates();
    const char* wanted = std::getenv("SPINBOUND_ISA");
    if (!wanted || !*wanted)
        return *std::find_if(known.rbegin(), known.rend(), [](const Candidate& c) { return c.missing.empty(); });
    for (const Candidate& c : known) {
        if (std::string(c.full->name) != wanted) continue;
        if (c.missing.empty()) return c;
        refuse(wanted, "which needs " + joined(c.missing));
    }
    refuse(wanted, "which this build does not know");
}

}  // namespace

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const Candidate& c : candidates())
        if (c.missing.empty()) names.emplace_back(c.full->name);
    return names;
}

const KernelTable& kernels(ModelName model, Precision precision) {
    const Candidate in_use = candidate_in_use();
    if (model == ModelName::gbloch || model == ModelName::bloch || model == ModelName::hybrid)
        return in_use.of(model, precision);
    return scalar_models;
}

std::string isa_in_use() { return candidate_in_use().full->name; }

}  // namespace spinbound
