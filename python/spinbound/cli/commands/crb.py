"""``spinbound crb``: maps of Cramér-Rao bounds from a sequence and tissue maps."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spinbound.cli.shared.arguments import (
    Inputs,
    Positive,
    SequenceSource,
    TissueFile,
    open_basis_of,
    open_sequence,
    open_tissue,
    parse_unknowns,
    show_bar,
)
from spinbound.cli.shared.outputs import (
    Output,
    can_draw,
    check_figure,
    check_npz,
    check_output,
    exit_status,
    provenance_of,
    save_arrays,
    save_figure,
    work_beside,
)
from spinbound.cli.shared.report import bound_row, print_bounds, print_json
from spinbound.cli.shared.runner import Workers, make_runner, print_part_done
from spinbound.signals.bounds import CHUNK
from spinbound.signals.crb import crb as compute_crb
from spinbound.tissues.tissue import Tissue
from spinbound.work.folder import count_missing
from spinbound.work.job import as_part


def crb(
    sequence: SequenceSource,
    tissue: TissueFile,
    /,
    *,
    output: Output = Path("crb.npz"),
    figure: Path | None = None,
    wrt: str = "",
    sigma: Positive = 1.0,
    form: Literal["real", "complex", "real-M0"] = "real",
    workers: Workers | None = None,
    inputs: Inputs | None = None,
) -> int:
    """Compute Cramér-Rao bounds of tissue parameters: the least variance of an unbiased estimate, in every voxel.

    A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    output
        The bounds as .npz: crb_NAME for each parameter, the variance in its SI unit squared.
    figure
        The figure of the bounds; by default beside the output as .png, if the extra "plot" is installed.
    wrt
        The unknown parameters, separated by commas; by default the nine of the model.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each.
    form
        Fisher matrix over real parameters, over complex ones, or with M0 real.
    """
    inputs, names = inputs or Inputs(), parse_unknowns(wrt)
    runner, work = make_runner(workers), work_beside(output, "crb")
    check_npz(output)
    overwrite = inputs.overwrite or work.exists()  # this run goes on with the work of an earlier one
    check_output(output, overwrite)
    picture = figure or (output.with_suffix(".png") if can_draw() else None)
    if picture:
        check_figure(picture, output, overwrite)

    seq = open_sequence(sequence, inputs)
    basis = open_basis_of(seq, inputs)
    voxels, given = open_tissue(tissue)
    check_output(output, overwrite, n_bytes=8 * voxels.size * len(names))

    begin = perf_counter()
    with show_bar(voxels.size, "CRB") as progress:
        options = inputs.options | {"basis": basis, "progress": progress}
        bounds = compute_crb(seq, voxels, names, sigma, form, resume=work, runner=runner, **options)
    if as_part(runner):
        return print_part_done(runner, work, inputs.json)

    seconds = perf_counter() - begin
    chosen = {"tissue": str(tissue), "wrt": names, "sigma": sigma, "form": form}
    settings = provenance_of(seq, sequence) | inputs.chosen_model.described | chosen
    save_arrays(output, {f"crb_{name}": np.asarray(variance) for name, variance in bounds.items()}, settings)
    written = [output]
    if picture:
        written.append(draw(picture, voxels, given, bounds, f"$\\sigma$ = {sigma:g} per channel, {form} form"))

    rows = [bound_row(voxels, name, np.asarray(variance)) for name, variance in bounds.items()]
    outcome = {"voxels": voxels.size, "seconds": seconds, "bounds": rows, "written": [*map(str, written)]}
    (print_json if inputs.json else print_bounds)(settings | outcome)
    if count_missing(work, voxels.size, CHUNK):
        return exit_status(rows[0]["invalid"], voxels.size, "invalid or not computed: their results are NaN")
    shutil.rmtree(work, ignore_errors=True)
    return exit_status(rows[0]["invalid"], voxels.size)


def draw(path: Path, voxels: Tissue, given: tuple[str, ...], bounds: Mapping[str, NDArray[Any]], noise: str) -> Path:
    """Draw all bounds, over the axes of a grid where the file's parameters span one."""
    from spinbound.plot import crb_maps, grid_axes

    title = f"{noise}; unknown: {', '.join(bounds)}"
    save_figure(path, crb_maps(voxels, bounds, axes=grid_axes(voxels, given), title=title))
    return path
