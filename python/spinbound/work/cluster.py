"""Runners of `fit`, `crb`, `evaluate` and `build_dictionary`, where this process alone shall not do the work.

These calls work in chunks that a folder or store keeps. A runner (the argument `runner`) hands the chunks that are not
done to processes, on this machine or on others, each of which computes and stores one chunk at a time; or it does some
of the chunks here. The results have the same bits in each case: workers use the same instruction set as this process.

Workers and SLURM jobs are those of Dask (the extra ``cluster``). A chunk that fails, or whose worker dies, is tried
three times again; then it is left undone and named in a warning. Where a chunk cannot be stored the run ends.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import spinbound._core as _core
from spinbound.base.checks import as_count
from spinbound.base.errors import InvalidParameter, Progress
from spinbound.files.guard import find_max_bytes, optional_module

from .distribute import distribute
from .job import Job, Part, Runner

START = 120.0  # s that a worker may take to start
PRIVATE = "127.0.0.1:0"  # address of Dask's dashboard, which cannot be turned off: any port, of this machine alone


def part(number: int, n_parts: int) -> Runner:
    """Make the runner of one part of the work: chunks number, number + n_parts, ... in this process, as in a job array.

    A call without a runner collects the results of all parts, and does the chunks that are missing.

    Parameters
    ----------
    number
        Number of this part, from 1.
    n_parts
        Number of parts.

    Returns
    -------
    Runner
        For the argument `runner`.

    Raises
    ------
    InvalidParameter
        If there is no such part.

    Examples
    --------
    >>> import spinbound as sb
    >>> from spinbound import cluster
    >>> str(cluster.part(2, 5))
    '2/5'
    """
    count = as_count("n_parts", n_parts, 1)
    if as_count("number", number, 1) > count:
        raise InvalidParameter(f"number is {number}; allowed: 1 to {count}, the number of parts")
    return Part(number, count)


def workers(n: int, threads_per_worker: int = 1) -> Runner:
    """Make a runner that has processes on this machine work; one that dies is replaced.

    Parameters
    ----------
    n
        Number of processes.
    threads_per_worker
        Threads that each computes with, unless the call says `threads`.

    Returns
    -------
    Runner
        For the argument `runner`; the processes start with the work and end with it.

    Raises
    ------
    InvalidParameter
        If a number is less than 1.
    ImportError
        If the extra `cluster` is not installed.

    Warns
    -----
    UserWarning
        At work, if there are more threads than cores, and if chunks failed.

    Examples
    --------
    >>> from spinbound import cluster
    >>> runner = cluster.workers(3)  # sb.fit(data, seq, resume="work", runner=runner)
    """
    counts = as_count("n", n, 1), as_count("threads_per_worker", threads_per_worker, 1)
    optional_module("distributed", "cluster")
    return _Workers(*counts)


def slurm(
    jobs: int,
    *,
    cores: int | None = None,
    memory: str | None = None,
    walltime: str | None = None,
    queue: str | None = None,
    account: str | None = None,
    directives: Sequence[str] = (),
    prologue: Sequence[str] = (),
    interface: str | None = None,
    logs: str | os.PathLike[str] | None = None,
) -> Runner:
    """Make a runner that submits jobs of SLURM, of one worker each, and submits those again that end too early.

    Options that are None are taken from Dask's configuration (`jobqueue.slurm` in ~/.config/dask/jobqueue.yaml).

    Parameters
    ----------
    jobs
        Number of jobs.
    cores
        Cores of a job; all of them compute, unless the call says `threads`.
    memory
        Memory of a job, "8GB".
    walltime
        Time of a job, "02:00:00"; another job does a chunk that is not done then.
    queue, account
        As for ``sbatch -p`` and ``-A``.
    directives
        Further arguments of sbatch, "--constraint=avx512".
    prologue
        Commands before the worker starts, "module load python".
    interface
        Network interface that jobs and this machine reach each other by, "ib0".
    logs
        Folder for the jobs' output.

    Returns
    -------
    Runner
        For the argument `runner`; jobs are submitted when the work begins.

    Raises
    ------
    InvalidParameter
        If a number is less than 1, or cores or memory are neither given nor configured.
    ImportError
        If the extra `cluster` is not installed.
    FileNotFoundError
        If this machine has no sbatch.

    Examples
    --------
    >>> from spinbound import cluster
    >>> options = {"cores": 8, "memory": "16GB", "walltime": "02:00:00"}
    >>> runner = cluster.slurm(20, **options)  # doctest: +SKIP
    """
    optional_module("dask_jobqueue", "cluster")  # its import completes Dask's configuration
    usual = optional_module("dask", "cluster").config.get("jobqueue.slurm")
    each = as_count("cores", usual["cores"] if cores is None else cores, 1)
    options = {
        "processes": 1,  # Dask does not replace a job of several
        "cores": 1,  # chunks at a time
        "job_cpu": each,
        "memory": memory,
        "walltime": walltime,
        "queue": queue,
        "account": account,
        "interface": interface,
        "job_extra_directives": list(directives) or None,
        "job_script_prologue": [
            *(prologue or usual["job-script-prologue"]),
            f"export SPINBOUND_ISA={_core.isa_in_use()}",
        ],
        "log_directory": None if logs is None else str(logs),
    }
    given = {name: value for name, value in options.items() if value is not None}
    runner = _Slurm(as_count("jobs", jobs, 1), each, given)
    runner.make_example()
    for command in ("sbatch", "squeue", "scancel"):
        if shutil.which(command) is None:
            raise FileNotFoundError(f"there is no {command} on this machine: jobs of SLURM are submitted elsewhere")

    return runner


# Clusters


@dataclass(frozen=True)
class _Workers:
    """Processes on this machine."""

    n: int
    threads: int

    def __call__(self, job: Job, threads: int | None, progress: Progress | None) -> None:
        """Do the chunks that are not done."""
        each = self.threads if threads is None else threads
        if self.n * (each or _count_cores()) > _count_cores():
            warnings.warn(
                f"{self.n} workers of {each or _count_cores()} threads share {_count_cores()} cores", stacklevel=2
            )
        distribute(job, self, each, progress)

    @contextmanager
    def start_cluster(self) -> Iterator[Any]:
        """Yield a cluster whose workers die with this process."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, ExitStack() as closing:
            # which says at the end of an interrupted run that connections were closed
            logging.getLogger("distributed.batched").setLevel(logging.WARNING)
            cluster = optional_module("distributed", "cluster").LocalCluster(
                n_workers=self.n,
                threads_per_worker=1,  # chunks at a time
                processes=True,
                host="127.0.0.1",
                dashboard_address=PRIVATE,
                worker_dashboard_address=PRIVATE,
                local_directory=scratch,
                silence_logs=logging.CRITICAL,
                memory_limit=find_max_bytes() // self.n,
                death_timeout=START,
                env={"SPINBOUND_ISA": _core.isa_in_use()},
            )
            closing.callback(cluster.close)
            try:
                yield cluster
            except BaseException:
                _kill(cluster)  # the core would finish its chunk first
                raise

    def renew(self, _cluster: Any) -> bool:
        """Leave it to Dask, which replaces workers by itself."""
        return False


def _kill(cluster: Any) -> None:
    """End the processes of a local cluster at once; only the chunks that they compute are lost."""
    for nanny in cluster.workers.values():
        nanny.close_gracefully()  # not to start another
        if nanny.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Slurm:
    """Jobs of SLURM, of one worker each."""

    n: int
    threads: int
    options: dict[str, Any]
    problems: list[BaseException] = field(default_factory=list)  # errors of submission

    def __call__(self, job: Job, threads: int | None, progress: Progress | None) -> None:
        """Do the chunks that are not done."""
        distribute(job, self, self.threads if threads is None else threads, progress)

    def make_example(self) -> Any:
        """Make a job like those that are submitted; sbatch gets its `job_script`.

        Raises
        ------
        InvalidParameter
            If options are missing or make no sense.
        """
        try:
            return _import_slurm_job()("tcp://this-machine:port", name="worker", **self.options)
        except ValueError as problem:
            raise InvalidParameter(f"memory of a job is missing, or an option makes no sense: {problem}") from None

    @contextmanager
    def start_cluster(self) -> Iterator[Any]:
        """Yield a cluster whose scheduler is in this process."""
        job, problems = _import_slurm_job(), self.problems

        class RecordingJob(job):  # type: ignore[misc, valid-type]
            status: Any

            async def start(self) -> None:
                try:
                    await super().start()
                except (OSError, RuntimeError, ValueError) as problem:  # Dask would log it, and wait on
                    problems.append(problem)
                    self.status = type(self.status).running

            async def close(self) -> None:
                await super().close()
                self.status = type(self.status).closed  # Dask asks for it, dask-jobqueue forgets it

        scheduler = {"dashboard": False, "dashboard_address": PRIVATE}
        cluster = optional_module("dask_jobqueue", "cluster").SLURMCluster(
            job_cls=RecordingJob, scheduler_options=scheduler, silence_logs="critical", **self.options
        )
        try:
            cluster.scale(jobs=self.n)
            yield cluster
        finally:
            cluster.close()

    def renew(self, cluster: Any) -> bool:
        """Submit jobs again that Dask has given up, and say whether any job is in the queue."""
        if self.problems:
            raise ChildProcessError(f"a job cannot be submitted to SLURM: {self.problems.pop()}")
        cluster.scale(jobs=self.n)
        jobs = [str(job.job_id) for job in cluster.workers.values() if job.job_id]
        query = ["squeue", "--noheader", "--format=%i", f"--jobs={','.join(jobs)}"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=60, check=False)
        unknown = answer.returncode != 0 and "Invalid job id" not in answer.stderr
        return unknown or bool(answer.stdout.strip())


def _import_slurm_job() -> Any:
    return optional_module("dask_jobqueue.slurm", "cluster").SLURMJob
