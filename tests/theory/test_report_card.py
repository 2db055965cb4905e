"""The mathematics of the theory, section 17.

Symbols and numbers are those of docs/theory; nothing here uses the code that applies them.
"""

from itertools import product

import pytest
import sympy as sp
from scipy import stats

b, sigma = sp.symbols("b sigma", positive=True)


def expectation(quantity, N):
    """Over N estimates b + sigma times +-1 or 0, which are not normal: three values of probability 1/6, 2/3, 1/6."""
    total = sp.Integer(0)
    outcomes = [(-sp.sqrt(3), sp.Rational(1, 6)), (sp.Integer(0), sp.Rational(2, 3)), (sp.sqrt(3), sp.Rational(1, 6))]
    for drawn in product(outcomes, repeat=N):
        errors = [b + sigma * value for value, _ in drawn]
        total += sp.prod([p for _, p in drawn]) * quantity(errors)
    return sp.expand(sp.simplify(total))


def beta(errors):
    return sum(errors) / sp.Integer(len(errors))


def v(errors):
    return sum((error - beta(errors)) ** 2 for error in errors) / sp.Integer(len(errors))


def s2(errors):
    return v(errors) * len(errors) / (len(errors) - 1)


@pytest.mark.parametrize("N", [2, 3, 4])
def test_the_mean_scatters_and_the_variance_lacks_it(N):
    assert sp.simplify(expectation(lambda e: beta(e) ** 2, N) - b**2 - sigma**2 / N) == 0
    assert sp.simplify(expectation(v, N) - sigma**2 * sp.Rational(N - 1, N)) == 0


@pytest.mark.parametrize("N", [2, 3, 4])
def test_corrected_parts_are_unbiased_and_add_up(N):
    assert sp.simplify(expectation(lambda e: beta(e) ** 2 - s2(e) / N, N) - b**2) == 0
    assert sp.simplify(expectation(s2, N) - sigma**2) == 0
    errors = sp.symbols(f"e:{N}")
    loss = sum(error**2 for error in errors) / sp.Integer(N)
    assert sp.expand(beta(errors) ** 2 - s2(errors) / N + s2(errors) - loss) == 0


def test_the_spread_of_normal_estimates():
    k, x = sp.symbols("k x", positive=True)
    density = x ** (k / 2 - 1) * sp.exp(-x / 2) / (2 ** (k / 2) * sp.gamma(k / 2))
    first, second = (sp.simplify(sp.integrate(x**power * density, (x, 0, sp.oo))) for power in (1, 2))
    N = k + 1
    V, V2 = sigma**2 * first / (N - 1), sigma**4 * second / (N - 1) ** 2
    D = (N - 1) / (N + 1) * V2 - 2 * V + 1
    assert sp.simplify(D - (sigma**2 - 1) ** 2) == 0


@pytest.mark.parametrize("degrees", [1, 9, 299])
def test_scores_keep_their_probability(degrees):
    """A square of a normal number that is as probable as t, or as q, on both sides."""
    for p in (0.9, 0.3, 1e-3, 1e-9):
        t = stats.t.isf(p / 2, degrees)
        assert stats.f.sf(t**2, 1, degrees) == pytest.approx(p, rel=1e-6)
        z = stats.norm.isf(p / 2)
        assert stats.chi2.isf(p, 1) == pytest.approx(z**2, rel=1e-6)
