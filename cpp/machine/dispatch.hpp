// The instruction sets that this build contains and this machine can run.
#pragma once

#include <string>
#include <vector>

#include "records/model.hpp"
#include "records/precision.hpp"

namespace spinbound {

struct KernelTable;

// Names of the usable instruction sets, the widest last.
std::vector<std::string> available_isas();

// The kernels of a model: of SPINBOUND_ISA if set, else of the widest usable set; models that take one voxel at a time
// have one for all. Throws InvalidArgument for a name that is unknown or that this machine cannot run.
const KernelTable& kernels(ModelName model, Precision precision);

// The name of that set.
std::string isa_in_use();

}  // namespace spinbound
