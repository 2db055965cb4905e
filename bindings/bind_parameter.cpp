#include "arrays.hpp"
#include "records/parameter.hpp"

namespace spinbound::bindings {

void bind_parameter(py::module_& m) {
    py::tuple table(parameter_table.size());
    for (std::size_t k = 0; k < parameter_table.size(); ++k) {
        const ParameterInfo& p = parameter_table[k];
        py::dict info;
        info["name"] = p.name;
        info["unit"] = p.unit;
        info["description"] = p.description;
        info["low"] = p.low;
        info["high"] = p.high;
        info["low_included"] = p.low_included;
        info["high_included"] = p.high_included;
        table[k] = info;
    }
    m.attr("parameters") = table;
    py::dict limits;
    limits["min_T2s"] = min_T2s;
    limits["max_T2s"] = max_T2s;
    limits["max_flip"] = max_flip;
    limits["max_crusher_flip"] = max_crusher_flip;
    limits["max_integrated_flip"] = max_integrated_flip;
    limits["min_tau"] = min_tau;
    limits["max_tau_ide"] = max_tau_ide;
    m.attr("limits") = limits;
}

}  // namespace spinbound::bindings
