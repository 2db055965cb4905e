"""The arrays of each tissue of a dictionary: their computation, and their layout on disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from spinbound.base.errors import BoolArray, ComplexArray, InvalidParameter, Progress
from spinbound.base.parameters import PARAMETERS, TISSUE
from spinbound.base.progress import split_progress
from spinbound.files import stores
from spinbound.files.stores import Array, Layout
from spinbound.sequences.experiment import refuse_silence
from spinbound.signals.batch import round_into, valid_voxels
from spinbound.signals.crb import crb
from spinbound.signals.fisher import compute_in_one_run, fisher, n_columns
from spinbound.signals.forward import ForwardModel
from spinbound.signals.noise import GaussianNoise
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues.sources import Source
from spinbound.tissues.tissue import Tissue

DERIVATIVES = ("crb", "fisher", "sensitivities")
CHUNK, CHUNK_BYTES = 4096, 1 << 26  # tissues of a chunk, or as many as fill 64 MB


@dataclass(frozen=True)
class Recipe:
    """The forward model and the arrays that are computed for each tissue."""

    forward: ForwardModel
    wrt: tuple[str, ...]
    derivatives: tuple[str, ...]
    sigma: float
    form: str
    dtype: str  # of the signals; real arrays have the same precision
    noise_covariance: ComplexArray | None = None  # of coefficients, in place of sigma = 1

    @property
    def noise(self) -> GaussianNoise:
        """The noise that the bounds are for."""
        return GaussianNoise.of(self.sigma, self.noise_covariance, self.forward.basis)

    strict: bool = False  # refuse tissues that cannot be simulated

    def layouts(self, n: int, chunk: int) -> dict[str, Layout]:
        """Return the layouts of the arrays of n tissues, in the order in which they are stored."""
        samples, basis = self.forward.n_samples, self.forward.basis
        sample, P, columns = "echo" if basis is None else "vector", len(self.wrt), n_columns(self.wrt, self.form)
        real = "float64" if self.dtype == "complex128" else "float32"
        named = {"parameters": list(self.wrt), "sigma": self.sigma, "form": self.form}
        units = {"units": [f"({PARAMETERS[name].unit})^2" for name in self.wrt]}
        tissue = {f"tissue/{name}": Layout((n,), "float64", chunk, ("tissue",), _describe(name)) for name in TISSUE}
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
        """Say which of the tissues can be simulated."""
        matrix = np.array([np.broadcast_to(tissue[name], tissue.shape) for name in TISSUE])
        return valid_voxels(matrix, np.ones(tissue.size, np.complex128), None, self.forward.limits)

    def compute(self, tissue: Tissue, threads: int | None, progress: Progress | None) -> dict[str, Array]:
        """Compute all arrays of some tissues; rows of tissues that cannot be simulated are NaN."""
        layouts = self.layouts(tissue.size, tissue.size)
        arrays = {name: np.full(layout.shape, _missing_value(layout), layout.dtype) for name, layout in layouts.items()}
        for name in TISSUE:
            arrays[f"tissue/{name}"][:] = tissue[name]
        if self.accepts(tissue).any():
            for name, values in self.compute_results(tissue, threads, progress).items():
                round_into(arrays[name], slice(None), values)
        arrays["valid"][:] = np.isfinite(arrays["signals"]).all(axis=1)
        if self.strict and not arrays["valid"].all():
            n_wrong = int(np.count_nonzero(~arrays["valid"]))
            raise InvalidParameter(
                f"{n_wrong} of {tissue.size} tissues of a chunk cannot be integrated to rtol, which strict refuses"
            )
        return arrays

    def compute_results(self, tissue: Tissue, threads: int | None, progress: Progress | None) -> dict[str, Array]:
        """Compute the arrays of the core, where at least one of the tissues is valid."""
        forward = self.forward
        if self.derivatives and forward.basis is not None:
            arguments = self.wrt, self.noise, self.form, self.derivatives
            return compute_in_one_run(forward, tissue, *arguments, threads=threads, progress=progress)
        return self._compute_in_turn(tissue, threads, progress)

    def _compute_in_turn(self, tissue: Tissue, threads: int | None, progress: Progress | None) -> dict[str, Any]:
        """Compute the arrays in the time domain, where each needs its own run."""
        seq, basis = self.forward.sequence, self.forward.basis
        options: dict[str, Any] = {"model": self.forward.model, "basis": basis, "threads": threads}
        functions: dict[str, Callable[..., Any]] = {"fisher": fisher, "crb": crb}
        further = [name for name in functions if name in self.derivatives]
        first, *others = split_progress(progress, 1 + len(further), 0, tissue.size, tissue.size)

        results: dict[str, Any] = {}
        if "sensitivities" in self.derivatives:
            pair = sensitivities(seq, tissue, self.wrt, progress=first, **options)
            results["signals"], results["sensitivities"] = pair
        else:
            results["signals"] = simulate(seq, tissue, progress=first, **options)
        for name, share in zip(further, others, strict=True):
            arguments = self.wrt, self.sigma, self.form
            results[name] = functions[name](seq, tissue, *arguments, progress=share, **options)
        if "crb" in results:
            results["crb"] = np.stack([results["crb"][name] for name in self.wrt], axis=-1)
        return results


def _missing_value(layout: Layout) -> complex | float | int:
    """Return the value that the core writes where a tissue is invalid."""
    return complex(np.nan, np.nan) if layout.dtype.startswith("complex") else layout.fill


def _describe(name: str) -> dict[str, Any]:
    return {"units": PARAMETERS[name].unit, "long_name": PARAMETERS[name].description}


def default_chunk(recipe: Recipe, n: int) -> int:
    """Return the default size of a chunk: 4096 tissues, or a smaller power of two whose arrays fill 64 MB."""
    chunk = CHUNK
    while chunk > 1 and sum(layout.chunk_bytes for layout in recipe.layouts(chunk, chunk).values()) > CHUNK_BYTES:
        chunk //= 2
    return min(chunk, n)


def refuse_invalid(recipe: Recipe, source: Source) -> None:
    """Refuse, before any work, arrays that the first valid tissue does not allow, and tissues that are not accepted.

    Those are tissues of which none is valid, or with `strict` not every one.
    """
    refuse_silence(recipe.forward.trains)
    is_tried = False
    for start in range(0, source.n, CHUNK):
        tissue = source.rows(slice(start, min(start + CHUNK, source.n)))()
        valid = recipe.accepts(tissue)
        if recipe.strict and not valid.all():
            _refuse_tissue(recipe, source, start + int(valid.argmin()))
        if valid.any() and not is_tried:
            recipe.compute(tissue[valid][:1], 1, None)
            is_tried = True
        if is_tried and not recipe.strict:
            return
    if not is_tried:
        recipe.compute_results(source.rows(slice(0, 1))(), 1, None)  # raises an error that says why


def _refuse_tissue(recipe: Recipe, source: Source, k: int) -> NoReturn:
    reason: object = "it cannot be simulated"
    try:
        simulate(recipe.forward.sequence, source.rows(slice(k, k + 1))()[0], model=recipe.forward.model)
    except InvalidParameter as problem:
        reason = problem
    raise InvalidParameter(f"strict refuses tissue {k}: {reason}; without it, its row would be marked invalid")


def check_chunk(recipe: Recipe, chunk: int) -> None:
    """Refuse chunks that are too large to be packed in one piece."""
    for name, layout in recipe.layouts(chunk, chunk).items():
        if layout.chunk_bytes > stores.MAX_CHUNK:
            most = chunk * stores.MAX_CHUNK // layout.chunk_bytes
            raise InvalidParameter(
                f"chunk is {chunk}: its {name} would take {layout.chunk_bytes} bytes; allowed: {most}"
            )
