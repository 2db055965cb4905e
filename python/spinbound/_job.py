"""Work in chunks, each stored as soon as it is done: what runs them, and where, is not the work's concern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ._batch import shifted
from ._validate import Report

Task = Callable[[int | None, Report | None], None]  # with (threads, report) compute and store one chunk


class Job(Protocol):
    """Chunks that do not depend on each other, nor on who runs them."""

    @property
    def sizes(self) -> Sequence[int]:
        """Voxels of every chunk."""

    def is_done(self, chunk: int) -> bool:
        """Whether a chunk is stored already."""

    def task(self, chunk: int) -> Task:
        """The work of one chunk: it can be pickled, and holds no more than that chunk needs."""


Runner = Callable[[Job, int | None, Report | None], None]  # (job, threads, report): do what is not done


def run_here(job: Job, threads: int | None, report: Report | None) -> None:
    """One chunk after the other, in this process."""
    done, total = 0, sum(job.sizes)
    for chunk, size in enumerate(job.sizes):
        if not job.is_done(chunk):
            job.task(chunk)(threads, shifted(report, done, total))
        done += size
        if report:
            report(done, total)
