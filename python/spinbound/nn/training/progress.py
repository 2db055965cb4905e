"""The progress of a training: its steps, and the losses of the last epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from spinbound.base.errors import Progress

from .history import History


class Course(NamedTuple):
    """The callables that take the number of steps done, and the history after each epoch."""

    steps: Callable[[int], object]  # that are done, of all epochs
    epoch: Callable[[History], object]


@contextmanager
def open_course(progress: bool | Progress | None, total: int) -> Iterator[Course]:
    """Show the course of a training: by the caller's callable, by a bar with losses on stderr, or not at all."""
    if progress is not True:
        yield Course((lambda done: progress(done, total)) if progress else _ignore, _ignore)
        return
    from tqdm import tqdm

    with tqdm(total=total, desc="train", unit="step", file=sys.stderr) as bar:
        yield Course(
            lambda done: bar.update(done - bar.n),
            lambda history: bar.set_postfix_str(_format_losses(history), refresh=False),
        )


def _ignore(_: object) -> None:
    pass


def _format_losses(history: History) -> str:
    """Format the losses of the last epoch."""
    return f"epoch {len(history)}, loss {history['loss'][-1]:.4g}, judged {history.judged[-1]:.4g}"
