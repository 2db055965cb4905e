"""The history of a training for TensorBoard, if that is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .history import COLUMNS, History


@contextmanager
def open_writer(folder: Path | None) -> Iterator[Callable[[History], object]]:
    """Yield a callable for the history after each epoch; without a folder or TensorBoard it does nothing."""
    if folder is None or find_spec("tensorboard") is None:
        yield lambda _: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as writer:

        def write(history: History) -> None:
            row = dict(zip(COLUMNS, history.rows[-1], strict=True))
            for name, value in row.items():
                writer.add_scalar(name, value, int(row["epoch"]))

        yield write
