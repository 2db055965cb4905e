"""``spinbound fit``: maps of tissue parameters from data, by non-linear least squares in every voxel."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from cyclopts import Parameter

from .._fit_result import Fit, FitStatus
from .._job import part_of
from ..fit import fit as fitted
from ._common import (
    Inputs,
    SequenceSource,
    UsageError,
    can_draw,
    check_figure,
    failed_status,
    open_basis,
    open_sequence,
    progress_bar,
    provenance_of,
    save_figure,
)
from ._fit_files import DataFile, Scan, Volume, open_volume
from ._fit_output import SENTENCES, Target, write
from ._fit_unknowns import Unknowns, numbers
from ._report import percent, print_footer, print_json, print_table
from ._runner import Workers, runner_of, told_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNWANTED = (FitStatus.masked, FitStatus.no_data)  # voxels that nobody wanted fitted
WITHOUT_RESULT = (
    FitStatus.singular,
    FitStatus.not_finite,
    FitStatus.invalid,
    FitStatus.failed,
    FitStatus.unfinished,
)


def fit(
    data: DataFile,
    sequence: SequenceSource,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    figure: Path | None = None,
    prefix: str = "sub-01",
    scan: Scan | None = None,
    unknowns: Unknowns | None = None,
    workers: Workers | None = None,
    inputs: Inputs | None = None,
) -> int:
    """Fit tissue parameters to the data of every voxel.

    A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    output
        A folder for maps as a BIDS derivative dataset (NIfTI with JSON), or a .npz file; by default the folder
        "spinbound-fit" for data in NIfTI, else fit.npz.
    figure
        The figure of the maps; by default beside the output as .png, if the extra "plot" is installed.
    prefix
        Of the files in the folder: sub-LABEL or sub-LABEL_ses-LABEL.
    """
    scan, unknowns, inputs = scan or Scan(), unknowns or Unknowns(), inputs or Inputs()
    target, arguments = Target(output or default_output(data), prefix), unknowns.arguments(scan.known)
    picture, runner = checked_outputs(target, figure, arguments["free"], inputs.overwrite), runner_of(workers)
    seq, basis, volume = open_sequence(sequence, inputs), open_basis(inputs.basis), open_volume(data, scan)
    known = numbers("--fixed", unknowns.fixed)
    options = inputs.physics | arguments | {"fixed": merged(known, volume), "mask": volume.mask}
    begin = perf_counter()
    with progress_bar(volume.n_voxels, "fit") as report:
        options |= {"threads": inputs.threads, "progress": report, "resume": target.unfinished, "runner": runner}
        result = fitted(volume.data.data, seq, basis, **options)
    if part_of(runner):
        return told_part(runner, target.unfinished, inputs.json)
    seconds = perf_counter() - begin
    chosen = {"data": data, "images": vars(scan), "basis": str(inputs.basis or ""), "start": arguments["start"]}
    settings = provenance_of(seq, sequence) | result.settings | chosen
    files = write(target, result, volume, settings)
    if picture:
        save_figure(picture, drawn(result))
    if not result.counts.get(FitStatus.unfinished.name):
        shutil.rmtree(target.unfinished, ignore_errors=True)
    pictures = [picture] if picture else []
    outcome = {**settings, "seconds": seconds, "written": [str(path) for path in files + pictures]}
    return told(result, outcome, [str(path) for path in [target.path, *pictures]], inputs.json)


def checked_outputs(target: Target, figure: Path | None, names: tuple[str, ...], overwrite: bool) -> Path | None:
    """Refuse, before any work, outputs that cannot be written or exist; returns the place of the figure."""
    overwrite = overwrite or target.unfinished.exists()  # what an earlier run has left is part of this one
    target.check(names, overwrite)
    picture = figure or (target.figure if can_draw() else None)
    if picture:
        check_figure(picture, target.path, overwrite)
    return picture


def default_output(data: str) -> Path:
    """A folder for data in NIfTI, else a file."""
    return Path("spinbound-fit" if data.lower().endswith((".nii", ".nii.gz")) else "fit.npz")


def merged(known: Mapping[str, float], volume: Volume) -> dict[str, Any] | None:
    """What is known of the voxels: numbers, and maps."""
    for name in known:
        if name in volume.known:
            raise UsageError(f"{name} is given as a number and as a map; give one")
    return {**known, **volume.known} or None


def drawn(result: Fit) -> Figure:
    """The figure of the estimates where there were data."""
    from ..plot import fit_maps

    return fit_maps(
        {name: result.estimates[name] for name in result.free},
        mask=~np.isin(result.status, UNWANTED),
        status=result.status,
        levels=SENTENCES,
        title=f"{result.settings['model']}, {result.settings['lineshape']} lineshape",
    )


def told(result: Fit, outcome: Mapping[str, Any], places: list[str], as_json: bool) -> int:
    """The table of status counts, or JSON; returns the exit status."""
    n_fitted = int((~np.isin(result.status, UNWANTED)).sum())
    report = {**outcome, "voxels": n_fitted, "status": result.counts}
    if as_json:
        print_json(report)
    else:
        print_table(("status", "voxels", "of those fitted"), status_rows(result, n_fitted))
        print_footer(report | {"written": places})
    n_failed = int(np.isin(result.status, WITHOUT_RESULT).sum())
    return failed_status(n_failed, n_fitted, "without a result for every unknown: what is missing is NaN")


def status_rows(result: Fit, n_fitted: int) -> Iterator[tuple[str, str, str]]:
    """What became of the voxels, and of how many."""
    for name, n in result.counts.items():
        status = FitStatus[name]
        yield status.sentence, f"{n:,}", "" if status in UNWANTED else percent(n / n_fitted)
