"""Any executor of concurrent.futures does the work of a call, to the same bits."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import spinbound as sb
from spinbound.signals import bounds as module
from spinbound.work.executor import AHEAD, ExecutorRunner

from tests.support.trains import random_tissues, smooth_train

pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly

SEQ, TISSUE, WRT = smooth_train(), random_tissues(40, seed=3), ("M0", "m0s", "R2f")


def spawned():
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))


@pytest.mark.parametrize("pool", [lambda: ThreadPoolExecutor(2), spawned], ids=["threads", "processes"])
def test_an_executor_gives_the_same_bits(tmp_path, monkeypatch, pool):
    monkeypatch.setattr(module, "CHUNK", 7)
    expected, reports = sb.crb(SEQ, TISSUE, WRT), []
    note = lambda *call: reports.append(call)
    with pool() as executor:
        found = sb.crb(SEQ, TISSUE, WRT, resume=tmp_path, runner=executor, threads=1, progress=note)
        assert executor.submit(int, "3").result() == 3  # it is the caller's, and still open
    assert all(np.array_equal(found[name], expected[name]) for name in WRT)
    assert reports[-1] == (40, 40)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 7)
    first = sb.crb(SEQ, TISSUE, WRT, resume=tmp_path)
    monkeypatch.setattr("spinbound._core.crb", None)
    with ThreadPoolExecutor(1) as executor:
        again = sb.crb(SEQ, TISSUE, WRT, resume=tmp_path, runner=executor)
    assert all(np.array_equal(first[name], again[name]) for name in WRT)


class CountedJob:
    """Chunks of one voxel each; the fifth fails. Counts how many are under way when a task is asked for."""

    sizes = [1] * 20

    def __init__(self):
        self.asked, self.finished = 0, 0

    def is_done(self, chunk):
        return False

    def make_task(self, chunk):
        self.asked += 1

        def work(threads, report):
            if chunk == 4:
                raise OSError("the disk is full")
            self.finished += 1

        return work


def test_a_chunk_that_fails_ends_the_work_and_says_why():
    job = CountedJob()
    with ThreadPoolExecutor(1) as executor, pytest.raises(OSError, match="the disk is full"):
        ExecutorRunner(executor)(job, 1, None)
    assert job.asked <= 5 + AHEAD  # no more are under way than the workers need


def test_an_executor_needs_a_folder():
    with ThreadPoolExecutor(1) as executor, pytest.raises(sb.InvalidParameter, match="a runner needs resume="):
        sb.crb(SEQ, TISSUE, WRT, runner=executor)
