"""Estimates from noisy data have the mean, the variance and the standard errors that theory gives them.

Each interval is one that a right fit leaves with a probability of 1e-3, over all unknowns of a test; the seeds of the
noise are fixed. Bounds and bias come from studies/measure_fit.py, which measures the same with the published train.
"""

import importlib
import sys

import numpy as np
import pytest
import spinbound as sb
from scipy import stats

from tests.support.paths import ROOT

N = 2000
DOUBT = 1e-3
SEQ = sb.sequences.load("hybrid-mt-4s")


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "studies"))
    try:
        yield importlib.import_module("measure_fit")
    finally:
        sys.path.pop(0)
        del sys.modules["measure_fit"]


@pytest.fixture(scope="module")
def basis(script):
    tissues = sb.Prior.paper(SEQ.TR).truncated(B1=(0.5, 1.2)).sample(500)
    return sb.Basis.from_svd(sb.simulate(SEQ, tissues), rank=script.RANK, seq=SEQ)


@pytest.fixture(scope="module", params=["R1a", "R1f and R1s"])
def found(request, script, basis):
    """Of fits with small noise."""
    unknowns = script.UNKNOWNS[request.param]
    return script.statistics(SEQ, basis, script.tissues_of_box(unknowns)[0], unknowns, N, seed=1)


def largest_z(n_tests):
    return stats.norm.isf(DOUBT / 2 / n_tests)


def test_the_variance_is_the_bound(found):
    tail = DOUBT / 2 / found["ratio"].size
    low, high = stats.chi2.ppf([tail, 1 - tail], N - 1) / (N - 1)
    assert found["ratio"].min() > low
    assert found["ratio"].max() < high


def test_the_residual_tells_the_noise(found):
    # Divided by 2 n instead of 2 n - P', sigma^2 would be too small by more than a third: dozens of standard errors.
    assert abs(found["noise"]) < largest_z(1)


def test_intervals_cover_what_they_say(found):
    normal = 1 - 2 * stats.norm.sf([1, 2])
    for shares, expected in ((found["known"], normal), (found["estimated"], found["student"])):
        # The unknowns are correlated: no better than those of one.
        error = np.sqrt(expected * (1 - expected) / N)
        assert np.all(np.abs(shares - expected) < largest_z(2) * error)


@pytest.mark.parametrize("domain", ["basis", "time"])
def test_the_mean_is_the_truth_and_the_bias_of_second_order(script, basis, domain):
    unknowns, used = script.APPARENT, basis if domain == "basis" else None
    tissue = script.tissues_of_box(unknowns)[0]
    C, bias = script.bound_and_bias(SEQ, used, tissue, unknowns)
    theta = script.values(tissue, unknowns)
    sigma, n = script.small_noise(C, theta), 500
    data = script.noisy(SEQ, used, tissue, sigma, n, seed=2)
    # The same noise with the other sign: what is linear in it, most of the variance, cancels from the mean of the two.
    mirrored = 2 * sb.simulate(SEQ, tissue, basis=used) - data
    one, other = (script.fitted(noisy, SEQ, used, tissue, unknowns).estimates for noisy in (data, mirrored))
    second = (script.values(one, unknowns) + script.values(other, unknowns)) / 2 - theta[:, None]
    error = second.std(axis=1, ddof=1) / np.sqrt(n)
    limit = largest_z(theta.size)
    assert np.max(np.abs(second.mean(axis=1) - sigma**2 * bias) / error) < limit
    assert np.max(np.abs(second.mean(axis=1)) / error) > 2 * limit  # there is a bias to be seen
