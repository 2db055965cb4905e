// Matrix exponentials as the Julia reference takes them (MRIgeneralizedBloch.jl): for every parameter one exponential
// of a block-triangular generator per pulse and per free precession, the train walked twice.
//
//     exp [[A, 0], [dA, A]] t = [[E, 0], [dE, E]]     rows (xf yf zf xs zs 1 | dxf dyf dzf dxs dzs)
//
// SIZE is 11, or 12 with an empty last row: Eigen vectorises products of 12x12 matrices fully, those of 11x11 not.
#include <Eigen/Dense>
#include <cmath>
#include <map>
#include <unsupported/Eigen/MatrixFunctions>
#include <vector>

namespace {

constexpr int n_parameters = 8, size = SIZE, half = 6, rest = size - half;
constexpr int xf = 0, yf = 1, zf = 2, xs = 3, zs = 4, one = 5;
enum Parameter { m0s, R1f, R2f, Rex, R1s, T2s, omega0, B1 };

using Block = Eigen::Matrix<double, half, half>;
using Matrix = Eigen::Matrix<double, size, size>;
using Left = Eigen::Matrix<double, size, half>;  // the right half of a product of such matrices follows from it
using Vector = Eigen::Matrix<double, size, 1>;

struct Response {
    double R2sl, dT2s, dB1;
};

struct Train {
    int n;
    const double *alpha, *TRF;
    double TR, phase;
};

Block generator(const double* t, double slope, double R2sl) {
    const double m0f = 1 - t[m0s], omega1 = t[B1] * slope, w0 = t[omega0];
    Block a;
    a << -t[R2f], -w0, omega1, 0, 0, 0,                                        //
        w0, -t[R2f], 0, 0, 0, 0,                                               //
        -omega1, 0, -t[R1f] - t[Rex] * t[m0s], 0, t[Rex] * m0f, t[R1f] * m0f,  //
        0, 0, 0, -R2sl, omega1, 0,                                             //
        0, 0, t[Rex] * t[m0s], -omega1, -t[R1s] - t[Rex] * m0f, t[R1s] * t[m0s],  //
        0, 0, 0, 0, 0, 0;
    return a;
}

Block derivative(const double* t, double slope, const Response& R2sl, Parameter p) {
    const double m0f = 1 - t[m0s];
    Block d = Block::Zero();
    switch (p) {
        case m0s:
            d(zf, zf) = d(zf, zs) = -t[Rex];
            d(zs, zf) = d(zs, zs) = t[Rex];
            d(zf, one) = -t[R1f];
            d(zs, one) = t[R1s];
            break;
        case R1f:
            d(zf, zf) = -1;
            d(zf, one) = m0f;
            break;
        case R2f:
            d(xf, xf) = d(yf, yf) = -1;
            break;
        case Rex:
            d(zf, zf) = -t[m0s];
            d(zf, zs) = m0f;
            d(zs, zf) = t[m0s];
            d(zs, zs) = -m0f;
            break;
        case R1s:
            d(zs, zs) = -1;
            d(zs, one) = t[m0s];
            break;
        case T2s:
            d(xs, xs) = -R2sl.dT2s;
            break;
        case omega0:
            d(xf, yf) = -1;
            d(yf, xf) = 1;
            break;
        case B1:
            d(xf, zf) = d(xs, zs) = slope;
            d(zf, xf) = d(zs, xs) = -slope;
            d(xs, xs) = -R2sl.dB1;
    }
    return d;
}

Matrix joined(const Block& value, const Block& tangent) {
    Matrix m = Matrix::Zero();
    m.topLeftCorner<half, half>() = value;
    m.bottomLeftCorner<rest, half>() = tangent.topRows<rest>();
    m.block<one, one>(half, half) = value.topLeftCorner<one, one>();
    return m;
}

class Propagators {
public:
    Propagators(const Train& train, const double* tissue, const double* R2sl, Parameter p)
        : train_(train), t_(tissue), R2sl_(R2sl), p_(p) {
        const double c = std::cos(train.phase), s = std::sin(train.phase);
        turn_ = Matrix::Identity();
        for (int k : {0, half}) turn_.block<2, 2>(k, k) << c, s, -s, c;
    }

    // Pulse i (0 is the crusher pulse) with the free precession on both sides, applied to a vector or to the left half
    // of a product.
    template <class V>
    V advance(int i, const V& m) {
        const Matrix& gap = precession(i);
        const V before = turn_ * V(gap * m);
        return gap * V(pulse(i) * before);
    }

    // From now on each pulse's exponential is kept for the second walk.
    void keep() { keeping_ = true; }

private:
    Matrix pulse(int i) {
        if (!keeping_) return new_pulse(i);
        if (i == static_cast<int>(kept_.size())) kept_.push_back(new_pulse(i));
        return kept_[i];
    }

    Matrix new_pulse(int i) const {
        const Response response{R2sl_[3 * i], R2sl_[3 * i + 1], R2sl_[3 * i + 2]};
        if (i == 0) return inversion(train_.alpha[i], response);
        const double slope = train_.alpha[i] / train_.TRF[i];
        return exponential(slope, train_.TRF[i], response);
    }

    const Matrix& precession(int i) {
        const double TRF = i == 0 ? 0 : train_.TRF[i];
        const auto known = gaps_.find(TRF);
        if (known != gaps_.end()) return known->second;
        return gaps_.emplace(TRF, exponential(0, (train_.TR - TRF) / 2, {0, 0, 0})).first->second;
    }

    // The derivative is scaled, lest its size (that of T2s in 1/s^2) adds squarings and rounding to the exponential;
    // xs does not outlive a pulse.
    Matrix exponential(double slope, double duration, const Response& R2sl) const {
        const Block a = generator(t_, slope, R2sl.R2sl) * duration;
        const Block da = derivative(t_, slope, R2sl, p_) * duration;
        const double excess = da.cwiseAbs().maxCoeff() / a.cwiseAbs().maxCoeff();
        const double scale = excess > 1 ? std::exp2(-std::ilogb(excess) - 1) : 1;
        Matrix e = joined(a, scale * da).exp();
        e.bottomLeftCorner<rest, half>() /= scale;
        e.row(xs).setZero();
        e.row(half + xs).setZero();
        return e;
    }

    Matrix inversion(double alpha, const Response& z) const {
        const double theta = t_[B1] * alpha, refocused = std::pow(std::sin(theta / 2), 2);
        Block value = Block::Zero(), tangent = Block::Zero();
        value.diagonal() << refocused, -refocused, std::cos(theta), 0, z.R2sl, 1;
        const double slope = alpha * std::sin(theta) / 2;
        if (p_ == T2s) tangent(zs, zs) = z.dT2s;
        if (p_ == B1) tangent.diagonal() << slope, -slope, -2 * slope, 0, z.dB1, 0;
        return joined(value, tangent);
    }

    const Train& train_;
    const double *t_, *R2sl_;
    Parameter p_;
    Matrix turn_;
    std::map<double, Matrix> gaps_;
    bool keeping_ = false;
    std::vector<Matrix> kept_;
};

// m = U m + b and dm = U dm + dU m + db, from the left half of the cycle's propagator.
Vector fixed_point(const Left& cycle) {
    using Square = Eigen::Matrix<double, one, one>;
    const Square U = cycle.topLeftCorner<one, one>();
    const Eigen::PartialPivLU<Square> solver(Square::Identity() - U);
    Vector m = Vector::Zero();
    m.head<one>() = solver.solve(cycle.col(one).head<one>());
    m(one) = 1;
    m.segment<one>(half) = solver.solve(cycle.middleRows<one>(half) * m.head<half>());
    return m;
}

}  // namespace

// tissue (8), R2sl (n, 3); signal (n, 2) and jacobian (8, n, 2) hold real and imaginary parts for M0 = 1.
extern "C" void matrix_exponentials(int n, const double* alpha, const double* TRF, double TR, double phase,
                                    const double* tissue, const double* R2sl, int keep, double* signal,
                                    double* jacobian) {
    const Train train{n, alpha, TRF, TR, phase};
    for (int p = 0; p < n_parameters; ++p) {
        Propagators propagators(train, tissue, R2sl, static_cast<Parameter>(p));
        if (keep) propagators.keep();
        Left cycle = Left::Zero();
        cycle.topRows<half>().setIdentity();
        for (int i = 0; i < n; ++i) cycle = propagators.advance(i, cycle);
        Vector m = fixed_point(cycle);
        for (int i = 0; i < n; ++i) {
            m = propagators.advance(i, m);
            for (int k = 0; k < 2; ++k) {
                signal[2 * i + k] = m(k);
                jacobian[2 * (p * n + i) + k] = m(half + k);
            }
        }
    }
}
