"""Parts of the work: which there are, how results of other parts look, and who holds the lock."""

import os
import sys

import numpy as np
import pytest
import spinbound as sb
from spinbound.work import cluster
from spinbound.work.job import Part
from spinbound.work.locks import hold_lock

from tests.support.work.jobs import CHUNK, VARIANTS, CrbJob, EvaluateJob, FitJob, N

pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly


@pytest.mark.parametrize("numbers", [(0, 3), (4, 3), (1, 0), (1.0, 2), (True, 2)])
def test_a_part_that_does_not_exist_is_refused(numbers):
    with pytest.raises(sb.InvalidParameter, match="number|n_parts"):
        cluster.part(*numbers)


def test_voxels_of_other_parts_are_unfinished(tmp_path):
    mine = np.arange(N) // CHUNK % 2 == 1  # of five chunks the second and the fourth
    fit = FitJob(tmp_path / "fit").result(runner=cluster.part(2, 2))
    assert np.array_equal(fit.status != sb.FitStatus.unfinished, mine)
    assert np.array_equal(np.isfinite(fit.estimates["m0s"]), mine)
    assert fit.counts["unfinished"] == 3 * CHUNK
    bounds = CrbJob(tmp_path / "crb").result(runner=cluster.part(2, 2))
    assert np.array_equal(np.isfinite(bounds["m0s"]), mine)
    report = EvaluateJob(tmp_path / "evaluate").result(runner=cluster.part(2, 2))
    assert np.array_equal(report.n_finite["m0s"].ravel() != -1, mine)
    assert report.overall.n_tissues.sum() == 2 * 2 * CHUNK


def test_a_part_without_a_chunk_finishes_none(tmp_path):
    assert FitJob(tmp_path).result(runner=cluster.part(7, 9)).counts == {"unfinished": N}


def test_a_chunk_of_invalid_voxels_is_one_like_others(tmp_path):
    bounds = CrbJob(tmp_path).result(**VARIANTS["crb"]["a chunk of invalid ones"])
    assert np.isnan(bounds["m0s"]).sum() == CHUNK


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
def test_a_run_that_is_over_is_not_named_as_the_holder(tmp_path):
    lock = tmp_path / "lock"
    with hold_lock(lock):
        pass
    lock.write_text(", process 1 on elsewhere", encoding="utf-8")
    with hold_lock(lock, Part(2, 3)), pytest.raises(sb.InvalidData, match=f"process {os.getpid()}"), hold_lock(lock):
        pass
