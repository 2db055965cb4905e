"""The mathematics of the theory, section 15.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

import numpy as np
import pytest
from scipy.optimize import least_squares

from tests.support.differences import central
from tests.support.theory import stacked

M, P = 7, 3  # complex samples, unknowns of the tissue
rng = np.random.default_rng(15)
A, B = (rng.normal(size=(M, P)) + 1j * rng.normal(size=(M, P)) for _ in range(2))
X = rng.normal(size=P)
Y = rng.normal(size=M) + 1j * rng.normal(size=M)


def signal(x):
    return np.exp(0.3 * A @ x) + B @ x**2


def derivatives(x):
    return 0.3 * A * np.exp(0.3 * A @ x)[:, None] + 2 * B * x


def best_M0(x):
    s = signal(x)
    return s.conj() @ Y / np.vdot(s, s).real


def residual(x):
    return best_M0(x) * signal(x) - Y


def projected(x):
    """The columns (15.2), and M0 c."""
    s, ds = signal(x), best_M0(x) * derivatives(x)
    overlap = s.conj() @ ds / np.vdot(s, s).real
    return ds - np.outer(s, overlap), overlap


def test_the_derivative_of_the_projected_residual():
    s, r = signal(X), residual(X)
    expected = projected(X)[0] - np.outer(s, derivatives(X).conj().T @ r) / np.vdot(s, s).real
    # Rounding of a central difference of step 1e-6.
    assert central(residual, X, 1e-6) == pytest.approx(expected, abs=1e-8)


def test_what_kaufman_leaves_out_is_no_part_of_the_gradient():
    gradient = central(lambda x: np.vdot(residual(x), residual(x)).real / 2, X, 1e-6)
    assert gradient == pytest.approx(stacked(projected(X)[0]).T @ stacked(residual(X)), abs=1e-8)


def test_the_factor_of_the_joint_fit():
    s, (J, overlap) = signal(X), projected(X)
    joint = stacked(np.column_stack([best_M0(X) * derivatives(X), s, 1j * s]))
    norm = np.linalg.norm(s)
    R = np.zeros((P + 2, P + 2))
    R[:P, :P] = np.linalg.qr(stacked(J))[1]
    R[P, :P], R[P + 1, :P] = norm * overlap.real, norm * overlap.imag
    R[P, P] = R[P + 1, P + 1] = norm
    assert R.T @ R == pytest.approx(joint.T @ joint, rel=1e-12)
    covariance = np.linalg.inv(joint.T @ joint)[:P, :P]
    assert covariance == pytest.approx(np.linalg.inv(R[:P, :P].T @ R[:P, :P]), rel=1e-9)


def test_whitened_coefficients_are_those_of_whitened_vectors():
    V = np.linalg.qr(rng.normal(size=(M, 3)) + 1j * rng.normal(size=(M, 3)))[0]
    root = rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3))
    C = root @ root.conj().T
    W = np.linalg.inv(np.linalg.cholesky(C))
    assert pytest.approx(np.eye(3), abs=1e-12) == W @ C @ W.conj().T
    assert (V @ W.conj().T).conj().T @ Y == pytest.approx(W @ V.conj().T @ Y, abs=1e-12)


def test_degrees_of_freedom_are_the_trace_of_the_projector():
    J = stacked(np.column_stack([projected(X)[0], signal(X), 1j * signal(X)]))
    rest = np.eye(2 * M) - J @ np.linalg.pinv(J)
    assert np.trace(rest) == pytest.approx(2 * M - P - 2)  # E |rest eps|^2 = sigma^2 tr(rest)
    noise = rng.normal(size=2 * M)
    assert J.T @ (rest @ noise) == pytest.approx(np.zeros(P + 2), abs=1e-12)


# Bias: a model of two unknowns and four real samples


THETA = np.array([1.3, 0.7])
T = np.arange(1, 5) / 3


def curve(theta):
    return theta[0] * np.exp(-theta[1] * T)


def slopes(theta):
    decay = np.exp(-theta[1] * T)
    return np.stack([decay, -theta[0] * T * decay], axis=1)


def curvatures(theta):
    """H_t, exactly."""
    decay, zero = np.exp(-theta[1] * T), np.zeros(4)
    return np.array([[zero, -T * decay], [-T * decay, theta[0] * T**2 * decay]]).T


def estimate(noise):
    """The least-squares estimate to all digits, by Newton's method from scipy's."""
    data = curve(THETA) + noise
    theta = least_squares(lambda x: curve(x) - data, THETA, slopes, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    for _ in range(5):
        r, J = curve(theta) - data, slopes(theta)
        hessian = J.T @ J + np.einsum("t,tkl->kl", r, curvatures(theta))
        theta = theta - np.linalg.solve(hessian, J.T @ r)
    return theta


def orders(noise):
    """u and v of (15.5)."""
    J, H = slopes(THETA), curvatures(THETA)
    C = np.linalg.inv(J.T @ J)
    u = C @ J.T @ noise
    v = np.einsum("t,tkl,l->k", noise - J @ u, H, u) - J.T @ np.einsum("k,tkl,l->t", u, H, u) / 2
    return u, C @ v


def test_the_estimate_to_second_order_in_the_noise():
    noise = rng.normal(size=4)
    u, v = orders(noise)
    left = [estimate(size * noise) - THETA - size * u - size**2 * v for size in (1e-2, 1e-3)]
    assert left[1] == pytest.approx(1e-3 * left[0], rel=0.1)  # of third order


def test_the_bias_is_the_mean_of_the_second_order():
    J, H = slopes(THETA), curvatures(THETA)
    C = np.linalg.inv(J.T @ J)
    bias = -0.5 * C @ J.T @ np.einsum("kl,tkl->t", C, H)
    unit = np.eye(4)
    # E of a quadratic form in white noise is the sum over the samples.
    assert bias == pytest.approx(sum(orders(e)[1] for e in unit), rel=1e-12)
    second = sum(estimate(1e-4 * e) + estimate(-1e-4 * e) - 2 * THETA for e in unit) / 2e-8
    assert bias == pytest.approx(second, rel=1e-5)  # rounding of 1e-16/1e-8, and terms of fourth order


def test_the_bias_by_differences_of_jacobians():
    J, H = slopes(THETA), curvatures(THETA)
    C = np.linalg.inv(J.T @ J)
    change = sum(central(slopes, THETA, 1e-6)[:, :, k] @ C[k] for k in range(2))
    assert J.T @ change == pytest.approx(J.T @ np.einsum("kl,tkl->t", C, H), rel=1e-7)
