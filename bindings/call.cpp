#include "call.hpp"

namespace spinbound::bindings {
namespace {

bool on_main_thread() {
    const py::module_ threading = py::module_::import("threading");
    return threading.attr("current_thread")().is(threading.attr("main_thread")());
}

}  // namespace

TissueView Voxels::view() const {
    require_shape(tissue, {n_tissue_parameters, size()}, "tissue");
    require_shape(M0, {size()}, "M0");
    require_shape(valid, {size()}, "valid");
    TissueView view;
    view.n_voxels = static_cast<std::size_t>(size());
    view.M0 = M0.data();
    for (py::ssize_t p = 0; p < n_tissue_parameters; ++p) view.value[static_cast<std::size_t>(p)] = tissue.data(p, 0);
    return view;
}

RunOptions Options::run(const Voxels& voxels) const {
    RunOptions options;
    options.lineshape = static_cast<Lineshape>(lineshape);
    options.threads = threads;
    options.valid = voxels.valid.data();
    // a thread that is not the main one must not ask for the GIL: at shutdown it would never come back
    const bool signals = on_main_thread(), reports = !progress.is_none();
    if (signals || reports)
        options.monitor = [this, signals, reports](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire gil;
            if (signals && PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (reports) progress(done, total);
        };
    return options;
}

Basis basis_of(const OptionalBasis& basis, const Sequence& sequence) {
    if (!basis) return {};
    if (basis->ndim() != 2 || basis->shape(0) != sequence.n_pulses() || basis->shape(1) < 1)
        throw InvalidArgument("basis has the wrong shape");
    return {basis->data(), static_cast<int>(basis->shape(1))};
}

std::vector<Parameter> parameters_of(const std::vector<int>& codes) {
    std::vector<Parameter> parameters;
    for (int code : codes) {
        if (code < 0 || code >= n_parameters) throw InvalidArgument("wrt holds an unknown parameter code");
        parameters.push_back(static_cast<Parameter>(code));
    }
    return parameters;
}

}  // namespace spinbound::bindings
