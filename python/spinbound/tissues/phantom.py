"""Objects to simulate: maps of tissues with a name and a mask for each region.

Axis 0 of a slice of shape (rows, columns) runs downwards. Lengths in the geometry are shares of the shorter side, from
the middle of the slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_number
from spinbound.base.errors import BoolArray, FloatArray, InvalidParameter

from .tissue import Tissue

CONTAINER, TUBE = 0.47, 0.11  # radii
COLUMNS, ROWS = (-0.27, 0.0, 0.27), (-0.15, 0.15)  # middles of the tubes
SMALLEST = 24  # voxels of the shorter side: a tube is then five voxels wide

# These values are chosen: more protein means a larger semi-solid pool, shorter T1 and T2f; manganese shortens T2f most.
WATER = {"m0s": 0.0, "T1a": 0.8, "T2f": 0.2}
BSA = {
    "10 % BSA": {"m0s": 0.06, "T1a": 2.0, "T2f": 0.110},
    "15 % BSA": {"m0s": 0.10, "T1a": 1.8, "T2f": 0.085},
    "20 % BSA": {"m0s": 0.14, "T1a": 1.6, "T2f": 0.065},
    "10 % BSA, MnCl2": {"m0s": 0.06, "T1a": 0.95, "T2f": 0.050},
    "15 % BSA, MnCl2": {"m0s": 0.10, "T1a": 0.90, "T2f": 0.042},
    "20 % BSA, MnCl2": {"m0s": 0.14, "T1a": 0.85, "T2f": 0.036},
}
PROTEIN = {"Rex": 40.0, "T2s": 12e-6}

Values = dict[str, FloatArray]


@dataclass(frozen=True, eq=False, repr=False)
class Phantom:
    """A simulated object.

    Attributes
    ----------
    tissue
        Tissue of every voxel (...). M0 is 0 outside the object.
    labels : (...) int8
        0 outside, 1 between the regions, 2 and more in the regions.
    names : tuple of str
        Names of the regions, in the order of their labels from 2 on.
    masks : mapping of str to (...) bool
        The voxels of each region, without those near its border.
    """

    tissue: Tissue
    labels: npt.NDArray[np.int8]
    names: tuple[str, ...]
    masks: Mapping[str, BoolArray]

    @property
    def inside(self) -> BoolArray:
        """(...) voxels inside the object."""
        return self.labels > 0

    def __repr__(self) -> str:
        return f"Phantom(shape={self.labels.shape}, {len(self.names)} regions)"


def tubes(
    shape: tuple[int, int] = (96, 96),
    *,
    B1_variation: float = 0.1,
    omega0_variation: float = 100.0,
    margin: float = 1.0,
) -> Phantom:
    """Make a slice through six tubes of cross-linked albumin (BSA) in a cylinder of doped water.

    The tubes are those of arXiv 2109.10535, section 2.8: 10, 15 and 20 % BSA, each without (upper row) and with MnCl2
    (lower row), which makes T2f short. The paper states no parameters of them; those in `BSA`, `PROTEIN`
    and `WATER` are chosen.

    Parameters
    ----------
    shape
        Rows and columns.
    B1_variation
        v: B1 falls from 1 + v in the middle to 1 - v at the wall of the cylinder, as the square of the distance.
    omega0_variation
        v in rad/s: omega0 rises from left to right, from -v at one wall to v at the other.
    margin
        Width in voxels of the border of a tube that the masks leave out.

    Returns
    -------
    Phantom
        Its regions are the six tubes; between them is the water.

    Raises
    ------
    InvalidParameter
        If the slice is too small for tubes with the margin, or a variation out of range.

    Examples
    --------
    >>> import spinbound as sb
    >>> slice_ = sb.phantom.tubes((64, 64))
    >>> slice_.names[0], slice_.tissue.shape, float(slice_.tissue["m0s"][slice_.masks["10 % BSA"]].max())
    ('10 % BSA', (64, 64), 0.06)
    """
    x, y, side = _make_positions(shape)
    variation = (
        _check_within("B1_variation", B1_variation, 0.9),
        _check_within("omega0_variation", omega0_variation, 5e4),
    )
    edge = _check_within("margin", margin, TUBE * side - 1) / side
    centres = [(row, column) for row in ROWS for column in COLUMNS]
    distances = [np.hypot(y - row, x - column) for row, column in centres]
    labels = (np.hypot(y, x) <= CONTAINER).astype(np.int8)
    for label, distance in enumerate(distances, 2):
        labels[distance <= TUBE] = label
    masks = {name: distance <= TUBE - edge for name, distance in zip(BSA, distances, strict=True)}
    return Phantom(Tissue(**_make_maps(labels), **_make_fields(x, y, *variation)), labels, tuple(BSA), masks)


def _make_positions(shape: tuple[int, int]) -> tuple[FloatArray, FloatArray, int]:
    """Return x (right) and y (down) of every voxel in shares of the shorter side, and this side in voxels."""
    if not isinstance(shape, (tuple, list)) or len(shape) != 2:
        raise InvalidParameter(f"shape must be two numbers, rows and columns; given {shape!r}")
    sizes = [as_count("a length in shape", n, SMALLEST) for n in shape]
    y, x = ((np.arange(n) - (n - 1) / 2) / min(sizes) for n in sizes)
    return *np.meshgrid(x, y), min(sizes)


def _check_within(name: str, value: float, high: float) -> float:
    number = as_number(name, value)
    if not 0 <= number <= high:
        raise InvalidParameter(f"{name} is {number:g}; allowed: 0 <= {name} <= {high:g}")
    return number


def _make_maps(labels: npt.NDArray[np.int8]) -> Values:
    """Make the parameters of every voxel; outside they are those of the water, with M0 = 0."""
    regions = [WATER, WATER, *BSA.values()]
    return {
        "M0": (labels > 0).astype(float),
        **{name: np.array([region[name] for region in regions])[labels] for name in WATER},
        **{name: np.full(labels.shape, value) for name, value in PROTEIN.items()},
    }


def _make_fields(x: FloatArray, y: FloatArray, B1_variation: float, omega0_variation: float) -> Values:
    distance = np.minimum(np.hypot(y, x) / CONTAINER, 1)
    return {
        "B1": 1 + B1_variation * (1 - 2 * distance**2),
        "omega0": omega0_variation * np.clip(x / CONTAINER, -1, 1),
    }
