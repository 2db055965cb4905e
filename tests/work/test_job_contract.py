"""What fits, bounds, report cards and dictionaries promise of their work in chunks: the same is asked of all four."""

import os
import re
import signal
import sys
from unittest import mock

import numpy as np
import pytest
import spinbound as sb
from spinbound.work import cluster
from spinbound.work.job import run_here

from tests.support.disks import fill_disk, flip_bits
from tests.support.work.jobs import CHUNK, N_CHUNKS, OTHERS, VARIANTS, N

pytestmark = pytest.mark.filterwarnings("ignore:the fit leaves")  # what is not free is known wrongly

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, limits and locks of POSIX")


def cases_of(table):
    """A case for every kind of job and every name in its table."""
    return [pytest.param(kind, case, id=f"{kind}, {name}") for kind in table for name, case in table[kind].items()]


def resumed(job):
    """The bits of a run that goes on, and the chunks that it has computed."""
    asked = []

    def runner(work, threads, report):
        noted = mock.Mock(wraps=work, sizes=work.sizes)
        run_here(noted, threads, report)
        asked.extend(call.args[0] for call in noted.make_task.call_args_list)

    return job.run(runner=runner), asked


def assert_it_goes_on(job, whole):
    """What was stored stays as it is and is not done again, the rest is done, and nobody can tell."""
    kept, done = job.kept(), job.done
    bits, asked = resumed(job)
    assert asked == [chunk for chunk in range(N_CHUNKS) if chunk not in done]
    assert bits == whole
    assert {name: job.files()[name] for name in kept} == kept
    assert job.is_folder or not list(job.path.rglob("*.tmp"))
    with job.no_work():
        assert job.run(threads=1) == whole
    assert job.done == list(range(N_CHUNKS))


# Runs that end early


@posix
@pytest.mark.parametrize(("how", "done"), [("killed between chunks", 3), ("killed while writing", 2)])
def test_a_killed_run_goes_on_to_the_same_bits(job, mortals, how, done):
    whole = job.alone()
    assert mortals.end(job, how) == (-signal.SIGKILL, "")
    assert job.done == list(range(done))
    assert_it_goes_on(job, whole)


@posix
@pytest.mark.parametrize("n_moments", [5, pytest.param(50, marks=pytest.mark.long)])
def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bits(job, mortals, n_moments):
    job.path.parent.mkdir(exist_ok=True)
    status, n_calls = mortals.end(job, "killed at a call")
    assert status == 0
    whole, files, path = job.alone(), job.files(), job.path
    moments = np.random.default_rng(n_moments).permutation(int(n_calls))[:n_moments] + 1
    for moment in moments:
        job.path = path.with_name(f"{moment}{path.suffix}")
        assert mortals.end(job, "killed at a call", moment) == (-signal.SIGKILL, "")
        assert not job.is_complete()
        assert job.run() == whole
        assert job.files() == files


@posix
@pytest.mark.parametrize("done", [0, 2])
def test_a_full_disk_is_told_and_leaves_whole_chunks_only(job, mortals, done):
    status, said = mortals.end(job, "out of disk", done)
    number, _, name = said.partition(" ")
    assert (status, number) == (0, "27")  # EFBIG, as the limit stands in for a full disk
    assert os.path.dirname(name).startswith(str(job.path))
    assert done or not job.is_folder or not job.path.exists()
    assert job.done == list(range(done))
    assert not list(job.path.rglob("*.tmp"))
    assert_it_goes_on(job, job.alone())
    assert name in {str(job.path / file) for file in job.names(done)}


def test_a_disk_that_takes_nothing_leaves_no_trace(job, monkeypatch):
    before = list(job.path.parent.parent.rglob("*"))
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        job.run()
    assert not job.path.exists()
    assert set(job.path.parent.parent.rglob("*")) - set(before) <= {job.path.parent}


@posix
def test_an_interrupted_run_goes_on_to_the_same_bits(job, mortals):
    assert mortals.end(job, "interrupted") == (0, "interrupted")
    assert job.done == [0, 1, 2]
    assert_it_goes_on(job, job.alone())


@pytest.mark.parametrize("reason", [KeyboardInterrupt, RuntimeError])
def test_what_the_progress_raises_ends_the_run_and_leaves_what_is_done(job, reason):
    def stop(done, _):
        if done > 2 * CHUNK:
            raise reason("enough")

    with pytest.raises(reason, match="enough"):
        job.run(progress=stop)
    assert job.done in ([0, 1], [0, 1, 2])  # which are told while they are computed, or when they are stored
    assert_it_goes_on(job, job.alone())


def test_what_is_done_is_not_done_again(job):
    first = job.run()
    reports = []
    with job.no_work():
        assert job.run(resume=str(job.path), threads=1, progress=lambda *report: reports.append(report)) == first
    assert reports == [(CHUNK * k, N) for k in range(1, N_CHUNKS + 1)]


# Parts, and other processes


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
@pytest.mark.parametrize(("job", "variant"), cases_of(VARIANTS), indirect=["job"])
def test_parts_in_any_order_give_the_same_bits(job, variant, order):
    whole = job.alone(**variant)
    for number in order:
        assert job.run(**variant, runner=cluster.part(number, 3)) != whole or number == order[-1]
    with job.no_work():
        assert job.run(**variant) == whole


def test_more_parts_than_chunks_leave_some_without_work(job):
    with job.no_work():
        job.run(runner=cluster.part(7, 9))
    assert job.done == []


def test_progress_of_a_part_is_that_of_its_voxels(job):
    reports = []
    job.run(runner=cluster.part(1, 2), progress=lambda *report: reports.append(report))
    assert reports[-1] == (3 * CHUNK, 3 * CHUNK)
    assert reports == sorted(reports)


def test_workers_give_the_same_bits_and_tell_how_far_they_are(job, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_count_cores", lambda: 2)  # whatever the machine has
    variant = list(VARIANTS[job.kind].values())[1]
    whole, reports = job.alone(**variant), []
    runner = cluster.workers(2)
    assert job.run(**variant, runner=runner, progress=lambda *report: reports.append(report)) == whole
    assert reports == [(CHUNK * k, N) for k in range(1, N_CHUNKS + 1)]
    monkeypatch.setattr("distributed.LocalCluster", None)  # what is done needs no workers
    assert job.run(**variant, runner=runner) == whole


def test_what_does_not_run_is_no_runner(job):
    with pytest.raises(sb.InvalidParameter, match=r"runner must be one of spinbound\.cluster, or .*; given int"):
        job.run(runner=3)


def test_a_runner_needs_a_folder(folder_job):
    with pytest.raises(sb.InvalidParameter, match="a runner needs resume="):
        folder_job.alone(runner=cluster.part(1, 2))


# Whose work it is


@pytest.mark.parametrize(("job", "case"), cases_of(OTHERS), indirect=["job"])
def test_a_folder_of_other_work_is_refused_and_says_what_differs(job, case):
    given, changes, what = case
    job.run(**given)
    with job.no_work(), pytest.raises(sb.InvalidData) as why:
        job.run(**changes)
    assert str(why.value).startswith(f"{job.path} holds ")
    assert re.search(rf"another {job.called}, which differs in .*({what}).*; \w+ it, or name another", str(why.value))


@posix
@pytest.mark.parametrize(
    ("first", "second", "are_compatible"),
    [
        (None, None, False),
        (None, cluster.part(1, 2), False),
        (cluster.part(1, 2), None, False),
        (cluster.part(1, 2), cluster.part(1, 2), False),
        (cluster.part(1, 2), cluster.part(2, 2), True),
    ],
)
def test_two_runs_that_would_do_the_same_exclude_each_other(job, first, second, are_compatible):
    def another(done, _):
        if done == CHUNK:
            job.run(runner=second)

    whole = job.alone()
    if are_compatible:
        job.run(runner=first, progress=another)
        assert job.done == list(range(N_CHUNKS))
    else:
        with pytest.raises(sb.InvalidData, match=f"is in use by another run, process {os.getpid()} on .*; wait for"):
            job.run(runner=first, progress=another)
    assert job.run() == whole


@posix
def test_a_link_in_the_place_of_the_lock_is_refused_and_what_it_leads_to_is_left_alone(job, tmp_path):
    job.run()
    (tmp_path / "thesis").write_text("years of work")
    job.lock.unlink()
    job.lock.symlink_to(tmp_path / "thesis")
    with pytest.raises(sb.InvalidData, match="lock is a link, which is never followed"):
        job.run()
    assert (tmp_path / "thesis").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_named_and_stays(job):
    job.path.parent.mkdir(exist_ok=True)
    job.path.write_text("mine", encoding="utf-8")
    with pytest.raises(OSError, match=job.path.name):
        job.run()
    assert job.path.read_text(encoding="utf-8") == "mine"


# Files that cannot be trusted


def damaged(job, chunk=1):
    """A file of a chunk at a time, and how its damage is told."""
    job.run()
    for name in job.names(chunk):
        yield job.path / name, job.complaint(name)


@pytest.mark.parametrize("size", [0, 1, 100, -200, -1])
def test_a_truncated_chunk_is_named(job, size):
    for file, words in damaged(job):
        whole = file.read_bytes()
        file.write_bytes(whole[:size])
        if file.read_bytes() != whole:
            with pytest.raises(OSError, match=words):
                job.run()
        file.write_bytes(whole)


def test_a_flipped_bit_in_a_chunk_is_named_or_changes_nothing(job):
    expected, told, n = job.alone(), [], 0
    for file, words in damaged(job):
        for _ in flip_bits(file, [8 * place + place % 8 for place in range(0, file.stat().st_size, 37)]):
            n += 1
            try:  # dates and the like in the headers of an archive mean nothing
                assert job.run() == expected
            except (OSError, sb.InvalidData) as problem:
                told.append((words, str(problem)))
    assert len(told) > 0.6 * n if job.is_folder else len(told) == n
    assert all(re.search(words, said) for words, said in told)


def test_damage_is_told_before_any_work(folder_job):
    folder_job.run()
    first, *_, last = (folder_job.path / name for name in sorted(folder_job.kept()))
    first.unlink()
    last.write_bytes(b"PK")
    with folder_job.no_work(), pytest.raises(OSError, match=last.name):
        folder_job.run()


@pytest.mark.parametrize("change", ["missing", "short", "type"])
def test_a_file_of_something_else_is_named(folder_job, change):
    whole = folder_job.run()
    file = folder_job.path / folder_job.names(1)[0]
    with np.load(file) as content:
        arrays = dict(content)
    name = list(arrays)[-1]
    if change == "missing":
        del arrays[name]
    else:
        arrays[name] = arrays[name][:-1] if change == "short" else arrays[name].astype(complex)
    np.savez(file, **arrays)
    words = f"{file.name}: not the results of 8 voxels; remove it, and they are computed again"
    with pytest.raises(sb.InvalidData, match=words):
        folder_job.run()
    file.unlink()
    assert folder_job.run() == whole


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{}"])
def test_a_damaged_description_is_not_taken_for_this_work(folder_job, content):
    folder_job.run()
    (folder_job.path / f"{folder_job.called}.json").write_bytes(content)
    with pytest.raises(sb.InvalidData, match=f"another {folder_job.called}"):
        folder_job.run()


def test_results_without_a_description_are_refused(folder_job):
    folder_job.run()
    (folder_job.path / f"{folder_job.called}.json").unlink()
    with pytest.raises(sb.InvalidData, match=rf"holds results but not {folder_job.called}\.json"):
        folder_job.run()


def test_a_folder_without_results_is_taken_over(folder_job):
    _, changes, what = next(iter(OTHERS[folder_job.kind].values()))
    folder_job.run()
    for name in folder_job.kept():
        (folder_job.path / name).unlink()
    assert folder_job.run(**changes) == folder_job.alone(**changes)
    with pytest.raises(sb.InvalidData, match=f"differs in .*{what}"):
        folder_job.run()
