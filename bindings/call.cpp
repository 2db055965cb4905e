#include "call.hpp"

#include <atomic>
#include <chrono>
#include <thread>

namespace spinbound::bindings {
namespace {

bool on_main_thread() {
    const py::module_ threading = py::module_::import("threading");
    return threading.attr("current_thread")().is(threading.attr("main_thread")());
}

// The way of other threads than the main one to the GIL. A thread that waits for it when the interpreter begins to end
// is killed inside C++; so the end waits for those under way, and admits no more.
class Gate {
public:
    // pass() unless the interpreter is ending
    template <class Pass>
    bool admit(Pass&& pass) {
        const Guard guard(under_way_);
        if (ending_) return false;
        pass();
        return true;
    }

    // Called with the GIL held, before the interpreter begins to end.
    void end() {
        ending_ = true;
        const py::gil_scoped_release nogil;
        while (under_way_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }

private:
    struct Guard {
        explicit Guard(std::atomic<int>& count) : count_(count) { ++count_; }
        ~Guard() { --count_; }
        std::atomic<int>& count_;
    };

    std::atomic<bool> ending_{false};
    std::atomic<int> under_way_{0};
};

Gate gate;

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
    const auto [name, lineshape, rtol] = model;
    options.model = {static_cast<ModelName>(name), static_cast<Lineshape>(lineshape), rtol};
    options.threads = threads;
    options.precision = single ? Precision::single : Precision::full;
    options.valid = voxels.valid.data();
    if (on_main_thread())
        options.monitor = [this](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire gil;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!progress.is_none()) progress(done, total);
        };
    else if (!progress.is_none())
        options.monitor = [this](std::size_t done, std::size_t total) {
            gate.admit([&] {
                const py::gil_scoped_acquire gil;
                progress(done, total);
            });
        };
    return options;
}

Basis basis_of(const OptionalBasis& basis, const Experiment& experiment) {
    if (!basis) return {};
    if (basis->ndim() != 2 || basis->shape(0) != static_cast<py::ssize_t>(experiment.n_echoes()) || basis->shape(1) < 1)
        throw InvalidArgument("basis has a wrong shape");
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

WithoutGil::WithoutGil() : on_main_thread_(on_main_thread()), state_(PyEval_SaveThread()) {}

WithoutGil::~WithoutGil() {
    const auto restore = [&] { PyEval_RestoreThread(state_); };
    if (on_main_thread_)
        restore();
    else if (!gate.admit(restore))
        for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

void end_reports() { gate.end(); }

}  // namespace spinbound::bindings
