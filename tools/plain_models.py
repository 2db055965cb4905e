"""Every model once more, as plainly as it can be written: what `make_conformance.py` makes the stored arrays with.

One voxel, rectangular pulses. An event is a 5 x 5 matrix on (xf yf zf zs 1); within a pulse

    (x + i y)' = (i omega0 - R2f)(x + i y) + omega1 zf
    zf' = -omega1 x - (R1f + Rex m0s) zf + Rex m0f zs + R1f m0f
    zs' = Rex m0s zf - (R1s + Rex m0f) zs + R1s m0s + saturation

    gbloch                   saturation = -omega1 xs, xs' = -R2sl xs + omega1 zs       matrix exponential
    gbloch-ide               -omega1^2 int_0^t G((t - s)/T2s) zs(s) ds                 collocation over the whole pulse
    sled                     -omega1^2 T2s H(t/T2s) zs, H the integral of G            adaptive Runge-Kutta
    graham                   -W zs, W the mean of Sled's rate over the pulse           matrix exponential
    graham-single-frequency  -omega1^2 T2s H(inf) zs                                   matrix exponential
    bloch                    no semi-solid pool                                        matrix exponential

Derivatives are complex steps: a parameter gets an imaginary part of 1e-30, and every function here is analytic.
Nothing is taken from spinbound.
"""

from functools import cache, reduce
from math import pi, sqrt

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq
from scipy.special import erf

STATE = xf, yf, zf, zs, one = range(5)
PARAMETERS = ("m0s", "R1f", "R2f", "Rex", "R1s", "T2s", "omega0", "B1")
STEP = 1e-30
N_NODES = 64  # of the collocation: up to tau = 100 the responses of 64 and of 96 nodes agree to 1e-14


def simulate(seq, values, model, lineshape):
    """(n,) signal at the echoes, M0 = 1; values: the eight parameters as a dict."""
    return _echoes(seq, values, model, lineshape).real[:, :2] @ [1, 1j]


def sensitivities(seq, values, model, lineshape):
    """(n,) signal and (n, 8) derivatives."""
    J = []
    for name in PARAMETERS:
        stepped = _echoes(seq, {**values, name: values[name] + 1j * STEP}, model, lineshape).imag / STEP
        J.append(stepped[:, :2] @ [1, 1j])
    return simulate(seq, values, model, lineshape), np.stack(J, axis=-1)


def _echoes(seq, values, model, lineshape):
    maps = [_repetition(seq, i, values, model, lineshape) for i in range(seq.n_pulses)]
    m = np.array([0, 0, 1 - values["m0s"], values["m0s"], 1], complex)
    if seq.start == "periodic":
        cycle = reduce(lambda done, repetition: repetition @ done, maps)
        m[:one] = np.linalg.solve(np.eye(4) - cycle[:one, :one], cycle[:one, one])
    states = []
    for repetition in maps:
        m = repetition @ m
        states.append(m)
    return np.array(states)


def _repetition(seq, i, p, model, lineshape):
    alpha, TRF, moment = seq.alpha[i], seq.TRF[i], seq.gradient_moment[i]
    TR, phase = (np.broadcast_to(value, seq.n_pulses)[i] for value in (seq.TR, seq.rf_phase_increment))
    c, s = np.cos(phase), np.sin(phase)
    turn, spoiler = np.eye(5), np.diag([0, 0, 1, 1, 1])
    turn[:2, :2] = [[c, s], [-s, c]]
    if moment == "crusher":
        gap = expm(generator(p, 0) * TR / 2)
        return gap @ _crusher(p, alpha, TRF, model, lineshape) @ turn @ gap
    gap = expm(generator(p, 0) * (TR - TRF) / 2)
    before = spoiler if moment in ("spoiler_prepulse", "spoiler_dual") else np.eye(5)
    after = spoiler if moment == "spoiler_dual" else np.eye(5)
    return gap @ after @ PULSES[model](p, p["B1"] * alpha / TRF, TRF, lineshape) @ before @ turn @ gap


def generator(p, omega1):
    """The model without saturation, 5 x 5."""
    m0s, m0f, omega0 = p["m0s"], 1 - p["m0s"], p["omega0"]
    a = np.zeros((5, 5), np.result_type(*map(np.asarray, p.values()), omega1))
    a[xf, [xf, yf, zf]] = -p["R2f"], -omega0, omega1
    a[yf, [xf, yf]] = omega0, -p["R2f"]
    a[zf, [xf, zf, zs, one]] = -omega1, -(p["R1f"] + p["Rex"] * m0s), p["Rex"] * m0f, p["R1f"] * m0f
    a[zs, [zf, zs, one]] = p["Rex"] * m0s, -(p["R1s"] + p["Rex"] * m0f), p["R1s"] * m0s
    return a


def _crusher(p, alpha, TRF, model, lineshape):
    """The refocused path; the semi-solid pool by itself, without relaxation and exchange."""
    theta = p["B1"] * alpha
    isolated = {**p, "m0s": 0.5, "R1f": 0, "R2f": 0, "Rex": 0, "R1s": 0, "omega0": 0}
    linear = "gbloch-ide" if model == "gbloch" else model  # R2sl ends the pulse with the response of gbloch-ide
    z = PULSES[linear](isolated, theta / TRF, TRF, lineshape)[zs, zs]
    return np.diag([np.sin(theta / 2) ** 2, -(np.sin(theta / 2) ** 2), np.cos(theta), z, 1])


# One pulse


def _bloch(p, omega1, TRF, _lineshape):
    return expm(generator(p, omega1) * TRF)


def _gbloch(p, omega1, TRF, lineshape):
    return linear_pulse(p, omega1, TRF, R2sl(p["T2s"], omega1, TRF, lineshape))


def linear_pulse(p, omega1, TRF, rate):
    """The semi-solid pool as a Bloch-McConnell pool of transverse rate `rate`; its xs starts at 0 and is dropped."""
    a = np.zeros((6, 6), np.result_type(generator(p, omega1), rate))
    a[:5, :5] = generator(p, omega1)
    a[5, [zs, 5]], a[zs, 5] = (omega1, -rate), -omega1
    return expm(a * TRF)[:5, :5]


def _graham(p, omega1, TRF, lineshape):
    return _saturated(p, omega1, TRF, graham_rate(p["T2s"], omega1, TRF, lineshape))


def _graham_single_frequency(p, omega1, TRF, lineshape):
    integral = {"gaussian": sqrt(pi / 2), "lorentzian": 1.0}[lineshape]
    return _saturated(p, omega1, TRF, omega1**2 * p["T2s"] * integral)


def _saturated(p, omega1, TRF, rate):
    a = generator(p, omega1)
    a = a.astype(np.result_type(a, rate))
    a[zs, zs] -= rate
    return expm(a * TRF)


def _sled(p, omega1, TRF, lineshape):
    a = generator(p, omega1).astype(complex)

    def slope(t, m):
        flow = a @ m.reshape(5, 5)
        flow[zs] -= omega1**2 * p["T2s"] * integrated(lineshape, t / p["T2s"]) * m.reshape(5, 5)[zs]
        return flow.ravel()

    identity = np.eye(5, dtype=complex).ravel()
    return solve_ivp(slope, (0, TRF), identity, method="DOP853", rtol=1e-12, atol=1e-14).y[:, -1].reshape(5, 5)


def _gbloch_ide(p, omega1, TRF, lineshape, n_nodes=N_NODES):
    """Slopes K (n, 4) at the Gauss points, from K = A m + b - omega1^2 memory zs, m = m(0) + TRF S K."""
    q, S, end, p_quad, memory = _collocation(n_nodes)
    green = greens_function(lineshape, TRF * (q[:, None] - p_quad) / p["T2s"])
    past = TRF * np.einsum("ik,ikj->ij", green, memory)  # of the values of zs at the Gauss points
    a = generator(p, omega1)
    system = np.eye(4 * n_nodes, dtype=complex) - TRF * np.kron(a[:one, :one], S)
    rows = slice(zs * n_nodes, (zs + 1) * n_nodes)
    system[rows, rows] += TRF * omega1**2 * past @ S
    from_start = np.kron(a[:one], np.ones((n_nodes, 1))).astype(complex)  # the columns: m(0) and the source
    from_start[rows, zs] -= omega1**2 * past.sum(axis=1)
    K = np.linalg.solve(system, from_start).reshape(4, n_nodes, 5)
    propagator = np.eye(5, dtype=complex)
    propagator[:one] += TRF * np.einsum("j,kjm->km", end, K)
    return propagator


@cache
def _collocation(n):
    """Gauss points q on [0, 1]; S: int_0^q, end: int_0^1, of the interpolant; the quadrature of the past of each q."""
    legendre = np.polynomial.legendre
    x, w = legendre.leggauss(n)
    q = (x + 1) / 2
    past = q[:, None] * q
    to_coefficients = np.linalg.inv(legendre.legvander(x, n - 1))
    interpolant = legendre.legvander((2 * past - 1).ravel(), n - 1).reshape(n, n, n) @ to_coefficients
    memory = (q[:, None] * w / 2)[..., None] * interpolant
    return q, memory.sum(axis=1), w / 2, past, memory


PULSES = {
    "gbloch": _gbloch,
    "gbloch-ide": _gbloch_ide,
    "sled": _sled,
    "graham": _graham,
    "graham-single-frequency": _graham_single_frequency,
    "bloch": _bloch,
}


# Lineshapes


@cache
def _angles():
    """u in [0, 1] and weights: 16 Gauss points in pieces that halve towards the magic angle."""
    magic, grade = 1 / sqrt(3), 2.0 ** -np.arange(14)
    edges = np.r_[magic * (1 - grade), magic, magic + (1 - magic) * grade[::-1]]
    node, weight = np.polynomial.legendre.leggauss(16)
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half * (1 + node)).ravel()
    return np.abs(3 * u**2 - 1), (half * weight).ravel()


def greens_function(lineshape, kappa):
    """G."""
    if lineshape == "lorentzian":
        return np.exp(-kappa)
    if lineshape == "gaussian":
        return np.exp(-(kappa**2) / 2)
    a, weight = _angles()
    return np.exp(-np.multiply.outer(kappa**2, a**2 / 8)) @ weight


def integrated(lineshape, kappa):
    """H(kappa) = int_0^kappa G."""
    if lineshape == "lorentzian":
        return -np.expm1(-kappa)
    if lineshape == "gaussian":
        return sqrt(pi / 2) * _erf(kappa / sqrt(2))
    a, weight = _angles()
    return _erf(np.multiply.outer(kappa, a / sqrt(8))) @ (weight * sqrt(2 * pi) / a)


def _erf(z):
    """erf to first order in the imaginary part, which is all that a complex step needs."""
    z = np.asarray(z)
    if z.dtype.kind != "c":
        return erf(z)
    return erf(z.real) + 2j / sqrt(pi) * np.exp(-(z.real**2)) * z.imag


def graham_rate(T2s, omega1, TRF, lineshape):
    """Time average of omega1^2 T2s H(t/T2s); for the super-Lorentzian by the formula of the spectrum."""
    tau = TRF / T2s
    if lineshape == "superlorentzian":
        a, weight = _angles()
        overlap = 4 / (tau * a) * np.expm1(-((tau * a) ** 2) / 8) + sqrt(2 * pi) * _erf(tau * a / sqrt(8))
        return omega1**2 * T2s * (overlap / a @ weight)
    q, weight = np.polynomial.legendre.leggauss(200)
    return omega1**2 * T2s * (integrated(lineshape, tau * (q + 1) / 2) @ weight / 2)


# The rate of the linear model


def R2sl(T2s, omega1, TRF, lineshape):
    """The rate whose isolated pool ends the pulse as that of gbloch-ide does."""
    if lineshape == "lorentzian":
        return 1 / T2s
    theta, isolated = omega1 * TRF, dict.fromkeys(PARAMETERS, 0.0) | {"T2s": T2s}
    target = _gbloch_ide(isolated, omega1, TRF, lineshape)[zs, zs]

    def real_excess(eta):
        return (_linear_response(eta, theta.real) - target).real

    eta = brentq(real_excess, 1e-6, 500, xtol=1e-13, rtol=1e-14)
    slope = (real_excess(eta + 1e-4) - real_excess(eta - 1e-4)) / 2e-4
    # One Newton step takes the imaginary part along.
    return (eta - 1j * (_linear_response(eta, theta) - target).imag / slope) / TRF


def _linear_response(eta, theta):
    """zs of the linear model after the pulse, eta = R2sl TRF."""
    d = np.sqrt(eta**2 / 4 - theta**2 + 0j)
    return np.exp(-eta / 2) * (np.cosh(d) + eta / 2 * np.sinh(d) / d)
