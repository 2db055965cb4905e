// Smooth tables of rho and z: tensor Chebyshev interpolants in x = ln tau and u = theta^2 on overlapping patches.
//
// Patch j spans two steps of ln(patch_ratio) from ln(min_tau) + j ln(patch_ratio); over theta patches are nested,
// [0, edge], and narrow towards 4.4 rad, where rho rises steeply at small tau (its pole is at 4.4934). Each patch is
// sampled at the zeros of Chebyshev polynomials and cut where its coefficients have fallen below a tolerance, so its
// size adapts to its smoothness; it depends on nothing but the lineshape and its own place.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <mutex>
#include <numeric>
#include <utility>

#include "machine/cache_mutex.hpp"
#include "plan/chebyshev.hpp"
#include "plan/lineshape.hpp"
#include "plan/require.hpp"
#include "records/parameter.hpp"

namespace spinbound {
namespace {

constexpr std::size_t n_x_samples = 21;
constexpr std::array n_u_samples{9, 14, 28, 64};  // as many as resolve the patch
constexpr double rho_cut = 1e-10;  // of the largest coefficient; values are then within 2e-10, slopes within 2e-7
constexpr double z_cut = 1e-11;
constexpr std::array rho_edges{0.3, 0.65, 1.1, 1.8, 2.5, 3.2, 3.7, 4.1, max_flip};
constexpr std::array z_edges{0.5, 0.8, 1.2, 1.7, 2.2, 2.7, 3.3, max_flip, max_crusher_flip};
static_assert(n_x_samples % patch_rows == 0 && n_x_samples <= max_patch_order && n_u_samples.back() <= max_patch_order);

const double step = std::log(ResponseTable::patch_ratio);

struct Grid {  // values by rows of x
    std::size_t n_x, n_u;
    std::vector<double> value;
};

// f: the values at one tau for many theta.
template <class Function>
Grid sample(const Function& f, double x_low, double edge, std::size_t n_u) {
    Grid grid{n_x_samples, n_u, {}};
    std::vector<double> theta;
    for (std::size_t j = 0; j < n_u; ++j) theta.push_back(edge * std::sqrt((1 + chebyshev::node(j, n_u)) / 2));
    for (std::size_t i = 0; i < grid.n_x; ++i) {
        const auto row = f(std::exp(x_low + step * (1 + chebyshev::node(i, grid.n_x))), theta);
        grid.value.insert(grid.value.end(), row.begin(), row.end());
    }
    return grid;
}

// Chebyshev coefficients of a grid of samples: along u, then along x.
Grid coefficients(const Grid& samples) {
    const auto along_x = chebyshev::analysis_matrix(samples.n_x), along_u = chebyshev::analysis_matrix(samples.n_u);
    const std::size_t n_x = samples.n_x, n_u = samples.n_u;
    Grid half{n_x, n_u, std::vector<double>(n_x * n_u)}, result = half;
    for (std::size_t i = 0; i < n_x; ++i)
        for (std::size_t j = 0; j < n_u; ++j)
            half.value[i * n_u + j] =
                std::inner_product(&along_u[j * n_u], &along_u[j * n_u] + n_u, &samples.value[i * n_u], 0.0);
    for (std::size_t i = 0; i < n_x; ++i)
        for (std::size_t k = 0; k < n_x; ++k)
            for (std::size_t j = 0; j < n_u; ++j)
                result.value[i * n_u + j] += along_x[i * n_x + k] * half.value[k * n_u + j];
    return result;
}

// The length that remains when a tail of `size` that sums to less than `bound` is dropped.
std::size_t length_without_tail(const std::vector<double>& size, double bound) {
    std::size_t n = size.size();
    for (double tail = 0; n > 2 && (tail += size[n - 1]) < bound;) --n;
    return n;
}

// Drops rows and columns of small coefficients.
Grid truncated(const Grid& full, double cut) {
    std::vector<double> row(full.n_x), column(full.n_u);
    double largest = 0;
    for (std::size_t i = 0; i < full.n_x; ++i)
        for (std::size_t j = 0; j < full.n_u; ++j) {
            const double size = std::abs(full.value[i * full.n_u + j]);
            row[i] += size;
            column[j] += size;
            largest = std::max(largest, size);
        }
    const std::size_t n_x = (length_without_tail(row, cut * largest) + patch_rows - 1) / patch_rows * patch_rows;
    Grid result{n_x, length_without_tail(column, cut * largest), {}};
    for (std::size_t i = 0; i < result.n_x; ++i)
        result.value.insert(result.value.end(), &full.value[i * full.n_u], &full.value[i * full.n_u] + result.n_u);
    return result;
}

template <class Function>
Grid fit(const Function& f, double x_low, double edge, double cut) {
    Grid grid;
    for (const int n_u : n_u_samples) {
        grid = truncated(coefficients(sample(f, x_low, edge, static_cast<std::size_t>(n_u))), cut);
        if (grid.n_u + 2 < static_cast<std::size_t>(n_u)) break;
    }
    return grid;
}

struct Fitted {
    std::vector<double> coefficient;
    Patch patch;
};

Fitted make_patch(Grid grid, double x_low, double edge) {
    Fitted fitted{std::move(grid.value), {}};
    fitted.patch = {fitted.coefficient.data(),
                    static_cast<int>(grid.n_x),
                    static_cast<int>(grid.n_u),
                    1 / step,
                    -x_low / step - 1,
                    2 / (edge * edge),
                    -1};
    return fitted;
}

// T_j, T_j' and T_j'' for j < n, by the recurrence and its derivatives.
struct Polynomials {
    std::array<double, max_patch_order> T, D, DD;

    Polynomials(double y, std::size_t n) {
        T[0] = 1, D[0] = DD[0] = 0;
        T[1] = y, D[1] = 1, DD[1] = 0;
        for (std::size_t j = 2; j < n; ++j) {
            T[j] = 2 * y * T[j - 1] - T[j - 2];
            D[j] = 2 * (T[j - 1] + y * D[j - 1]) - D[j - 2];
            DD[j] = 2 * (2 * D[j - 1] + y * DD[j - 1]) - DD[j - 2];
        }
    }
};

}  // namespace

PatchValue evaluate(const Patch& patch, double x, double u) {
    const auto n_x = static_cast<std::size_t>(patch.n_x), n_u = static_cast<std::size_t>(patch.n_u);
    const Polynomials along_x(patch.x_scale * x + patch.x_shift, n_x), along_u(patch.u_scale * u + patch.u_shift, n_u);
    PatchValue value{};
    for (std::size_t i = n_x; i-- > 0;) {
        double f = 0, f_u = 0, f_uu = 0;
        for (std::size_t j = n_u; j-- > 0;) {
            const double c = patch.coefficient[i * n_u + j];
            f += c * along_u.T[j];
            f_u += c * along_u.D[j];
            f_uu += c * along_u.DD[j];
        }
        value.f += f * along_x.T[i];
        value.f_x += f * along_x.D[i];
        value.f_xx += f * along_x.DD[i];
        value.f_u += f_u * along_x.T[i];
        value.f_xu += f_u * along_x.D[i];
        value.f_uu += f_uu * along_x.T[i];
    }
    value.f_x *= patch.x_scale;
    value.f_xx *= patch.x_scale * patch.x_scale;
    value.f_u *= patch.u_scale;
    value.f_xu *= patch.x_scale * patch.u_scale;
    value.f_uu *= patch.u_scale * patch.u_scale;
    return value;
}

double value(const Patch& patch, double x, double u) {
    const auto n_x = static_cast<std::size_t>(patch.n_x), n_u = static_cast<std::size_t>(patch.n_u);
    std::array<double, max_patch_order> along_x, along_u;
    chebyshev::polynomials(patch.x_scale * x + patch.x_shift, n_x, along_x.data());
    chebyshev::polynomials(patch.u_scale * u + patch.u_shift, n_u, along_u.data());
    double f = 0;
    for (std::size_t i = 0; i < n_x; ++i)
        f += along_x[i] * std::inner_product(&along_u[0], &along_u[0] + n_u, patch.coefficient + i * n_u, 0.0);
    return f;
}

struct ResponseTable::Impl {
    double tau_max;
    std::size_t n_columns;  // along x
    std::vector<Fitted> rho, z;  // by columns of x, then by edges

    // The column whose patches hold what lies in the domain of [x_low, x_low + step].
    std::size_t column(double x_low) const {
        constexpr double rounding = 1e-9;  // of a caller's logarithm
        const double low = std::log(min_tau);
        require("ln(TRF/T2s)", x_low, low - step - rounding, std::log(tau_max) + rounding);
        const double position = std::max(0.0, (x_low + rounding - low) / step);
        return std::min(static_cast<std::size_t>(position), n_columns - 1);
    }
};

namespace {

template <std::size_t n>
std::size_t first_edge_above(const std::array<double, n>& edges, double theta_max) {
    require("theta = B1 alpha (rad)", theta_max, 0, edges.back());
    return static_cast<std::size_t>(std::lower_bound(edges.begin(), edges.end(), theta_max) - edges.begin());
}

}  // namespace

ResponseTable::ResponseTable(const PoolResponse& response) : impl_(std::make_unique<Impl>()) {
    impl_->tau_max = response.tau_max() / (patch_ratio * patch_ratio);
    impl_->n_columns = static_cast<std::size_t>(std::log(impl_->tau_max / min_tau) / step + 1e-9) + 1;
    const auto rho = [&](double tau, const std::vector<double>& theta) { return response.rho(tau, theta); };
    const auto z = [&](double tau, const std::vector<double>& theta) { return response.z(tau, theta); };
    for (std::size_t column = 0; column < impl_->n_columns; ++column) {
        const double x_low = std::log(min_tau) + static_cast<double>(column) * step;
        for (const double edge : rho_edges)
            impl_->rho.push_back(make_patch(fit(rho, x_low, edge, rho_cut), x_low, edge));
        for (const double edge : z_edges) impl_->z.push_back(make_patch(fit(z, x_low, edge, z_cut), x_low, edge));
    }
}

ResponseTable::~ResponseTable() = default;

const Patch& ResponseTable::rho(double x_low, double theta_max) const {
    return impl_->rho[impl_->column(x_low) * rho_edges.size() + first_edge_above(rho_edges, theta_max)].patch;
}

const Patch& ResponseTable::z(double x_low, double theta_max) const {
    return impl_->z[impl_->column(x_low) * z_edges.size() + first_edge_above(z_edges, theta_max)].patch;
}

std::shared_ptr<const ResponseTable> ResponseTable::get(Lineshape lineshape, double tau_max) {
    // Never destroyed: threads may still compute at exit.
    static auto& tables = *new std::map<std::pair<Lineshape, int>, std::shared_ptr<const ResponseTable>>;
    require("TRF/T2s", tau_max, 0, PoolResponse::tau_limit / 8);
    const int octaves = static_cast<int>(std::ceil(std::log2(std::max(tau_max, min_tau))));
    const std::lock_guard lock(cache_mutex());
    auto& table = tables[{lineshape, octaves}];
    if (!table) {
        const double reach = std::ldexp(patch_ratio * patch_ratio, octaves);
        table = std::make_shared<const ResponseTable>(PoolResponse(lineshape, reach));
    }
    return table;
}

}  // namespace spinbound
