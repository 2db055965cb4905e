"""Distributions at the ends of numbers: values are drawn right, or the distribution is refused."""

import mpmath
import numpy as np
import pytest
import spinbound as sb

SHARES = np.array([0.001, 0.1, 0.5, 0.9, 0.999])
NORMAL = {
    "as wide as a standard deviation": (0.1, 0.2, 0.0, 0.2),
    "a little wider than narrow": (0.1, 1.0, 0.3, 0.3 + 1.1e-5),
    "narrow": (0.1, 1.0, 0.3, 0.3 + 0.9e-5),
    "narrow in a far tail": (-1e3, 1.0, 0.3, 0.3 + 0.9e-5),
    "narrow in a farther tail": (1e9, 1.0, 0.3, 0.3 + 0.9e-5),
    "narrow about the mean": (0.3, 1e5, 0.0, 0.6),
    "flat": (0.3, 1e20, 0.0, 0.6),
    "flat beyond all numbers": (0.3, 1e308, 1e-300, 0.6),
    "half in a tail": (0.0, 1.0, 5.0, 6.0),
}


def share_below(x, mean, std, low, high):
    """The share of the distribution below x, with enough digits for a difference of 1e-308 standard deviations."""
    with mpmath.workdps(700):
        a, b, z = ((mpmath.mpf(float(edge)) - mean) / mpmath.mpf(std) for edge in (low, high, x))
        upper = [
            mpmath.erfc(-edge / mpmath.sqrt(2)) if b < 0 else -mpmath.erfc(edge / mpmath.sqrt(2)) for edge in (a, b, z)
        ]
        return float((upper[2] - upper[0]) / (upper[1] - upper[0]))


@pytest.mark.parametrize("case", NORMAL.values(), ids=NORMAL)
def test_a_truncated_normal_is_right_however_near_its_limits(case):
    _, _, low, high = case
    distribution = sb.TruncatedNormal(*case)
    found = distribution.quantile(SHARES)
    nearby = 2e-10 * (high - low)  # 1e-11 of the way; and where the way is 1e-5 of the limit, found has 11 digits of it
    below, above = ([share_below(x, *case) for x in np.clip(found + side, low, high)] for side in (-nearby, nearby))
    assert (np.array(below) <= SHARES * (1 + 1e-12)).all()
    assert (np.array(above) >= SHARES * (1 - 1e-12)).all()
    assert float(distribution.log_share(low, high)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("std", [1e20, 1e308])
def test_a_flat_normal_weighs_in_a_mixture_as_a_uniform_does(std):
    flat = sb.TruncatedNormal(0.3, std, 0.0, 0.6)
    assert float(flat.log_share(0.1, 0.25)) == pytest.approx(np.log(0.25), abs=1e-12)
    mixed = sb.Prior(m0s=sb.Mixture([(1, flat), (1, sb.Uniform(0, 0.6))])).sample(20_000)["m0s"]
    assert np.quantile(mixed, [0.1, 0.5, 0.9]) == pytest.approx([0.06, 0.3, 0.54], abs=0.02)


def test_a_log_uniform_spans_more_than_a_ratio_can_hold():
    wide = sb.LogUniform(1e-300, 1e300)
    assert np.log10(wide.quantile([0.25, 0.5, 0.75])) == pytest.approx([-150, 0, 150], abs=1e-9)
    assert float(wide.log_share(1.0, 1e300)) == pytest.approx(np.log(0.5), abs=1e-12)


def test_a_log_uniform_between_neighbours_reaches_all_of_them():
    low, high = 1e-5, 1e-5 * (1 + 64 * 2**-52)
    values = sb.LogUniform(low, high).quantile((np.arange(1000) + 0.5) / 1000)
    assert (np.diff(values) >= 0).all()
    assert np.unique(values).size > 32
    assert float(sb.LogUniform(low, high).log_share(low, high)) == 0
