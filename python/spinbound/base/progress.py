"""Progress of a call: a bar, a callable, and the progress of parts as progress of the whole."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Progress


@contextmanager
def reporting(
    progress: bool | Progress | None, total: int, label: str, unit: str = "voxel"
) -> Iterator[Progress | None]:
    """The callable that the core reports to: none, the caller's, or that of a bar on stderr."""
    if progress is not True:
        yield progress or None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=label, unit=unit, file=sys.stderr) as bar:

        def show(done: int, of: int) -> None:
            bar.total = of  # less than `total` where a part of the work is done
            bar.update(done - bar.n)

        yield show


def shifted(report: Progress | None, offset: int, total: int) -> Progress | None:
    """The report of a part as one of the whole."""
    if report is None:
        return None
    return lambda done, _total: report(offset + done, total)


def reports(report: Progress | None, n_calls: int, start: int, stop: int, total: int) -> tuple[Progress | None, ...]:
    """Reports of consecutive calls upon the same voxels as progress of the whole; the last one's ends at `stop`."""
    if report is None:
        return (None,) * n_calls

    def of_call(call: int) -> Progress:
        return lambda done, of: report(start + (stop - start) * (call * of + done) // (n_calls * of), total)

    return tuple(map(of_call, range(n_calls)))
