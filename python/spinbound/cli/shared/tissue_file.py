"""Tissue maps from files.

A .npz file holds one array per parameter (arrays broadcast against each other); a .csv file has a header of names
and one voxel per line, where an empty cell is an invalid voxel. A parameter, base or derived, stands in SI units
under its own name, or in another unit that its name states: ``T2f [ms]``, ``B1 [%]``, ``omega0 [Hz]``.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinbound.base.checks import suggest
from spinbound.base.errors import InvalidData, InvalidParameter
from spinbound.base.parameters import PARAMETERS
from spinbound.base.units import UNITS, check_plausible
from spinbound.files.npz import read_npz, read_npz_names
from spinbound.tissues.tissue import Tissue

Columns = dict[str, NDArray[Any]]


def read_tissue(path: Path) -> tuple[Tissue, tuple[str, ...]]:
    """Read the voxels of a .npz or .csv file, and the names of the parameters that it gives.

    Raises
    ------
    InvalidData
        For another format, an unknown, doubled or empty column, a cell that is no number, and for B1 that looks
        like percent.
    OSError
        If the file cannot be read or is damaged.

    Warns
    -----
    UserWarning
        Where a parameter's typical value suggests another unit.
    """
    readers = {".npz": read_npz_columns, ".csv": read_csv_columns}
    if path.suffix.lower() not in readers:
        raise InvalidData(f"{path}: tissue maps are read from {' or '.join(readers)} files")

    columns = convert_to_si(readers[path.suffix.lower()](path), path)
    for name, values in columns.items():
        check_plausible(name, values, path, f"A column '{name} [{{unit}}]' would be converted")
    try:
        tissue = Tissue.from_dict(columns)
    except InvalidParameter as problem:
        raise InvalidData(f"{path}: {problem}") from None
    if tissue.size == 0:
        raise InvalidData(f"{path}: no voxel in shape {tissue.shape}")
    return tissue, tuple(columns)


def read_npz_columns(path: Path) -> Columns:
    """Read all arrays of the file."""
    return read_npz(path, read_npz_names(path, InvalidData), InvalidData)


def read_csv_columns(path: Path) -> Columns:
    """Read the columns under a header of names."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.reader(stream, skipinitialspace=True)
            head = [name.strip() for name in next(table, [])]
            rows = [parse_row(head, row, f"{path}, line {table.line_num}") for row in table if row]
    except (UnicodeDecodeError, csv.Error) as problem:
        raise InvalidData(f"{path}: not a table of text ({problem})") from None

    if not rows:
        raise InvalidData(f"{path}: a header of names and at least one line of values is needed")
    if len(set(head)) < len(head):
        raise InvalidData(f"{path}: the header names a column twice: {', '.join(head)}")

    columns = dict(zip(head, np.array(rows).T, strict=True))
    return {name: values if values.imag.any() else values.real for name, values in columns.items()}


def parse_row(head: list[str], row: list[str], place: str) -> list[complex]:
    """Read the numbers of one line; an empty cell is NaN."""
    if len(row) != len(head):
        raise InvalidData(f"{place}: {len(row)} values under {len(head)} names")
    return [parse_cell(cell, f"{place}, {name}") for name, cell in zip(head, row, strict=True)]


def parse_cell(cell: str, place: str) -> complex:
    """Read one number, which may be complex (0.8+0.1j)."""
    try:
        return complex(cell.replace(" ", "") or "nan")
    except ValueError:
        raise InvalidData(f"{place}: {cell!r} is not a number") from None


def convert_to_si(columns: Columns, path: Path) -> Columns:
    """Convert columns to SI units, under the bare names of their parameters."""
    converted: Columns = {}
    for title, values in columns.items():
        name, factor = parse_title(title, path)
        if name in converted:
            raise InvalidData(f"{path}: {name} is given twice")
        if values.dtype.kind not in "iufc":
            raise InvalidData(f"{path}: {title} must hold numbers, not {values.dtype}")
        converted[name] = values if factor == 1 else values * factor
    return converted


def parse_title(title: str, path: Path) -> tuple[str, float]:
    """Return the parameter that a title names, and the factor from the unit that it states to SI."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\[\s*(\S+)\s*\])?\s*", title)
    name, unit = match.groups() if match else (title, None)
    if name not in PARAMETERS:
        raise InvalidData(
            f"{path}: unknown parameter {name!r}{suggest(name, tuple(PARAMETERS))}; known: {', '.join(PARAMETERS)}"
        )

    units = UNITS[PARAMETERS[name].unit]
    if unit is not None and unit not in units:
        raise InvalidData(f"{path}: {name} in {unit!r} is not understood; allowed: {', '.join(units)}")
    return name, 1 if unit is None else units[unit]
