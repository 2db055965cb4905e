"""Images from files of any known format: data with their samples, masks, and maps of parameters.

The format follows from the suffix: .nii, .nii.gz (`nifti`), .cfl, .hdr, .ra (`bart`), .mat (`matlab`), .npz. Of a file
that names its arrays, ``FILE:NAME`` picks one; without a name it must hold a single array of two axes or more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_mask, as_one_of, as_parameter
from spinbound.base.errors import FloatArray, InvalidData, InvalidParameter
from spinbound.base.units import UNITS, check_plausible
from spinbound.files.mat import join_complex
from spinbound.files.npz import read_npz, read_npz_names

from . import bart, matlab, nifti
from .single import check_affine

Source = str | os.PathLike[str]

NAMED = (".npz", ".mat")
SUFFIXES = (".nii", ".nii.gz", ".cfl", ".hdr", ".ra", *NAMED)
PARTS = ("complex", "real-imag", "magnitude-phase")
PHASE_SPAN = 1.1 * 2 * pi  # rad: a turn, and what interpolation may add
AGREEMENT = 0.1  # largest distance of the corners of two grids, in voxels


@dataclass(frozen=True, eq=False)
class Image:
    """Values on a grid of voxels.

    Attributes
    ----------
    data
        The values; with `has_samples` the last axis counts the samples of a voxel.
    affine : (4, 4) or None
        From voxel indices to mm, where the format has one.
    source
        The file, as errors name it.
    """

    data: npt.NDArray[Any]
    affine: FloatArray | None
    source: str
    has_samples: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes of voxels."""
        return self.data.shape[:-1] if self.has_samples else self.data.shape


def read_image(source: Source, *, ignore_affine: bool = False) -> Image:
    """Read the array of a file as it is stored.

    Parameters
    ----------
    source
        The file, or ``FILE:NAME`` for one of the arrays of a .npz or .mat file.
    ignore_affine
        Take an image whose affine is singular or not finite without one.

    Returns
    -------
    Image
        Values of the type in the file, with the affine where the format has one.

    Raises
    ------
    InvalidData
        For another format, a name that is missing or needed, a header or an affine that makes no sense.
    OSError
        If the file cannot be read or is damaged.
    """
    path, name = _split_source(source)
    lower = path.name.lower()
    if lower.endswith(NAMED):
        return Image(_read_array(path, name), None, os.fspath(source))
    if lower.endswith((".nii", ".nii.gz")):
        values, affine = nifti.read(path)
        return Image(values, None if ignore_affine else check_affine(affine, path), str(path))
    if lower.endswith(SUFFIXES):
        return Image(_drop_lone_axes(bart.read(path)), None, str(path))
    raise InvalidData(f"{path}: images are read from {', '.join(SUFFIXES)} files")


def _split_source(source: Source) -> tuple[Path, str | None]:
    text = os.fspath(source)
    file, colon, name = text.rpartition(":")
    return (Path(file), name) if colon and file.lower().endswith(NAMED) else (Path(text), None)


def _read_array(path: Path, name: str | None) -> npt.NDArray[Any]:
    """Read the array of that name, or the only one of two axes or more."""
    if path.suffix.lower() == ".mat":
        arrays = matlab.read(path, None if name is None else [name])
    else:
        present = read_npz_names(path, InvalidData)
        if name is not None and name not in present:
            raise InvalidData(f"{path}: no array {name}; the file has: {', '.join(present) or 'nothing'}")
        arrays = read_npz(path, present if name is None else [name], InvalidData)
    if name is not None:
        return arrays[name]
    fit = {key: array for key, array in arrays.items() if array.ndim >= 2 and array.dtype.kind in "biufc"}
    if len(fit) != 1:
        has = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        raise InvalidData(f"{path}: name the array, as in {path.name}:NAME; the file has: {has}")

    return fit.popitem()[1]


def _drop_lone_axes(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Drop BART's axes of length one, such as of a single coil or echo; the three of space stay."""
    return values.reshape(values.shape[:3] + tuple(length for length in values.shape[3:] if length > 1))


def read_complex(sources: Source | Sequence[Source], parts: str = "complex", *, ignore_affine: bool = False) -> Image:
    """Read complex data whose last axis counts the samples of a voxel: echoes, or coefficients of a basis.

    Parameters
    ----------
    sources
        One file of complex numbers, or two of real ones.
    parts
        What the files hold: "complex" (one file), "real-imag" or "magnitude-phase" (two, the phase in rad).
    ignore_affine
        As `read_image` takes it; the two files' affines need not agree then.

    Returns
    -------
    Image
        Complex data (..., n), with n samples of each voxel, in the precision of the files.

    Raises
    ------
    InvalidData
        If a file holds complex numbers where real ones are expected or the reverse, the two have different grids, a
        magnitude is negative, or the phases span more than a turn; and as `read_image` does.
    InvalidParameter
        If the number of files does not fit `parts`.
    OSError
        If a file cannot be read or is damaged.
    """
    files = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    as_one_of("parts", parts, PARTS)
    if len(files) != (1 if parts == "complex" else 2):
        raise InvalidParameter(f"parts={parts!r} takes {'one file' if parts == 'complex' else 'two files'}")
    images = [read_image(file, ignore_affine=ignore_affine) for file in files]
    for image in images:
        _check_kind(image, parts)
    if parts == "complex":
        return replace(images[0], has_samples=True)
    first, second = images
    check_same_grid(dict(zip(parts.split("-"), images, strict=True)), ignore_affine=ignore_affine)

    joined = join_complex(first.data, second.data) if parts == "real-imag" else _join_polar(first, second)
    return Image(joined, first.affine, f"{first.source} and {second.source}", has_samples=True)


def _check_kind(image: Image, parts: str) -> None:
    """Refuse complex numbers where a part is expected, and the reverse."""
    if image.data.dtype.kind not in "biufc" or image.data.ndim == 0:
        raise InvalidData(f"{image.source}: an array of numbers is needed; given {image.data.dtype}")
    if (image.data.dtype.kind == "c") is not (parts == "complex"):
        held, other = ("real", "'real-imag' or 'magnitude-phase'") if parts == "complex" else ("complex", "'complex'")
        raise InvalidData(f"{image.source} holds {held} numbers, not what parts={parts!r} takes; use parts={other}")


def _join_polar(magnitude: Image, phase: Image) -> npt.NDArray[Any]:
    angle = phase.data
    if (magnitude.data < 0).any():
        raise InvalidData(f"{magnitude.source}: a magnitude is negative ({np.nanmin(magnitude.data):g})")
    known = angle[np.isfinite(angle)]
    if known.size and float(known.max()) - float(known.min()) > PHASE_SPAN:
        raise InvalidData(
            f"{phase.source}: the phase spans {known.min():g} to {known.max():g}, more than the 2 pi of rad: "
            "it looks like degrees or scanner units"
        )

    turned = magnitude.data * np.exp(join_complex(np.zeros_like(angle), angle))
    return turned.astype(np.result_type(magnitude.data, angle, np.complex64), copy=False)


def read_mask(source: Source, *, ignore_affine: bool = False) -> Image:
    """Read a mask: every value but zero includes its voxel, be they booleans, 0 and 255, or fractions.

    Parameters
    ----------
    source
        The file, as `read_image` takes it.
    ignore_affine
        As `read_image` takes it.

    Returns
    -------
    Image
        Booleans (...): whether the voxel is included.

    Raises
    ------
    InvalidData
        If values are complex or NaN; and as `read_image` does.
    OSError
        If the file cannot be read or is damaged.
    """
    image = read_image(source, ignore_affine=ignore_affine)
    return replace(image, data=as_mask(image.source, image.data, image.data.shape))


def read_map(source: Source, name: str, unit: str | None = None, *, ignore_affine: bool = False) -> Image:
    """Read a map of a parameter and convert it to SI: B1 relative to its nominal value, omega0 in rad/s.

    Parameters
    ----------
    source
        The file, as `read_image` takes it.
    name
        The parameter.
    unit
        The unit of the file, such as "%" for B1 or "Hz" for omega0; SI by default.
    ignore_affine
        As `read_image` takes it.

    Returns
    -------
    Image
        Values (...) in SI units, in double precision.

    Raises
    ------
    InvalidData
        If values are complex, or B1 looks like percent; and as `read_image` does.
    InvalidParameter
        For an unknown parameter, and a unit that it does not have.
    OSError
        If the file cannot be read or is damaged.

    Warns
    -----
    UserWarning
        Where the typical value of another parameter suggests another unit.
    """
    units = UNITS[as_parameter(name).unit]
    factor = 1 if unit is None else units[as_one_of(f"the unit of {name}", unit, units)]
    image = read_image(source, ignore_affine=ignore_affine)
    if image.data.dtype.kind not in "iuf":
        raise InvalidData(f"{image.source}: a map of {name} holds real numbers; given type {image.data.dtype}")
    values = image.data * np.float64(factor)
    check_plausible(name, values[values != 0], Path(image.source), "unit={unit!r} would convert it")
    return replace(image, data=values)


def check_same_grid(images: Mapping[str, Image], *, ignore_affine: bool = False) -> None:
    """Refuse images, each by its name, whose voxels are not at the same places; axes of length one at the end are free.

    Parameters
    ----------
    images
        At least one image, by the name that an error gives it.
    ignore_affine
        Compare shapes alone.

    Raises
    ------
    InvalidData
        If shapes differ, or affines by more than a tenth of a voxel somewhere in the grid.
    """
    (first_name, first), *others = images.items()
    for name, other in others:
        if _trim(first.shape) != _trim(other.shape):
            shapes = ", ".join(f"{key} {image.shape} ({image.source})" for key, image in images.items())
            raise InvalidData(f"{name} has another shape than {first_name}: {shapes}")
        if not ignore_affine and _measure_distance(first, other) > AGREEMENT:
            affines = ", ".join(f"{key} {_describe_affine(image.affine)}" for key, image in images.items())
            raise InvalidData(f"{name} lies elsewhere than {first_name}: affines {affines}; ignore_affine takes them")


def _trim(shape: tuple[int, ...]) -> tuple[int, ...]:
    last = max((axis for axis, length in enumerate(shape) if length != 1), default=-1)
    return shape[: last + 1]


def _describe_affine(affine: FloatArray | None) -> str:
    return "none" if affine is None else str(np.round(affine[:3], 4).tolist())


def _measure_distance(first: Image, second: Image) -> float:
    """Return how far the same voxel of two images may lie apart, in voxels; 0 where one has no affine."""
    if first.affine is None or second.affine is None:
        return 0.0
    extent = np.ones(4)
    extent[: min(3, len(first.shape))] = first.shape[:3]
    apart = np.linalg.norm(np.abs(first.affine - second.affine)[:3] @ extent)
    return float(apart / np.linalg.norm(first.affine[:3, :3], axis=0).min())
