"""``spinbound fit``: maps of tissue parameters from data, by non-linear least squares in every voxel."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

from cyclopts import Parameter

from spinbound.cli.shared.arguments import Inputs, SequenceSource, UsageError, open_basis, open_sequence, progress_bar
from spinbound.cli.shared.fit_output import STATUSES, maps_of, unfinished
from spinbound.cli.shared.fit_unknowns import Unknowns, numbers
from spinbound.cli.shared.images import DataFile, Scan, Volume, open_volume
from spinbound.cli.shared.map_output import Delivery, Target, default_output
from spinbound.cli.shared.outputs import provenance_of
from spinbound.cli.shared.runner import Workers, runner_of, told_part
from spinbound.estimators.fitting.fit import fit as fitted
from spinbound.estimators.fitting.result import FitStatus
from spinbound.work.job import as_part


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
    target, arguments = Target(output or default_output(data, "fit"), prefix), unknowns.arguments(scan.known)
    picture, runner = checked_outputs(target, figure, arguments["free"], inputs.overwrite), runner_of(workers)
    seq, basis, volume = open_sequence(sequence, inputs), open_basis(inputs.basis), open_volume(data, scan)
    known = numbers("--fixed", unknowns.fixed)
    options = arguments | {"model": inputs.chosen_model, "fixed": merged(known, volume), "mask": volume.mask}
    begin = perf_counter()
    with progress_bar(volume.n_voxels, "fit") as report:
        options |= {"threads": inputs.threads, "progress": report, "resume": unfinished(target), "runner": runner}
        result = fitted(volume.data.data, seq, basis, **options)
    if as_part(runner):
        return told_part(runner, unfinished(target), inputs.json)
    seconds = perf_counter() - begin
    chosen = {"data": data, "images": vars(scan), "basis": str(inputs.basis or ""), "start": arguments["start"]}
    settings = provenance_of(seq, sequence) | result.settings | chosen
    title = f"{result.settings['model']}, {result.settings['lineshape']} lineshape"
    delivery = Delivery(target, picture, title, seconds, inputs.json)
    status = delivery.of(maps_of(result), STATUSES, volume, settings)
    if not result.counts.get(FitStatus.unfinished.name):
        shutil.rmtree(unfinished(target), ignore_errors=True)
    return status


def checked_outputs(target: Target, figure: Path | None, names: tuple[str, ...], overwrite: bool) -> Path | None:
    """Refuse, before any work, outputs that cannot be written or exist; returns the place of the figure."""
    overwrite = overwrite or unfinished(target).exists()  # what an earlier run has left is part of this one
    target.check(names, names, overwrite)
    return target.picture(figure, overwrite)


def merged(known: Mapping[str, float], volume: Volume) -> dict[str, Any] | None:
    """What is known of the voxels: numbers, and maps."""
    for name in known:
        if name in volume.known:
            raise UsageError(f"{name} is given as a number and as a map; give one")
    return {**known, **volume.known} or None
