"""BIDS derivative datasets of fitted maps: names, units, a JSON sidecar beside every image (extra ``io``).

BIDS has a suffix for relaxation times and rates, M0, the transmit field and the main field. The suffixes
that this module adds (MPFmap, RXmap, phase of M0, standard errors, status, iterations, residual) are in .bidsignore.
Units are those of BIDS: s and 1/s, but B1 in percent of its nominal value and the off-resonance frequency in Hz.
Voxels without a result are NaN.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import pi
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidParameter
from spinbound.base.parameters import PARAMETERS
from spinbound.files.writing import write_atomically, write_json

from . import nifti

BIDS_VERSION = "1.10.0"
PREFIX = re.compile(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?")
IGNORED = ("*_MPFmap.*", "*_RXmap.*", "*_M0phase.*", "*stdmap.*", "*_fit*")


@dataclass(frozen=True)
class MapFile:
    """The name of a map's file, and how its values are stored."""

    suffix: str
    unit: str
    description: str
    entity: str = ""
    folder: str = "anat"
    scale: float = 1.0  # from SI to the unit
    more: tuple[tuple[str, str], ...] = ()  # further entries of the sidecar


MPF = (("Definition", "M0s/(M0s+M0f)"),)
OMEGA0 = "off-resonance frequency omega0/(2 pi), determined modulo the period of the signal"
EXCHANGE = (("Definition", "rate from the free to the semi-solid pool: Rx*m0s; back: Rx*(1-m0s)"),)
MAPS: Mapping[str, MapFile] = {
    "M0": MapFile("M0map", "1", "magnitude of the complex scale of the signal"),
    "m0s": MapFile("MPFmap", "1", "size of the semi-solid pool, fraction of the total", "desc-semisolid", more=MPF),
    "R1f": MapFile("R1map", "1/s", "longitudinal relaxation rate of the free pool", "desc-free"),
    "R1s": MapFile("R1map", "1/s", "longitudinal relaxation rate of the semi-solid pool", "desc-semisolid"),
    "R1a": MapFile("R1map", "1/s", "apparent longitudinal relaxation rate, R1f = R1s", "desc-apparent"),
    "T1f": MapFile("T1map", "s", "longitudinal relaxation time of the free pool", "desc-free"),
    "T1s": MapFile("T1map", "s", "longitudinal relaxation time of the semi-solid pool", "desc-semisolid"),
    "T1a": MapFile("T1map", "s", "apparent longitudinal relaxation time, T1f = T1s", "desc-apparent"),
    "R2f": MapFile("R2map", "1/s", "transverse relaxation rate of the free pool", "desc-free"),
    "T2f": MapFile("T2map", "s", "transverse relaxation time of the free pool", "desc-free"),
    "T2s": MapFile("T2map", "s", "transverse relaxation time of the semi-solid pool", "desc-semisolid"),
    "Rex": MapFile("RXmap", "1/s", "exchange rate", more=EXCHANGE),
    "B1": MapFile("TB1map", "%", "transmit field in percent of its nominal value", folder="fmap", scale=100),
    "omega0": MapFile(
        "fieldmap",
        "Hz",
        OMEGA0,
        folder="fmap",
        scale=1 / (2 * pi),
    ),
}
PHASE = MapFile("M0phase", "rad", "phase of the complex scale of the signal")
MAGNITUDE = MapFile("magnitude", "1", "magnitude of the complex scale of the signal", folder="fmap")
FURTHER: Mapping[str, MapFile] = {
    "status": MapFile("fitstatus", "arbitrary", "what became of the voxel"),
    "iterations": MapFile("fititerations", "1", "iterations of the fit"),
    "residual": MapFile("fitresidual", "1", "norm of the residual relative to that of the data"),
    "sigma": MapFile("fitnoise", "1", "standard deviation of the noise in the real and in the imaginary part each"),
    "at_bound": MapFile("fitatbound", "1", "unknowns at a bound, as a sum of their levels"),
    "agreement": MapFile("fitagreement", "1", "share of the starts that came to the best residual"),
    "novelty": MapFile("fitnovelty", "1", "distance of the data from those of the training, about 1 if alike"),
}


def write_maps(
    folder: str | os.PathLike[str],
    estimates: Mapping[str, npt.ArrayLike],
    affine: npt.ArrayLike | None = None,
    *,
    std: Mapping[str, npt.ArrayLike] | None = None,
    further: Mapping[str, npt.ArrayLike] | None = None,
    levels: Mapping[str, Mapping[int, str]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    prefix: str = "sub-01",
    overwrite: bool = False,
) -> list[Path]:
    """Write maps as a BIDS derivative dataset, every file whole or not at all.

    Parameters
    ----------
    folder
        The dataset; a description that it has already stays.
    estimates : mapping of str to array_like, shape (nx, ny, nz), or fewer axes
        Parameters, base or derived, in SI units. M0 becomes two files, magnitude and phase.
    affine : (4, 4)
        From voxel indices to mm; the identity by default.
    std : mapping of str to array_like
        Standard errors in SI units; that of M0 is one real number per voxel.
    further : mapping of str to array_like
        The course of the fit: "status", "iterations", "at_bound" (integers), "residual", "sigma", "agreement"; or
        "novelty" of an estimate.
    levels
        What each code means, by the names of `further`.
    provenance
        Entries for all sidecars: model, sequence, bounds, version; "SkullStripped" is false unless given.
    prefix
        ``sub-LABEL`` or ``sub-LABEL_ses-LABEL``.
    overwrite
        Replace maps that exist.

    Returns
    -------
    list of Path
        The images; beside each lies its .json.

    Raises
    ------
    InvalidParameter
        For an unknown name or a prefix of another form.
    InvalidData
        For values that do not fit their file.
    FileExistsError
        If a map exists.
    OSError
        If a file cannot be written.

    References
    ----------
    BIDS specification 1.10, "Derivatives" and "Quantitative MRI".
    """
    std, further = std or {}, further or {}
    files = map_files(estimates, std, further)
    paths = {key: path_of(Path(folder), prefix, file) for key, file in files.items()}
    if not overwrite:
        refuse_existing(paths.values())
    write_description(Path(folder))
    values = {**_split_M0(estimates), **{f"std {name}": value for name, value in std.items()}, **further}
    for key, file in files.items():
        sidecar: dict[str, Any] = {"Units": file.unit, "Description": file.description, **dict(file.more)}
        if levels and key in levels:
            sidecar["Levels"] = {str(code): word for code, word in levels[key].items()}
        paths[key].parent.mkdir(parents=True, exist_ok=True)
        write_json(_as_sidecar(paths[key]), {"SkullStripped": False, **(provenance or {}), **sidecar})
        nifti.write(paths[key], _as_volume(values[key], file.scale), affine)

    return list(paths.values())


def map_files(estimates: Iterable[str], std: Iterable[str] = (), further: Iterable[str] = ()) -> dict[str, MapFile]:
    """Return the files of maps by key: a parameter, "phase M0", "magnitude M0", "std PARAMETER" or one of `FURTHER`."""
    files = {as_one_of("a name in estimates", name, PARAMETERS): MAPS[name] for name in estimates}
    if "M0" in files:
        files["phase M0"] = PHASE
    if "M0" in files and "omega0" in files:  # no fieldmap without the magnitude that it belongs to
        files["magnitude M0"] = MAGNITUDE
    for name in std:
        files[f"std {name}"] = _make_error_file(MAPS[as_one_of("a name in std", name, PARAMETERS)])
    return files | {name: FURTHER[as_one_of("a name in further", name, FURTHER)] for name in further}


def _make_error_file(file: MapFile) -> MapFile:
    """Return the file of a map's standard errors, in the folder of most maps, as BIDS has no suffix for it."""
    suffix = file.suffix.removesuffix("map") + "stdmap"
    return replace(file, suffix=suffix, description=f"standard error of the {file.description}", folder="anat")


def path_of(folder: Path, prefix: str, file: MapFile) -> Path:
    """Return the path of a map in a dataset: sub-01/anat/sub-01_desc-free_R1map.nii.gz."""
    if not PREFIX.fullmatch(prefix):
        raise InvalidParameter(
            f"prefix is {prefix!r}; allowed: sub-LABEL or sub-LABEL_ses-LABEL, of letters and digits"
        )
    name = "_".join(filter(None, (prefix, file.entity, file.suffix)))
    return folder.joinpath(*prefix.split("_"), file.folder, f"{name}.nii.gz")


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise FileExistsError if an image or its sidecar is there."""
    for path in paths:
        for file in (path, _as_sidecar(path)):
            if file.exists():
                raise FileExistsError(f"{file} exists; overwrite=True (--overwrite) replaces it")


def remove_others(folder: Path, prefix: str, kept: Iterable[Path], entries: Iterable[str]) -> None:
    """Remove maps with one of some entries in their sidecar, and their sidecars, except those that are kept."""
    kept, entries = set(kept), set(entries)
    for path in (path_of(folder, prefix, file) for file in map_files(MAPS, MAPS, FURTHER).values()):
        sidecar = _as_sidecar(path)
        if path in kept or not sidecar.exists():
            continue
        if not entries.isdisjoint(json.loads(sidecar.read_text(encoding="utf-8"))):
            path.unlink(missing_ok=True)
            sidecar.unlink()


def write_description(folder: Path) -> None:
    """Write the files that make a folder a BIDS derivative dataset; those that exist stay."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dataset_description.json").exists():
        author = {"Name": "spinbound", "Version": _core.version}
        kind = {"Name": "Maps by spinbound", "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative"}
        write_json(folder / "dataset_description.json", {**kind, "GeneratedBy": [author]})
    ignore = folder / ".bidsignore"
    present = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
    missing = [pattern for pattern in IGNORED if pattern not in present]
    if missing:
        text = "".join(f"{line}\n" for line in [*present, *missing])
        write_atomically(ignore, lambda stream: stream.write(text.encode()))


def _as_sidecar(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".nii.gz") + ".json")


def _split_M0(estimates: Mapping[str, npt.ArrayLike]) -> dict[str, npt.NDArray[Any]]:
    """Split M0 into magnitude and phase, and leave all else as it is."""
    values = {name: np.asarray(value) for name, value in estimates.items()}
    if "M0" in values:
        magnitude = np.abs(values["M0"])
        values |= {"M0": magnitude, "magnitude M0": magnitude, "phase M0": np.angle(values["M0"])}
    return values


def _as_volume(values: npt.ArrayLike, scale: float) -> npt.NDArray[Any]:
    """Return values in SI units times `scale`, with at least three axes, as readers of images expect."""
    array = np.asarray(values)
    scaled = array if scale == 1 else array * scale
    return scaled.reshape(array.shape + (1,) * (3 - array.ndim))
