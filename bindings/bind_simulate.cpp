#include "bind_call.hpp"
#include "voxels/simulate.hpp"

namespace spinbound::bindings {
namespace {

void py_simulate(const Call& call, Array<Complex> out) {
    Complex* const s = as_output(out, {call.n_voxels(), call.n_samples()}, "out");
    const RunOptions options = call.options();
    const WithoutGil nogil;
    simulate(call.experiment(), call.tissue(), call.basis(), options, s);
}

void py_magnetization(const Call& call, Array<Complex> out) {
    Complex* const m = as_output(out, {call.n_voxels(), call.n_echoes(), 5}, "out");
    const RunOptions options = call.options();
    const WithoutGil nogil;
    simulate_magnetization(call.experiment(), call.tissue(), options, m);
}

void py_sensitivities(const Call& call, const Unknowns& unknowns, Array<Complex> out_s, Array<Complex> out_J) {
    Complex* const s = as_output(out_s, {call.n_voxels(), call.n_samples()}, "s");
    Complex* const J = as_output(out_J, {call.n_voxels(), call.n_samples(), unknowns.size()}, "J");
    const RunOptions options = call.options();
    const WithoutGil nogil;
    sensitivities(call.experiment(), call.tissue(), unknowns.parameters, call.basis(), options, s, J);
}

Array<double> py_R2sl(const Sequence& sequence, int lineshape, double T2s, double B1) {
    Array<double> out(Shape{sequence.n_pulses(), 3});
    tabulated_R2sl(sequence, static_cast<Lineshape>(lineshape), T2s, B1, out.mutable_data());
    return out;
}

}  // namespace

void bind_simulate(py::module_& m) {
    m.def("simulate", &py_simulate, "call"_a, "out"_a.noconvert(), "Signals (n, n_samples).");
    m.def("magnetization", &py_magnetization, "call"_a, "out"_a.noconvert(),
          "M0 times xf yf zf xs zs (n, n_echoes, 5) at the echoes.");
    m.def("sensitivities", &py_sensitivities, "call"_a, "unknowns"_a, "s"_a.noconvert(), "J"_a.noconvert(),
          "Signals (n, n_samples) and their derivatives (n, n_samples, unknowns).");
    m.def("R2sl", &py_R2sl, "sequence"_a, "lineshape"_a, "T2s"_a, "B1"_a,
          "(n_pulses, 3): R2sl, dR2sl/dT2s, dR2sl/dB1 as tabulated; for a crusher z, dz/dT2s, dz/dB1.");
}

}  // namespace spinbound::bindings
