"""Processes and jobs of a cluster give the same bits, get over faults, and leave nothing running."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import spinbound as sb
import spinbound._core as _core
from spinbound.work import cluster
from spinbound.work import distribute as _distribute

from tests.support.paths import ROOT
from tests.support.work.faulty_job import FaultyJob
from tests.support.work.jobs import DATA, SEQ, FitJob

dask = pytest.importorskip("dask")
LocalCluster = pytest.importorskip("distributed").LocalCluster
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Makes a job of chunks with these fates."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    return lambda *fates: FaultyJob(tmp_path, fates)


@pytest.fixture
def two_cores(monkeypatch):
    """Whatever the machine has."""
    monkeypatch.setattr(cluster, "_count_cores", lambda: 2)


def is_alive(pid):
    """Whether a process runs, or will have ended in a moment."""
    psutil = pytest.importorskip("psutil")
    try:
        psutil.Process(pid).wait(5)
    except psutil.NoSuchProcess:
        return False
    except psutil.TimeoutExpired:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


# Faults


def test_what_goes_wrong_is_tried_again_and_named_in_the_end(faulty, two_cores):
    job = faulty("", "killed once", "wrong twice", "", "wrong", "", "killed", "")
    reports = []
    words = (
        r"2 of 8 chunks are not done: 4, 6 \(counted from 0\), each tried at least 4 times; "
        r"(4: ValueError: chunk 4 is wrong|6: ChildProcessError: its worker died)"
    )
    with pytest.warns(UserWarning, match=words):
        cluster.workers(2)(job, None, lambda *report: reports.append(report))
    assert sorted(job.done) == [0, 1, 2, 3, 5, 7]
    assert job.tries[1] > 1  # where a worker dies, what it had or had not told yet is done again
    assert job.tries[2] >= 3
    assert job.tries[4] >= 4
    assert job.tries[6] > 4  # the last ones alone: the blame is not for those that waited with it
    assert reports == [(2 * k, 16) for k in range(1, 7)]
    assert {(threads, isa) for threads, isa, _ in job.done.values()} == {("1", _core.isa_in_use())}
    assert not any(is_alive(int(pid)) for *_, pid in job.done.values())


def test_a_full_disk_ends_the_run(faulty, two_cores):
    job = faulty("full", *[""] * 20)
    with pytest.raises(OSError, match="No space left on device.*place"):
        cluster.workers(1)(job, 2, None)
    assert job.tries[0] == 4
    assert multiprocessing.active_children() == []


def test_a_run_of_which_nothing_can_be_done_fails(faulty, two_cores):
    with pytest.raises(ChildProcessError, match="no chunk could be done: 0 .*chunk 0 is wrong"):
        cluster.workers(1)(faulty("wrong"), None, None)


def test_an_interrupted_run_ends_at_once_and_leaves_no_process(faulty, two_cores):
    job = faulty("", "long", "long", "long")

    def stop(*_):
        global stopped
        stopped = time.perf_counter()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cluster.workers(2)(job, None, stop)
    assert time.perf_counter() - stopped < 10
    assert multiprocessing.active_children() == []
    assert sorted(job.done) == [0]


def test_a_run_without_workers_gives_up(faulty, two_cores, monkeypatch):
    monkeypatch.setattr(_distribute, "PATIENCE", 0.2)
    monkeypatch.setattr(_distribute, "LONELY", 0.5)
    none = lambda _: LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=None)
    monkeypatch.setattr(cluster._Workers, "start_cluster", none)
    with pytest.raises(ChildProcessError, match=r"no worker has come for 0\.5 s, and none is to come"):
        cluster.workers(1)(faulty(""), None, None)


# What is refused


@pytest.mark.parametrize("numbers", [(0,), (1.5,), (2, 0)])
def test_numbers_of_workers_are_checked(numbers):
    with pytest.raises(sb.InvalidParameter, match="integer of at least 1"):
        cluster.workers(*numbers)


def test_arguments_are_refused_before_workers_start(tmp_path, monkeypatch):
    monkeypatch.setattr("distributed.LocalCluster", None)
    with pytest.raises(sb.InvalidParameter, match="tolerance"):
        FitJob(tmp_path).run(tolerance=2, runner=cluster.workers(2))


def test_more_threads_than_cores_are_warned_of(faulty, two_cores):
    with pytest.warns(UserWarning, match="2 workers of 3 threads share 2 cores"):
        cluster.workers(2, threads_per_worker=3)(faulty(), None, None)


@pytest.mark.parametrize(("module", "call"), [("distributed", "workers"), ("dask_jobqueue", "slurm")])
def test_a_missing_extra_is_named(module, call, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=rf"needs {module}, which is missing: pip install 'spinbound\[cluster\]'"):
        getattr(cluster, call)(2)


# SLURM, of which this machine pretends to have one

QUEUE = {
    "sbatch": """
        cp "$1" "$SLURM_FAKE/$$.sh"
        setsid bash "$SLURM_FAKE/$$.sh" >>"$SLURM_FAKE/log" 2>&1 &
        echo "Submitted batch job $!"
    """,
    "squeue": """
        for job in $(echo "${@: -1}" | tr -c "0-9\n" " "); do
            kill -0 "$job" 2>/dev/null && echo "$job"
        done
        true
    """,
    "scancel": 'kill -KILL -- "-$1"',
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Folder of a queue that starts each job on this machine."""
    pytest.importorskip("dask_jobqueue")
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, body in QUEUE.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_FAKE", str(folder))
    return folder


DESCRIBED = {"cores": 2, "memory": "1GB", "walltime": "00:10:00", "interface": "lo"}


def test_the_script_of_a_job_says_what_was_asked_for(slurm):
    runner = cluster.slurm(
        3, **DESCRIBED, queue="short", account="mri", directives=["--constraint=avx2"], prologue=["module load python"]
    )
    lines = runner.make_example().job_script().splitlines()
    for line in ("-p short", "-A mri", "-n 1", "--cpus-per-task=2", "--mem=954M", "-t 00:10:00", "--constraint=avx2"):
        assert f"#SBATCH {line}" in lines
    assert lines[-2] == f"export SPINBOUND_ISA={_core.isa_in_use()}"
    assert lines[-3] == "module load python"
    assert f"{sys.executable} -m distributed.cli.dask_worker" in lines[-1]
    assert "--nthreads 1 " in lines[-1]
    assert "--nworkers" not in lines[-1]


def test_jobs_of_slurm_do_the_work_and_are_submitted_again(slurm, faulty, monkeypatch):
    monkeypatch.setattr(_distribute, "PATIENCE", 0.5)
    job = faulty("", "killed once", "", "wrong twice", "job ends once", "")
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        cluster.slurm(1, **DESCRIBED)(job, None, None)
    assert len(list(slurm.glob("*.sh"))) > 1
    assert sorted(job.done) == [0, 1, 2, 3, 4, 5]
    assert {(threads, isa) for threads, isa, _ in job.done.values()} == {("2", _core.isa_in_use())}
    assert not any(is_alive(int(pid)) for *_, pid in job.done.values())


def test_jobs_that_cannot_be_submitted_are_an_error(slurm, faulty, monkeypatch):
    monkeypatch.setattr(_distribute, "PATIENCE", 0.2)
    (slurm / "sbatch").write_text("#!/bin/bash\necho 'invalid partition specified: shrt' >&2\nexit 1\n")
    message = r"cannot be submitted to SLURM: [\s\S]*invalid partition specified: shrt"
    with pytest.raises(ChildProcessError, match=message):
        cluster.slurm(2, **DESCRIBED, queue="shrt")(faulty(""), None, None)


def test_jobs_that_end_before_they_begin_are_an_error(slurm, faulty, monkeypatch):
    monkeypatch.setattr(_distribute, "PATIENCE", 0.2)
    monkeypatch.setattr(_distribute, "LONELY", 1.0)
    (slurm / "sbatch").write_text("#!/bin/bash\necho 'Submitted batch job 999999999'\n")
    with pytest.raises(ChildProcessError, match="no worker has come for 1 s, and none is to come"):
        cluster.slurm(1, **DESCRIBED)(faulty(""), None, None)


def test_a_machine_without_slurm_is_told_so(monkeypatch, tmp_path):
    pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no sbatch on this machine"):
        cluster.slurm(2, **DESCRIBED)
    with pytest.raises(sb.InvalidParameter, match="cores must be an integer"):
        cluster.slurm(2)
    with pytest.raises(sb.InvalidParameter, match="memory of a job is missing"):
        cluster.slurm(2, cores=2)


# The command line


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a sequence and data for some seconds of work."""
    monkeypatch.chdir(tmp_path)
    SEQ.save("train.npz")
    np.savez("data.npz", data=np.tile(DATA, (400, 1)))
    return tmp_path


COMMAND = ["fit", "data.npz", "train.npz", "--free", "M0,m0s,R2f,Rex", "--start", "m0s=0.15,R2f=20,Rex=30"]


def running_in(session):
    """Processes of a session, but those that wait for nothing more than being counted."""
    told = subprocess.run(["ps", "-o", "stat=,args=", "-s", str(session)], capture_output=True, text=True)
    return [line for line in told.stdout.splitlines() if not line.startswith("Z")]


@pytest.mark.parametrize(
    ("number", "kill", "status"),
    [
        (signal.SIGINT, os.killpg, 130),  # as a terminal sends it
        (signal.SIGTERM, os.kill, 143),
        (signal.SIGKILL, os.kill, -signal.SIGKILL),
    ],
)
def test_a_command_that_is_stopped_takes_its_workers_along(number, kill, status, here):
    command = [sys.executable, "-m", "spinbound.cli", *COMMAND, "-o", "out.npz", "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None and not list(Path(".out.npz.spinbound-fit").glob("voxels-*")):
            time.sleep(0.01)
        kill(process.pid, number)
        err = process.stderr.read()
    assert process.returncode == status, err
    assert number == signal.SIGKILL or err in ("", "spinbound: interrupted\n", "spinbound: terminated\n")
    until = time.monotonic() + 5
    while (left := running_in(process.pid)) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []
    assert not Path("out.npz").exists()
