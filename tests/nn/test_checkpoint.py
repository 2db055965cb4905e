"""Estimators in files: the same bits come back, and what is damaged, foreign or hostile is refused."""

import json
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys

import pytest
import spinbound as sb
import torch
from safetensors.torch import load_file, save_file
from spinbound import nn
from spinbound.nn.checkpoint import read_tensors, write_tensors
from spinbound.nn.estimator import KIND

from tests.support.learning import SEQ, estimator, weights


@pytest.fixture
def saved(tmp_path):
    """An estimator and its file."""
    net = estimator(seq=SEQ, prior=sb.Prior(m0s=sb.Uniform(0, 0.2)))
    net.scale_to(torch.tensor([[0.05, 0.8], [0.2, 2.0]]))
    net.save(tmp_path / "ünd so.safetensors")
    return net, tmp_path / "ünd so.safetensors"


def rewritten(path, tensors=None, **changes):
    """The file with other tensors or another description, its checksum made anew."""
    kept, description = read_tensors(path, KIND)
    write_tensors(path, KIND, tensors or kept, description | changes)
    return path


def test_the_same_bits_come_back(saved):
    net, path = saved
    again = nn.Estimator.load(path)
    assert weights(again) == weights(net)
    assert again.description == net.description
    data = torch.randn(5, 6, dtype=torch.complex64)
    assert torch.equal(again(data), net(data))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_any_reader_of_the_format_reads_it(saved):
    net, path = saved
    assert {name: tensor.shape for name, tensor in load_file(path).items()} == {
        name: tensor.shape for name, tensor in net.state_dict().items()
    }


def test_double_precision_is_kept(saved, tmp_path):
    net = saved[0].double()
    net.save(tmp_path / "double.safetensors")
    assert nn.Estimator.load(tmp_path / "double.safetensors").centre.dtype == torch.float64


def test_every_flipped_bit_is_found(saved):
    path = saved[1]
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    places = [*range(start, len(content), len(content) // 25), content.index(b"m0s"), content.index(b"standard")]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        with pytest.raises((OSError, sb.InvalidData), match="ünd so"):
            nn.Estimator.load(path)


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(saved, left):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(OSError, match=r"ünd so\.safetensors"):
        nn.Estimator.load(path)


def test_a_header_that_claims_much_is_refused(saved):
    path = saved[1]
    path.write_bytes(struct.pack("<Q", 1 << 62) + path.read_bytes()[8:])
    with pytest.raises(OSError, match="cannot be read"):
        nn.Estimator.load(path)


def test_an_architecture_that_claims_much_is_refused_before_it_is_made(saved):
    huge = {"widths": [1 << 30] * 50, "skips": [], "n_inputs": 12}
    with pytest.raises(
        sb.InvalidData, match=r"the tensor network\.layers\.0\.bias has \(32,\) shape, .* \(1073741824,\)"
    ):
        nn.Estimator.load(rewritten(saved[1], architecture=huge))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": ["1", "ms"]}, "its units are 1, ms; this version has 1, s"),
        ({"names": ["m0s", "T9"]}, "T9"),
        ({"names": ["m0s"], "units": ["1"]}, r"the tensor centre has \(2,\) shape"),
        ({"rank": 7}, "the architecture has 12 inputs; allowed: 14"),
        ({"phase": "odd"}, "phase is 'odd'"),
        ({"noise": {"sigma": -1, "M0": [0.1, 1]}}, "sigma is -1"),
        ({"architecture": {"width": [3]}}, "no estimator of this version"),
        ({"architecture": None}, "no estimator of this version"),
        ({"architecture": {"widths": [10**15] * 2, "n_inputs": 12}}, "no estimator of this version"),
        ({"model": "odd"}, "model is 'odd'"),
        ({"lineshape": "odd"}, "lineshape is 'odd'"),
        ({"sequence_identity": [5]}, r"sequence_identity is \[5\]; allowed: text"),
        ({"basis_sha256": 5}, "basis_sha256 is 5; allowed: text"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(saved, changes, message):
    with pytest.raises(sb.InvalidData, match=message):
        nn.Estimator.load(rewritten(saved[1], **changes))


def test_other_tensors_than_described_are_refused(saved):
    tensors = saved[0].state_dict()
    del tensors["width"]
    with pytest.raises(sb.InvalidData, match="the tensor width has no shape"):
        nn.Estimator.load(rewritten(saved[1], tensors))


@pytest.mark.parametrize("kind", [torch.float16, torch.int32, torch.complex64])
def test_tensors_of_another_precision_are_refused(saved, kind):
    tensors = {name: tensor.to(kind) if "0" in name else tensor for name, tensor in saved[0].state_dict().items()}
    with pytest.raises(sb.InvalidData, match=r"its tensors are .*; allowed: all float32, or all float64"):
        nn.Estimator.load(rewritten(saved[1], tensors))


def test_tensors_of_other_kinds_are_refused(tmp_path):
    save_file({"a": torch.ones(3)}, tmp_path / "a.safetensors")
    with pytest.raises(sb.InvalidData, match="holds 'tensors of unknown kind', not 'spinbound estimator 1'"):
        nn.Estimator.load(tmp_path / "a.safetensors")


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


@pytest.mark.parametrize("write", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_nothing_is_unpickled(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write(Planted(), tmp_path / "net.safetensors")
    with pytest.raises(OSError, match="cannot be read"):
        nn.Estimator.load("net.safetensors")
    assert not (tmp_path / "planted").exists()


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            nn.Estimator.load(path)


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(sb.InvalidData, match="an estimator is saved as .safetensors"):
        estimator().save(tmp_path / "net.pt")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_leaves_the_file_as_it_was(saved):
    net, path = saved
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.raises(OSError, match="File too large") as failure:
            net.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, previous)
    assert failure.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_descriptions_hold_nothing_that_json_does_not_know(saved):
    text = json.dumps(saved[0].description, allow_nan=False)
    assert json.loads(text) == saved[0].description


def test_without_torch_one_sentence_names_the_extra():
    code = "import sys; sys.modules['torch'] = None; import spinbound; import spinbound.nn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.endswith("ImportError: this needs torch, which is missing: pip install 'spinbound[nn]'\n")
