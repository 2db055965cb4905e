// The extension module: its table of contents.
#include <pybind11/pybind11.h>

namespace spinbound::bindings {

void bind_parameter(pybind11::module_& m);
void bind_sequence(pybind11::module_& m);
void bind_lineshape(pybind11::module_& m);
void bind_call(pybind11::module_& m);
void bind_simulate(pybind11::module_& m);
void bind_fisher(pybind11::module_& m);
void bind_fit(pybind11::module_& m);
void bind_dispatch(pybind11::module_& m);
void bind_reference(pybind11::module_& m);
void bind_models(pybind11::module_& m);
void bind_least_squares(pybind11::module_& m);
void end_reports();

}  // namespace spinbound::bindings

PYBIND11_MODULE(_core, m) {
    m.doc() = "The C++ core of spinbound; its arguments are checked by the Python functions that wrap it.";
    m.attr("version") = SPINBOUND_VERSION;
    using namespace spinbound::bindings;
    bind_parameter(m);
    bind_sequence(m);
    bind_lineshape(m);
    bind_call(m);
    bind_simulate(m);
    bind_fisher(m);
    bind_fit(m);
    bind_dispatch(m);
    bind_reference(m);
    bind_models(m);
    bind_least_squares(m);
    pybind11::module_::import("atexit").attr("register")(pybind11::cpp_function(&end_reports));
}
