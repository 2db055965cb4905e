"""The losses of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from spinbound.base.checks import as_one_of
from spinbound.base.errors import FloatArray

COLUMNS = (
    "epoch",
    "learning_rate",
    "loss",
    "validation_loss",
    "validation_crb_loss",
    "skipped_steps",
    "masked_share",
    "seconds",
)


@dataclass(frozen=True, eq=False)
class History:
    """The course of a training, with a row for each epoch.

    ==================== ==============================================================================
    epoch                counted from 1
    learning_rate        at the last step of the epoch
    loss                 mean over the steps of the epoch, while the network learnt
    validation_loss      of the same kind, at the end of the epoch; NaN without validation
    validation_crb_loss  `CRBLoss` of the validation, whatever the network is trained with
    skipped_steps        number of steps whose gradient was not finite
    masked_share         share of the entries of the training that had no usable bound
    seconds              duration of the epoch
    ==================== ==============================================================================

    Attributes
    ----------
    rows : (epochs, 8)
        The columns in the order above.

    Examples
    --------
    >>> import numpy as np
    >>> from spinbound import nn
    >>> history = nn.History(np.array([[1, 0.01, 5, 4.5, 4.5, 0, 0, 2], [2, 0.01, 3, 2.5, 2.5, 0, 0, 2.0]]))
    >>> history["validation_loss"].tolist(), history.best_epoch
    ([4.5, 2.5], 2)
    """

    rows: FloatArray

    def __len__(self) -> int:
        """Count the epochs that are done."""
        return len(self.rows)

    def __getitem__(self, column: str) -> FloatArray:
        """Return a column (epochs,) by its name.

        Raises
        ------
        InvalidParameter
            If there is no such column.
        """
        return self.rows[:, COLUMNS.index(as_one_of("a column", column, COLUMNS))]

    @property
    def best_epoch(self) -> int:
        """The epoch of the least validation loss, or of the least loss where there was no validation."""
        return int(self["epoch"][np.where(np.isnan(self.judged), np.inf, self.judged).argmin()])

    @property
    def judged(self) -> FloatArray:
        """The loss by which the best epoch is chosen: of the validation, or of the training where there was none."""
        return self["loss"] if np.isnan(self["validation_loss"]).all() else self["validation_loss"]

    def with_row(self, row: Sequence[float]) -> History:
        """Return the history with one epoch more."""
        return History(np.vstack([self.rows, np.asarray(row, np.float64)]))

    @property
    def csv(self) -> str:
        """The text of log.csv: a line of names, then one for each epoch, with all digits."""
        return "\n".join([",".join(COLUMNS), *map(_format_row, self.rows), ""])


def _format_row(row: Iterable[float]) -> str:
    return ",".join(str(int(value)) if float(value).is_integer() else repr(float(value)) for value in row)
