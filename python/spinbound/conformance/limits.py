"""Checks where a model has a closed form.

References: R. Freeman, H. D. W. Hill, J. Magn. Reson. 4, 366 (1971), for the balanced steady state; J. Assländer et
al., Commun. Phys. 2019 (arXiv 1807.03424), for the hybrid state.
"""

from __future__ import annotations

from functools import partial
from math import atan2, cos, exp, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt

from spinbound.sequences.sequence import Sequence
from spinbound.signals.simulate import simulate
from spinbound.tissues.tissue import Tissue

from .check import Check

MODELS = ("gbloch", "gbloch-ide", "graham", "sled", "hybrid", "bloch")
HYBRID = "arXiv 1807.03424, hybrid state"
RECOVERY = "1 - 2 exp(-R1 t)"

WHITE_MATTER: dict[str, float] = {"m0s": 0.15, "R1f": 0.5, "R2f": 15, "Rex": 30, "R1s": 3, "T2s": 10e-6}
WATER: dict[str, float] = WHITE_MATTER | {"m0s": 0.0, "R1f": 1.0, "T2s": 2e-6}
TR = 5e-3
SHORTEST = 4e-6  # s: the shortest allowed pulse, twice the shortest T2s
SECOND_ORDER = 2 * (SHORTEST / TR) ** 2  # error of the extrapolation to hard pulses
TABLE = 1e-9  # error of the hybrid model, which takes the responses of the pool from a table at all flip angles
ROUNDING = 1e-11  # rounding errors of hundreds of events, which a steady state multiplies by 1/(n TR R1)


def simulate_magnetization(seq: Sequence, tissue: Tissue, model: str) -> npt.NDArray[np.float64]:
    """Simulate xf yf zf xs zs at every echo, M0 = 1."""
    return np.asarray(simulate(seq, tissue, model=model, output="magnetization").real)


def make_train(alpha: npt.ArrayLike, TRF: float = 100e-6, moment: str = "balanced", **options: Any) -> Sequence:
    """Make a train of repetitions that differ in their flip angles only; `moment` is that of pulse 0."""
    angles = np.asarray(alpha, np.float64)
    moments = [moment] + ["balanced"] * (angles.size - 1)
    return Sequence(angles, np.full(angles.size, TRF), TR, gradient_moment=moments, **options)


def change_without_RF(model: str) -> float:
    """Return the largest change of the equilibrium in a train of pulses of no flip angle."""
    tissue = Tissue(**(WATER if model == "bloch" else WHITE_MATTER))
    states = simulate_magnetization(make_train(np.zeros(20)), tissue, model)
    m0s = float(tissue["m0s"])
    return float(np.abs(states - [0, 0, 1 - m0s, 0, m0s]).max())


def error_of_recovery() -> float:
    """Compare the recovery of two exchanging pools from a given start to the sum of two exponentials."""
    start, tissue, n = [0, 0, -0.5, 0, 0.05], Tissue(**WHITE_MATTER), 200
    states = simulate_magnetization(make_train(np.zeros(n), start=start), tissue, "gbloch")[:, [2, 4]]
    m0s, m0f, Rex = WHITE_MATTER["m0s"], 1 - WHITE_MATTER["m0s"], WHITE_MATTER["Rex"]
    R1f, R1s = WHITE_MATTER["R1f"], WHITE_MATTER["R1s"]
    rates = np.array([[-R1f - Rex * m0s, Rex * m0f], [Rex * m0s, -R1s - Rex * m0f]])
    values, modes = np.linalg.eig(rates)
    amplitudes = np.linalg.solve(modes, np.array([start[2] - m0f, start[4] - m0s]))

    times = TR * (1 + np.arange(n))
    expected = [m0f, m0s] + (np.exp(np.multiply.outer(times, values)) * amplitudes) @ modes.T
    return float(np.abs(states - expected).max())


def inversion_error(model: str) -> float:
    """Compare zf of a single pool after an inversion at once to 1 - 2 exp(-R1 t)."""
    seq = make_train([pi] + [0.0] * 199, moment="crusher", start="thermal")
    states = simulate_magnetization(seq, Tissue(**WATER), model)
    times = TR * (0.5 + np.arange(200))
    return float(np.abs(states[:, 2] - (1 - 2 * np.exp(-WATER["R1f"] * times))).max())


def extrapolate_to_hard_pulses(
    alpha: npt.ArrayLike, moment: str, tissue: Tissue, model: str
) -> npt.NDArray[np.float64]:
    """Extrapolate xf at every echo from two short pulse durations to none, as it is linear in TRF/TR to first order."""
    short, twice = (
        simulate_magnetization(make_train(alpha, TRF, moment), tissue, model)[:, 0] for TRF in (SHORTEST, 2 * SHORTEST)
    )
    return 2 * short - twice


def balanced_signal(model: str) -> float:
    """Return the steady state of a balanced train of hard pulses, single pool, relative to its closed form."""
    alpha = 0.6
    e1, e2 = exp(-WATER["R1f"] * TR), exp(-WATER["R2f"] * TR)
    closed = exp(-WATER["R2f"] * TR / 2) * sin(alpha) * (1 - e1) / (1 - (e1 - e2) * cos(alpha) - e1 * e2)
    return abs(float(extrapolate_to_hard_pulses([alpha], "balanced", Tissue(**WATER), model)[0])) / closed


def hybrid_error(with_inversion: bool) -> float:
    """Compare the hybrid model of a single pool at a constant flip angle to its closed form, off resonance.

    r relaxes at the rate a = cos^2 R1 + sin^2 R2 towards cos R1/a; an inversion turns its sign.
    """
    alpha, omega0, n = 0.9, 150.0, 100
    angles = np.full(n, alpha)
    if with_inversion:
        angles[0] = pi

    moment = "crusher" if with_inversion else "balanced"
    signal = extrapolate_to_hard_pulses(angles, moment, Tissue(**WATER, omega0=omega0), "hybrid")
    theta = atan2(sin(alpha / 2), cos(alpha / 2) * cos(omega0 * TR / 2))
    a = cos(theta) ** 2 * WATER["R1f"] + sin(theta) ** 2 * WATER["R2f"]
    steady, decay = cos(theta) * WATER["R1f"] / a, exp(-a * n * TR)
    first = -steady * (1 - decay) / (1 + decay) if with_inversion else steady
    r = steady + (first - steady) * np.exp(-a * TR * (0.5 + np.arange(n)))
    return float(np.abs(signal - r * sin(theta)).max())


LIMITS: tuple[Check, ...] = (
    *(
        Check(f"no RF: change of equilibrium, {model}", 0, tolerance, "conservation", partial(change_without_RF, model))
        for model, tolerance in {**dict.fromkeys(MODELS, ROUNDING), "hybrid": TABLE}.items()
    ),
    Check("two pools recover: error, gbloch", 0, ROUNDING, "two exponentials", error_of_recovery),
    *(
        Check(f"m0s = 0, inversion recovery: error, {model}", 0, ROUNDING, RECOVERY, partial(inversion_error, model))
        for model in ("gbloch", "gbloch-ide", "graham", "sled", "bloch")
    ),
    *(
        Check(
            f"m0s = 0, balanced steady state/closed form, {model}",
            1,
            SECOND_ORDER,
            "Freeman & Hill 1971",
            partial(balanced_signal, model),
        )
        for model in ("gbloch", "gbloch-ide", "bloch")
    ),
    Check("m0s = 0, constant flip angle: error, hybrid", 0, SECOND_ORDER, HYBRID, partial(hybrid_error, False)),
    Check("m0s = 0, the same inverted: error, hybrid", 0, SECOND_ORDER, HYBRID, partial(hybrid_error, True)),
)
