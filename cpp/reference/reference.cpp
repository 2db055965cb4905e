// Steps:
//     generator -> exponential                        a rectangular pulse, or free precession with omega1 = 0
//     crusher, phase_increment, without               the events that are matrices by themselves
//     Train::repetition                               their product, one repetition
//     Train::start                                    the boundary condition
//     Train::run                                      the echoes
#include "reference/reference.hpp"

#include <Eigen/LU>
#include <cmath>
#include <initializer_list>
#include <map>
#include <utility>
#include <vector>

#include "reference/jet.hpp"

namespace spinbound::reference {
namespace {

// 80 bits on x86: what is left after a thousand repetitions and the boundary condition is exact in double precision.
using Extended = long double;

template <class T>
struct Tissue {
    T m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1;
};

// What the model takes as given for a pulse: R2sl, or z of a crusher pulse.
template <class T>
struct Response {
    T value, dT2s, dB1;
};

// m' = A m under omega1 = B1 alpha/TRF:
//     xf' = -R2f xf - omega0 yf + omega1 zf
//     yf' =  omega0 xf - R2f yf
//     zf' = -omega1 xf - (R1f + Rex m0s) zf + Rex m0f zs + R1f m0f
//     xs' = -R2sl xs + omega1 zs
//     zs' =  Rex m0s zf - omega1 xs - (R1s + Rex m0f) zs + R1s m0s
template <class T>
Square<T> generator_matrix(const Tissue<T>& tissue, T omega1, T R2sl) {
    const auto& [m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1] = tissue;
    const T m0f = T(1) - m0s;
    const T o = T(0);
    Square<T> a;
    a << -R2f, -omega0, omega1, o, o, o,                       //
        omega0, -R2f, o, o, o, o,                              //
        -omega1, o, -(R1f + Rex * m0s), o, Rex * m0f, R1f * m0f,  //
        o, o, o, -R2sl, omega1, o,                             //
        o, o, Rex * m0s, -omega1, -(R1s + Rex * m0f), R1s * m0s,  //
        o, o, o, o, o, o;
    return a;
}

// dA/dp = A(p = 1) - A(p = 0), as every entry is affine in each p by itself; at(p) is A with this p. So the derivatives
// follow from the matrix above, and share no table with those of the models that they judge. Between p and p + 1 the
// difference would lose the digits of a large p.
template <class T, class Matrix>
Square<T> derivative_of(const Matrix& at) {
    return at(T(1)) - at(T(0));
}

// slope = d omega1/d B1 = alpha/TRF; R2sl and its derivatives are given.
template <class T, int n_derivatives>
Propagator<T, n_derivatives> generator(const Tissue<T>& tissue, RealOf<T> slope, const Response<T>& R2sl) {
    const T omega1 = tissue.B1 * T(slope);
    Propagator<T, n_derivatives> a;
    a.value = generator_matrix<T>(tissue, omega1, R2sl.value);
    if constexpr (n_derivatives > 0) {
        const auto by = [&](T Tissue<T>::* p) {
            return derivative_of<T>([&](T value) {
                Tissue<T> changed = tissue;
                changed.*p = value;
                return generator_matrix<T>(changed, omega1, R2sl.value);
            });
        };
        const auto by_omega1 =
            derivative_of<T>([&](T value) { return generator_matrix<T>(tissue, value, R2sl.value); });
        const auto by_R2sl = derivative_of<T>([&](T value) { return generator_matrix<T>(tissue, omega1, value); });
        a.d(Parameter::m0s) = by(&Tissue<T>::m0s);
        a.d(Parameter::R1f) = by(&Tissue<T>::R1f);
        a.d(Parameter::R2f) = by(&Tissue<T>::R2f);
        a.d(Parameter::Rex) = by(&Tissue<T>::Rex);
        a.d(Parameter::R1s) = by(&Tissue<T>::R1s);
        a.d(Parameter::T2s) = by_R2sl * R2sl.dT2s;
        a.d(Parameter::omega0) = by(&Tissue<T>::omega0);
        a.d(Parameter::B1) = by_omega1 * T(slope) + by_R2sl * R2sl.dB1;
    }
    return a;
}

template <class T, int n_derivatives>
Propagator<T, n_derivatives> rectangular_pulse(const Tissue<T>& tissue, RealOf<T> alpha, RealOf<T> TRF,
                                               const Response<T>& R2sl) {
    auto a = generator<T, n_derivatives>(tissue, alpha / TRF, R2sl);
    a.scale(TRF);
    return exponential(a);
}

// The refocused path of an inversion pulse played about x, 90 degrees off the others.
template <class T, int n_derivatives>
Propagator<T, n_derivatives> crusher(const Tissue<T>& tissue, RealOf<T> alpha, const Response<T>& z) {
    const T theta = tissue.B1 * T(alpha);
    const T half_sine = std::sin(theta / T(2));
    const T refocused = half_sine * half_sine;
    Propagator<T, n_derivatives> c;
    c.value.diagonal() << refocused, -refocused, std::cos(theta), T(0), z.value, T(1);
    if constexpr (n_derivatives > 0) {
        const T slope = alpha * std::sin(theta) / 2;
        c.d(Parameter::T2s)(zs, zs) = z.dT2s;
        c.d(Parameter::B1).diagonal() << slope, -slope, -2 * slope, 0, z.dB1, 0;
    }
    return c;
}

// In the frame that follows the phase of the RF the transverse magnetization turns back: xf + i yf *= exp(-i phase)
template <class T>
Square<T> phase_increment(double phase) {
    const T c = T(std::cos(RealOf<T>(phase))), s = T(std::sin(RealOf<T>(phase)));
    Square<T> turn = Square<T>::Identity();
    turn.template topLeftCorner<2, 2>() << c, s, -s, c;
    return turn;
}

// Zeroes some components, keeps the others.
template <class T>
Square<T> without(std::initializer_list<State> components) {
    Square<T> kept = Square<T>::Identity();
    for (State component : components) kept(component, component) = T(0);
    return kept;
}

template <class T, int n_derivatives>
class Train {
public:
    using Matrix = Propagator<T, n_derivatives>;
    using Vector = Jet<T, 1, n_derivatives>;
    using Real = RealOf<T>;

    Train(const Sequence& sequence, const Tissue<T>& tissue, std::vector<Response<T>> response)
        : sequence_(sequence), tissue_(tissue), response_(std::move(response)) {}

    template <class Record>
    void run(Record record) {
        std::vector<Matrix> repetitions;
        for (int i = 0; i < sequence_.n_pulses(); ++i) repetitions.push_back(repetition(i));
        Vector m = start(repetitions);
        for (int i = 0; i < sequence_.n_pulses(); ++i) {
            m = repetitions[i] * m;
            record(i, m);
        }
    }

private:
    Matrix repetition(int i) {
        const GradientMoment moment = sequence_.gradient_moment[i];
        const bool is_crusher = moment == GradientMoment::crusher;
        const bool spoiled_after = moment == GradientMoment::spoiler_dual;
        const bool spoiled_before = spoiled_after || moment == GradientMoment::spoiler_prepulse;
        const Real TR = sequence_.TR[i], TRF = sequence_.TRF[i];
        const Matrix& gap = free_precession(is_crusher ? TR / 2 : (TR - TRF) / 2);

        Matrix m = gap;
        m = phase_increment<T>(sequence_.rf_phase_increment[i]) * m;
        if (spoiled_before) m = without<T>({xf, yf}) * m;
        m = (is_crusher ? inversion(i) : pulse(i)) * m;
        if (spoiled_after) m = without<T>({xf, yf}) * m;
        return gap * m;
    }

    Matrix inversion(int i) const { return crusher<T, n_derivatives>(tissue_, sequence_.alpha[i], response_[i]); }

    Matrix pulse(int i) const {
        return without<T>({xs}) *
               rectangular_pulse<T, n_derivatives>(tissue_, sequence_.alpha[i], sequence_.TRF[i], response_[i]);
    }

    const Matrix& free_precession(Real duration) {
        const auto known = gaps_.find(duration);
        if (known != gaps_.end()) return known->second;
        const Response<T> none{};
        const Matrix gap = without<T>({xs}) * rectangular_pulse<T, n_derivatives>(tissue_, 0, duration, none);
        return gaps_.emplace(duration, gap).first->second;
    }

    Vector start(const std::vector<Matrix>& repetitions) const {
        if (sequence_.start == Start::periodic) return fixed_point(repetitions);
        Vector m;
        m.value(one) = T(1);
        if (sequence_.start == Start::given) {
            for (int k = 0; k < n_magnetization; ++k) m.value(k) = T(sequence_.initial[k]);
            return m;
        }
        m.value(zf) = T(1) - tissue_.m0s;
        m.value(zs) = tissue_.m0s;
        if constexpr (n_derivatives > 0) {
            m.d(Parameter::m0s)(zf) = -1;
            m.d(Parameter::m0s)(zs) = 1;
        }
        return m;
    }

    // m = U m + b, hence dm = (1 - U)^-1 (dU m + db); the row of xs in U and b is zero.
    static Vector fixed_point(const std::vector<Matrix>& repetitions) {
        auto cycle = identity<T, n_derivatives>();
        for (const Matrix& repetition : repetitions) cycle = repetition * cycle;
        using System = Eigen::Matrix<T, n_magnetization, n_magnetization>;
        const System U = cycle.value.template topLeftCorner<n_magnetization, n_magnetization>();
        const Eigen::FullPivLU<System> solver(System::Identity() - U);
        Vector m;
        m.value.template head<n_magnetization>() = solver.solve(cycle.value.col(one).template head<n_magnetization>());
        m.value(one) = T(1);
        for (int p = 0; p < n_derivatives; ++p) {
            const Eigen::Matrix<T, n_state, 1> source = cycle.derivative[p] * m.value;
            m.derivative[p].template head<n_magnetization>() = solver.solve(source.template head<n_magnetization>());
        }
        return m;
    }

    const Sequence& sequence_;
    Tissue<T> tissue_;
    std::vector<Response<T>> response_;
    std::map<Real, Matrix> gaps_;
};

template <class T, class Given>
Tissue<T> read_tissue(const Given* t) {
    return {T(t[0]), T(t[1]), T(t[2]), T(t[3]), T(t[4]), T(t[5]), T(t[6]), T(t[7])};
}

template <class T, class Given>
std::vector<Response<T>> read_responses(const Given* R2sl, int n_pulses) {
    std::vector<Response<T>> responses;
    for (int i = 0; i < n_pulses; ++i, R2sl += 3) responses.push_back({T(R2sl[0]), T(R2sl[1]), T(R2sl[2])});
    return responses;
}

template <class Real>
void simulate_as(const Sequence& sequence, const double* tissue, const double* R2sl, double* magnetization,
                 double* jacobian) {
    Train<Real, n_tissue_parameters> train(sequence, read_tissue<Real>(tissue),
                                           read_responses<Real>(R2sl, sequence.n_pulses()));
    train.run([&](int i, const Jet<Real, 1, n_tissue_parameters>& m) {
        for (int k = 0; k < n_magnetization; ++k) {
            const int row = i * n_magnetization + k;
            magnetization[row] = static_cast<double>(m.value(k));
            for (int p = 0; p < n_tissue_parameters; ++p)
                jacobian[row * n_tissue_parameters + p] = static_cast<double>(m.derivative[p](k));
        }
    });
}

}  // namespace

void simulate(const Sequence& sequence, const double* tissue, const double* R2sl, double* magnetization,
              double* jacobian, bool extended) {
    const auto run = extended ? simulate_as<Extended> : simulate_as<double>;
    run(sequence, tissue, R2sl, magnetization, jacobian);
}

void simulate(const Sequence& sequence, const std::complex<double>* tissue, const std::complex<double>* R2sl,
              std::complex<double>* magnetization) {
    using T = std::complex<Extended>;
    Train<T, 0> train(sequence, read_tissue<T>(tissue), read_responses<T>(R2sl, sequence.n_pulses()));
    train.run([&](int i, const Jet<T, 1, 0>& m) {
        for (int k = 0; k < n_magnetization; ++k)
            magnetization[i * n_magnetization + k] = std::complex<double>(m.value(k));
    });
}

void pulse(double alpha, double TRF, const double* tissue, const double* R2sl, const double* magnetization,
           double* after) {
    using T = Extended;
    Jet<T, 1, 0> m;
    for (int k = 0; k < n_magnetization; ++k) m.value(k) = magnetization[k];
    m.value(one) = 1;
    m = rectangular_pulse<T, 0>(read_tissue<T>(tissue), alpha, TRF, read_responses<T>(R2sl, 1)[0]) * m;
    for (int k = 0; k < n_magnetization; ++k) after[k] = static_cast<double>(m.value(k));
}

void exponential(const double* a, const double* directions, double* value, double* derivatives) {
    using RowMajor = Eigen::Matrix<double, n_state, n_state, Eigen::RowMajor>;
    constexpr int size = n_state * n_state;
    Propagator<Extended, n_tissue_parameters> x;
    x.value = Eigen::Map<const RowMajor>(a).cast<Extended>();
    for (int p = 0; p < n_tissue_parameters; ++p)
        x.derivative[p] = Eigen::Map<const RowMajor>(directions + p * size).cast<Extended>();
    x = exponential(x);
    Eigen::Map<RowMajor>{value} = x.value.cast<double>();
    for (int p = 0; p < n_tissue_parameters; ++p)
        Eigen::Map<RowMajor>(derivatives + p * size) = x.derivative[p].cast<double>();
}

}  // namespace spinbound::reference
