#include "without_gil.hpp"

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

Monitor monitor_of(const py::object& progress) {
    if (on_main_thread())
        return [&](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire gil;
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!progress.is_none()) progress(done, total);
        };
    if (progress.is_none()) return {};
    return [&](std::size_t done, std::size_t total) {
        gate.admit([&] {
            const py::gil_scoped_acquire gil;
            progress(done, total);
        });
    };
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
