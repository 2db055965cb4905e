"""The parts of a novelty: simulated atoms with their tangents, their floor, and the percentiles of novelty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.base.checks import as_count, as_parameter_names, check_progress
from spinbound.base.errors import FloatArray, InvalidParameter, Progress
from spinbound.base.parameters import TISSUE, bases
from spinbound.base.progress import shift_progress, show_progress
from spinbound.estimators.matching.search import find_usable
from spinbound.nn.noise import Noise
from spinbound.sequences.experiment import Experiment
from spinbound.signals.batch import count_threads
from spinbound.signals.forward import ForwardModel
from spinbound.signals.simulate import sensitivities, simulate
from spinbound.tissues.tissue import Tissue

from .charts import NEIGHBOURS, Charts
from .measure import Measure

ATOMS, VALUES = 4096, 1 << 22  # complex numbers of the tangents
LEAST_ATOMS = NEIGHBOURS + 1  # each needs as many others
SHARES = (0.5, 0.9, 0.99, 0.999)  # shares of the training distribution whose percentiles are stored
NO_NOISE = 1e-3  # share of the least noise of the training, for signals whose distance from other atoms is measured


def choose_n_atoms(n: int | None, forward: ForwardModel, n_parameters: int) -> int:
    """Choose the number of atoms: the given one, or as many as there is room for."""
    if n is not None:
        return as_count("n", n, LEAST_ATOMS)
    return max(min(ATOMS, VALUES // (forward.n_samples * max(n_parameters, 1))), LEAST_ATOMS)


def make_fields(
    forward: ForwardModel,
    atoms: Tissue,
    others: Tissue,
    names: Iterable[str],
    noise: Noise | None,
    *,
    threads: int | None,
    progress: bool | Progress | None,
) -> dict[str, Any]:
    """Make the fields of a novelty: simulate atoms that differ in some parameters, and measure it on other tissues."""
    seq = forward.sequence
    options: dict[str, Any] = {"model": forward.model, "basis": forward.basis, "threads": threads}
    check_progress(progress)
    noise = noise or Noise()

    total = atoms.size + others.size
    with show_progress(progress, total, "novelty", "tissue") as advance:
        charts, varying = _make_charts(seq, atoms, names, options | {"progress": shift_progress(advance, 0, total)})
        signals = simulate(seq, others, progress=shift_progress(advance, atoms.size, total), **options)
    n_threads = count_threads(threads)
    floor = _round_to_single(_measure_floor(charts, noise, n_threads))
    measure = Measure(charts, floor, find_relative_noise(noise))

    percentiles = _measure_percentiles(measure, noise, signals[find_usable(signals)], n_threads)
    return {"names": varying, "charts": charts, "floor": floor, "noise": noise, "percentiles": percentiles}


def find_relative_noise(noise: Noise) -> float:
    """Return sigma/|M0| at the middle of the range of |M0|."""
    return noise.sigma / float(np.mean(noise.M0))


def _make_charts(
    seq: Experiment, atoms: Tissue, names: Iterable[str], options: Mapping[str, Any]
) -> tuple[Charts, tuple[str, ...]]:
    """Make the charts of the atoms that can be simulated, in the parameters by which they differ."""
    values = {name: np.broadcast_to(atoms[name], atoms.shape) for name in names}
    varying = as_parameter_names(
        [name for name, of_atoms in values.items() if np.ptp(of_atoms) > 0], "varying parameters"
    )
    signals, tangents = sensitivities(seq, atoms, varying, **options)
    valid = find_usable(signals) & np.isfinite(tangents).all(axis=(1, 2))
    places = np.stack([values[name][valid] for name in varying], axis=1)
    width = places.std(axis=0)
    charts = Charts(*map(_round_to_single, (signals[valid], tangents[valid] * width, places / width)))

    if charts.degrees_of_freedom < 1:
        raise InvalidParameter(
            f"signals have {signals.shape[1]} complex samples, which {len(varying)} parameters and M0 explain "
            "whatever they are; novelty needs more"
        )
    if len(charts.signals) < LEAST_ATOMS:
        raise InvalidParameter(f"only {len(charts.signals)} tissues can be simulated; novelty needs {LEAST_ATOMS}")

    return charts, varying


def find_varying(tissue: Tissue, bounded: Iterable[str]) -> list[str]:
    """Find the parameters by which tissues may differ: those that have bounds, and others that vary."""
    names = [name for name in bounded if name != "M0"]
    known = {base for name in names for base in bases(name)}
    others = [name for name in TISSUE if name not in known and np.ptp(tissue[name]) > 0]
    if {"R1f", "R1s"} <= set(others) and (tissue["R1f"] == tissue["R1s"]).all():
        others = ["R1a", *(name for name in others if name not in ("R1f", "R1s"))]
    return names + others


def _measure_floor(charts: Charts, noise: Noise, n_threads: int) -> FloatArray:
    """Measure |r|/|M0| of each atom from the planes of the others."""
    signals, scale = charts.signals, charts.block.scale
    quiet = NO_NOISE * noise.sigma / noise.M0[1] / scale
    found = charts.find_nearest(signals, quiet, n_threads, are_atoms=True)
    return np.asarray(found.residual / found.M * found.scale)


def _measure_percentiles(
    measure: Measure, noise: Noise, signals: npt.NDArray[Any], n_threads: int
) -> dict[str, tuple[float, ...]]:
    """Measure the percentiles of the novelty of signals, with noise as in the training."""
    rng = np.random.default_rng(0)
    M0 = rng.uniform(*noise.M0, (len(signals), 1))
    noisy = M0 * signals + noise.sigma * (rng.normal(size=(*signals.shape, 2)) @ (1, 1j))
    sizes = {"known": noise.sigma, "assumed": np.nan}
    found = {kind: measure.compute(noisy, np.full(len(noisy), size), n_threads) for kind, size in sizes.items()}
    return {kind: tuple(np.quantile(values, SHARES).tolist()) for kind, values in found.items()}


def _round_to_single(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Round values to single precision, and return them in double precision."""
    double = np.result_type(values.dtype, np.float64)
    return values.astype(np.complex64 if double.kind == "c" else np.float32).astype(double)
