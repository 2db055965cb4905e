"""Estimates of volumes: what the network says of every voxel, whatever the others are; what has none says why."""

import json

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn import estimate as module
from spinbound.sequences.identity import identify

from tests.support.learning import BASIS, PRIOR, SEQ, estimator, trained

RNG = np.random.default_rng(21)
N = 300
DATA = sb.simulate(SEQ, PRIOR.sample(N, seed=2).replace(M0=2 - 3j), basis=BASIS)
DATA = DATA + 1e-3 * RNG.normal(size=(*DATA.shape, 2)) @ (1, 1j)


@pytest.fixture(scope="module")
def net():
    """One that has seen a few tissues, and knows which."""
    learnt = trained(net=estimator(names=("m0s", "T1a", "T2f")))[0]
    learnt.novelty = nn.Novelty.from_prior(SEQ, PRIOR.truncated(omega0=(-100, 100)), basis=BASIS, n=60)
    return learnt


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 64)


# What is estimated


def test_no_report_card_is_made_of_data_in_another_basis(net):
    """Of as many vectors, so that nothing but the basis itself tells."""
    other = sb.Basis(BASIS.vectors[:, ::-1], seq=SEQ)
    data, wrong = (sb.reference_set(SEQ, PRIOR, 4, basis=basis, wrt=("M0", *net.names)) for basis in (BASIS, other))
    assert sb.evaluate(net, data, 50, 3, threads=1).names == net.names
    for form in (net, net.estimate):
        with pytest.raises(sb.InvalidData, match="coefficients of another basis than"):
            sb.evaluate(form, wrong, 50, 3, names=net.names)


def test_estimates_are_those_of_the_network(net):
    result = net.estimate(DATA.reshape(20, 15, 6), device="cpu")
    with torch.no_grad():
        wanted = net(torch.from_numpy(DATA.astype(np.complex64))).numpy().reshape(20, 15, 3)
    for k, name in enumerate(net.names):
        assert result.estimates[name] == pytest.approx(wanted[..., k], rel=1e-4)  # single precision
    assert result.estimates.shape == result.status.shape == result.novelty.shape == (20, 15)
    assert result.estimated.all()


def test_one_voxel_is_a_volume_too(net):
    result = net.estimate(DATA[0])
    assert result.status.shape == ()
    assert float(result.estimates["T1a"]) == net.estimate(DATA).estimates["T1a"][0]


def test_of_what_is_not_estimated_nothing_is_known(net):
    tissue = net.estimate(DATA).estimates
    assert all(np.isnan(tissue[name]).all() for name in ("M0", "Rex", "T2s", "omega0", "B1"))


@pytest.mark.parametrize("factor", [1e-200, 1e200j, -7.0])
def test_neither_scale_nor_phase_matters(net, factor):
    first, second = net.estimate(DATA), net.estimate(factor * DATA)
    for name in net.names:
        assert second.estimates[name] == pytest.approx(first.estimates[name], rel=1e-4)  # single precision
    assert second.novelty == pytest.approx(first.novelty, rel=1e-9)


def test_other_voxels_and_batches_change_no_bit(net, small_batches):
    whole, order = net.estimate(DATA, device="cpu"), RNG.permutation(N)
    turned = net.estimate(DATA[order], device="cpu")
    alone = net.estimate(DATA[:3], device="cpu")
    for name, values in whole.as_arrays().items():
        assert (turned.as_arrays()[name] == values[order]).all()
        assert (alone.as_arrays()[name] == values[:3]).all()


def test_the_mask_leaves_voxels_out_and_changes_no_other(net):
    mask = RNG.random(N) < 0.5
    whole, some = net.estimate(DATA), net.estimate(DATA, mask.astype(int))
    for name in (*net.names, "novelty"):
        values = some.as_arrays()[name]
        assert (values[mask] == whole.as_arrays()[name][mask]).all()
        assert np.isnan(values[~mask]).all()
    assert some.counts["masked"] == (~mask).sum()
    assert not some.estimated[~mask].any()


def test_bad_voxels_say_why_and_stop_no_other(net):
    bad = DATA.copy()
    bad[0], bad[1, 2], bad[2, 0] = 0, np.nan, np.inf
    result = net.estimate(bad)  # without a warning
    assert [sb.EstimateStatus(code).name for code in result.status[:3]] == ["no_data", "not_finite", "not_finite"]
    whole = net.estimate(DATA)
    for name in (*net.names, "novelty"):
        assert np.isnan(result.as_arrays()[name][:3]).all()
        assert (result.as_arrays()[name][3:] == whole.as_arrays()[name][3:]).all()


def test_masked_entries_count_as_nan(net):
    data = np.ma.array(DATA, mask=np.zeros(DATA.shape, bool))
    data[4, 1] = np.ma.masked
    assert net.estimate(data).status[4] == sb.EstimateStatus.not_finite


def test_an_empty_mask_and_no_voxels_leave_complete_maps(net):
    result = net.estimate(DATA, np.zeros(N))
    assert result.counts == {"masked": N}
    assert net.estimate(np.empty((0, 6))).counts == {}


def test_values_that_no_tissue_has_are_kept_and_told(net):
    wild = estimator()
    wild.scale_to(torch.tensor([[-5.0, 1.0], [-5.1, 1.4]]))
    result = wild.estimate(DATA)
    assert set(result.counts) == {"out_of_range"}
    assert (result.estimates["m0s"] < 0).all()
    assert result.estimated.all()


def test_data_unlike_the_training_are_told(net):
    strange = RNG.normal(size=(50, 6, 2)) @ (1, 1j)
    result = net.estimate(np.concatenate([DATA[:50], strange]), sigma=1e-2)
    is_novel = result.status == sb.EstimateStatus.novel
    assert (result.novelty > result.settings["novelty_limit"])[is_novel].all()
    assert is_novel[50:].mean() > 0.8
    assert result.settings["sigma"] == 1e-2


def test_novelty_is_left_out_on_request_or_where_it_is_not_known(net):
    assert net.estimate(DATA, novelty=False).novelty is None
    unknowing = trained()[0]
    result = unknowing.estimate(DATA)
    assert result.novelty is None
    assert "novelty" not in result.as_arrays()


def test_estimation_leaves_the_estimator_and_torch_as_they_were(net):
    threads = torch.get_num_threads()
    net.estimate(DATA, threads=2)
    assert torch.get_num_threads() == threads
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_progress_rises_to_the_number_of_voxels(net, small_batches):
    calls = []
    net.estimate(DATA, progress=lambda done, total: calls.append((done, total)))
    assert [total for _, total in calls] == [N] * len(calls)
    done = [done for done, _ in calls]
    assert done == sorted(done)
    assert done[-1] == N


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_but_for_rounding(net):
    one, other = (net.estimate(DATA, device=device) for device in ("cpu", "cuda"))
    for name in net.names:
        width = np.ptp(one.estimates[name]) + 1e-3
        assert np.abs(one.estimates[name] - other.estimates[name]).max() < 1e-3 * width
    assert net.centre.device.type == "cpu"


# What is kept


def test_settings_name_estimator_and_training_in_json(net):
    settings = json.loads(json.dumps(net.estimate(DATA).settings, allow_nan=False))
    assert settings["names"] == list(net.names)
    assert settings["sequence_identity"] == identify(SEQ)
    assert settings["noise"] == net.noise.describe()
    assert settings["novelty"]["names"] == list(net.novelty.names)


def test_a_file_holds_all_maps(net, tmp_path):
    result = net.estimate(DATA)
    result.save(tmp_path / "maps.npz")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as written:
        assert set(written) == {*net.names, "status", "novelty", "settings"}
        for name, values in result.as_arrays().items():
            assert np.array_equal(written[name], values, equal_nan=True)
    with pytest.raises(sb.InvalidData, match="estimates are saved as .npz"):
        result.save(tmp_path / "maps.mat")


def test_every_status_has_a_sentence():
    sentences = [status.sentence for status in sb.EstimateStatus]
    assert len(set(sentences)) == len(sentences)


# What is refused


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: net.estimate(DATA[:, :5]), sb.InvalidData, "the last axis must be 6, as many as the estimator"),
        (lambda net: net.estimate(3.0), sb.InvalidData, "data have shape"),
        (lambda net: net.estimate([["a"] * 6]), sb.InvalidData, "data must be numbers"),
        (lambda net: net.estimate(DATA, np.ones(3)), sb.InvalidData, "mask has shape"),
        (lambda net: net.estimate(DATA, sigma=-1), sb.InvalidParameter, "sigma is -1"),
        (lambda net: net.estimate(DATA, novelty=False, sigma=-1), sb.InvalidParameter, "sigma is -1"),
        (lambda net: net.estimate(DATA, threads=-1), sb.InvalidParameter, "threads"),
        (lambda net: net.estimate(DATA, device="gpu"), sb.InvalidParameter, "device is 'gpu'"),
        (lambda net: net.estimate(DATA, device="meta"), sb.InvalidParameter, "which holds no numbers"),
        (lambda net: net.estimate(DATA, progress=1), sb.InvalidParameter, "progress"),
        (lambda _: estimator().estimate(DATA), sb.InvalidData, "has not been trained"),
    ],
)
def test_what_makes_no_sense_is_refused(net, call, error, message):
    with pytest.raises(error, match=message):
        call(net)


def test_a_result_tells_itself_in_one_line(net):
    assert repr(net.estimate(DATA, np.zeros(N))) == f"Estimates(m0s, T1a, T2f; shape ({N},): {N} masked)"
