"""``spinbound fit``: maps of tissue parameters from data, by non-linear least squares in every voxel."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from spinbound.base.text import as_percent
from spinbound.cli.shared.arguments import Inputs, SequenceSource, UsageError, open_basis_of, open_sequence, show_bar
from spinbound.cli.shared.fit_unknowns import Unknowns, parse_numbers
from spinbound.cli.shared.images import DataFile, Scan, Volume, open_volume
from spinbound.cli.shared.map_output import Delivery, Maps, Statuses, Target, default_output
from spinbound.cli.shared.outputs import OptionalOutput, provenance_of, work_beside
from spinbound.cli.shared.runner import Workers, make_runner, print_part_done
from spinbound.estimators.fitting.fit import fit as fit_voxels
from spinbound.estimators.fitting.result import Fit, FitStatus
from spinbound.work.job import as_part

STATUSES = Statuses(
    kind=FitStatus,
    unwanted=(FitStatus.masked, FitStatus.no_data),
    failed=(FitStatus.singular, FitStatus.not_finite, FitStatus.invalid, FitStatus.failed, FitStatus.unfinished),
    done="fitted",
    missing="without a result for every unknown: what is missing is NaN",
)


def fit(
    data: DataFile,
    sequence: SequenceSource,
    /,
    *,
    output: OptionalOutput = None,
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
        Prefix of the files in the folder: sub-LABEL or sub-LABEL_ses-LABEL.
    """
    scan, unknowns, inputs = scan or Scan(), unknowns or Unknowns(), inputs or Inputs()
    target, arguments = Target(output or default_output(data, "fit"), prefix), unknowns.as_arguments(scan.known)
    picture, runner = check_outputs(target, figure, arguments["free"], inputs.overwrite), make_runner(workers)

    seq, volume = open_sequence(sequence, inputs), open_volume(data, scan)
    basis = open_basis_of(seq, inputs)
    known = parse_numbers("--fixed", unknowns.fixed)
    options = arguments | inputs.options | {"fixed": merge_known(known, volume), "mask": volume.mask}
    options |= {"check_data": not inputs.unchecked}

    begin = perf_counter()
    with show_bar(volume.n_voxels, "fit") as progress:
        options |= {"progress": progress, "resume": work_folder(target), "runner": runner}
        result = fit_voxels(volume.data.data, seq, basis, **options)
    if as_part(runner):
        return print_part_done(runner, work_folder(target), inputs.json)

    seconds = perf_counter() - begin
    chosen = {"data": data, "images": vars(scan), "basis": str(inputs.basis or "")}
    chosen |= {name: arguments[name] for name in ("start", "prior")}
    settings = provenance_of(seq, sequence) | result.settings | chosen
    title = f"{result.settings['model']}, {result.settings['lineshape']} lineshape"

    delivery = Delivery(target, picture, title, seconds, inputs.json)
    status = delivery.deliver(make_maps(result), STATUSES, volume, settings)
    if not result.counts.get(FitStatus.unfinished.name):
        shutil.rmtree(work_folder(target), ignore_errors=True)
    return status


def check_outputs(target: Target, figure: Path | None, names: tuple[str, ...], overwrite: bool) -> Path | None:
    """Refuse, before any work, outputs that cannot be written or that exist, and return the place of the figure."""
    overwrite = overwrite or work_folder(target).exists()  # this run goes on with the work of an earlier one
    target.check(names, names, overwrite)
    return target.choose_figure(figure, overwrite)


def merge_known(known: Mapping[str, float], volume: Volume) -> dict[str, Any] | None:
    """Merge what is known of the voxels: numbers, and maps."""
    for name in known:
        if name in volume.known:
            raise UsageError(f"{name} is given as a number and as a map; give one")
    return {**known, **volume.known} or None


def work_folder(target: Target) -> Path:
    """Return the folder of work in progress, beside or inside the output; while it exists, a run has not finished."""
    return work_beside(target.path, "fit") if target.is_file else target.path / ".spinbound-fit"


def make_maps(result: Fit) -> Maps:
    """Make all maps of a fit."""
    bits = {1 << k: name for k, name in enumerate(result.at_bound)}
    at_bound = sum(
        (bit * result.at_bound[name] for bit, name in bits.items()), np.zeros(result.status.shape, np.uint16)
    )

    further: dict[str, Any] = {"status": result.status, "iterations": result.iterations, "at_bound": at_bound}
    further |= {"residual": result.residual, "sigma": result.sigma}
    further |= {} if result.agreement is None else {"agreement": result.agreement}

    estimates = {name: result.estimates[name] for name in result.free}

    return Maps(
        entry="Fit",
        algorithm="non-linear least squares (Levenberg-Marquardt)",
        arrays=result.as_arrays(),
        estimates=estimates,
        drawn=estimates,
        std=result.std,
        further=further,
        levels={"status": STATUSES.sentences, "at_bound": bits},
        bound_counts=result.bound_counts,
        advice=result.bound_advice,
        goodness=result.goodness,
        outcome={"doubtful": result.doubtful_share},
        remarks=tuple(describe_doubt(result)),
    )


def describe_doubt(result: Fit) -> Iterator[str]:
    """Describe how many voxels may be in a wrong minimum, and how far omega0 is determined."""
    share, period = result.doubtful_share, result.settings["omega0_period"]
    if share is not None:
        yield f"doubtful, as few starts agree on the minimum: {as_percent(share)} of the voxels with a result"
    if period is not None:
        yield f"omega0 is determined modulo {period:.4g} rad/s ({period / (2 * np.pi):.4g} Hz)"
