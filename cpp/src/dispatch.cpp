#include "spinbound/dispatch.hpp"

#include <cstdlib>

#include "abi.hpp"
#include "spinbound/error.hpp"

namespace spinbound {
namespace {

std::vector<const KernelTable*> usable_kernels() {
    std::vector<const KernelTable*> usable{&kernel_baseline};
#ifdef SPINBOUND_HAVE_AVX2
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (has_avx2) usable.push_back(&kernel_avx2);
#endif
#if defined(SPINBOUND_HAVE_AVX512) && defined(SPINBOUND_EMULATE_AVX512)
    if (has_avx2) usable.push_back(&kernel_avx512);
#elif defined(SPINBOUND_HAVE_AVX512)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        usable.push_back(&kernel_avx512);
#endif
    return usable;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

}  // namespace

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const KernelTable* kernel : usable_kernels()) names.emplace_back(kernel->name);
    return names;
}

const KernelTable& kernels() {
    const auto usable = usable_kernels();
    const char* wanted = std::getenv("SPINBOUND_ISA");
    if (!wanted || !*wanted) return *usable.back();
    for (const KernelTable* kernel : usable)
        if (std::string(kernel->name) == wanted) return *kernel;
    throw InvalidArgument("SPINBOUND_ISA is '" + std::string(wanted) +
                          "'; this build on this processor runs: " + joined(available_isas()));
}

std::string isa_in_use() { return kernels().name; }

}  // namespace spinbound
