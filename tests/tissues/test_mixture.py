"""Mixtures: their law between any limits, numbers or other parameters, and what is refused."""

import numpy as np
import pytest
import spinbound as sb
from scipy import stats

N = 20_000
EVEN = (np.arange(N) + 0.5) / N

# A mixture of three that overlap, and its cumulative function without limits.
PARTS = [(2, sb.TruncatedNormal(0.08, 0.03, low=0.02)), (1, sb.Uniform(0.05, 0.3)), (0.5, sb.LogUniform(0.01, 1))]
LAWS = [stats.truncnorm(-2, np.inf, 0.08, 0.03), stats.uniform(0.05, 0.25), stats.loguniform(0.01, 1)]


def cdf(x):
    return sum(weight * law.cdf(x) for (weight, _), law in zip(PARTS, LAWS, strict=True)) / 3.5


@pytest.mark.parametrize("limits", [(0.01, np.inf), (0.06, 0.2), (0.25, 0.9), (0.02, 0.04), (0.31, 0.32)])
def test_a_mixture_follows_its_law_between_any_limits(limits):
    # evenly spaced u: the count of each part is right to one, and so are the counts below any value within it
    values = np.sort(sb.Mixture(PARTS).between(EVEN, *limits))
    expected = (cdf(values) - cdf(limits[0])) / (cdf(limits[1]) - cdf(limits[0]))
    assert np.abs(expected - EVEN).max() <= 2 * len(PARTS) / N
    assert limits[0] <= values.min()
    assert values.max() <= limits[1]


def test_limits_that_are_other_parameters_hold_for_each_tissue():
    prior = sb.Prior(T2f=sb.Mixture(PARTS, low=0.03, high="T1a"), T1a=sb.Uniform(0.06, 0.5))
    tissue = prior.sample(N)
    share = (cdf(tissue["T2f"]) - cdf(0.03)) / (cdf(tissue["T1a"]) - cdf(0.03))
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    lower = sb.Prior(T2f=sb.Mixture(PARTS, low="T1s"), T1s=sb.Uniform(0.02, 0.2)).sample(N)
    assert stats.kstest((cdf(lower["T2f"]) - cdf(lower["T1s"])) / (1 - cdf(lower["T1s"])), "uniform").pvalue > 1e-3


def test_constants_are_a_share_of_the_tissues():
    mixture = sb.Mixture([(1, sb.Constant(0.1)), (3, sb.Uniform(0, 0.2))])
    assert (mixture.between(EVEN, 0, 0.2) == 0.1).mean() == pytest.approx(0.25, abs=1 / N)
    # half of the uniform part remains
    assert (mixture.truncated(0.1, None).between(EVEN, 0.1, 0.2) == 0.1).mean() == pytest.approx(0.4, abs=1 / N)
    assert (mixture.truncated(0.11, None).between(EVEN, 0.11, 0.2) > 0.11).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_are_right_far_from_all_parts(sign):
    # forty standard deviations away from both means, where no share is a number that a float can hold
    near, far = sb.TruncatedNormal(sign * 0.01, 1), sb.TruncatedNormal(0, 1)
    limits = sorted([sign * 40, sign * 42])
    odds = np.exp(stats.norm.logsf(40 - 0.01) - stats.norm.logsf(40))
    count = (EVEN < odds / (1 + odds)).sum()
    values = sb.Mixture([(1, near), (1, far)]).between(EVEN, *limits)
    assert np.isfinite(values).all()
    assert np.flatnonzero(np.diff(values) < 0).tolist() == [count - 1]  # where the second part begins


def test_a_mixture_of_one_part_is_that_part():
    values = sb.Mixture([(7, PARTS[0][1])]).between(EVEN, 0.03, 0.1)
    assert values == pytest.approx(PARTS[0][1].truncated(0.03, 0.1).quantile(EVEN), rel=1e-14)


def test_limits_are_those_of_the_outermost_parts():
    assert sb.Mixture(PARTS) == sb.Mixture(PARTS, 0.01, np.inf)
    assert (sb.Mixture(PARTS[1:]).low, sb.Mixture(PARTS[1:]).high) == (0.01, 1)
    narrow = sb.Mixture(PARTS, high=2).truncated(0.03, 0.5)
    assert (narrow.low, narrow.high) == (0.03, 0.5)
    assert sb.Prior(T2f=narrow).bounds == {"T2f": (0.03, 0.5)}
    named = sb.Prior(T1a=sb.Uniform(0.2, 3), T2f=sb.Mixture(PARTS, high="T1a")).truncated(T2f=(0.05, None))
    assert (named["T2f"].low, named["T2f"].high) == (0.05, "T1a")


def test_draws_do_not_leave_the_open_interval_of_a_stream():
    # the second part gets the least u that there is: its value would be infinite
    mixture = sb.Mixture([(1, sb.Constant(44)), (1, sb.TruncatedNormal(44, 20))])
    assert np.isfinite(mixture.between(np.array([0.5, 1 - 2.0**-53]), -np.inf, np.inf)).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sb.Mixture([]), "the mixture has no parts"),
        (lambda: sb.Mixture(3), "parts must be pairs \\(weight, distribution\\); given int"),
        (lambda: sb.Mixture([0.5]), "part 0 must be a pair \\(weight, distribution\\); given 0.5"),
        (lambda: sb.Mixture([(0, sb.Constant(1))]), "the weight of part 0 is 0; allowed: > 0"),
        (lambda: sb.Mixture([(np.nan, sb.Constant(1))]), "the weight of part 0 must be finite"),
        (lambda: sb.Mixture([(1, 0.5)]), "part 0 is a float; allowed: TruncatedNormal, Uniform, LogUniform, Constant"),
        (lambda: sb.Mixture([(1, sb.Mixture(PARTS))]), "part 0 is a Mixture; allowed"),
        (lambda: sb.Mixture([(1, sb.Uniform(0, "T1a"))]), "part 0 is limited by T1a; names may limit the whole"),
        (lambda: sb.Mixture(PARTS, low=0.5, high=0.4), "nothing of the mixture is between low = 0.5 and high = 0.4"),
        (lambda: sb.Mixture(PARTS, high=0.01), "nothing of the mixture is between"),
        (lambda: sb.Prior(m0s=sb.Mixture([(1, sb.Uniform(-1, 1))])), "m0s of the prior is limited by -1"),
        (
            lambda: sb.Prior(T1a=sb.Uniform(0.1, 3), T2f=sb.Mixture([(1, sb.Uniform(0.2, 1))], high="T1a")),
            "T2f: its limits 0.2 and T1a could cross; T1a is between 0.1 and 3",
        ),
        (
            lambda: sb.Prior(
                T1f=sb.Uniform(0.1, 3),
                T2f=sb.Mixture([(1, sb.Uniform(0.01, 0.02)), (1, sb.Constant(4))], low="T1s", high="T1f"),
                T1s=sb.Uniform(0.03, 0.05),
            ),
            "T2f: its limits T1s and T1f could leave nothing of its mixture, as between 0.05 and 0.1",
        ),
    ],
)
def test_a_mixture_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()
