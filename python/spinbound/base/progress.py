"""Progress of a call: a bar or a callable, and how the progress of some voxels becomes that of all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import Progress


@contextmanager
def show_progress(
    progress: bool | Progress | None, total: int, label: str, unit: str = "voxel"
) -> Iterator[Progress | None]:
    """Yield the callable that the core tells its progress: none, the caller's, or that of a bar on stderr."""
    if progress is not True:
        yield progress or None
        return
    from tqdm import tqdm

    with tqdm(total=total, desc=label, unit=unit, file=sys.stderr) as bar:

        def show(done: int, of: int) -> None:
            bar.total = of  # less than `total` where a part of the work is done
            bar.update(done - bar.n)

        yield show


def shift_progress(progress: Progress | None, offset: int, total: int) -> Progress | None:
    """Return a callable that takes the progress of some voxels, from `offset` on, and passes it on as that of all."""
    if progress is None:
        return None
    return lambda done, _total: progress(offset + done, total)


def split_progress(
    progress: Progress | None, n_calls: int, start: int, stop: int, total: int
) -> tuple[Progress | None, ...]:
    """Return a callable for each of several calls upon voxels `start` to `stop`, which together make one progress."""
    if progress is None:
        return (None,) * n_calls

    def make_call(call: int) -> Progress:
        return lambda done, of: progress(start + (stop - start) * (call * of + done) // (n_calls * of), total)

    return tuple(map(make_call, range(n_calls)))
