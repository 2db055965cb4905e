"""Estimators of evaluations that go on: asked for no more than is missing, told apart, and sent to others."""

import pickle
import threading
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import spinbound as sb
from spinbound.evaluation import pairs as _evaluation_chunks
from spinbound.work import cluster
from spinbound.work.cluster import part

from tests.support.evaluations import Recorder, bits, efficient, resumed


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(_evaluation_chunks, "ROWS", 40)


def test_the_estimator_of_a_run_that_goes_on_is_asked_for_the_rest_alone(tmp_path, small_chunks):
    def stop(done, total):
        assert total == 40
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resumed(tmp_path / "work", Recorder(), progress=stop)
    assert len(list((tmp_path / "work").glob("voxels-*.npz"))) == 4
    estimator = Recorder()
    report = resumed(tmp_path / "work", estimator)
    assert estimator.sizes == [4] + [40] * 6  # the first is the question by which the estimator is recognised
    assert bits(report) == bits(resumed(None))


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
