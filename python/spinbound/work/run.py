"""How a call gets through its chunks: who does them, in how many threads, whom it tells, and where results are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spinbound.base.checks import as_threads, check_progress
from spinbound.base.errors import Progress
from spinbound.base.progress import show_progress

from .folder import opened
from .job import Job, Part, Runner, check_runner, chunks_of, part_of


class Runnable(Job, Protocol):
    """A job that can be told to do what is left, and to hand over its results."""

    def run(self, runner: Runner | None, threads: int | None, report: Progress | None) -> None:
        """Do what is not done."""


@dataclass(frozen=True)
class Run:
    """The options that all calls in chunks share, checked."""

    folder: Path | None
    runner: Runner | None
    threads: int | None
    progress: bool | Progress | None

    @classmethod
    def of(
        cls,
        folder: str | os.PathLike[str] | None,
        runner: Runner | None,
        threads: int | None,
        progress: bool | Progress | None,
        option: str = "resume",
    ) -> Run:
        """Check them before any work; `option` is what the call names its folder.

        Raises
        ------
        InvalidParameter
            If one of them is not accepted, or a runner has no folder.
        """
        as_threads(threads)
        check_progress(progress)
        check_runner(runner, folder, option)

        return cls(None if folder is None else Path(folder), runner, threads, progress)

    @property
    def part(self) -> Part | None:
        """The part of the work that is done; None: all of it."""
        return part_of(self.runner)

    def do(self, job: Runnable, label: str, unit: str = "voxel") -> None:
        """Do what is not done of a job, and report it."""
        sizes: Sequence[int] = job.sizes
        total = sum(sizes[chunk] for chunk in chunks_of(job, self.runner))
        with show_progress(self.progress, total, label, unit) as report:
            job.run(self.runner, self.threads, report)

    def carry_out(self, job: Runnable, described: Mapping[str, Any], label: str, unit: str = "voxel") -> None:
        """Do what is not done of a job, in its folder if there is one, which nobody else may use meanwhile.

        Raises
        ------
        InvalidData
            If the folder holds other work than what is described, or another run is at work in it.
        """
        with opened(self.folder, dict(described), label, self.part):
            self.do(job, label, unit)
