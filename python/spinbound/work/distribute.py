"""Distribution of chunks to the workers of a cluster of Dask, a few at a time; chunks that fail are tried again.

A worker computes and stores one chunk at a time. A chunk that fails, or whose worker dies, is tried again, by another
worker where there is one. After `RETRIES` times, and as often again alone where workers died, it is left undone and
named in a warning. An OSError ends the run, as every chunk has to be stored in the same place.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from time import monotonic
from typing import Any, Protocol

from spinbound.base.errors import InvalidParameter, Progress
from spinbound.files.guard import optional_module

from .executor import ExecutorRunner
from .job import Job, Part, Runner, Tally, Task, find_missing

RETRIES = 3  # further trials of a chunk, after its first failure or the death of its worker
AHEAD = 2  # chunks per worker that are under way, so that none waits for its next
PATIENCE = 10.0  # s between looks whether there are workers
LONELY = 120.0  # s without a worker or the prospect of one, after which the run gives up

CONFIGURATION = {
    "distributed.scheduler.allowed-failures": RETRIES,
    "distributed.scheduler.worker-ttl": "5 minutes",  # a worker that is silent for so long counts as dead
    "distributed.admin.large-graph-warning-threshold": "1 TiB",  # a task has its own voxels, and few are under way
}


class DaskCluster(Protocol):
    """A kind of cluster of Dask."""

    @property
    def n(self) -> int:
        """Number of workers."""

    def start_cluster(self) -> AbstractContextManager[Any]:
        """Yield the cluster, and close it at the end; at once if that is an exception."""

    def renew(self, cluster: Any) -> bool:
        """Replace workers that have gone, and say whether any may still come."""


def distribute(job: Job, source: DaskCluster, threads: int | None, progress: Progress | None) -> None:
    """Have workers do the chunks that are not done, and name in a warning those that failed.

    Raises
    ------
    OSError
        If a chunk cannot be stored, no chunk can be done, or no worker comes.
    """
    todo = find_missing(job)
    if not todo:
        return
    dask, distributed = optional_module("dask", "cluster"), optional_module("distributed", "cluster")
    with dask.config.set(CONFIGURATION), source.start_cluster() as cluster, distributed.Client(cluster) as client:
        failed = _do_chunks(client, job, todo, threads, _Watch(source, cluster), progress)
    if len(failed) == len(todo):
        raise ChildProcessError(f"no chunk could be done: {_describe_failures(failed)}")
    if failed:
        warnings.warn(f"{len(failed)} of {len(todo)} chunks are not done: {_describe_failures(failed)}", stacklevel=3)


def check_travels(value: object, what: str, runner: Runner | None) -> None:
    """Refuse, before any work, a value that cannot be sent to the processes of a runner.

    Raises
    ------
    InvalidParameter
        If it cannot be pickled.
    """
    if runner is None or isinstance(runner, (Part, ExecutorRunner)):
        return
    pickle = optional_module("distributed.protocol.pickle", "cluster")
    try:
        pickle.dumps(value)
    except Exception as problem:  # whatever its parts raise
        raise InvalidParameter(
            f"{what} cannot be sent to other processes ({problem}); give a function of a module, or functools.partial "
            "of one with arguments that can be pickled, or leave the runner out"
        ) from None


def _do_chunks(
    client: Any, job: Job, todo: Sequence[int], threads: int | None, watch: _Watch, progress: Progress | None
) -> dict[int, BaseException]:
    """Have the workers of a client do some chunks, and return the failed ones with their errors.

    Dask blames the death of a worker on all chunks that were waiting there. So chunks that are blamed too often are
    tried again, each alone.
    """
    tally = Tally(job, todo, progress)
    failed = _try_chunks(client, job, todo, threads, watch, tally)
    if len(todo) > 1:
        for chunk in [chunk for chunk, problem in failed.items() if isinstance(problem, ChildProcessError)]:
            del failed[chunk]
            failed |= _try_chunks(client, job, [chunk], threads, watch, tally, suffix="-alone")
    return failed


def _try_chunks(
    client: Any,
    job: Job,
    chunks: Sequence[int],
    threads: int | None,
    watch: _Watch,
    tally: Tally,
    *,
    suffix: str = "",
) -> dict[int, BaseException]:
    """Have some chunks done, a few at a time, and return the failed ones with their errors."""
    left, running, failed = iter(chunks), dict[Any, int](), dict[int, BaseException]()
    while True:
        for chunk in islice(left, watch.source.n * AHEAD - len(running)):
            options = {"key": f"chunk-{chunk}{suffix}", "retries": RETRIES, "pure": False}
            running[client.submit(_work, job.make_task(chunk), threads, **options)] = chunk
        if not running:
            return failed
        for future in _wait_for_some(list(running)):
            chunk, problem = running.pop(future), _find_problem(future)
            future.release()  # else Dask would do the chunk again where its worker dies
            if problem:
                failed[chunk] = problem
            else:
                tally.add(chunk)
        watch.look()


def _work(task: Task, threads: int | None) -> None:
    """Do a task, in the process of a worker."""
    task(threads, None)


def _wait_for_some(futures: list[Any]) -> set[Any]:
    """Return the futures that have ended, none if that takes long."""
    distributed = optional_module("distributed", "cluster")
    try:
        return set(distributed.wait(futures, timeout=PATIENCE, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return set()


def _find_problem(future: Any) -> BaseException | None:
    """Return the error of a chunk that is not done; a failure of the disk, which concerns all chunks, is raised."""
    died = optional_module("distributed", "cluster").KilledWorker
    problem = future.exception()
    if isinstance(problem, OSError):
        raise problem
    return ChildProcessError("its worker died") if isinstance(problem, died) else problem


def _describe_failures(failed: Mapping[int, BaseException]) -> str:
    """Describe in words which chunks failed, and why the last of them."""
    chunk, problem = list(failed.items())[-1]
    numbers = ", ".join(map(str, sorted(failed)))
    words = f"{numbers} (counted from 0), each tried at least {RETRIES + 1} times"
    return f"{words}; {chunk}: {type(problem).__name__}: {problem}"


class _Watch:
    """A watch over the workers of a cluster, so that there are some."""

    def __init__(self, source: DaskCluster, cluster: Any) -> None:
        self.source, self.cluster = source, cluster
        self.looked = self.hopeful = monotonic()

    def look(self) -> None:
        """Replace workers that are gone, and give up where none will come."""
        if monotonic() - self.looked < PATIENCE:
            return
        self.looked = monotonic()
        if self.source.renew(self.cluster) or self.cluster.scheduler.workers:
            self.hopeful = self.looked
        elif self.looked - self.hopeful > LONELY:
            raise ChildProcessError(f"no worker has come for {LONELY:g} s, and none is to come")
