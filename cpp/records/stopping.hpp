// When a fit is done.
#pragma once

namespace spinbound {

// A rule that is zero never holds, but where nothing at all is left to be gained.
struct StoppingRules {
    double gradient = 1e-10;   // |cos(residual, column)| <= gradient for every column of the Jacobian that may move
    double step = 1e-10;       // |D p| <= step |D x|, p the undamped step, D the norms of the columns
    double cost = 1e-10;       // reduction that p promises <= cost |r|^2: p is then 1e-5 sqrt(m - n) standard errors
    int max_iterations = 100;  // evaluations after the first
    double resolution = 0;     // added to cost |r|^2: the rounding of the model hides what promises less
};

}  // namespace spinbound
