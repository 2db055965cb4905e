"""Coefficients of cpp/kernel/lanes_math.hpp: near-minimax polynomials by Chebyshev interpolation in 50 digits.

Prints the coefficients and the largest relative error of each reduced function on its interval.
"""

import mpmath as mp

mp.mp.dps = 50


def interpolate(f, low, high, degree):
    """Monomial coefficients, lowest first, of the polynomial through f at the Chebyshev nodes of [low, high]."""
    n = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (k + mp.mpf(1) / 2) / n) for k in range(n)]
    vandermonde = mp.matrix(n, n)
    for i, x in enumerate(nodes):
        for j in range(n):
            vandermonde[i, j] = x**j
    return list(mp.lu_solve(vandermonde, mp.matrix([f(x) for x in nodes])))


def exp_tail(r):
    """(exp(r) - 1 - r) / r^2."""
    return mp.nsum(lambda k: r**k / mp.factorial(k + 2), [0, 40])


def sin_tail(u):
    """(sin(x) - x) / x^3 with u = x^2."""
    return mp.nsum(lambda k: -((-u) ** k) / mp.factorial(2 * k + 3), [0, 30])


def cos_tail(u):
    """(cos(x) - 1 + x^2/2) / x^4 with u = x^2."""
    return mp.nsum(lambda k: (-u) ** k / mp.factorial(2 * k + 4), [0, 30])


def report(name, coefficients, whole, exact, points):
    """Print the coefficients and the error of the whole function, relative to its value."""
    rounded = [mp.mpf(float(c)) for c in coefficients]
    error = max(abs(whole(rounded, x) / exact(x) - 1) for x in points)
    print(f"{name}: relative error {mp.nstr(error, 3)}")
    print("    " + ", ".join(f"{float(c):.17g}" for c in coefficients))


def main():
    """Print all three tables."""
    half_ln2, quarter_pi = mp.log(2) / 2, mp.pi / 4
    points = [mp.mpf(k) / 97 for k in range(1, 98)]

    def horner(c, x):
        return mp.polyval(c[::-1], x)

    report(
        "exp_tail",
        interpolate(exp_tail, -half_ln2, half_ln2, 9),
        lambda c, r: 1 + r + r * r * horner(c, r),
        mp.exp,
        [s * half_ln2 * x for x in points for s in (-1, 1)],
    )
    report(
        "sin_tail",
        interpolate(sin_tail, mp.mpf(0), quarter_pi**2, 5),
        lambda c, x: x + x**3 * horner(c, x * x),
        mp.sin,
        [quarter_pi * x for x in points],
    )
    report(
        "cos_tail",
        interpolate(cos_tail, mp.mpf(0), quarter_pi**2, 5),
        lambda c, x: 1 - x * x / 2 + x**4 * horner(c, x * x),
        mp.cos,
        [quarter_pi * x for x in points],
    )


if __name__ == "__main__":
    main()
