"""The common part of all results of voxels: counts of statuses, a tissue, a file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from os import PathLike
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spinbound.base.parameters import bases, is_reciprocal
from spinbound.files.npz import save_npz
from spinbound.tissues.tissue import Tissue, Values, make_tissue


class Result(ABC):
    """Maps of a volume with a status per voxel.

    Attributes
    ----------
    status : (...) int8
        Codes of `statuses`.
    settings : dict
        The settings of the estimation, as plain numbers and words.
    """

    statuses: ClassVar[type[IntEnum]]
    called: ClassVar[str]  # name of the result in messages, with its verb
    status: npt.NDArray[np.int8]
    settings: dict[str, Any]

    @property
    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """The parameters that were estimated."""

    @abstractmethod
    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all maps by name."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of voxels of each status that occurs."""
        return counts_of(self.status, self.statuses)

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything as .npz: all maps by name, and settings as JSON.

        Raises
        ------
        InvalidData
            For another suffix.
        OSError
            If the file cannot be written; no incomplete file remains then.
        """
        settings = np.array(json.dumps(self.settings, allow_nan=False))
        save_npz(path, self.called, self.as_arrays() | {"settings": settings})

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {name}" for name, number in self.counts.items())
        return f"{type(self).__name__}({', '.join(self._names)}; shape {self.status.shape}: {counts})"


def counts_of(status: npt.NDArray[np.int8], statuses: type[IntEnum]) -> dict[str, int]:
    """Count the voxels of each status that occurs."""
    numbers = np.bincount(status.ravel(), minlength=len(statuses))
    return {code.name: int(numbers[code]) for code in statuses if numbers[code]}


def tissue_with(known: Values, found: Mapping[str, npt.NDArray[Any]]) -> Tissue:
    """Make a tissue of known and estimated values; estimates may be NaN, which a tissue of one voxel would refuse."""
    values = dict(known)
    for name, estimate in found.items():
        with np.errstate(divide="ignore"):
            values |= dict.fromkeys(bases(name), 1 / estimate if is_reciprocal(name) else estimate)
    return make_tissue(values)
