"""What every peer says of itself, and how it is asked."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from spinbound.base.parameters import TISSUE

from benchmarks.measure import native


@dataclass(frozen=True)
class Peer:
    """Something else that computes signals and their derivatives.

    Attributes
    ----------
    name, does
        What it is called, and what it does, in a few words.
    differs
        What it computes otherwise than spinbound; empty where it is the same model.
    made_fast
        How it was made fast, and where its time goes.
    prepare
        (seq, tissues (N, 8)) -> a call without arguments that returns the signal (N, n) and the derivatives
        (N, n, P) for M0 = 1, as anything that numpy can read. The derivative by M0 is the signal.
    packages
        What must be installed.
    compiled
        It needs a C++ compiler.
    voxels
        Of one call: four, or what suits it.
    columns
        The names of the P derivatives.
    tolerance
        Of signal and derivatives, relative to their largest values; None where the model is another one.
    nearest
        (seq, tissues) -> (seq, tissues) in spinbound's model that come nearest to what it computes.
    """

    name: str
    does: str
    made_fast: str
    prepare: Callable
    differs: str = ""
    packages: tuple[str, ...] = ()
    compiled: bool = False
    voxels: int = 4
    columns: tuple[str, ...] = TISSUE
    tolerance: float | None = 1e-8
    nearest: Callable = lambda seq, tissues: (seq, tissues)

    def missing(self):
        """Why it can't run here, or None."""
        absent = [name for name in self.packages if not importlib.util.find_spec(name)]
        if absent:
            return f"{' and '.join(absent)} not installed"
        return "no C++ compiler found" if self.compiled and not native.compiler() else None

    def versions(self):
        """Its packages with their versions."""
        return ", ".join(f"{name} {version(name)}" for name in self.packages)
