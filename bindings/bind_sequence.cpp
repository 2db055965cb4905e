#include "arrays.hpp"
#include "spinbound/sequence.hpp"

namespace spinbound::bindings {
namespace {

Sequence make_sequence(const Array<double>& alpha, const Array<double>& TRF, const Array<int>& gradient_moment,
                       double TR, double rf_phase_increment, int start, const Array<double>& initial) {
    require_shape(TRF, {alpha.size()}, "TRF");
    require_shape(gradient_moment, {alpha.size()}, "gradient_moment");
    require_shape(initial, {5}, "initial");
    if (alpha.size() == 0) throw InvalidArgument("alpha is empty");
    Sequence sequence;
    sequence.alpha.assign(alpha.data(), alpha.data() + alpha.size());
    sequence.TRF.assign(TRF.data(), TRF.data() + TRF.size());
    for (py::ssize_t k = 0; k < alpha.size(); ++k)
        sequence.gradient_moment.push_back(static_cast<GradientMoment>(gradient_moment.at(k)));
    sequence.TR = TR;
    sequence.rf_phase_increment = rf_phase_increment;
    sequence.start = static_cast<Start>(start);
    std::copy(initial.data(), initial.data() + 5, sequence.initial.begin());
    return sequence;
}

}  // namespace

void bind_sequence(py::module_& m) {
    py::class_<Sequence>(m, "Sequence")
        .def(py::init(&make_sequence), py::arg("alpha"), py::arg("TRF"), py::arg("gradient_moment"), py::arg("TR"),
             py::arg("rf_phase_increment"), py::arg("start"), py::arg("initial"))
        .def_property_readonly("n_pulses", &Sequence::n_pulses);
}

}  // namespace spinbound::bindings
