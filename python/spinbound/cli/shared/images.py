"""The images that fits and estimates read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from math import prod
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter
from numpy.typing import NDArray

from spinbound.base.errors import InvalidData
from spinbound.io import Image, check_same_grid, read_complex, read_image, read_map, read_mask

from .arguments import UsageError

DataFile = Annotated[
    str,
    Parameter(
        help="Complex data, or their real part (--imag) or magnitude (--phase): a .nii, .nii.gz, .cfl, .ra, .mat or "
        ".npz file, whose last axis counts echoes or coefficients. FILE:NAME picks an array of a .mat or .npz file."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Images:
    """The images that belong to the data.

    Parameters
    ----------
    imag
        The imaginary part; the data are the real part then.
    phase
        The phase in rad; the data are the magnitude then.
    mask
        The voxels to work on: all where the mask is not zero.
    ignore_affine
        Accept images of equal shape even if their affine matrices differ.
    """

    imag: str | None = None
    phase: str | None = None
    mask: str | None = None
    ignore_affine: bool = False

    @property
    def options(self) -> dict[str, bool]:
        """The options of every reader."""
        return {"ignore_affine": self.ignore_affine}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Scan(Images):
    """The images that belong to the data, and the maps that are known.

    Parameters
    ----------
    B1
        Map of the transmit field, which is known then.
    B1_unit
        Unit of the map of B1: 1 (relative to the nominal field) or %.
    B0
        Map of the off-resonance frequency omega0, which is known then.
    B0_unit
        Unit of the map of B0: rad/s or Hz.
    """

    B1: Annotated[str | None, Parameter(name="--B1")] = None
    B1_unit: Annotated[Literal["1", "%"], Parameter(name="--B1-unit")] = "1"
    B0: Annotated[str | None, Parameter(name="--B0")] = None
    B0_unit: Annotated[Literal["rad/s", "Hz"], Parameter(name="--B0-unit")] = "rad/s"

    @property
    def known(self) -> tuple[str, ...]:
        """The parameters that have a map."""
        return tuple(name for name, file in (("B1", self.B1), ("omega0", self.B0)) if file is not None)


@dataclass(frozen=True)
class Volume:
    """Data with what is known of their voxels, all on one grid."""

    data: Image
    mask: NDArray[np.bool_] | None
    known: dict[str, NDArray[np.float64]]  # maps by the names of parameters

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return prod(self.data.shape) if self.mask is None else int(self.mask.sum())


def open_volume(data: str, scan: Images) -> Volume:
    """Read all images, and refuse any on another grid than the data's."""
    images = {"data": open_data(data, scan)}
    if scan.mask is not None:
        images["mask"] = read_mask(scan.mask, **scan.options)
    if isinstance(scan, Scan):
        images |= read_known_maps(scan)

    check_same_grid(images, **scan.options)
    shape = images["data"].shape
    maps = {name: image.data.reshape(shape) for name, image in images.items() if name != "data"}
    mask = maps.pop("mask", None)
    if "B0" in maps:
        maps["omega0"] = maps.pop("B0")
    if mask is not None and not mask.any():
        print("spinbound: warning: the mask is empty: no voxel counts", file=sys.stderr)
    return Volume(images["data"], mask, maps)


def read_known_maps(scan: Scan) -> dict[str, Image]:
    """Read the maps of B1 and B0, where there are any."""
    named = {"B1": (scan.B1, "B1", scan.B1_unit), "B0": (scan.B0, "omega0", scan.B0_unit)}
    return {
        key: read_map(file, name, unit, **scan.options) for key, (file, name, unit) in named.items() if file is not None
    }


def open_data(data: str, scan: Images) -> Image:
    """Read the complex data of one file, or of a pair."""
    if scan.imag is not None and scan.phase is not None:
        raise UsageError("--imag and --phase are two ways to complete the data; name one")
    if scan.imag is not None:
        return read_complex((data, scan.imag), "real-imag", **scan.options)
    if scan.phase is not None:
        return read_complex((data, scan.phase), "magnitude-phase", **scan.options)

    image = read_image(data, **scan.options)
    if image.data.dtype.kind != "c":
        raise InvalidData(f"{data} holds real numbers; --imag or --phase names the file that makes them complex")
    return replace(image, has_samples=True)
