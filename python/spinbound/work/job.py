"""Work in chunks, each stored as soon as it is done: what runs them, and where, is not the work's concern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.progress import shift_progress

Task = Callable[[int | None, Progress | None], None]  # with (threads, report) compute and store one chunk


class Job(Protocol):
    """Chunks that do not depend on each other, nor on who runs them."""

    @property
    def sizes(self) -> Sequence[int]:
        """Voxels of every chunk."""

    def is_done(self, chunk: int) -> bool:
        """Whether a chunk is stored already."""

    def task(self, chunk: int) -> Task:
        """The work of one chunk: it can be pickled, and holds no more than that chunk needs."""


Runner = Callable[[Job, int | None, Progress | None], None]  # (job, threads, report): do what is not done


def run_here(job: Job, threads: int | None, report: Progress | None) -> None:
    """One chunk after the other, in this process."""
    _one_by_one(job, range(len(job.sizes)), threads, report)


@dataclass(frozen=True)
class Part:
    """The runner of one of several parts of a job: every so manieth chunk, in this process."""

    number: int  # from 1
    n_parts: int

    def __call__(self, job: Job, threads: int | None, report: Progress | None) -> None:
        """Do the chunks of this part."""
        _one_by_one(job, self.chunks(job), threads, report)

    def __str__(self) -> str:
        return f"{self.number}/{self.n_parts}"

    def chunks(self, job: Job) -> range:
        """The chunks of this part."""
        return range(self.number - 1, len(job.sizes), self.n_parts)


def part_of(runner: Runner | None) -> Part | None:
    """The part that a runner does; None: all of the job."""
    return runner if isinstance(runner, Part) else None


def chunks_of(job: Job, runner: Runner | None) -> range:
    """The chunks that are done when a runner is."""
    part = part_of(runner)
    return range(len(job.sizes)) if part is None else part.chunks(job)


def check_runner(runner: object, folder: object, option: str) -> None:
    """Refuse what runs nothing, and a runner without a folder where its processes leave their results."""
    if runner is None:
        return
    if not callable(runner):
        raise InvalidParameter(f"runner must be one of spinbound.cluster; given {type(runner).__name__}")
    if folder is None:
        raise InvalidParameter(f"a runner needs {option}=, a folder that all of its processes can write to")


def _one_by_one(job: Job, chunks: range, threads: int | None, report: Progress | None) -> None:
    kept = {chunk for chunk in chunks if job.is_done(chunk)}  # what is damaged is told before any work
    done, total = 0, sum(job.sizes[chunk] for chunk in chunks)
    for chunk in chunks:
        if chunk not in kept:
            job.task(chunk)(threads, shift_progress(report, done, total))
        done += job.sizes[chunk]
        if report:
            report(done, total)
