"""Report cards with correlated noise of coefficients: the noise that is added, and bounds that fits reach."""

import numpy as np
import pytest
import spinbound as sb

TRAIN = sb.sequences.load("hybrid-mt-4s")
PRIOR = sb.Prior(m0s=sb.TruncatedNormal(0.15, 0.02, low=0.05), R2f=sb.Uniform(12, 20))
UNKNOWNS, RANK = ("M0", "m0s", "R2f"), 6
BASIS = sb.Basis.from_svd(sb.simulate(TRAIN, PRIOR.sample(200)), RANK).assign(TRAIN)
MIX = np.random.default_rng(3).normal(size=(RANK, RANK, 2)) @ [1, 1j]
COVARIANCE = (MIX @ MIX.conj().T + RANK * np.eye(RANK)) / (2 * RANK)
SNR = 300.0


@pytest.fixture(scope="module")
def data():
    return sb.reference_set(TRAIN, PRIOR, 60, basis=BASIS, wrt=UNKNOWNS, noise_covariance=COVARIANCE)


def fit_with(**noise):
    def estimate(signals, truth, threads):
        start = {name: truth[name] for name in UNKNOWNS[1:]}
        return sb.fit(signals, TRAIN, BASIS, free=UNKNOWNS, start=start, threads=threads, **noise)

    return estimate


def test_bounds_are_those_of_the_covariance(data):
    expected = sb.crb(TRAIN, data.tissue, UNKNOWNS, basis=BASIS, noise_covariance=COVARIANCE)
    for name in UNKNOWNS:
        assert np.array_equal(data.crb[name], expected[name])
        assert np.array_equal(data[5:9].crb[name], expected[name][5:9])
    assert np.array_equal(data[5:9].noise_covariance, COVARIANCE)


def test_the_noise_that_is_added_has_it(data):
    seen = []

    def look(signals):
        seen.append(signals)
        return {"m0s": np.zeros(len(signals))}

    sb.evaluate(look, data, snr=1, realizations=400, names="m0s")
    noise = np.concatenate(seen).reshape(60, 400, RANK) - data.signals[:, None]
    found = np.einsum("nri,nrj->ij", noise, noise.conj()) / (2 * 60 * 400)
    assert found == pytest.approx(COVARIANCE, abs=5 * abs(COVARIANCE).max() / np.sqrt(24_000))


def test_fits_that_know_it_reach_the_bound_and_others_do_not(data):
    knowing, unknowing = (
        sb.evaluate(fit_with(**noise), data, SNR, 60)
        for noise in ({"noise_covariance": COVARIANCE / SNR**2}, {"sigma": 1 / SNR})
    )
    for name in UNKNOWNS[1:]:
        low, high = knowing.scores[name].variance_interval[0]
        assert low - 0.01 <= 1 <= high + 0.01
        assert unknowing.scores[name].variance_interval[0][0] > 1.05


def test_voxels_with_noise_of_their_own_are_fitted_as_if_alone(data):
    scale = np.linspace(1, 3, 6)[:, None, None]
    each, start = COVARIANCE / SNR**2 * scale, {"m0s": 0.15, "R2f": 15.0}
    signals = data.signals[:6] + np.random.default_rng(0).normal(0, 1 / SNR, (6, RANK, 2)) @ [1, 1j]
    each[4] = -each[4]
    together = sb.fit(signals, TRAIN, BASIS, free=UNKNOWNS, start=start, noise_covariance=each)
    for k in (0, 1, 2, 3, 5):
        alone = sb.fit(signals[k], TRAIN, BASIS, free=UNKNOWNS, start=start, noise_covariance=each[k])
        assert together.estimates["m0s"][k] == pytest.approx(alone.estimates["m0s"], rel=1e-9)
        assert together.std["m0s"][k] == pytest.approx(alone.std["m0s"], rel=1e-9)
    assert sb.FitStatus(together.status[4]).name == "invalid"


def test_the_achievable_loss_takes_it(data):
    card = sb.evaluate(fit_with(noise_covariance=COVARIANCE / 20**2), data, 20, 2)
    options = {"basis": BASIS, "noise_covariance": COVARIANCE / 20**2}
    expected = sb.bayesian_crb(TRAIN, data.tissue, PRIOR, UNKNOWNS, **options)
    for name in UNKNOWNS[1:]:
        assert card.achievable[name][0] == pytest.approx(expected[name], rel=1e-6)


def test_a_run_with_other_noise_is_not_continued(data, tmp_path):
    estimate = fit_with(sigma=1 / SNR)
    sb.evaluate(estimate, data[:4], SNR, 2, resume=tmp_path)
    white = sb.reference_set(TRAIN, PRIOR, 60, basis=BASIS, wrt=UNKNOWNS)
    with pytest.raises(sb.InvalidData):
        sb.evaluate(estimate, white[:4], SNR, 2, resume=tmp_path)


def test_one_matrix_holds_for_all_tissues():
    with pytest.raises(sb.InvalidParameter, match=r"shape \(60, 6, 6\); allowed: \(rank, rank\)"):
        sb.reference_set(TRAIN, PRIOR, 60, basis=BASIS, noise_covariance=np.broadcast_to(COVARIANCE, (60, RANK, RANK)))
