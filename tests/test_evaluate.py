"""Report cards of estimators whose bias and variance are known say what they are.

The toy data are the parameters themselves, in units of the root of their bounds: the real part of a sample is an
efficient unbiased estimate.
"""

import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import spinbound as sb
from scipy import stats
from spinbound import _evaluation_chunks, cluster
from spinbound.cluster import part

from .trains import smooth_train

N, SNR = 400, 50
SEQ = smooth_train(3)
NAMES = ("m0s", "T2f")
BOUND = {"m0s": 4.0, "T2f": 0.25}  # for sigma = 1
CENTRE = {"m0s": 0.15, "T2f": 0.1}
ROOT = Path(__file__).parents[1]


def toy_set(n=N, shape=None, seed=7, **infinite):
    """Tissues whose samples are parameters over the root of the bound, then one that is 0."""
    rng = np.random.default_rng(seed)
    truth = {"m0s": rng.uniform(0.05, 0.25, n), "T2f": rng.uniform(0.05, 0.15, n)}
    samples = [truth[name] / np.sqrt(BOUND[name]) for name in NAMES] + [np.zeros(n)]
    crb = {name: np.full(n, BOUND[name]) for name in NAMES}
    for name, rows in infinite.items():
        crb[name][rows] = np.inf
    signals = np.stack(samples, axis=1).astype(complex)
    return sb.TestSet(SEQ, None, sb.Tissue(**truth), signals, crb, NAMES, shape or (n,))


def efficient(data):
    return {name: data[:, k].real * np.sqrt(BOUND[name]) for k, name in enumerate(NAMES)}


def changed(data, gain=1.0, offset=0.0):
    """The efficient estimate shrunk towards the centre, or moved by some of its standard deviations."""
    found = efficient(data)
    sigma = {name: np.sqrt(BOUND[name]) / SNR for name in NAMES}
    return {name: CENTRE[name] + gain * (found[name] - CENTRE[name]) + offset * sigma[name] for name in NAMES}


def bits(report):
    return {name: values.tobytes() for name, values in report.as_arrays().items()}


@pytest.fixture(scope="module")
def ideal():
    return sb.evaluate(efficient, toy_set(), SNR)


# What is measured


def test_an_efficient_unbiased_estimator_has_a_loss_of_one(ideal):
    # N_estimates squared standard normal numbers: the interval that their mean leaves with a probability of 1e-4
    count = 2 * N * 300
    low, high = stats.chi2.ppf([5e-5, 1 - 5e-5], count) / count
    assert low < ideal.overall.loss[0] < high
    assert ideal.overall.loss_interval[0][0] < ideal.overall.loss[0] < ideal.overall.loss_interval[0][1]
    assert ideal.overall.n_tissues == 2 * N


def test_a_known_gain_and_offset_are_returned():
    data, gain, offset = toy_set(), 0.8, 0.5
    report = sb.evaluate(partial(changed, gain=gain, offset=offset), data, SNR, realizations=1000)
    for name in NAMES:
        sigma = np.sqrt(BOUND[name]) / SNR
        bias = (1 - gain) * (CENTRE[name] - data.tissue[name]) + offset * sigma
        # the mean of 1000 estimates; 4.5 standard errors are left with 7e-6, 400 tissues
        assert np.abs(report.bias[name][0] - bias).max() < 4.5 * gain * sigma / np.sqrt(1000)
        low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], 999) / 1000
        ratio = report.variance[name][0] / (gain * sigma) ** 2
        assert low < ratio.min() < ratio.max() < high
        exact = np.mean(bias**2) / sigma**2
        assert report.scores[name].bias_part_corrected[0] == pytest.approx(exact, rel=0.02)
        # sum over 400 tissues of chi^2 with 999 degrees: a standard error of sqrt(2/399600)
        assert report.scores[name].variance_part_corrected[0] == pytest.approx(gain**2, rel=0.01)
        assert report.mse(name).total[0] == pytest.approx(np.mean(bias**2) + (gain * sigma) ** 2, rel=0.02)


def test_parts_add_up_corrected_or_not(ideal):
    for score in [*ideal.scores.values(), ideal.overall]:
        assert score.loss == pytest.approx(score.bias_part + score.variance_part, rel=1e-12)
        assert score.loss == pytest.approx(score.bias_part_corrected + score.variance_part_corrected, rel=1e-12)
        # of 300 estimates the mean scatters by 1/300; 800 tissues tell it to 5 %
        assert score.bias_part[0] == pytest.approx(1 / 300, rel=0.2)
        assert abs(score.bias_part_corrected[0]) < 0.2 / 300


def test_eqs_2_to_5_on_estimates_by_hand():
    """Two tissues, three realisations, every number of the paper's formulas spelt out."""
    kept = []

    def keeping(data):
        kept.append(efficient(data))
        return kept[-1]

    data = toy_set(2)
    report = sb.evaluate(keeping, data, [SNR], realizations=3)
    losses = []
    for name in NAMES:
        estimates = np.concatenate([answer[name] for answer in kept]).reshape(2, 3)
        truth, crb = data.tissue[name], BOUND[name] / SNR**2
        bias = estimates.mean(axis=1) - truth
        variance = ((estimates - estimates.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) / 3
        assert report.bias[name][0] == pytest.approx(bias, rel=1e-9)
        assert report.variance[name][0] == pytest.approx(variance, rel=1e-9)
        assert report.loss(name)[0] == pytest.approx(((estimates - truth[:, None]) ** 2).mean(axis=1) / crb, rel=1e-9)
        losses.append(bias**2 / crb + variance / crb)
    assert report.overall.loss[0] == pytest.approx(np.mean(losses), rel=1e-9)


def test_the_predictor_of_the_mean_has_the_loss_that_is_foretold():
    data = toy_set()
    means = {name: data.tissue[name].mean() for name in NAMES}
    report = sb.evaluate(lambda s: {name: np.full(len(s), mean) for name, mean in means.items()}, data, SNR, 2)
    assert report.overall.constant_loss == pytest.approx(report.overall.loss, rel=1e-9)
    assert report.overall.variance_part == pytest.approx(0, abs=1e-12)


def test_bounds_and_noise_follow_the_snr():
    report = sb.evaluate(efficient, toy_set(), [10, 100], realizations=20)
    assert report.bound("m0s")[:, 0] == pytest.approx([4e-2, 4e-4])
    assert report.variance["m0s"].mean(axis=1) == pytest.approx([4e-2 * 0.95, 4e-4 * 0.95], rel=0.1)
    assert report.overall.loss == pytest.approx([1, 1], abs=0.1)


def test_maps_keep_the_shape_of_the_grid():
    report = sb.evaluate(efficient, toy_set(12, shape=(3, 4)), [10, 50], realizations=5)
    assert report.bias["T2f"].shape == report.std_ratio("T2f").shape == report.bound("T2f").shape == (2, 3, 4)
    assert report.truth["m0s"].shape == report.grid_shape == (3, 4)


def test_a_random_phase_turns_the_data():
    seen = []

    def keeping(data):
        seen.append(data)
        return efficient(data)

    data = toy_set(3)
    sb.evaluate(keeping, data, 1e6, realizations=2000, phase="random")
    angles = np.angle(np.concatenate(seen)[:, 0]) / (2 * np.pi) + 0.5
    assert stats.kstest(angles, "uniform").pvalue > 1e-3
    assert np.abs(np.concatenate(seen)[:, 0]) == pytest.approx(np.repeat(data.signals[:, 0].real, 2000), rel=1e-3)


def test_noise_has_the_same_variance_in_both_channels():
    seen = []

    def keeping(data):
        seen.append(data[:, 2])
        return efficient(data)

    sb.evaluate(keeping, toy_set(2), 20, realizations=5000)
    noise = np.concatenate(seen)
    # 10,000 numbers: 4 standard errors of the variance are 6 %
    assert np.var(noise.real) * 400 == pytest.approx(1, abs=0.06)
    assert np.var(noise.imag) * 400 == pytest.approx(1, abs=0.06)
    assert abs(np.mean(noise.real * noise.imag)) * 400 < 0.04


def _turned(error, turn):
    return (error + turn / 2) % turn - turn / 2


def test_omega0_counts_modulo_a_turn_per_repetition():
    turn = 2 * np.pi / SEQ.TR
    omega0 = np.array([0.49 * turn, -0.9 * turn, 1.3 * turn])
    tissue = sb.Tissue(omega0=omega0)
    data = sb.TestSet(SEQ, None, tissue, np.ones((3, 2), complex), {"omega0": np.ones(3)}, ("omega0",), (3,))
    report = sb.evaluate(lambda _, truth: {"omega0": truth["omega0"] + 2 * turn - 3.0}, data, 1, realizations=4)
    assert report.bias["omega0"][0] == pytest.approx(-3.0)
    assert report.scores["omega0"].constant_loss == pytest.approx(np.mean(_turned(omega0.mean() - omega0, turn) ** 2))
    unequal = SEQ.replace(TR=np.array([3.5e-3, 4e-3, 5e-3]))
    free = sb.TestSet(unequal, None, tissue, data.signals, data.crb, data.wrt, (3,))
    report = sb.evaluate(lambda _, truth: {"omega0": truth["omega0"] + 2 * turn}, free, 1, realizations=4)
    assert report.bias["omega0"][0] == pytest.approx(2 * turn)


# What does not count


def test_tissues_without_a_bound_are_left_out_of_the_parts_and_counted():
    report = sb.evaluate(efficient, toy_set(m0s=slice(0, 100)), SNR, realizations=50)
    score = report.scores["m0s"]
    assert (score.n_unbounded[0], score.n_tissues[0], report.overall.n_tissues[0]) == (100, N - 100, 2 * N - 100)
    assert np.isnan(report.std_ratio("m0s")[0, :100]).all()
    assert np.isfinite(report.std_ratio("m0s")[0, 100:]).all()
    assert report.verdicts()["m0s"][0].no_deviation
    assert report.overall.loss[0] == pytest.approx(1, abs=0.05)


def test_estimates_that_are_not_finite_are_counted_and_leave_no_verdict():
    def failing(data):
        found = efficient(data)
        found["T2f"][data[:, 2].real > 0.02] = np.nan  # one standard deviation of a sample that is noise
        return found

    report = sb.evaluate(failing, toy_set(), SNR)
    score, missing = report.scores["T2f"], N * 300 - report.n_finite["T2f"].sum()
    assert score.n_not_finite[0] == missing
    assert missing / (N * 300) == pytest.approx(stats.norm.sf(1), rel=0.03)
    assert report.scores["m0s"].n_not_finite == 0
    assert score.loss[0] == pytest.approx(1, abs=0.05)  # the others are as good as ever
    verdict = report.verdicts()["T2f"][0]
    assert not verdict.no_deviation
    assert not verdict.within_margin
    assert str(verdict) == f"no: {missing:,} estimates are not finite"


def test_a_tissue_without_two_estimates_has_failed():
    def rare(data):
        return {"m0s": np.where(np.arange(len(data)) % 10 == 0, 0.1, np.inf), "T2f": np.full(len(data), np.nan)}

    report = sb.evaluate(rare, toy_set(5), SNR, realizations=10)
    assert (report.n_finite["m0s"] == 1).all()
    assert report.scores["m0s"].n_failed == 5
    assert np.isnan(report.overall.loss[0])
    assert "-" in report.table()


def test_without_any_bound_the_question_stays_open():
    report = sb.evaluate(efficient, toy_set(12, m0s=slice(None)), SNR, 5)
    verdict = report.verdicts()["m0s"][0]
    assert not verdict.no_deviation
    assert str(verdict) == "open: there is no tissue to judge by, not shown to be within 10 % of the bound"


def test_tissues_that_could_not_be_simulated_are_not_asked_for():
    data = toy_set(6)
    data.signals[2] = np.nan
    report = sb.evaluate(efficient, data, SNR, realizations=5)
    assert (report.n_finite["m0s"][0] == [5, 5, -1, 5, 5, 5]).all()
    assert np.isnan(report.bias["m0s"][0, 2])
    assert report.overall.n_tissues == 10


# The verdict


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
    data = sb.TestSet(SEQ, None, sb.Tissue(**near), signals, data.crb, NAMES, (N,))
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


# The same bits


def test_chunks_change_no_bit(ideal, monkeypatch):
    for rows, memory in ((300, 1 << 26), (7, 1 << 26), (1 << 14, 16 * 3 * 1000)):
        monkeypatch.setattr(_evaluation_chunks, "ROWS", rows)
        monkeypatch.setattr(_evaluation_chunks, "BYTES", memory)
        assert bits(sb.evaluate(efficient, toy_set(), SNR)) == bits(ideal)


def test_the_estimator_never_gets_more_than_it_should(monkeypatch):
    sizes = []

    def counting(data):
        sizes.append(len(data))
        return efficient(data)

    monkeypatch.setattr(_evaluation_chunks, "ROWS", 100)
    sb.evaluate(counting, toy_set(5), SNR, 30)
    sb.evaluate(counting, toy_set(2), SNR, 250)
    assert sizes == [90, 60, 100, 100, 50, 100, 100, 50]


def test_the_noise_of_a_tissue_depends_on_its_number_seed_and_snr_alone(ideal):
    data = toy_set()
    together = sb.evaluate(efficient, data, [10, SNR])
    assert np.array_equal(together.bias["m0s"][1], ideal.bias["m0s"][0])
    first = sb.evaluate(efficient, data[:50], SNR)
    assert np.array_equal(first.bias["m0s"][0], ideal.bias["m0s"][0, :50])
    other = sb.evaluate(efficient, data[:50], SNR, seed=1)
    correlation = np.corrcoef(first.bias["m0s"][0], other.bias["m0s"][0])[0, 1]
    assert abs(correlation) < 0.6  # of 50 independent numbers: four standard errors
    levels = np.corrcoef(together.bias["m0s"][0], together.bias["m0s"][1])[0, 1]
    assert abs(levels) < 0.2  # of 400


def test_a_store_gives_the_same_bits_as_the_set_in_memory(tmp_path):
    pytest.importorskip("zarr")
    seq, prior, wrt = smooth_train(40), sb.Prior(m0s=sb.Uniform(0.05, 0.3), R2f=sb.Uniform(8, 50)), ("M0", "m0s", "R2f")
    store = sb.build_dictionary(seq, prior, 20, tmp_path / "a.zarr", wrt=wrt, chunk=8)
    loud = sb.build_dictionary(seq, prior, 20, tmp_path / "b.zarr", wrt=wrt, sigma=2.0)
    data = sb.test_set(seq, prior, 20, wrt=wrt)

    def guess(signals):
        return {"m0s": np.abs(signals[:, 3]), "R2f": 10 + signals[:, 5].real}

    report = sb.evaluate(guess, data, SNR, 10)
    assert bits(sb.evaluate(guess, store, SNR, 10)) == bits(report)
    again = sb.evaluate(guess, loud, SNR, 10)
    assert again.overall.loss == pytest.approx(report.overall.loss, rel=1e-6)


# Estimators


def tissue_of(data):
    found = efficient(data)
    return sb.Tissue(m0s=found["m0s"], R2f=1 / found["T2f"], Rex=[30])


class Network:
    names = ("T2f",)

    def estimate(self, data, mask=None, *, threads=None):
        self.threads = threads
        return SimpleNamespace(estimates=tissue_of(data))


def test_estimators_of_every_kind_are_taken():
    data = toy_set(20)
    expected = sb.evaluate(efficient, data, SNR, 5).bias
    for name, bias in sb.evaluate(tissue_of, data, SNR, 5).bias.items():
        assert bias == pytest.approx(expected[name], rel=1e-9)
    network = Network()
    report = sb.evaluate(network, data, SNR, 5, threads=2)
    assert (report.names, network.threads) == (("T2f",), 2)
    assert report.bias["T2f"] == pytest.approx(expected["T2f"], rel=1e-9)
    with pytest.raises(sb.InvalidParameter, match="names has m0s, which the estimator does not give: T2f"):
        sb.evaluate(network, data, SNR, 5, names=("T2f", "m0s"))


class MadeFor(Network):
    def check(self, seq=None, basis=None):
        if seq.sha256 != SEQ.sha256:
            raise sb.InvalidData("made for another sequence")


@pytest.mark.parametrize(
    "form", [lambda net: net, lambda net: net.estimate, lambda net: partial(net.estimate, mask=None)]
)
def test_an_estimator_that_knows_what_it_was_made_for_refuses_other_data(form):
    data, estimator = toy_set(4), form(MadeFor())
    other = sb.TestSet(smooth_train(4), None, data.tissue, data.signals, data.crb, NAMES, (4,))
    assert sb.evaluate(estimator, data, SNR, 5, names="T2f").names == ("T2f",)
    with pytest.raises(sb.InvalidData, match="made for another sequence"):
        sb.evaluate(estimator, other, SNR, 5, names="T2f")


def test_what_a_partial_has_settled_stays():
    network = Network()
    sb.evaluate(partial(network.estimate, threads=1), toy_set(4), SNR, 5, names="T2f", threads=2)
    assert network.threads == 1


def test_the_truth_is_told_to_who_asks():
    data, seen = toy_set(4), []

    def knowing(signals, truth):
        seen.append(truth.shape)
        return {"m0s": truth["m0s"], "T2f": truth["T2f"] + 1}

    report = sb.evaluate(knowing, data, SNR, 6)
    assert seen == [(24,)]
    assert (report.bias["m0s"] == 0).all()
    assert report.bias["T2f"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (lambda data: {"m0s": data[:, 0].real}, "the estimator gives m0s, but not T2f; names= says what is judged"),
        (lambda data: {"m0s": data[:, 0], "T2f": data[:, 1]}, "gives m0s of type complex128; allowed: real numbers"),
        (lambda data: {"m0s": np.ones(3), "T2f": np.ones(3)}, r"gives m0s of shape \(3,\); allowed: \(20,\)"),
        (lambda data: np.ones((len(data), 2)), "must give a mapping of names to arrays.*; given ndarray"),
        (lambda data: None, "given NoneType"),
    ],
)
def test_answers_of_another_form_are_refused(estimator, message):
    with pytest.raises(sb.InvalidData, match=message):
        sb.evaluate(estimator, toy_set(4), SNR, 5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"estimator": 3}, sb.InvalidParameter, "estimator must be a callable, or have a method estimate; given int"),
        ({"dataset": [1]}, sb.InvalidData, "dataset must be a spinbound.TestSet or DictionaryStore; given list"),
        ({"snr": 0}, sb.InvalidParameter, "snr is 0; allowed: one number or a list of them, > 0, finite"),
        ({"snr": []}, sb.InvalidParameter, "snr is "),
        ({"snr": [50, 50]}, sb.InvalidParameter, "snr names a level twice"),
        ({"realizations": 1}, sb.InvalidParameter, "realizations must be an integer of at least 2"),
        ({"names": "M0"}, sb.InvalidParameter, "names has M0, which is not judged; allowed: m0s, T2f"),
        ({"names": "B1"}, sb.InvalidParameter, "names has B1, whose bound the test set does not have"),
        ({"names": "T2g"}, sb.InvalidParameter, "a name in names is 'T2g'"),
        ({"phase": "none"}, sb.InvalidParameter, "phase is 'none'; allowed: fixed, random"),
        ({"seed": -1}, sb.InvalidParameter, "seed must be an integer of at least 0"),
        ({"threads": -1}, sb.InvalidParameter, "threads must be"),
        ({"progress": "yes"}, sb.InvalidParameter, "progress must be"),
        ({"runner": part(1, 2)}, sb.InvalidParameter, "a runner needs resume="),
    ],
)
def test_arguments_that_make_no_sense_are_named(changes, error, message):
    arguments = {"estimator": efficient, "dataset": toy_set(3), "snr": SNR, "realizations": 2} | changes
    with pytest.raises(error, match=message):
        sb.evaluate(**arguments)


def test_a_set_without_a_valid_tissue_is_refused():
    data = toy_set(2)
    data.signals[:] = np.nan
    with pytest.raises(sb.InvalidData, match="dataset has no tissue that could be simulated"):
        sb.evaluate(efficient, data, SNR)


def test_what_an_estimator_raises_arrives():
    def broken(data):
        raise RuntimeError("of its own")

    with pytest.raises(RuntimeError, match="of its own"):
        sb.evaluate(broken, toy_set(2), SNR)


# Text and files


def test_the_table_says_it_in_words(ideal):
    text = str(ideal)
    assert text.startswith("300 realisations of 400 tissues; ")
    assert "ideal: loss 1, bias part 0\n\nSNR 50 " in text
    assert "T2f: yes: within 10 % of the bound, no deviation detectable" in text
    assert repr(ideal) == "Evaluation(m0s, T2f; shape (400,), SNR 50, 300 each)"


def test_several_report_cards_stand_side_by_side(ideal):
    shrunk = sb.evaluate(partial(changed, gain=0.8), toy_set(), [SNR, 20], 20)
    text = sb.Evaluation.compare({"ideal": ideal, "shrunk": shrunk})
    assert [line.split()[0] for line in text.splitlines() if line] == [
        head for name in (*NAMES, "overall") for head in (f"{name},", "ideal", "shrunk")
    ]
    assert "SNR 20" not in text
    with pytest.raises(sb.InvalidParameter, match="with a parameter and an SNR that all of them have"):
        sb.Evaluation.compare({})


def test_a_report_card_is_saved_and_read(ideal, tmp_path):
    ideal.save(tmp_path / "card.npz")
    again = sb.Evaluation.load(tmp_path / "card.npz")
    assert bits(again) == bits(ideal)
    assert again.table() == ideal.table()
    assert again.settings == ideal.settings
    with pytest.raises(sb.InvalidData, match="an evaluation is saved as .npz"):
        ideal.save(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays: arrays.pop("names"), "is no evaluation: it lacks names"),
        (lambda arrays: arrays.pop("bias_T2f"), "bias_T2f is missing"),
        (lambda arrays: arrays.update(bias_T2f=np.ones(3)), r"bias_T2f is missing, or no array .* \(1, 400\)"),
        (lambda arrays: arrays.update(n_finite_T2f=np.ones((1, 400))), "n_finite_T2f is missing"),
        (lambda arrays: arrays.update(settings=np.array("{")), "its settings are no JSON"),
        (lambda arrays: arrays.update(snr=np.array(50.0)), "names no parameters, or no levels of the SNR"),
        (lambda arrays: arrays.update(realizations=np.ones(2)), "names no parameters, or no levels of the SNR"),
        (lambda arrays: arrays.update(truth_B1=np.ones(2)), "truth_B1 is missing, or no array"),
        (lambda arrays: arrays.update(names=np.array(["m0s", "m0s"])), r"its names cannot be \['m0s', 'm0s'\]"),
        (lambda arrays: arrays.update(snr=np.array([-50.0])), r"its snr cannot be \[-50.0\]"),
        (lambda arrays: arrays.update(snr=np.array([np.nan])), r"its snr cannot be \[nan\]"),
        (lambda arrays: arrays.update(realizations=np.array(1)), "its realizations cannot be 1"),
        (lambda arrays: arrays.update(omega0_period=np.array(0.0)), "its omega0_period cannot be 0.0"),
        (lambda arrays: arrays.update(n_finite_T2f=np.full((1, 400), 301, np.int32)), "estimates of T2f beyond 300"),
        (
            lambda arrays: arrays.update(variance_m0s=np.full((1, 400), -1.0)),
            "of m0s beyond 300, or negative variances",
        ),
    ],
)
def test_files_of_something_else_are_refused(ideal, tmp_path, change, message):
    arrays = ideal.as_arrays()
    change(arrays)
    np.savez(tmp_path / "card.npz", **arrays)
    with pytest.raises(sb.InvalidData, match=message):
        sb.Evaluation.load(tmp_path / "card.npz")


# Resumed, and by others


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 40)


def resumed(folder, estimator=efficient, **changes):
    arguments = {"dataset": toy_set(20), "snr": [20, SNR], "realizations": 10, "resume": folder} | changes
    return sb.evaluate(estimator, **arguments)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, small_chunks):
    def stop(done, total):
        assert total == 40
        if done >= 16:
            raise KeyboardInterrupt

    calls = []

    def counting(data):
        calls.append(len(data))
        return efficient(data)

    with pytest.raises(KeyboardInterrupt):
        resumed(tmp_path / "work", counting, progress=stop)
    assert len(list((tmp_path / "work").glob("voxels-*.npz"))) == 4
    calls.clear()
    report = resumed(tmp_path / "work", counting)
    assert calls == [4] + [40] * 6  # the first is the question by which the estimator is recognised
    assert bits(report) == bits(resumed(None))


KILLED = """
import os, signal, sys
from tests.test_evaluate import _evaluation_chunks, resumed
_evaluation_chunks.ROWS = 40
def progress(done, total):
    if done >= 12:
        os.kill(os.getpid(), signal.SIGKILL)
resumed(sys.argv[1], progress=progress)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path, small_chunks):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "work")]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list((tmp_path / "work").glob("voxels-*.npz"))) == 3
    assert bits(resumed(tmp_path / "work")) == bits(resumed(None))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"estimator": partial(changed, gain=0.9)}, "estimator"),
        ({"dataset": toy_set(20, seed=8)}, "signals"),
        ({"seed": 1}, "seed"),
        ({"phase": "random"}, "phase"),
        ({"snr": [20, 60]}, "snr"),
        ({"realizations": 11}, "realizations"),
        ({"names": "m0s"}, "names"),
    ],
)
def test_the_work_of_another_evaluation_is_refused(tmp_path, changes, what):
    resumed(tmp_path)
    with pytest.raises(sb.InvalidData, match=f"the work of another evaluation, which differs in .*{what}"):
        resumed(tmp_path, **changes)


def stepwise(data, steps=1, table=(), near=None):
    """Whatever the steps are, the answers are the same."""
    return efficient(data)


@dataclass(frozen=True)
class Fitting:
    table: np.ndarray

    def __call__(self, data):
        return efficient(data)

    estimate = __call__


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (partial(stepwise, steps=1), partial(stepwise, steps=2)),
        (partial(stepwise, table=np.zeros(3)), partial(stepwise, table=np.ones(3))),
        (partial(stepwise, near=sb.Tissue(m0s=0.1)), partial(stepwise, near=sb.Tissue(m0s=0.2))),
        (partial(stepwise, near={"a": [np.int64(1)]}), partial(stepwise, near={"a": [np.int64(2)]})),
        (Fitting(np.zeros(3)), Fitting(np.ones(3))),
        (stepwise, efficient),
    ],
)
def test_estimators_that_answer_alike_are_told_apart_by_what_they_are_made_of(tmp_path, one, other):
    resumed(tmp_path, one)
    with pytest.raises(sb.InvalidData, match="another evaluation, which differs in estimator; remove"):
        resumed(tmp_path, other)
    resumed(tmp_path, one)


def test_parts_make_the_whole(tmp_path, small_chunks):
    first = resumed(tmp_path, runner=part(1, 2))
    assert (first.n_finite["m0s"] == -1).sum() == 20
    assert first.overall.n_tissues.sum() == 40
    resumed(tmp_path, runner=part(2, 2))
    assert bits(resumed(tmp_path)) == bits(resumed(None))


def test_processes_give_the_same_bits(tmp_path, small_chunks, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_cores", lambda: 2)  # whatever the machine has
    roots = {name: np.sqrt(bound) for name, bound in BOUND.items()}

    def travelling(data):  # sent by value: workers know nothing of this file
        return {name: data[:, k].real * root for k, (name, root) in enumerate(roots.items())}

    report = resumed(tmp_path, travelling, runner=cluster.workers(2))
    assert bits(report) == bits(resumed(None))


def test_an_estimator_that_cannot_travel_is_refused_before_any_work(tmp_path):
    pytest.importorskip("distributed")
    lock = threading.Lock()
    with pytest.raises(TypeError):
        pickle.dumps(lock)

    def holding(data):
        with lock:
            return efficient(data)

    with pytest.raises(
        sb.InvalidParameter, match="the estimator cannot be sent to other processes .*functools.partial"
    ):
        resumed(tmp_path / "work", holding, runner=cluster.workers(1))
    assert not (tmp_path / "work").exists()
    resumed(tmp_path / "work", holding, runner=part(1, 1))  # which stays in this process
