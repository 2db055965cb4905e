"""Problems of J. J. Moré, B. S. Garbow, K. E. Hillstrom, ACM Trans. Math. Softw. 7, 17 (1981), with exact Jacobians.

PROBLEMS[name] is a function of x (n) that returns residuals (m) and their Jacobian (m, n), the standard start, and the
sums of squares at the known minima, limits at infinity included.
"""

import numpy as np
from numpy import exp, sqrt


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]]), np.array([[-20 * x[0], 10], [-1, 0]])


def freudenstein_roth(x):
    r = [-13 + x[0] + ((5 - x[1]) * x[1] - 2) * x[1], -29 + x[0] + ((x[1] + 1) * x[1] - 14) * x[1]]
    J = [[1, 10 * x[1] - 3 * x[1] ** 2 - 2], [1, 3 * x[1] ** 2 + 2 * x[1] - 14]]
    return np.array(r), np.array(J)


def powell_badly_scaled(x):
    r = [1e4 * x[0] * x[1] - 1, exp(-x[0]) + exp(-x[1]) - 1.0001]
    return np.array(r), np.array([[1e4 * x[1], 1e4 * x[0]], [-exp(-x[0]), -exp(-x[1])]])


def brown_badly_scaled(x):
    r = [x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2]
    return np.array(r), np.array([[1, 0], [0, 1], [x[1], x[0]]])


def beale(x):
    k = np.arange(1, 4)
    r = np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** k)
    return r, np.stack([x[1] ** k - 1, x[0] * k * x[1] ** (k - 1)], axis=1)


def jennrich_sampson(x):
    k = np.arange(1, 11)
    return 2 + 2 * k - exp(k * x[0]) - exp(k * x[1]), np.stack([-k * exp(k * x[0]), -k * exp(k * x[1])], axis=1)


def helical_valley(x):
    radius = np.hypot(x[0], x[1])
    turn = np.arctan(x[1] / x[0]) / (2 * np.pi) + (0.5 if x[0] < 0 else 0)
    by_angle = 50 / np.pi / radius**2
    J = [[by_angle * x[1], -by_angle * x[0], 10], [10 * x[0] / radius, 10 * x[1] / radius, 0], [0, 0, 1]]
    return np.array([10 * (x[2] - 10 * turn), 10 * (radius - 1), x[2]]), np.array(J)


def bard(x):
    y = np.array([14, 18, 22, 25, 29, 32, 35, 39, 37, 58, 73, 96, 134, 210, 439]) / 100
    u = np.arange(1.0, 16)
    v, w = 16 - u, np.minimum(u, 16 - u)
    below = v * x[1] + w * x[2]
    return y - x[0] - u / below, np.stack([-np.ones(15), u * v / below**2, u * w / below**2], axis=1)


def gaussian(x):
    half = np.array([9, 44, 175, 540, 1295, 2420, 3521]) / 1e4
    y = np.concatenate([half, [0.3989], half[::-1]])
    shift = (8 - np.arange(1, 16)) / 2 - x[2]
    bell = exp(-x[1] * shift**2 / 2)
    J = np.stack([bell, -x[0] * bell * shift**2 / 2, x[0] * bell * x[1] * shift], axis=1)
    return x[0] * bell - y, J


def powell_singular(x):
    r = [x[0] + 10 * x[1], sqrt(5) * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, sqrt(10) * (x[0] - x[3]) ** 2]
    third, fourth = 2 * (x[1] - 2 * x[2]), 2 * sqrt(10) * (x[0] - x[3])
    J = [[1, 10, 0, 0], [0, 0, sqrt(5), -sqrt(5)], [0, third, -2 * third, 0], [fourth, 0, 0, -fourth]]
    return np.array(r), np.array(J)


def wood(x):
    r = [10 * (x[1] - x[0] ** 2), 1 - x[0], sqrt(90) * (x[3] - x[2] ** 2), 1 - x[2]]
    r += [sqrt(10) * (x[1] + x[3] - 2), (x[1] - x[3]) / sqrt(10)]
    J = [[-20 * x[0], 10, 0, 0], [-1, 0, 0, 0], [0, 0, -2 * sqrt(90) * x[2], sqrt(90)], [0, 0, -1, 0]]
    J += [[0, sqrt(10), 0, sqrt(10)], [0, 1 / sqrt(10), 0, -1 / sqrt(10)]]
    return np.array(r), np.array(J)


def box(x):
    t = np.arange(1, 11) / 10
    r = exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (exp(-t) - exp(-10 * t))
    return r, np.stack([-t * exp(-t * x[0]), t * exp(-t * x[1]), exp(-10 * t) - exp(-t)], axis=1)


def brown_dennis(x):
    t = np.arange(1, 21) / 5
    first, second = x[0] + t * x[1] - exp(t), x[2] + x[3] * np.sin(t) - np.cos(t)
    J = np.stack([2 * first, 2 * first * t, 2 * second, 2 * second * np.sin(t)], axis=1)
    return first**2 + second**2, J


def brown_almost_linear(x):
    n = x.size
    J = np.eye(n) + 1
    J[-1] = [np.prod(np.delete(x, k)) for k in range(n)]
    return np.append(x[:-1] + np.sum(x) - (n + 1), np.prod(x) - 1), J


def chebyquad(x):
    """Means of shifted Chebyshev polynomials at x, less their integrals."""
    n = x.size
    T, slope = [np.ones(n), 2 * x - 1], [np.zeros(n), np.full(n, 2.0)]
    for _ in range(2, n + 1):
        slope.append(4 * T[-1] + 2 * (2 * x - 1) * slope[-1] - slope[-2])
        T.append(2 * (2 * x - 1) * T[-1] - T[-2])
    integral = np.array([-1 / (k * k - 1) if k % 2 == 0 else 0 for k in range(1, n + 1)])
    return np.mean(T[1:], axis=1) - integral, np.array(slope[1:]) / n


PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1], [0]),
    "freudenstein-roth": (freudenstein_roth, [0.5, -2], [0, 48.98425367923998]),
    "powell-badly-scaled": (powell_badly_scaled, [0, 1], [0]),
    "brown-badly-scaled": (brown_badly_scaled, [1, 1], [0]),
    "beale": (beale, [1, 1], [0]),
    "jennrich-sampson": (jennrich_sampson, [0.3, 0.4], [124.3621823556148, 259.5801907875]),
    "helical-valley": (helical_valley, [-1, 0, 0], [0]),
    "bard": (bard, [1, 1, 1], [8.214877306578963e-3, 17.42869333333333]),
    "gaussian": (gaussian, [0.4, 1, 0], [1.127932769618536e-8]),
    "box": (box, [0, 10, 20], [0, 0.07558873]),
    "powell-singular": (powell_singular, [3, -1, 0, 1], [0]),
    "wood": (wood, [-3, -1, -3, -1], [0]),
    "brown-dennis": (brown_dennis, [25, 5, -5, -1], [85822.20162635628]),
    "brown-almost-linear": (brown_almost_linear, [0.5] * 10, [0, 1]),
    "chebyquad": (chebyquad, [k / 9 for k in range(1, 9)], [3.516873725677e-3]),
}

# Multiples of the standard start from which MINPACK ends elsewhere, too, or has not ended after 2000 evaluations.
HOPELESS = [
    ("powell-badly-scaled", 10),
    ("powell-badly-scaled", 100),
    ("beale", 10),
    ("beale", 100),
    ("jennrich-sampson", 100),
    ("chebyquad", 10),
    ("chebyquad", 100),
]
