"""``spinbound basis``: a basis of a sequence's signals from the tissues of a prior."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from spinbound.analysis.basis_report import BasisQuality, basis_report
from spinbound.analysis.build_basis import TISSUES, build_basis
from spinbound.cli.shared.arguments import (
    DONE,
    Count,
    Inputs,
    Number,
    SequenceSource,
    UsageError,
    open_sequence,
    parse_unknowns,
    show_bar,
    split_words,
)
from spinbound.cli.shared.outputs import Output, check_files, provenance_of, save_arrays, save_figure
from spinbound.cli.shared.prior import PAPER, PriorSource, open_prior
from spinbound.cli.shared.report import print_json


def basis(
    sequence: SequenceSource,
    /,
    *,
    output: Output = Path("basis.npz"),
    prior: PriorSource = PAPER,
    n: Count = TISSUES,
    rank: Count = 13,
    real: bool = False,
    bounds: str = "",
    wrt: str = "",
    seed: Number = 0,
    report: Number = 500,
    figure: Path | None = None,
    inputs: Inputs | None = None,
) -> int:
    """Build a basis of signals: the vectors that hold most of their energy and, on request, what the bounds need.

    Parameters
    ----------
    output
        The basis as .npz: vectors (n, rank), singular_values, sequence_identity.
    n
        Number of tissues to draw.
    rank
        Number of vectors.
    real
        Make real vectors, for priors in which omega0 and -omega0 are equally frequent.
    bounds
        Parameters whose bounds the basis should keep low, separated by commas, or "all" of the unknown ones.
    wrt
        The unknown parameters, separated by commas; by default the nine of the model.
    seed
        Seed of the draw.
    report
        Number of further tissues for which energy and bounds are measured; 0: none.
    figure
        Figure of energy and bounds over the number of vectors.
    """
    inputs, names = inputs or Inputs(), parse_unknowns(wrt)
    kept = names if bounds == "all" else split_words(bounds)
    check_usage(output, figure, report, inputs)

    seq = open_sequence(sequence, inputs)
    tissues = open_prior(prior, seq, inputs)

    begin = perf_counter()
    with show_bar(n, "basis") as progress:
        built = build_basis(
            seq, tissues, n, rank, real=real, bounds=kept, wrt=names, seed=seed, progress=progress, **inputs.options
        )

    seconds = perf_counter() - begin
    settings = (
        provenance_of(seq, sequence) | inputs.chosen_model.described | {"prior": repr(tissues), "n": n, "seed": seed}
    )
    settings |= {"rank": rank, "real": real, "bounds": kept, "wrt": names}
    save_arrays(output, built.as_dict(), settings)

    written, kept_of = [str(output)], None
    if report:
        with show_bar(report, "report") as progress:
            options = inputs.options | {"seed": seed + 1, "progress": progress}
            kept_of = basis_report(built, seq, tissues, report, names, **options)
    if figure and kept_of:
        import spinbound.plot as plot

        save_figure(figure, plot.basis_report(kept_of))
        written.append(str(figure))
    print_outcome(settings | {"seconds": seconds, "written": written}, kept_of, inputs.json)
    return DONE


def check_usage(output: Path, figure: Path | None, report: int, inputs: Inputs) -> None:
    """Refuse, before any work, arguments that make no sense together and outputs that cannot be written."""
    if inputs.basis:
        raise UsageError("--basis has no meaning here: the basis is what is made")
    if figure and not report:
        raise UsageError("--figure draws the report; leave --report 0 out")
    check_files(output, figure, inputs.overwrite)


def print_outcome(settings: Mapping[str, Any], kept: BasisQuality | None, as_json: bool) -> None:
    """Print what the basis keeps, as JSON or as a table, and where the basis is."""
    if as_json:
        print_json(dict(settings) | ({"report": as_tree(kept)} if kept else {}))
        return
    if kept:
        print(kept)
    print(f"{settings['n']:,} tissues in {settings['seconds']:.2f} s")
    print(f"wrote {' and '.join(settings['written'])}")


def as_tree(kept: BasisQuality) -> dict[str, Any]:
    """Return medians and 95th percentiles as numbers and lists."""
    quantiles = {name: kept.quantiles(q) for name, q in (("median", 0.5), ("p95", 0.95))}
    return {
        "ranks": kept.ranks,
        "energy": kept.energy.tolist(),
        "left_out": kept.n_left_out,
        "crb_ratio": {name: {key: row.tolist() for key, row in of.items()} for name, of in quantiles.items()},
    }
