"""Report cards of estimators whose bias and variance are known say what they are, chunk by chunk the same."""

from functools import partial

import numpy as np
import pytest
import spinbound as sb
from scipy import stats
from spinbound.evaluation import pairs as _evaluation_chunks

from tests.support.evaluations import BOUND, CENTRE, NAMES, SEQ, SNR, N, Recorder, bits, changed, efficient, toy_set
from tests.support.trains import smooth_train

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
    data, estimator, losses = toy_set(2), Recorder(), []
    report = sb.evaluate(estimator, data, [SNR], realizations=3)
    for name in NAMES:
        estimates = efficient(estimator.data)[name].reshape(2, 3)
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
    data, estimator = toy_set(3), Recorder()
    sb.evaluate(estimator, data, 1e6, realizations=2000, phase="random")
    first = estimator.data[:, 0]
    assert stats.kstest(np.angle(first) / (2 * np.pi) + 0.5, "uniform").pvalue > 1e-3
    assert np.abs(first) == pytest.approx(np.repeat(data.signals[:, 0].real, 2000), rel=1e-3)


def test_noise_has_the_same_variance_in_both_channels():
    estimator = Recorder()
    sb.evaluate(estimator, toy_set(2), 20, realizations=5000)
    noise = estimator.data[:, 2]
    # 10,000 numbers: 4 standard errors of the variance are 6 %
    assert np.var(noise.real) * 400 == pytest.approx(1, abs=0.06)
    assert np.var(noise.imag) * 400 == pytest.approx(1, abs=0.06)
    assert abs(np.mean(noise.real * noise.imag)) * 400 < 0.04


def test_omega0_counts_modulo_a_turn_per_repetition():
    turn = 2 * np.pi / SEQ.TR
    omega0 = np.array([0.49 * turn, -0.9 * turn, 1.3 * turn])
    tissue = sb.Tissue(omega0=omega0)
    data = sb.ReferenceSet(SEQ, tissue, np.ones((3, 2), complex), crb={"omega0": np.ones(3)})
    report = sb.evaluate(lambda _, truth: {"omega0": truth["omega0"] + 2 * turn - 3.0}, data, 1, realizations=4)
    assert report.bias["omega0"][0] == pytest.approx(-3.0)
    turned = (omega0.mean() - omega0 + turn / 2) % turn - turn / 2
    assert report.scores["omega0"].constant_loss == pytest.approx(np.mean(turned**2))
    unequal = SEQ.replace(TR=np.array([3.5e-3, 4e-3, 5e-3]))
    free = sb.ReferenceSet(unequal, tissue, data.signals, crb=data.crb)
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


# The same bits


def test_chunks_change_no_bit(ideal, monkeypatch):
    for rows, memory in ((300, 1 << 26), (7, 1 << 26), (1 << 14, 16 * 3 * 1000)):
        monkeypatch.setattr(_evaluation_chunks, "ROWS", rows)
        monkeypatch.setattr(_evaluation_chunks, "BYTES", memory)
        assert bits(sb.evaluate(efficient, toy_set(), SNR)) == bits(ideal)


def test_the_estimator_never_gets_more_than_it_should(monkeypatch):
    estimator = Recorder()
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 100)
    sb.evaluate(estimator, toy_set(5), SNR, 30)
    sb.evaluate(estimator, toy_set(2), SNR, 250)
    assert estimator.sizes == [90, 60, 100, 100, 50, 100, 100, 50]


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
    data = sb.reference_set(seq, prior, 20, wrt=wrt)

    def guess(signals):
        return {"m0s": np.abs(signals[:, 3]), "R2f": 10 + signals[:, 5].real}

    report = sb.evaluate(guess, data, SNR, 10)
    assert bits(sb.evaluate(guess, store, SNR, 10)) == bits(report)
    again = sb.evaluate(guess, loud, SNR, 10)
    assert again.overall.loss == pytest.approx(report.overall.loss, rel=1e-6)
