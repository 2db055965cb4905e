#include <pybind11/stl.h>

#include "arrays.hpp"
#include "records/sequence.hpp"

namespace spinbound::bindings {
namespace {

template <class Value, class T>
std::vector<Value> as_vector(const Array<T>& array, py::ssize_t n, const char* name) {
    const T* first = as_input(array, {n}, name);
    return {first, first + n};
}

Sequence make_sequence(const Array<double>& alpha, const Array<double>& TRF, const Array<double>& TR,
                       const Array<double>& rf_phase_increment, const Array<int>& gradient_moment,
                       const Array<bool>& echo, const Array<std::complex<double>>& shape, int start,
                       const Array<double>& initial) {
    const py::ssize_t n = alpha.size();
    if (n == 0) throw InvalidArgument("alpha is empty");
    Sequence sequence;
    sequence.alpha = as_vector<double>(alpha, n, "alpha");
    sequence.TRF = as_vector<double>(TRF, n, "TRF");
    sequence.TR = as_vector<double>(TR, n, "TR");
    sequence.rf_phase_increment = as_vector<double>(rf_phase_increment, n, "rf_phase_increment");
    for (int code : as_vector<int>(gradient_moment, n, "gradient_moment"))
        sequence.gradient_moment.push_back(static_cast<GradientMoment>(code));
    sequence.echo = as_vector<char>(echo, n, "echo");
    sequence.shape = as_vector<std::complex<double>>(shape, shape.size(), "shape");
    sequence.start = static_cast<Start>(start);
    std::copy_n(as_input(initial, {5}, "initial"), 5, sequence.initial.begin());
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
