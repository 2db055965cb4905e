#include <pybind11/stl.h>

#include "arrays.hpp"
#include "records/sequence.hpp"

namespace spinbound::bindings {
namespace {

template <class T>
std::vector<T> values(const Array<T>& array) {
    return {array.data(), array.data() + array.size()};
}

Sequence make_sequence(const Array<double>& alpha, const Array<double>& TRF, const Array<double>& TR,
                       const Array<double>& rf_phase_increment, const Array<int>& gradient_moment,
                       const Array<bool>& echo, const Array<std::complex<double>>& shape, int start,
                       const Array<double>& initial) {
    require_shape(TRF, {alpha.size()}, "TRF");
    require_shape(TR, {alpha.size()}, "TR");
    require_shape(rf_phase_increment, {alpha.size()}, "rf_phase_increment");
    require_shape(gradient_moment, {alpha.size()}, "gradient_moment");
    require_shape(echo, {alpha.size()}, "echo");
    require_shape(initial, {5}, "initial");
    if (alpha.size() == 0) throw InvalidArgument("alpha is empty");
    Sequence sequence;
    sequence.alpha = values(alpha);
    sequence.TRF = values(TRF);
    sequence.TR = values(TR);
    sequence.rf_phase_increment = values(rf_phase_increment);
    for (int code : values(gradient_moment)) sequence.gradient_moment.push_back(static_cast<GradientMoment>(code));
    sequence.echo.assign(echo.data(), echo.data() + echo.size());
    sequence.shape = values(shape);
    sequence.start = static_cast<Start>(start);
    std::copy(initial.data(), initial.data() + 5, sequence.initial.begin());
    return sequence;
}

}  // namespace

void bind_sequence(py::module_& m) {
    py::class_<Sequence>(m, "Sequence")
        .def(py::init(&make_sequence), py::kw_only(), "alpha"_a, "TRF"_a, "TR"_a, "rf_phase_increment"_a,
             "gradient_moment"_a, "echo"_a, "shape"_a, "start"_a, "initial"_a)
        .def_property_readonly("n_pulses", &Sequence::n_pulses)
        .def_property_readonly("n_echoes", &Sequence::n_echoes);
    py::class_<Experiment, std::shared_ptr<Experiment>>(m, "Experiment")
        .def(py::init([](const std::vector<Sequence>& trains) {
                 if (trains.empty()) throw InvalidArgument("trains is empty");
                 return Experiment{trains};
             }),
             "trains"_a);
}

}  // namespace spinbound::bindings
