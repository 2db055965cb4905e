"""What a training tells while it runs: its steps, and the losses of the last epoch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from spinbound.base.errors import Progress

from .history import History


class Course(NamedTuple):
    """Where steps are reported to, and the history after each epoch."""

    steps: Callable[[int], object]  # that are done, of all epochs
    epoch: Callable[[History], object]


@contextmanager
def course(progress: bool | Progress | None, total: int) -> Iterator[Course]:
    """The caller's callable, a bar with losses on stderr, or nothing."""
    if progress is not True:
        yield Course((lambda done: progress(done, total)) if progress else _nothing, _nothing)
        return
    from tqdm import tqdm

    with tqdm(total=total, desc="train", unit="step", file=sys.stderr) as bar:
        yield Course(
            lambda done: bar.update(done - bar.n),
            lambda history: bar.set_postfix_str(_losses(history), refresh=False),
        )


def _nothing(_: object) -> None:
    pass


def _losses(history: History) -> str:
    """Those of the last epoch."""
    return f"epoch {len(history)}, loss {history['loss'][-1]:.4g}, judged {history.judged[-1]:.4g}"
