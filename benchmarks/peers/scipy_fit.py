"""Fits one voxel after the other, by scipy.optimize.least_squares.

In every variant M0 is eliminated, as it is in spinbound: what remains of the data y is r = M0 s - y with the best
M0 = s^H y/|s|^2, real parts above imaginary ones, and the columns of the Jacobian have no part along s (Kaufman).
Bounds are spinbound's, unknowns of the order of one, everything else as SciPy has it by default.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import scipy.linalg
import scipy.optimize
import spinbound as sb
from spinbound.base.parameters import TISSUE

from . import numpy_expm
from .model import WITHOUT_XS, Train, generators, inversion

UNITS = {
    "m0s": 0.1,
    "R1f": 1.0,
    "R1a": 1.0,
    "R2f": 10.0,
    "Rex": 10.0,
    "R1s": 1.0,
    "T2s": 1e-5,
    "omega0": 100.0,
    "B1": 1.0,
}


@dataclass(frozen=True)
class FitPeer:
    """One way to fit.

    Attributes
    ----------
    name, does
        What it is called, and where signal and Jacobian come from.
    model
        (seq, basis or None) -> a function of a tissue {name: value} that returns the samples of its signal for M0 = 1
        (n,), and the derivatives by these names (n, P), or None for SciPy's finite differences.
    voxels
        How many it is asked to fit.
    """

    name: str
    does: str
    model: Callable
    voxels: int


class Voxel:
    """The least-squares problem of one voxel: `fit` sets what it found.

    Attributes
    ----------
    estimates, residual
        {name: value}, and |M0 s - y|/|y|.
    evaluations, steps
        Of the model, and of the residual without those for finite differences.
    """

    def __init__(self, samples, data, start, bounds):
        self.samples, self.data, self.names = samples, data, tuple(start)
        self.units = np.array([UNITS[name] for name in self.names])
        self.start, self.bounds = self.scaled(start), [self.scaled(bound) for bound in bounds]

    def scaled(self, values):
        """Unknowns of the order of one."""
        return np.array([values[name] for name in self.names]) / self.units

    def evaluated(self, x):
        """Residual (2 n,), and its derivatives (2 n, P) or None."""
        self.evaluations += 1
        s, ds = self.samples(dict(zip(self.names, np.array(x) * self.units, strict=True)))
        M0 = np.vdot(s, self.data) / np.vdot(s, s)
        if ds is not None:
            ds = M0 * ds * self.units
            ds = stacked(ds - np.outer(s, s.conj() @ ds) / np.vdot(s, s))
        return stacked(M0 * s - self.data), ds

    def fit(self):
        """Once, anew."""
        self.evaluations = 0
        at = cache(self.evaluated)  # SciPy asks for residual and derivatives of the same point
        has_derivatives = at(tuple(self.start))[1] is not None
        found = scipy.optimize.least_squares(
            lambda x: at(tuple(x))[0],
            self.start,
            jac=(lambda x: at(tuple(x))[1]) if has_derivatives else "2-point",
            bounds=self.bounds,
        )
        self.estimates = dict(zip(self.names, found.x * self.units, strict=True))
        self.residual = np.sqrt(2 * found.cost) / np.linalg.norm(self.data)
        self.steps = found.nfev


def stacked(values):
    """Real parts above imaginary ones."""
    return np.concatenate([values.real, values.imag])


def spinbound_model(seq, basis):
    """Signals and exact derivatives, one voxel a call."""

    def samples(tissue):
        return sb.sensitivities(seq, sb.Tissue(**tissue), tuple(tissue), basis=basis, threads=1)

    return samples


def numpy_model(signal):
    """Signals alone, from a function of (train, theta (8,), response (n, 3)) that returns (n,)."""

    def model(seq, basis):
        train = Train(seq)

        def samples(tissue):
            values = sb.Tissue(**tissue)
            theta = np.array([values[name] for name in TISSUE])
            s = signal(train, theta, train.responses(theta[None])[0])
            return (s if basis is None else basis.compress(s)), None

        return samples

    return model


def as_written(train, theta, response):
    """The signal as its equations say: two exponentials per repetition by scipy.linalg.expm, all in one array."""
    pulses = scipy.linalg.expm(generators(theta, train.slope, response[:, 0]) * train.TRF[:, None, None])
    pulses[0] = inversion(theta, train.alpha[0], response[0])[0]
    free = generators(theta, np.zeros(1), np.zeros(1)) * train.durations[train.gap][:, None, None]
    gaps = WITHOUT_XS @ scipy.linalg.expm(free)
    repetitions = gaps @ pulses @ train.phase_turn @ gaps
    cycle = reduce(lambda product, each: each @ product, repetitions)
    m = np.append(np.linalg.solve(np.eye(5) - cycle[:5, :5], cycle[:5, 5]), 1)
    states = np.array([m := each @ m for each in repetitions])
    return states[:, 0] + 1j * states[:, 1]


def tuned(train, theta, response):
    """The same by the peer of `numpy_expm`."""
    return numpy_expm.signal(train, theta, response)[:, 0]


OUR_JACOBIAN = FitPeer("SciPy, our derivatives", "`sb.sensitivities`, one voxel a call", spinbound_model, 16)
TUNED = FitPeer(
    "SciPy, NumPy tuned",
    "the peer NumPy above without its derivatives, finite differences",
    numpy_model(tuned),
    8,
)
AS_WRITTEN = FitPeer(
    "SciPy, NumPy",
    "two scipy.linalg.expm per repetition, finite differences",
    numpy_model(as_written),
    8,
)
FIT_PEERS = (OUR_JACOBIAN, TUNED, AS_WRITTEN)
