"""Files of report cards.

=============================  =============  ===================================================
variable                       shape          content
=============================  =============  ===================================================
snr                            (S,)           levels
realizations, omega0_period    ()             numbers
names                          (P,)           the parameters that were judged
settings                       ()             JSON
truth_NAME, crb_NAME           (...)          maps
achievable_NAME, bias_NAME,
variance_NAME                  (S, ...)       maps
n_finite_NAME                  (S, ...)       maps of integers
=============================  =============  ===================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.errors import InvalidData
from spinbound.base.parameters import PARAMETERS
from spinbound.files.npz import read_npz, read_npz_names

MAPS = ("truth", "crb", "achievable", "bias", "variance", "n_finite")  # by parameter
OTHERS = ("snr", "realizations", "omega0_period", "names", "settings")


def as_arrays(card: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Return the attributes of a report card as the arrays of a file."""
    return {
        **{name: np.array(card[name]) for name in OTHERS if name != "settings"},
        "settings": np.array(json.dumps(dict(card["settings"]), allow_nan=False)),
        **{f"{kind}_{name}": values for kind in MAPS for name, values in card[kind].items()},
    }


def read_card(path: Path) -> dict[str, Any]:
    """Read the attributes of a report card.

    Raises
    ------
    InvalidData
        If the file holds something else.
    OSError
        If it cannot be read.
    """
    arrays = read_npz(path, read_npz_names(path, InvalidData), InvalidData)
    if missing := [name for name in OTHERS if name not in arrays]:
        raise InvalidData(f"{path} is no evaluation: it lacks {', '.join(missing)}")

    maps = {kind: dict(_select_kind(arrays, kind)) for kind in MAPS}
    names = tuple(str(name) for name in np.ravel(arrays["names"]))
    _check_numbers(path, arrays, names)
    _check_maps(path, maps, names, arrays["snr"])
    _check_counts(path, maps, names, int(arrays["realizations"]))
    return {
        "names": names,
        "snr": arrays["snr"],
        "realizations": int(arrays["realizations"]),
        "omega0_period": float(arrays["omega0_period"]),
        "settings": _read_settings(path, arrays["settings"]),
        **maps,
    }


def _select_kind(arrays: Mapping[str, npt.NDArray[Any]], kind: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for name, values in arrays.items():
        if name.startswith(f"{kind}_"):
            yield name.removeprefix(f"{kind}_"), values


def _check_numbers(path: Path, arrays: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]) -> None:
    """Refuse a file that names no parameter, or whose numbers have wrong types or values."""
    wanted = {"snr": ("f", 1), "realizations": ("i", 0), "omega0_period": ("f", 0)}
    is_sound = all((arrays[name].dtype.kind, arrays[name].ndim) == form for name, form in wanted.items())
    if not is_sound or arrays["snr"].size == 0 or not names or not set(names) <= set(PARAMETERS):
        raise InvalidData(f"{path} is no evaluation: it names no parameters, or no levels of the SNR")

    snr = arrays["snr"]
    makes_sense = {
        "names": len(set(names)) == len(names),
        "snr": (np.isfinite(snr) & (snr > 0)).all() and np.unique(snr).size == snr.size,
        "realizations": arrays["realizations"] > 1,
        "omega0_period": arrays["omega0_period"] > 0,
    }
    if wrong := [name for name, is_so in makes_sense.items() if not is_so]:
        raise InvalidData(f"{path} is no evaluation: its {wrong[0]} cannot be {arrays[wrong[0]].tolist()}")


def _check_maps(
    path: Path, maps: Mapping[str, Mapping[str, npt.NDArray[Any]]], names: tuple[str, ...], snr: npt.NDArray[Any]
) -> None:
    """Refuse maps that are missing, that hold no numbers, or that differ in shape."""
    grid = maps["crb"][names[0]].shape if names[0] in maps["crb"] else ()
    for kind, by_name in maps.items():
        shape = grid if kind in ("truth", "crb") else (*snr.shape, *grid)
        for name in (*names, *by_name):
            values = by_name.get(name, np.empty(0, "U"))
            if values.dtype.kind != ("i" if kind == "n_finite" else "f") or values.shape != shape:
                raise InvalidData(f"{path}: {kind}_{name} is missing, or no array of numbers of shape {shape}")


def _check_counts(
    path: Path, maps: Mapping[str, Mapping[str, npt.NDArray[Any]]], names: tuple[str, ...], realizations: int
) -> None:
    """Refuse more estimates than realisations, and negative variances."""
    for name in names:
        count = maps["n_finite"][name]
        if ((count < -1) | (count > realizations)).any() or (maps["variance"][name] < 0).any():
            raise InvalidData(f"{path}: numbers of estimates of {name} beyond {realizations}, or negative variances")


def _read_settings(path: Path, text: npt.NDArray[Any]) -> dict[str, Any]:
    try:
        return dict(json.loads(str(text)))
    except (ValueError, TypeError, RecursionError):
        raise InvalidData(f"{path}: its settings are no JSON") from None
