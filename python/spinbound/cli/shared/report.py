"""What a command tells when it is done: a table for people, or JSON for programs."""

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

Report = Mapping[str, Any]


def bound_row(tissue: Tissue, name: str, variance: NDArray[Any]) -> dict[str, Any]:
    """Statistics over all voxels of the least standard deviation, absolute (SI) and relative to the parameter."""
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
    """The 5th, 50th and 95th percentile of all values but NaN; an unidentifiable voxel counts as infinite."""
    known = values[~np.isnan(values)]
    found = np.percentile(known, (5, 50, 95), method="inverted_cdf")  # of the values themselves: inf has no mean
    return dict(zip(("p5", "median", "p95"), map(float, found), strict=True))


def print_json(report: Report) -> None:
    """One JSON object on stdout; what is not finite becomes null, as JSON has no word for it."""
    print(json.dumps(as_finite(report), indent=2, allow_nan=False))


def bounds_table(report: Report) -> None:
    """The bounds of `spinbound crb`, one parameter per line."""
    print(f"sqrt(CRB) for sigma = {report['sigma']:g} per channel, {report['form']} form")
    head = ("", "unit", "5 %", "median", "95 %", "median/theta", "not identifiable", "invalid")
    print_table(head, map(bound_cells, report["bounds"]))
    print_footer(report)


def bound_cells(row: Mapping[str, Any]) -> list[str]:
    """The cells of one parameter."""
    return [
        row["parameter"],
        row["unit"],
        *(f"{row['std'][p]:.4g}" for p in ("p5", "median", "p95")),
        as_percent(row["relative_std"]["median"]),
        str(row["not_identifiable"]),
        str(row["invalid"]),
    ]


def print_footer(report: Report) -> None:
    """How much was computed, how fast, and where it lies."""
    rate = report["voxels"] / report["seconds"]
    print(f"{report['voxels']:,} tissues in {report['seconds']:.2f} s ({rate:,.0f} per second)")
    files = report["written"]
    print(f"wrote {len(files)} files to {Path(files[0]).parent}" if len(files) > 2 else f"wrote {' and '.join(files)}")


def print_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Columns of text on stdout: the first to the left, all others to the right."""
    print("\n".join(align_columns([head, *rows])))
