"""The printed outcome of a command: a table for people, or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinbound.base.parameters import PARAMETERS
from spinbound.base.text import align_columns, as_finite, as_percent
from spinbound.tissues.tissue import Tissue, read_value

Outcome = Mapping[str, Any]


def bound_row(tissue: Tissue, name: str, variance: NDArray[Any]) -> dict[str, Any]:
    """Return percentiles over voxels of the least standard deviation, absolute (SI) and relative to the parameter."""
    std = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = std / np.abs(read_value(tissue, name, ~np.isnan(std)))
    return {
        "parameter": name,
        "unit": PARAMETERS[name].unit,
        "std": percentiles(std),
        "relative_std": percentiles(relative),
        "invalid": int(np.isnan(std).sum()),
        "not_identifiable": int(np.isinf(std).sum()),
    }


def percentiles(values: NDArray[Any]) -> dict[str, float]:
    """Return the 5th, 50th and 95th percentile of all values but NaN; an unidentifiable voxel counts as infinite."""
    known = values[~np.isnan(values)]
    found = np.percentile(known, (5, 50, 95), method="inverted_cdf")  # of the values themselves: inf has no mean
    return dict(zip(("p5", "median", "p95"), map(float, found), strict=True))


def print_json(outcome: Outcome) -> None:
    """Print one JSON object on stdout; a value that is not finite becomes null, as JSON has no word for it."""
    print(json.dumps(as_finite(outcome), indent=2, allow_nan=False))


def print_bounds(outcome: Outcome) -> None:
    """Print the bounds of `spinbound crb`, one parameter per line."""
    print(f"sqrt(CRB) for sigma = {outcome['sigma']:g} per channel, {outcome['form']} form")
    head = ("", "unit", "5 %", "median", "95 %", "median/theta", "not identifiable", "invalid")
    print_table(head, map(bound_cells, outcome["bounds"]))
    print_footer(outcome)


def bound_cells(row: Mapping[str, Any]) -> list[str]:
    """Return the cells of one parameter."""
    return [
        row["parameter"],
        row["unit"],
        *(f"{row['std'][p]:.4g}" for p in ("p5", "median", "p95")),
        as_percent(row["relative_std"]["median"]),
        str(row["not_identifiable"]),
        str(row["invalid"]),
    ]


def print_footer(outcome: Outcome) -> None:
    """Print how much was computed, how fast, and where the results are."""
    rate = outcome["voxels"] / outcome["seconds"]
    print(f"{outcome['voxels']:,} tissues in {outcome['seconds']:.2f} s ({rate:,.0f} per second)")
    files = outcome["written"]
    print(f"wrote {len(files)} files to {Path(files[0]).parent}" if len(files) > 2 else f"wrote {' and '.join(files)}")


def print_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print columns of text on stdout, the first aligned to the left, all others to the right."""
    print("\n".join(align_columns([head, *rows])))
