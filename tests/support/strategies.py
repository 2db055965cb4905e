"""Hypothesis strategies: tissues of a physiological box, and short pulse sequences of every kind."""

import numpy as np
import spinbound as sb
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# Limits between which each parameter is drawn, in SI units.
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

MOMENTS = ("balanced", "crusher", "spoiler_dual", "spoiler_prepulse")


def given_some(*strategies, examples=25):
    """Ask a test of some examples of the strategies."""
    return lambda test: settings(max_examples=examples)(given(*strategies)(test))


def numbers(low, high):
    """Numbers between two limits; what is smaller than any measurement is zero, so that no product underflows."""
    return st.floats(low, high, allow_nan=False).map(lambda x: x if abs(x) >= 1e-9 else 0.0)


@st.composite
def tissues(draw, shape=(), equal_R1=False, box=BOX):
    """Tissues of a shape, every parameter one value per voxel; `equal_R1` sets R1f = R1s."""
    values = {name: draw(hnp.arrays(np.float64, shape, elements=numbers(*limits))) for name, limits in box.items()}
    if equal_R1:
        values["R1s"] = values["R1f"]
    M0 = draw(numbers(0.1, 10)) * np.exp(1j * draw(numbers(-3, 3)))
    return sb.Tissue(M0=M0, **values)


@st.composite
def starts(draw):
    """A periodic train, one from equilibrium, or one from a given magnetization."""
    word = draw(st.sampled_from(("periodic", "thermal", "given")))
    return [draw(numbers(-0.5, 0.5)) for _ in range(5)] if word == "given" else word


@st.composite
def sequences(draw, min_pulses=1, max_pulses=30, start=None):
    """Trains with a signal, whose flip angles are accepted for every B1 of `BOX`."""
    n_pulses = draw(st.integers(min_pulses, max_pulses))
    seq = sb.Sequence(
        alpha=draw(hnp.arrays(np.float64, n_pulses, elements=numbers(-3.3, 3.3))),
        TRF=draw(hnp.arrays(np.float64, n_pulses, elements=numbers(50e-6, 900e-6))),
        TR=draw(numbers(1e-3, 10e-3)),
        gradient_moment=[draw(st.sampled_from(MOMENTS)) for _ in range(n_pulses)],
        rf_phase_increment=draw(st.sampled_from((np.pi, 0.0, 1.0))),
        start=draw(starts()) if start is None else start,
    )
    assume(is_heard(seq))
    return seq


def is_heard(seq):
    """Whether some tissue has a signal: a pulse makes it, and an echo is not spoiled."""
    return bool(seq.alpha.any()) and set(seq.gradient_moment) != {"spoiler_dual"}


def invertible(low, high):
    """Distributions between two positive limits."""
    middle = (low + high) / 2
    return st.sampled_from(
        [
            sb.Constant(middle),
            sb.Uniform(low, middle),
            sb.LogUniform(low, high),
            sb.TruncatedNormal(low, 0.3 * (high - low), low, high),
            sb.TruncatedNormal(high, high - low, middle, high),
        ]
    )


def mixtures(low, high):
    """Mixtures between two positive limits."""
    parts = st.lists(st.tuples(st.floats(0.01, 10), invertible(low, high)), min_size=1, max_size=4)
    return st.builds(sb.Mixture, parts)


@st.composite
def priors(draw):
    """Priors of mixtures and grids, with one parameter that limits another."""
    T2f = draw(mixtures(0.01, 0.15))
    return sb.Prior(
        T2f=sb.Mixture(T2f.parts, high="T1a"),
        T1a=draw(st.one_of(invertible(0.2, 3), mixtures(0.2, 3))),
        B1=sb.Grid(draw(st.lists(st.floats(0.5, 1.5), min_size=1, max_size=5))),
        m0s=draw(st.one_of(mixtures(0.01, 0.4), st.just(sb.Grid([0.05, 0.2, 0.1])))),
        Rex=draw(invertible(5, 80)),
    )
