"""Estimators as ONNX: another program computes what the network does, from data of any scale."""

import json

import numpy as np
import pytest
import spinbound as sb
import torch
from spinbound import nn

from tests.support.learning import estimator, scaled_estimator

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")

DATA = (np.random.default_rng(31).normal(size=(50, 6, 2)) @ (1, 1j)).astype(np.complex64)


def run(path, data):
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"real": data.real.copy(), "imag": data.imag.copy()})[0]


@pytest.fixture(scope="module", params=["standard", "random"])
def exported(request, tmp_path_factory):
    """An estimator and its model."""
    net, path = scaled_estimator(phase=request.param), tmp_path_factory.mktemp("net") / "net.onnx"
    nn.export_onnx(net, path)
    return net, path


def test_another_program_estimates_the_same(exported):
    net, path = exported
    data = DATA.copy()
    data[3], data[4] = 0, 1e15j * data[4]
    with torch.no_grad():
        wanted = net(torch.from_numpy(data)).numpy()
    for n in (50, 1, 7):  # any number of voxels
        # single precision, in another order of sums
        assert np.abs(run(path, data[:n]) - wanted[:n]).max() < 1e-5


def test_the_model_says_what_it_is(exported):
    net, path = exported
    model = onnx.load(path)
    (entry,) = [entry for entry in model.metadata_props if entry.key == "spinbound"]
    assert json.loads(entry.value) == json.loads(json.dumps(net.description))
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["real", "imag", "estimates"]


def test_exporting_leaves_the_estimator_as_it_was(exported):
    net, _ = exported
    assert net.training
    assert net.estimate(DATA).estimated.all()


@pytest.mark.parametrize(
    ("make", "file", "message"),
    [(scaled_estimator, "net.pt", "saved as .onnx"), (estimator, "net.onnx", "has not been trained")],
)
def test_what_cannot_be_exported_is_refused(tmp_path, make, file, message):
    with pytest.raises(sb.InvalidData, match=message):
        nn.export_onnx(make(), tmp_path / file)
    assert not list(tmp_path.iterdir())
