// Arrays from Python as the core wants them: the wrappers have coerced and checked everything, so a mismatch here is an
// error of ours and says so.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <complex>
#include <optional>
#include <string>
#include <vector>

#include "records/error.hpp"

namespace spinbound::bindings {

namespace py = pybind11;
using namespace py::literals;  // "name"_a is an argument

template <class T>
using Array = py::array_t<T, py::array::c_style>;

using Shape = std::vector<py::ssize_t>;

inline void require_shape(const py::array& array, const Shape& shape, const char* name) {
    if (!std::equal(shape.begin(), shape.end(), array.shape(), array.shape() + array.ndim()))
        throw InvalidArgument(std::string(name) + " has a wrong shape");
}

// From arrays to their numbers; null where an array is optional and not there.
template <class T>
const T* as_input(const Array<T>& array, const Shape& shape, const char* name) {
    require_shape(array, shape, name);
    return array.data();
}

template <class T>
const T* as_input(const std::optional<Array<T>>& array, const Shape& shape, const char* name) {
    return array ? as_input(*array, shape, name) : nullptr;
}

template <class T>
T* as_output(Array<T>& array, const Shape& shape, const char* name) {
    require_shape(array, shape, name);
    return array.mutable_data();
}

template <class T>
T* as_output(std::optional<Array<T>>& array, const Shape& shape, const char* name) {
    return array ? as_output(*array, shape, name) : nullptr;
}

}  // namespace spinbound::bindings
