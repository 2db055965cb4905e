"""Checks against the stored arrays: signals and sensitivities of every model."""

from __future__ import annotations

from functools import partial

import numpy as np

from spinbound.base.parameters import TISSUE
from spinbound.sequences.model import Model
from spinbound.signals.simulate import sensitivities

from .cases import CASES, Case, load, tissue_of
from .check import Check

SOURCES = {
    "gbloch": "arXiv 2207.08259, matrix exponential",
    "gbloch-ide": "arXiv 2107.11000, collocation",
    "graham": "Graham & Henkelman 1997, matrix exponential",
    "graham-single-frequency": "Graham & Henkelman 1997, matrix exponential",
    "sled": "Sled & Pike 2000, Runge-Kutta",
    "hybrid": "arXiv 1807.03424, matrix exponential",
    "bloch": "Bloch 1946, matrix exponential",
}
BLOCH_MCCONNELL = "McConnell 1958, matrix exponential"  # the equation of gbloch and gbloch-ide with a Lorentzian

# Tolerances of s and J, relative to their largest values. gbloch: a few times the error of its kernel (README); the
# other models compute a pulse to rtol = 1e-8.
GBLOCH_ERRORS, OTHER_ERRORS = (1e-9, 1e-7), (1e-8, 1e-6)


def signal_error(case: Case) -> float:
    """Return the largest deviation of the signal, relative to its largest value."""
    return errors(case)[0]


def jacobian_error(case: Case) -> float:
    """Return the largest deviation of a sensitivity, relative to its largest value over all voxels and echoes."""
    return errors(case)[1]


def errors(case: Case) -> tuple[float, float]:
    """Return the errors of the signal and of the sensitivities."""
    stored = load(case)
    s, J = sensitivities(case.sequence(), tissue_of(stored), TISSUE, model=Model(case.model, case.lineshape))
    largest = np.abs(stored["jacobian"]).max(axis=(0, 1))
    deviation = np.abs(J[:, stored["echoes"]] - stored["jacobian"]).max(axis=(0, 1))
    # A parameter without influence, such as Rex where there is one pool, must have none to the last bit.
    relative = np.where(largest > 0, deviation / np.where(largest > 0, largest, 1), np.where(deviation > 0, np.inf, 0))
    signal = np.abs(s - stored["signal"]).max() / np.abs(stored["signal"]).max()
    return float(signal), float(relative.max())


def _name_source(case: Case) -> str:
    return BLOCH_MCCONNELL if case.lineshape == "lorentzian" else SOURCES[case.model]


def _make_checks(case: Case) -> tuple[Check, Check]:
    tolerances = GBLOCH_ERRORS if case.model == "gbloch" else OTHER_ERRORS
    of = case.model if case.lineshape == "superlorentzian" else f"{case.model}, {case.lineshape}"
    return (
        Check(f"{case.train}: error of s, {of}", 0, tolerances[0], _name_source(case), partial(signal_error, case)),
        Check(f"{case.train}: error of J, {of}", 0, tolerances[1], _name_source(case), partial(jacobian_error, case)),
    )


ARRAYS: tuple[Check, ...] = tuple(check for case in CASES for check in _make_checks(case))
