// Columns of a Jacobian: each requested parameter is a combination of the kernel's nine streams.
#pragma once

#include "records/model.hpp"
#include "records/tissue.hpp"

namespace spinbound {

// sum_k weight[k] ds/d(stream k): 1 for the parameter itself; R1a moves R1f and R1s together; a time 1/R has -R^2.
// In the model of one pool m0s, which is zero, is no parameter; the streams of the others of the semi-solid pool are 0.
struct Column {
    int stream[2];
    double weight[2];
    int n;
};

Column column_of(Parameter parameter, const TissueView& tissue, std::size_t voxel, ModelName model);

}  // namespace spinbound
