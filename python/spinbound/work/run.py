"""The run of a job: who does its chunks, in how many threads, who is told the progress, where results are stored."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spinbound.base.checks import as_threads, check_progress
from spinbound.base.errors import Progress
from spinbound.base.progress import show_progress

from .executor import as_runner
from .folder import open_folder
from .job import Job, Part, Runner, as_part, check_runner, find_chunks


class Runnable(Job, Protocol):
    """A job that does its remaining chunks on demand, and hands over its results."""

    def run(self, runner: Runner | None, threads: int | None, progress: Progress | None) -> None:
        """Do the chunks that are not done."""


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
        runner: Runner | Executor | None,
        threads: int | None,
        progress: bool | Progress | None,
        option: str = "resume",
    ) -> Run:
        """Check the options before any work; `option` is the name that the call gives its folder.

        Raises
        ------
        InvalidParameter
            If one of them is not accepted, or a runner has no folder.
        """
        as_threads(threads)
        check_progress(progress)
        chosen = as_runner(runner)
        check_runner(chosen, folder, option)

        return cls(None if folder is None else Path(folder), chosen, threads, progress)

    @property
    def part(self) -> Part | None:
        """The part of the work that is done; None: all of it."""
        return as_part(self.runner)

    def do(self, job: Runnable, label: str, unit: str = "voxel") -> None:
        """Do the chunks of a job that are not done, and show the progress."""
        sizes: Sequence[int] = job.sizes
        total = sum(sizes[chunk] for chunk in find_chunks(job, self.runner))
        with show_progress(self.progress, total, label, unit) as progress:
            job.run(self.runner, self.threads, progress)

    def carry_out(self, job: Runnable, described: Mapping[str, Any], label: str, unit: str = "voxel") -> None:
        """Do the chunks of a job that are not done, in its folder if it has one, which no other run may use meanwhile.

        Raises
        ------
        InvalidData
            If the folder holds other work than the described one, or another run is at work in it.
        """
        with open_folder(self.folder, dict(described), label, self.part):
            self.do(job, label, unit)
