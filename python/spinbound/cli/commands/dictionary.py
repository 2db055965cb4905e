"""``spinbound dictionary``: signals and bounds of many tissues, in a store on disk."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from spinbound.cli.shared.arguments import (
    DONE_WITH_FAILED_VOXELS,
    Count,
    Inputs,
    Number,
    Positive,
    SequenceSource,
    UsageError,
    open_basis_of,
    open_sequence,
    parse_unknowns,
    show_bar,
    split_words,
)
from spinbound.cli.shared.outputs import exit_status, provenance_of
from spinbound.cli.shared.prior import PAPER, PriorSource, open_prior
from spinbound.cli.shared.report import print_json, print_table
from spinbound.cli.shared.runner import Workers, make_runner, print_part_done
from spinbound.dictionaries.build import build_dictionary
from spinbound.dictionaries.store import StoredDictionary, bytes_of
from spinbound.work.job import as_part


def dictionary(
    sequence: SequenceSource,
    output: Path,
    /,
    *,
    n: Count,
    prior: PriorSource = PAPER,
    first: Number = 0,
    seed: Number = 0,
    derivatives: str = "crb",
    wrt: str = "",
    sigma: Positive = 1.0,
    form: Literal["real", "complex", "real-M0"] = "real",
    chunk: Count | None = None,
    single: bool = False,
    strict: bool = False,
    rebuild: bool = False,
    workers: Workers | None = None,
    inputs: Inputs | None = None,
) -> int:
    """Write signals of many tissues and their Cramér-Rao bounds into a Zarr store: a dictionary, or a training set.

    A run that was killed goes on where it stopped when the same command is given again.

    Parameters
    ----------
    output
        The folder of the store: NAME.zarr.
    n
        Number of tissues to draw.
    first
        Number of the first tissue: tissue k of a seed is always the same.
    seed
        Seed of the draw.
    derivatives
        Arrays to keep beside the signals, separated by commas: crb, fisher, sensitivities; or none.
    wrt
        The unknown parameters, separated by commas; by default the nine of the model.
    sigma
        Standard deviation of the noise in the real and in the imaginary part each.
    form
        Fisher matrix over real parameters, over complex ones, or with M0 real.
    chunk
        Number of tissues in a chunk; 4096 unless their arrays fill more than 64 MB.
    single
        Store in single precision.
    strict
        Refuse a prior of which a tissue cannot be simulated; else its row is marked invalid.
    rebuild
        Check the existing chunks first, and compute damaged ones again.
    """
    inputs, names, runner = inputs or Inputs(), parse_unknowns(wrt), make_runner(workers)
    if output.suffix.lower() != ".zarr":
        raise UsageError(f"{output}: the output is a folder, NAME.zarr")

    seq = open_sequence(sequence, inputs)
    basis = open_basis_of(seq, inputs)
    tissues = open_prior(prior, seq, inputs)
    options = inputs.options | {"wrt": names, "sigma": sigma, "form": form, "seed": seed, "first": first}
    kept = () if derivatives == "none" else split_words(derivatives) or ()
    options |= {"derivatives": kept, "chunk": chunk, "dtype": "complex64" if single else None}
    options |= {"overwrite": inputs.overwrite, "rebuild": rebuild, "runner": runner, "strict": strict}

    begin = perf_counter()
    with show_bar(n, "dictionary") as progress:
        store = build_dictionary(seq, tissues, n, output, basis=basis, progress=progress, **options)
    if as_part(runner):
        return print_part_done(runner, output, inputs.json)

    seconds = perf_counter() - begin
    if not store.complete:
        print(f"spinbound: {output} is not complete: the same command does what is missing", file=sys.stderr)
        return DONE_WITH_FAILED_VOXELS

    outcome = (
        provenance_of(seq, sequence) | describe_store(store, True) | {"seconds": seconds, "written": [str(output)]}
    )
    print_outcome(outcome, inputs.json)
    return exit_status(outcome["invalid"], n, "cannot be simulated: their rows are NaN")


def describe_store(store: StoredDictionary, is_whole: bool) -> dict[str, Any]:
    """Describe the content of a store and its size on disk; of a whole one also the number of invalid tissues."""
    return {
        "tissues": len(store),
        "invalid": int(np.count_nonzero(~store.valid)) if is_whole else None,
        "chunks": store.n_chunks,
        "complete": store.complete,
        "arrays": store.shapes,
        "bytes": bytes_of(store.path),
        "configuration": store.configuration,
    }


def print_outcome(outcome: Mapping[str, Any], as_json: bool) -> None:
    """Print the outcome as JSON, or as a table."""
    if as_json:
        print_json(outcome)
        return
    print_arrays(outcome)
    rate = outcome["tissues"] / outcome["seconds"]
    print(f"{outcome['tissues']:,} tissues in {outcome['seconds']:.2f} s ({rate:,.0f} per second)")
    print(f"wrote {outcome['written'][0]} ({outcome['bytes'] / 1e6:.1f} MB)")


def print_arrays(outcome: Mapping[str, Any]) -> None:
    """Print the arrays of a store, one per line."""
    rows = (
        (name, " x ".join(f"{length:,}" for length in shape), kind) for name, (shape, kind) in outcome["arrays"].items()
    )
    print_table(("array", "shape", "type"), rows)
