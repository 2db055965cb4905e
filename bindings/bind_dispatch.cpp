#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "arrays.hpp"
#include "machine/cgroup.hpp"
#include "machine/dispatch.hpp"
#include "machine/parallel.hpp"

namespace spinbound::bindings {

void bind_dispatch(py::module_& m) {
    m.def("isa_available", &available_isas, "Instruction sets that this build and processor can run, the widest last.");
    m.def("isa_in_use", &isa_in_use, "The instruction set of the next call.");
    m.def("available_threads", &available_threads,
          "Cores that this process may use, by its affinity and by the limits of its control groups.");
    m.def("cgroup_cpu_limit", &cgroup_cpu_limit, "root"_a = "/",
          "Whole cores that the control groups grant, or None; root: the folder that holds proc/ and sys/.");
#ifdef __clang__
    m.attr("compiler") = "Clang " __clang_version__;
#else
    m.attr("compiler") = "GCC " __VERSION__;
#endif
}

}  // namespace spinbound::bindings
