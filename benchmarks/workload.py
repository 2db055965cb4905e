"""The trains and tissues that are measured."""

import os
from pathlib import Path

import numpy as np
import spinbound as sb
from spinbound.base.parameters import TISSUE

WHITE_MATTER = {"m0s": 0.15, "R1f": 0.5, "R2f": 15.0, "Rex": 30.0, "R1s": 3.0, "T2s": 10e-6, "omega0": 0.0, "B1": 1.0}
# The box from which the tests draw their tissues.
BOX = {
    "m0s": (0.01, 0.35),
    "R1f": (0.2, 2.0),
    "R2f": (5.0, 60.0),
    "Rex": (5.0, 80.0),
    "R1s": (0.5, 8.0),
    "T2s": (6e-6, 16e-6),
    "omega0": (-700.0, 700.0),
    "B1": (0.6, 1.3),
}
# Brain in a shimmed magnet, evenly spread.
BRAIN = sb.Prior(
    m0s=sb.Uniform(0.05, 0.22),
    R1f=sb.Uniform(0.4, 0.8),
    R2f=sb.Uniform(10.0, 25.0),
    Rex=sb.Uniform(10.0, 40.0),
    R1s=sb.Uniform(2.0, 5.0),
    T2s=sb.Uniform(9e-6, 14e-6),
    omega0=sb.Uniform(-300.0, 300.0),
    B1=sb.Uniform(0.75, 1.1),
)


def published_file():
    """Path of the published train, or None: it is not shipped, SPINBOUND_TEST_DATA names its folder."""
    path = Path(os.environ.get("SPINBOUND_TEST_DATA", "")) / "published_train.mat"
    return path if path.is_file() else None


def trains():
    """Names of the trains that can be loaded here: "bundled", and "published" where its file is at hand."""
    return ("bundled", "published") if published_file() else ("bundled",)


def load_train(name, n_pulses=None):
    """A train, resampled to `n_pulses` unless that is None: the inversion stays, the others follow the same curves."""
    seq = LOADERS[name]()
    return seq if n_pulses in (None, seq.n_pulses) else resampled(seq, n_pulses)


def bundled():
    """The train that ships with spinbound: every TRF is another."""
    return sb.sequences.load("hybrid-mt-4s")


def published():
    """The published train: many of its TRF are the same."""
    return sb.Sequence.load(published_file(), TR=3.5e-3, gradient_moment=["crusher"] + ["balanced"] * 1141)


LOADERS = {"bundled": bundled, "published": published}


def resampled(seq, n_pulses):
    """The same pattern of pulses in another number of pulses."""
    at = np.linspace(1, seq.n_pulses - 1, n_pulses - 1)

    def curve(values):
        return np.append(values[0], np.interp(at, np.arange(seq.n_pulses), values))

    moments = ["crusher"] + ["balanced"] * (n_pulses - 1)
    return seq.replace(alpha=curve(seq.alpha), TRF=curve(seq.TRF), gradient_moment=moments)


def random_values(n_voxels, seed=0):
    """(8, N) tissues drawn evenly from the box."""
    low, high = np.array([BOX[name] for name in TISSUE]).T
    return np.random.default_rng(seed).uniform(low, high, (n_voxels, len(TISSUE))).T.copy()


def white_matter_values(n_voxels):
    """(8, N) times white matter."""
    return np.repeat(np.array([[WHITE_MATTER[name]] for name in TISSUE]), n_voxels, axis=1)


def tissues(kind, n_voxels):
    """A `Tissue` of N voxels, "random", "white matter" or "brain"."""
    if kind == "brain":
        return BRAIN.sample(n_voxels)
    values = random_values(n_voxels) if kind == "random" else white_matter_values(n_voxels)
    return sb.Tissue(**dict(zip(TISSUE, values, strict=True)))
