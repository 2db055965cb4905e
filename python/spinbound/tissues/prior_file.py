"""The TOML form of a prior: a table for every parameter, in SI units.

    [T2f]
    distribution = "truncated-normal"
    mean = 0.1
    std = 0.2
    low = 0.005
    high = "T1a"

A mixture has further tables [[NAME.parts]], each with a `weight`; a grid has a list of `values`.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from spinbound.base.checks import as_one_of
from spinbound.base.errors import InvalidData, InvalidParameter
from spinbound.base.parameters import PARAMETERS
from spinbound.files.toml import read_toml
from spinbound.files.writing import write_bytes

from .distributions import Constant, Distribution, Grid, LogUniform, TruncatedNormal, Uniform
from .mixture import Mixture

KINDS: Mapping[str, type[Distribution]] = {
    "truncated-normal": TruncatedNormal,
    "uniform": Uniform,
    "log-uniform": LogUniform,
    "constant": Constant,
    "mixture": Mixture,
    "grid": Grid,
}
WORDS = {kind: word for word, kind in KINDS.items()}

MAX_BYTES = 1_000_000

HEAD = "# Distributions of the parameters of tissue, all numbers in SI units: s, 1/s, rad/s.\n"


def read_distributions(path: Path) -> dict[str, Distribution]:
    """Read the distributions of a file, by the names of their parameters.

    Raises
    ------
    InvalidData
        If the file is too long or no TOML, or a table makes no sense.
    OSError
        If the file cannot be read.
    """
    return _read_tables(read_toml(path, MAX_BYTES, InvalidData), str(path))


def parse_distributions(text: str) -> dict[str, Distribution]:
    """Read the distributions from the text of `as_text`.

    Raises
    ------
    InvalidData
        If it is another text.
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InvalidData(f"the prior is no TOML: {problem}") from None
    return _read_tables(content, "the prior")


def _read_tables(content: Mapping[str, Any], place: str) -> dict[str, Distribution]:
    names = [as_one_of(f"{place}: a parameter's name", name, PARAMETERS, InvalidData) for name in content]
    return {name: _read_distribution(content[name], f"{place}, [{name}]") for name in names}


def read_grid_shape(text: str) -> tuple[int, ...]:
    """Read the number of values of each grid of a prior from the text of `as_text`; empty for any other text."""
    try:
        tables = tomllib.loads(text).values()
    except (ValueError, RecursionError):
        return ()
    grids = [table for table in tables if isinstance(table, dict) and table.get("distribution") == WORDS[Grid]]
    return tuple(np.size(grid.get("values", ())) for grid in grids)


def _read_distribution(table: Any, place: str) -> Distribution:
    """Read the distribution of a table without `weight`."""
    if not isinstance(table, dict):
        raise InvalidData(f"{place}: must be a table; given {table!r}")
    if "distribution" not in table:
        raise InvalidData(f"{place}: lacks the key distribution; it has: {', '.join(table) or 'nothing'}")
    word = as_one_of(f"{place}: distribution", table["distribution"], KINDS, InvalidData)
    arguments = {key: value for key, value in table.items() if key != "distribution"}
    _check_keys(KINDS[word], arguments, place)

    if "parts" in arguments:
        arguments["parts"] = _read_parts(arguments["parts"], place)
    try:
        return KINDS[word](**arguments)
    except InvalidParameter as problem:
        raise InvalidData(f"{place}: {problem}") from None


def _read_parts(tables: Any, place: str) -> list[tuple[Any, Distribution]]:
    """Read the weights and distributions of a mixture's tables."""
    if not (isinstance(tables, list) and all(isinstance(table, dict) and "weight" in table for table in tables)):
        raise InvalidData(f"{place}: parts must be tables, each with a weight")
    rest = [{key: value for key, value in table.items() if key != "weight"} for table in tables]
    distributions = [_read_distribution(table, f"{place}, part {number}") for number, table in enumerate(rest)]
    return [(table["weight"], part) for table, part in zip(tables, distributions, strict=True)]


def _check_keys(kind: type[Distribution], arguments: Mapping[str, Any], place: str) -> None:
    """Refuse unknown keys, missing ones, and numbers in quotes."""
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    for key, value in arguments.items():
        as_one_of(f"{place}: a key", key, ("distribution", *known), InvalidData)
        if isinstance(value, str) and _is_number(value):
            raise InvalidData(f"{place}: {key} is the text {value!r}; a number has no quotes")
    missing = [key for key, field in known.items() if field.default is MISSING and key not in arguments]
    if missing:
        raise InvalidData(f"{place}: lacks {' and '.join(missing)}, which a {WORDS[kind]} needs")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_text(distributions: Mapping[str, Distribution]) -> str:
    """Return the text of a file."""
    return "\n".join([HEAD, *(_format_table(name, distribution) for name, distribution in distributions.items())])


def write_distributions(path: str | os.PathLike[str], distributions: Mapping[str, Distribution]) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    InvalidParameter
        If it would be too long to be read.
    OSError
        If it cannot be written.
    """
    content = as_text(distributions).encode()
    if len(content) > MAX_BYTES:
        raise InvalidParameter(f"the prior takes {len(content)} bytes in a file; allowed: {MAX_BYTES}")
    write_bytes(path, content)


def _format_table(name: str, distribution: Distribution) -> str:
    unit = PARAMETERS[name].unit
    return "\n".join([f"[{name}]{'' if unit == '1' else f'  # {unit}'}", *_format_lines(name, distribution), ""])


def _format_lines(name: str, distribution: Distribution) -> Iterator[str]:
    """Yield the keys of a distribution, then the tables of its parts."""
    yield f'distribution = "{WORDS[type(distribution)]}"'
    for field in fields(distribution):  # type: ignore[arg-type]
        if field.name != "parts":
            yield f"{field.name} = {_as_toml(getattr(distribution, field.name))}"
    if isinstance(distribution, Mixture):
        for weight, part in distribution.parts:
            yield from (f"[[{name}.parts]]", f"weight = {_as_toml(weight)}", *_format_lines(name, part))


def _as_toml(value: float | str | tuple[float, ...]) -> str:
    """Return a value as TOML has it, numbers with as many digits as distinguish them from all others."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
