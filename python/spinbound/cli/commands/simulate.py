"""``spinbound simulate``: signals or magnetization from a sequence and tissue maps."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spinbound.cli.shared.arguments import (
    Inputs,
    SequenceSource,
    TissueFile,
    UsageError,
    open_basis_of,
    open_sequence,
    open_tissue,
    show_bar,
)
from spinbound.cli.shared.outputs import (
    Output,
    check_files,
    check_output,
    exit_status,
    provenance_of,
    save_arrays,
    save_figure,
)
from spinbound.cli.shared.report import print_footer, print_json
from spinbound.sequences.sequence import Sequence
from spinbound.signals.basis import Basis
from spinbound.signals.simulate import simulate as compute_signals

if TYPE_CHECKING:
    from matplotlib.figure import Figure


CURVES = 5  # signals in one figure: more cannot be told apart


def simulate(
    sequence: SequenceSource,
    tissue: TissueFile,
    /,
    *,
    output: Output = Path("signals.npz"),
    figure: Path | None = None,
    magnetization: bool = False,
    inputs: Inputs | None = None,
) -> int:
    """Simulate the signals of tissues, or the magnetization of both their pools, at every echo.

    Parameters
    ----------
    output
        The results as .npz: "signal" (..., n) or "magnetization" (..., n, 5) with xf yf zf xs zs last.
    figure
        Figure of the first five valid signals, or of the first valid voxel's magnetization.
    magnetization
        Give the magnetization rather than the signal.
    """
    inputs, name = inputs or Inputs(), "magnetization" if magnetization else "signal"

    if magnetization and inputs.basis:
        raise UsageError("--basis compresses signals; it has no meaning with --magnetization")
    check_files(output, figure, inputs.overwrite)

    seq = open_sequence(sequence, inputs)
    basis = open_basis_of(seq, inputs)
    voxels, _ = open_tissue(tissue)
    size = seq.n_echoes * (5 if magnetization else 1) if basis is None else basis.rank
    check_output(output, inputs.overwrite, n_bytes=16 * voxels.size * size)

    begin = perf_counter()
    with show_bar(voxels.size, "signals") as progress:
        values = compute_signals(seq, voxels, output=name, basis=basis, progress=progress, **inputs.options)

    seconds = perf_counter() - begin
    settings = provenance_of(seq, sequence) | inputs.chosen_model.described | {"tissue": str(tissue)}
    save_arrays(output, {name: values}, settings)
    written = [str(output)]
    if figure:
        save_figure(figure, draw_voxels(seq, values, basis, magnetization))
        written.append(str(figure))

    outcome = {"voxels": voxels.size, "seconds": seconds, "written": written}
    (print_json if inputs.json else print_footer)(settings | outcome)
    invalid = np.isnan(values).reshape(voxels.size, -1).any(axis=1)
    return exit_status(int(invalid.sum()), voxels.size)


def draw_voxels(seq: Sequence, values: NDArray[Any], basis: Basis | None, magnetization: bool) -> Figure:
    """Draw the first valid voxels."""
    import spinbound.plot as plot

    per_voxel = values.reshape(-1, *values.shape[-2 if magnetization else -1 :])
    valid = np.flatnonzero(np.isfinite(per_voxel).reshape(len(per_voxel), -1).all(axis=1))[:CURVES]
    if magnetization:
        return plot.magnetization(seq, per_voxel[valid[0]])
    signals = per_voxel[valid] if basis is None else basis.expand(per_voxel[valid])
    return plot.signal(seq, signals, [f"voxel {voxel}" for voxel in valid])
