"""Signals and Cramér-Rao bounds of quantitative magnetization transfer sequences."""

from . import sequences
from ._core import version as __version__
from ._validate import InvalidData, InvalidParameter, InvalidSequence
from .basis import Basis
from .experiments import continuous_wave, inversion_recovery, saturation_recovery
from .fisher import crb, fisher
from .parameters import ALL
from .sequence import Sequence
from .simulate import sensitivities, simulate
from .tissue import Tissue
from .verify import Verification, verify

__all__ = [
    "ALL",
    "Basis",
    "InvalidData",
    "InvalidParameter",
    "InvalidSequence",
    "Sequence",
    "Tissue",
    "Verification",
    "__version__",
    "continuous_wave",
    "crb",
    "fisher",
    "inversion_recovery",
    "saturation_recovery",
    "sensitivities",
    "sequences",
    "simulate",
    "verify",
]
