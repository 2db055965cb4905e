"""The models of the pulses, by name, and what each of them can do."""

from __future__ import annotations

from dataclasses import dataclass

from spinbound.base.checks import as_number, one_of
from spinbound.base.errors import InvalidParameter

LINESHAPES = ("superlorentzian", "gaussian", "lorentzian")  # in the order of the core's codes


@dataclass(frozen=True)
class Model:
    """What a model can do."""

    lanes: bool = False  # several voxels side by side, in single precision too
    shapes: bool = False  # of pulses that are not rectangular
    flip: str = "max_integrated_flip"  # the limit of B1 alpha, by its name in the core
    shortest: str | None = None  # of TRF/T2s
    longest: str | None = None


# In the order of the core's codes.
MODELS = {
    "gbloch": Model(lanes=True, flip="max_flip", shortest="min_tau"),
    "gbloch-ide": Model(shapes=True, longest="max_tau_ide"),
    "graham": Model(shapes=True),
    "graham-single-frequency": Model(shapes=True),
    "sled": Model(shapes=True),
    "hybrid": Model(lanes=True, flip="max_crusher_flip", shortest="min_tau"),
    "bloch": Model(lanes=True, flip="max_crusher_flip"),
}

LOOSEST, TIGHTEST = 1e-2, 1e-12  # of rtol


def check_model(model: str, lineshape: str, rtol: float) -> tuple[int, int, float]:
    """The core's codes of a model.

    Raises
    ------
    InvalidParameter
        If a word is unknown, rtol out of range, or the model does not know the lineshape.
    """
    one_of("model", model, MODELS)
    one_of("lineshape", lineshape, LINESHAPES)
    accuracy = as_number("rtol", rtol)
    if not TIGHTEST <= accuracy <= LOOSEST:
        raise InvalidParameter(f"rtol is {accuracy:g}; allowed: {TIGHTEST:g} to {LOOSEST:g}")
    if model == "graham-single-frequency" and lineshape == "superlorentzian":
        raise InvalidParameter(
            "graham-single-frequency needs the absorption of the lineshape on resonance, which is infinite for the "
            "superlorentzian; allowed: gaussian, lorentzian, or the model graham"
        )
    return list(MODELS).index(model), LINESHAPES.index(lineshape), accuracy
