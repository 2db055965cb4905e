"""Trainings go on after any kill to the same curve, in a folder that is theirs, and save no more often than it pays."""

import csv
import signal
import subprocess
import sys
from unittest.mock import patch

import pytest
import spinbound as sb
from spinbound import nn
from spinbound.nn.training import loop as _loop
from spinbound.nn.training import run as _run

from tests.support.disks import flip_bit
from tests.support.learning import curve, estimator, judge, simulated, trained, weights
from tests.support.paths import ROOT

SCRIPT = """
import itertools, os, pathlib, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.support.learning import simulated, trained
from spinbound import nn
from spinbound.nn.training import run
folder, how = sys.argv[2:]
sys.modules["spinbound.nn.training.train"].SAVE_EVERY = 0

def die_at(n, function, leave=lambda *_: None):
    "The function, whose call number n leaves something behind and kills the process."
    calls = itertools.count(1)
    def dying(*arguments):
        if next(calls) == n:
            leave(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return dying

progress = die_at(8, lambda done, total: None) if how == "in an epoch" else None
if how == "between files":
    nn.Estimator.save = die_at(4, nn.Estimator.save)
if how == "writing":
    half_a_file = lambda path, *_: pathlib.Path(f"{path}.tmp").write_bytes(b"half a file")
    run.write_tensors = die_at(3, run.write_tensors, half_a_file)
trained(simulated(96), validation=simulated(64, first=10_000), folder=folder, epochs=5, progress=progress)
"""


def killed(folder, how):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, ROOT, folder, how], timeout=300, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("how", ["in an epoch", "between files", "writing"])
def test_a_killed_training_goes_on_to_the_same_bits(how, tmp_path):
    killed(tmp_path / "killed", how)
    options = {"validation": judge(), "epochs": 5}
    whole, undisturbed = trained(simulated(96), folder=tmp_path / "whole", **options)
    data = simulated(96)
    with patch.object(data, "samples", wraps=data.samples) as samples:
        resumed, history = trained(data, folder=tmp_path / "killed", **options)
    epochs = [call.args[0] for call in samples.call_args_list]
    assert [epoch for epoch in epochs if epoch] == [2, 3, 4]
    assert curve(history) == curve(undisturbed)
    assert weights(resumed) == weights(whole)
    for name in ("best.safetensors", "last.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    first, history = trained(folder=tmp_path)
    monkeypatch.setattr(_loop.Loop, "run_epoch", lambda *_: pytest.fail("trained again"))
    again, same = trained(folder=tmp_path)
    assert curve(same) == curve(history)
    assert weights(again) == weights(first)


def test_halving_goes_on_to_more_epochs(tmp_path):
    trained(folder=tmp_path, epochs=2)
    _, more = trained(folder=tmp_path, epochs=4)
    assert curve(more) == curve(trained(epochs=4)[1])


def test_the_log_holds_the_history(tmp_path):
    _, history = trained(folder=tmp_path, validation=judge())
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for name in rows[0]:
        assert [float(row[name]) for row in rows] == history[name].tolist()


CHANGES = {
    "data": {"data": simulated(96, first=1)},
    "names": {"net": estimator(names=("T1a", "m0s"))},
    "phase": {"net": estimator(phase="random")},
    "first_weights": {"net": estimator(seed=1)},
    "loss": {"loss": nn.MSELoss()},
    "noise": {"noise": nn.Noise(0.02)},
    "batch": {"batch": 48},
    "learning_rate": {"learning_rate": 1e-3},
    "halve_every": {"halve_every": 3},
    "schedule": {"schedule": "cosine"},
    "clip": {"clip": 1.0},
    "seed": {"seed": 1},
    "validation": {"validation": judge()},
}


@pytest.mark.parametrize(("name", "change"), CHANGES.items(), ids=CHANGES)
def test_another_training_is_refused_by_what_differs_and_leaves_the_estimator_as_it_was(name, change, tmp_path):
    _, history = trained(folder=tmp_path, epochs=1)
    net = change.get("net") or estimator()
    before = net.description
    with pytest.raises(sb.InvalidData, match=rf"holds another training, which differs in .*\b{name}\b"):
        trained(**({"net": net, "folder": tmp_path, "epochs": 1} | change))
    assert (net.description, net.noise) == (before, None)
    assert curve(trained(folder=tmp_path, epochs=1)[1]) == curve(history)


def test_a_second_run_in_the_folder_is_refused(tmp_path):
    with _run.open_folder(tmp_path), pytest.raises(sb.InvalidData, match="in use by another run, process"):
        trained(folder=tmp_path)


def test_a_folder_of_unknown_checkpoints_is_refused(tmp_path):
    (tmp_path / "best.safetensors").write_bytes(b"mine")
    with pytest.raises(sb.InvalidData, match="holds best.safetensors but not optimiser.safetensors"):
        trained(folder=tmp_path)
    assert (tmp_path / "best.safetensors").read_bytes() == b"mine"


def test_a_damaged_checkpoint_is_named(tmp_path):
    trained(folder=tmp_path)
    path = tmp_path / "optimiser.safetensors"
    flip_bit(path, -10)
    with pytest.raises(OSError, match=r"optimiser\.safetensors"):
        trained(folder=tmp_path)


def test_an_interrupted_training_leaves_no_thread_behind(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    data = simulated()
    with pytest.raises(KeyboardInterrupt):
        trained(data, progress=stop, folder=tmp_path)
    assert data._pool is None
    assert len(trained(simulated(), folder=tmp_path)[1]) == 3


def test_saving_is_not_done_more_often_than_it_pays(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(_run.TrainingRun, "save", lambda self: saved.append(len(self.history)))
    trained(folder=tmp_path, epochs=4)
    assert saved == [4]
    monkeypatch.setattr(sys.modules["spinbound.nn.training.train"], "SAVE_EVERY", 0)
    trained(folder=tmp_path, epochs=2)
    assert saved == [4, 1, 2, 2]
