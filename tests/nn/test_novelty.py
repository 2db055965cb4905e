"""Novelty: about 1 for what noise explains, clearly more for what no tissue of the training does."""

import numpy as np
import pytest
import spinbound as sb
from scipy.optimize import lsq_linear
from spinbound import nn
from spinbound.nn.novelty.charts import NEIGHBOURS, _move_into_box

from tests.support.trains import noise

SEQ = sb.sequences.load("hybrid-mt-4s")
PRIOR = sb.Prior(
    m0s=sb.Uniform(0.05, 0.2),
    T1a=sb.Uniform(0.8, 1.8),
    T2f=sb.Uniform(0.04, 0.12),
    omega0=sb.Uniform(-150, 150),
    B1=sb.Uniform(0.85, 1.15),
)
BASIS = sb.Basis.from_svd(sb.simulate(SEQ, PRIOR.sample(300, seed=7)), rank=9, seq=SEQ)
N = 600
SIGMA = 0.01


def signals(tissue, seq=SEQ):
    """Their coefficients."""
    return BASIS.compress(sb.simulate(seq, tissue))


def noisy(data, sigma=SIGMA):
    return data + noise(data.shape, 0, sigma)


@pytest.fixture(scope="module")
def novelty():
    return nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, n=1000)


@pytest.fixture(scope="module")
def tissue():
    """Of the prior, but none of those that the novelty was made from."""
    return PRIOR.sample(N, seed=3)


# What it says


def test_noise_alone_explains_a_novelty_of_about_one(novelty, tissue):
    for M0 in (1, 0.3, 0.1):
        found = novelty(noisy(M0 * signals(tissue)), SIGMA)
        # |r|^2/sigma^2 has a chi^2 distribution with 18 - 7 degrees of freedom, but for the least of several planes
        # and the curvature between them
        assert 0.85 < np.median(found) < 1.25
        assert np.quantile(found, 0.9) < 1.6


def test_percentiles_are_those_of_the_training_distribution(novelty, tissue):
    M0 = np.random.default_rng(1).uniform(0.1, 1, (N, 1))
    data = noisy(M0 * signals(tissue))
    for sigma in (SIGMA, None):
        found = novelty(data, sigma)
        for share in (0.5, 0.9, 0.99):
            below = np.mean(found < novelty.limit(sigma, share))
            assert below == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / N) + 0.002)


def outside(tissue):
    """Signals that no tissue of the prior has."""
    other = SEQ.replace(alpha=0.7 * SEQ.alpha)
    return {
        "short T2f": signals(tissue.replace(T2f=0.008)),
        "long T1": signals(tissue.replace(T1a=6.0, T2f=2.0)),
        "much semi-solid pool": signals(tissue.replace(m0s=0.6)),
        "another sequence": signals(tissue, other),
        "later by a pulse": BASIS.compress(np.roll(sb.simulate(SEQ, tissue), 1, axis=-1)),
        "half of it fluid": 0.5 * signals(tissue) + 0.5 * signals(tissue.replace(m0s=0.0, T1a=4.0, T2f=2.0)),
        "two frequencies": 0.5 * signals(tissue) + 0.5 * signals(tissue.replace(omega0=tissue["omega0"] + 700)),
        "noise": noise((N, 9), 5, 1),
    }


def test_what_no_tissue_of_the_prior_explains_is_far_away(novelty, tissue):
    sigma = SIGMA / 3
    usual = novelty(noisy(signals(tissue), sigma=sigma), sigma)
    for what, data in outside(tissue).items():
        found = novelty(noisy(data, sigma=sigma), sigma)
        assert np.median(found) > 2 * np.quantile(usual, 0.9), what
        assert np.mean(found > novelty.limit(sigma, 0.99)) > 0.7, what


def test_without_noise_novelty_stays_at_the_curvature_between_atoms(novelty, tissue):
    found = novelty(signals(tissue), 1e-9)
    assert 0.2 < np.median(found) < 2  # the floor of the atoms is the distance from others of the same spacing
    assert np.quantile(found, 0.99) < 10  # where atoms are rare


def test_more_atoms_have_a_lower_floor(novelty):
    fewer = nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, n=100)
    assert np.median(novelty.floor) < 0.6 * np.median(fewer.floor)


def test_steps_do_not_leave_the_tissues_of_the_training(novelty, tissue):
    moved = [novelty(signals(tissue.replace(T2f=T2f)), SIGMA / 10) for T2f in (0.12, 0.2, 0.4)]
    medians = [np.median(found) for found in moved]
    assert medians[0] < 1  # the face of the box
    assert 20 < medians[1] < medians[2]


# What it does not depend on


@pytest.mark.parametrize("factor", [1e-30, 1e30j, -3.0])
def test_neither_scale_nor_phase_matters(novelty, tissue, factor):
    data = noisy(signals(tissue))
    for sigma in (SIGMA, None):
        scaled = None if sigma is None else sigma * abs(factor)
        # the phase is exact but for rounding; 1e30 is no power of two
        assert novelty(factor * data, scaled) == pytest.approx(novelty(data, sigma), rel=1e-9)


def test_no_other_voxel_and_no_thread_changes_a_bit(novelty, tissue):
    data = noisy(signals(tissue))
    whole = novelty(data, SIGMA, threads=1)
    order = np.random.default_rng(2).permutation(N)
    assert (novelty(data[order], SIGMA, threads=2) == whole[order]).all()
    assert (novelty(data[:1], SIGMA) == whole[:1]).all()
    assert (novelty(data.reshape(20, 30, 9), SIGMA) == whole.reshape(20, 30)).all()


def test_voxels_without_data_are_nan_and_change_no_other(novelty, tissue):
    data = noisy(signals(tissue))
    whole = novelty(data, SIGMA)
    data[3], data[5, 2], data[7, 0] = 0, np.nan, np.inf
    found = novelty(data, SIGMA)  # without a warning
    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 5, 7]
    kept = np.delete(np.arange(N), [3, 5, 7])
    assert (found[kept] == whole[kept]).all()


def test_a_mask_and_a_map_of_noise_are_those_of_the_voxels(novelty, tissue):
    data, sigma = noisy(signals(tissue)), np.full(N, SIGMA)
    sigma[:5] *= 2
    sigma[5:7] = np.nan, -1
    found = novelty(data, sigma, np.arange(N) > 0)
    assert np.isnan(found[[0, 5, 6]]).all()
    assert (found[1:5] == novelty(data[1:5], 2 * SIGMA)).all()
    assert (found[7:] == novelty(data[7:], SIGMA)).all()


def test_all_voxels_without_data_are_nan(novelty):
    assert np.isnan(novelty(np.zeros((2, 3, 9)))).all()
    assert novelty(np.zeros((0, 9))).shape == (0,)


def test_progress_ends_with_the_voxels(novelty, tissue):
    calls = []
    novelty(signals(tissue), SIGMA, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (N, N)


# How it is made and kept


def test_a_store_gives_what_its_prior_gives(tissue, tmp_path):
    unknowns = ("M0", *PRIOR.names)
    store = sb.build_dictionary(SEQ, PRIOR, 600, tmp_path / "atoms.zarr", basis=BASIS, wrt=unknowns)
    stored, drawn = nn.Novelty.from_store(store), nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, n=200)
    data = noisy(signals(tissue))
    assert stored.names == PRIOR.names
    assert (stored(data, SIGMA) == drawn(data, SIGMA)).all()  # the same tissues in the same order
    assert stored.percentiles == drawn.percentiles


def test_what_varies_without_a_bound_counts_as_well(tmp_path):
    store = sb.build_dictionary(SEQ, PRIOR, 90, tmp_path / "atoms.zarr", basis=BASIS, wrt=("M0", "m0s", "T2f"))
    assert nn.Novelty.from_store(store).names == ("m0s", "T2f", "R1a", "omega0", "B1")


def training(folder, basis=BASIS, prior="prior.toml", estimator="", data=""):
    """A training by file, in a folder with its basis and its prior."""
    basis.save(folder / "basis.npz")
    PRIOR.save(folder / "prior.toml")
    (folder / "training.toml").write_text(
        f'[estimator]\nnames = ["m0s"]\narchitecture = "small"\n{estimator}\n'
        f'[data]\nsequence = "hybrid-mt-4s"\nprior = "{prior}"\nbasis = "basis.npz"\nn = 40\n{data}\n'
        '[noise]\nM0 = [0.5, 1]\n[training]\nepochs = 1\nbatch = 20\ndevice = "cpu"\n'
    )
    return nn.Training.load(folder / "training.toml")


def test_a_training_by_file_leaves_an_estimator_that_knows_it(tmp_path):
    training(tmp_path).run(tmp_path / "run")
    known = nn.Estimator.load(tmp_path / "run" / "best.safetensors").novelty
    same = nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, noise=nn.Noise(M0=(0.5, 1)), n=40)
    assert known.description == same.description
    assert (known.floor == same.floor).all()


def test_a_training_by_file_may_leave_it_out(tmp_path):
    training(tmp_path, estimator="novelty = false").run(tmp_path / "run")
    assert nn.Estimator.load(tmp_path / "run" / "best.safetensors").novelty is None


def test_a_training_that_goes_on_keeps_what_its_checkpoints_know(novelty, tmp_path):
    def trained(known):
        net = nn.Estimator("m0s", basis=BASIS, architecture=nn.Architecture((32,), n_inputs=2 * BASIS.rank))
        net.novelty = known
        data = nn.SimulatedData(SEQ, PRIOR, 40, basis=BASIS, wrt=("M0", "m0s"))
        nn.train(net, data, epochs=1, batch=20, device="cpu", folder=tmp_path)
        return nn.Estimator.load(tmp_path / "best.safetensors").novelty

    trained(novelty)
    assert trained(None).description == novelty.description


def test_a_training_that_cannot_know_it_says_how_to_go_without(tmp_path):
    few = training(tmp_path, BASIS.truncate(3), "paper", data='wrt = ["M0", "m0s"]')
    with pytest.raises(sb.InvalidData, match=r"3 complex samples.*novelty = false in \[estimator\] leaves it out"):
        few.run()


def test_the_file_of_an_estimator_keeps_it_to_the_bit(novelty, tissue, tmp_path):
    net = nn.Estimator("m0s", basis=BASIS, architecture=nn.Architecture((16,), n_inputs=18))
    net.novelty = novelty
    net.save(tmp_path / "net.safetensors")
    again = nn.Estimator.load(tmp_path / "net.safetensors").novelty
    data = noisy(signals(tissue))
    assert again.description == novelty.description
    assert (again(data, SIGMA) == novelty(data, SIGMA)).all()
    assert repr(again) == "Novelty(1000 atoms in m0s, T1a, T2f, omega0, B1)"


def test_tissues_that_cannot_be_simulated_are_left_out():
    wide = sb.Prior(m0s=sb.Uniform(0.05, 0.2), B1=sb.Uniform(0.5, 3))
    some = nn.Novelty.from_prior(SEQ, wide, basis=BASIS, n=200)
    assert NEIGHBOURS < some.floor.size < 200
    assert np.isfinite(some.floor).all()


def test_the_nearest_point_of_a_box_is_that_of_a_bounded_solver():
    rng = np.random.default_rng(4)
    A = rng.normal(size=(40, 9, 4))
    metric, x = A.swapaxes(1, 2) @ A, 2 * rng.normal(size=(40, 4))
    low, high = np.full((40, 4), -0.5), np.full((40, 4), 1.0)
    found = _move_into_box(x, low, high, metric)
    assert ((low <= found) & (found <= high)).all()
    best = np.array([lsq_linear(a, a @ y, (low[0], high[0]), tol=1e-12).x for a, y in zip(A, x, strict=True)])
    cost = [np.einsum("nk,nkl,nl->n", y - x, metric, y - x) for y in (found, best)]
    # what is fixed stays so, which is not always best; clipping alone is
    clipped = np.clip(x, low, high) - x
    assert np.median(cost[0] / cost[1]) < 1.001
    assert (cost[0] <= np.einsum("nk,nkl,nl->n", clipped, metric, clipped) * (1 + 1e-9)).mean() > 0.9


# What is refused


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda _: nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS.truncate(3), n=50), sb.InvalidParameter, "3 complex"),
        (lambda _: nn.Novelty.from_prior(SEQ, PRIOR, basis=BASIS, n=4), sb.InvalidParameter, "n must be an integer"),
        (lambda _: nn.Novelty.from_prior(SEQ, sb.Tissue(), basis=BASIS), sb.InvalidParameter, "spinbound.Prior"),
        (lambda novelty: novelty(np.ones((2, 7))), sb.InvalidData, "the last axis must be 9"),
        (lambda novelty: novelty(np.ones((2, 9)), 0), sb.InvalidParameter, "sigma is 0"),
        (lambda novelty: novelty(np.ones((2, 9)), [1, 1, 1]), sb.InvalidParameter, "sigma has shape"),
        (lambda novelty: novelty(np.ones((2, 9)), None, [1]), sb.InvalidData, "mask has shape"),
        (lambda novelty: novelty.limit(share=0.95), sb.InvalidParameter, "share is 0.95; allowed: 0.5, 0.9"),
        (lambda novelty: novelty(np.ones((2, 9)), progress=3), sb.InvalidParameter, "progress"),
    ],
)
def test_what_makes_no_sense_is_refused(novelty, call, error, message):
    with pytest.raises(error, match=message):
        call(novelty)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, description: arrays.pop("floor"), "floor"),
        (lambda arrays, description: arrays.update(floor=arrays["floor"][:-1]), "other shapes"),
        (lambda arrays, description: description.update(names=["m0s", "T1"]), "did you mean"),
        (lambda arrays, description: arrays["floor"].fill(np.nan), "NaN"),
        (lambda arrays, description: description.update(percentiles={}), "known"),
        (lambda arrays, description: description.update(percentiles={"known": [1], "assumed": [1]}), "other percen"),
        (lambda arrays, description: description.update(noise={"sigma": 0}), "sigma is 0"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(novelty, change, message):
    arrays, description = novelty.as_arrays(), novelty.description
    change(arrays, description)
    with pytest.raises(sb.InvalidData, match=message):
        nn.Novelty.from_arrays(arrays, description)


# Real data


def test_a_healthy_brain_is_mostly_like_the_training(published_data, published_train):
    seq = published_train
    basis = sb.Basis.load(published_data / "published_basis.npz").truncate(13)
    novelty = nn.Novelty.from_prior(seq, sb.Prior.paper().within(seq), basis=basis, n=1000)
    with np.load(published_data / "invivo_slice.npz") as content:
        data = content["coefficients"][:, 90:120]
    has_data = data.any(axis=-1)
    found = novelty(data, mask=has_data)
    assert (np.isfinite(found) == has_data).all()
    assert np.mean(found[has_data] > novelty.limit()) < 0.05
    rolled = novelty(np.roll(data, 1, axis=-1), mask=has_data)  # the same numbers in another order of coefficients
    assert np.median(rolled[has_data]) > 4 * np.median(found[has_data])
