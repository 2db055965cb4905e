// The instruction sets that this build contains and this machine can run.
#pragma once

#include <string>
#include <vector>

#include "spinbound/precision.hpp"

namespace spinbound {

struct KernelTable;

// Names of the usable instruction sets, the widest last.
std::vector<std::string> available_isas();

// The kernels of SPINBOUND_ISA if set, else of the widest usable set. Throws InvalidArgument for a name that is unknown
// or that this machine cannot run.
const KernelTable& kernels(Precision precision = Precision::full);

// Its name.
std::string isa_in_use();

}  // namespace spinbound
