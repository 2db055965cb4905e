"""The errors that a user sees, and the types of arrays that all signatures share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
ComplexArray = npt.NDArray[np.complex128]
BoolArray = npt.NDArray[np.bool_]
Progress = Callable[[int, int], object]


class InvalidParameter(ValueError):
    """An argument is not what the function accepts."""


class InvalidSequence(ValueError):
    """A pulse sequence, or the file that should hold one, makes no sense."""


class InvalidData(ValueError):
    """Data, or the file that should hold them, do not fit their purpose."""
