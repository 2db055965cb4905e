"""Tests of whether data, basis and sequence belong together (theory, section 16).

In a basis    the part of a brain's signals in the train that lies outside the basis, |s - V V^H s|/|s|
without       the part of the data that no tissue's signal in the train explains, beyond their noise

Both are measured with tissues of their own, never with those of a call, and compared with what the train itself would
leave. A train that is nearly the right one, such as one whose TR is wrong by 10 %, has nearly the same signals: it
cannot be told from the right one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf, log
from typing import Any

import numpy as np
import numpy.typing as npt

import spinbound._core as _core
from spinbound.base.blas import use_one_thread
from spinbound.base.errors import BoolArray, ComplexArray, FloatArray, InvalidData, InvalidParameter, InvalidSequence
from spinbound.base.parameters import TISSUE
from spinbound.sequences.experiment import Trains
from spinbound.sequences.model import Model
from spinbound.tissues.distributions import Uniform
from spinbound.tissues.prior import Prior
from spinbound.tissues.tissue import Tissue

BRAIN = Prior(
    m0s=Uniform(0, 0.25),
    R1f=Uniform(0.3, 1.5),
    R1s=Uniform(0.3, 6),
    R2f=Uniform(5, 30),
    Rex=Uniform(5, 30),
    T2s=Uniform(9e-6, 14e-6),
    omega0=Uniform(-200, 200),
    B1=Uniform(0.8, 1.1),
)
N_BRAIN, N_PRIOR, N_ATOMS = 200, 400, 500  # tissues of the brain; of the paper's prior, for a basis and for data
LONGEST = 1 << 20  # samples of all signals of a set, 17 MB: longer trains take fewer tissues, but no less than `FEWEST`
FEWEST = 50
MODELS = "gbloch", "graham"  # of the tissues: the fast one, and one for shaped, short and strong pulses

# Of bases. The tenth percentile, since a basis made for other tissues may still hold a tenth of these.
PERCENTILE = 10
FEW, LARGEST_OF_FEW, LARGEST_PART = 8, 0.12, 0.1  # vectors; what fewer of them, or as many, may leave
MARGIN = 1.3  # or so many times what the train's own basis leaves: bases of 300 other tissues leave up to 1.26 times

# Of data.
LEAST_VOXELS, MOST_VOXELS = 10, 200  # that are judged
TRIED_VOXELS = 1000  # evenly spaced, among which these are sought
NOISE_MARGIN, MOST_NOISE = 1.25, 0.2  # of the noise's energy; its largest share in that of a voxel that is judged
LARGEST_REST, REST_MARGIN = 0.45, 1.5  # as above, of the rest that the nearest atom leaves

ADVICE = (
    "check that this is the sequence of the data: its gradient moments (a crusher at the inversion?), the unit of TR "
    "and TRF (s) and of alpha (rad), the order and the number of the pulses"
)
ASSIGN = "basis.assign(seq), in commands --unchecked"


# A basis


def refuse_foreign_basis(vectors: npt.NDArray[np.inexact], trains: Trains) -> None:
    """Refuse vectors (n, rank) that hold too little of a brain's signals in these trains.

    Raises
    ------
    InvalidParameter
        If a tenth of the brain's tissues leave more outside than allowed, or none can be simulated.
    """
    try:
        signals = _simulate(trains, BRAIN, N_BRAIN)
    except (InvalidParameter, InvalidSequence) as problem:
        raise InvalidParameter(
            f"whether the basis belongs to the sequence cannot be tested, as no brain can be simulated in it: {problem}"
            f"; {ADVICE}, or declare that they belong together: {ASSIGN}"
        ) from None
    with use_one_thread():
        part = _percentile(measure_outside(signals, vectors))
        least = LARGEST_OF_FEW if vectors.shape[1] < FEW else LARGEST_PART
        if part <= least:
            return
        own = _percentile(measure_outside(signals, _own_vectors(trains, vectors.shape[1])))
    largest = max(least, MARGIN * own)
    if not part <= largest:
        raise InvalidParameter(
            f"the basis does not belong to the sequence: it leaves out more than {part:.2f} of the norm of the signals "
            f"of nine brain tissues in ten, allowed: {largest:.2f}; {ADVICE}. If they do belong together: "
            f"{ASSIGN}"
        )


def measure_outside(signals: npt.NDArray[np.inexact], vectors: npt.NDArray[np.inexact]) -> FloatArray:
    """Return |s - V V^H s|/|s| (N,) of signals (N, n) and orthonormal vectors V (n, rank)."""
    inside = np.sum(np.abs(signals @ vectors.conj()) ** 2, axis=1)
    return np.asarray(np.sqrt(np.maximum(0, 1 - inside / np.sum(np.abs(signals) ** 2, axis=1))))


def _percentile(parts: FloatArray) -> float:
    return float(np.percentile(parts, PERCENTILE))


def _own_vectors(trains: Trains, rank: int) -> ComplexArray:
    """Return the basis of a rank that tissues of the paper's prior have in these trains."""
    signals = _simulate(trains, _paper(trains), N_PRIOR)
    values, turns = np.linalg.eigh(signals.conj() @ signals.T)  # of the tissues, which are fewer than the echoes
    kept = values[::-1][:rank] > len(values) * np.finfo(np.float64).eps * values[-1]
    turns = turns[:, ::-1][:, :rank][:, kept]
    return np.asarray(np.linalg.qr(signals.T @ turns)[0])


# Data


@dataclass(frozen=True)
class Space:
    """Signals of unit norm (N, n) of tissues of any B1, and the median part of one that the nearest other leaves."""

    atoms: ComplexArray
    own: float


def refuse_foreign_data(rows: npt.NDArray[Any], voxels: npt.NDArray[np.intp], trains: Trains) -> None:
    """Refuse rows (all voxels, n) of data in the time domain, some voxels of which are no signals of these trains.

    Voxels of too much noise are not judged, and where fewer than `LEAST_VOXELS` remain nothing is refused.

    Raises
    ------
    InvalidData
        If half of the voxels leave more than allowed.
    """
    data, noise = _select_judged(rows, voxels)
    if len(data) < LEAST_VOXELS or (space := _find_space(trains)) is None:
        return
    with use_one_thread():
        rest = float(np.median(_measure_rest(data, noise, space.atoms)))
    largest = max(LARGEST_REST, REST_MARGIN * space.own)
    if not rest <= largest:
        raise InvalidData(
            f"the data do not belong to the sequence: its signals leave {rest:.2f} of the norm of the data beyond "
            f"their noise, in the median of {len(data)} voxels, allowed: {largest:.2f}; {ADVICE}. If they do belong "
            "together: check_data=False, in commands --unchecked"
        )


def measure_noise(rows: npt.NDArray[Any], voxels: npt.NDArray[np.intp]) -> float:
    """Return the median share of noise in the energy of rows (all voxels, n), at least; 0 where it cannot be told."""
    noise = estimate_noise(_select_tried(rows, voxels))
    known = noise[np.isfinite(noise)]
    return float(np.median(known)) if known.size else 0.0


def _select_tried(rows: npt.NDArray[Any], voxels: npt.NDArray[np.intp]) -> ComplexArray:
    """Return data of some voxels, evenly spaced, each scaled to a largest sample of 1."""
    places = np.linspace(0, voxels.size - 1, min(voxels.size, TRIED_VOXELS)).astype(np.intp)
    data = np.asarray(rows[voxels[places]], np.complex128)
    with np.errstate(all="ignore"):
        return np.asarray(data / np.abs(data).max(axis=1, keepdims=True, initial=0))


def _select_judged(rows: npt.NDArray[Any], voxels: npt.NDArray[np.intp]) -> tuple[ComplexArray, FloatArray]:
    """Return data of voxels of little noise, and the share of the noise in their energy."""
    data = _select_tried(rows, voxels)
    noise = estimate_noise(data)
    with np.errstate(invalid="ignore"):
        judged = np.flatnonzero(noise <= MOST_NOISE)[:MOST_VOXELS]  # NaN where data are zero or not finite
    return data[judged], noise[judged]


def estimate_noise(data: ComplexArray) -> FloatArray:
    """Return the share (N,) of noise in the energy of data (N, n), at least: a train that jumps counts as noise.

    The second differences of white noise of power p have the power 6 p, and the median of their squares is log(2) 6 p.
    """
    if data.shape[1] < 3:
        return np.full(len(data), inf)
    with np.errstate(all="ignore"):
        differences = data[:, 2:] - 2 * data[:, 1:-1] + data[:, :-2]
        power = np.median(np.abs(differences) ** 2, axis=1) / (6 * log(2))
        return np.asarray(power / np.mean(np.abs(data) ** 2, axis=1))


def _measure_rest(data: ComplexArray, noise: FloatArray, atoms: ComplexArray) -> FloatArray:
    """Return the part (N,) of data beyond their noise that the nearest atom leaves."""
    explained = np.abs(_as_units(data) @ atoms.conj().T).max(axis=1) ** 2
    share = NOISE_MARGIN * noise
    return np.asarray(np.sqrt(np.maximum(0, 1 - explained - share) / (1 - share)))


def _find_space(trains: Trains) -> Space | None:
    """Return the signals of the trains, which the first sequence keeps; None where no tissue can be simulated."""
    kept = vars(trains.sequences[0]).setdefault("_spaces", {})
    key = trains.sequences[1:]
    if key not in kept:
        try:
            atoms = _as_units(_simulate(trains, _of_any_B1(trains), N_ATOMS))
        except (InvalidParameter, InvalidSequence):
            kept[key] = None  # a model that the caller has chosen may know the train
        else:
            kept[key] = Space(atoms, _measure_own_rest(atoms))
    return kept[key]


def _measure_own_rest(atoms: ComplexArray) -> float:
    """Return the median part of an atom that the nearest of the others leaves."""
    with use_one_thread():
        likeness = np.abs(atoms @ atoms.conj().T)
    np.fill_diagonal(likeness, 0)
    return float(np.median(np.sqrt(np.maximum(0, 1 - likeness.max(axis=1) ** 2))))


# Signals


def _paper(trains: Trains) -> Prior:
    """Return the paper's prior, with omega0 within its period in these trains."""
    shortest = min(float(seq.repetition_times.min()) for seq in trains.sequences)
    return Prior.paper(shortest)


def _of_any_B1(trains: Trains) -> Prior:
    """Return the paper's prior with as many tissues of little B1 as of any other."""
    paper = _paper(trains)
    low, high = paper.bounds["B1"]
    return Prior(**{name: paper[name] for name in paper.names if name != "B1"}, B1=Uniform(low, high))


def _simulate(trains: Trains, prior: Prior, n: int) -> ComplexArray:
    """Simulate (N, echoes) tissues of a prior that have a signal, by the first model that takes the trains."""
    n = max(FEWEST, min(n, LONGEST // trains.n_echoes))
    first, second = (partial(_simulate_by, Model(name), trains, prior, n) for name in MODELS)
    try:
        return first()
    except (InvalidParameter, InvalidSequence):
        return second()


def _simulate_by(model: Model, trains: Trains, prior: Prior, n: int) -> ComplexArray:
    tissue = prior.within(list(trains.sequences), model).sample(n)
    signals = np.empty((n, trains.n_echoes), np.complex128)
    _core.simulate(
        _core.Call(
            experiment=trains.as_core(),
            tissue=_as_matrix(tissue),
            M0=np.ones(n, np.complex128),
            valid=np.ones(n, np.bool_),
            model=model.codes,
            basis=None,
            single=False,
            threads=1,
            progress=None,
        ),
        signals,
    )
    return signals[_has_signal(signals)]


def _has_signal(signals: ComplexArray) -> BoolArray:
    return np.asarray(np.isfinite(signals).all(axis=1) & signals.any(axis=1))


def _as_matrix(tissue: Tissue) -> FloatArray:
    return np.array([np.broadcast_to(tissue[name], tissue.shape) for name in TISSUE])


def _as_units(signals: ComplexArray) -> ComplexArray:
    return np.asarray(signals / np.linalg.norm(signals, axis=1, keepdims=True))
