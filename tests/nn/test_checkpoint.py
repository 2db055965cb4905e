"""Estimators in files: the same bits come back, and what is damaged, foreign or hostile is refused."""

import json
import os
import pickle
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

from tests.support.disks import flip_bit, limited_files
from tests.support.learning import SEQ, estimator, scaled_estimator, weights


@pytest.fixture
def net():
    return scaled_estimator(seq=SEQ, prior=sb.Prior(m0s=sb.Uniform(0, 0.2)))


@pytest.fixture
def path(net, tmp_path):
    """The file of the estimator."""
    net.save(tmp_path / "ünd so.safetensors")
    return tmp_path / "ünd so.safetensors"


def rewritten(path, tensors=None, **changes):
    """The file with other tensors or another description, its checksum made anew."""
    kept, description = read_tensors(path, KIND)
    write_tensors(path, KIND, tensors or kept, description | changes)
    return path


def test_the_same_bits_come_back(net, path):
    again = nn.Estimator.load(path)
    assert weights(again) == weights(net)
    assert again.description == net.description
    data = torch.randn(5, 6, dtype=torch.complex64)
    assert torch.equal(again(data), net(data))
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_any_reader_of_the_format_reads_it(net, path):
    shapes, expected = ({name: t.shape for name, t in kept.items()} for kept in (load_file(path), net.state_dict()))
    assert shapes == expected


def test_double_precision_is_kept(net, tmp_path):
    net.double().save(tmp_path / "double.safetensors")
    assert nn.Estimator.load(tmp_path / "double.safetensors").centre.dtype == torch.float64


def test_every_flipped_bit_is_found(path):
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    places = [*range(start, len(content), len(content) // 25), content.index(b"m0s"), content.index(b"standard")]
    for place in places:
        flip_bit(path, place)
        with pytest.raises((OSError, sb.InvalidData), match="ünd so"):
            nn.Estimator.load(path)
        flip_bit(path, place)
    nn.Estimator.load(path)


@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(path, left):
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(OSError, match=r"ünd so\.safetensors"):
        nn.Estimator.load(path)


def test_a_header_that_claims_much_is_refused(path):
    path.write_bytes(struct.pack("<Q", 1 << 62) + path.read_bytes()[8:])
    with pytest.raises(OSError, match="cannot be read"):
        nn.Estimator.load(path)


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
        (
            {"architecture": {"widths": [1 << 30] * 50, "skips": [], "n_inputs": 12}},  # refused before it is made
            r"the tensor network\.layers\.0\.bias has \(32,\) shape, .* \(1073741824,\)",
        ),
        ({"model": "odd"}, "model is 'odd'"),
        ({"lineshape": "odd"}, "lineshape is 'odd'"),
        ({"sequence_identity": [5]}, r"sequence_identity is \[5\]; allowed: text"),
        ({"basis_sha256": 5}, "basis_sha256 is 5; allowed: text"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(path, changes, message):
    with pytest.raises(sb.InvalidData, match=message):
        nn.Estimator.load(rewritten(path, **changes))


def test_other_tensors_than_described_are_refused(net, path):
    tensors = net.state_dict()
    del tensors["width"]
    with pytest.raises(sb.InvalidData, match="the tensor width has no shape"):
        nn.Estimator.load(rewritten(path, tensors))


@pytest.mark.parametrize("kind", [torch.float16, torch.int32, torch.complex64])
def test_tensors_of_another_precision_are_refused(net, path, kind):
    tensors = {name: tensor.to(kind) if "0" in name else tensor for name, tensor in net.state_dict().items()}
    with pytest.raises(sb.InvalidData, match=r"its tensors are .*; allowed: all float32, or all float64"):
        nn.Estimator.load(rewritten(path, tensors))


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
def test_a_full_disk_leaves_the_file_as_it_was(net, path):
    before = path.read_bytes()
    with limited_files(2000), pytest.raises(OSError, match="File too large") as failure:
        net.save(path)
    assert failure.value.filename == str(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_descriptions_hold_nothing_that_json_does_not_know(net):
    assert json.loads(json.dumps(net.description, allow_nan=False)) == net.description


def test_without_torch_one_sentence_names_the_extra():
    code = "import sys; sys.modules['torch'] = None; import spinbound; import spinbound.nn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    message = "ImportError: this needs torch, which is missing: pip install 'spinbound[nn]'"
    assert done.stderr.splitlines()[-1] == message
