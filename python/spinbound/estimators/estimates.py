"""The estimates of a trained estimator for the voxels of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import BoolArray, FloatArray
from spinbound.tissues.tissue import Tissue

from .result import Result


class EstimateStatus(IntEnum):
    """The status of a voxel of an estimation; `sentence` describes it in words.

    Examples
    --------
    >>> import spinbound as sb
    >>> sb.EstimateStatus(1).name, sb.EstimateStatus.no_data.sentence
    ('novel', 'the data are zero')
    """

    estimated, novel, out_of_range, no_data, not_finite, masked = range(6)

    @property
    def sentence(self) -> str:
        """The status in words for the user."""
        return SENTENCES[self]


SENTENCES = {
    EstimateStatus.estimated: "estimated",
    EstimateStatus.novel: "estimated, from data unlike anything in training",
    EstimateStatus.out_of_range: "estimated, but no tissue has such a value",
    EstimateStatus.no_data: "the data are zero",
    EstimateStatus.not_finite: "the data hold NaN or infinity",
    EstimateStatus.masked: "outside the mask",
}
ESTIMATED = (EstimateStatus.estimated, EstimateStatus.novel, EstimateStatus.out_of_range)


@dataclass(frozen=True, eq=False, repr=False)
class Estimates(Result):
    """Estimates of every voxel, its status, and its novelty: how unlike the training its data are.

    Attributes
    ----------
    names : tuple of str
        The parameters that were estimated.
    estimates
        The tissue of the voxels (...): the named parameters, NaN where there is no estimate; all others are NaN,
        because they are unknown.
    status : (...) int8
        Codes of `EstimateStatus`; `counts` has them in words.
    novelty : (...) or None
        Distance of the data from those of the training, about 1 for data like them; NaN where there is no estimate.
        None if the estimator does not know its training data, or novelty was not wanted.
    settings : dict
        The estimator and its training, as plain numbers and words.

    Examples
    --------
    >>> import numpy as np, spinbound as sb
    >>> status = np.array([sb.EstimateStatus.estimated, sb.EstimateStatus.masked], np.int8)
    >>> tissue = sb.Tissue(m0s=[0.1, np.nan])
    >>> sb.Estimates(("m0s",), tissue, status, novelty=None, settings={})
    Estimates(m0s; shape (2,): 1 estimated, 1 masked)
    """

    called: ClassVar[str] = "estimates are"
    statuses: ClassVar[type[IntEnum]] = EstimateStatus

    names: tuple[str, ...]
    estimates: Tissue
    status: npt.NDArray[np.int8]
    novelty: FloatArray | None
    settings: dict[str, Any]

    @property
    def estimated(self) -> BoolArray:
        """Whether each voxel (...) has an estimate, of any quality."""
        return np.isin(self.status, ESTIMATED)

    @property
    def _names(self) -> tuple[str, ...]:
        return self.names

    def as_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all maps by name: the parameters, status, novelty."""
        arrays: dict[str, npt.NDArray[Any]] = {name: np.asarray(self.estimates[name]) for name in self.names}
        arrays["status"] = self.status
        return arrays if self.novelty is None else arrays | {"novelty": self.novelty}
