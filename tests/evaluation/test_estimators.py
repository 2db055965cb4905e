"""Estimators of every kind are judged, and what cannot be judged is refused by its name."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import spinbound as sb
from spinbound.work.cluster import part

from tests.support.evaluations import SEQ, SNR, efficient, toy_set
from tests.support.trains import smooth_train


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
    other = sb.ReferenceSet(smooth_train(4), data.tissue, data.signals, crb=data.crb)
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
        ({"dataset": [1]}, sb.InvalidData, "dataset must be a spinbound.Dictionary; given list"),
        ({"snr": 0}, sb.InvalidParameter, "snr is 0; allowed: one number or a list of them, > 0, finite"),
        ({"snr": []}, sb.InvalidParameter, "snr is "),
        ({"snr": [50, 50]}, sb.InvalidParameter, "snr names a level twice"),
        ({"realizations": 1}, sb.InvalidParameter, "realizations must be an integer of at least 2"),
        ({"names": "M0"}, sb.InvalidParameter, "names has M0, which is not judged; allowed: m0s, T2f"),
        ({"names": "B1"}, sb.InvalidParameter, "names has B1, whose bound the reference set does not have"),
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
