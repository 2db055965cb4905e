// Arrays from Python as the core wants them: the wrappers have coerced and checked everything, so a mismatch here is an
// error of ours and says so.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <complex>
#include <string>
#include <vector>

#include "records/error.hpp"

namespace spinbound::bindings {

namespace py = pybind11;

template <class T>
using Array = py::array_t<T, py::array::c_style>;

template <class T, int flags>
void require_shape(const py::array_t<T, flags>& array, const std::vector<py::ssize_t>& shape, const char* name) {
    bool same = array.ndim() == static_cast<py::ssize_t>(shape.size());
    for (std::size_t k = 0; same && k < shape.size(); ++k) same = array.shape(static_cast<py::ssize_t>(k)) == shape[k];
    if (!same) throw InvalidArgument(std::string(name) + " has a wrong shape");
}

}  // namespace spinbound::bindings
