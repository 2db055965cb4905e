// Columns of a Jacobian: each requested parameter is a combination of the kernel's nine streams.
#pragma once

#include <vector>

#include "spinbound/simulate.hpp"

namespace spinbound {

// sum_k weight[k] ds/d(stream k): 1 for the parameter itself; R1a moves R1f and R1s together; a time 1/R has -R^2.
struct Column {
    int stream[2];
    double weight[2];
    int n;
};

Column column_of(Parameter parameter, const TissueView& tissue, std::size_t voxel);

inline std::vector<Column> columns_of(const std::vector<Parameter>& wrt, const TissueView& tissue, std::size_t voxel) {
    std::vector<Column> columns;
    for (Parameter p : wrt) columns.push_back(column_of(p, tissue, voxel));
    return columns;
}

// The streams of one sample for M0 = 1 -> derivative of M0 s(theta) along a column. Stream 0 is s = ds/dM0 itself.
inline Complex combine(const Column& column, const Complex* streams, Complex M0) {
    Complex sum = 0;
    for (int k = 0; k < column.n; ++k)
        sum += column.weight[k] * (column.stream[k] == 0 ? streams[0] : M0 * streams[column.stream[k]]);
    return sum;
}

}  // namespace spinbound
