"""Signals and Cramér-Rao bounds of quantitative magnetization transfer sequences."""

from . import sequences
from ._core import version as __version__
from ._validate import InvalidData, InvalidParameter, InvalidSequence
from .basis import Basis
from .fisher import crb, fisher
from .parameters import ALL
from .sequence import Sequence
from .simulate import sensitivities, simulate
from .tissue import Tissue

__all__ = [
    "ALL",
    "Basis",
    "InvalidData",
    "InvalidParameter",
    "InvalidSequence",
    "Sequence",
    "Tissue",
    "__version__",
    "crb",
    "fisher",
    "sensitivities",
    "sequences",
    "simulate",
]
