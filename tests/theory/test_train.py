"""The mathematics of the theory, sections 6 to 10.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

import math

import mpmath
import numpy as np
import pytest
import sympy
from scipy.linalg import cholesky, expm, qr, solve_triangular

from tests.support.differences import central, five_point
from tests.support.theory import stacked

EPS = np.finfo(float).eps
m0s, R1f, Rex, R1s, t = sympy.symbols("m0s R1f Rex R1s t", positive=True)


def rng(seed=0):
    return np.random.default_rng(seed)


def exchange(m0s, R1f, Rex, R1s):
    """rz, rs, kfs, ksf of equation (1.2)."""
    return R1f + Rex * m0s, R1s + Rex * (1 - m0s), Rex * (1 - m0s), Rex * m0s


def hyperbolics(q, t):
    """C, S and G of equation (6.3) by their power series in q t^2, in working precision."""
    terms = range(40)
    C = mpmath.fsum(q**j * t ** (2 * j) / mpmath.factorial(2 * j) for j in terms)
    S = mpmath.fsum(q**j * t ** (2 * j + 1) / mpmath.factorial(2 * j + 1) for j in terms)
    G = mpmath.fsum(2 * j * q ** (j - 1) * t ** (2 * j + 1) / mpmath.factorial(2 * j + 1) for j in terms[1:])
    return C, S, G


def longitudinal(rates, t):
    """E of equation (6.2)."""
    rz, rs, kfs, ksf = exchange(*rates)
    tau, h = -(rz + rs) / 2, (rs - rz) / 2
    C, S, _ = hyperbolics(h * h + kfs * ksf, t)
    return mpmath.exp(tau * t) * (C * mpmath.eye(2) + S * mpmath.matrix([[h, kfs], [ksf, -h]]))


def longitudinal_derivative(rates, t, parameter):
    """dE by the convolutions of equation (6.5); parameter counts m0s R1f Rex R1s."""
    rz, rs, kfs, ksf = exchange(*rates)
    pool, _, Rex_, _ = rates
    h = (rs - rz) / 2
    C, S, G = hyperbolics(h * h + kfs * ksf, t)
    SC, CC, SS = t * S / 2, (t * C + S) / 2, G / 2
    p, m, mixed = SC + h * SS, SC - h * SS, CC - h * h * SS
    d_rz = -mpmath.matrix([[CC + 2 * h * SC + h * h * SS, kfs * p], [ksf * p, kfs * ksf * SS]])
    d_rs = -mpmath.matrix([[kfs * ksf * SS, kfs * m], [ksf * m, CC - 2 * h * SC + h * h * SS]])
    d_kfs = mpmath.matrix([[ksf * p, mixed], [ksf**2 * SS, ksf * m]])
    d_ksf = mpmath.matrix([[kfs * p, kfs**2 * SS], [mixed, kfs * m]])
    rows = (
        Rex_ * (d_rz - d_rs - d_kfs + d_ksf),
        d_rz,
        pool * (d_rz + d_ksf) + (1 - pool) * (d_rs + d_kfs),
        d_rs,
    )
    return mpmath.exp(-(rz + rs) / 2 * t) * rows[parameter]


def test_longitudinal_propagator_solves_the_exchange_equations():
    rz, rs, kfs, ksf = exchange(m0s, R1f, Rex, R1s)
    h, tau = (rs - rz) / 2, -(rz + rs) / 2
    A, M = sympy.Matrix([[-rz, kfs], [ksf, -rs]]), sympy.Matrix([[h, kfs], [ksf, -h]])
    q = h**2 + kfs * ksf
    assert sympy.simplify(M * M - q * sympy.eye(2)) == sympy.zeros(2)
    assert sympy.simplify(A - tau * sympy.eye(2) - M) == sympy.zeros(2)
    # so exp(A t) = exp(tau t) (cosh + sinh M/sqrt(q)): the derivative of the bracket is M times the bracket
    root = sympy.symbols("root", positive=True)
    C, S = sympy.cosh(root * t), sympy.sinh(root * t) / root
    assert sympy.simplify(C.diff(t) - root**2 * S) == 0
    assert sympy.simplify(S.diff(t) - C) == 0


def test_derivatives_of_the_hyperbolic_functions():
    q = sympy.symbols("q", positive=True)
    C, S = sympy.cosh(sympy.sqrt(q) * t), sympy.sinh(sympy.sqrt(q) * t) / sympy.sqrt(q)
    assert sympy.simplify(C.diff(q) - t * S / 2) == 0
    assert sympy.simplify(S.diff(q) - (t * C - S) / (2 * q)) == 0


# ordinary rates; equal ones without exchange, where the eigenvalues meet; and close to that
@pytest.mark.parametrize("rates", [(0.15, 0.5, 30, 3), (0.3, 0.2, 200, 8), (0.0, 1, 0, 1), (0.2, 1, 1e-9, 1 + 1e-9)])
@pytest.mark.parametrize("parameter", range(4))
def test_derivative_of_the_longitudinal_propagator(rates, parameter):
    with mpmath.workdps(50):
        rates, duration = [mpmath.mpf(r) for r in rates], mpmath.mpf("1.7e-3")

        def moved(step):
            return longitudinal([r + step * (i == parameter) for i, r in enumerate(rates)], duration)

        step = mpmath.mpf("1e-12")
        difference = (moved(step) - moved(-step)) / (2 * step)
        assert mpmath.norm(difference - longitudinal_derivative(rates, duration, parameter)) < 1e-20


def test_series_of_the_hyperbolic_functions_reach_double_precision_below_one_quarter():
    # first omitted terms relative to the first ones, with eight, eight and seven terms and q t^2 = 1/4
    w = 0.25
    assert w**8 / math.factorial(16) < EPS
    assert w**8 / math.factorial(17) < EPS
    assert 3 * 16 * w**7 / math.factorial(17) < EPS
    # beyond it the closed form of G loses at most a factor t C/(t C - S) < 3/(q t^2) + 1
    for w in (0.25, 1.0, 4.0, 100.0):
        root = math.sqrt(w)
        assert 1 / (1 - math.tanh(root) / root) <= 3 / w + 2


def test_longitudinal_modes_decay_without_oscillation():
    for pool, R1f_, Rex_, R1s_ in rng(1).uniform([0, 0.2, 0, 0.5], [0.99, 2, 200, 8], (100, 4)):
        rz, rs, kfs, ksf = exchange(pool, R1f_, Rex_, R1s_)
        q = (rs - rz) ** 2 / 4 + kfs * ksf
        assert q >= 0
        assert math.sqrt(q) < (rz + rs) / 2


def test_transverse_precession_turns_x_towards_y():
    decay, omega, duration = 20.0, 300.0, 2e-3
    x, y = expm(np.array([[-decay, -omega], [omega, -decay]]) * duration) @ [1, 0]
    assert complex(x, y) == pytest.approx(np.exp((1j * omega - decay) * duration), abs=1e-14)
    assert y > 0


def test_crusher_keeps_the_refocused_path_of_a_pulse_about_x():
    flip = 2.4
    turns = np.exp(2j * np.pi * np.arange(64) / 64)  # dephasing by the gradient on each side of the pulse
    for x, y, z in np.eye(3):
        dephased = complex(x, y) * turns
        rotated = dephased.real + 1j * (np.cos(flip) * dephased.imag - np.sin(flip) * z)
        refocused = np.sin(flip / 2) ** 2 * complex(x, -y)
        assert np.mean(rotated * turns) == pytest.approx(refocused, abs=1e-14)
        assert np.mean(np.cos(flip) * z + np.sin(flip) * dephased.imag) == pytest.approx(np.cos(flip) * z)


def test_crusher_in_deviations():
    c, response, z, s = sympy.symbols("c response z s")
    m0f = 1 - m0s
    assert sympy.expand(c * (z + m0f) - m0f - (c * z - (1 - c) * m0f)) == 0
    assert sympy.expand(response * (s + m0s) - m0s - (response * s - (1 - response) * m0s)) == 0


def random_events(parameter, n_events=6):
    """Affine events m -> A m + b that contract and depend smoothly on one parameter."""
    generator = rng(5)
    A, dA, b, db = (generator.normal(size=(n_events, 4, k)) for k in (4, 4, 1, 1))
    return 0.2 * A + parameter * 0.1 * dA, (b + parameter * db)[..., 0], 0.1 * dA, db[..., 0]


def pass_through(parameter, start, tangent):
    """State and tangent after every event, by the product rule of section "Sensitivities"."""
    states, tangents = [], []
    for A, b, dA, db in zip(*random_events(parameter), strict=True):
        tangent = A @ tangent + dA @ start + db
        start = A @ start + b
        states.append(start)
        tangents.append(tangent)
    return np.array(states), np.array(tangents)


def periodic_start(parameter):
    states, _ = pass_through(parameter, np.zeros(4), np.zeros(4))
    return np.linalg.solve(np.eye(4) - cycle_propagators(parameter)[-1], states[-1])


def cycle_propagators(parameter):
    affine, _ = pass_through(parameter, np.zeros(4), np.zeros(4))
    return np.stack([pass_through(parameter, e, np.zeros(4))[0] - affine for e in np.eye(4)], axis=-1)


def test_two_passes_give_the_periodic_state_and_its_derivative():
    start, U = periodic_start(0.0), cycle_propagators(0.0)
    states, tangents = pass_through(0.0, start, np.zeros(4))
    np.testing.assert_allclose(states[-1], start, atol=1e-13)
    dm0 = np.linalg.solve(np.eye(4) - U[-1], tangents[-1])
    # fifth-order terms of the five-point rule and rounding both stay below 1e-10
    expected = five_point(lambda p: pass_through(p, periodic_start(p), np.zeros(4))[0], 0.0, 1e-5)
    np.testing.assert_allclose(tangents + U @ dm0, expected, atol=1e-9)


def random_jacobian(seed, n=40, n_parameters=4):
    generator = rng(seed)
    s = generator.normal(size=n) + 1j * generator.normal(size=n)
    return s, generator.normal(size=(n, n_parameters)) + 1j * generator.normal(size=(n, n_parameters))


def real_fisher(s, J, M0=1.0, sigma=1.0):
    """Columns Re M0, Im M0, then the tissue; s and J for M0 = 1."""
    columns = np.column_stack([s, 1j * s, M0 * J])
    return (columns.conj().T @ columns).real / sigma**2


def test_real_form_is_the_information_of_twice_as_many_real_data():
    s, J = random_jacobian(0)
    M0 = 0.3 - 0.8j

    def data(parameters):
        return stacked((parameters[0] + 1j * parameters[1]) * (s + J @ parameters[2:]))

    # the model is quadratic: central differences are exact
    slope = central(data, np.r_[M0.real, M0.imag, np.zeros(4)], 1e-3)
    np.testing.assert_allclose(real_fisher(s, J, M0), slope.T @ slope, rtol=1e-9, atol=1e-9)


def test_complex_form_is_the_bound_with_complex_parameters():
    s, J = random_jacobian(1)
    columns = np.column_stack([s, J])
    complex_bound = np.diag(np.linalg.inv(columns.conj().T @ columns)).real
    doubled = np.column_stack([columns, 1j * columns])
    doubled_bound = np.diag(np.linalg.inv((doubled.conj().T @ doubled).real))
    np.testing.assert_allclose(doubled_bound[:5], complex_bound, rtol=1e-12)
    real_bound = np.diag(np.linalg.inv(real_fisher(s, J)))
    assert (complex_bound[1:] >= real_bound[2:]).all()
    # real-M0 knows the phase, so it is the lowest of the three
    single = np.diag(np.linalg.inv((columns.conj().T @ columns).real))
    assert (single[1:] <= real_bound[2:]).all()


def test_congruence_with_the_gram_matrix_gives_the_fisher_matrix():
    generator = rng(2)
    s, tangents = random_jacobian(2, n_parameters=8)
    U, dm0, M0 = random_jacobian(3)[1], generator.normal(size=(4, 8)), 0.7 - 0.4j
    streams = np.column_stack([s, tangents, U])
    gram = streams.conj().T @ streams
    A = np.vstack([np.eye(8), dm0])
    tissue = abs(M0) ** 2 * A.T @ gram[1:, 1:].real @ A
    row = M0 * gram[0, 1:] @ A
    F = np.block([[gram[0, 0].real * np.eye(2), np.vstack([row.real, row.imag])], [np.zeros((8, 2)), tissue]])
    F[2:, :2] = F[:2, 2:].T
    np.testing.assert_allclose(F, real_fisher(s, tangents + U @ dm0, M0), atol=1e-10)


@pytest.mark.parametrize(("M0", "sigma"), [(0.5, 1.0), (2j, 0.01), (-0.3 + 0.4j, 3.0)])
def test_bounds_scale_with_noise_and_signal(M0, sigma):
    s, J = random_jacobian(4)
    unit, scaled = (np.diag(np.linalg.inv(F)) for F in (real_fisher(s, J), real_fisher(s, J, M0, sigma)))
    np.testing.assert_allclose(scaled[2:], unit[2:] * sigma**2 / abs(M0) ** 2, rtol=1e-11)
    assert scaled[:2].sum() == pytest.approx(unit[:2].sum() * sigma**2, rel=1e-11)


def constructed_jacobian(condition, n_parameters=6):
    """J with singular vectors and values that are known, and its exact bounds."""
    U, V = (qr(rng(9).normal(size=(rows, n_parameters)), mode="economic")[0] for rows in (200, n_parameters))
    singular = np.geomspace(1, 1 / condition, n_parameters)
    return (U * singular) @ V.T, ((V / singular) ** 2).sum(axis=1)


def bound_by_cholesky(J):
    F = J.T @ J
    scale = 1 / np.sqrt(np.diag(F))
    L = cholesky(F * np.outer(scale, scale), lower=True)
    return scale**2 * (solve_triangular(L, np.eye(len(L)), lower=True) ** 2).sum(axis=0)


def bound_by_qr(J):
    scale = 1 / np.linalg.norm(J, axis=0)
    R = qr(J * scale, mode="economic")[1]
    return scale**2 * (solve_triangular(R, np.eye(len(R))) ** 2).sum(axis=1)


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
def test_rounding_of_the_bound_grows_as_the_condition_of_F_or_of_J(condition):
    J, exact = constructed_jacobian(condition)
    error_cholesky, error_qr = (np.abs(f(J) / exact - 1).max() for f in (bound_by_cholesky, bound_by_qr))
    assert error_cholesky < 100 * EPS * condition**2
    assert error_qr < 100 * EPS * condition


def test_diagonal_scaling_removes_the_units_from_the_condition():
    J, _ = constructed_jacobian(30)
    units = np.array([1e5, 1, 1e-3, 10, 1e-6, 1])
    np.testing.assert_allclose(bound_by_cholesky(J * units) * units**2, bound_by_cholesky(J), rtol=1e-11)


def test_null_directions_make_infinite_only_what_they_touch():
    J, _ = constructed_jacobian(10)
    J[:, 1] = 3 * J[:, 4]
    scale = 1 / np.linalg.norm(J, axis=0)
    _, singular, Vt = np.linalg.svd(J * scale, full_matrices=False)
    null = singular < 1e-6 * singular[0]
    touched = np.abs(Vt[null]).max(axis=0) > 1e-6
    assert touched.tolist() == [False, True, False, False, True, False]
    bound = scale**2 * ((Vt[~null] / singular[~null, None]) ** 2).sum(axis=0)
    # the bounds of the others are those with one of the two collinear columns left out
    expected = bound_by_qr(np.delete(J, 4, axis=1))[[0, 2, 3, 4]]
    np.testing.assert_allclose(bound[~touched], expected, rtol=1e-10)


def test_the_gradient_of_a_loss_by_the_signal_becomes_that_by_the_parameters():
    s, J = random_jacobian(9)
    loss = lambda step: np.sum(np.abs(s + J @ step) ** 4)
    g = 4 * np.abs(s) ** 2 * s  # 2 dL/d(conj s) of (s conj(s))^2
    # the error of central differences is 1e-5^2 times third derivatives of order 100
    differences = central(loss, np.zeros(J.shape[1]), 1e-5)
    np.testing.assert_allclose((J.conj().T @ g).real, differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rank", [3, 10, 40])
def test_compression_takes_information_and_never_gives_any(rank):
    s, J = random_jacobian(6)
    generator = rng(7)
    basis = qr(generator.normal(size=(40, rank)) + 1j * generator.normal(size=(40, rank)), mode="economic")[0]
    full, compressed = real_fisher(s, J), real_fisher(basis.conj().T @ s, basis.conj().T @ J)
    assert np.linalg.eigvalsh(full - compressed).min() > -1e-12 * np.trace(full)
    if rank >= 10:
        assert (np.diag(np.linalg.inv(compressed)) >= np.diag(np.linalg.inv(full)) * (1 - 1e-10)).all()


def test_compressed_noise_stays_white_with_the_same_deviation():
    generator = rng(8)
    V = qr(generator.normal(size=(20, 5)) + 1j * generator.normal(size=(20, 5)), mode="economic")[0]
    # covariance of (Re V^H n, Im V^H n) for unit white n, by the real representation of V^H
    real = np.block([[V.real.T, V.imag.T], [-V.imag.T, V.real.T]])
    np.testing.assert_allclose(real @ real.T, np.eye(10), atol=1e-14)
