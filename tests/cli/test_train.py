"""``spinbound train`` and the files that it takes: what the library does, and what is refused before any work."""

import json
import os
import re
import signal
import sys

import numpy as np
import pytest
import spinbound as sb
from spinbound import nn
from spinbound.cli.main import main

from tests.support.commands import failure
from tests.support.learning import (
    ARCHITECTURE,
    BASIS,
    NAMES,
    PRIOR,
    SEQ,
    UNKNOWNS,
    curve,
    simulated,
    store,
    trained,
    weights,
)
from tests.support.stopping import stop

STORED = """
[estimator]
names = ["m0s", "T1a"]
widths = [32, 32, 32]
skips = [[1, 3]]

[data]
store = "atoms.zarr"

[noise]
sigma = 1e-4
M0 = [0.5, 1]

[training]
epochs = 3
batch = 32
learning_rate = 3e-3
device = "cpu"
"""
SIMULATED = """
[estimator]
names = ["m0s", "T1a"]
architecture = "small"
phase = "random"
seed = 3

[data]
sequence = "train.npz"
prior = "prior.toml"
basis = "basis.npz"
n = 64
wrt = ["M0", "m0s", "T1a", "T2f", "omega0"]
threads = 1

[validation]
n = 32
first = 1_000_000

[loss]
name = "bias-constrained"
realizations = 3
weight = 2

[training]
epochs = 2
batch = 32
schedule = "cosine"
clip = 1
device = "cpu"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a folder of files that trainings name."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("files")
    SEQ.save("files/train.npz")
    PRIOR.save("files/prior.toml")
    BASIS.save("files/basis.npz")
    write(STORED)
    return tmp_path


def write(text, name="files/short.toml"):
    with open(name, "w") as file:
        file.write(text)
    return name


# What a file says


def test_a_file_describes_a_training_from_a_store(here):
    kept = store("files/atoms.zarr")
    training = nn.Training.load("files/short.toml")
    assert training.validation is None
    net, history = trained(nn.StoredData(kept))
    assert curve(training.run()) == curve(history)
    assert weights(training.estimator) == weights(net)


def test_a_file_describes_a_training_that_simulates(here):
    training = nn.Training.load(write(SIMULATED))
    assert training.estimator.network.architecture == nn.Architecture.small(6)
    net = nn.Estimator(NAMES, basis=BASIS, seq=SEQ, architecture=nn.Architecture.small(6), phase="random", seed=3)
    options = {"schedule": "cosine", "clip": 1, "epochs": 2, "learning_rate": 0.01, "noise": nn.Noise()}
    loss, judge = nn.BiasConstrainedLoss(3, 2), simulated(32, first=1_000_000)
    _, history = trained(simulated(64), net, loss=loss, validation=judge, **options)
    assert curve(training.run()) == curve(history)
    assert training.estimator.trained_for["prior"] == PRIOR.toml


def test_options_override_the_file(here):
    assert len(nn.Training.load(write(SIMULATED)).run(epochs=1)) == 1


def test_a_bundled_sequence_and_the_prior_of_the_paper_go_by_name(here):
    text = '[estimator]\nnames = ["m0s"]\n[data]\nsequence = "hybrid-mt-4s"\nprior = "paper"\nn = 4'
    data = nn.Training.load(write(text)).data
    seq = sb.sequences.load("hybrid-mt-4s")
    assert (data.seq, data.prior) == (seq, sb.Prior.paper().within(seq).toml)


def test_gradient_moments_may_be_told(here):
    np.savez("files/bare.npz", alpha=SEQ.alpha, TRF=SEQ.TRF)
    told = 'sequence = "bare.npz"\nTR = 3.5e-3\ngradient_moment = ["crusher", "balanced"]'
    training = nn.Training.load(write(SIMULATED.replace('sequence = "train.npz"', told)))
    assert training.data.seq.sha256 == SEQ.sha256


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[training]", "[trainings]", r"a table is 'trainings' \(did you mean 'training'\?\)"),
        ("epochs = 2", "epoch = 2", r"\[training\]: a key is 'epoch' \(did you mean 'epochs'\?\)"),
        ("\n[estimator]", "noise = 3\n[estimator]", r"noise must be a table \[noise\]"),
        ('names = ["m0s", "T1a"]', "", r"lacks names in \[estimator\]"),
        ('names = ["m0s", "T1a"]', 'names = ["m0s", "T1"]', "T1"),
        ('architecture = "small"', 'architecture = "smal"', "did you mean 'small'"),
        ('architecture = "small"', 'architecture = "small"\nwidths = [3]', "an architecture and widths; give one"),
        ('phase = "random"', 'phase = "standart"', "did you mean 'standard'"),
        ('prior = "prior.toml"', "", r"\[data\] lacks prior; it needs a store, or sequence, prior and n"),
        ('sequence = "train.npz"', 'sequence = "train.npz"\nstore = "a.zarr"', "a store has its own sequence"),
        ('wrt = ["M0", "m0s"', 'wrt = ["m0s"', "M0 must be among them"),
        ('name = "bias-constrained"', 'name = "biased"', "the name of a loss is 'biased'"),
        ("realizations = 3", 'realizations = "3"', "realizations must be an integer of at least 2; given '3'"),
        ('name = "bias-constrained"', 'name = "mse"', "realizations"),
        ("n = 64", "n = 0", "n must be an integer of at least 1"),
        ("[data]", "[data", "not valid TOML"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(here, old, new, message):
    assert old in SIMULATED
    with pytest.raises(sb.InvalidData, match=rf"files/short\.toml.*{message}"):
        nn.Training.load(write(SIMULATED.replace(old, new, 1)))


def test_what_a_file_names_must_be_there(here):
    with pytest.raises(OSError, match=r"atoms\.zarr"):
        nn.Training.load("files/short.toml")


def test_options_are_refused_before_any_work(here, monkeypatch):
    store("files/atoms.zarr")
    training = nn.Training.load("files/short.toml")
    monkeypatch.setattr(nn.Novelty, "from_store", lambda *_, **__: pytest.fail("novelty was made"))
    for wrong in ({"epochs": 0}, {"device": "cuda:7"}, {"compile": "no"}):
        with pytest.raises(sb.InvalidParameter, match=next(iter(wrong))):
            training.run(**wrong)


# The command


def test_the_command_does_what_the_library_does(here, capsys):
    store("files/atoms.zarr")
    assert main(["train", "files/short.toml"]) == 0
    out = capsys.readouterr().out
    net, history = trained(nn.StoredData(sb.open_dictionary("files/atoms.zarr")))
    assert weights(nn.Estimator.load("short/best.safetensors")) == weights(net)
    assert re.search(r"3 epochs in \d+ s; the best is \d", out)
    assert out.endswith("wrote short/best.safetensors and short/last.safetensors\n")
    assert main(["train", "files/short.toml", "--json"]) == 0  # done already
    report = json.loads(capsys.readouterr().out)
    assert report["history"]["loss"] == history["loss"].tolist()
    assert report["history"]["validation_loss"] == [None] * 3
    assert report["estimator"]["names"] == list(NAMES)


def test_options_of_the_command(here, capsys):
    store("files/atoms.zarr")
    options = ["-o", "elsewhere", "--epochs", "1", "--device", "cpu", "--threads", "1"]
    assert main(["train", "files/short.toml", *options]) == 0
    files = {"best.safetensors", "last.safetensors", "lock", "log.csv", "optimiser.safetensors"}
    assert {*os.listdir("elsewhere")} == files
    assert not os.path.exists("short")


def test_errors_take_one_line(here, capsys):
    store("files/atoms.zarr")
    write(STORED.replace("epochs", "epocs"))
    assert "did you mean 'epochs'" in failure(["train", "files/short.toml"], capsys)
    write(STORED)
    assert "'cuda:7', which cannot be used" in failure(["train", "files/short.toml", "--device", "cuda:7"], capsys)
    assert main(["train", "files/short.toml"]) == 0
    write(STORED.replace("batch = 32", "batch = 16"))
    assert "holds another training, which differs in batch" in failure(["train", "files/short.toml"], capsys)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_can_go_on(here, number, status):
    store("files/atoms.zarr", 512)
    write(STORED.replace("epochs = 3", "epochs = 100000"))
    returned, err = stop(["train", "files/short.toml"], number, (here / "short" / "lock").exists)
    assert returned == status
    assert "Traceback" not in err
    assert not list(here.rglob("*.tmp"))


def test_the_unknowns_of_the_tests_are_those_of_the_file():
    assert all(name in SIMULATED for name in UNKNOWNS)
    assert list(ARCHITECTURE.widths) == [32, 32, 32]
