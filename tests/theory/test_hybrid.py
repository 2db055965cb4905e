"""The mathematics of the theory, section 13.

Symbols and numbers are those of docs/theory; nothing here uses the compiled core.
"""

import mpmath
import numpy as np
import sympy
from scipy.integrate import quad_vec
from scipy.linalg import expm

h, psi, xi, p, t = sympy.symbols("h psi xi p t", positive=True)
m0s, R1f, R2f, Rex, R1s, c, c2 = sympy.symbols("m0s R1f R2f Rex R1s c c2", positive=True)


def about_z(angle):
    return sympy.Matrix([[sympy.cos(angle), -sympy.sin(angle), 0], [sympy.sin(angle), sympy.cos(angle), 0], [0, 0, 1]])


def about_y(angle):
    return sympy.Matrix([[sympy.cos(angle), 0, sympy.sin(angle)], [0, 1, 0], [-sympy.sin(angle), 0, sympy.cos(angle)]])


HALF_TURN = about_z(sympy.pi)
AXIS = sympy.Matrix([sympy.sin(h), 0, sympy.cos(psi / 2) * sympy.cos(h)])  # times N


def is_zero(matrix):
    return all(sympy.simplify(sympy.expand_trig(entry)) == 0 for entry in matrix)


def test_the_axis_is_left_alone_by_a_whole_repetition():
    repetition = about_z(psi / 2) * about_y(2 * h) * HALF_TURN * about_z(psi / 2)
    assert is_zero(repetition * AXIS - AXIS)


def test_the_pulse_turns_the_axis_from_minus_h_to_h():
    kappa = sympy.cos(psi / 2)
    before = HALF_TURN * about_z(psi / 2) * AXIS
    assert is_zero(sympy.Matrix([before[0] + kappa * sympy.sin(h), before[2] - kappa * sympy.cos(h)]))
    within = about_y(xi + h) * before  # xi from -h to h
    assert is_zero(sympy.Matrix([within[2] - kappa * sympy.cos(xi)]))


def test_means_over_the_pulse():
    sinc = sympy.sin(h) / h
    for power, mean in ((1, sinc), (2, (1 + sinc * sympy.cos(h)) / 2)):
        integral = sympy.integrate(sympy.cos(xi) ** power, (xi, -h, h)) / (2 * h)
        assert sympy.simplify(sympy.expand_trig(integral - mean)) == 0


def test_the_means_are_those_of_a_repetition_followed_in_time():
    TR, TRF, omega0, beta = 3.5e-3, 0.4e-3, 150.0, 0.9
    half, kappa = beta / 2, np.cos(omega0 * TR / 2)
    N, share, sinc = np.hypot(np.sin(half), kappa * np.cos(half)), TRF / TR, np.sin(half) / half
    mean = kappa / N * ((1 - share) * np.cos(half) + share * sinc)
    mean_sq = (kappa / N) ** 2 * ((1 - share) * np.cos(half) ** 2 + share / 2 * (1 + sinc * np.cos(half)))
    # z of the axis: constant in the gaps, and through the pulse by its rotation
    start = np.array(about_y(0) * HALF_TURN * about_z(omega0 * TR / 2) * AXIS.subs({h: half, psi: omega0 * TR}), float)

    def height(time):
        angle = beta * np.clip((time - (TR - TRF) / 2) / TRF, 0, 1)
        return (-np.sin(angle) * start[0, 0] + np.cos(angle) * start[2, 0]) / N

    edges = [(TR - TRF) / 2, (TR + TRF) / 2]
    averages, _ = quad_vec(lambda time: height(time) ** np.array([1, 2]), 0, TR, points=edges, epsabs=1e-14)
    np.testing.assert_allclose(averages / TR, [mean, mean_sq], rtol=1e-10)


def rates_and_sources():
    """A and q of equation (13.3)."""
    m0f = 1 - m0s
    a = c2 * (R1f + Rex * m0s) + (1 - c2) * R2f
    A = sympy.Matrix([[-a, c * Rex * m0f], [c * Rex * m0s, -R1s - Rex * m0f]])
    return A, sympy.Matrix([c * m0f * R1f, m0s * R1s])


def test_length_moves_by_the_part_of_the_bloch_equations_along_the_axis():
    theta, r, zs = sympy.symbols("theta r zs")
    e = sympy.Matrix([sympy.sin(theta), 0, sympy.cos(theta)])
    rest = sympy.Matrix([0, 0, Rex * (1 - m0s) * zs + R1f * (1 - m0s)])
    along = e.dot(-sympy.diag(R2f, R2f, R1f + Rex * m0s) * e * r + rest)
    A, q = rates_and_sources()
    at_one_angle = {c: sympy.cos(theta), c2: sympy.cos(theta) ** 2}
    assert sympy.simplify(along - (A * sympy.Matrix([r, zs]) + q)[0].subs(at_one_angle)) == 0


def test_determinant_has_no_negative_term():
    m0f = 1 - m0s
    sum_of_terms = (R1s + Rex * m0f) * (c2 * R1f + (1 - c2) * R2f) + Rex * m0s * (c2 * R1s + (c2 - c**2) * Rex * m0f)
    assert sympy.expand(rates_and_sources()[0].det() - sum_of_terms) == 0


def test_the_next_band_turns_length_and_signal_round():
    assert is_zero(AXIS.subs(psi, psi + 2 * sympy.pi) - sympy.diag(1, 1, -1) * AXIS)  # so c -> -c, c2 -> c2
    A, q = rates_and_sources()
    mirror = sympy.diag(-1, 1)  # r -> -r
    assert (mirror * A * mirror - A.subs(c, -c)).expand() == sympy.zeros(2)
    assert (mirror * q - q.subs(c, -c)).expand() == sympy.zeros(2, 1)


def random_leg(parameter):
    """A, q and the state before a leg, smooth functions of a parameter."""
    A = [[-2 - 0.3 * parameter, 0.4 + parameter], [0.2 - 0.1 * parameter, -5 + 0.7 * parameter]]
    q, before = [0.3 + parameter**2, 0.8 - parameter], [0.6, -0.2 + parameter]
    return [mpmath.matrix(part) for part in (A, q, before)]


def after(parameter, duration=0.7):
    A, q, before = random_leg(parameter)
    end = mpmath.lu_solve(-A, q)
    return end + mpmath.expm(A * duration) * (before - end)


def test_tangents_of_a_leg():
    duration, at = 0.7, 0.4
    A, q, before = (np.array(part.tolist(), float) for part in random_leg(at))
    dA, dq, dbefore = np.array([[-0.3, 1], [-0.1, 0.7]]), np.array([[2 * at], [-1]]), np.array([[0], [1]])
    E, end = expm(A * duration), np.linalg.solve(-A, q)
    memory, _ = quad_vec(lambda u: expm(A * (duration - u)) @ dA @ expm(A * u) @ (before - end), 0, duration)
    tangent = E @ dbefore + memory + (np.eye(2) - E) @ np.linalg.solve(-A, dA @ end + dq)
    with mpmath.workdps(40):
        step = mpmath.mpf("1e-12")
        difference = (after(at + step) - after(at - step)) / (2 * step)
    np.testing.assert_allclose(tangent, np.array(difference.tolist(), float), atol=1e-12)


def test_crusher_keeps_its_projection_on_the_axis():
    theta, beta = sympy.symbols("theta beta")
    e = sympy.Matrix([sympy.sin(theta), 0, sympy.cos(theta)])
    # (7.2) between two halves of precession, which the conjugation of its transverse path undoes
    refocused = sympy.diag(sympy.sin(beta / 2) ** 2, -(sympy.sin(beta / 2) ** 2), sympy.cos(beta))
    left = about_z(psi / 2) * refocused * HALF_TURN * about_z(psi / 2) * e
    factor = sympy.cos(beta) * sympy.cos(theta) ** 2 - sympy.sin(beta / 2) ** 2 * sympy.sin(theta) ** 2
    assert sympy.simplify(e.dot(left) - factor) == 0
