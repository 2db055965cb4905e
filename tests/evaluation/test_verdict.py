"""Verdicts of report cards find the deviations that are there, and intervals cover what they say."""

from functools import partial

import numpy as np
import pytest
import spinbound as sb
from scipy import stats

from tests.support.evaluations import BOUND, CENTRE, NAMES, SEQ, SNR, N, changed, efficient, toy_set


def test_efficient_estimates_get_the_verdict(ideal):
    for name in NAMES:
        verdict = ideal.verdicts()[name][0]
        assert verdict.no_deviation
        assert verdict.within_margin
        assert str(verdict) == "yes: within 10 % of the bound, no deviation detectable"


@pytest.mark.parametrize(
    ("options", "found"),
    [({"gain": 0.8}, {"bias", "variance", "spread"}), ({"offset": 0.5}, {"bias"}), ({"gain": 1.1}, {"variance"})],
)
def test_what_deviates_is_named(options, found):
    report = sb.evaluate(partial(changed, **options), toy_set(), SNR, 100)
    verdict = report.verdicts()["m0s"][0]
    assert found <= set(verdict.detected)
    assert not verdict.within_margin
    assert str(verdict).startswith("no: deviations are detectable")


def test_a_shrinking_estimator_scores_below_one_and_gets_no_verdict():
    rng = np.random.default_rng(3)
    data = toy_set()
    near = {name: CENTRE[name] + rng.normal(0, 0.3 * np.sqrt(BOUND[name]) / SNR, N) for name in NAMES}
    signals = np.stack([near[name] / np.sqrt(BOUND[name]) for name in NAMES] + [np.zeros(N)], axis=1).astype(complex)
    data = sb.ReferenceSet(SEQ, sb.Tissue(**near), signals, crb=data.crb)
    report = sb.evaluate(partial(changed, gain=0.5), data, SNR)
    assert report.overall.loss[0] < 0.5
    assert not report.verdicts()["m0s"][0].within_margin


def test_too_small_and_too_large_variances_do_not_compensate():
    def uneven(data):  # half of the tissues at variance 0.6, half at 1.4
        found = efficient(data)
        gain = np.where(np.arange(len(data)) // 300 % 2, np.sqrt(0.6), np.sqrt(1.4))
        centre = {name: np.repeat(found[name].reshape(-1, 300).mean(axis=1), 300) for name in NAMES}
        return {name: centre[name] + gain * (found[name] - centre[name]) for name in NAMES}

    report = sb.evaluate(uneven, toy_set(), SNR, 300)
    assert report.overall.variance_part_corrected[0] == pytest.approx(1, abs=0.01)
    assert report.overall.spread[0] == pytest.approx(0.4, abs=0.02)
    verdict = report.verdicts()["m0s"][0]
    assert "spread" in verdict.detected
    assert not verdict.within_margin


def test_light_tails_do_not_hide_a_variance_beyond_the_margin():
    """Uniform estimates of 1.14 times the bound: their variances scatter less than those of normal ones."""

    def uniform(data, truth):
        z = {name: (values - truth[name]) * SNR / np.sqrt(BOUND[name]) for name, values in efficient(data).items()}
        flat = {name: np.sqrt(12 * 1.14) * (stats.norm.cdf(values) - 0.5) for name, values in z.items()}
        return {name: truth[name] + values * np.sqrt(BOUND[name]) / SNR for name, values in flat.items()}

    verdicts = sb.evaluate(uniform, toy_set(), SNR, 30).verdicts()
    # a mean over 400 tissues of 30 realisations: a standard error of 0.5 %
    limits = [levels[0].spread_limit for levels in verdicts.values()]
    assert limits == pytest.approx([0.15, 0.15], abs=0.02)
    assert not any(levels[0].within_margin for levels in verdicts.values())


def test_a_deviation_that_is_small_may_be_found_and_near_all_the_same():
    verdict = sb.evaluate(partial(changed, offset=0.1), toy_set(), SNR).verdicts()["m0s"][0]
    assert verdict.detected == ("bias",)
    assert str(verdict) == "yes: within 10 % of the bound, though deviations are detectable (bias)"


def test_few_data_leave_the_question_open():
    report = sb.evaluate(efficient, toy_set(12), SNR, 5)
    verdict = report.verdicts()["m0s"][0]
    assert verdict.no_deviation
    assert str(verdict) == "open: no deviation detectable, not shown to be within 10 % of the bound"
    fewer = sb.evaluate(efficient, toy_set(5), SNR, 300)
    assert np.isnan(fewer.overall.loss_interval[0]).sum() == 0  # 5 tissues of 2 parameters
    assert np.isnan(fewer.scores["m0s"].loss_interval[0]).all()
    assert not fewer.verdicts()["m0s"][0].within_margin


def test_the_verdict_errs_as_often_as_it_says():
    """At a level of 5 %, over 60 sets of efficient estimates: more than 9 errors have a probability of 1e-3."""
    errors = 0
    for seed in range(60):
        report = sb.evaluate(efficient, toy_set(20), SNR, 20, seed=seed)
        errors += any(not verdicts[0].no_deviation for verdicts in report.verdicts(level=0.05).values())
    assert errors <= stats.binom.isf(1e-3, 60, 0.05)


@pytest.mark.parametrize("option", ["margin", "level"])
@pytest.mark.parametrize("value", [0, 1, -0.1, np.nan])
def test_margins_and_levels_are_parts_of_one(ideal, option, value):
    with pytest.raises(sb.InvalidParameter, match=f"{option} (is|must be)"):
        ideal.verdicts(**{option: value})


def test_intervals_are_those_of_a_bootstrap_by_scipy():
    report = sb.evaluate(partial(changed, gain=0.8), toy_set(60), SNR, 50)
    losses = report.loss("m0s")[0]
    again = stats.bootstrap((losses,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    # quantiles of 1000 and 4000 resamples, each known to a few percent of the width
    assert report.scores["m0s"].loss_interval[0] == pytest.approx([*again], abs=0.12 * (again.high - again.low))


def test_intervals_cover_what_they_say():
    """Sets of 40 tissues drawn anew: 95 % intervals of the loss, known for a gain and an offset of all tissues."""
    gain = 0.7
    exact = gain**2 + (1 - gain) ** 2 * (0.2**2 / 12 + (0.15 - CENTRE["m0s"]) ** 2) * SNR**2 / BOUND["m0s"]
    inside = 0
    for seed in range(40):
        report = sb.evaluate(partial(changed, gain=gain), toy_set(40, seed=seed), SNR, 20, seed=seed)
        low, high = report.scores["m0s"].loss_interval[0]
        inside += low < exact < high
    assert inside >= stats.binom.ppf(1e-3, 40, 0.92)  # percentile intervals of 40 tissues fall a little short
