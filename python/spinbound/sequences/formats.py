"""Files of a pulse sequence: .npz, .toml, MATLAB, Pulseq; fields have the names of `Sequence`'s arguments, in SI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from math import pi
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.checks import as_one_of, as_real, suggest
from spinbound.base.errors import ComplexArray, InvalidSequence
from spinbound.files.guard import find_max_bytes
from spinbound.files.mat import read_mat
from spinbound.files.npz import read_npz, read_npz_names, write_npz
from spinbound.files.toml import read_toml
from spinbound.files.writing import write_atomically

Fields = Mapping[str, Any]

FIELDS = ("alpha", "TRF", "TR", "gradient_moment", "rf_phase_increment", "start", "echo", "shape")

# The names of the fields of a TOML file state the units.
TOML_FIELDS: Mapping[str, tuple[str, float]] = {
    "alpha_rad": ("alpha", 1),
    "alpha_deg": ("alpha", pi / 180),
    "TRF_s": ("TRF", 1),
    "TRF_ms": ("TRF", 1e-3),
    "TRF_us": ("TRF", 1e-6),
    "TR_s": ("TR", 1),
    "TR_ms": ("TR", 1e-3),
    "rf_phase_increment_rad": ("rf_phase_increment", 1),
    "rf_phase_increment_deg": ("rf_phase_increment", pi / 180),
}

TOML_PLAIN = ("gradient_moment", "start", "echo", "shape")


def read_fields(path: Path) -> dict[str, Any]:
    """Read the fields of a file; `alpha` and `TRF` are among them.

    Raises
    ------
    InvalidSequence
        If the suffix is unknown, or the content makes no sense.
    OSError
        If the file cannot be read or is damaged.
    """
    return _READERS[_check_suffix(path)](path)


def write_fields(path: Path, fields: Fields) -> None:
    """Write all fields of a sequence that are not None, whole or not at all."""
    _WRITERS[_check_suffix(path)]({name: value for name, value in fields.items() if value is not None}, path)


def _check_suffix(path: Path) -> str:
    return as_one_of("the suffix", path.suffix.lower(), tuple(_READERS), InvalidSequence)


def _require_pulses(fields: Mapping[str, Any], present: Iterable[str]) -> None:
    for name in ("alpha", "TRF"):
        if name not in fields:
            raise InvalidSequence(f"the file has no variable {name}; it has: {', '.join(present) or 'nothing'}")


def _tidy(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten row and column vectors, and turn arrays of text into words."""
    tidy: dict[str, Any] = {}
    for name, value in fields.items():
        array = np.squeeze(np.asarray(value))
        tidy[name] = array.tolist() if array.dtype.kind in "UO" else array
        if name in ("alpha", "TRF", "shape"):
            tidy[name] = np.atleast_1d(array)
    return tidy


def _read_npz(path: Path) -> dict[str, Any]:
    fields = read_npz(path, FIELDS, InvalidSequence)
    _require_pulses(fields, read_npz_names(path, InvalidSequence))
    return _tidy(fields)


def _read_mat(path: Path) -> dict[str, Any]:
    fields, present = read_mat(path, FIELDS, InvalidSequence)
    _require_pulses(fields, present)
    return _tidy(fields)


def _read_toml(path: Path) -> dict[str, Any]:
    content = read_toml(path, find_max_bytes(), InvalidSequence)
    fields: dict[str, Any] = {}
    for key, value in content.items():
        name, factor = _find_toml_field(key)
        if name in fields:
            raise InvalidSequence(f"{name} is given twice, in two units")
        fields[name] = value if factor is None else as_real(key, value, InvalidSequence) * factor
    _require_pulses(fields, content)
    if "shape" in fields:
        fields["shape"] = _join_pairs(fields["shape"])

    return fields


def _join_pairs(pairs: Any) -> ComplexArray:
    """Join the pairs of real and imaginary part by which TOML, without complex numbers, states a waveform."""
    array = as_real("shape", pairs, InvalidSequence)
    if array.ndim != 2 or array.shape[1] != 2:
        raise InvalidSequence(f"shape must be a list of pairs, real and imaginary part; given shape {array.shape}")
    return np.ascontiguousarray(array).view(np.complex128)[:, 0]


def _find_toml_field(key: str) -> tuple[str, float | None]:
    if key in TOML_PLAIN:
        return key, None
    allowed = (*TOML_PLAIN, *TOML_FIELDS)
    if key not in TOML_FIELDS:
        hint = suggest(key, allowed)
        raise InvalidSequence(f"unknown field {key!r}{hint}; allowed: {', '.join(allowed)}")
    return TOML_FIELDS[key]


def _write_npz(fields: Fields, path: Path) -> None:
    write_npz(path, {name: np.asarray(value) for name, value in fields.items()})


def _write_mat(fields: Fields, path: Path) -> None:
    from scipy import io

    words = np.array(fields["gradient_moment"], dtype=object)  # a cell array
    content = {**fields, "gradient_moment": words}
    write_atomically(path, lambda stream: io.savemat(stream, content))


def _write_toml(fields: Fields, path: Path) -> None:
    words = list(fields["gradient_moment"])
    echo = fields["echo"]
    content = {
        "TR_s": np.asarray(fields["TR"]).tolist(),
        "rf_phase_increment_rad": np.asarray(fields["rf_phase_increment"]).tolist(),
        "start": np.asarray(fields["start"]).tolist(),
        "gradient_moment": words[0] if len(set(words)) == 1 else words,
        "echo": bool(echo[0]) if (echo == echo[0]).all() else echo.tolist(),
        "alpha_rad": fields["alpha"].tolist(),
        "TRF_s": fields["TRF"].tolist(),
    }
    if "shape" in fields:
        content["shape"] = fields["shape"].view(np.float64).reshape(-1, 2).tolist()
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in content.items())
    write_atomically(path, lambda stream: stream.write(text.encode()))


def _read_seq(path: Path) -> dict[str, Any]:
    from .pulseq import read, text

    return read.make_fields(text.read_text(path))


def _write_seq(fields: Fields, path: Path) -> None:
    from .pulseq import write

    content = write.make_text(fields)
    write_atomically(path, lambda stream: stream.write(content))


_READERS = {".npz": _read_npz, ".mat": _read_mat, ".toml": _read_toml, ".seq": _read_seq}
_WRITERS = {".npz": _write_npz, ".mat": _write_mat, ".toml": _write_toml, ".seq": _write_seq}
