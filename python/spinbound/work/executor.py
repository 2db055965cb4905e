"""Chunks handed to a `concurrent.futures.Executor`: a pool of processes, loky, mpi4py, that of a Dask client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from typing import Any

from spinbound.base.errors import Progress

from .job import Job, Runner, Tally, find_missing

AHEAD = 2  # chunks for each worker that are under way: a chunk carries its voxels, and more would fill the memory


@dataclass(frozen=True)
class ExecutorRunner:
    """The runner that has the workers of an executor do the chunks. The executor stays open, as it is the caller's."""

    executor: Executor

    def __call__(self, job: Job, threads: int | None, report: Progress | None) -> None:
        """Do what is not done; the first chunk that fails ends the work, and what is under way is still stored."""
        todo = find_missing(job)
        tally = Tally(job, todo, report)
        for chunk in self._iterate_finished(job, todo, threads):
            tally.add(chunk)

    def _iterate_finished(self, job: Job, todo: list[int], threads: int | None) -> Iterator[int]:
        """Yield the chunks as they are done, a few of them under way at a time."""
        waiting, under_way = iter(todo), dict[Future[Any], int]()
        try:
            while True:
                for chunk in islice(waiting, AHEAD * self._n_workers() - len(under_way)):
                    under_way[self.executor.submit(job.make_task(chunk), threads, None)] = chunk
                if not under_way:
                    return
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    chunk = under_way.pop(future)
                    future.result()
                    yield chunk
        finally:
            for future in under_way:
                future.cancel()

    def _n_workers(self) -> int:
        """Guess how many workers there are: executors keep it to themselves."""
        return int(getattr(self.executor, "_max_workers", None) or os.cpu_count() or 1)


def as_runner(runner: Any) -> Runner | None:
    """Return a runner, or that of an executor."""
    return ExecutorRunner(runner) if isinstance(runner, Executor) else runner
