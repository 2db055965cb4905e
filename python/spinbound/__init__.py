"""Signals and Cramér-Rao bounds of quantitative magnetization transfer sequences."""

from . import sequences
from ._core import version as __version__
from ._validate import InvalidData, InvalidParameter, InvalidSequence
from .basis import Basis
from .fisher import crb, fisher
from .identifiability import Identifiability, identifiability
from .model_error import ModelError, model_bias, model_error
from .parameters import ALL
from .sequence import Sequence
from .simulate import sensitivities, simulate
from .tissue import Tissue

__all__ = [
    "ALL",
    "Basis",
    "Identifiability",
    "InvalidData",
    "InvalidParameter",
    "InvalidSequence",
    "ModelError",
    "Sequence",
    "Tissue",
    "__version__",
    "crb",
    "fisher",
    "identifiability",
    "model_bias",
    "model_error",
    "sensitivities",
    "sequences",
    "simulate",
]
