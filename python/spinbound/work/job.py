"""Jobs: work in chunks, each stored as soon as it is done, whoever runs them and wherever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from spinbound.base.errors import InvalidParameter, Progress
from spinbound.base.progress import shift_progress

Task = Callable[[int | None, Progress | None], None]  # computes and stores, with (threads, progress), one chunk


class Job(Protocol):
    """Chunks that do not depend on each other, nor on who runs them."""

    @property
    def sizes(self) -> Sequence[int]:
        """Voxels of every chunk."""

    def is_done(self, chunk: int) -> bool:
        """Say whether a chunk is stored already."""

    def make_task(self, chunk: int) -> Task:
        """Return the work of one chunk; it can be pickled, and holds no more than that chunk needs."""


def find_missing(job: Job) -> list[int]:
    """Return the chunks that are not done."""
    return [chunk for chunk in range(len(job.sizes)) if not job.is_done(chunk)]


class Tally:
    """The number of voxels that are done, told as it rises, while some chunks of a job are missing."""

    def __init__(self, job: Job, missing: Sequence[int], progress: Progress | None) -> None:
        self.sizes, self.total, self.progress = job.sizes, sum(job.sizes), progress
        self.done = self.total - sum(job.sizes[chunk] for chunk in missing)

    def add(self, chunk: int) -> None:
        """Count a chunk that is done."""
        self.done += self.sizes[chunk]
        if self.progress:
            self.progress(self.done, self.total)


Runner = Callable[
    [Job, int | None, Progress | None], None
]  # does, of (job, threads, progress), the chunks that are not done


def run_here(job: Job, threads: int | None, progress: Progress | None) -> None:
    """Do one chunk after the other, in this process."""
    _do_in_turn(job, range(len(job.sizes)), threads, progress)


@dataclass(frozen=True)
class Part:
    """The runner of part `number` of `n_parts` of a job: every n_parts-th chunk, in this process."""

    number: int  # from 1
    n_parts: int

    def __call__(self, job: Job, threads: int | None, progress: Progress | None) -> None:
        """Do the chunks of this part."""
        _do_in_turn(job, self.select_chunks(job), threads, progress)

    def __str__(self) -> str:
        return f"{self.number}/{self.n_parts}"

    def select_chunks(self, job: Job) -> range:
        """Select the chunks of this part."""
        return range(self.number - 1, len(job.sizes), self.n_parts)


def as_part(runner: Runner | None) -> Part | None:
    """Return the part that a runner does, or None for all of the job."""
    return runner if isinstance(runner, Part) else None


def find_chunks(job: Job, runner: Runner | None) -> range:
    """Return the chunks that a runner has to do."""
    part = as_part(runner)
    return range(len(job.sizes)) if part is None else part.select_chunks(job)


def check_runner(runner: object, folder: object, option: str) -> None:
    """Refuse a runner that cannot be called, and one without a folder where its processes leave their results."""
    if runner is None:
        return
    if not callable(runner):
        raise InvalidParameter(
            f"runner must be one of spinbound.cluster, or a concurrent.futures.Executor; given {type(runner).__name__}"
        )
    if folder is None:
        raise InvalidParameter(f"a runner needs {option}=, a folder that all of its processes can write to")


def _do_in_turn(job: Job, chunks: range, threads: int | None, progress: Progress | None) -> None:
    kept = {chunk for chunk in chunks if job.is_done(chunk)}  # a damaged chunk raises before any work
    done, total = 0, sum(job.sizes[chunk] for chunk in chunks)
    for chunk in chunks:
        if chunk not in kept:
            job.make_task(chunk)(threads, shift_progress(progress, done, total))
        done += job.sizes[chunk]
        if progress:
            progress(done, total)
