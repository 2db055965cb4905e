"""Trainings: what is learnt, what is skipped and what is refused."""

import itertools
import sys
from unittest.mock import MagicMock

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn
from spinbound.nn.training import loop as _loop
from spinbound.nn.training.settings import TrainingSettings
from spinbound.sequences.identity import identify

from tests.support.learning import BASIS, NAMES, SEQ, curve, estimator, judge, simulated, store, trained, weights
from tests.support.trains import smooth_train

OTHER = smooth_train(40, TR=4e-3)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A store that several tests learn from."""
    return nn.StoredData(store(tmp_path_factory.mktemp("data") / "a.zarr", 256))


def settings_of(**changes):
    options = {"epochs": 1, "batch": 1, "learning_rate": 0.01, "halve_every": 40, "schedule": "cosine", "clip": None}
    options |= {"noise": nn.Noise(), "seed": 0, "mixed_precision": False, "compile": False}
    return TrainingSettings(**(options | {"device": torch.device("cpu")} | changes))


# Learning


def test_a_network_learns(kept):
    net, history = trained(kept, validation=judge(), epochs=12)
    losses = history["validation_loss"]
    assert history.best_epoch == 1 + int(np.argmin(losses))
    samples = judge().samples(0, NAMES)
    always_the_mean = nn.CRBLoss()(net.centre.expand(64, 2), samples.truth, samples.crb, M0=0.75, sigma=1e-4)
    assert losses[-1] < 0.5 * float(always_the_mean)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.RelativeLoss(), nn.BiasConstrainedLoss(3)])
def test_every_loss_trains_and_the_bound_judges_beside_it(loss):
    _, history = trained(simulated(256), loss=loss, validation=judge(), epochs=6)
    assert history["loss"][-1] < history["loss"][0]
    assert np.isfinite(history["validation_crb_loss"]).all()
    assert (history["validation_crb_loss"] != history["validation_loss"]).all()


def test_the_history_says_what_went_on():
    _, history = trained(validation=judge(), schedule="halving", halve_every=2, learning_rate=0.004, epochs=5)
    assert history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert history["learning_rate"].tolist() == [0.004, 0.004, 0.002, 0.002, 0.001]
    assert history["validation_loss"].tolist() == history["validation_crb_loss"].tolist()
    assert not history["skipped_steps"].any()
    assert not history["masked_share"].any()
    assert (history["seconds"] > 0).all()


def test_without_validation_an_epoch_is_judged_by_its_own_loss():
    _, history = trained()
    assert np.isnan(history["validation_loss"]).all()
    assert history.best_epoch == 1 + int(np.argmin(history["loss"]))


def test_the_estimator_has_the_weights_of_the_best_epoch(tmp_path, monkeypatch):
    judged = iter([3.0, 1.0, 2.0])
    monkeypatch.setattr(_loop.Loop, "validate", lambda *_: (next(judged),) * 2)
    net, history = trained(validation=judge(), folder=tmp_path)
    assert history.best_epoch == 2
    best, last = (nn.Estimator.load(tmp_path / f"{name}.safetensors") for name in ("best", "last"))
    assert weights(best) == weights(net) == weights(trained(epochs=2)[0])
    assert weights(last) == weights(trained(epochs=3)[0])
    assert weights(last) != weights(best)


def test_scale_and_noise_are_new_in_every_epoch_and_follow_the_seed(kept):
    seen, loss = [], nn.CRBLoss()
    loss.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[3]))  # M0
    first, same, other = (curve(trained(kept, loss=loss, epochs=2, batch=256, seed=seed)[1]) for seed in (0, 0, 1))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[4])
    assert first == same != other


def test_the_estimator_knows_what_it_was_trained_for(kept):
    net = estimator(basis=sb.Basis(BASIS.vectors))
    trained(kept, net, epochs=1, noise=nn.Noise(0.02, (0.2, 0.9)))
    assert net.trained_for["sequence_identity"] == identify(SEQ)
    assert "[T2f]" in net.trained_for["prior"]
    assert net.noise == nn.Noise(0.02, (0.2, 0.9))
    truth = kept.samples(0, NAMES).truth
    assert net.centre.tolist() == pytest.approx(truth.mean(dim=0).tolist(), rel=1e-5)
    assert net.width.tolist() == pytest.approx(truth.std(dim=0, correction=0).tolist(), rel=1e-5)


def test_a_trained_estimator_can_be_trained_further(kept):
    net, _ = trained(kept)
    centre = net.centre.clone()
    trained(simulated(64, first=500), net, epochs=1)
    assert torch.equal(net.centre, centre)


def test_a_batch_larger_than_the_data_is_all_of_them():
    _, history = trained(simulated(20), batch=512, epochs=2)
    assert len(history) == 2


def test_double_precision_trains():
    net, history = trained(net=estimator().double(), epochs=2)
    assert net.centre.dtype == torch.float64
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize(
    ("n_valid", "steps"),  # of three batches in an epoch, or of two
    [(96, [(k, 6) for k in range(1, 7)]), (70, [(1, 6), (3, 6), (4, 6), (6, 6)])],
)
def test_the_progress_counts_steps_to_its_end_even_where_tissues_are_left_out(n_valid, steps):
    data, reports = simulated(96), []
    kept = data.samples(0, NAMES)
    some = nn.Samples(kept.signals[:n_valid], kept.truth[:n_valid], kept.crb[:n_valid], 96 - n_valid)
    data.samples = lambda epoch, names: some
    trained(data, epochs=2, batch=32, progress=lambda *report: reports.append(report))
    assert reports == steps


def test_a_bar_shows_the_losses(capsys):
    trained(epochs=2, progress=True)
    assert "epoch 2, loss" in capsys.readouterr().err


def test_tensorboard_gets_the_history_if_it_is_installed(tmp_path, monkeypatch):
    module = MagicMock()
    monkeypatch.setattr("spinbound.nn.training.tensorboard.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    trained(folder=tmp_path, epochs=2)
    writer = module.SummaryWriter.return_value.__enter__.return_value
    written = [(call.args[0], call.args[2]) for call in writer.add_scalar.call_args_list]
    assert [entry for entry in written if entry[0] == "loss"] == [("loss", 1), ("loss", 2)]


def test_the_cosine_rises_and_falls_to_nothing():
    settings = settings_of(epochs=100)
    rates = [settings.rate(done) for done in np.linspace(0, 100, 2001)]
    assert 0 < rates[0] < 1e-4
    assert max(rates) == pytest.approx(0.01)
    assert int(np.argmax(rates)) == 40  # 2 % of the epochs
    assert (np.diff(rates[40:]) <= 0).all()
    assert rates[-1] < 1e-12


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # of the compiler itself
def test_a_compiled_network_learns_the_same():
    plain, compiled = (trained(simulated(64), epochs=2, compile=compile)[1] for compile in (False, True))
    # the same steps in another order of operations
    assert compiled["loss"] == pytest.approx(plain["loss"], rel=1e-2)


def test_mixed_precision_computes_the_same_to_its_digits(monkeypatch):
    monkeypatch.setattr(TrainingSettings, "__post_init__", lambda self: None)  # which wants a GPU
    settings = settings_of(mixed_precision=True)
    net = estimator()
    samples = simulated(96).samples(0, NAMES)
    net.scale_to(samples.truth)
    loop = _loop.Loop(net, nn.CRBLoss(), settings)
    with torch.no_grad():
        mixed = loop._estimate(samples.signals.real, samples.signals.imag)
        plain = net(samples.signals)
    assert mixed.dtype == torch.float32
    difference = (mixed - plain).abs() / net.width
    assert 0 < float(difference.max()) < 0.05  # three layers of numbers with 8 bits, 2^-8 each
    assert len(torch.unique(mixed[:, 0])) == 96  # and outputs with all of theirs


# What goes wrong


def faulty_loss(wrong):
    """A loss that is NaN in some of its calls."""
    loss, calls = nn.CRBLoss(), itertools.count(1)
    loss.register_forward_hook(lambda _, arguments, value: value * (torch.nan if next(calls) in wrong else 1))
    return loss


def test_steps_with_a_gradient_that_is_not_finite_are_skipped_and_counted():
    net, history = trained(simulated(96), loss=faulty_loss({1, 3, 4}), epochs=2)
    assert history["skipped_steps"].tolist() == [2, 1]
    assert np.isfinite(history["loss"]).all()
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())


def test_ten_in_a_row_end_the_training_with_the_last_good_weights():
    net, good = estimator(), estimator()
    with pytest.raises(sb.InvalidData, match="not finite in 10 steps in a row"):
        trained(simulated(96), net, loss=faulty_loss(range(4, 100)), epochs=9)
    trained(simulated(96), good, epochs=1)
    assert weights(net) == weights(good)


def with_bounds(data, bad, share):
    """Data some of whose tissues have no usable bound."""
    samples = data.samples(0, NAMES)
    crb = samples.crb.clone()
    crb[: int(share * len(crb))] = bad
    data.samples = lambda epoch, names: nn.Samples(samples.signals, samples.truth, crb, 0)
    return data


@pytest.mark.parametrize("bad", [torch.inf, torch.nan, 0.0])
def test_bounds_of_no_use_are_left_out_and_counted(bad):
    net, history = trained(with_bounds(simulated(96), bad, 0.25), batch=96)
    assert history["masked_share"].tolist() == [0.25] * 3
    assert np.isfinite(history["loss"]).all()
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())


def test_more_than_half_of_them_are_refused_before_any_step():
    net = estimator()
    before = weights(net)["network.output.weight"]
    with pytest.raises(sb.InvalidData, match="60 % of the entries of the loss have no usable bound"):
        trained(with_bounds(simulated(100), torch.inf, 0.6), net)
    assert weights(net)["network.output.weight"] == before


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"net": sb}, sb.InvalidParameter, "estimator must be a spinbound.nn.Estimator"),
        ({"data": np.ones(3)}, sb.InvalidParameter, "data must be StoredData or SimulatedData; given ndarray"),
        ({"validation": 3}, sb.InvalidParameter, "validation must be StoredData or SimulatedData; given int"),
        ({"loss": torch.nn.MSELoss()}, sb.InvalidParameter, "loss must be one of spinbound.nn"),
        ({"noise": 0.01}, sb.InvalidParameter, "noise must be a spinbound.nn.Noise; given float"),
        ({"epochs": 0}, sb.InvalidParameter, "epochs must be an integer of at least 1; given 0"),
        ({"batch": 1.5}, sb.InvalidParameter, "batch must be an integer"),
        ({"learning_rate": -1}, sb.InvalidParameter, "learning_rate is -1; allowed: learning_rate > 0"),
        ({"learning_rate": "1e-3"}, sb.InvalidParameter, "learning_rate must be real numbers; given '1e-3'"),
        ({"clip": 0}, sb.InvalidParameter, "clip is 0; allowed: clip > 0"),
        ({"schedule": "cosin"}, sb.InvalidParameter, "did you mean 'cosine'"),
        ({"device": "cuda:99"}, sb.InvalidParameter, "device is 'cuda:99', which cannot be used"),
        ({"device": "gpu"}, sb.InvalidParameter, "device is 'gpu', which cannot be used"),
        ({"device": "meta"}, sb.InvalidParameter, "device is 'meta', which holds no numbers"),
        ({"device": 3.5}, sb.InvalidParameter, "device is 3.5, which cannot be used"),
        ({"mixed_precision": True}, sb.InvalidParameter, "mixed_precision needs a GPU; the device is cpu"),
        ({"mixed_precision": 0}, sb.InvalidParameter, "mixed_precision is 0; allowed: True, False"),
        ({"compile": "false"}, sb.InvalidParameter, "compile is 'false'; allowed: True, False"),
        ({"progress": "yes"}, sb.InvalidParameter, "progress must be"),
        ({"data": simulated(9, basis=BASIS.truncate(5))}, sb.InvalidData, "the basis has 5 vectors"),
        ({"data": simulated(9, basis=None)}, sb.InvalidData, "data are signals in the time domain"),
        ({"data": simulated(9, model="hybrid")}, sb.InvalidData, "data come from the model hybrid"),
        ({"data": simulated(9, OTHER, basis=None)}, sb.InvalidData, "another sequence than that of the estimator's tr"),
        ({"net": estimator(names="Rex")}, sb.InvalidData, "the data have no bounds of Rex"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, error, message, tmp_path):
    with pytest.raises(error, match=message):
        trained(**({"folder": tmp_path / "run"} | changes))
    assert not (tmp_path / "run").exists()
