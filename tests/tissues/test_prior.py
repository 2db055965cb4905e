"""Priors: quantiles against scipy, tissues by their number, limits that are other parameters."""

import copy
import hashlib
import pickle

import numpy as np
import pytest
import spinbound as sb
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from spinbound.base.parameters import PARAMETERS

from tests.support.strategies import priors

U = np.linspace(0.001, 0.999, 201)
PAPER = sb.Prior.paper()
TWO_LIMITS = sb.Prior(T1a=sb.Uniform(0.5, 2), T2f=sb.Uniform(0.01, "T1a"))
INVERSION = sb.Sequence([np.pi, 1.0], [1e-4, 1e-4], 3.5e-3, gradient_moment="balanced")


# Distributions


@pytest.mark.parametrize(
    ("low", "high"), [(-np.inf, np.inf), (-1, 2), (0.5, np.inf), (6, 8), (-np.inf, -30), (50, 51), (-51, -50)]
)
def test_quantiles_of_a_truncated_normal_are_those_of_scipy(low, high):
    # two formulas of a few roundings each, of values up to 51
    expected = 0.3 + 2 * stats.truncnorm.ppf(U, low, high)
    quantile = sb.TruncatedNormal(0.3, 2, 0.3 + 2 * low, 0.3 + 2 * high).quantile(U)
    assert quantile == pytest.approx(expected, rel=1e-13, abs=1e-13)


def test_quantiles_of_the_uniform_ones_are_those_of_scipy():
    assert sb.Uniform(-3, 5).quantile(U) == pytest.approx(stats.uniform.ppf(U, -3, 8), rel=1e-13)
    assert sb.LogUniform(1e-3, 5).quantile(U) == pytest.approx(stats.loguniform.ppf(U, 1e-3, 5), rel=1e-13)
    assert sb.Constant(7).quantile(U).tolist() == [7] * U.size


@pytest.mark.parametrize(
    "distribution", [sb.TruncatedNormal(0.1, 0.7, -0.3, 1.1), sb.Uniform(0.1, 0.7), sb.LogUniform(0.1, 0.7)]
)
def test_no_quantile_is_beyond_the_limits(distribution):
    u = np.concatenate([[0, 1], np.nextafter([0, 1], [1, 0]), np.random.default_rng(0).random(1000)])
    values = distribution.quantile(u)
    assert values.min() >= distribution.low
    assert values.max() <= distribution.high
    assert [values[0], values[1]] == pytest.approx([distribution.low, distribution.high], rel=1e-15)


def test_narrower_limits_give_the_conditional_distribution():
    wide, narrow = sb.TruncatedNormal(1, 2, low=0), sb.TruncatedNormal(1, 2, low=0).truncated(0.5, 3)
    assert (narrow.low, narrow.high) == (0.5, 3)
    law = stats.truncnorm(-0.5, np.inf, 1, 2)
    inside = law.cdf(0.5) + U * (law.cdf(3) - law.cdf(0.5))
    assert narrow.quantile(U) == pytest.approx(wide.quantile(inside), rel=1e-12)  # cdf and back: some roundings more


# Samples


@given(
    prior=st.one_of(st.just(PAPER), priors()),
    first=st.integers(0, 2**40),
    n=st.integers(0, 40),
    cut=st.integers(0, 40),
    seed=st.integers(0, 2**70),
)
def test_a_tissue_is_the_same_in_any_chunk(prior, first, n, cut, seed):
    whole, cut = prior.sample(n, seed, first), min(cut, n)
    parts = [prior.sample(cut, seed, first), prior.sample(n - cut, seed, first + cut)]
    for name in prior.names:
        assert np.array_equal(np.concatenate([part[name] for part in parts]), whole[name])


def test_seeds_and_parameters_have_streams_of_their_own():
    prior = sb.Prior(m0s=sb.Uniform(0, 0.5), B1=sb.Uniform(0.5, 1))
    one, other = prior.sample(20_000), prior.sample(20_000, seed=1)
    pairs = [(one["m0s"], other["m0s"]), (one["m0s"], one["B1"]), (one["m0s"][1:], one["m0s"][:-1])]
    for x, y in pairs:
        assert abs(np.corrcoef(x, y)[0, 1]) < 5 / np.sqrt(20_000)  # five standard errors


def test_a_further_parameter_leaves_the_draws_of_the_others():
    alone = sb.Prior(m0s=PAPER["m0s"]).sample(50)
    assert np.array_equal(alone["m0s"], PAPER.sample(50)["m0s"])
    assert np.array_equal(PAPER.truncated(B1=(0.9, None)).sample(50)["T2f"], PAPER.sample(50)["T2f"])


def test_the_draws_of_a_seed_never_change():
    # the numbers of 53 bits that numpy makes of the same stream; ours have 52
    key = int.from_bytes(hashlib.sha256(b"5 omega0").digest()[:16], "little")
    expected = np.random.Generator(np.random.Philox(key=key)).random(9)[6:]
    uniforms = sb.Prior(omega0=sb.Uniform(0, 1)).sample(3, seed=5, first=6)["omega0"]
    assert uniforms.tolist() == pytest.approx(expected.tolist(), rel=0, abs=2**-53)
    assert uniforms[0] == 0.3465265322533061


def test_samples_follow_their_distributions():
    prior = sb.Prior(m0s=PAPER["m0s"], Rex=PAPER["Rex"], T2s=sb.LogUniform(5e-6, 20e-6), B1=PAPER["B1"])
    tissue = prior.sample(20_000)
    laws = {
        "m0s": stats.truncnorm(-1.5, 0.88 / 0.08, 0.12, 0.08),
        "Rex": stats.truncnorm(-2.2, np.inf, 44, 20),
        "T2s": stats.loguniform(5e-6, 20e-6),
        "B1": stats.truncnorm(-3, 3, 1, 0.3),
    }
    for name, law in laws.items():
        assert stats.kstest(tissue[name], law.cdf).pvalue > 1e-3


def test_the_tissues_of_the_paper_have_its_moments():
    tissue = PAPER.sample(100_000)
    law = stats.truncnorm((0.2 - 1.6) / 0.8, np.inf, 1.6, 0.8)
    # five standard errors of mean and standard deviation
    assert tissue["T1a"].mean() == pytest.approx(law.mean(), abs=5 * law.std() / np.sqrt(100_000))
    assert tissue["T1a"].std() == pytest.approx(law.std(), rel=5 / np.sqrt(100_000))
    assert np.abs(tissue["omega0"]).max() <= 2 * np.pi / 3.5e-3
    assert (tissue["R1f"] == tissue["R1s"]).all()
    assert set(PAPER.names) == {"m0s", "T1a", "T2f", "Rex", "T2s", "omega0", "B1"}


def test_every_tissue_of_the_paper_is_accepted():
    for name, values in PAPER.sample(100_000).as_dict().items():
        assert PARAMETERS[name].contains(values).all()


def test_a_parameter_may_limit_another():
    tissue = PAPER.sample(100_000)
    assert (tissue["T2f"] <= tissue["T1a"]).all()
    upper = TWO_LIMITS.sample(20_000)
    assert stats.kstest((upper["T2f"] - 0.01) / (upper["T1a"] - 0.01), "uniform").pvalue > 1e-3
    lower = sb.Prior(R2f=sb.Uniform("R1f", 100), R1f=sb.Uniform(0.5, 50)).sample(20_000)
    assert stats.kstest((lower["R2f"] - lower["R1f"]) / (100 - lower["R1f"]), "uniform").pvalue > 1e-3


def test_the_order_in_which_parameters_are_named_does_not_matter():
    turned = sb.Prior(**{name: PAPER[name] for name in reversed(PAPER.names)})
    assert turned.sample(20) == PAPER.sample(20)
    assert turned == PAPER
    assert turned.sha256 == PAPER.sha256


# Priors


def test_bounds_hold_limits_of_limits_and_ranges_of_parameters():
    assert TWO_LIMITS.bounds == {"T1a": (0.5, 2), "T2f": (0.01, 2)}
    bounds = sb.Prior(m0s=sb.TruncatedNormal(0.1, 1), T2s=sb.TruncatedNormal(1e-5, 1), T1a=PAPER["T1a"]).bounds
    assert bounds == {"m0s": (0, np.nextafter(1, 0)), "T2s": (2e-6, 50e-6), "T1a": (0.2, np.inf)}


def test_a_truncated_prior_changes_what_is_named():
    narrow = PAPER.truncated(B1=(None, 1.75), T2f=(0.01, None))
    assert narrow.bounds["B1"] == (0.1, 1.75)
    assert narrow.bounds["T2f"][0] == 0.01
    assert narrow["T2f"].high == "T1a"
    assert narrow.sample(20_000)["B1"].max() <= 1.75
    assert narrow != PAPER
    assert narrow.sha256 != PAPER.sha256


@pytest.mark.parametrize("prior", [PAPER, TWO_LIMITS])
def test_a_prior_survives_every_way_of_copying(prior):
    assert pickle.loads(pickle.dumps(prior)) == copy.deepcopy(prior) == prior
    namespace = {name: getattr(sb, name) for name in sb.__all__} | {"inf": np.inf}
    assert eval(repr(prior), namespace) == prior


def test_a_prior_keeps_within_what_a_sequence_takes():
    seq = sb.Sequence([2.5, 1.0], [20e-6, 20e-6], 3.5e-3, gradient_moment="balanced")
    wide = PAPER.truncated(B1=(0.5, None))
    narrow = wide.within(seq)
    assert narrow.bounds["B1"][0] == 0.5
    assert narrow.bounds["B1"][1] == pytest.approx(4.4 / 2.5, rel=1e-12)
    assert narrow.bounds["T2s"][1] == pytest.approx(10e-6, rel=1e-12)  # TRF is at least 2 T2s
    assert narrow.truncated() == narrow.within([seq, seq])
    assert np.isfinite(sb.simulate(seq, narrow.sample(2000))).all()
    assert not np.isfinite(sb.simulate(seq, wide.sample(2000))).all()
    assert wide.within(seq, "graham") == wide  # takes pulses of any length, and flip angles up to 50
    assert sb.Prior(m0s=PAPER["m0s"]).within(seq) == sb.Prior(m0s=PAPER["m0s"])
    slow = sb.Sequence([1.0], [20e-3], 30e-3, gradient_moment="balanced")
    assert PAPER.within(slow, "gbloch-ide").bounds["T2s"] == pytest.approx((10e-6, 20e-6), rel=1e-12)  # TRF/2000


# What is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # distributions
        (lambda: sb.TruncatedNormal(0, 0), "std is 0; allowed: std > 0"),
        (lambda: sb.TruncatedNormal(np.nan, 1), "mean must be finite"),
        (lambda: sb.TruncatedNormal(0, 1, 2, 2), "low is 2 and high 2; allowed: low < high"),
        (lambda: sb.TruncatedNormal(0, 1, low=np.nan), "low must be one number or the name of a parameter; given nan"),
        (lambda: sb.TruncatedNormal(0, 1, high="T1"), "high is 'T1' .*; allowed: M0"),
        (lambda: sb.Uniform(0, np.inf), "high is inf; allowed: a finite number or the name of a parameter"),
        (lambda: sb.LogUniform(0, 1), "low is 0; allowed: a positive finite number"),
        (lambda: sb.Constant([1, 2]), "value must be one number"),
        (lambda: sb.Uniform(0, 1).quantile(1.1), "u must be between 0 and 1"),
        (lambda: sb.Uniform(0, 1).quantile(np.nan), "u must be between 0 and 1"),
        (lambda: sb.Uniform(0, "T1a").quantile(0.5), "depends on another parameter"),
        (lambda: sb.Uniform(0, 1).truncated(2, None), "low is 2 and high 1"),
        (lambda: sb.Constant(3).truncated(None, 2), "the value is 3, not between -inf and 2"),
        # samples
        (lambda: PAPER.sample(-1), "n must be an integer"),
        (lambda: PAPER.sample(3, -1), "seed must be"),
        (lambda: PAPER.sample(3, 0, 0.5), "first must be"),
        # priors
        (lambda: sb.Prior(), "the prior is empty"),
        (lambda: sb.Prior(mos=sb.Constant(0.1)), r"'mos' \(did you mean 'm0s'\?\)"),
        (lambda: sb.Prior(R1a=sb.Constant(1), R1f=sb.Constant(1)), "the prior has R1a and R1f together"),
        (lambda: sb.Prior(m0s=0.1), "m0s must be a distribution; given float"),
        (lambda: sb.Prior(m0s=sb.Uniform(-0.1, 0.5)), "m0s of the prior is limited by -0.1; allowed: 0 <= m0s < 1"),
        (lambda: sb.Prior(T2s=sb.Constant(1)), "T2s of the prior is limited by 1; allowed"),
        (lambda: sb.Prior(T2f=sb.Uniform(0.1, "T1a")), "T2f is limited by T1a, which has no distribution"),
        (
            lambda: sb.Prior(T2f=sb.Uniform(0.1, "T1a"), T1a=sb.Uniform("T2f", 3)),
            "limits depend on each other in a circle",
        ),
        (lambda: sb.Prior(T1a=sb.Uniform(0.1, "T1a")), "circle: T1a < T1a"),
        (
            lambda: sb.Prior(T2f=sb.Uniform(0.1, "T1a"), T1a=sb.Uniform(0.05, 3)),
            "T2f: its limits 0.1 and T1a could cross; T1a is between 0.05 and 3",
        ),
        (lambda: sb.Prior.paper(TR=0), "TR"),
        (lambda: sb.Prior.paper(TR=-1), "TR"),
        (lambda: sb.Prior.paper(TR=np.nan), "TR"),
        # limits
        (lambda: PAPER.truncated(R1s=(1, 2)), "the prior has no R1s; it has: m0s"),
        (lambda: PAPER.truncated(b1=(1, 2)), "a parameter's name is 'b1'"),
        (lambda: PAPER.truncated(B1=1.2), r"B1 must be a pair \(low, high\); given 1.2"),
        (lambda: PAPER.truncated(B1=(2, None)), "B1: low is 2 and high 1.9"),
        (lambda: PAPER.truncated(B1=("low", None)), "B1: low must be real numbers"),
        (lambda: PAPER.truncated(T2f=(None, 0.5)), "T2f: high is T1a; allowed beside it: None"),
        # sequences
        (
            lambda: sb.Prior(B1=sb.Constant(1.5)).within(INVERSION),
            "no B1 of the prior is accepted: B1 is 1.5: pulse 0 has a flip",
        ),
        (lambda: PAPER.within(INVERSION, "gbloc"), "model is 'gbloc'"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(sb.InvalidParameter, match=message):
        make()


def test_a_prior_within_what_is_no_sequence_is_refused():
    with pytest.raises(sb.InvalidSequence, match="must be a spinbound.Sequence"):
        PAPER.within(None)
    short = sb.Sequence([1.0], [8e-6], 3.5e-3, gradient_moment="balanced")
    why = r"no T2s of the prior is accepted: T2s is 5e-06 s: pulse 0 of 8e-06 s is too short for gbloch"
    with pytest.raises(sb.InvalidParameter, match=why):
        PAPER.within(short)
    assert PAPER.within(short, "gbloch-ide") == PAPER
