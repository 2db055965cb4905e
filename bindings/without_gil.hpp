// The GIL: released while the core works, and the way back to Python from there.
#pragma once

#include <pybind11/pybind11.h>

#include "records/monitor.hpp"

namespace spinbound::bindings {

namespace py = pybind11;

// Polls for Ctrl-C on the main thread, reports to `progress` on any; exceptions of either cancel the call. To be made,
// with the GIL held, on the thread that calls the core, and not to outlive `progress`.
Monitor monitor_of(const py::object& progress);

// The GIL, released while the core works. A thread that still computes when the interpreter ends never gets it back:
// it would be killed on its way through C++, so it sleeps until the process is gone.
class WithoutGil {
public:
    WithoutGil();
    ~WithoutGil();
    WithoutGil(const WithoutGil&) = delete;
    WithoutGil& operator=(const WithoutGil&) = delete;

private:
    bool on_main_thread_;
    PyThreadState* state_;
};

// To be called before the interpreter ends: threads that are still computing then report no more, and don't return.
void end_reports();

}  // namespace spinbound::bindings
