"""What is computed of each tissue of a dictionary on disk, and how its arrays are laid out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinbound.base.errors import BoolArray, InvalidParameter, Progress
from spinbound.base.parameters import PARAMETERS, TISSUE
from spinbound.base.progress import split_progress
from spinbound.files import stores
from spinbound.files.stores import Array, Layout
from spinbound.signals.batch import round_into
from spinbound.signals.crb import crb
from spinbound.signals.fisher import fisher, in_one_run, n_columns
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.signals.valid import valid_voxels
from spinbound.tissues.sources import Source
from spinbound.tissues.tissue import Tissue

DERIVATIVES = ("crb", "fisher", "sensitivities")
CHUNK, CHUNK_BYTES = 4096, 1 << 26  # tissues, or as many as fill 64 MB


@dataclass(frozen=True)
class Recipe:
    """What is computed of each tissue."""

    forward: ForwardModel
    wrt: tuple[str, ...]
    derivatives: tuple[str, ...]
    sigma: float
    form: str
    dtype: str  # of the signals; what is real has the same precision

    def layouts(self, n: int, chunk: int) -> dict[str, Layout]:
        """The arrays of n tissues, in the order in which they are stored."""
        samples, basis = self.forward.n_samples, self.forward.basis
        sample, P, columns = "echo" if basis is None else "vector", len(self.wrt), n_columns(self.wrt, self.form)
        real = "float64" if self.dtype == "complex128" else "float32"
        named = {"parameters": list(self.wrt), "sigma": self.sigma, "form": self.form}
        units = {"units": [f"({PARAMETERS[name].unit})^2" for name in self.wrt]}
        tissue = {f"tissue/{name}": Layout((n,), "float64", chunk, ("tissue",), _described(name)) for name in TISSUE}
        results = {
            "crb": Layout((n, P), real, chunk, ("tissue", "parameter"), named | units),
            "fisher": Layout(
                (n, columns, columns),
                self.dtype if self.form == "complex" else real,
                chunk,
                ("tissue", "row", "column"),
                named,
            ),
            "sensitivities": Layout(
                (n, samples, P), self.dtype, chunk, ("tissue", sample, "parameter"), {"parameters": list(self.wrt)}
            ),
        }
        return tissue | {
            "valid": Layout((n,), "bool", chunk, ("tissue",)),
            "signals": Layout((n, samples), self.dtype, chunk, ("tissue", sample), {"units": "M0"}),
            **{name: results[name] for name in self.derivatives},
        }

    def accepts(self, tissue: Tissue) -> BoolArray:
        """Which of the tissues can be simulated."""
        matrix = np.array([np.broadcast_to(tissue[name], tissue.shape) for name in TISSUE])
        return valid_voxels(matrix, np.ones(tissue.size, np.complex128), None, self.forward.limits)

    def computed(self, tissue: Tissue, threads: int | None, report: Progress | None) -> dict[str, Array]:
        """All arrays of some tissues; those that cannot be simulated are NaN."""
        layouts = self.layouts(tissue.size, tissue.size)
        arrays = {name: np.full(layout.shape, _missing(layout), layout.dtype) for name, layout in layouts.items()}
        for name in TISSUE:
            arrays[f"tissue/{name}"][:] = tissue[name]
        if self.accepts(tissue).any():
            for name, values in self.results(tissue, threads, report).items():
                round_into(arrays[name], slice(None), values)
        arrays["valid"][:] = np.isfinite(arrays["signals"]).all(axis=1)
        return arrays

    def results(self, tissue: Tissue, threads: int | None, report: Progress | None) -> dict[str, Array]:
        """What the core computes; at least one of the tissues is valid."""
        forward = self.forward
        if self.derivatives and forward.basis is not None:
            asked = self.wrt, self.sigma, self.form, self.derivatives
            return in_one_run(forward, tissue, *asked, threads=threads, progress=report)
        return self._in_turn(tissue, threads, report)

    def _in_turn(self, tissue: Tissue, threads: int | None, report: Progress | None) -> dict[str, Any]:
        """In the time domain, where each is a run of its own."""
        seq, basis = self.forward.sequence, self.forward.basis
        options: dict[str, Any] = {"model": self.forward.model, "basis": basis, "threads": threads}
        functions: dict[str, Callable[..., Any]] = {"fisher": fisher, "crb": crb}
        further = [name for name in functions if name in self.derivatives]
        first, *others = split_progress(report, 1 + len(further), 0, tissue.size, tissue.size)
        results: dict[str, Any] = {}
        if "sensitivities" in self.derivatives:
            pair = sensitivities(seq, tissue, self.wrt, progress=first, **options)
            results["signals"], results["sensitivities"] = pair
        else:
            results["signals"] = simulate(seq, tissue, progress=first, **options)
        for name, share in zip(further, others, strict=True):
            asked = self.wrt, self.sigma, self.form
            results[name] = functions[name](seq, tissue, *asked, progress=share, **options)
        if "crb" in results:
            results["crb"] = np.stack([results["crb"][name] for name in self.wrt], axis=-1)
        return results


def _missing(layout: Layout) -> complex | float | int:
    """What the core writes where a tissue is invalid."""
    return complex(np.nan, np.nan) if layout.dtype.startswith("complex") else layout.fill


def _described(name: str) -> dict[str, Any]:
    return {"units": PARAMETERS[name].unit, "long_name": PARAMETERS[name].description}


def default_chunk(recipe: Recipe, n: int) -> int:
    """Tissues of a chunk unless told: 4096, or a smaller power of two whose arrays fill 64 MB."""
    chunk = CHUNK
    while chunk > 1 and sum(layout.chunk_bytes for layout in recipe.layouts(chunk, chunk).values()) > CHUNK_BYTES:
        chunk //= 2
    return min(chunk, n)


def refuse_invalid(recipe: Recipe, source: Source) -> None:
    """Refuse, before any work, what cannot be computed of the first valid tissue, or tissues none of which is."""
    for start in range(0, source.n, CHUNK):
        tissue = source.rows(slice(start, min(start + CHUNK, source.n)))()
        valid = recipe.accepts(tissue)
        if valid.any():
            recipe.computed(tissue[valid][:1], 1, None)
            return
    recipe.results(source.rows(slice(0, 1))(), 1, None)  # says why


def check_chunk(recipe: Recipe, chunk: int) -> None:
    """Refuse chunks of an array that cannot be packed at once."""
    for name, layout in recipe.layouts(chunk, chunk).items():
        if layout.chunk_bytes > stores.MAX_CHUNK:
            most = chunk * stores.MAX_CHUNK // layout.chunk_bytes
            raise InvalidParameter(
                f"chunk is {chunk}: its {name} would take {layout.chunk_bytes} bytes; allowed: {most}"
            )
