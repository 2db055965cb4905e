// One pulse of the models that follow saturation, for tests.
#include <optional>

#include "arrays.hpp"
#include "models/propagator.hpp"
#include "tuples.hpp"

namespace spinbound::bindings {
namespace {

using Samples = std::optional<Array<std::complex<double>>>;

py::tuple pulse_propagator(const ModelTuple& model, const Array<double>& tissue, double alpha, double TRF,
                           const Samples& shape, int n_elements) {
    const double* t = as_input(tissue, {n_tissue_parameters}, "tissue");
    Waveform waveform{nullptr, 0};
    if (shape) waveform = {shape->data(), static_cast<int>(shape->size())};
    const models::Pulse pulse{as_model(model), alpha, TRF, waveform};
    const auto map =
        models::propagator<n_tissue_parameters>(pulse, {t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]}, n_elements);
    using RowMajor = Eigen::Matrix<double, models::n_state, models::n_columns, Eigen::RowMajor>;
    Array<double> P(Shape{models::n_state, models::n_columns});
    Array<double> dP(Shape{n_tissue_parameters, models::n_state, models::n_columns});
    Eigen::Map<RowMajor>(P.mutable_data()) = map.value;
    for (std::size_t p = 0; p < n_tissue_parameters; ++p)
        Eigen::Map<RowMajor>(dP.mutable_data(static_cast<py::ssize_t>(p))) = map.derivative[p];
    return py::make_tuple(P, dP, n_elements);
}

}  // namespace

void bind_models(py::module_& m) {
    m.def("pulse_propagator", &pulse_propagator, "model"_a, "tissue"_a, py::kw_only(), "alpha"_a, "TRF"_a,
          "shape"_a = py::none(), "n_elements"_a = 0,
          "A pulse as affine map of (xf yf zf zs): P (4, 5), its derivatives (8, 4, 5) by the tissue (8,), and the "
          "elements per sample of the shape; 0 elements: as many as rtol takes. Models: gbloch-ide 1, graham 2, "
          "graham-single-frequency 3, sled 4.");
}

}  // namespace spinbound::bindings
