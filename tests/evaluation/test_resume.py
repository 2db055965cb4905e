"""Evaluations that were stopped, killed or shared by others end in the same bits, and only their own work is taken."""

import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import spinbound as sb
from spinbound.evaluation import pairs as _evaluation_chunks
from spinbound.work import cluster
from spinbound.work.cluster import part

from tests.support.evaluations import BOUND, bits, changed, efficient, resumed, toy_set
from tests.support.paths import ROOT


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 40)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, small_chunks):
    def stop(done, total):
        assert total == 40
        if done >= 16:
            raise KeyboardInterrupt

    calls = []

    def counting(data):
        calls.append(len(data))
        return efficient(data)

    with pytest.raises(KeyboardInterrupt):
        resumed(tmp_path / "work", counting, progress=stop)
    assert len(list((tmp_path / "work").glob("voxels-*.npz"))) == 4
    calls.clear()
    report = resumed(tmp_path / "work", counting)
    assert calls == [4] + [40] * 6  # the first is the question by which the estimator is recognised
    assert bits(report) == bits(resumed(None))


KILLED = """
import os, signal, sys
from spinbound.evaluation import pairs as _evaluation_chunks
from tests.support.evaluations import resumed
_evaluation_chunks.ROWS = 40
def progress(done, total):
    if done >= 12:
        os.kill(os.getpid(), signal.SIGKILL)
resumed(sys.argv[1], progress=progress)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_run_that_was_killed_goes_on_to_the_same_bits(tmp_path, small_chunks):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "work")]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list((tmp_path / "work").glob("voxels-*.npz"))) == 3
    assert bits(resumed(tmp_path / "work")) == bits(resumed(None))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"estimator": partial(changed, gain=0.9)}, "estimator"),
        ({"dataset": toy_set(20, seed=8)}, "signals"),
        ({"seed": 1}, "seed"),
        ({"phase": "random"}, "phase"),
        ({"snr": [20, 60]}, "snr"),
        ({"realizations": 11}, "realizations"),
        ({"names": "m0s"}, "names"),
    ],
)
def test_the_work_of_another_evaluation_is_refused(tmp_path, changes, what):
    resumed(tmp_path)
    with pytest.raises(sb.InvalidData, match=f"the work of another evaluation, which differs in .*{what}"):
        resumed(tmp_path, **changes)


def stepwise(data, steps=1, table=(), near=None):
    """Whatever the steps are, the answers are the same."""
    return efficient(data)


@dataclass(frozen=True)
class Fitting:
    table: np.ndarray

    def __call__(self, data):
        return efficient(data)

    estimate = __call__


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (partial(stepwise, steps=1), partial(stepwise, steps=2)),
        (partial(stepwise, table=np.zeros(3)), partial(stepwise, table=np.ones(3))),
        (partial(stepwise, near=sb.Tissue(m0s=0.1)), partial(stepwise, near=sb.Tissue(m0s=0.2))),
        (partial(stepwise, near={"a": [np.int64(1)]}), partial(stepwise, near={"a": [np.int64(2)]})),
        (Fitting(np.zeros(3)), Fitting(np.ones(3))),
        (stepwise, efficient),
    ],
)
def test_estimators_that_answer_alike_are_told_apart_by_what_they_are_made_of(tmp_path, one, other):
    resumed(tmp_path, one)
    with pytest.raises(sb.InvalidData, match="another evaluation, which differs in estimator; remove"):
        resumed(tmp_path, other)
    resumed(tmp_path, one)


def test_parts_make_the_whole(tmp_path, small_chunks):
    first = resumed(tmp_path, runner=part(1, 2))
    assert (first.n_finite["m0s"] == -1).sum() == 20
    assert first.overall.n_tissues.sum() == 40
    resumed(tmp_path, runner=part(2, 2))
    assert bits(resumed(tmp_path)) == bits(resumed(None))


def test_processes_give_the_same_bits(tmp_path, small_chunks, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_count_cores", lambda: 2)  # whatever the machine has
    roots = {name: np.sqrt(bound) for name, bound in BOUND.items()}

    def travelling(data):  # sent by value: workers know nothing of this file
        return {name: data[:, k].real * root for k, (name, root) in enumerate(roots.items())}

    report = resumed(tmp_path, travelling, runner=cluster.workers(2))
    assert bits(report) == bits(resumed(None))


def test_an_estimator_that_cannot_travel_is_refused_before_any_work(tmp_path):
    pytest.importorskip("distributed")
    lock = threading.Lock()
    with pytest.raises(TypeError):
        pickle.dumps(lock)

    def holding(data):
        with lock:
            return efficient(data)

    with pytest.raises(
        sb.InvalidParameter, match="the estimator cannot be sent to other processes .*functools.partial"
    ):
        resumed(tmp_path / "work", holding, runner=cluster.workers(1))
    assert not (tmp_path / "work").exists()
    resumed(tmp_path / "work", holding, runner=part(1, 1))  # which stays in this process
